"""A small world in which anything may happen: several journeys of several people, a mailer, alarms, a store of facts.

It does what the pipeline, the store and the mailer do, in memory, and nothing else: each event is decided on and, if it
is news, committed with the effects that it owes; each effect is performed later, or fails. After every move the world
says which invariants are broken.
"""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec
import pytest
from msgspec.structs import replace

from chalicelib.journey import budget, events, invariants, machine, people
from chalicelib.journey.documents import Documents
from chalicelib.journey.effects import Decision, Effect, SendMail, Tell, TellOthers, WeighWords
from chalicelib.journey.errors import ActRefused
from chalicelib.journey.invariants import Mailed
from chalicelib.journey.state import Journey, Person, Stage
from tests.unit.builders import MONDAY, STEPS, case, customer, days, hours, shipped

_GRACE = timedelta(minutes=15)
_ATTEMPTS = 2


@dataclass
class Owed:
    effect: Effect
    claimed: bool = False
    gone: bool = False  # what nobody knows yet of a claimed mail: whether the service took it
    attempt: int = 0
    returns: int = 0  # how often this mail had come back before this sending


class World:
    """What `play` moves. Everything is public: tests look where they like."""

    def __init__(self, documents: Documents | None = None) -> None:
        self.documents = documents or shipped()
        self.now = MONDAY
        self.journeys: dict[str, Journey] = {}
        self.persons: dict[str, Person] = {}
        self.facts: dict[tuple[str, str], events.Event] = {}
        self.owed: dict[str, dict[str, Owed]] = {}
        self.ever_owed: dict[str, list[str]] = {}
        self.suppressed: dict[str, str] = {}
        self.mailed: list[Mailed] = []
        self.refused: Counter[str] = Counter()
        self.silenced: dict[str, dict[str, datetime]] = {}
        #: (stage, event) of every row that was run, and (stage, event, stage after it) of what came of it.
        self.rows: set[tuple[Stage, type]] = set()
        self.steps: set[tuple[Stage, type, Stage]] = set()

    # -- decide and persist ------------------------------------------------------------------------------

    def give(self, event: events.Event) -> None:
        """Take an event down the road as far as its commit."""
        if isinstance(event, events.PurchaseMade):
            decision = people.decide_person(self.person(event.customer.person_id), event)
            self._commit(event, f"P#{event.customer.person_id}", decision)
            return
        journey, decision = self.what_if(event)
        if decision is None or not decision.changed:
            return
        if self._commit(event, journey.id, decision):
            wake = decision.journey.wake_at
            assert wake is None or wake > event.occurred_at, f"{journey.id} would wake at once: {wake}"

    def what_if(self, event: events.JourneyEvent) -> tuple[Journey, Decision | None]:
        """Decide twice, the second time on what was stored and read again; None when it is refused."""
        journey = self.journeys.get(event.journey_id, Journey(id=event.journey_id))
        person = self.person(journey.person_id or _person_named(event))
        self.rows.add((journey.stage, type(event)))
        try:
            decision = machine.decide(journey, person, event, self.documents)
        except ActRefused as refused:
            with pytest.raises(ActRefused, match=refused.reason and "."):
                machine.decide(journey, person, event, self.documents)
            self.refused[refused.reason] += 1
            return journey, None
        again = machine.decide(_stored(journey), _stored(person), _stored(event), self.documents)
        assert again == decision, "the same was decided differently"
        if not journey.parked:
            self.steps.add((journey.stage, type(event), decision.journey.stage))
        return journey, decision

    def _commit(self, event: events.Event, subject: str, decision: Decision) -> bool:
        """Store all or, when the fact is known already, nothing."""
        if (subject, event.event_id) in self.facts:
            return False
        self.facts[subject, event.event_id] = event
        if decision.journey is not None:
            self.journeys[decision.journey.id] = decision.journey
        if decision.person is not None:
            self._date_silence(self.person(decision.person.id), decision.person)
            self.persons[decision.person.id] = decision.person
        for effect in decision.effects:
            self.owed.setdefault(subject, {})[effect.key] = Owed(effect)
            self.ever_owed.setdefault(subject, []).append(effect.key)
        self.suppressed |= {held.email.lower(): held.reason for held in decision.suppress}
        return True

    def _date_silence(self, before: Person, after: Person) -> None:
        """An opt-out holds from its commit on, however old the news of it is."""
        fields = ("no_asks_since", "no_mail_since", "suppression")
        self.silenced.setdefault(after.id, {}).update(
            {name: self.now for name in fields if getattr(after, name) != getattr(before, name)}
        )

    def _as_committed(self, person: Person) -> Person:
        dated = dict(self.silenced[person.id])
        held = dated.pop("suppression", None)
        suppression = replace(person.suppression, at=held) if person.suppression and held else person.suppression
        return replace(person, suppression=suppression, **dated)

    def person(self, person_id: str) -> Person:
        return self.persons.get(person_id, Person(id=""))

    # -- perform -----------------------------------------------------------------------------------------

    def work(self, outcome: str = "sent") -> None:
        """Perform everything that is owed, and what comes of that."""
        while pending := [(s, k) for s, keys in self.owed.items() for k, owed in keys.items() if not owed.claimed]:
            for subject, key in pending:
                self.perform(subject, key, outcome)

    def perform(self, subject: str, key: str, outcome: str = "sent") -> None:
        owed = self.owed.get(subject, {}).get(key)
        if owed is None or owed.claimed:
            return
        if isinstance(owed.effect, SendMail):
            self._send(owed, owed.effect, outcome)
            return
        if isinstance(owed.effect, WeighWords):
            self._weigh(owed.effect)
        elif isinstance(owed.effect, Tell):
            self.give(owed.effect.event)
        elif isinstance(owed.effect, TellOthers):
            self._tell_others(owed.effect)
        self._settle(subject, owed)

    def _weigh(self, effect: WeighWords) -> None:
        """Any words may sound angry: half of the answers do."""
        compound = -0.5 if len(effect.answer_id) % 2 else 0.5
        about = {"event_id": f"weighed/{effect.answer_id}", "occurred_at": self.now, "journey_id": effect.journey_id}
        self.give(events.WordsWeighed(**about, answer_id=effect.answer_id, compound=compound))

    def _settle(self, subject: str, owed: Owed) -> None:
        """Take it off the books, unless it was owed anew meanwhile."""
        if self.owed[subject].get(owed.effect.key) is owed:
            del self.owed[subject][owed.effect.key]

    def _tell_others(self, effect: TellOthers) -> None:
        for journey_id in self.person(effect.person_id).open_journeys:
            if journey_id != effect.event.journey_id:
                name = f"{effect.event.event_id}/{journey_id}"
                self.give(replace(effect.event, journey_id=journey_id, event_id=name))

    def _send(self, owed: Owed, effect: SendMail, outcome: str) -> None:
        """Weigh once more, claim, and make one request, as the mailer does."""
        journey = self.journeys[effect.journey_id]
        person, touch = self.person(journey.person_id), journey.touch(effect.touch_id)
        if journey.erased_at is not None:
            self._settle(effect.journey_id, owed)
            return
        assert touch is not None
        if touch.went_out:
            self._settle(effect.journey_id, owed)
            return
        sending = events.sending_of(touch.id, touch.returns)
        verdict = budget.weigh(touch, journey, person, self.documents, self.now)
        if isinstance(verdict, budget.Send) and person.email.lower() in self.suppressed:
            verdict = budget.Drop(self.suppressed[person.email.lower()])
        if isinstance(verdict, budget.Wait):
            name = f"deferred/{touch.id}/{len(self.facts)}"
            self._heard(owed, events.MailDeferred, name, until=verdict.until, reason=verdict.reason)
        elif isinstance(verdict, budget.Drop):
            self._heard(owed, events.MailNotSent, f"not-sent/{sending}", reason=verdict.reason)
        else:
            self.persons[person.id] = budget.spend(person, touch, journey, self.now)
            owed.claimed, owed.gone = True, outcome in {"sent", "unknown"}
            if owed.gone:
                zone = budget.zone_of(person, self.documents)
                self.mailed.append(
                    Mailed(journey_id=journey.id, touch_id=touch.id, at=self.now, zone=zone, to=person.email)
                )
            owed.returns = touch.returns
            if outcome == "sent":
                self._heard_of_sending(owed)
            elif outcome == "refused":
                self._heard(owed, events.MailNotSent, f"not-sent/{sending}", reason="refused")

    def _heard_of_sending(self, owed: Owed) -> None:
        sending = events.sending_of(owed.effect.touch_id, owed.returns)
        about = {"message_id": f"m-{sending}", "returns": owed.returns}
        self._heard(owed, events.MailSent, f"sent/{sending}", **about)

    def _heard(self, owed: Owed, kind: type, name: str, **fields) -> None:
        """The outcome of a mail is an event of its own, and settles its sending."""
        effect = owed.effect
        self.give(
            kind(event_id=name, occurred_at=self.now, journey_id=effect.journey_id, touch_id=effect.touch_id, **fields)
        )
        self._settle(effect.journey_id, owed)

    def reconcile(self) -> None:
        """Hear what became of claimed mails: the service's own news, or nothing in time."""
        claimed = [owed for keys in self.owed.values() for owed in keys.values() if owed.claimed]
        for owed in claimed:
            touch_id = owed.effect.touch_id
            if owed.gone:
                self._heard_of_sending(owed)
            elif owed.attempt + 1 < _ATTEMPTS:
                owed.claimed, owed.attempt = False, owed.attempt + 1
            else:
                name = f"not-sent/{events.sending_of(touch_id, owed.returns)}"
                self._heard(owed, events.MailNotSent, name, reason="unknown_outcome")

    # -- time --------------------------------------------------------------------------------------------

    def ring(self, journey_id: str) -> None:
        wake = self.journeys[journey_id].wake_at
        name = wake.isoformat() if wake else "none"
        self.give(events.AlarmRang(event_id=f"alarm/{name}", occurred_at=self.now, journey_id=journey_id))

    def ring_what_is_due(self) -> None:
        while due := [j.id for j in self.journeys.values() if j.wake_at is not None and j.wake_at <= self.now]:
            for journey_id in due:
                self.ring(journey_id)

    def advance(self, until: datetime) -> None:
        """Let time pass: alarms ring, mails go, unknown outcomes become known."""
        self.work()
        while True:
            waiting = any(owed.claimed for keys in self.owed.values() for owed in keys.values())
            instants = [j.wake_at for j in self.journeys.values() if j.wake_at is not None]
            instant = min([*instants, *([self.now + _GRACE] if waiting else [])], default=until)
            if instant > until:
                break
            self.now = max(self.now, instant)
            if waiting:
                self.reconcile()
            self.ring_what_is_due()
            self.work()
            if not instants and not waiting:
                break
        self.now = max(self.now, until)

    # -- judging -----------------------------------------------------------------------------------------

    def violations(self) -> list[str]:
        return invariants.violations(
            invariants.World(
                now=self.now,
                journeys=self.journeys,
                persons={name: self._as_committed(person) for name, person in self.persons.items()},
                documents=self.documents,
                owed={subject: list(keys) for subject, keys in self.owed.items()},
                ever_owed=self.ever_owed,
                mailed=self.mailed,
            )
        )


