"""Where a value stands in a JSON text."""

import json
from json import JSONDecodeError

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.journey import source

TEXT = """{
  "survey": {
    "after": "PT24H", "questions": [
      {"measure": "csat"},
      {"measure": "solved"}
    ]
  },
  "name": "a \\"quoted\\" name"
}"""


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("$", 1),
        ("$.survey", 2),
        ("$.survey.after", 3),
        ("$.survey.questions[1]", 5),
        ("$.survey.questions[1].measure", 5),
        ("$.name", 8),
        ("$.survey.missing", 2),
        ("$.survey.questions[7].measure", 3),
        ("$[...]", 1),
    ],
)
def test_a_path_is_found_on_its_line_or_on_that_of_what_is_around_it(path, line):
    assert source.line_of(TEXT, path) == line


@pytest.mark.parametrize("text", ["", "{", "[1, ", '{"a" 1}', '{"a": }', "[" * 5_000])
def test_a_text_that_is_no_json_is_refused(text):
    with pytest.raises(JSONDecodeError):
        source.line_of(text, "$.a")


_NAMES = st.from_regex(r"[a-z_]{1,6}", fullmatch=True)
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_NAMES, inner, max_size=4),
    max_leaves=12,
)


def _paths(value, path="$"):
    """Return every path with its line in json.dumps(indent=1), which puts each member and element on its own."""
    yield path
    inside = (
        [(f"{path}.{name}", one) for name, one in value.items()]
        if isinstance(value, dict)
        else [(f"{path}[{number}]", one) for number, one in enumerate(value)]
        if isinstance(value, list)
        else []
    )
    for name, one in inside:
        yield from _paths(one, name)


@given(_VALUES)
def test_in_an_indented_text_every_value_stands_on_the_next_line_with_something_on_it(value):
    text = json.dumps(value, indent=1, ensure_ascii=False)
    closing = {"]", "}", "],", "},"}
    opened = [number for number, line in enumerate(text.split("\n"), start=1) if line.strip() not in closing]
    assert [source.line_of(text, path) for path in _paths(value)] == opened
