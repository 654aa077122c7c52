"""What the mail service says became of a mail: sent, delayed, delivered, bounced, complained of, refused.

Every mail carries the tags ``journey``, ``effect`` and ``kind``, and ``returns`` when it had come back before; the
service's events carry them back. Sources: SES Developer Guide, "Contents of event data" (bounce types, delay types,
complaint objects) and "Using subscription management".
"""

from datetime import datetime
from typing import Annotated, Any, Final

import msgspec

from chalicelib.entry.decode import BadInput
from chalicelib.journey import events
from chalicelib.journey.events import Event
from chalicelib.pipeline import Worker
from chalicelib.store.errors import NotOwed

Tags = dict[str, list[str]]

#: Sub-type of a transient bounce → (reason, whether the same mail may arrive another day). An unknown one is general.
_TRANSIENT: Final = {
    "MailboxFull": ("mailbox_full", True),
    "MessageTooLarge": ("content_refused", False),
    "ContentRejected": ("content_refused", False),
    "AttachmentRejected": ("content_refused", False),
}
_GENERAL: Final = ("soft_bounce", True)
#: Sub-types of a permanent bounce for which the service did not even try: they say nothing new of the sender.
_LISTED: Final = {"OnAccountSuppressionList", "Suppressed"}


class _Mail(msgspec.Struct, frozen=True):
    timestamp: datetime
    message_id: Annotated[str, msgspec.Meta(max_length=200)] = msgspec.field(name="messageId")
    tags: Tags = {}
    destination: tuple[str, ...] = ()


class _Bounce(msgspec.Struct, frozen=True):
    bounce_type: str = msgspec.field(name="bounceType")
    timestamp: datetime
    bounce_sub_type: str = msgspec.field(name="bounceSubType", default="")


class _At(msgspec.Struct, frozen=True):
    timestamp: datetime


class _Complaint(msgspec.Struct, frozen=True):
    timestamp: datetime
    kind: str | None = msgspec.field(name="complaintFeedbackType", default=None)


class _Delay(msgspec.Struct, frozen=True):
    timestamp: datetime
    why: Annotated[str, msgspec.Meta(max_length=100)] = msgspec.field(name="delayType", default="")


class _Topic(msgspec.Struct, frozen=True):
    status: str = msgspec.field(name="subscriptionStatus", default="")


class _Preferences(msgspec.Struct, frozen=True):
    unsubscribe_all: bool = msgspec.field(name="unsubscribeAll", default=False)
    topics: tuple[_Topic, ...] = msgspec.field(name="topicSubscriptionStatus", default=())


class _Subscription(msgspec.Struct, frozen=True):
    timestamp: datetime
    preferences: _Preferences = msgspec.field(name="newTopicPreferences", default_factory=_Preferences)


class _Detail(msgspec.Struct, frozen=True):
    mail: _Mail
    event_type: str = msgspec.field(name="eventType")
    delivery: _At | None = None
    bounce: _Bounce | None = None
    complaint: _Complaint | None = None
    delay: _Delay | None = msgspec.field(name="deliveryDelay", default=None)
    subscription: _Subscription | None = None


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
    tag = _tag(detail.mail.tags, "returns")
    returns = int(tag) if tag.isascii() and tag.isdigit() else 0
    sending = events.sending_of(touch_id, returns)
    at = detail.mail.timestamp
    if detail.event_type == "Send":
        name, message_id = f"sent/{sending}", detail.mail.message_id
        return events.MailSent(event_id=name, occurred_at=at, message_id=message_id, returns=returns, **about)
    if detail.event_type == "Delivery" and detail.delivery is not None:
        at = detail.delivery.timestamp
        return events.MailDelivered(event_id=f"delivered/{sending}", occurred_at=at, **about)
    if detail.event_type == "DeliveryDelay" and detail.delay is not None:
        at, why = detail.delay.timestamp, detail.delay.why
        return events.MailDelayed(event_id=f"delayed/{sending}/{at.isoformat()}", occurred_at=at, why=why, **about)
    if detail.event_type == "Bounce" and detail.bounce is not None:
        return _bounce(detail, detail.bounce, returns, about)
    if detail.event_type == "Complaint" and detail.complaint is not None:
        return _complaint(detail, detail.complaint, about)
    if detail.event_type in {"Reject", "Rendering Failure"}:
        return events.MailNotSent(event_id=f"rejected/{sending}", occurred_at=at, reason="refused", **about)
    if detail.event_type == "Subscription" and detail.subscription is not None:
        return _unsubscribed(detail.subscription, journey_id)
    return None


def _bounce(detail: _Detail, bounce: _Bounce, returns: int, about: dict[str, Any]) -> Event:
    """Sort a bounce by its type and sub-type: for good, for now, or no bounce at all but a wish."""
    touch_id, at = about["touch_id"], bounce.timestamp
    if bounce.bounce_sub_type == "UnsubscribedRecipient":
        name = f"opted-out/unsubscribed/{touch_id}"
        return events.OptedOut(event_id=name, occurred_at=at, journey_id=about["journey_id"], scope="asks")
    permanent = bounce.bounce_type == "Permanent"
    if permanent:
        reason, again = ("listed" if bounce.bounce_sub_type in _LISTED else ""), False
    else:
        reason, again = _TRANSIENT.get(bounce.bounce_sub_type, _GENERAL)
    return events.MailBounced(
        event_id=f"bounced/{touch_id}/{'permanent' if permanent else at.isoformat()}",
        occurred_at=at,
        permanent=permanent,
        email=_address(detail),
        # What the service cannot make sense of ("Undetermined") gives no hope that another try would end otherwise.
        again=again and bounce.bounce_type == "Transient",
        reason=reason,
        returns=returns,
        **about,
    )


def _complaint(detail: _Detail, complaint: _Complaint, about: dict[str, Any]) -> Event | None:
    """A customer who marks the mail as *no* spam complains of nothing."""
    if complaint.kind == "not-spam":
        return None
    name = f"complained/{about['touch_id']}"
    return events.MailComplained(event_id=name, occurred_at=complaint.timestamp, email=_address(detail), **about)


def _unsubscribed(subscription: _Subscription, journey_id: str) -> Event | None:
    """Leaving a list of the mail service's own, should an account keep one, is a no to asks and news."""
    preferences, at = subscription.preferences, subscription.timestamp
    if not preferences.unsubscribe_all and all(topic.status != "OptOut" for topic in preferences.topics):
        return None
    name = f"opted-out/subscription/{at.isoformat()}"
    return events.OptedOut(event_id=name, occurred_at=at, journey_id=journey_id, scope="asks")


def _address(detail: _Detail) -> str:
    return next(iter(detail.mail.destination), "")
