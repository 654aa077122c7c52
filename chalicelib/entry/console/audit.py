"""The page of the audit. It is the example that CONTRIBUTING names: read, ask the operation, show."""

from datetime import date, timedelta
from typing import Literal

from chalice import Response

from chalicelib.entry.api.audit import Asked, Export
from chalicelib.entry.console.house import Visit


def show(visit: Visit) -> Response:
    """List a day, or all about one thing, newest first."""
    day, about = _day(visit), visit.query("about").strip()[:300]
    found = visit.call("audit.entries", Asked(day=day, about=about, cursor=visit.query("cursor")))
    today = visit.now.date()
    return visit.show(
        "audit",
        title="Audit",
        entries=found.entries,
        next=found.next,
        day=day,
        about=about,
        names={member.id: member.name for member in visit.house.guard.staff().members},
        earlier=day - timedelta(days=1) if day > date.min else None,
        later=day + timedelta(days=1) if day < today else None,
    )


def export(visit: Visit) -> Response:
    """Give the audit as a file."""
    form: Literal["csv", "jsonl"] = "jsonl" if visit.query("format") == "jsonl" else "csv"
    day, about = _day(visit), visit.query("about").strip()[:300]
    content = visit.call("audit.export", Export(day=day, about=about, format=form, cursor=visit.query("cursor")))
    media = "text/csv" if form == "csv" else "application/jsonl"
    return visit.file(f"audit-{day.isoformat()}.{form}", media, content)


def _day(visit: Visit) -> date:
    """Return the day that was asked for; today, for none and for what is no day."""
    try:
        return date.fromisoformat(visit.query("day"))
    except ValueError:
        return visit.now.date()
