"""The world around one stack: customers, staff and helpdesks that react to what comes and try again when it fails.

Every effect of the product passes a numbered boundary here. A plan of faults says what goes wrong at which crossing;
the world then lives on until nothing is left to happen, and says how everything ended.
"""

import re
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from heapq import heappop, heappush
from itertools import count
from typing import NamedTuple
from urllib.parse import urlencode

from botocore.exceptions import ClientError, EndpointConnectionError, ReadTimeoutError

from chalicelib.journey.events import journey_of_case, journey_of_remark, person_id_of
from local.stack import RECONCILE_EVERY, STAGE, Died, Stack
from local.visitor import READING, view_of

#: A Monday morning in New York, where the customers of these stories live.
START = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
#: A missed alarm is rung by the reconciler ten minutes later, in one of its rounds.
ALARM_AT_MOST_LATE = timedelta(minutes=10) + RECONCILE_EVERY
#: A story has at most two hundred moments; one that goes on beyond these runs in circles.
MOST_MOMENTS = 1_000
#: SES tells late what became of a mail: after a failed message has come again and two rounds of the reconciler, yet
#: within the grace time.
FEEDBACK_AFTER = timedelta(minutes=12)

DIE_BEFORE, DIE_AFTER = "dies before the act", "acts, then dies"
TIME_OUT_AFTER, TIME_OUT_BEFORE = "acts, then times out", "never acts and times out"
WAYS = (DIE_BEFORE, DIE_AFTER, TIME_OUT_AFTER, TIME_OUT_BEFORE)
_ENDPOINT = "https://aws.invalid"
_LINK = re.compile(r"http://127\.0\.0\.1:8000(/[apow]/[^\s<>\"?]+)")
_RANDOM = re.compile(r"[0-9a-f]{32}")


class NeverAtRest(AssertionError):
    """The story runs in circles."""


class Boundary:
    """Counts the crossings, and lets those of the plan go wrong."""

    def __init__(self, faults: Mapping[int, str]) -> None:
        self.faults = faults
        #: The name of every crossing, in order.
        self.names: list[str] = []
        #: Called after each crossing that acted, with its name.
        self.watch: Callable[[str], None] = lambda name: None

    def __call__(self, name, act):
        way = self.faults.get(len(self.names))
        self.names.append(name)
        if way is None:
            result = act()
            self.watch(name)
            return result
        if way in {DIE_AFTER, TIME_OUT_AFTER}:
            # The service did it, or refused it; nobody will ever hear which.
            with suppress(ClientError):
                act()
            self.watch(name)
        if way in {DIE_BEFORE, DIE_AFTER}:
            raise Died(name)
        raise ReadTimeoutError(endpoint_url=_ENDPOINT) if way == TIME_OUT_AFTER else _unreachable()


def _unreachable() -> Exception:
    return EndpointConnectionError(endpoint_url=_ENDPOINT)


class Mail(NamedTuple):
    """One mail as its reader has it."""

    journey_id: str
    effect: str
    kind: str
    to: str
    sent_at: datetime
    raw: bytes

    def path(self, page: str) -> str:
        """Return the path of the first link to that page (a, p, o or w)."""
        plain = message_from_bytes(self.raw).get_payload(0)
        text = plain.get_payload(decode=True).decode()
        return next(path for path in _LINK.findall(text) if path.startswith(f"/{page}/"))


