"""People: finding them, one person with all that is known, their right address, export and erasure."""

import re
from datetime import datetime, timedelta
from typing import Annotated, Any

import msgspec

from chalicelib.entry import decode
from chalicelib.entry.api import journeys
from chalicelib.entry.api.operations import Context, operation
from chalicelib.entry.api.problems import BadField, NotFound, Refused
from chalicelib.journey import clock
from chalicelib.journey.documents import Documents
from chalicelib.journey.events import AddressCorrected, Customer, ErasureAsked
from chalicelib.journey.state import Contact, Journey, Person, Purchase, Standing
from chalicelib.store import index, items
from chalicelib.store.erasure import Progress
from chalicelib.store.lists import LONGEST_PAGE, Page

_JOURNEY = re.compile(r"j[a-z2-7]{26}")
_PERSON = re.compile(r"p[a-z2-7]{26}")
#: What an admin types to confirm that a person is to be forgotten.
CONFIRMATION = "ERASE"
PersonId = Annotated[str, msgspec.Meta(min_length=1, max_length=60, description="The id of a person, such as `pabc…`.")]


class Search(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to look for: an exact address, a case (``case`` or ``source/case``), an id, or the beginning of a name."""

    q: Annotated[str, msgspec.Meta(min_length=1, max_length=254)]


class PersonRow(msgspec.Struct, frozen=True):
    """A person as they stand in a list."""

    person_id: str
    name: str
    email: str
    loyalty: str
    open_recoveries: int


class Found(msgspec.Struct, frozen=True):
    """Who and what was found, at most fifty of each; ``more`` says that there are others.

    ``short`` says that what was looked for is too short to be the beginning of a name: that takes two letters.
    """

    people: list[PersonRow]
    journeys: list[journeys.Row]
    more: bool = False
    short: bool = False


class One(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which person."""

    person_id: PersonId


class Budget(msgspec.Struct, frozen=True):
    """How often the person was contacted, and from when the limits let the next mail go."""

    contacts: list[Contact]
    surveys_this_year: int
    surveys_most: int
    next_survey_at: datetime | None
    next_ask_at: datetime | None


class View(msgspec.Struct, frozen=True):
    """A person with all that is known of them.

    At most fifty journeys, the newest first: those that are open, then those of the last mails, then others.
    ``more_journeys`` says that there are others; the export has all of them.
    """

    person_id: str
    customer: Customer | None
    no_asks_since: datetime | None
    no_mail_since: datetime | None
    paused_until: datetime | None
    suppressed: str
    suppressed_at: datetime | None
    loyalty: Standing
    purchases: list[Purchase]
    failures: int
    budget: Budget
    journeys: list[journeys.Row]
    more_journeys: bool
    erased_at: datetime | None
    erasure: Progress | None


class Correct(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The right address of a person."""

    person_id: PersonId
    email: Annotated[str, msgspec.Meta(min_length=3, max_length=254)]


class Erase(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whom to forget. ``confirm`` is the word ERASE: it cannot be undone."""

    person_id: PersonId
    confirm: Annotated[str, msgspec.Meta(max_length=20)]


class Noted(msgspec.Struct, frozen=True):
    """What came of it. ``news`` is false when it was so already; ``queued`` when it waits for the table."""

    person_id: str
    news: bool = True
    queued: bool = False


@operation(audit="saw", about="search")
def search(context: Context, asked: Search) -> Found:
    """Find people and journeys."""
    q = asked.q.strip()
    if _JOURNEY.fullmatch(q.lower()):
        return Found([], _journeys(context, [f"J#{q.lower()}"]))
    if _PERSON.fullmatch(q.lower()):
        return Found(_people(context, [q.lower()]), [])
    lists = context.at.lists
    if "@" in q:
        page = lists.of_address(q)
        return Found(_people(context, _persons_of(page)), [], bool(page.cursor))
    named, cases = lists.named(q, limit=LONGEST_PAGE), lists.of_case(q)
    found = _journeys(context, [place.pk for place in cases.places])
    if not found and "/" in q:
        source, _, case_id = q.partition("/")
        cases = lists.of_case(case_id)
        found = [row for row in _journeys(context, [place.pk for place in cases.places]) if row.source == source]
    return Found(
        people=_people(context, _persons_of(named)),
        journeys=found,
        more=bool(named.cursor or cases.cursor),
        short=len(index.normalised(q)) < index.LEAST_LETTERS,
    )


@operation(audit="saw", about="person/{person_id}")
def show(context: Context, asked: One) -> View:
    """Show a person: budget, suppression, consents, loyalty and the facts behind it, all journeys."""
    person = _known(context, asked.person_id)
    documents = context.at.documents.for_journey(Journey(id=""), context.now)
    held = person.suppressed
    elsewhere = context.at.table.is_suppressed(person.email) if person.email and held is None else None
    linked, more = context.at.lists.of_person(person.id)
    likely = [*person.open_journeys, *(contact.journey_id for contact in reversed(person.contacts))]
    wanted = list(dict.fromkeys([*(f"J#{one}" for one in likely), *linked]))[:LONGEST_PAGE]
    return View(
        person_id=person.id,
        customer=person.customer,
        no_asks_since=person.no_asks_since,
        no_mail_since=person.no_mail_since,
        paused_until=person.paused_until if person.paused_until and person.paused_until > context.now else None,
        suppressed=held.reason if held else elsewhere or "",
        suppressed_at=held.at if held else None,
        loyalty=person.loyalty.at(context.now),
        purchases=list(person.purchases),
        failures=len(person.failures),
        budget=_budget(person, documents, context.now),
        journeys=sorted(
            _journeys(context, wanted),
            key=lambda row: items.instant(row.born_at) if row.born_at else "",
            reverse=True,
        ),
        more_journeys=more,
        erased_at=person.erased_at,
        erasure=context.at.erasures.progress(person.id),
    )


@operation(audit="changed", about="person/{person_id}")
def correct(context: Context, asked: Correct) -> Noted:
    """Write down a person's right address: the suppression of the old one does not follow."""
    if _known(context, asked.person_id).erased_at is not None:
        raise Refused(409, "Conflict", "This person was erased: there is nobody to write to any more.")
    event = AddressCorrected(
        event_id=f"corrected/{context.name}",
        occurred_at=context.now,
        person_id=asked.person_id,
        email=decode.address(asked.email.strip(), "email"),
        by=context.actor.id,
    )
    handled = context.at.desk.hand_in(event)
    return Noted(asked.person_id, news=handled is None or handled.news, queued=handled is None)


@operation(audit="exported", about="person/{person_id}")
def export(context: Context, asked: One) -> dict[str, Any]:
    """Export everything that is held on a person: state, journeys, facts, to-dos, mails as sent, the audit."""
    person = _known(context, asked.person_id)
    table, ids = context.at.table, context.at.table.journeys_of(person.id)
    return {
        "person": msgspec.to_builtins(person),
        "suppressed": table.is_suppressed(person.email) if person.email else None,
        "facts": _facts(context, f"P#{person.id}"),
        "journeys": [_exported(context, journey_id) for journey_id in ids],
        "audit": _audit(context, [f"person/{person.id}", *(f"journey/{journey_id}" for journey_id in ids)]),
        "exported_at": msgspec.to_builtins(context.now),
    }


@operation(audit="changed", about="person/{person_id}", status=202)
def erase(context: Context, asked: Erase) -> Noted:
    """Forget a person in everything that is stored, but for an anonymous row for each answer. It runs in the worker."""
    if asked.confirm != CONFIRMATION:
        raise BadField("confirm", f"type {CONFIRMATION}: it cannot be undone")
    _known(context, asked.person_id)
    event = ErasureAsked(
        event_id=f"erase/{context.name}",
        occurred_at=context.now,
        person_id=asked.person_id,
        by=context.actor.id,
    )
    handled = context.at.desk.hand_in(event)
    return Noted(asked.person_id, news=handled is None or handled.news, queued=handled is None)


def _known(context: Context, person_id: str) -> Person:
    person: Person = context.at.table.person(person_id).value
    if not person.id:
        raise NotFound(f"nobody {person_id}")
    return person


def _persons_of(page: Page) -> list[str]:
    """Return the persons of a page, each once: a name stands in the list under each of its parts."""
    return list(dict.fromkeys(place.pk.removeprefix("P#") for place in page.places))


def _people(context: Context, person_ids: list[str]) -> list[PersonRow]:
    persons = context.at.lists.persons(person_ids)
    return [
        PersonRow(
            person_id=person.id,
            name=journeys.name_of(person),
            email=person.email,
            loyalty=person.loyalty.at(context.now).state,
            open_recoveries=len(person.open_recoveries),
        )
        for person in (persons.get(person_id) for person_id in person_ids)
        if person is not None and person.erased_at is None
    ]


def _journeys(context: Context, pks: list[str]) -> list[journeys.Row]:
    return journeys.rows(context, context.at.lists.read_journeys(pks))


def _budget(person: Person, documents: Documents, now: datetime) -> Budget:
    fatigue = documents.settings.fatigue
    year = [one for one in person.contacts if one.at > now - timedelta(days=365)]
    surveys = [one for one in year if one.kind in {"survey", "reminder"}]
    return Budget(
        contacts=list(person.contacts),
        surveys_this_year=len(surveys),
        surveys_most=fatigue.max_survey_invites_365d,
        next_survey_at=_after([one.at for one in person.contacts if one.kind == "survey"], fatigue.survey_gap, now),
        next_ask_at=_after(
            [one.at for one in person.contacts if one.kind in {"survey", "check-in"}], fatigue.any_gap, now
        ),
    )


def _after(instants: list[datetime], gap: str, now: datetime) -> datetime | None:
    """Return when a gap after the last of these is over, or None when it is over already."""
    at = max(instants) + clock.elapsed(gap) if instants else now
    return at if at > now else None


def _facts(context: Context, pk: str) -> list[Any]:
    return [msgspec.to_builtins(fact) for fact in context.at.table.facts(pk)]


def _exported(context: Context, journey_id: str) -> dict[str, Any]:
    journey: Journey = context.at.table.journey(journey_id).value
    pk = f"J#{journey_id}"
    mails = {
        touch.id: msgspec.to_builtins(journeys.as_sent(raw))
        for touch in journey.touches
        if touch.sent_at and (raw := context.at.mails.get(journey_id, touch.id))
    }
    owed = [msgspec.to_builtins(one.effect) for one in context.at.table.owed(pk)]
    return {"journey": msgspec.to_builtins(journey), "facts": _facts(context, pk), "owed": owed, "mails": mails}


def _audit(context: Context, subjects: list[str]) -> list[Any]:
    """Return who saw and changed what about these, the newest two hundred of each."""
    return [msgspec.to_builtins(entry) for about in subjects for entry in context.at.audit.about(about, "", 200)[0]]
