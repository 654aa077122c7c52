"""What is decided about a person alone: their purchases, their address, their erasure, and what is known of them."""

from datetime import datetime

from msgspec.structs import replace

from chalicelib.journey import events as e
from chalicelib.journey import loyalty
from chalicelib.journey.effects import Decision, ErasePerson
from chalicelib.journey.state import Person, Purchase
from chalicelib.journey.turn import telling_others


def decide_person(person: Person, event: e.PersonEvent) -> Decision:
    """Return the person after what is about them alone, and what is owed for it."""
    if isinstance(event, e.PurchaseMade):
        return _purchase(person, event)
    if not person.id or (isinstance(event, e.ErasureAsked) and person.erased_at is not None):
        return Decision(journey=None, person=person, changed=False, note="nothing is known of this person")
    return _correct(person, event) if isinstance(event, e.AddressCorrected) else _ask_erasure(person, event)


def _correct(person: Person, event: e.AddressCorrected) -> Decision:
    """From now on mail goes to the new address: a bounce or a complaint of the old one says nothing about it."""
    if person.customer is None or person.email == event.email:
        return Decision(journey=None, person=person, changed=False, note="it is their address already")
    right = replace(person.customer, email=event.email)
    return Decision(journey=None, person=replace(person, customer=right, details_at=event.occurred_at))


def _ask_erasure(person: Person, event: e.ErasureAsked) -> Decision:
    """Nothing of the person is left from this commit on; the worker sees to all else that is stored."""
    blank = Person(id=person.id, erased_at=event.occurred_at)
    return Decision(
        journey=None, person=blank, effects=(ErasePerson(key="erase", person_id=person.id, asked_at=event.occurred_at),)
    )


def _purchase(person: Person, event: e.PurchaseMade) -> Decision:
    """Return the person with that purchase, and the journeys that must hear of it."""
    person = with_details(person, event.customer, event.occurred_at)
    person = loyalty.add_purchase(person, Purchase(at=event.occurred_at, paid=event.paid))
    came_back = person.loyalty.state in {"reassured", "lost", "lapsed", "unknown"} and person.loyalty.since is not None
    if event.paid and came_back:
        fact = f"bought on {event.occurred_at:%Y-%m-%d}"
        person = loyalty.standing(person, "returned", event.occurred_at, (fact,))
    noted = e.PurchaseNoted(event_id=event.event_id, occurred_at=event.occurred_at)
    effects = (telling_others(person.id, noted),) if person.open_journeys else ()
    return Decision(journey=None, person=person, effects=effects)


def with_details(person: Person, customer: e.Customer, at: datetime) -> Person:
    """Return the person with the newest details known; what a newer source leaves out keeps its old value."""
    if not person.id:
        person = Person(id=customer.person_id)
    old = person.customer or customer
    newer = person.details_at is None or at >= person.details_at
    first, second = (customer, old) if newer else (old, customer)
    names = ("customer_id", "email", "first_name", "last_name", "locale", "zone")
    merged = e.Customer(person_id=person.id, **{name: getattr(first, name) or getattr(second, name) for name in names})
    dated = at if newer and customer.email else person.details_at
    # Who comes back after an erasure begins anew: nothing of before is left to join it to.
    return replace(person, customer=merged, details_at=dated, erased_at=None)
