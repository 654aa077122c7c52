"""What the mail service says became of a mail: sent, delivered, bounced, complained of.

Every mail carries the tags ``journey``, ``effect`` and ``kind``; the service's events carry them back.
"""

from datetime import datetime
from typing import Annotated, Any

import msgspec

from chalicelib.entry.decode import BadInput
from chalicelib.journey import events
from chalicelib.journey.events import Event
from chalicelib.pipeline import Worker
from chalicelib.store.errors import NotOwed

Tags = dict[str, list[str]]


class _Mail(msgspec.Struct, frozen=True):
    timestamp: datetime
    message_id: Annotated[str, msgspec.Meta(max_length=200)] = msgspec.field(name="messageId")
    tags: Tags = {}
    destination: tuple[str, ...] = ()


class _Bounce(msgspec.Struct, frozen=True):
    bounce_type: str = msgspec.field(name="bounceType")
    timestamp: datetime


class _At(msgspec.Struct, frozen=True):
    timestamp: datetime


class _Detail(msgspec.Struct, frozen=True):
    mail: _Mail
    event_type: str = msgspec.field(name="eventType")
    delivery: _At | None = None
    bounce: _Bounce | None = None
    complaint: _At | None = None


class _News(msgspec.Struct, frozen=True):
    detail: _Detail


_decoder = msgspec.json.Decoder(_News)


def take(body: str, worker: Worker) -> None:
    """Take one event of the mail service; raises BadInput when it is none. Mail that is not ours is passed over."""
    try:
        detail = _decoder.decode(body).detail
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise BadInput(str(error)) from error
    journey_id, key, kind = (_tag(detail.mail.tags, name) for name in ("journey", "effect", "kind"))
    if not journey_id or not key:
        return
    if kind == "staff-notice":
        _settle_notice(detail, journey_id, key, worker)
        return
    event = _event(detail, journey_id, key)
    if event is not None:
        _run(event, worker)


def _tag(tags: Tags, name: str) -> str:
    return next(iter(tags.get(name, [])), "")


def _settle_notice(detail: _Detail, journey_id: str, key: str, worker: Worker) -> None:
    owed = worker.pipeline.table.effect(f"J#{journey_id}", key)
    if detail.event_type == "Send" and owed is not None:
        worker.pipeline.table.settle(owed)


def _run(event: Event, worker: Worker) -> None:
    """Decide on it, and settle the sending that it is news of."""
    owed = None
    if isinstance(event, events.MailSent):
        owed = worker.pipeline.table.effect(f"J#{event.journey_id}", event.touch_id)
    try:
        handled = worker.pipeline.handle(event, owed)
    except NotOwed:
        handled = worker.pipeline.handle(event)  # settled by its sender in this very moment
    for effect in handled.owed:
        worker.performer.perform(effect)


def _event(detail: _Detail, journey_id: str, touch_id: str) -> Event | None:
    """Return the fact, or None for news that changes nothing (a click, an open: we ask for neither)."""
    about: dict[str, Any] = {"journey_id": journey_id, "touch_id": touch_id}
    email = next(iter(detail.mail.destination), "")
    if detail.event_type == "Send":
        at = detail.mail.timestamp
        return events.MailSent(event_id=f"sent/{touch_id}", occurred_at=at, message_id=detail.mail.message_id, **about)
    if detail.event_type == "Delivery" and detail.delivery is not None:
        at = detail.delivery.timestamp
        return events.MailDelivered(event_id=f"delivered/{touch_id}", occurred_at=at, **about)
    if detail.event_type == "Bounce" and detail.bounce is not None:
        permanent = detail.bounce.bounce_type == "Permanent"
        name = f"bounced/{touch_id}/{'permanent' if permanent else detail.bounce.timestamp.isoformat()}"
        return events.MailBounced(
            event_id=name, occurred_at=detail.bounce.timestamp, permanent=permanent, email=email, **about
        )
    if detail.event_type == "Complaint" and detail.complaint is not None:
        at = detail.complaint.timestamp
        return events.MailComplained(event_id=f"complained/{touch_id}", occurred_at=at, email=email, **about)
    if detail.event_type == "Reject":
        at = detail.mail.timestamp
        return events.MailNotSent(event_id=f"rejected/{touch_id}", occurred_at=at, reason="refused", **about)
    return None
