"""What has happened: facts in the past tense, frozen, each with its own id and time.

``event_id`` is made from what happened, never from how it was delivered, so the same fact told twice is one fact.
Every event names the aggregate it is for: a journey, or (`PurchaseMade`) a person.
"""

from base64 import b32encode
from datetime import datetime
from hashlib import sha256
from typing import Annotated, Literal, get_args

import msgspec

from chalicelib.journey.documents import Act

Scope = Literal["asks", "everything", "pause"]
Word = Literal["exceeds", "meets", "falls_short", "other"]
Text = Annotated[str, msgspec.Meta(max_length=8000)]
Id = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
#: Version of the form in which events are stored.
FORM = 1


def stable_id(prefix: str, *parts: str) -> str:
    """Return an id made from its parts alone: 130 bits of their SHA-256, in lower-case base 32."""
    digest = sha256("\x1f".join(parts).encode()).digest()
    return f"{prefix}{b32encode(digest).decode().lower()[:26]}"


def journey_of_case(source: str, case_id: str, epoch: int) -> str:
    """Return the id of the one journey of that case and resolution epoch."""
    return stable_id("j", "case", source, case_id, str(epoch))


def journey_of_remark(source: str, remark_id: str) -> str:
    """Return the id of the one journey of a logged remark."""
    return stable_id("j", "remark", source, remark_id)


def person_id_of(customer_id: str, email: str) -> str:
    """Return the id of a customer: by their customer id, else by their address."""
    return stable_id("p", "customer", customer_id) if customer_id else stable_id("p", "email", email.lower())


def sending_of(touch_id: str, returns: int) -> str:
    """Return the name of one sending of a mail that may have come back before: its facts are facts of their own."""
    return f"{touch_id}/{returns}" if returns else touch_id


class Customer(msgspec.Struct, frozen=True, omit_defaults=True):
    """The customer as a helpdesk knows them. An unknown zone or locale is empty."""

    person_id: str
    customer_id: str = ""
    email: str = ""
    first_name: str = ""
    last_name: str = ""
    locale: str = ""
    zone: str = ""


class Case(msgspec.Struct, frozen=True, omit_defaults=True):
    """A service failure or request, as its helpdesk or the person who logged it describes it."""

    source: str
    case_id: str
    epoch: int
    kind: Literal["case", "remark"] = "case"
    subject: str = ""
    category: str = ""
    issue: str = ""
    channel: str = ""
    team: str = ""
    brand: str = ""
    outcome: str = ""
    on_time: bool = True
    human_exchange: bool = True
    opened_at: datetime | None = None
    resolved_at: datetime | None = None


class Happened(msgspec.Struct, frozen=True, omit_defaults=True, tag=True, kw_only=True):
    """What every event carries. ``occurred_at`` is aware; ``now`` is when it is decided, if later."""

    event_id: str
    occurred_at: datetime
    journey_id: str = ""


class CaseResolved(Happened, frozen=True):
    """A helpdesk resolved a case."""

    case: Case
    customer: Customer


class CaseReopened(Happened, frozen=True):
    """That resolution was undone: the case is being worked on again."""


class CaseWithdrawn(Happened, frozen=True):
    """The case was no case after all."""

    reason: Literal["merged", "spam", "duplicate"]


class FailureLogged(Happened, frozen=True):
    """A remark or a public comment that never was a case, written down by staff or posted in.

    ``gesture`` is goodwill that was given on the spot, as decimal text, in ``currency``.
    """

    case: Case
    customer: Customer
    words: Text
    logged_by: str = ""
    gesture: Annotated[str, msgspec.Meta(pattern=r"^\d{1,9}(\.\d{1,2})?$")] | None = None
    currency: str = ""


class Evidence(msgspec.Struct, frozen=True, omit_defaults=True):
    """What was seen of a press; `journey.trust` judges from it whether a person pressed.

    ``shown_at`` is when the page was shown, ``client`` a keyed hash of address and program, ``decoy_at`` when a decoy
    of the same mail was last opened by anybody and ``decoy_same_at`` when by that client.
    """

    shown_at: datetime | None = None
    client: str = ""
    decoy_at: datetime | None = None
    decoy_same_at: datetime | None = None


