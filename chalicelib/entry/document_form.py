"""A document of a CX lead as a form. Its fields are read off the document's type, so that a new field has its input.

`groups` draws a document, `document` makes the text of one of what was typed. Both work on what JSON holds, valid or
not: a document with a mistake in it is drawn as it is, with the mistake beside its field.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec
from msgspec import inspect

from chalicelib.entry.document_text import laid_out
from chalicelib.journey import clock
from chalicelib.journey.documents import KINDS
from chalicelib.journey.errors import BadDocument

#: Every row of a list has this field, so that a row whose boxes are all unticked is still a row.
_ROW, _REMOVE = "_row", "_remove"
_TIME = re.compile(r"\d\d:\d\d")

_RHYTHM = "or median_ipt, p80_ipt: the customer's own rhythm of buying."

#: What a field means, where its name does not say it all. A key is the path without the numbers of rows.
HINTS: dict[str, str] = {
    "cadence.survey.after": "After the resolution.",
    "cadence.survey.latest_useful": "So long after it was due it is given up, and its reason kept.",
    "cadence.survey.answer_window": "So long after sending an answer counts.",
    "cadence.survey.cancel_if": "One a line.",
    "cadence.survey.questions": "About the service: one to three items.",
    "cadence.survey.templates": "Other questions for cases of some categories: about a product, a delivery.",
    "cadence.survey.templates.categories": "As the helpdesk names them, capitals or not; one a line.",
    "cadence.survey.reminders.after": "After the survey was sent.",
    "cadence.tracks.after_recovery.steps.after": f"After the delivery; {_RHYTHM}",
    "cadence.tracks.after_content_answer.steps.after": f"After the answer; {_RHYTHM}",
    "cadence.tracks.after_recovery.steps.unknown": "Used before a rhythm is known.",
    "cadence.tracks.after_content_answer.steps.unknown": "Used before a rhythm is known.",
    "cadence.weighing.negative": "An answer at or below these opens a recovery.",
    "cadence.weighing.look": "An answer at or below these is put before a person.",
    "cadence.weighing.urgent_words": "One a line; the beginning of a word is enough. They make a recovery P1.",
    "playbook.steps.target": "Working time: PT4H, P1BD (one business day).",
    "playbook.escalation.at_percent": "Of the target.",
    "settings.brand.colour": "As #rrggbb. Darker and lighter shades that can be read are worked out from it.",
    "settings.calendar.weekdays": "1 is Monday; one a line.",
    "settings.calendar.closed": "Public holidays and other closed days, as 2026-12-25; one a line.",
    "settings.waking_hours": "Where the customer lives. Nothing but what they wait for goes out at other hours.",
    "settings.fatigue.survey_gap": "Between two surveys to one customer.",
    "settings.fatigue.any_gap": "Between any two automatic mails that ask.",
    "settings.mail.retry_after": "How long mail that came back for now waits before each new try; one a line.",
    "settings.breaker": "Surveys and news stop by themselves; answers to customers and notices to staff go on.",
    "settings.breaker.bounce_share": "0.02 is 2%. SES reviews an account at 0.05.",
    "settings.breaker.complaint_share": "0.0008 is 0.08%. SES reviews an account at 0.001.",
    "settings.breaker.window": "So far back mails are counted.",
    "settings.breaker.sends_min": "With fewer mails in the window nothing is judged.",
    "settings.breaker.judge_since": "Closes it: what came back before is forgiven, as 2026-03-02T09:00:00Z.",
    "settings.fuses": "The most automatic mails in one day of UTC; what is over waits for the next.",
    "settings.fuses.contact_per_day": "To one address.",
    "settings.fuses.deployment_per_day": "To all customers together.",
    "settings.fuses.staff_per_day": "Notices to one member of staff.",
    "staff.members.teams": "One a line; * takes what no other team is named for.",
    "staff.members.calendar": "Empty: the deployment's calendar.",
}


class Field(msgspec.Struct, frozen=True):
    """One input: its name is its path. ``spoken`` says a duration in words."""

    name: str
    label: str
    kind: Literal["line", "text", "lines", "number", "tick", "choice", "time"]
    value: str = ""
    options: tuple[str, ...] = ()
    required: bool = False
    hint: str = ""
    spoken: str = ""
    error: str = ""


class Group(msgspec.Struct, frozen=True):
    """What belongs together: the fields of one object, or the rows of one list (``rows`` is then set).

    ``optional`` objects can be left out; ``present`` says whether this one is there, and ``usual`` what holds if not.
    """

    name: str
    label: str
    parts: tuple["Field | Group", ...] = ()
    hint: str = ""
    is_list: bool = False
    is_row: bool = False
    optional: bool = False
    present: bool = True
    usual: str = ""
    error: str = ""

    @property
    def is_wrong(self) -> bool:
        """Say whether something in it is wrong: then it has to be seen."""
        return bool(self.error) or any(p.is_wrong if isinstance(p, Group) else p.error for p in self.parts)


def groups(kind: str, value: Any, error: BadDocument | None = None) -> Group:
    """Return the form of a document of that kind, as JSON holds it; an error stands beside what it names."""
    # Beside its field it needs no path.
    wrong = {_dotted(error.path): str(error).partition(" - at `$")[0]} if error is not None and error.path else {}
    drawn = _Drawing(kind, wrong).object(_type(kind), value, "", kind.capitalize())
    return msgspec.structs.replace(drawn, error=wrong.get("", ""))


def document(kind: str, fields: Mapping[str, str], base: Any = None) -> str:
    """Return the text of the document that these fields make, by the type of that kind; empty ones are left out.

    What is no number where one belongs stays as it was typed, so that `documents.read` can name it. A field ``add``
    names a list that gets one more row. ``base`` is the document that was edited: its order and what it spells out
    though it could be left out are kept, so that the difference between two versions is what somebody changed.
    """
    made = _Reading(fields, base).object(_type(kind), "")
    return laid_out(made)


def _type(kind: str) -> inspect.StructType:
    found = inspect.type_info(KINDS[kind])
    assert isinstance(found, inspect.StructType)  # noqa: S101 - every document is one
    return found


def _dotted(path: str) -> str:
    """Return ``$.survey.reminders[0].after`` as the name of a field: ``survey.reminders.0.after``."""
    return re.sub(r"\[(\d+)\]", r".\1", path.removeprefix("$")).removeprefix(".")


def _words(name: str) -> str:
    return name if name.isupper() else name.replace("_", " ").capitalize()


def _plain(kind: inspect.Type) -> tuple[inspect.Type, bool]:
    """Return the type inside an optional one, and whether it was optional."""
    if isinstance(kind, inspect.Metadata):
        return _plain(kind.type)
    if isinstance(kind, inspect.UnionType):
        inside = [one for one in kind.types if not isinstance(one, inspect.NoneType)]
        optional = len(inside) < len(kind.types)
        return (_plain(inside[0])[0] if len(inside) == 1 else inspect.UnionType(tuple(inside))), optional
    return kind, False


def _row_type(kind: inspect.Type) -> inspect.StructType | None:
    """Return the type of the rows of a list of objects, or None for anything else."""
    inner = _plain(kind.item_type)[0] if isinstance(kind, inspect.VarTupleType | inspect.ListType) else None
    return inner if isinstance(inner, inspect.StructType) else None


class _Drawing:
    """Draws one document."""

    def __init__(self, kind: str, wrong: Mapping[str, str]) -> None:
        self._kind = kind
        self._wrong = wrong

    def object(self, kind: inspect.StructType, value: Any, at: str, label: str, **more: Any) -> Group:
        """Draw an object: its fields in the order of its type."""
        held = value if isinstance(value, dict) else {}
        parts = tuple(
            self._part(field, held.get(field.encode_name), f"{at}.{field.encode_name}".lstrip("."))
            for field in kind.fields
        )
        return Group(name=at, label=label, parts=parts, hint=self._hint(at), error=self._wrong.get(at, ""), **more)

    def _part(self, field: inspect.Field, value: Any, at: str) -> Field | Group:
        kind, optional = _plain(field.type)
        label = _words(field.encode_name)
        if isinstance(kind, inspect.StructType):
            left_out = optional or not field.required
            usual = _usual(field) if value is None else ""
            return self.object(kind, value, at, label, optional=left_out, present=value is not None, usual=usual)
        row = _row_type(kind)
        if row is not None:
            return self._rows(row, value, at, label)
        return self._field(kind, field, value, at, label)

    def _rows(self, kind: inspect.StructType, value: Any, at: str, label: str) -> Group:
        rows = tuple(
            self.object(kind, one, f"{at}.{number}", _row_label(one, number), is_row=True)
            for number, one in enumerate(value if isinstance(value, list) else [])
        )
        return Group(name=at, label=label, parts=rows, hint=self._hint(at), is_list=True, error=self._wrong.get(at, ""))

    def _field(self, kind: inspect.Type, field: inspect.Field, value: Any, at: str, label: str) -> Field:
        default = None if field.default is msgspec.NODEFAULT else field.default
        shown = value if value is not None else default
        choices = tuple(str(one) for one in kind.values) if isinstance(kind, inspect.LiteralType) else ()
        drawn = _drawn_as(kind)
        text = _shown(shown)
        error = next((said for path, said in self._wrong.items() if path == at or path.startswith(f"{at}.")), "")
        return Field(
            name=at,
            label=label,
            kind=drawn,
            value=text[:5] if drawn == "time" else text,
            options=choices,
            required=field.required,
            hint=self._hint(at),
            spoken=_spoken(text) if drawn == "line" else "",
            error=error,
        )

    def _hint(self, at: str) -> str:
        path = ".".join(part for part in at.split(".") if not part.isdigit())
        return HINTS.get(f"{self._kind}.{path}", "")


def _usual(field: inspect.Field) -> str:
    """Return in words what holds where an object is left out: ``Max 250``; nothing where nothing does."""
    default = field.default if field.default is not msgspec.NODEFAULT else None
    if default is None and field.default_factory is not msgspec.NODEFAULT:
        default = field.default_factory()
    if not isinstance(default, msgspec.Struct):
        return ""
    held = msgspec.to_builtins(default)
    told = ((_words(name).lower(), _shown(value)) for name, value in held.items())
    return ", ".join(f"{name} {_spoken(text) or text}" for name, text in told if text)


def _row_label(value: Any, number: int) -> str:
    held = value if isinstance(value, dict) else {}
    named = next((str(held[name]) for name in ("id", "act", "measure", "name") if held.get(name)), "")
    return named or str(number + 1)


def _drawn_as(
    kind: inspect.Type,
) -> Literal["line", "text", "lines", "number", "tick", "choice", "time"]:
    if isinstance(kind, inspect.LiteralType):
        return "choice"
    if isinstance(kind, inspect.BoolType):
        return "tick"
    if isinstance(kind, inspect.IntType | inspect.FloatType):
        return "number"
    if isinstance(kind, inspect.TimeType):
        return "time"
    if isinstance(kind, inspect.DateTimeType):
        return "line"
    if isinstance(kind, inspect.StrType):
        return "text" if (kind.max_length or 0) > 1_000 else "line"  # noqa: PLR2004 - longer than a line is a text
    # Lists of plain values, and texts in several languages: one a line.
    return "lines"


def _shown(value: Any) -> str:
    """Return a value as its input holds it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else ""
    if isinstance(value, dict):
        return "\n".join(f"{name}: {_shown(one)}" for name, one in value.items())
    if isinstance(value, list | tuple):
        return "\n".join(_shown(one) for one in value)
    return str(value)


