"""Plays the history of a journey: what happens is said in a line each, then one looks at what came of it.

    history = History()
    history.resolved()
    history.rings()
    history.mails()
    history.answers(csat=1)
    assert history.journey.stage == Stage.RECOVERING

Nothing is performed by itself: `rings` wakes the journey at its own instant, `mails` does as the mailer does.
"""

from datetime import UTC, datetime, timedelta
from functools import cache
from importlib import resources

from msgspec.structs import replace

from chalicelib.journey import budget, documents, machine, people
from chalicelib.journey import events as e
from chalicelib.journey.documents import Documents, Trust
from chalicelib.journey.effects import Decision, NotifyStaff, SendMail
from chalicelib.journey.state import Journey, Person, Touch

#: A Monday morning in New York, where the made-up customers live and the staff work, far from any change of clocks.
MONDAY = datetime(2026, 6, 1, 14, tzinfo=UTC)
#: What a member of staff says at each step, in order, so that it is complete.
STEPS = {
    "take": {},
    "apologise": {"text": "I am sorry."},
    "propose": {"text": "A new record, on us."},
    "deliver": {"amount": "12.50", "currency": "USD"},
    "thank": {"text": "Thank you for telling us."},
    "debrief": {"cause": "packing", "improvement": "padded sleeves"},
    "close": {},
}


#: Made-up customers answer in the instant in which they are asked. What looks automatic has tests of its own.
UNHURRIED = Trust(
    after_delivery="PT0S", after_view="PT0S", together="PT0S", another_client_within="PT0S", decoy_within="PT0S"
)


@cache
def raw(kind: str) -> bytes:
    return resources.files("chalicelib.defaults").joinpath(f"{kind}.json").read_bytes()


@cache
def shipped() -> Documents:
    return Documents(**{kind: documents.read(kind, raw(kind)) for kind in documents.KINDS})


def days(number: float) -> timedelta:
    return timedelta(days=number)


def hours(number: float) -> timedelta:
    return timedelta(hours=number)


def customer(**details) -> e.Customer:
    known = {
        "person_id": "p-ada",
        "customer_id": "ada",
        "email": "ada@example.com",
        "first_name": "Ada",
        "last_name": "Byron",
        "locale": "en",
        "zone": "America/New_York",
    }
    return e.Customer(**known | details)


def case(case_id: str = "4711", epoch: int = 1, **details) -> e.Case:
    return e.Case(source="desk", case_id=case_id, epoch=epoch, **details)


def case_of(history: "History") -> e.Case:
    assert history.journey.case is not None
    return history.journey.case


