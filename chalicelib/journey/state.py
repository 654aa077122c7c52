"""All that a decision may depend on: the journey and the person, as frozen values.

Two rules. Everything that affects what happens next lives here, and nothing here knows how it is stored, sent or
shown. The forms are versioned (``form``); a stored value of an older form is read by `upgrade` in the store.
"""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Literal

import msgspec

from chalicelib.journey.documents import Act, Severity
from chalicelib.journey.events import Case, Customer, JourneyEvent, Word

FORM = 1
MailClass = Literal["response", "ask", "news"]
TouchKind = Literal[
    "survey",
    "reminder",
    "acknowledgement",
    "apology",
    "proposal",
    "update",
    "thank-you",
    "check-in",
]
CLASS_OF: dict[str, MailClass] = {
    "survey": "ask",
    "reminder": "ask",
    "check-in": "ask",
    "acknowledgement": "response",
    "apology": "response",
    "proposal": "response",
    "update": "news",
    "thank-you": "news",
}


class Stage(StrEnum):
    """Where a journey is. The last six are outcomes: how it ended."""

    UNBORN = "unborn"
    WAITING = "waiting"
    ASKED = "asked"
    CHECKING_IN = "checking_in"
    RECOVERING = "recovering"
    LOYAL = "loyal"
    LOST = "lost"
    OPTED_OUT = "opted_out"
    UNREACHABLE = "unreachable"
    SUPERSEDED = "superseded"
    UNKNOWN = "unknown"


OUTCOMES = (Stage.LOYAL, Stage.LOST, Stage.OPTED_OUT, Stage.UNREACHABLE, Stage.SUPERSEDED, Stage.UNKNOWN)


class Touch(msgspec.Struct, frozen=True, omit_defaults=True):
    """One planned contact. Its status is what its dates say, so facts may arrive in any order.

    ``due_at`` is when it may go at the earliest, ``latest_at`` its latest useful instant. ``held`` says why it was
    moved later than planned, ``returns`` how often it came back for now and was planned again, ``delayed_at`` since
    when the customer's mail server keeps it waiting.
    """

    id: str
    kind: TouchKind
    due_at: datetime
    latest_at: datetime
    step: str = ""
    window: timedelta = timedelta()
    recovery: int = 0
    number: int = 0
    by: str = ""
    text: str = ""
    held: str = ""
    owed_at: datetime | None = None
    sent_at: datetime | None = None
    message_id: str = ""
    returns: int = 0
    delayed_at: datetime | None = None
    delivered_at: datetime | None = None
    answered_at: datetime | None = None
    not_sent_at: datetime | None = None
    reason: str = ""

    @property
    def klass(self) -> MailClass:
        """Return the class of mail, which decides on budget and quiet hours."""
        return CLASS_OF[self.kind]

    @property
    def status(self) -> str:
        """Return the furthest thing that is known of it."""
        known = (
            ("answered", self.answered_at),
            ("not sent", self.not_sent_at),
            ("delivered", self.delivered_at),
            ("sent", self.sent_at),
            ("due", self.owed_at),
        )
        return next((word for word, at in known if at is not None), "planned")

    @property
    def is_planned(self) -> bool:
        """Say whether it still waits for its day."""
        return self.status == "planned"

    @property
    def went_out(self) -> bool:
        """Say whether the customer has it, by all that is known."""
        return self.status in {"sent", "delivered", "answered"}

    @property
    def answerable_until(self) -> datetime | None:
        """Return when its answer window closes: None before it is sent, and for what asks nothing."""
        return self.sent_at + self.window if self.sent_at and self.window else None