def _spoken(text: str) -> str:
    """Return a duration in words, or nothing for what is none."""
    try:
        span = clock.span(text)
    except BadDocument:
        return ""
    if span.business_days:
        return f"{span.business_days} business day{'s' * (span.business_days != 1)}"
    seconds = int(span.elapsed.total_seconds())
    sizes = ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second"))
    parts = []
    for size, name in sizes:
        number, seconds = divmod(seconds, size)
        if number:
            parts.append(f"{number} {name}{'s' * (number != 1)}")
    return " ".join(parts) or "at once"


class _Reading:
    """Reads one document out of the fields of its form."""

    def __init__(self, fields: Mapping[str, str], base: Any) -> None:
        self._fields = fields
        self._names = sorted(fields)
        self._base = base

    def object(self, kind: inspect.StructType, at: str) -> dict[str, Any]:
        """Return the object whose fields begin with that path; what is empty and may be left out is."""
        made: dict[str, Any] = {}
        for field in kind.fields:
            name = field.encode_name
            path = f"{at}.{name}".lstrip(".")
            found = self._part(field, path)
            if found is not msgspec.UNSET:
                made[name] = found
        before = _at(self._base, at)
        order = list(before) if isinstance(before, dict) else []
        return {
            name: made[name]
            for name in [*(one for one in order if one in made), *(one for one in made if one not in order)]
        }

    def _part(self, field: inspect.Field, at: str) -> Any:
        kind, optional = _plain(field.type)
        may_be_absent = (optional or not field.required) and _at(self._base, at) in (None, msgspec.UNSET)
        if isinstance(kind, inspect.StructType):
            left_out = (optional or not field.required) and not self._has(at)
            return msgspec.UNSET if left_out else self.object(kind, at)
        row = _row_type(kind)
        if row is not None:
            rows = self._rows(row, at)
            return msgspec.UNSET if not rows and may_be_absent else rows
        return self._value(kind, field, at, may_be_absent=may_be_absent)

    def _has(self, at: str) -> bool:
        """Say whether an optional object was filled in: one filled field is enough, unless it is to be left out."""
        if self._fields.get(f"{at}.{_REMOVE}"):
            return False
        inside = [name for name in self._names if name.startswith(f"{at}.")]
        return any(self._fields[name].strip() for name in inside) or self._fields.get("add") == at

    def _rows(self, kind: inspect.StructType, at: str) -> list[Any]:
        pattern = re.compile(re.escape(at) + rf"\.(\d{{1,4}})\.{_ROW}")
        numbers = sorted(int(found[1]) for name in self._names if (found := pattern.fullmatch(name)))
        rows = [
            self.object(kind, f"{at}.{number}")
            for number in numbers
            if not self._fields.get(f"{at}.{number}.{_REMOVE}")
        ]
        if self._fields.get("add") == at:
            rows.append(self.object(kind, f"{at}.new"))
        return rows

    def _value(self, kind: inspect.Type, field: inspect.Field, at: str, *, may_be_absent: bool) -> Any:
        given = self._fields.get(at, "").replace("\r\n", "\n").strip()
        if isinstance(kind, inspect.BoolType):
            ticked = bool(given)
            return msgspec.UNSET if may_be_absent and ticked == field.default else ticked
        made = _typed(kind, given)
        is_default = made == field.default or (isinstance(made, list) and tuple(made) == field.default)
        # An empty list is a value where a list is what it is by default; elsewhere an empty box is no value.
        emptied = not given and not field.required and not isinstance(field.default, tuple)
        return msgspec.UNSET if emptied or (may_be_absent and is_default) else made