class AnswerGiven(Happened, frozen=True):
    """What the customer pressed and wrote on an answer page, verbatim.

    ``scores`` holds each measure that was answered. ``suspect`` names why it is known not to be a person's; without it,
    the ``evidence`` is judged. An answer to a journey that has been superseded is carried to its successor;
    ``from_journey`` then names where it was given. It is ``returned`` when that successor never began.
    """

    answer_id: Id
    touch_id: Id
    scores: dict[str, int]
    words: Text = ""
    call_back: bool = False
    suspect: str = ""
    from_journey: str = ""
    returned: bool = False
    evidence: Evidence = Evidence()


class AnswerJudged(Happened, frozen=True):
    """A member of staff looked at a suspect answer: it was a ``human``'s, or a machine's."""

    answer_id: Id
    human: bool
    by: str = ""


class WordsWeighed(Happened, frozen=True):
    """How angry the words of an answer sound to a program: ``compound`` from -1 to 1, ``by`` which program."""

    answer_id: Id
    compound: Annotated[float, msgspec.Meta(ge=-1, le=1)]
    by: str = ""


class ReplyReceived(Happened, frozen=True):
    """The customer, or a program of theirs, wrote back to one of our mails.

    ``words`` is what they wrote, verbatim but for the mail that it quotes; ``raw`` is where the whole mail lies.
    ``automatic`` says by what it is seen that no person wrote it, ``doubt`` why it may not be the customer's.
    ``compound`` is how the words sound to a program, from -1 (angry) to 1.
    """

    reply_id: Id
    words: Text = ""
    raw: str = ""
    automatic: str = ""
    doubt: str = ""
    compound: float | None = None


class ProposalAnswered(Happened, frozen=True):
    """The customer's word on a proposal: only they can say that it meets what they expected."""

    answer_id: Id
    recovery: int
    proposal: int
    word: Word
    words: Text = ""


class OptedOut(Happened, frozen=True):
    """The customer asked for less mail. Holds from the instant it is committed."""

    scope: Scope


class StaffActed(Happened, frozen=True):
    """A member of staff did one step of a recovery.

    ``text`` is what the customer reads (apology, proposal, note of thanks). An empty apology was spoken. ``seen`` is
    the mark of the recovery that they had before them, where that is known: see `playbook.mark`.
    """

    act: Act
    by: str = ""
    text: Text = ""
    due: datetime | None = None
    amount: Annotated[str, msgspec.Meta(pattern=r"^\d{1,9}(\.\d{1,2})?$")] | None = None
    currency: str = ""
    redress: Literal["restitution", "goodwill"] = "restitution"
    cause: Text = ""
    improvement: Text = ""
    kept: bool = True
    seen: str = ""


class AttentionGiven(Happened, frozen=True):
    """A member of staff saw to something that needs a person: took it, put it off, handed it over, or did it.

    ``todo`` is its key. ``to`` is the member who gets it, ``until`` the instant at which it comes back. ``seen`` is the
    mark of the to-do that they had before them, where that is known: see `attention.mark`.
    """

    todo: Id
    what: Literal["take", "snooze", "hand_over", "done"]
    by: str
    to: str = ""
    until: datetime | None = None
    note: Text = ""
    seen: str = ""


class JourneyStopped(Happened, frozen=True):
    """A lead ended the journey by their own word."""

    by: str
    why: Text


class JourneyResumed(Happened, frozen=True):
    """A lead let a journey go on that had been stopped."""

    by: str


class PersonErased(Happened, frozen=True):
    """The person of this journey is to be forgotten: told to each of their journeys."""


class AlarmRang(Happened, frozen=True):
    """The journey's one alarm, or the reconciler in its place, woke it."""


class MailSent(Happened, frozen=True):
    """The mail service took the mail: its own answer, or its SEND event.

    ``returns`` says how often this mail had come back before this sending.
    """

    touch_id: str
    message_id: str
    returns: int = 0


class MailDelayed(Happened, frozen=True):
    """The customer's mail server lets the mail wait; the mail service keeps trying. ``why`` is its word for it."""

    touch_id: str
    why: str = ""


class MailDelivered(Happened, frozen=True):
    """The customer's mail server took the mail."""

    touch_id: str


