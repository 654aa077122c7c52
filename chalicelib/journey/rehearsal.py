"""One made-up journey, played through decide with the documents at hand: what a lead will send, before it is sent.

The customer of the rehearsal answers badly, accepts what is proposed and says nothing to the check-ins; a second one is
content. Pure: the same rules as in production, with instants that come from the rules themselves.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import msgspec
from msgspec.structs import replace

from chalicelib.journey import events as e
from chalicelib.journey import machine
from chalicelib.journey.documents import SCALES, Documents, SurveyTemplate
from chalicelib.journey.effects import NotifyStaff, SendMail
from chalicelib.journey.errors import ActRefused
from chalicelib.journey.state import Journey, Person, Touch

#: A rehearsal ends after so many wake-ups, whatever the documents say.
_MOST_RINGS = 200
WORDS = "It took four calls, and nobody told me what went wrong."
_TEXTS = {
    "apologise": "I am sorry that you had to call four times. That was our mistake, and I will see to it myself.",
    "propose": "We send you a new one by express tomorrow, and refund the first.",
    "thank": "Thank you for your patience, and for telling us. We have changed how we hand over calls.",
}


class Scene(msgspec.Struct, frozen=True):
    """A mail at the moment at which it would go: to the customer (``touch``) or to a member of staff (``notice``)."""

    name: str
    at: datetime
    journey: Journey
    person: Person
    touch: Touch | None = None
    notice: NotifyStaff | None = None


def scenes(documents: Documents, locale: str, at: datetime) -> list[Scene]:
    """Return every mail that these documents lead to, each kind and check-in once, in the order of a life.

    ``at`` is when the made-up case is resolved; ``locale`` is the customer's.
    """
    played = [*_Rehearsal(documents, locale, at).unhappy(), *_Rehearsal(documents, locale, at).content()]
    for template in documents.cadence.survey.templates:
        played += _Rehearsal(documents, locale, at, template).asked()
    first: dict[str, Scene] = {}
    for scene in played:
        first.setdefault(scene.name, scene)
    return list(first.values())


class _Rehearsal:
    """A journey and its person, moved on by events; what each event owes is a scene."""

    def __init__(self, documents: Documents, locale: str, at: datetime, template: SurveyTemplate | None = None) -> None:
        self._documents = documents
        self._template = template
        self._journey = Journey(id=e.journey_of_case("rehearsal", "R-1", 1))
        self._person = Person(id="")
        self._now = at
        self._count = 0
        self._customer = e.Customer(
            person_id=e.person_id_of("rehearsal", ""),
            customer_id="rehearsal",
            email="customer@example.com",
            first_name="Robin",
            last_name="Sample",
            locale=locale,
        )

    def unhappy(self) -> Iterator[Scene]:
        """A bad answer, a recovery to its end, and the check-ins that follow."""
        yield from self._resolve()
        yield from self._ring_until("reminder")
        yield from self._answer(worst=True)
        for act in [step.act for step in self._documents.playbook.steps]:
            yield from self._act(act)
        yield from self._ring_until("")

    def content(self) -> Iterator[Scene]:
        """A good answer, and the check-ins that follow."""
        yield from self._resolve()
        yield from self._ring_until("survey")
        yield from self._answer(worst=False)
        yield from self._ring_until("")

    def asked(self) -> Iterator[Scene]:
        """The survey about a case of the template's categories."""
        yield from self._resolve()
        yield from self._ring_until("survey")

    def _resolve(self) -> Iterator[Scene]:
        category = self._template.categories[0] if self._template else ""
        case = e.Case(
            source="rehearsal", case_id="R-1", epoch=1, subject="Order 1001", category=category, resolved_at=self._now
        )
        yield from self._take(e.CaseResolved(**self._about("resolved"), case=case, customer=self._customer))

    def _answer(self, *, worst: bool) -> Iterator[Scene]:
        # Sooner than a person can read a mail, it would be taken for a machine's.
        self._now += timedelta(seconds=30)
        asked = [question.measure for question in self._documents.cadence.survey.questions]
        scores: dict[str, int] = {measure: SCALES[measure][0 if worst else 1] for measure in asked}
        about = {**self._about("answer"), "answer_id": "rehearsal", "touch_id": "survey"}
        yield from self._take(e.AnswerGiven(**about, scores=scores, words=WORDS if worst else ""))

    def _act(self, act: str) -> Iterator[Scene]:
        """Do one step an hour after the last; the customer accepts a proposal at once."""
        self._now += timedelta(hours=1)
        due = self._now + timedelta(days=2) if act == "propose" else None
        done = e.StaffActed(**self._about(act), act=act, text=_TEXTS.get(act, ""), due=due)  # type: ignore[arg-type]  # an act of the playbook
        if act == "deliver":
            done = replace(done, amount="25.00", currency="EUR")
        if act == "debrief":
            done = replace(done, cause="hand-over", improvement="one owner for each call")
        yield from self._take(done)
        if act == "propose" and self._journey.recovery is not None and self._journey.recovery.proposal is not None:
            recovery = self._journey.recovery
            about = {**self._about("word"), "answer_id": "rehearsed-word", "recovery": recovery.number}
            number = self._journey.recovery.proposal.number
            yield from self._take(e.ProposalAnswered(**about, proposal=number, word="meets"))

    def _ring_until(self, touch_id: str) -> Iterator[Scene]:
        """Let time pass until that touch has gone out, or nothing is left to wait for."""
        for _ in range(_MOST_RINGS):
            sent = self._journey.touch(touch_id)
            if self._journey.wake_at is None or (sent is not None and not sent.is_planned):
                return
            self._now = max(self._now, self._journey.wake_at)
            yield from self._take(e.AlarmRang(**self._about("alarm")))

    def _about(self, name: str) -> dict[str, Any]:
        self._count += 1
        return {"event_id": f"{name}/{self._count}", "occurred_at": self._now, "journey_id": self._journey.id}

    def _take(self, event: e.JourneyEvent) -> Iterator[Scene]:
        """Decide, show what is owed, and let every mail arrive."""
        try:
            decision = machine.decide(self._journey, self._person, event, self._documents)
        except ActRefused:
            return
        self._journey = decision.journey or self._journey
        self._person = decision.person or self._person
        for effect in decision.effects:
            if isinstance(effect, NotifyStaff):
                yield self._scene("staff-notice", notice=effect)
            elif isinstance(effect, SendMail):
                touch = self._journey.touch(effect.touch_id)
                if touch is not None:
                    yield self._scene(self._name(touch), touch=touch)
                yield from self._take(
                    e.MailSent(**self._about("sent"), touch_id=effect.touch_id, message_id=f"m{self._count}")
                )

    def _name(self, touch: Touch) -> str:
        about = touch.step or (self._template.name if self._template else "")
        return f"{touch.kind}: {about}" if about else touch.kind

    def _scene(self, name: str, *, touch: Touch | None = None, notice: NotifyStaff | None = None) -> Scene:
        return Scene(name, self._now, self._journey, self._person, touch=touch, notice=notice)
