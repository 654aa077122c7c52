"""The audit: who saw, changed, sent, spent and exported what, and when. This is also the example of a room: short."""

from datetime import date, datetime
from typing import Annotated, Literal

import msgspec

from chalicelib.entry import csv_out
from chalicelib.entry.api import paging
from chalicelib.entry.api.operations import Context, operation
from chalicelib.store import items
from chalicelib.store.audit import Entry

#: An export takes so many pages of a list; what is left has its own token.
_MOST_EXPORTED = 2000
_COLUMNS = ("at", "by", "role", "verb", "operation", "about", "came_to", "amount", "id")

About = Annotated[str, msgspec.Meta(max_length=300, description="What it is about, such as `journey/j123`.")]


class Asked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which entries: of a day (UTC, today unless it says another) or, if ``about`` is given, all about one thing."""

    day: date | None = None
    about: About = ""
    limit: paging.Limit = 50
    cursor: paging.Cursor = ""


class Entries(msgspec.Struct, frozen=True):
    """Entries, newest first. ``next`` is where the next page begins; it is empty on the last."""

    entries: list[Entry]
    next: str = ""


class Export(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which entries, and as what. A day has at most 2,000 in one file; ``cursor`` goes on."""

    day: date | None = None
    about: About = ""
    format: Literal["csv", "jsonl"] = "csv"
    cursor: paging.Cursor = ""


@operation()
def entries(context: Context, asked: Asked) -> Entries:
    """List the audit, newest first."""
    found, last = _read(context, asked, asked.limit)
    return Entries(found, paging.follows(context, _scope(context, asked), last))


@operation(audit="exported", about="audit", media="text/plain")
def export(context: Context, asked: Export) -> str:
    """Export the audit of a day, or all about one thing, as CSV that no spreadsheet executes or as JSON lines."""
    found, last = _read(context, asked, _MOST_EXPORTED)
    goes_on = paging.follows(context, _scope(context, asked), last)
    if asked.format == "jsonl":
        more = [msgspec.json.encode({"next": goes_on}).decode()] if goes_on else []
        return "\n".join([*(msgspec.json.encode(entry).decode() for entry in found), *more, ""])
    rows = [[_cell(getattr(entry, column)) for column in _COLUMNS] for entry in found]
    return csv_out.write(_COLUMNS, [*rows, *([["", "", "", "", "goes on", goes_on, "", "", ""]] if goes_on else [])])


def _read(context: Context, asked: Asked | Export, limit: int) -> tuple[list[Entry], str]:
    before = paging.begins(context, _scope(context, asked), asked.cursor)
    if asked.about:
        return context.at.audit.about(asked.about, before, limit)
    return context.at.audit.of_day(_day(context, asked), before, limit)


def _day(context: Context, asked: Asked | Export) -> date:
    return asked.day or date.fromisoformat(items.instant(context.now)[:10])


def _scope(context: Context, asked: Asked | Export) -> str:
    return f"audit/{asked.about or _day(context, asked)}"


def _cell(value: str | datetime) -> str:
    return items.instant(value) if isinstance(value, datetime) else value
