"""From what the world tells us to events: one form for the API, the event bus and CSV files.

A message is ``{"type": …, "data": {…}}``. Bad input is refused with the path of the field, before anything is stored.
"""

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal, Protocol

import msgspec

from chalicelib.journey import clock, events
from chalicelib.journey.documents import Act
from chalicelib.journey.events import Case, Customer, Event

#: The types of message that may come in, and what each is about.
TYPES = ("case.resolved", "case.reopened", "case.withdrawn", "purchase.made", "failure.logged", "staff.acted")
LARGEST = 256 * 1024
Short = Annotated[str, msgspec.Meta(max_length=300)]
# \Z and not $, which lets a line break at the end pass.
Id = Annotated[str, msgspec.Meta(min_length=1, max_length=120, pattern=r"^[^\x00-\x1f|]+\Z")]
OptionalId = Annotated[str, msgspec.Meta(max_length=120, pattern=r"^[^\x00-\x1f|]*\Z")]
Currency = Annotated[str, msgspec.Meta(pattern=r"^([A-Z]{3})?\Z")]
Address = Annotated[str, msgspec.Meta(max_length=254)]
Words = Annotated[str, msgspec.Meta(max_length=8000)]
#: No case, purchase or promise is outside these years, and sums of times stay inside what a calendar holds.
_YEARS = range(1970, 2200)
_EMAIL = re.compile(r"[^@\s\x00-\x1f\x7f<>\"(),:;\\]{1,64}@[^@\s\x00-\x1f\x7f<>\"(),:;\\]{1,190}")
_MONEY = re.compile(
    r"(?P<amount>[0-9]{1,9}(?:\.[0-9]{1,2})?)\s+(?P<currency>[A-Za-z]{3})(?:\s+(?P<kind>restitution|goodwill))?"
)
_DEBRIEF = re.compile(r"cause:\s*(?P<cause>[^;]+);\s*improvement:\s*(?P<improvement>.+)", re.DOTALL)


#: Where a message says when it happened.
_HAPPENED_AT = ("resolved_at", "reopened_at", "withdrawn_at", "purchased_at", "acted_at", "occurred_at")
#: Clocks differ by a little.
_AHEAD = timedelta(minutes=5)


class BadInput(Exception):
    """Input that is refused whole. The message names the field by its path, or the position in text that is no JSON."""


class Epochs(Protocol):
    """Numbers the resolutions of cases whose source does not."""

    def resolved(self, source: str, case_id: str, resolved_at: datetime, epoch: int | None = None) -> int:
        """Return the epoch of that resolution, which is remembered."""
        ...

    def at(self, source: str, case_id: str, instant: datetime) -> int:
        """Return the epoch that held at that instant."""
        ...


class CustomerIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A customer: known by ``customer_id``, or by address alone."""

    customer_id: OptionalId = ""
    email: Address = ""
    first_name: Short = ""
    last_name: Short = ""
    locale: Annotated[str, msgspec.Meta(max_length=35)] = ""
    time_zone: Annotated[str, msgspec.Meta(max_length=64)] = ""


class CaseResolvedIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A resolution. Without ``epoch`` the resolutions of a case are numbered as they come."""

    source: Id
    case_id: Id
    resolved_at: datetime
    customer: CustomerIn
    epoch: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] | None = None
    opened_at: datetime | None = None
    subject: Short = ""
    category: Short = ""
    issue: Short = ""
    channel: Short = ""
    team: Short = ""
    brand: Annotated[str, msgspec.Meta(max_length=40)] = ""
    outcome: Short = ""
    resolved_on_time: bool = True
    human_exchange: bool = True


class CaseReopenedIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A resolution was undone. Without ``epoch`` it is the newest."""

    source: Id
    case_id: Id
    reopened_at: datetime
    epoch: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] | None = None


class CaseWithdrawnIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A case was no case after all."""

    source: Id
    case_id: Id
    withdrawn_at: datetime
    reason: Literal["merged", "spam", "duplicate"]
    epoch: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] | None = None


class PurchaseIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A purchase. ``voucher_only`` says that a voucher of ours alone paid it."""

    purchased_at: datetime
    customer: CustomerIn
    purchase_id: OptionalId = ""
    amount: Annotated[str, msgspec.Meta(pattern=r"^[0-9]{1,12}(\.[0-9]{1,4})?\Z")] = ""
    currency: Currency = ""
    voucher_only: bool = False


class FailureIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A remark or a public comment that never was a case. ``gesture`` is goodwill that was given on the spot."""

    source: Id
    remark_id: Id
    occurred_at: datetime
    words: Annotated[str, msgspec.Meta(min_length=1, max_length=8000)]
    customer: CustomerIn
    logged_by: Annotated[str, msgspec.Meta(max_length=40)] = ""
    subject: Short = ""
    channel: Short = ""
    team: Short = ""
    brand: Annotated[str, msgspec.Meta(max_length=40)] = ""
    category: Short = ""
    gesture: Annotated[str, msgspec.Meta(pattern=r"^[0-9]{1,9}(\.[0-9]{1,2})?\Z")] | None = None
    currency: Currency = ""


class ActIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An act of staff on the open recovery of a journey, named by its id or by case and epoch.

    ``detail`` is the short form of a ledger line (``25.00 USD restitution``), of a debrief
    (``cause: …; improvement: …``) or of what the customer reads.
    """

    act: Act
    acted_at: datetime
    journey_id: Annotated[str, msgspec.Meta(pattern=r"^(j[a-z2-7]{26})?\Z")] = ""
    source: OptionalId = ""
    case_id: OptionalId = ""
    epoch: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] | None = None
    act_id: OptionalId = ""
    by: Annotated[str, msgspec.Meta(max_length=40)] = ""
    text: Words = ""
    detail: Words = ""
    due: datetime | None = None
    amount: Annotated[str, msgspec.Meta(pattern=r"^[0-9]{1,9}(\.[0-9]{1,2})?\Z")] | None = None
    currency: Currency = ""
    redress: Literal["restitution", "goodwill"] = "restitution"
    cause: Words = ""
    improvement: Words = ""
    kept: bool = True


class Message(msgspec.Struct, frozen=True):
    """The envelope: Standard Webhooks' ``type`` and ``data`` (its ``timestamp`` is not needed)."""

    type: Short
    data: msgspec.Raw


class BusEvent(msgspec.Struct, frozen=True):
    """The envelope of EventBridge."""

    type: Short = msgspec.field(name="detail-type")
    detail: msgspec.Raw = msgspec.field()


_message = msgspec.json.Decoder(Message)
_bus_event = msgspec.json.Decoder(BusEvent)
# What the parsers raise for a text that is no message. RecursionError: brackets within brackets, ten thousand deep.
_NO_MESSAGE = (msgspec.DecodeError, ValueError, RecursionError)


def message(raw: bytes, epochs: Epochs, allowed: tuple[str, ...] = TYPES, now: datetime | None = None) -> Event:
    """Read one message and return its event; raises BadInput. With ``now``, nothing may come from the future."""
    check_json(raw)
    try:
        envelope = _message.decode(raw)
    except _NO_MESSAGE as error:
        raise BadInput(str(error)) from error
    if envelope.type not in allowed:
        why = f"no such type; there are {', '.join(allowed)} - at `$.type`"
        raise BadInput(why)
    return data(envelope.type, bytes(envelope.data), epochs, now)


def bus_event(raw: bytes, epochs: Epochs, now: datetime | None = None) -> Event:
    """Read one event of the event bus, which carries a message in ``detail-type`` and ``detail``; raises BadInput."""
    check_json(raw)
    try:
        envelope = _bus_event.decode(raw)
    except _NO_MESSAGE as error:
        raise BadInput(str(error)) from error
    if envelope.type not in TYPES:
        why = f"no such type; there are {', '.join(TYPES)} - at `$.detail-type`"
        raise BadInput(why)
    return data(envelope.type, bytes(envelope.detail), epochs, now)


def data(kind: str, raw: bytes, epochs: Epochs, now: datetime | None = None) -> Event:
    """Read the data of one message of that type; raises BadInput with the path of the field."""
    shape, build = _FORMS[kind]
    try:
        given = msgspec.json.decode(raw, type=shape)
    except msgspec.ValidationError as error:
        raise BadInput(str(error).replace("`$", "`$.data")) from error
    except _NO_MESSAGE as error:
        raise BadInput(str(error)) from error
    _check_past(given, now)
    event: Event = build(given, epochs)
    return event


