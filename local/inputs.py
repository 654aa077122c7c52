"""Reads the files of a replay: cases, answers, acts of staff, purchases. Columns: examples/README.md."""

import csv
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

from chalicelib.entry import rows
from chalicelib.entry.decode import BadInput
from chalicelib.journey import documents
from chalicelib.journey.documents import SCALES, Cadence, Question
from chalicelib.store.documents import shipped

SOURCE = "replay"
PROPOSAL = "proposal"
_WORDS = ("exceeds", "meets", "falls short", "other")
_LONGEST_COMMENT = 8000
_SCORE = "score"
_RESOLVED = "case.resolved"
_MOST_DIGITS = 9
T = TypeVar("T")
Row = Mapping[str, str]


class BadFile(Exception):
    """A file that cannot be replayed; the message names file, line and column."""


@dataclass(frozen=True)
class Told:
    """A message that a helpdesk or shop sends at that instant."""

    at: datetime
    type: str
    data: dict[str, Any]


@dataclass(frozen=True)
class AnswerRow:
    """What a customer answers, so long after that touch was sent to them."""

    touch: str
    after: timedelta
    score: str
    word: str
    words: str


@dataclass(frozen=True)
class ActRow:
    """What staff do, so long after the recovery opened."""

    after: timedelta
    act: str
    detail: str


Resolution = tuple[str, int]