class World:
    """One story on one stack."""

    def __init__(
        self, faults: Mapping[int, str], *, events: bool = True, lazy: bool = True, figures: bool = False
    ) -> None:
        """Figures have a sweep of their own: nothing on the road waits for them, and they would double this one."""
        self.boundary = Boundary(faults)
        self.stack = Stack(START, boundary=self.boundary, lazy=lazy, figures=figures)
        self.stack.account.ses.events = events
        self._delay_feedback()
        self.boundary.watch = self._watch
        #: Words that a page or call took with a 2xx, by journey.
        self.taken: list[tuple[str, str]] = []
        #: Mails that went to a customer although they had been silenced by then.
        self.after_silence: list[tuple[str, str]] = []
        #: What a reader of the journey's mail does, by the beginning of the mail's effect.
        self.reactions: dict[str, Callable[[Mail], None]] = {}
        self.journeys: dict[str, str] = {}
        self.people: dict[str, str] = {}
        #: Violations of the invariants that every quiet moment must keep.
        self.violations: list[str] = []
        self._plans: list[tuple[datetime, int, Callable[[], None]]] = []
        self._turns = count()
        self._read = 0
        self._done: set[str] = set()
        self._silenced: dict[str, str] = {}

    def _delay_feedback(self) -> None:
        delay = str(int(FEEDBACK_AFTER.total_seconds()))
        self.stack.account.sqs.set_queue_attributes(QueueUrl=self.url("feedback"), Attributes={"DelaySeconds": delay})

    def url(self, queue: str) -> str:
        return self.stack.account.sqs.get_queue_url(QueueName=f"aftercare-{STAGE}-{queue}")["QueueUrl"]

    @property
    def now(self) -> datetime:
        return self.stack.clock.now

    @property
    def table(self):
        return self.stack.wiring.table

    @property
    def mails(self) -> list[Mail]:
        return [_mail(sent) for sent in self.stack.account.ses.sent]

    # -- living ------------------------------------------------------------------------------------------

    def later(self, delay: timedelta, act: Callable[[], None]) -> None:
        heappush(self._plans, (self.now + delay, next(self._turns), act))

    def once(self, name: str, delay: timedelta, act: Callable[[], None]) -> None:
        """Plan something that this person does only once, however often they are told to."""
        if name not in self._done:
            self._done.add(name)
            self.later(delay, act)

    def live(self, until: datetime | None = None) -> None:
        """Let time run until nothing is left to happen, or until then."""
        for _ in range(MOST_MOMENTS):
            self.stack.settle()
            self._open_mail()
            self._check()
            human = self._plans[0][0] if self._plans else None
            machine = self.stack.next_instant()
            if human is None and (machine is None or (until is not None and machine > until)):
                self.stack.run_until(until or self.now)
                return
            if machine is None or (human is not None and human <= machine):
                self.stack.run_until(human)
                heappop(self._plans)[2]()
            else:
                self.stack.run_until(max(machine, self.now))
        raise NeverAtRest(f"after {MOST_MOMENTS} moments, at {self.now.isoformat()}: {self.stack.failures[-3:]}")

    def _open_mail(self) -> None:
        unread = self.mails[self._read :]
        self._read += len(unread)
        for mail in unread:
            for beginning, react in self.reactions.items():
                if mail.effect.startswith(beginning):
                    react(mail)

    def _check(self) -> None:
        """Every journey that is not final has a wake-up instant in the future or an owed effect."""
        for name, journey_id in self.journeys.items():
            journey = self.table.journey(journey_id).value
            if journey.is_final or (not journey.person_id and not journey.parked):
                continue
            awake = journey.wake_at is not None and journey.wake_at + ALARM_AT_MOST_LATE > self.now
            if not awake and not self.table.owed(f"J#{journey_id}"):
                self.violations.append(f"{name} is stuck at {self.now.isoformat()}")

    def _watch(self, name: str) -> None:
        """Note from which commit on a person is silenced, and every mail that goes to them all the same."""
        if name == "commit":
            for who, person_id in self.people.items():
                person = self.table.person(person_id).value
                if person.no_mail_since or person.suppressed:
                    self._silenced[who] = "everything"
                elif person.no_asks_since:
                    self._silenced[who] = "asks"
        elif name == "send-mail" and self.stack.account.ses.sent:
            mail = _mail(self.stack.account.ses.sent[-1])
            scope = self._silenced.get(mail.to)
            if scope == "everything" or (scope == "asks" and mail.kind in {"survey", "reminder", "check-in"}):
                self.after_silence.append((self._name(mail.journey_id), mail.effect))

    def _name(self, journey_id: str) -> str:
        return next((name for name, known in self.journeys.items() if known == journey_id), "a journey too many")

    # -- what people and systems do ----------------------------------------------------------------------

    def tell(self, path: str, kind: str, data: dict, *, then: Callable[[], None] = lambda: None) -> None:
        """Post a signed message until it is taken, as a helpdesk or shop does."""
        reply = self.stack.tell(path, kind, data)
        if reply.status >= 500:
            self.later(MINUTE, lambda: self.tell(path, kind, data, then=then))
            return
        assert reply.status in {200, 202}, reply.body
        then()

    def resolve(self, case_id: str, customer: dict, **more: object) -> None:
        """Let a helpdesk resolve a case, and know its journey by the case's id."""
        self._meet(customer)
        self.journeys[case_id] = journey_of_case("desk", case_id, int(more.get("epoch", 1)))
        data = {"source": "desk", "case_id": case_id, "resolved_at": self.now.isoformat(), "customer": customer}
        self.tell("/cases", "case.resolved", data | more)

    def remark(self, remark_id: str, customer: dict, words: str) -> None:
        """Let a member of staff log what a customer said in passing."""
        self._meet(customer)
        self.journeys[remark_id] = journey_of_remark("counter", remark_id)
        data = {"source": "counter", "remark_id": remark_id, "words": words, "customer": customer}
        told = data | {"occurred_at": self.now.isoformat(), "subject": "At the counter"}
        self.tell("/failures", "failure.logged", told, then=lambda: self._took(remark_id, words))

    def _meet(self, customer: dict) -> None:
        self.people[customer["email"]] = person_id_of(customer.get("customer_id", ""), customer["email"])

    def _took(self, name: str, words: str) -> None:
        self.taken.append((name, words))

    def buy(self, customer: dict, purchase_id: str) -> None:
        """Let a shop tell of a purchase."""
        data = {"purchase_id": purchase_id, "purchased_at": self.now.isoformat(), "customer": customer}
        self.tell("/purchases", "purchase.made", data | {"amount": "30.00", "currency": "USD"})

    def acts(self, case_id: str, *steps: dict, every: timedelta = HOUR) -> None:
        """Let staff do one step after the other."""
        if not steps:
            return
        first, *others = steps
        data = {"journey_id": self.journeys[case_id], "acted_at": self.now.isoformat()} | first
        then = lambda: self.later(every, lambda: self.acts(case_id, *others, every=every))  # noqa: E731
        self.tell("/acts", "staff.acted", data, then=then)

    def press(self, path: str, fields: dict[str, str], words: str = "", name: str = "") -> None:
        """Open a page, fill it in and press the button until it is taken, as a customer does."""
        if "List-Unsubscribe" in fields:  # the button of a mail program has no page
            self._press(path, urlencode(fields), words, name)
            return
        page = self.stack.request("GET", path)
        assert page.status == 200, page.body
        form = urlencode({**fields, "view": view_of(page)})
        self.later(READING, lambda: self._press(path, form, words, name))

    def _press(self, path: str, form: str, words: str, name: str) -> None:
        reply = self.stack.submit(path, form)
        if reply.status >= 500:
            self.later(MINUTE, lambda: self._press(path, form, words, name))
            return
        assert reply.status in {200, 202}, reply.body
        if words:
            self.taken.append((name, words))

    def answer(self, mail: Mail, words: str, **scores: int) -> None:
        """Let the customer answer the survey or check-in that came."""
        fields = {measure: str(score) for measure, score in scores.items()} | {"words": words}
        self.press(mail.path("a"), fields, words, self._name(mail.journey_id))

    # -- how it ended ------------------------------------------------------------------------------------

    def ending(self) -> dict:
        """Return what must be the same however often something failed: no times, no random ids."""
        return {
            "journeys": {name: self._journey(journey_id) for name, journey_id in self.journeys.items()},
            "people": {who: self._person(person_id) for who, person_id in self.people.items()},
        }

    def doubled(self) -> dict[tuple[str, str], int]:
        """Return every effect whose mail went out more than once, and how often."""
        sent = Counter(self._effect(mail) for mail in self.mails)
        return {key: number for key, number in sent.items() if number > 1}

    def mailed(self) -> dict[tuple[str, str], datetime]:
        """Return when the mail of each effect first went out."""
        return {self._effect(mail): mail.sent_at for mail in reversed(self.mails)}

    def _effect(self, mail: Mail) -> tuple[str, str]:
        """Return whose effect it was, without what is random in its name."""
        return self._name(mail.journey_id), _RANDOM.sub("…", mail.effect)

    def unfinished(self) -> list[str]:
        """Return what is left over although nothing will happen any more."""
        keys = [f"J#{journey_id}" for journey_id in self.journeys.values()]
        keys += [f"P#{person_id}" for person_id in self.people.values()]
        left = [f"owed: {owed.effect.key}" for pk in keys for owed in self.table.owed(pk)]
        left += ["dead letters"] * self.stack.dead_letters()
        left += [f"not kept as sent: {mail.effect}" for mail in self.mails if not self._is_kept(mail)]
        left += [f"answer lost: {words}" for name, words in self.taken if self._kept(name).count(words) != 1]
        return left

    def _is_kept(self, mail: Mail) -> bool:
        """Say whether a mail to a customer lies in the archive, byte for byte."""
        if mail.kind == "staff-notice":
            return True
        mails = self.stack.wiring.mails
        return mail.raw in [mails.read(copy.key) for copy in mails.copies(mail.journey_id, mail.effect)]

    def _kept(self, name: str) -> list[str]:
        journey = self.table.journey(self.journeys.get(name, "")).value
        words = [proposal.words for recovery in journey.recoveries for proposal in recovery.proposals]
        return words + [answer.words for answer in journey.answers]

    def _journey(self, journey_id: str) -> dict:
        journey = self.table.journey(journey_id).value
        return {
            "stage": journey.stage.value,
            "endings": [ending.outcome.value for ending in journey.endings],
            "touches": {touch.id: f"{touch.status} {touch.reason}".strip() for touch in journey.touches},
            "answers": [(a.touch_id, a.scores, a.words, a.negative, a.recovery) for a in journey.answers],
            "recoveries": [
                (
                    recovery.severity,
                    len(recovery.answers),
                    recovery.result,
                    tuple(done.act for done in recovery.done),
                    tuple(f"{p.word}: {p.words}" for p in recovery.proposals),
                    tuple(line.amount for line in recovery.redress),
                )
                for recovery in journey.recoveries
            ],
        }

    def _person(self, person_id: str) -> dict:
        person = self.table.person(person_id).value
        return {
            "loyalty": person.loyalty.state,
            "journeys": len(self.table.journeys_of(person_id)),
            "open": (len(person.open_journeys), len(person.open_recoveries)),
            "purchases": len(person.purchases),
            "failures": len(person.failures),
            "contacts": sorted((self._name(c.journey_id), c.touch_id) for c in person.contacts),
            "silenced": (bool(person.no_asks_since), bool(person.no_mail_since), bool(person.suppressed)),
        }


def _mail(sent) -> Mail:
    tags = sent.tags
    journey, effect = tags.get("journey", ""), tags.get("effect", "")  # a mail to sign in by is of no journey
    return Mail(journey, effect, tags["kind"], sent.to[0], sent.sent_at, sent.raw)