class Answer(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the customer said, verbatim. Never deleted, never overwritten: a later one is a revision beside it.

    ``compound`` is how its words sound to a program (-1 angry, 1 content), where that was asked.
    ``suspect`` names why it may be a machine's; ``judged`` is what a person found who looked at it. ``client`` is a
    keyed hash of where it came from.
    """

    id: str
    touch_id: str
    at: datetime
    scores: dict[str, int]
    words: str = ""
    call_back: bool = False
    suspect: str = ""
    revision: int = 0
    negative: bool = False
    recovery: int = 0
    from_journey: str = ""
    compound: float | None = None
    client: str = ""
    judged: Literal["", "person", "machine"] = ""
    judged_by: str = ""
    judged_at: datetime | None = None

    @property
    def counts(self) -> bool:
        """Say whether it is confirmed: suspect answers open nothing and count in no figure, until a person says so."""
        return not self.suspect or self.judged == "person"

    @property
    def waits(self) -> bool:
        """Say whether it is suspect and nobody has judged it."""
        return bool(self.suspect) and not self.judged

    @property
    def needs_look(self) -> bool:
        """Say whether a person must judge it: praise without a word, if a machine's, does no harm unjudged."""
        return self.waits and (self.negative or bool(self.words) or self.call_back)


class Proposal(msgspec.Struct, frozen=True, omit_defaults=True):
    """What we will do, by whom, by when, and the customer's word on it.

    A word that came too late to change anything is a revision beside it: when, which, in what words.
    """

    number: int
    action: str
    by: str
    due_at: datetime
    proposed_at: datetime
    word: Word | None = None
    words: str = ""
    answered_at: datetime | None = None
    revisions: tuple[tuple[datetime, Word, str], ...] = ()

    @property
    def accepted(self) -> bool:
        """Say whether the customer said that it meets or exceeds what they expected."""
        return self.word in {"meets", "exceeds"}


class Redress(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line of the ledger: restitution makes whole, goodwill is extra. ``amount`` is decimal text."""

    kind: Literal["restitution", "goodwill"]
    amount: str
    currency: str
    by: str
    delivered_at: datetime


class Done(msgspec.Struct, frozen=True, omit_defaults=True):
    """A step of the playbook that was done."""

    act: Act
    at: datetime
    by: str
    text: str = ""


class Recovery(msgspec.Struct, frozen=True, omit_defaults=True):
    """The work that a negative answer opens: owner, severity, clock, steps, proposals, redress.

    ``relapsed_at`` is when a check-in last sent the work back to the proposal: from then on its steps count anew.
    """

    number: int
    severity: Severity
    why: str
    opened_at: datetime
    owner: str
    answers: tuple[str, ...] = ()
    done: tuple[Done, ...] = ()
    proposals: tuple[Proposal, ...] = ()
    redress: tuple[Redress, ...] = ()
    told: tuple[str, ...] = ()
    cause: str = ""
    improvement: str = ""
    closed_at: datetime | None = None
    relapsed_at: datetime | None = None
    result: Literal["", "kept", "not_kept", "superseded"] = ""

    def when(self, act: str) -> datetime | None:
        """Return when that step was done, or None."""
        return next((done.at for done in self.done if done.act == act), None)

    @property
    def is_open(self) -> bool:
        """Say whether it still needs work."""
        return self.closed_at is None

    @property
    def proposal(self) -> Proposal | None:
        """Return the latest proposal, or None."""
        return self.proposals[-1] if self.proposals else None


TodoKind = Literal[
    "recovery",
    "urgent",
    "call_back",
    "suspect",
    "mismatch",
    "undelivered",
    "reply",
    "lukewarm",
    "reach_out",
    "lost",
    "stuck",
    "other",
]


class Todo(msgspec.Struct, frozen=True, omit_defaults=True):
    """Something that needs a person. ``about`` names the answer, touch or recovery; ``reason`` says why, for programs.

    ``who`` is the member of staff whose it is. A snoozed one is out of sight until that instant.
    """

    key: str
    kind: TodoKind
    reason: str
    severity: Severity
    who: str
    raised_at: datetime
    due: datetime
    about: str = ""
    taken_at: datetime | None = None
    snoozed_until: datetime | None = None
    note: str = ""


class Reply(msgspec.Struct, frozen=True, omit_defaults=True):
    """A mail that the customer, or a program of theirs, wrote back; ``words`` is its beginning, the fact has all."""

    id: str
    at: datetime
    words: str = ""
    raw: str = ""
    automatic: str = ""
    doubt: str = ""


class Ending(msgspec.Struct, frozen=True):
    """How a journey ended, when, and the dated facts behind it."""

    outcome: Stage
    at: datetime
    facts: tuple[str, ...]


class Journey(msgspec.Struct, frozen=True, omit_defaults=True):
    """Everything Aftercare does for one person after one resolution.

    ``todos`` need a person. ``stopped_in`` is the stage in which a lead stopped it; of one whose person was erased
    (``erased_at``) only the outcome is left.

    ``wake_at`` is its next wake-up instant, ``rang_at`` its last: all that was due until then is done.
    """

    id: str
    form: int = FORM
    stage: Stage = Stage.UNBORN
    person_id: str = ""
    case: Case | None = None
    cadence: tuple[str, int] = ("", 0)
    playbook: tuple[str, int] = ("", 0)
    born_at: datetime | None = None
    touches: tuple[Touch, ...] = ()
    answers: tuple[Answer, ...] = ()
    recoveries: tuple[Recovery, ...] = ()
    track: Literal["", "after_recovery", "after_content_answer"] = ""
    anchor: datetime | None = None
    watch_until: datetime | None = None
    endings: tuple[Ending, ...] = ()
    withdrawn: bool = False
    tried: tuple[str, ...] = ()
    todos: tuple[Todo, ...] = ()
    stopped_in: str = ""
    erased_at: datetime | None = None
    replies: tuple[Reply, ...] = ()
    parked: tuple[JourneyEvent, ...] = ()
    wake_at: datetime | None = None
    rang_at: datetime | None = None

    @property
    def is_final(self) -> bool:
        """Say whether the journey has ended."""
        return self.stage in OUTCOMES

    @property
    def outcome(self) -> Stage | None:
        """Return how it ended, or None while it goes on."""
        return self.stage if self.is_final else None

    @property
    def recovery(self) -> Recovery | None:
        """Return the open recovery, or None."""
        return next((recovery for recovery in self.recoveries if recovery.is_open), None)

    def touch(self, touch_id: str) -> Touch | None:
        """Return that touch, or None."""
        return next((touch for touch in self.touches if touch.id == touch_id), None)


#: How many open journeys, recoveries and failures a person remembers, newest last: a loop of reopenings must not make
#: a record that the table refuses. Nobody has so many honestly.
MOST_REMEMBERED = 200


class Contact(msgspec.Struct, frozen=True, omit_defaults=True):
    """One mail that counts in a person's budget. ``step`` is empty but for check-ins."""

    at: datetime
    kind: TouchKind
    journey_id: str
    touch_id: str


class Suppression(msgspec.Struct, frozen=True):
    """Why an address gets no mail at all. A new address is not suppressed by an old one's bounce."""

    email: str
    reason: Literal["hard_bounce", "complaint", "opted_out"]
    at: datetime


class Purchase(msgspec.Struct, frozen=True, omit_defaults=True):
    """One purchase; ``paid`` is false when a voucher of ours alone paid."""

    at: datetime
    paid: bool = True


class Standing(msgspec.Struct, frozen=True, omit_defaults=True):
    """A person's loyalty state, the facts and dates that set it, and when it is worth nothing any more."""

    state: Literal["recovering", "reassured", "returned", "confirmed", "unknown", "lapsed", "lost"] = "unknown"
    since: datetime | None = None
    facts: tuple[str, ...] = ()
    expires_at: datetime | None = None

    def at(self, now: datetime) -> "Standing":
        """Return the standing as of ``now``: an expired one is unknown."""
        if self.expires_at is None or now < self.expires_at:
            return self
        return Standing(since=self.expires_at, facts=(f"{self.state} expired",))


class Person(msgspec.Struct, frozen=True, omit_defaults=True):
    """The customer as one versioned record, across all their journeys."""

    id: str
    form: int = FORM
    customer: Customer | None = None
    details_at: datetime | None = None
    no_asks_since: datetime | None = None
    no_mail_since: datetime | None = None
    paused_until: datetime | None = None
    suppression: Suppression | None = None
    contacts: tuple[Contact, ...] = ()
    failures: tuple[tuple[str, datetime], ...] = ()
    open_journeys: tuple[str, ...] = ()
    open_recoveries: tuple[str, ...] = ()
    purchases: tuple[Purchase, ...] = ()
    loyalty: Standing = Standing()
    erased_at: datetime | None = None

    @property
    def email(self) -> str:
        """Return the address that mail goes to; empty when none is known."""
        return self.customer.email if self.customer else ""

    @property
    def suppressed(self) -> Suppression | None:
        """Return why the present address gets no mail, or None."""
        held = self.suppression
        return held if held and held.email.lower() == self.email.lower() else None
