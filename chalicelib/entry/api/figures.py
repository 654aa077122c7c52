"""The figures: how many were asked and answered, how content they are, and whether what went wrong was put right."""

from datetime import date, timedelta
from typing import Annotated

import msgspec

from chalicelib.entry import csv_out
from chalicelib.entry.api.operations import Context, Nothing, operation
from chalicelib.entry.api.problems import BadField, Refused
from chalicelib.insight import figures
from chalicelib.insight.figures import By, Line, Report
from chalicelib.insight.rollup import Rebuilding
from chalicelib.insight.statistics import Estimate
from chalicelib.journey import clock
from chalicelib.journey.documents import Settings
from chalicelib.store.figures import TooMany

#: Days, when none are named.
_USUAL_DAYS = 28
#: With this mark spreadsheets read a file as UTF-8: names of teams have umlauts. Programs take the JSON.
_BYTE_ORDER_MARK = "\ufeff"
#: Columns: counts, and estimates, which take four (n, value, low, high).
_COUNTS = (*("journeys", "sent", "answered", "negatives", "recovered", "unconfirmed", "opened", "kept", "not_kept"),)
_ESTIMATES = ("response", "csat", "csat_mean", "csat_after", "nps", "ces", "ces_mean", "on_time")

Only = Annotated[str, msgspec.Meta(max_length=80, description="Only one group, by day: `team:north`.")]


class Asked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which days (of the working calendar's zone; the last 28 unless they are named, 93 at most), and by what."""

    first: date | None = None
    last: date | None = None
    by: By = "day"
    only: Only = ""


class State(msgspec.Struct, frozen=True):
    """How far the figures are: facts that are counted, and, while a rebuild runs, facts that it has counted again.

    ``building`` is the generation that a rebuild makes, or 0; ``since`` is when the last one began.
    """

    counted: int
    building: int
    rebuilt: int
    since: str


@operation()
def show(context: Context, asked: Asked) -> Report:
    """Show the figures of a stretch of days, by day, team, category or channel, each with n and its 95% interval."""
    return _read(context, asked)


@operation(audit="exported", about="figures", media="text/csv")
def export(context: Context, asked: Asked) -> str:
    """Export the same as CSV that no spreadsheet executes: a line for each day or group, the total last."""
    report = _read(context, asked)
    columns = [asked.by, *_COUNTS]
    for name in _ESTIMATES:
        columns += [f"{name}_n", name, f"{name}_low", f"{name}_high"]
    rows = [_row(line) for line in (*report.lines, report.total)]
    return _BYTE_ORDER_MARK + csv_out.write(columns, rows)


@operation()
def state(context: Context, asked: Nothing) -> State:
    """Say how far the figures are counted, and how far a rebuild is."""
    del asked
    generations, counted, rebuilt = context.at.rollup.progress()
    return State(counted, generations.built, rebuilt, generations.since)


@operation(audit="changed", about="figures", status=202)
def rebuild(context: Context, asked: Nothing) -> State:
    """Add the figures up anew from the facts. It runs by itself, in pieces; the old ones show until it is done."""
    try:
        context.at.rollup.rebuild(context.now)
    except Rebuilding as error:
        raise Refused(409, "Conflict", "The figures are being rebuilt already.") from error
    return state(context, asked)


def _read(context: Context, asked: Asked) -> Report:
    first, last = _days(context, asked)
    only = _only(asked)
    try:
        return figures.read(context.at.figures, first, last, asked.by, only)
    except TooMany as error:
        why = f"there are too many different ones from {first} to {last}; ask for fewer days"
        raise BadField("by", why) from error


def _days(context: Context, asked: Asked) -> tuple[date, date]:
    """Return the first and the last day; raises BadField for a stretch that is no stretch, or too long."""
    last = asked.last or today(context)
    if asked.first is None:
        return max(last, date.min + timedelta(days=_USUAL_DAYS)) - timedelta(days=_USUAL_DAYS - 1), last
    if asked.first > last:
        name = "first"
        raise BadField(name, f"{asked.first} is after {last}")
    if (last - asked.first).days >= figures.MOST_DAYS:
        name = "first"
        raise BadField(name, f"at most {figures.MOST_DAYS} days at a time")
    return asked.first, last


def today(context: Context) -> date:
    """Return the day that it is where the working calendar is kept: in its zone figures have their days."""
    store = context.at.documents
    settings = store.version("settings", store.active("settings", context.now))
    assert isinstance(settings, Settings)  # noqa: S101 - the document of that kind
    return context.now.astimezone(clock.zone(settings.calendar.zone)).date()


def _only(asked: Asked) -> tuple[str, str] | None:
    if not asked.only:
        return None
    dimension, _, value = asked.only.partition(":")
    name = "only"
    if not figures.is_dimension(dimension) or not value:
        raise BadField(name, "name a group as team:…, category:… or channel:…")
    if asked.by != "day":
        raise BadField(name, "one group is shown by day only")
    return dimension, value


def _row(line: Line) -> list[csv_out.Cell]:
    cells: list[csv_out.Cell] = [line.name, *(getattr(line, name) for name in _COUNTS)]
    for name in _ESTIMATES:
        cells += _estimate(getattr(line, name))
    return cells


def _estimate(estimate: Estimate) -> list[csv_out.Cell]:
    numbers = (estimate.value, estimate.low, estimate.high)
    return [estimate.n, *("" if number is None else round(number, 4) for number in numbers)]