def _person_named(event: events.Event) -> str:
    return event.customer.person_id if isinstance(event, events.CaseResolved | events.FailureLogged) else ""


def _stored(value):
    """The value as it comes back from the store."""
    if isinstance(value, Journey | Person):
        back = msgspec.json.decode(msgspec.json.encode(value), type=type(value))
    else:
        back = events.load(events.dump(value))
    assert back == value, "it does not survive being stored"
    return back


# -- moves -----------------------------------------------------------------------------------------------

ADA = customer()
TUI = customer(person_id="p-tui", customer_id="tui", email="tui@example.com", first_name="Tui", zone="Pacific/Auckland")
NEMO = customer(person_id="p-nemo", customer_id="nemo", email="", first_name="", zone="")
#: What may happen to whom: (case id, epoch, customer), remarks last.
CASES = (
    ("broken", 1, ADA),
    ("broken", 2, ADA),
    ("broken", 3, ADA),
    ("late", 1, ADA),
    ("wrong", 1, TUI),
    ("rude", 1, NEMO),
    ("remark", 0, TUI),
)
IDS = tuple(
    events.journey_of_case("desk", name, epoch) if epoch else events.journey_of_remark("desk", name)
    for name, epoch, _ in CASES
)
SAID = (
    {"scores": {"csat": 5, "solved": 1, "nps": 10, "come_back": 5}},
    {"scores": {"csat": 4}},
    {"scores": {"csat": 3}},
    {"scores": {"csat": 1}, "words": "It broke."},
    {"scores": {"csat": 2}, "call_back": True},
    {"scores": {"solved": 0}},
    {"scores": {"nps": 5}},
    {"scores": {"csat": 1}, "suspect": "decoy"},
)
AGO = (hours(0), hours(0), hours(0), hours(5), days(3), days(20), hours(0), hours(0))
LENGTHS = (hours(1), hours(9), days(1), days(3), days(7), days(14), days(31), days(90))