def check_json(raw: bytes) -> None:
    """Refuse what is not JSON in UTF-8 of a sensible size, or gives one name twice: nobody could say which is meant.

    Raises BadInput.
    """
    if len(raw) > LARGEST:
        why = f"larger than {LARGEST} bytes"
        raise BadInput(why)
    try:
        json.loads(raw.decode(), object_pairs_hook=_once_each)
    except _NO_MESSAGE as error:
        raise BadInput(str(error)) from error


def _once_each(pairs: list[tuple[str, Any]]) -> None:
    names = [name for name, _ in pairs]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        why = f"`{twice[:60]}` stands twice in one object"
        raise BadInput(why)


def _refuse(why: str, field: str) -> BadInput:
    return BadInput(f"{why} - at `$.data.{field}`")


def _instant(at: datetime, field: str) -> datetime:
    """Return an instant in UTC; one without an offset could mean any hour of the day."""
    if at.tzinfo is None:
        raise _refuse("a time needs its offset, such as Z or +02:00", field)
    if at.year not in _YEARS:
        raise _refuse(f"a time lies between {_YEARS[0]} and {_YEARS[-1]}", field)
    return at.astimezone(UTC)


def _customer(given: CustomerIn) -> Customer:
    customer_id, email = given.customer_id.strip(), address(given.email.strip())
    if not customer_id and not email:
        raise _refuse("a customer is known by customer_id or by email", "customer")
    if given.time_zone:
        try:
            clock.zone(given.time_zone)
        except ValueError as error:
            raise _refuse(str(error), "customer.time_zone") from error
    return Customer(
        person_id=events.person_id_of(customer_id, email),
        customer_id=customer_id,
        email=email,
        first_name=given.first_name.strip(),
        last_name=given.last_name.strip(),
        locale=given.locale,
        zone=given.time_zone,
    )


def address(email: str, field: str = "customer.email") -> str:
    """Return an address that mail can carry, its domain in ASCII (IDNA); empty stays empty.

    Raises BadInput, naming the field.
    """
    if not email:
        return ""
    local, _, domain = email.rpartition("@")
    dots = local.startswith(".") or local.endswith(".") or ".." in local
    if not _EMAIL.fullmatch(email) or not local.isascii() or dots:
        raise _refuse("not a mail address", field)
    try:
        return f"{local}@{domain.encode('idna').decode()}"
    except UnicodeError as error:
        raise _refuse("not a mail address", field) from error


def _check_past(given: Any, now: datetime | None) -> None:
    """Refuse what claims to come from the future: it would be decided for a time that nobody knows yet."""
    for field in _HAPPENED_AT:
        at = getattr(given, field, None)
        if now is not None and at is not None and at.tzinfo is not None and at > now + _AHEAD:
            raise _refuse("this time is still to come", field)


def _resolved(given: CaseResolvedIn, epochs: Epochs) -> Event:
    resolved_at = _instant(given.resolved_at, "resolved_at")
    opened_at = _instant(given.opened_at, "opened_at") if given.opened_at else None
    customer = _customer(given.customer)
    epoch = epochs.resolved(given.source, given.case_id, resolved_at, given.epoch)
    case = Case(
        source=given.source,
        case_id=given.case_id,
        epoch=epoch,
        subject=given.subject,
        category=given.category,
        issue=given.issue,
        channel=given.channel,
        team=given.team,
        brand=given.brand,
        outcome=given.outcome,
        on_time=given.resolved_on_time,
        human_exchange=given.human_exchange,
        opened_at=opened_at,
        resolved_at=resolved_at,
    )
    return events.CaseResolved(
        event_id=f"resolved/{epoch}",
        occurred_at=resolved_at,
        journey_id=events.journey_of_case(given.source, given.case_id, epoch),
        case=case,
        customer=customer,
    )


def _reopened(given: CaseReopenedIn, epochs: Epochs) -> Event:
    at = _instant(given.reopened_at, "reopened_at")
    epoch = given.epoch or epochs.at(given.source, given.case_id, at)
    journey = events.journey_of_case(given.source, given.case_id, epoch)
    return events.CaseReopened(event_id=f"reopened/{epoch}", occurred_at=at, journey_id=journey)


