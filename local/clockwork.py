"""Reads what somebody wants of the clock, and refuses it whole before the clock moves."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from chalicelib.journey import clock
from chalicelib.journey.errors import BadDocument

#: Nobody follows a journey longer than this, and a slip of the pen should not cost minutes.
FURTHEST = timedelta(days=3660)
_FIELDS = ("advance", "to")


class BadMove(Exception):
    """The clock stays where it is: ``field`` is at fault."""

    def __init__(self, field: str, why: str) -> None:
        """Keep both."""
        super().__init__(why)
        self.field = field


def read(body: bytes, now: datetime) -> datetime:
    """Return the instant that a JSON body asks for; raises BadMove naming the field."""
    try:
        asked = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadMove("body", f"The body is no JSON: {error}") from error
    if not isinstance(asked, dict):
        raise BadMove("body", 'The body is an object such as {"advance": "P1D"}.')
    unknown = sorted(str(name) for name in asked.keys() - set(_FIELDS))
    if unknown:
        raise BadMove(unknown[0], f"There is no field {unknown[0]!r}; there are advance and to.")
    return target(asked, now)


def target(asked: Mapping[str, Any], now: datetime) -> datetime:
    """Return the instant that ``advance`` or ``to`` names; raises BadMove unless exactly one does."""
    given = [name for name in _FIELDS if asked.get(name) is not None]
    if len(given) != 1:
        raise BadMove(_FIELDS[0] if not given else _FIELDS[1], "Give either advance or to.")
    field, value = given[0], asked[given[0]]
    if not isinstance(value, str):
        raise BadMove(field, f"{field} is text.")
    end = _advanced(value, now) if field == "advance" else _instant(value)
    if end < now:
        raise BadMove(
            field, f"{value} is in the past: the clock goes forward only, and it is {now:%Y-%m-%dT%H:%M:%SZ}."
        )
    if end - now > FURTHEST:
        raise BadMove(field, f"{value} is more than ten years ahead.")
    return end


def _advanced(text: str, now: datetime) -> datetime:
    try:
        return now + clock.elapsed(text)
    except BadDocument as error:
        raise BadMove("advance", str(error)) from error
    except (OverflowError, ValueError) as error:
        raise BadMove("advance", f"{text[:40]} is more than ten years ahead.") from error


def _instant(text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise BadMove("to", f"{text[:40]!r} is not an instant such as 2026-12-01T09:00:00Z.") from error
    if at.tzinfo is None:
        raise BadMove("to", f"{text} needs its offset, such as Z or +02:00.")
    try:
        return at.astimezone(UTC)
    except OverflowError as error:
        raise BadMove("to", f"{text[:40]!r} is no instant that a clock here can show.") from error
