"""The one road an event takes: read this first.

    decode            decide                persist                        perform
    entry/  ──event─▶ journey/ (pure) ──▶   store/ (one transaction) ──▶   effects/

`Pipeline.handle` decides and commits, which is all that pages and API calls do before they wake the worker.
`Worker.run` decides, commits and then performs what is owed. What a crash leaves owed stays in the table, where the
next wake-up or the reconciler finds it.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Protocol

import msgspec

from chalicelib.journey import events, machine, people, tally
from chalicelib.journey.documents import Documents
from chalicelib.journey.effects import Decision
from chalicelib.journey.errors import ActRefused
from chalicelib.journey.events import OF_PERSONS, AlarmRang, Event, PersonEvent, PurchaseMade
from chalicelib.journey.state import Journey, Person
from chalicelib.store.documents import DocumentStore
from chalicelib.store.errors import Conflict, Duplicate, NotOwed
from chalicelib.store.items import Owed, Stored
from chalicelib.store.table import Table
from chalicelib.telemetry import Log

#: How often a decision is made again because somebody else was faster, before the event goes back to its queue.
_TRIES = 10
Clock = Callable[[], datetime]


class Handled(msgspec.Struct, frozen=True):
    """What came of an event: the journey and the person as they now are, and what is owed.

    ``news`` is false when the event changed nothing: it was a duplicate, or came to nothing by a row of the table.
    """

    journey: Journey | None
    person: Person | None
    documents: Documents
    owed: tuple[Owed, ...] = ()
    news: bool = True


class Performer(Protocol):
    """Performs what is owed. Only the worker has one that acts."""

    def perform(self, owed: Owed) -> None:
        """Perform one owed effect and settle it, or leave it owed."""
        ...


class Pipeline:
    """Decides and commits. Knows no queue, no mail, no alarm."""

    def __init__(self, table: Table, documents: DocumentStore, clock: Clock, log: Log) -> None:
        """Keep what it reads from and writes to; ``clock`` gives the instant at which something is stored."""
        self.table = table
        self.documents = documents
        self.clock = clock
        self.log = log

    def handle(self, event: Event, settles: Owed | None = None) -> Handled:
        """Decide on one event and commit it, with the effect that it settles.

        Raises ActRefused for an act that is not allowed now, NotOwed when the effect was settled by somebody else,
        and Conflict when others were faster ten times in a row: then the event should come again.
        """
        for _ in range(_TRIES):
            try:
                return self._once(event, settles)
            except Conflict:
                continue
            except Duplicate:
                return self._again(event, settles)
        message = f"{event.event_id} met other writers {_TRIES} times"
        raise Conflict(message)

    def _once(self, event: Event, settles: Owed | None) -> Handled:
        if isinstance(event, OF_PERSONS):
            return self._of_person(event, settles)  # type: ignore[arg-type]  # the types of that union
        now = self.clock()
        journey = self.table.journey(event.journey_id)
        person = self.table.person(journey.value.person_id or _person_named(event))
        documents = self.documents.for_journey(journey.value, now)
        decision = self._decide(journey, person, event, documents)
        if not decision.changed:
            if settles is not None:
                self.table.settle(settles)
            return Handled(journey.value, person.value, documents, news=False)
        counted = tally.of_decision(journey.value, decision.journey, documents)
        owed = self.table.commit(event, journey, person, decision, now, settles, counted)
        self._note(event, decision.journey.stage.value if decision.journey else "", owed)
        return Handled(decision.journey, decision.person, documents, owed)

    def _note(self, event: Event, stage: str, owed: tuple[Owed, ...]) -> None:
        """Log what was decided: what happened, to which journey, and what is owed for it."""
        noted = {"journey_id": event.journey_id, "event": type(event).__name__, "stage": stage}
        self.log.info("decided", extra={**noted, "owes": [one.effect.key for one in owed]})

    def _decide(self, journey: Stored, person: Stored, event: Event, documents: Documents) -> Decision:
        """Decide; a repeated act of staff is a duplicate, not a refusal."""
        try:
            return machine.decide(journey.value, person.value, event, documents)  # type: ignore[arg-type]  # purchases took the other way
        except ActRefused:
            if self.table.knows(f"J#{journey.value.id}", event.event_id):
                raise Duplicate from None
            raise

    def _of_person(self, event: PersonEvent, settles: Owed | None) -> Handled:
        now = self.clock()
        person = self.table.person(_person_named(event))
        documents = self.documents.for_journey(Journey(id=""), now)
        decision = people.decide_person(person.value, event)
        if not decision.changed:
            return Handled(None, person.value, documents, news=False)
        owed = self.table.commit(event, Stored(Journey(id=""), 0), person, decision, now, settles)
        self._note(event, "", owed)
        return Handled(None, decision.person, documents, owed)

    def _again(self, event: Event, settles: Owed | None) -> Handled:
        """Take a fact that is known already: nothing changes, but what it settles is settled.

        What the journey still owes is returned, for the first taker may have died before performing it.
        """
        if settles is not None:
            self.table.settle(settles)
        journey = self.table.journey(event.journey_id).value
        person_id = journey.person_id or _person_named(event)
        pk = f"J#{event.journey_id}" if event.journey_id else f"P#{person_id}"
        documents = self.documents.for_journey(journey, self.clock())
        person = self.table.person(person_id).value
        return Handled(journey, person, documents, tuple(self.table.owed(pk)), news=False)


def _person_named(event: Event) -> str:
    """Return the person whom an event names, for a journey that does not know them yet."""
    if isinstance(event, events.CaseResolved | events.FailureLogged | PurchaseMade):
        return event.customer.person_id
    return event.person_id if isinstance(event, events.AddressCorrected | events.ErasureAsked) else ""


class Worker:
    """The pipeline with hands: decides, commits, performs."""

    def __init__(self, pipeline: Pipeline, performer: Performer) -> None:
        """Keep both halves of the road."""
        self.pipeline = pipeline
        self.performer = performer

    def run(self, event: Event) -> Handled:
        """Take one event down the whole road."""
        handled = self.pipeline.handle(event)
        for owed in handled.owed:
            self.performer.perform(owed)
        return handled

    def perform_owed(self, pk: str) -> None:
        """Perform everything that a journey or person owes and nobody has claimed: what a page's commit asks for."""
        for owed in self.pipeline.table.owed(pk):
            if owed.status == "owed":
                self.performer.perform(owed)

    def ring(self, journey_id: str, now: datetime) -> Handled:
        """Wake a journey. The event is named after the wake-up that it answers, so one wake-up happens once."""
        wake = self.pipeline.table.journey(journey_id).value.wake_at
        name = wake.isoformat() if wake else "none"
        return self.run(AlarmRang(event_id=f"alarm/{name}", occurred_at=now, journey_id=journey_id))

    def reconcile(self, now: datetime, limit: int = 25) -> int:
        """Find alarms that never rang and effects that a crash left owed, and do them; returns how many there were.

        One failure does not keep the others waiting: all are tried, then the first failure is raised.
        """
        failures: list[Exception] = []
        found = list(self.pipeline.table.missed(now, limit))
        for pk, sk in found:
            try:
                self._reconcile_one(pk, sk, now)
            except (NotOwed, Conflict):
                continue  # somebody else is at it
            except Exception as error:  # noqa: BLE001 - raised below, when the others have had their turn
                failures.append(error)
        if failures:
            raise failures[0]
        return len(found)

    def _reconcile_one(self, pk: str, sk: str, now: datetime) -> None:
        if sk == "STATE":
            self.ring(pk.removeprefix("J#"), now)
            return
        owed = self.pipeline.table.effect(pk, sk.removeprefix("EFFECT#"))
        if owed is not None:
            self.performer.perform(owed)
