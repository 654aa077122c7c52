"""One decision while it is being made: the journey and the person as they will be, and what is owed."""

import re
from datetime import datetime
from typing import Any

from msgspec.structs import replace

from chalicelib.journey import todos
from chalicelib.journey.documents import Documents, StaffMember
from chalicelib.journey.effects import Decision, Effect, NotifyStaff, SendMail, Tell, TellOthers
from chalicelib.journey.events import JourneyEvent, PersonSilenced, PurchaseNoted, stable_id
from chalicelib.journey.state import Ending, Journey, Person, Recovery, Stage, Suppression, Touch

_UNSAFE = re.compile(r"[^A-Za-z0-9_-]")
_KEY_LENGTH = 120
#: Kinds of mail that end with their journey. What was promised to the customer in person still goes.
NOT_OWED = ("survey", "reminder", "check-in", "update", "thank-you")
_REASON_OF = {
    Stage.SUPERSEDED: "case_reopened",
    Stage.OPTED_OUT: "opted_out",
    Stage.UNREACHABLE: "hard_bounce",
}


def telling(event: JourneyEvent) -> Tell:
    """Return the effect that gives an event to the journey it names."""
    return Tell(key=f"tell-{stable_id('', event.event_id, event.journey_id)}", event=event)


def telling_others(person_id: str, event: PurchaseNoted | PersonSilenced) -> TellOthers:
    """Return the effect that gives an event to every open journey of a person but ``event.journey_id``."""
    return TellOthers(key=f"tell-{stable_id('', event.event_id)}", person_id=person_id, event=event)


def safe_key(text: str) -> str:
    """Return the text as the mail service allows it in a tag, so that its own events can name the effect."""
    return _UNSAFE.sub("_", text) if len(text) <= _KEY_LENGTH else stable_id("k", text)


class Turn:
    """The journey, person, event and documents of one decision, and the effects collected so far.

    It is the only mutable thing of the core, and lives no longer than one call of `machine.decide`.
    """

    def __init__(self, journey: Journey, person: Person, event: JourneyEvent, documents: Documents) -> None:
        """Begin with things as they are."""
        self.journey = journey
        self.person = person
        self.event = event
        self.documents = documents
        self.effects: dict[str, Effect] = {}
        self.suppress: list[Suppression] = []
        self.changed = True
        self.note = ""

    @property
    def now(self) -> datetime:
        """Return the instant of the event: the only time that a decision knows."""
        return self.event.occurred_at

    def decision(self) -> Decision:
        """Return what was decided."""
        return Decision(
            journey=self.journey,
            person=self.person if self.person.id else None,
            effects=tuple(self.effects.values()),
            suppress=tuple(self.suppress),
            changed=self.changed,
            note=self.note,
        )

    def ignore(self, why: str) -> None:
        """Change nothing and say why."""
        self.changed = False
        self.note = why

    # -- the journey -------------------------------------------------------------------------------------

    def change(self, **fields: Any) -> None:
        """Change fields of the journey."""
        self.journey = replace(self.journey, **fields)

    def put(self, touch: Touch) -> Touch:
        """Plan a touch, or put its changed form in the place of the old one."""
        kept = tuple(touch if other.id == touch.id else other for other in self.journey.touches)
        known = any(other.id == touch.id for other in kept)
        self.change(touches=kept if known else (*kept, touch))
        return touch

    def put_recovery(self, recovery: Recovery) -> Recovery:
        """Open a recovery, or put its changed form in the place of the old one."""
        others = tuple(recovery if old.number == recovery.number else old for old in self.journey.recoveries)
        known = any(old.number == recovery.number for old in others)
        self.change(recoveries=others if known else (*others, recovery))
        return recovery

    def drop(self, touch: Touch, reason: str) -> None:
        """Give a touch up, with its reason."""
        self.put(replace(touch, not_sent_at=self.now, reason=reason))

    def drop_planned(self, reason: str, *, kinds: tuple[str, ...] = ("survey", "reminder", "check-in")) -> None:
        """Give up every touch of those kinds that has not been sent."""
        for touch in self.journey.touches:
            if touch.kind in kinds and touch.status in {"planned", "due"}:
                self.drop(touch, reason)
                self.effects.pop(touch.id, None)

    def end(self, outcome: Stage, *facts: str) -> None:
        """End the journey with that outcome and the dated facts behind it; what was planned keeps why not."""
        self.drop_planned(_REASON_OF.get(outcome, "journey_over"), kinds=NOT_OWED)
        self.change(
            stage=outcome,
            endings=(*self.journey.endings, Ending(outcome=outcome, at=self.now, facts=facts)),
        )
        self.change_person(
            open_journeys=tuple(other for other in self.person.open_journeys if other != self.journey.id),
            open_recoveries=tuple(other for other in self.person.open_recoveries if other != self.journey.id),
        )

    # -- the person --------------------------------------------------------------------------------------

    def change_person(self, **fields: Any) -> None:
        """Change fields of the person."""
        self.person = replace(self.person, **fields)

    # -- what is owed ------------------------------------------------------------------------------------

    def owe(self, effect: Effect) -> None:
        """Owe an effect; owing the same key again replaces it."""
        self.effects[effect.key] = effect

    def owe_mail(self, touch: Touch) -> None:
        """Owe the sending of a touch from now on."""
        self.put(replace(touch, owed_at=self.now, due_at=min(touch.due_at, self.now)))
        self.owe(SendMail(key=touch.id, journey_id=self.journey.id, touch_id=touch.id))

    def tell(self, event: JourneyEvent) -> None:
        """Give an event to another journey."""
        self.owe(telling(event))

    def tell_other_journeys(self, event: PersonSilenced) -> None:
        """Give that event to every other open journey of the person, if there is any."""
        if set(self.person.open_journeys) - {self.journey.id}:
            self.owe(telling_others(self.person.id, replace(event, journey_id=self.journey.id)))

    def notify(
        self, key: str, member: StaffMember, reason: str, *, about: str = "", due: datetime | None = None
    ) -> None:
        """Owe a notice to one member of staff; what it is about stands as a to-do until it is settled."""
        raised = todos.raised(
            self.journey.todos, safe_key(key), member.id, reason, about, due, self.now, self.documents
        )
        if raised != self.journey.todos:
            self.change(todos=raised)
        self.owe(
            NotifyStaff(
                key=safe_key(f"notice-{key}-{member.id}"),
                journey_id=self.journey.id,
                staff_id=member.id,
                reason=reason,
                about=about,
                due=due,
            )
        )

    def notify_rank(self, key: str, rank: str, reason: str, *, about: str = "", due: datetime | None = None) -> None:
        """Owe a notice to the first member of that rank for this journey's team."""
        self.notify(key, self.staff_of(rank), reason, about=about, due=due)

    def staff_of(self, rank: str) -> StaffMember:
        """Return who answers for this journey at that rank: the same person each time it is asked."""
        team = self.journey.case.team if self.journey.case else ""
        candidates = self.documents.staff.of_rank(rank, team)
        # Ids are uniform hashes, so this spreads journeys evenly without counting anything.
        return candidates[int.from_bytes(self.journey.id.encode()[-4:], "big") % len(candidates)]

    def owner(self) -> StaffMember:
        """Return the owner of the open recovery, or who would be given one."""
        recovery = self.journey.recovery
        known = self.documents.staff.member(recovery.owner) if recovery else None
        return known or self.staff_of("agent")