class History:
    """One journey and its person, from one event to the next. ``now`` moves on as things are said to happen."""

    def __init__(
        self,
        *,
        case_id: str = "4711",
        epoch: int = 1,
        person: Person | None = None,
        trust: Trust | None = UNHURRIED,
        **changed,
    ) -> None:
        self.documents = replace(shipped(), **changed)
        if trust is not None:
            self.documents = replace(self.documents, settings=replace(self.documents.settings, trust=trust))
        self.case_id, self.epoch = case_id, epoch
        self.journey = Journey(id=e.journey_of_case("desk", case_id, epoch))
        self.person = person or Person(id="")
        self.now = MONDAY
        self.decisions: list[Decision] = []
        self._number = 0

    # -- any event ---------------------------------------------------------------------------------------

    def happens(self, kind: type[e.Happened], *, at: datetime | None = None, event_id: str = "", **fields) -> Decision:
        """Decide on an event at that instant, by default now, and keep what was decided."""
        self._number += 1
        event = kind(
            event_id=event_id or f"{kind.__name__}-{self._number}",
            occurred_at=at or self.now,
            journey_id=self.journey.id,
            **fields,
        )
        decision = machine.decide(self.journey, self.person, event, self.documents)
        self.decisions.append(decision)
        self.journey = decision.journey
        self.person = decision.person or self.person
        self.now = max(self.now, event.occurred_at)
        return decision

    def waits(self, much: timedelta) -> None:
        self.now += much

    # -- the case ----------------------------------------------------------------------------------------

    def resolved(self, *, email: str = "ada@example.com", zone: str = "America/New_York", **details) -> Decision:
        who = customer(email=email, zone=zone)
        what = case(self.case_id, self.epoch, resolved_at=self.now, **details)
        return self.happens(e.CaseResolved, case=what, customer=who)

    def remarked(self, words: str = "The queue was very long.") -> Decision:
        return self.happens(e.FailureLogged, case=case(kind="remark"), customer=customer(), words=words)

    def reopened(self) -> Decision:
        return self.happens(e.CaseReopened)

    def withdrawn(self, reason: str = "spam") -> Decision:
        return self.happens(e.CaseWithdrawn, reason=reason)

    # -- time and mail -----------------------------------------------------------------------------------

    def rings(self) -> Decision:
        """Let the journey's alarm ring at the instant for which it is set."""
        assert self.journey.wake_at is not None, "nothing to wait for"
        self.now = max(self.now, self.journey.wake_at)
        return self.happens(e.AlarmRang)

    def rings_until(self, instant: datetime, *, mails: bool = True) -> None:
        """Let every alarm ring that is set for no later than that instant."""
        while self.journey.wake_at is not None and self.journey.wake_at <= instant:
            self.rings()
            if mails:
                self.mails()
        self.now = max(self.now, instant)

    def due(self) -> list[str]:
        return [touch.id for touch in self.journey.touches if touch.status == "due"]

    def mails(self) -> list[str]:
        """Do as the mailer does with everything that is due; returns what went out."""
        out = []
        for touch_id in self.due():
            verdict = budget.weigh(self.touch(touch_id), self.journey, self.person, self.documents, self.now)
            if isinstance(verdict, budget.Wait):
                self.happens(e.MailDeferred, touch_id=touch_id, until=verdict.until, reason=verdict.reason)
            elif isinstance(verdict, budget.Drop):
                self.happens(e.MailNotSent, touch_id=touch_id, reason=verdict.reason)
            else:
                self.person = budget.spend(self.person, self.touch(touch_id), self.journey, self.now)
                self.happens(e.MailSent, touch_id=touch_id, message_id=f"m-{touch_id}")
                out.append(touch_id)
        return out

    def asked(self, **details) -> None:
        """A case is resolved and its survey sent."""
        self.resolved(**details)
        self.rings()
        assert self.mails() == ["survey"]

    # -- the customer ------------------------------------------------------------------------------------

    def answers(self, touch_id: str = "survey", *, words: str = "", answer_id: str = "", **scores) -> Decision:
        """The customer answers. Of ``scores``, call_back, suspect and from_journey go beside the scores."""
        apart = ("call_back", "suspect", "from_journey", "at", "evidence")
        beside = {name: scores.pop(name) for name in apart if name in scores}
        named = answer_id or f"a{sum(bool(a.id) for a in self.journey.answers) + 1}"
        return self.happens(
            e.AnswerGiven, answer_id=named, touch_id=touch_id, scores=scores, words=words, event_id=named, **beside
        )

    def judges(self, answer_id: str, *, person: bool, by: str = "samir") -> Decision:
        return self.happens(e.AnswerJudged, answer_id=answer_id, human=person, by=by)

    def says(self, word: str, *, proposal: int = 1, recovery: int = 1, words: str = "") -> Decision:
        named = f"w{self._number}"
        return self.happens(
            e.ProposalAnswered, answer_id=named, recovery=recovery, proposal=proposal, word=word, words=words
        )

    def opts_out(self, scope: str = "asks") -> Decision:
        return self.happens(e.OptedOut, scope=scope)

    def buys(self, *, paid: bool = True, after: timedelta = timedelta()) -> None:
        """The customer buys something, and this journey is told of it."""
        self.now += after
        self._number += 1
        purchase = e.PurchaseMade(
            event_id=f"purchase-{self._number}",
            occurred_at=self.now,
            customer=customer(email=""),
            purchase_id=f"b{self._number}",
            paid=paid,
        )
        self.person = people.decide_person(self.person, purchase).person
        self.happens(e.PurchaseNoted)

    # -- staff -------------------------------------------------------------------------------------------

    def staff(self, act: str, **fields) -> Decision:
        return self.happens(e.StaffActed, act=act, **STEPS[act] | fields)

    def recovers(self, *, until: str = "close", word: str | None = "meets") -> None:
        """Staff do every step up to that one, and the customer accepts what is proposed."""
        for act in STEPS:
            self.staff(act)
            self.mails()
            if act == "propose" and word:
                self.says(word, proposal=len(self.recovery.proposals), recovery=self.recovery.number)
            if act == until:
                return

    def recovers_from(self, act: str) -> None:
        """Staff do that step and every one that follows."""
        for step in list(STEPS)[list(STEPS).index(act) :]:
            self.staff(step)
            self.mails()

    # -- looking -----------------------------------------------------------------------------------------

    @property
    def recovery(self):
        """The newest recovery."""
        return self.journey.recoveries[-1]

    def touch(self, touch_id: str) -> Touch:
        found = self.journey.touch(touch_id)
        assert found is not None, f"no {touch_id} in {[touch.id for touch in self.journey.touches]}"
        return found

    def statuses(self) -> dict[str, str]:
        """What became of each touch: its status, or the reason for which it was not sent."""
        return {touch.id: touch.reason or touch.status for touch in self.journey.touches}

    def notices(self) -> list[tuple[str, str]]:
        """Every notice of the last decision: whom, why."""
        return notices(self.decisions[-1])

    def all_notices(self) -> list[tuple[str, str]]:
        return [notice for decision in self.decisions for notice in notices(decision)]


def notices(decision: Decision) -> list[tuple[str, str]]:
    return [(effect.staff_id, effect.reason) for effect in decision.effects if isinstance(effect, NotifyStaff)]


def mails(decision: Decision) -> list[str]:
    return [effect.touch_id for effect in decision.effects if isinstance(effect, SendMail)]
