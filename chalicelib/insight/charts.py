"""Where the marks of a chart stand. Pure geometry: the template draws it (``templates/console/_charts.html``).

A drawing is 640 wide and 200 high in its own units; the browser scales it. Numbers are rounded, so that the same
figures are the same drawing.
"""

from collections.abc import Sequence
from datetime import date
from math import ceil, floor, log10

import msgspec

from chalicelib.insight.statistics import Estimate

WIDTH, HEIGHT = 640, 200
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 12, 12, 34
_MOST_LABELS = 6
_STEPS = (1, 2, 5, 10)


class Tick(msgspec.Struct, frozen=True):
    """A line of an axis: where, and what stands there."""

    at: float
    text: str


class Column(msgspec.Struct, frozen=True):
    """Two counts of one day, the second a part of the first: a hatched column, and a full one before it."""

    name: str
    x: float
    width: float
    whole_y: float
    whole_height: float
    part_y: float
    part_height: float


class Point(msgspec.Struct, frozen=True):
    """A figure of one day: its mark, and its interval from ``low`` to ``high``. Few observations: an empty mark."""

    name: str
    x: float
    y: float
    low: float
    high: float
    few: bool


class Drawing(msgspec.Struct, frozen=True):
    """All marks of a chart."""

    columns: tuple[Column, ...] = ()
    points: tuple[Point, ...] = ()
    rows: tuple[Tick, ...] = ()
    days: tuple[Tick, ...] = ()
    left: int = _LEFT
    right: int = WIDTH - _RIGHT
    bottom: int = HEIGHT - _BOTTOM


def _scale(value: float, low: float, high: float) -> float:
    """Return how far down a value stands."""
    inner = HEIGHT - _TOP - _BOTTOM
    return round(_TOP + inner * (1 - (value - low) / (high - low)), 1)


def _slot(days: int) -> float:
    return (WIDTH - _LEFT - _RIGHT) / max(days, 1)


def _days(names: Sequence[str]) -> tuple[Tick, ...]:
    """Return at most six days to name, the first among them, as day and month: ``7 Feb``."""
    every = max(ceil(len(names) / _MOST_LABELS), 1)
    slot = _slot(len(names))
    return tuple(
        Tick(round(_LEFT + slot * (number + 0.5), 1), _short(name))
        for number, name in enumerate(names)
        if number % every == 0
    )


def _short(day: str) -> str:
    found = date.fromisoformat(day)
    return f"{found.day} {found:%b}"


def columns(days: Sequence[tuple[str, int, int]]) -> Drawing:
    """Return the drawing of (day, whole, part)."""
    most = max((whole for _, whole, _ in days), default=0)
    step = _step(most)
    top = max(ceil(most / step), 1) * step
    slot = _slot(len(days))
    drawn = []
    for number, (name, whole, part) in enumerate(days):
        whole_y, part_y = _scale(whole, 0, top), _scale(part, 0, top)
        bottom = HEIGHT - _BOTTOM
        drawn.append(
            Column(
                name=name,
                x=round(_LEFT + slot * (number + 0.15), 1),
                width=round(slot * 0.7, 1),
                whole_y=whole_y,
                whole_height=round(bottom - whole_y, 1),
                part_y=part_y,
                part_height=round(bottom - part_y, 1),
            )
        )
    rows = tuple(Tick(_scale(value, 0, top), str(value)) for value in range(0, top + 1, step))
    return Drawing(columns=tuple(drawn), rows=rows, days=_days([name for name, _, _ in days]))


def _step(most: int) -> int:
    """Return the distance of the lines of an axis: 1, 2 or 5 and zeros, four or fewer steps."""
    least = max(most / 4, 1)
    power = 10 ** floor(log10(least))
    return next(int(step * power) for step in _STEPS if step * power >= least)


def points(days: Sequence[tuple[str, Estimate]], low: int, high: int, unit: str = "") -> Drawing:
    """Return the drawing of (day, estimate) on a scale; days without an observation have no mark."""
    slot = _slot(len(days))
    drawn = []
    for number, (name, estimate) in enumerate(days):
        if estimate.value is None:
            continue
        bounds = (
            estimate.value if estimate.low is None else estimate.low,
            estimate.value if estimate.high is None else estimate.high,
        )
        drawn.append(
            Point(
                name=name,
                x=round(_LEFT + slot * (number + 0.5), 1),
                y=_scale(estimate.value, low, high),
                low=_scale(max(bounds[0], low), low, high),
                high=_scale(min(bounds[1], high), low, high),
                few=estimate.is_few,
            )
        )
    step = (high - low) / 4
    rows = tuple(
        Tick(_scale(value, low, high), _row(value, high, unit))
        for value in (low + step * number for number in range(5))
    )
    return Drawing(points=tuple(drawn), rows=rows, days=_days([name for name, _ in days]))


def _row(value: float, high: int, unit: str) -> str:
    return f"{100 * value:.0f}%" if unit == "%" and high == 1 else f"{value:g}"


def mark(estimate: Estimate, low: int = 0, high: int = 1) -> Point | None:
    """Return an estimate on a scale of its own that lies across, 100 wide; None without an observation."""
    if estimate.value is None:
        return None
    place = [
        round(100 * (min(max(value, low), high) - low) / (high - low), 1)
        for value in (
            estimate.value,
            estimate.value if estimate.low is None else estimate.low,
            estimate.value if estimate.high is None else estimate.high,
        )
    ]
    return Point(name="", x=place[0], y=0, low=place[1], high=place[2], few=estimate.is_few)