def _withdrawn(given: CaseWithdrawnIn, epochs: Epochs) -> Event:
    at = _instant(given.withdrawn_at, "withdrawn_at")
    epoch = given.epoch or epochs.at(given.source, given.case_id, at)
    journey = events.journey_of_case(given.source, given.case_id, epoch)
    return events.CaseWithdrawn(event_id=f"withdrawn/{epoch}", occurred_at=at, journey_id=journey, reason=given.reason)


def _purchase(given: PurchaseIn, epochs: Epochs) -> Event:
    del epochs
    at = _instant(given.purchased_at, "purchased_at")
    name = given.purchase_id or events.stable_id("", at.isoformat(), given.amount, given.currency)
    return events.PurchaseMade(
        event_id=f"purchase/{name}",
        occurred_at=at,
        customer=_customer(given.customer),
        purchase_id=name,
        amount=given.amount,
        currency=given.currency,
        paid=not given.voucher_only,
    )


def _failure(given: FailureIn, epochs: Epochs) -> Event:
    del epochs
    at = _instant(given.occurred_at, "occurred_at")
    case = Case(
        source=given.source,
        case_id=given.remark_id,
        epoch=1,
        kind="remark",
        subject=given.subject,
        channel=given.channel,
        team=given.team,
        brand=given.brand,
        category=given.category,
    )
    if given.gesture is not None and not given.currency:
        raise _refuse("an amount needs its currency", "currency")
    return events.FailureLogged(
        event_id=f"logged/{given.remark_id}",
        occurred_at=at,
        journey_id=events.journey_of_remark(given.source, given.remark_id),
        case=case,
        customer=_customer(given.customer),
        words=given.words,
        logged_by=given.logged_by,
        gesture=given.gesture,
        currency=given.currency,
    )


def _act(given: ActIn, epochs: Epochs) -> Event:
    at = _instant(given.acted_at, "acted_at")
    due = _instant(given.due, "due") if given.due else None
    if not given.journey_id and not (given.source and given.case_id):
        raise _refuse("name the journey by journey_id, or by source and case_id", "journey_id")
    if given.amount is not None and not given.currency:
        raise _refuse("an amount needs its currency", "currency")
    particulars = _particulars(given)
    return events.StaffActed(
        event_id=f"acted/{given.act_id or events.stable_id('', msgspec.json.encode(given).decode())}",
        occurred_at=at,
        journey_id=given.journey_id or _journey_at(given, at, epochs),
        act=given.act,
        by=given.by,
        due=due,
        kept=given.kept,
        **particulars,
    )


def _journey_at(given: ActIn, at: datetime, epochs: Epochs) -> str:
    epoch = given.epoch or epochs.at(given.source, given.case_id, at)
    return events.journey_of_case(given.source, given.case_id, epoch)


def _particulars(given: ActIn) -> dict[str, Any]:
    """Return what an act says, from its own fields or from the short form in ``detail``."""
    said: dict[str, Any] = {
        "text": given.text,
        "amount": given.amount,
        "currency": given.currency,
        "redress": given.redress,
        "cause": given.cause,
        "improvement": given.improvement,
    }
    if not given.detail:
        return said
    return said | _short_form(given.act, given.detail)


def _short_form(act: str, detail: str) -> dict[str, Any]:
    if act == "deliver":
        line = _MONEY.fullmatch(detail.strip())
        if line is None:
            raise _refuse("not a ledger line such as '25.00 USD restitution'", "detail")
        kind = line["kind"] or "restitution"
        return {"amount": line["amount"], "currency": line["currency"].upper(), "redress": kind}
    if act == "debrief":
        found = _DEBRIEF.fullmatch(detail.strip())
        if found is None:
            raise _refuse("not a debrief such as 'cause: …; improvement: …'", "detail")
        return {"cause": found["cause"].strip(), "improvement": found["improvement"].strip()}
    return {"text": detail}


_FORMS: dict[str, tuple[Any, Any]] = {
    "case.resolved": (CaseResolvedIn, _resolved),
    "case.reopened": (CaseReopenedIn, _reopened),
    "case.withdrawn": (CaseWithdrawnIn, _withdrawn),
    "purchase.made": (PurchaseIn, _purchase),
    "failure.logged": (FailureIn, _failure),
    "staff.acted": (ActIn, _act),
}