class Play:
    """Makes the moves of a history: (what, which journey, how), each number from 0 to 7."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._told: list[events.Event] = []

    def move(self, what: str, which: int, how: int) -> None:
        getattr(self, what)(which % len(CASES), how)
        self.world.ring_what_is_due()

    def tell(self, kind: type, which: int, name: str, *, ago: timedelta = timedelta(), **fields) -> None:
        event = kind(event_id=name, occurred_at=self.world.now - ago, journey_id=IDS[which], **fields)
        self._told.append(event)
        self.world.give(event)

    def fresh(self, prefix: str) -> str:
        return f"{prefix}/{len(self._told)}"

    def journey(self, which: int) -> Journey:
        return self.world.journeys.get(IDS[which], Journey(id=IDS[which]))

    # -- the case ----------------------------------------------------------------------------------------

    def resolved(self, which: int, how: int) -> None:
        name, epoch, who = CASES[which]
        if not epoch:
            self.remarked(which, how)
            return
        at = self.world.now - AGO[how]
        what = case(name, epoch, resolved_at=at, human_exchange=how != 6)
        who = replace(who, email=f"{who.first_name.lower()}@new.example.com") if how == 7 and who.email else who
        self.tell(events.CaseResolved, which, f"resolved/{epoch}", ago=AGO[how], case=what, customer=who)

    def remarked(self, which: int, how: int) -> None:
        name, epoch, who = CASES[which]
        what = case(name, max(epoch, 1), kind="remark")
        self.tell(events.FailureLogged, which, f"logged/{name}", ago=AGO[how], case=what, customer=who, words="Oh.")

    def reopened(self, which: int, how: int) -> None:
        self.tell(events.CaseReopened, which, f"reopened/{CASES[which][1]}", ago=AGO[how])

    def withdrawn(self, which: int, how: int) -> None:
        reason = ("merged", "spam", "duplicate")[how % 3]
        self.tell(events.CaseWithdrawn, which, f"withdrawn/{CASES[which][1]}", reason=reason)

    # -- the customer ------------------------------------------------------------------------------------

    def answered(self, which: int, how: int) -> None:
        """The newest question that reached the customer is answered, or an older one."""
        asked = [t.id for t in self.journey(which).touches if t.klass == "ask" and t.sent_at]
        touch_id = (asked[-1] if how % 4 or len(asked) < 2 else asked[0]) if asked else "survey"
        name = self.fresh("answer")
        seen = events.Evidence(client=("", "c1", "c2", "c1")[how % 4])
        doubt = {"suspect": "decoy"} if how == 1 and which % 2 else {}
        self.tell(
            events.AnswerGiven, which, name, answer_id=name, touch_id=touch_id, evidence=seen,
            ago=AGO[-how] if asked else hours(0), **SAID[how], **doubt,
        )  # fmt: skip

    def well(self, which: int, how: int) -> None:
        """Every question that is out is answered as well as can be, one that nobody could answer before included."""
        for touch in self.journey(which).touches:
            if touch.klass == "ask" and touch.sent_at and not touch.answered_at:
                name = self.fresh("answer")
                self.tell(events.AnswerGiven, which, name, answer_id=name, touch_id=touch.id, **SAID[how % 2])

    def judged(self, which: int, how: int) -> None:
        """Somebody looks at a suspect answer, and mostly finds that a person gave it."""
        waiting = [answer.id for answer in self.journey(which).answers if answer.waits] or ["nothing"]
        answer_id = waiting[how % len(waiting)]
        self.tell(events.AnswerJudged, which, self.fresh("judged"), answer_id=answer_id, human=how != 7, by="samir")

    def worded(self, which: int, how: int) -> None:
        name = self.fresh("word")
        recoveries = self.journey(which).recoveries
        last = recoveries[-1] if recoveries else None
        number = len(last.proposals) if last and how < 6 else 1
        word = ("meets", "exceeds", "meets", "falls_short", "other", "falls_short", "meets", "other")[how]
        self.tell(
            events.ProposalAnswered, which, name, answer_id=name, recovery=last.number if last else 1, proposal=number,
            word=word,
        )  # fmt: skip

    def opted_out(self, which: int, how: int) -> None:
        self.tell(events.OptedOut, which, self.fresh("opt-out"), scope=("pause", "asks", "everything")[how % 3])

    def bought(self, which: int, how: int) -> None:
        who = replace(CASES[which][2], email="")
        name = self.fresh("purchase")
        self.world.give(
            events.PurchaseMade(
                event_id=name, occurred_at=self.world.now - AGO[how], customer=who, purchase_id=name, paid=how < 6
            )
        )
        self._told.append(self.world.facts[f"P#{who.person_id}", name])

    # -- staff -------------------------------------------------------------------------------------------

    def acted(self, which: int, how: int) -> None:
        """The next step of the playbook, or one out of order."""
        recovery = self.journey(which).recovery
        left = [act for act in STEPS if recovery is None or recovery.when(act) is None]
        act = left[0] if how < 5 and left else list(STEPS)[how % len(STEPS)]
        self.tell(events.StaffActed, which, self.fresh("act"), act=act, kept=how != 4, **STEPS[act])

    def recovered(self, which: int, how: int) -> None:
        """Staff do everything there is to do, and the customer accepts."""
        for act in STEPS:
            self.tell(events.StaffActed, which, self.fresh("act"), act=act, kept=how != 5, **STEPS[act])
            if act == "propose":
                self.worded(which, how % 3)

    def attended(self, which: int, how: int) -> None:
        """A member of staff sees to something that needs a person, or to something that no longer does."""
        todos = self.journey(which).todos
        key = todos[how % len(todos)].key if todos else "gone"
        staff = [member.id for member in self.world.documents.staff.members]
        what = ("take", "snooze", "hand_over", "done")[how % 4]
        self.tell(
            events.AttentionGiven, which, self.fresh("attention"), todo=key, what=what, by=staff[how % len(staff)],
            to=staff[(how + 1) % len(staff)], until=self.world.now + LENGTHS[how],
        )  # fmt: skip

    def stopped(self, which: int, how: int) -> None:
        """A lead ends a journey, and may think better of it."""
        self.tell(events.JourneyStopped, which, self.fresh("stop"), by="lead", why="They asked us to.")
        if how:
            self.world.advance(self.world.now + LENGTHS[how // 4])
            self.tell(events.JourneyResumed, which, self.fresh("resume"), by="lead")

    def managed(self, which: int, how: int) -> None:
        """Somebody looks after the journeys: sees to something, stops one, or has a person forgotten."""
        if how < 4:
            self.attended(which, how + 4 * (which % 2))
        elif how < 7:
            self.stopped(which, how % 4)
        else:
            self.erased(which)

    def erased(self, which: int) -> None:
        """A person is forgotten in all their journeys."""
        if which % 2:
            theirs = [other for other, (_, _, who) in enumerate(CASES) if who is CASES[which][2]]
            for other in theirs:
                if IDS[other] in self.world.journeys:
                    self.tell(events.PersonErased, other, self.fresh("erased"))

    # -- time and mail -----------------------------------------------------------------------------------

    def advanced(self, _which: int, how: int) -> None:
        self.world.advance(self.world.now + LENGTHS[how])

    def woken(self, which: int, how: int) -> None:
        """To the next alarm of a journey, or an alarm that nobody set."""
        wake = self.journey(which).wake_at
        if wake is not None and how < 6:
            self.world.advance(wake)
        else:
            self.tell(events.AlarmRang, which, self.fresh("alarm"))

    def worked(self, _which: int, how: int) -> None:
        self.world.work(("sent", "sent", "sent", "unknown", "lost", "refused", "sent", "unknown")[how])

    def reconciled(self, _which: int, _how: int) -> None:
        self.world.reconcile()

    def reported(self, which: int, how: int) -> None:
        """The mail service says what became of a mail, in any order, twice if need be."""
        gone = [mail.touch_id for mail in self.world.mailed if mail.journey_id == IDS[which]]
        if gone:
            kind, fields = NEWS[how]
            if fields.get("again") and which:
                kind, fields = events.MailDelivered, {}  # a first journey in eight is enough to see mail return
            self.tell(kind, which, self.fresh("news"), touch_id=gone[how % len(gone)], **fields)

    def returned(self, which: int, how: int) -> None:
        """A customer is content, comes back and buys, and says so, if nothing speaks against it."""
        if not self.journey(which).stage.startswith("checking"):
            self.resolved(which, 0)
            self.world.advance(self.world.now + days(2))
            self.well(which, 0)
        if how % 2:
            self.world.advance(self.world.now + days(1))
            self.bought(which, how)
            self.world.advance(self.world.now + days(91))
            self.well(which, 0)
        else:
            self.world.advance(self.world.now + days(46))
            self.well(which, 0)
            self.bought(which, how)
            self.world.work()

    def declined(self, which: int, how: int) -> None:
        """What is proposed falls short, and nothing better comes for a while."""
        for act in ("take", "apologise", "propose"):
            self.tell(events.StaffActed, which, self.fresh("act"), act=act, **STEPS[act])
        self.worded(which, 3)
        self.world.advance(self.world.now + LENGTHS[how])

    def relapsed(self, which: int, how: int) -> None:
        """The next question that comes is answered badly."""
        self.world.advance(self.world.now + LENGTHS[how])
        self.answered(which, 5)

    def again(self, which: int, how: int) -> None:
        """Something that was told before is told again."""
        if self._told:
            self.world.give(self._told[(which * 8 + how) % len(self._told)])

    def _waiting(self, which: int) -> str:
        return next((answer.id for answer in self.journey(which).answers if answer.waits), "nothing")

    # -- at the end --------------------------------------------------------------------------------------

    def what_ifs(self) -> None:
        """In every journey, try every event: what it would do, without doing it."""
        now = self.world.now
        for which, journey_id in enumerate(IDS):
            name, epoch, who = CASES[which]
            about = {"event_id": "what-if", "occurred_at": now, "journey_id": journey_id}
            beginning = {"case": case(name, max(epoch, 1), resolved_at=now), "customer": who}
            mail = {"touch_id": "survey"}
            fields = {
                events.CaseResolved: beginning,
                events.FailureLogged: {**beginning, "words": "!"},
                events.CaseWithdrawn: {"reason": "spam"},
                events.AnswerGiven: {"answer_id": "what-if", **mail, **SAID[3]},
                events.ReplyReceived: {"reply_id": "what-if", "words": "Hello?"},
                events.WordsWeighed: {"answer_id": "what-if", "compound": -0.9},
                events.AnswerJudged: {"answer_id": self._waiting(which), "human": True, "by": "samir"},
                events.ProposalAnswered: {"answer_id": "what-if", "recovery": 1, "proposal": 1, "word": "meets"},
                events.OptedOut: {"scope": "asks"},
                events.StaffActed: {"act": "close"},
                events.MailSent: {**mail, "message_id": "m"},
                events.MailDelayed: mail,
                events.MailDelivered: mail,
                events.MailDeferred: {**mail, "until": now + days(1), "reason": "paused"},
                events.MailNotSent: {**mail, "reason": "refused"},
                events.MailBounced: {**mail, "permanent": True},
                events.MailComplained: mail,
                events.AttentionGiven: {"todo": "recovery-1", "what": "take", "by": "sam"},
                events.JourneyStopped: {"by": "robin", "why": "!"},
                events.JourneyResumed: {"by": "robin"},
                events.PersonSilenced: {"reason": "unreachable", "scope": "everything"},
            }
            for kind in events.ALL:
                if kind not in events.OF_PERSONS:
                    self.world.what_if(kind(**about, **fields.get(kind, {})))


NEWS = (
    (events.MailDelivered, {}),
    (events.MailDelayed, {}),
    (events.MailSent, {"message_id": "m"}),
    (events.MailBounced, {"permanent": False}),
    (events.MailBounced, {"permanent": True}),
    (events.MailComplained, {}),
    (events.MailNotSent, {"reason": "refused"}),
    (events.MailBounced, {"permanent": False, "again": True, "reason": "mailbox_full"}),
)
MOVES = (
    *("resolved", "resolved", "remarked", "reopened", "withdrawn", "answered", "answered", "well", "worded", "judged"),
    *("opted_out", "bought", "acted", "acted", "recovered", "advanced", "woken", "woken", "worked"),
    *("reconciled", "reported", "reported", "again", "returned", "declined", "relapsed"),
    "managed",
)
