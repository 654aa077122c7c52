"""Today: what needs a person now, most urgent first, each with its clock and what can be done about it at a press."""

from datetime import datetime, time, timedelta
from typing import Any
from urllib.parse import urlencode

from chalice import Response
from msgspec import convert

from chalicelib.entry.api import todos
from chalicelib.entry.api.problems import BadField
from chalicelib.entry.console.house import Visit
from chalicelib.journey import clock

_SAID = {
    "take": "It is yours.",
    "snooze": "Out of sight until then.",
    "hand_over": "Handed over; they have been told.",
    "done": "Done.",
}
#: What is put off comes back when the working day begins.
_MORNING = time(9)


def show(visit: Visit) -> Response:
    """List what needs somebody: mine, everybody's, or one kind."""
    kind = visit.query("kind") if visit.query("kind") in todos.KIND_WORDS else ""
    who = "me" if visit.query("who") == "me" else ""
    asked = convert({"kind": kind, "who": who, "cursor": visit.query("cursor")}, todos.Asked)
    query = urlencode({name: value for name, value in (("kind", kind), ("who", who)) if value})
    found = visit.call("todos.listing", asked)
    return visit.show(
        "today",
        title="Today",
        found=found,
        kind=kind,
        who=who,
        words=todos.KIND_WORDS,
        query=query,
        **{**beside(visit), "back": f"/console?{query}" if query else "/console"},
    )


def attend(visit: Visit) -> Response:
    """Take, snooze, hand over or finish one to-do, and go back to where it was pressed."""
    fields = visit.fields
    what = fields.get("what", "")
    asked = convert(
        {
            **visit.parameters,
            "what": what,
            "to": fields.get("to", ""),
            "until": _until(visit, fields.get("until", "")) if what == "snooze" else None,
            "note": fields.get("note", ""),
            "seen": fields.get("seen", ""),
        },
        todos.Attend,
    )
    attended = visit.call("todos.attend", asked, once=True)
    return visit.see(back_to(visit), _SAID[what] if attended.news else "It was so already.")


def beside(visit: Visit) -> dict[str, Any]:
    """Return what the forms beside a to-do need: the staff, and days to choose from."""
    today = visit.now.astimezone(clock.zone(visit.zone)).date()
    return {
        "staff": [(member.id, member.name) for member in visit.house.guard.staff().members],
        "tomorrow": (today + timedelta(days=1)).isoformat(),
        "farthest": (today + timedelta(days=89)).isoformat(),
        "back": visit.route.path.format_map(visit.parameters),
    }


def back_to(visit: Visit) -> str:
    """Return the page from which a form was sent; Today when it does not say, or says one that is not ours."""
    back = visit.fields.get("back", "")
    ours = back == "/console" or back.startswith(("/console/", "/console?"))
    return back if ours and back.isprintable() and ".." not in back else "/console"


def _until(visit: Visit, day: str) -> datetime:
    """Return the morning of a day in the zone of whoever asks."""
    try:
        date = datetime.strptime(day, "%Y-%m-%d").date()  # noqa: DTZ007 - a day has no zone until the next line
    except ValueError as error:
        raise BadField("until", "choose a day") from error
    return datetime.combine(date, _MORNING, tzinfo=clock.zone(visit.zone))