def _at(value: Any, path: str) -> Any:
    """Return what stands at that path of a document, or UNSET."""
    for part in filter(None, path.split(".")):
        if isinstance(value, dict):
            value = value.get(part, msgspec.UNSET)
        elif isinstance(value, list) and part.isdigit() and int(part) < len(value):
            value = value[int(part)]
        else:
            return msgspec.UNSET
    return value


def _typed(kind: inspect.Type, given: str) -> Any:
    """Return what was typed as the JSON of that type, or as it is where it cannot be."""
    if isinstance(kind, inspect.LiteralType):
        return next((one for one in kind.values if str(one) == given), given)
    if isinstance(kind, inspect.IntType):
        return int(given) if re.fullmatch(r"-?\d{1,12}", given) else given
    if isinstance(kind, inspect.FloatType):
        return float(given) if re.fullmatch(r"-?\d{1,12}(\.\d{1,12})?", given) else given
    if isinstance(kind, inspect.TimeType):
        return f"{given}:00" if _TIME.fullmatch(given) else given
    if isinstance(kind, inspect.VarTupleType | inspect.ListType):
        return [_typed(_plain(kind.item_type)[0], line) for line in _lines(given)]
    if isinstance(kind, inspect.TupleType):
        lines = _lines(given)
        return [_typed(_plain(one)[0], line) for one, line in zip(kind.item_types, lines, strict=False)] + lines[
            len(kind.item_types) :
        ]
    if isinstance(kind, inspect.DictType):
        return _by_name(given)
    if isinstance(kind, inspect.UnionType):
        return _either(kind.types, given)
    return given


def _either(kinds: Sequence[inspect.Type], given: str) -> Any:
    """A text that may also be one for each language: lines that each begin with a name and a colon are the latter."""
    may_be_named = any(isinstance(one, inspect.DictType | inspect.StructType) for one in kinds)
    lines = _lines(given)
    if may_be_named and lines and all(re.match(r"[a-z]{2}: ", line) for line in lines):
        return _by_name(given)
    return given


def _by_name(given: str) -> dict[str, str]:
    pairs = (line.partition(":") for line in _lines(given))
    return {name.strip(): text.strip() for name, _, text in pairs}


def _lines(given: str) -> list[str]:
    return [line.strip() for line in given.split("\n") if line.strip()]
