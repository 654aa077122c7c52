"""Where in a JSON text a value stands: validation names paths, people read lines.

A path is as msgspec writes it: ``$.survey.reminders[0].after``; ``[...]`` stands for any key of an object.
"""

import json
import re
from json import JSONDecodeError

_decoder = json.JSONDecoder()
_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+|\.\.\.)\]")
_SPACE = re.compile(r"[ \t\n\r]*")
_PLAIN = re.compile(r"[^\s,\]}]+")
#: Documents of ours are a dozen levels deep; deeper text is somebody's joke, and must not overflow the stack.
_DEEPEST = 200


def line_of(text: str, path: str) -> int:
    """Return the line (from 1) on which the value of that path begins, or of the nearest value around it that is there.

    Raises JSONDecodeError for a text that is no JSON.
    """
    places: dict[str, int] = {}
    _value(text, _space(text, 0), "$", places, 0)
    steps = [f".{name}" if name else f"[{index}]" for name, index in _STEP.findall(path)]
    while steps and "$" + "".join(steps) not in places:
        steps.pop()
    return text.count("\n", 0, places["$" + "".join(steps)]) + 1


def line_at(raw: bytes, offset: int) -> int:
    """Return the line (from 1) of a byte of the text."""
    return raw.count(b"\n", 0, offset) + 1


def _space(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at


def _value(text: str, at: int, path: str, places: dict[str, int], depth: int) -> int:
    """Note where the value that begins here stands, and everything in it; returns where it ends."""
    if depth > _DEEPEST:
        message = "nested too deep"
        raise JSONDecodeError(message, text, at)
    places[path] = at
    opening = text[at : at + 1]
    if opening == "{":
        return _members(text, at, path, places, depth)
    if opening == "[":
        return _elements(text, at, path, places, depth)
    if opening == '"':
        return _text(text, at)[1]
    found = _PLAIN.match(text, at)
    if found is None:
        message = "no value"
        raise JSONDecodeError(message, text, at)
    return found.end()


def _members(text: str, at: int, path: str, places: dict[str, int], depth: int) -> int:
    at = _space(text, at + 1)
    while text[at : at + 1] == '"':
        name, after = _text(text, at)
        value_at = _space(text, _expect(text, _space(text, after), ":"))
        after = _space(text, _value(text, value_at, f"{path}.{name}", places, depth + 1))
        # A field is found on the line of its name: that is where a person looks.
        places[f"{path}.{name}"] = at
        if text[after : after + 1] != ",":
            return _expect(text, after, "}")
        at = _space(text, after + 1)
    return _expect(text, at, "}")


def _text(text: str, at: int) -> tuple[str, int]:
    """Return the text that is quoted here, and where it ends."""
    found, end = _decoder.raw_decode(text, at)
    return str(found), end


def _elements(text: str, at: int, path: str, places: dict[str, int], depth: int) -> int:
    at = _space(text, at + 1)
    number = 0
    while text[at : at + 1] not in {"]", ""}:
        after = _space(text, _value(text, at, f"{path}[{number}]", places, depth + 1))
        number += 1
        if text[after : after + 1] != ",":
            return _expect(text, after, "]")
        at = _space(text, after + 1)
    return _expect(text, at, "]")


def _expect(text: str, at: int, sign: str) -> int:
    if text[at : at + 1] != sign:
        message = f"{sign!r} expected"
        raise JSONDecodeError(message, text, at)
    return at + 1