@dataclass(frozen=True)
class Inputs:
    """Everything that happens outside Aftercare in a replay."""

    messages: tuple[Told, ...]
    #: How many resolutions: one that stands in the file twice is one.
    cases: int
    last_resolution: datetime
    answers: Mapping[Resolution, tuple[AnswerRow, ...]] = field(default_factory=dict)
    acts: Mapping[Resolution, tuple[ActRow, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Scale:
    """What a touch asks first: its lowest and highest answer, and whether it may be left out."""

    low: int
    high: int
    required: bool = False


#: Of a touch that this cadence does not know: nobody will ever be asked, so it may be on any scale there is.
_ANY = Scale(min(low for low, _ in SCALES.values()), max(high for _, high in SCALES.values()))


def scales(cadence: Cadence) -> dict[str, Scale]:
    """Return the scale of each touch that asks for a rating; of a survey with several templates, what any one takes."""
    tracks, survey = cadence.tracks, cadence.survey
    first = {
        step.id: [step.ask[0]] for track in (tracks.after_recovery, tracks.after_content_answer) for step in track.steps
    }
    first["survey"] = first["reminder"] = [survey.questions[0], *(one.questions[0] for one in survey.templates)]
    return {touch: _widest(questions) for touch, questions in first.items()}


def _widest(questions: Sequence[Question]) -> Scale:
    ends = [SCALES[question.measure] for question in questions]
    low, high = min(low for low, _ in ends), max(high for _, high in ends)
    return Scale(low, high, required=all(question.required for question in questions))


def read(
    cases: Path,
    answers: Path | None = None,
    staff: Path | None = None,
    purchases: Path | None = None,
    *,
    cadence: Cadence | None = None,
) -> Inputs:
    """Read the files; raises BadFile, naming file, line and column, before anything is replayed.

    Answers are held against the questions of the ``cadence``, or of the one that ships.
    """
    rated = scales(cadence or _shipped())
    told = [message for messages in _numbered(_parsed(cases, _case)) for message in messages]
    resolutions = [message for message in told if message.type == _RESOLVED]
    if not resolutions:
        message = f"{cases}: there is no case in it"
        raise BadFile(message)
    if purchases is not None:
        told += _parsed(purchases, _purchase)
    return Inputs(
        messages=tuple(sorted(told, key=lambda message: message.at)),
        cases=distinct(resolutions),
        last_resolution=max(message.at for message in resolutions),
        answers=_grouped(_parsed(answers, lambda row: _answer(row, rated))) if answers else {},
        acts=_grouped(_parsed(staff, _act)) if staff else {},
    )


def resolution_of(message: Told) -> Resolution | None:
    """Return the resolution that a message is about; every one of a case has its number."""
    case_id = message.data.get("case_id")
    return (case_id, int(message.data["epoch"])) if case_id else None


def distinct(messages: Iterable[Told]) -> int:
    """Return how many resolutions these messages are about."""
    return len({resolution_of(message) for message in messages} - {None})


def _shipped() -> Cadence:
    found = documents.read("cadence", shipped("cadence"))
    assert isinstance(found, Cadence)  # noqa: S101 - the document of that kind
    return found


def _numbered(rows_told: list[list[Told]]) -> list[list[Told]]:
    """Give each resolution without an epoch one: those of a case are numbered in the order of their resolution.

    A number that another row of the case names itself is left to it, and the same instant is the same resolution.
    """
    known: dict[str, dict[datetime, int]] = {}
    for resolved, *_ in rows_told:
        if "epoch" in resolved.data:
            known.setdefault(resolved.data["case_id"], {})[resolved.at] = resolved.data["epoch"]
    for resolved, *_ in sorted(rows_told, key=lambda told: told[0].at):
        of_case = known.setdefault(resolved.data["case_id"], {})
        if "epoch" not in resolved.data and resolved.at not in of_case:
            of_case[resolved.at] = next(number for number in count(1) if number not in of_case.values())
    return [[_with_epoch(message, known, told[0]) for message in told] for told in rows_told]


def _with_epoch(message: Told, known: Mapping[str, Mapping[datetime, int]], resolved: Told) -> Told:
    if "epoch" in message.data:
        return message
    return replace(message, data=message.data | {"epoch": known[resolved.data["case_id"]][resolved.at]})


def _parsed(path: Path, parse: Callable[[Row], T]) -> list[T]:
    """Read every line of a CSV file; a bad one stops the reading and is named."""
    found = []
    for line, row in _lines(path):
        try:
            found.append(parse(row))
        except (BadInput, KeyError, ValueError) as error:
            what = f"there is no column {error}" if isinstance(error, KeyError) else str(error)
            message = f"{path}:{line}: {what}"
            raise BadFile(message) from error
    return found


def _lines(path: Path) -> Iterator[tuple[int, Row]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            for row in reader:
                yield reader.line_num, {name: value or "" for name, value in row.items() if name}
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        message = f"{path}: {error}"
        raise BadFile(message) from error


def _case(row: Row) -> list[Told]:
    return [Told(_when(data), kind, data) for kind, data in rows.case_messages(row, SOURCE)]


def _purchase(row: Row) -> Told:
    kind, data = rows.purchase_message(row)
    return Told(_when(data), kind, data)


def _when(data: Mapping[str, Any]) -> datetime:
    names = ("resolved_at", "reopened_at", "purchased_at")
    found = next(data[name] for name in names if name in data)
    return found if isinstance(found, datetime) else datetime.fromisoformat(found)


def _resolution(row: Row) -> Resolution:
    """Return the resolution that a row of answers or acts belongs to: the first, unless it says otherwise."""
    epoch = row.get("epoch", "").strip() or "1"
    if not epoch.isascii() or not epoch.isdecimal():
        message = f"epoch: {epoch[:60]!r} is no whole number"
        raise ValueError(message)
    return row["case_id"].strip(), int(epoch[:_MOST_DIGITS])


def _hours(row: Row, column: str) -> timedelta:
    try:
        hours = float(row[column])
    except ValueError as error:
        message = f"{column}: {row[column]!r} is no number of hours"
        raise ValueError(message) from error
    if not 0 <= hours < 24 * 3660:  # ten years; refuses nan too
        message = f"{column}: {row[column]!r} is not between 0 hours and ten years"
        raise ValueError(message)
    return timedelta(hours=hours)


def _answer(row: Row, rated: Mapping[str, Scale]) -> tuple[Resolution, AnswerRow]:
    touch, comment = row["touch"].strip(), row.get("comment", "")
    after = _hours(row, "hours_after_sending")
    if len(comment) > _LONGEST_COMMENT:
        message = f"comment: longer than {_LONGEST_COMMENT} characters"
        raise ValueError(message)
    if touch == PROPOSAL:
        return _resolution(row), AnswerRow(touch, after, "", _word(row), comment)
    return _resolution(row), AnswerRow(touch, after, _score(row, touch, rated.get(touch, _ANY)), "", comment)


def _word(row: Row) -> str:
    word = row["answer"].strip().replace("_", " ")
    if word not in _WORDS:
        message = f"answer: {word[:60]!r} is none of {', '.join(_WORDS)}"
        raise ValueError(message)
    return word.replace(" ", "_")


def _score(row: Row, touch: str, scale: Scale) -> str:
    score = row[_SCORE].strip()
    if not score and not scale.required:
        return ""
    if not (score.isascii() and score.isdecimal() and scale.low <= int(score[:_MOST_DIGITS]) <= scale.high):
        message = f"{_SCORE}: {score[:60]!r} is no whole number from {scale.low} to {scale.high}, as {touch} asks for"
        raise ValueError(message)
    return str(int(score))


def _act(row: Row) -> tuple[Resolution, ActRow]:
    after = _hours(row, "hours_after_recovery_opens")
    return _resolution(row), ActRow(after, row["act"].strip(), row.get("detail", ""))


def _grouped(pairs: list[tuple[Resolution, T]]) -> dict[Resolution, tuple[T, ...]]:
    groups: dict[Resolution, list[T]] = {}
    for resolution, value in pairs:
        groups.setdefault(resolution, []).append(value)
    return {resolution: tuple(values) for resolution, values in groups.items()}
