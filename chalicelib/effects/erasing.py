"""Performs the erasure of a person: one journey after the other, each step harmless when it is done again."""

from collections.abc import Callable
from datetime import datetime

from chalicelib.journey.effects import ErasePerson
from chalicelib.journey.events import Event, PersonErased, journey_of_case
from chalicelib.journey.state import Journey, Stage
from chalicelib.store.erasure import ErasureStore
from chalicelib.store.items import Owed
from chalicelib.store.mails import MailArchive
from chalicelib.store.table import Table

#: So many journeys are forgotten at a time: a function has a minute. The reconciler goes on with the others.
CHUNK = 10


class Eraser:
    """Forgets people. ``run`` takes an event down the whole road."""

    def __init__(
        self,
        table: Table,
        store: ErasureStore,
        mails: Callable[[], MailArchive],
        run: Callable[[Event], object],
        now: Callable[[], datetime],
    ) -> None:
        """Keep its partners; ``mails`` gives the archive when somebody is erased."""
        self._mails = mails
        self._table = table
        self._store = store
        self._run = run
        self._now = now

    def erase(self, owed: Owed, effect: ErasePerson) -> None:
        """Forget a chunk of the person's journeys, and, when none is left, the person."""
        salt = self._store.begin(effect.person_id, effect.asked_at)
        left = [journey for journey in self._journeys(effect) if journey.erased_at or not _later(journey, effect)]
        for journey in left[:CHUNK]:
            self._forget(journey, effect, salt)
            self._store.unlink(effect.person_id, journey.id)
            self._store.count(effect.person_id)
        if len(left) > CHUNK:
            self._table.postpone(owed, self._now())
            return
        pk = f"P#{effect.person_id}"
        self._store.redact_facts(pk)
        self._store.drop_found_by(effect.person_id, effect.asked_at)
        self._store.drop(pk, "EFFECT#tell-")
        self._store.finish(effect.person_id, self._now())
        self._table.settle(owed)

    def _journeys(self, effect: ErasePerson) -> list[Journey]:
        return [self._table.journey(one).value for one in self._table.journeys_of(effect.person_id)]

    def _forget(self, journey: Journey, effect: ErasePerson, salt: str) -> None:
        """Keep the scores, then forget the rest; what waits for the case's next resolution goes first."""
        if journey.case is not None:
            after = journey_of_case(journey.case.source, journey.case.case_id, journey.case.epoch + 1)
            unborn = self._table.journey(after).value
            if unborn.stage is Stage.UNBORN and unborn.parked:
                self._forget(unborn, effect, salt)
        for answer in journey.answers:
            if answer.counts and not answer.from_journey:
                self._store.keep_score(journey, answer, salt)
        self._mails().delete_for_journey(journey.id, tuple(reply.raw for reply in journey.replies if reply.raw))
        name = f"erased/{effect.asked_at.isoformat()}"
        self._run(PersonErased(event_id=name, occurred_at=self._now(), journey_id=journey.id))
        pk = f"J#{journey.id}"
        self._store.redact_facts(pk)
        self._store.drop(pk, "EFFECT#", but="EFFECT#alarm")
        self._store.drop(pk, "TODO#")


def _later(journey: Journey, effect: ErasePerson) -> bool:
    """Say whether a journey began after the person was forgotten: it is another acquaintance."""
    return journey.born_at is not None and journey.born_at > effect.asked_at
