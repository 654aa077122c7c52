"""Reads the files of a replay: cases, answers, acts of staff, purchases. Columns: examples/README.md."""

import csv
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from chalicelib.entry import rows
from chalicelib.entry.decode import BadInput

SOURCE = "replay"
_SCORE = "score"
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
    cases: int
    last_resolution: datetime
    answers: Mapping[Resolution, tuple[AnswerRow, ...]] = field(default_factory=dict)
    acts: Mapping[Resolution, tuple[ActRow, ...]] = field(default_factory=dict)


def read(cases: Path, answers: Path | None = None, staff: Path | None = None, purchases: Path | None = None) -> Inputs:
    """Read the files; raises BadFile, naming file, line and column, before anything is replayed."""
    told = [message for messages in _parsed(cases, _case) for message in messages]
    resolutions = [message.at for message in told if message.type == "case.resolved"]
    if not resolutions:
        message = f"{cases}: there is no case in it"
        raise BadFile(message)
    if purchases is not None:
        told += _parsed(purchases, _purchase)
    return Inputs(
        messages=tuple(sorted(told, key=lambda message: message.at)),
        cases=len(resolutions),
        last_resolution=max(resolutions),
        answers=_grouped(_parsed(answers, _answer)) if answers else {},
        acts=_grouped(_parsed(staff, _act)) if staff else {},
    )


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
    return row["case_id"], int(row.get("epoch") or "1")


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


def _answer(row: Row) -> tuple[Resolution, AnswerRow]:
    word = row.get("answer", "").strip().replace(" ", "_")
    after = _hours(row, "hours_after_sending")
    score = row[_SCORE].strip()
    if score and not score.isdecimal():
        message = f"{_SCORE}: {score!r} is no whole number"
        raise ValueError(message)
    return _resolution(row), AnswerRow(row["touch"], after, score, word, row.get("comment", ""))


def _act(row: Row) -> tuple[Resolution, ActRow]:
    after = _hours(row, "hours_after_recovery_opens")
    return _resolution(row), ActRow(after, row["act"].strip(), row.get("detail", ""))


def _grouped(pairs: list[tuple[Resolution, T]]) -> dict[Resolution, tuple[T, ...]]:
    groups: dict[Resolution, list[T]] = {}
    for resolution, value in pairs:
        groups.setdefault(resolution, []).append(value)
    return {resolution: tuple(values) for resolution, values in groups.items()}