class MailDeferred(Happened, frozen=True):
    """At sending time the budget or the hour said: later."""

    touch_id: str
    until: datetime
    reason: str


class MailNotSent(Happened, frozen=True):
    """At sending time, or from the mail service, came a no. ``reason`` is one of `budget.REASONS`."""

    touch_id: str
    reason: str


class MailBounced(Happened, frozen=True):
    """The mail came back: the address does not exist (``permanent``), or its mailbox could not be reached in time.

    ``email`` is the address that it was sent to, which need not be the customer's any more. ``again`` says that the
    same mail may arrive another day; ``reason`` is one of `budget.REASONS`, or ``listed`` when the mail service did
    not even try; ``returns`` as for `MailSent`. Without a touch it is news of the address alone.
    """

    touch_id: str
    permanent: bool
    email: str = ""
    again: bool = False
    reason: str = ""
    returns: int = 0


class MailComplained(Happened, frozen=True):
    """The customer marked the mail as spam. ``email`` is the address that it was sent to."""

    touch_id: str
    email: str = ""


class PurchaseMade(Happened, frozen=True):
    """A customer bought something. ``paid`` is false when a voucher of ours alone paid."""

    customer: Customer
    purchase_id: str
    amount: str = ""
    currency: str = ""
    paid: bool = True


class AddressCorrected(Happened, frozen=True):
    """Staff wrote down the customer's right mail address. What is known of the old one does not follow."""

    person_id: Id
    email: str
    by: str


class ErasureAsked(Happened, frozen=True):
    """A person asked to be forgotten, and an admin confirmed it."""

    person_id: Id
    by: str


class PurchaseNoted(Happened, frozen=True):
    """The person of this journey bought something: told to each of their open journeys."""


class PersonSilenced(Happened, frozen=True):
    """The person of this journey opted out, or can no longer be reached, by way of another journey."""

    reason: Literal["opted_out", "unreachable"]
    scope: Scope = "asks"


JourneyEvent = (
    CaseResolved
    | CaseReopened
    | CaseWithdrawn
    | FailureLogged
    | AnswerGiven
    | WordsWeighed
    | AnswerJudged
    | ReplyReceived
    | ProposalAnswered
    | OptedOut
    | StaffActed
    | AttentionGiven
    | JourneyStopped
    | JourneyResumed
    | PersonErased
    | AlarmRang
    | MailSent
    | MailDelayed
    | MailDelivered
    | MailDeferred
    | MailNotSent
    | MailBounced
    | MailComplained
    | PurchaseNoted
    | PersonSilenced
)
#: What is about a person alone, and no journey.
PersonEvent = PurchaseMade | AddressCorrected | ErasureAsked
Event = JourneyEvent | PersonEvent
ALL: tuple[type[Happened], ...] = get_args(Event)
OF_PERSONS: tuple[type[Happened], ...] = get_args(PersonEvent)

_decoder: msgspec.json.Decoder[Event] = msgspec.json.Decoder(Event)


def dump(event: Event) -> bytes:
    """Return the event in the form in which it is queued and stored."""
    return msgspec.json.encode(event)


def load(raw: bytes | str) -> Event:
    """Read an event back; raises msgspec.ValidationError or DecodeError when it is not one."""
    return _decoder.decode(raw)


#: What a fact is worth without the person: that it happened, when, and to which touch.
_KEPT = {"event_id", "occurred_at", "journey_id", "touch_id", "answer_id", "message_id", "recovery", "proposal"}
_BLANK: dict[str, object] = {
    "case": Case(source="", case_id="", epoch=0),
    "customer": Customer(person_id=""),
    "scores": {},
    "compound": 0.0,
}
_PLAIN = {"act", "word", "scope", "reason", "what", "until", "permanent", "todo", "human"}


def redacted(event: Event) -> Event:
    """Return the same fact (its type, id and time) without anything that says who it was about or what they said."""
    fields: dict[str, object] = {}
    for field in msgspec.structs.fields(event):
        if field.name in _KEPT | _PLAIN:
            fields[field.name] = getattr(event, field.name)
        elif field.required:
            fields[field.name] = _BLANK.get(field.name, "-")
    return type(event)(**fields)  # type: ignore[arg-type]  # the blanks fit: a test redacts every type there is
