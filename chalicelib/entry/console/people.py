"""The rooms of people: search, and one person with all that is known and all that can be done about it."""

import msgspec
from chalice import Response

from chalicelib.entry.api import people
from chalicelib.entry.console.house import Visit
from chalicelib.journey.budget import REASONS


def find(visit: Visit) -> Response:
    """Ask whom to look for."""
    return visit.show("search", title="People", q="", found=None)


def search(visit: Visit) -> Response:
    """Find people and journeys; a single one is shown at once."""
    q = visit.query("q").strip()[:254]
    if not q:
        return visit.see("/console/people")
    found = visit.call("people.search", people.Search(q))
    if len(found.journeys) == 1 and not found.people:
        return visit.see(f"/console/journeys/{found.journeys[0].journey_id}")
    if len(found.people) == 1 and not found.journeys:
        return visit.see(f"/console/people/{found.people[0].person_id}")
    return visit.show("search", title="Search", q=q, found=found)


def show(visit: Visit) -> Response:
    """Show one person."""
    found = visit.call("people.show", people.One(visit.parameters["person_id"]))
    known = found.customer
    name = f"{known.first_name} {known.last_name}".strip() or known.email if known else "Somebody"
    return visit.show("person", title=name, found=found, reasons=REASONS, word=people.CONFIRMATION)


def correct(visit: Visit) -> Response:
    """Write down the right address."""
    person_id = visit.parameters["person_id"]
    asked = msgspec.convert({"person_id": person_id, "email": visit.fields.get("email", "")}, people.Correct)
    noted = visit.call("people.correct", asked)
    return visit.see(f"/console/people/{person_id}", "Corrected." if noted.news else "It is their address already.")


def export(visit: Visit) -> Response:
    """Give everything that is held on a person as a file."""
    person_id = visit.parameters["person_id"]
    held = visit.call("people.export", people.One(person_id))
    return visit.file(f"{person_id}.json", "application/json", msgspec.json.format(msgspec.json.encode(held)).decode())


def erase(visit: Visit) -> Response:
    """Forget a person, once the word was typed."""
    person_id = visit.parameters["person_id"]
    confirm = visit.fields.get("confirm", "").strip()
    visit.call("people.erase", msgspec.convert({"person_id": person_id, "confirm": confirm}, people.Erase))
    return visit.see(f"/console/people/{person_id}", "They are being forgotten. This page shows how far it has come.")
