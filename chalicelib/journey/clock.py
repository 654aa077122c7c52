"""Time as customers and staff live it: durations, waking hours, business hours.

All instants are aware datetimes. Nothing here reads a clock.
"""

import re
from collections.abc import Collection, Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from itertools import count
from zoneinfo import ZoneInfo

import msgspec

from chalicelib.journey.errors import BadDocument

_ISO = re.compile(
    # At most five digits: added to any instant, the sum is still a date.
    r"P(?:(?P<business>[0-9]{1,5})BD|(?:(?P<weeks>[0-9]{1,5})W)?(?:(?P<days>[0-9]{1,5})D)?"
    r"(?:T(?=[0-9])(?:(?P<hours>[0-9]{1,5})H)?(?:(?P<minutes>[0-9]{1,5})M)?(?:(?P<seconds>[0-9]{1,8})S)?)?)",
)
#: No promise or search in a calendar looks further than this many days ahead.
_HORIZON = 3_660
#: Clocks change at whole seconds.
_SECOND = timedelta(seconds=1)


class Span(msgspec.Struct, frozen=True):
    """A length of time: either elapsed time or a whole number of business days."""

    elapsed: timedelta = timedelta()
    business_days: int = 0


@lru_cache(maxsize=512)
def span(text: str) -> Span:
    """Read an ISO 8601 duration (weeks to seconds), or ``PnBD`` for business days.

    Raises BadDocument when it is neither. Months and years are refused: their length is not fixed.
    """
    found = _ISO.fullmatch(text)
    if found is None or text in {"P", "PT"}:
        message = f"{text!r} is not a duration such as PT24H, P14D or P2BD"
        raise BadDocument(message)
    part = {name: int(value or 0) for name, value in found.groupdict().items()}
    elapsed = timedelta(
        weeks=part["weeks"],
        days=part["days"],
        hours=part["hours"],
        minutes=part["minutes"],
        seconds=part["seconds"],
    )
    return Span(elapsed=elapsed, business_days=part["business"])


def elapsed(text: str) -> timedelta:
    """Read a duration of elapsed time; raises BadDocument for business days."""
    read = span(text)
    if read.business_days:
        message = f"{text!r} counts business days where elapsed time is needed"
        raise BadDocument(message)
    return read.elapsed


@lru_cache(maxsize=1024)
def zone(name: str) -> ZoneInfo:
    """Return the IANA zone of that name; raises ValueError when there is none."""
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, KeyError) as error:
        message = f"{name!r} is not an IANA time zone"
        raise ValueError(message) from error


class Window(msgspec.Struct, frozen=True):
    """Hours of the local day, from ``start`` inclusive to ``end`` exclusive."""

    start: time
    end: time

    def contains(self, instant: datetime, where: ZoneInfo) -> bool:
        """Say whether that instant lies inside these hours there."""
        return self.start <= instant.astimezone(where).time() < self.end

    def next_inside(self, instant: datetime, where: ZoneInfo) -> datetime:
        """Return the first instant at or after ``instant`` that lies inside these hours there.

        A start that a daylight-saving change skips becomes the first instant after the gap; hours that come
        twice are hours both times.
        """
        if self.contains(instant, where):
            return instant
        return next(at for at in _boundaries(instant, self.start, where) if self.contains(at, where))

    def next_outside(self, instant: datetime, where: ZoneInfo) -> datetime:
        """Return the first instant after ``instant``, which lies inside these hours, that no longer does."""
        return next(at for at in _boundaries(instant, self.end, where) if not self.contains(at, where))


def _boundaries(after: datetime, wall: time, where: ZoneInfo) -> Iterator[datetime]:
    """Yield the instants after that one at which the wall time comes or the clocks change, in order.

    Hours of the day begin and end at no others.
    """
    today = after.astimezone(where).date()
    for ahead in count():
        day = today + timedelta(days=ahead)
        midnights = (*_readings(day, time(), where), *_readings(day + timedelta(days=1), time(), where))
        change = _change(min(midnights), max(midnights), where)
        found = {_at(day, wall, where), *_readings(day, wall, where), *([change] if change else [])}
        yield from sorted(at for at in found if at > after)


def _readings(day: date, wall: time, where: ZoneInfo) -> tuple[datetime, datetime]:
    """Return both UTC readings of a wall time: the same but where it comes twice (in order) or never (reversed)."""
    first, second = (datetime.combine(day, wall.replace(fold=fold), tzinfo=where).astimezone(UTC) for fold in (0, 1))
    return first, second


def _at(day: date, wall: time, where: ZoneInfo) -> datetime:
    """Return the UTC instant of a wall time, the first of two; in a gap, when the clocks have jumped over it."""
    first, second = _readings(day, wall, where)
    return first if first <= second else _change(second, first, where) or first


def _change(low: datetime, high: datetime, where: ZoneInfo) -> datetime | None:
    """Return the instant between those two at which the clocks change, or None when they show the same offset."""
    before = low.astimezone(where).utcoffset()
    if high.astimezone(where).utcoffset() == before:
        return None
    while high - low > _SECOND:
        middle = (low + (high - low) / 2).replace(microsecond=0)
        low, high = (middle, high) if middle.astimezone(where).utcoffset() == before else (low, middle)
    return high


class Calendar(msgspec.Struct, frozen=True):
    """When staff work: a zone, hours, working weekdays (1 is Monday) and closed days."""

    zone: str
    hours: Window
    weekdays: tuple[int, ...] = (1, 2, 3, 4, 5)
    closed: tuple[date, ...] = ()

    def is_open_on(self, day: date) -> bool:
        """Say whether that local day is a working day."""
        return day.isoweekday() in self.weekdays and day not in self.closed

    def next_open(self, instant: datetime) -> datetime:
        """Return the first working instant at or after ``instant``."""
        where = zone(self.zone)
        for _ in range(_HORIZON):
            inside = self.hours.next_inside(instant, where)
            if self.is_open_on(inside.astimezone(where).date()):
                return inside
            instant = _at(inside.astimezone(where).date() + timedelta(days=1), time(), where)
        message = "the calendar has no working day within ten years"
        raise BadDocument(message)

    def add(self, instant: datetime, much: Span) -> datetime:
        """Return the instant when that much *working* time has passed.

        Hours count only while open. A business day ends at the same wall time on the next working day.
        """
        if much.business_days:
            return self._add_days(self.next_open(instant), much.business_days)
        return self._add_hours(instant, much.elapsed)

    def _add_days(self, instant: datetime, days: int) -> datetime:
        where = zone(self.zone)
        local = instant.astimezone(where)
        day, wall = local.date(), local.time()
        for _ in range(days):
            day = self._day_after(day)
        return _at(day, wall, where)

    def _day_after(self, day: date) -> date:
        for _ in range(_HORIZON):
            day += timedelta(days=1)
            if self.is_open_on(day):
                return day
        message = "the calendar has no working day within ten years"
        raise BadDocument(message)

    def _add_hours(self, instant: datetime, left: timedelta) -> datetime:
        where = zone(self.zone)
        instant = self.next_open(instant)
        while True:
            closing = self.hours.next_outside(instant, where)
            if instant + left <= closing:
                return instant + left
            left -= closing - instant
            instant = self.next_open(closing)


def at_percent(start: datetime, due: datetime, percent: int) -> datetime:
    """Return the instant at which that share of the time from ``start`` to ``due`` has passed."""
    return start + (due - start) * percent / 100


def in_order(instants: Collection[datetime | None]) -> list[datetime]:
    """Return the instants that exist, earliest first."""
    return sorted(instant for instant in instants if instant is not None)
