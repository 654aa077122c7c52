"""What became of a mail: taken, delivered, late, given up, or come back."""

from datetime import datetime

from msgspec.structs import replace

from chalicelib.journey import budget, cadence, clock, endings
from chalicelib.journey import events as e
from chalicelib.journey.rules import CALM, leads_to
from chalicelib.journey.silence import silence, suppress
from chalicelib.journey.state import Stage, Touch
from chalicelib.journey.turn import Turn

#: Reasons of mail that came back from an address that may be right.
_SOFT = {"soft_bounce", "mailbox_full", "content_refused"}
#: Reasons for which a customer cannot be reached by mail: an owner must find another way.
_UNREACHED = {"no_address", "hard_bounce", *_SOFT, "complaint", "opted_out", "refused", "unknown_outcome"}


@leads_to(Stage.ASKED, of=(Stage.WAITING,))
def sent(turn: Turn) -> None:
    """The mail service took the mail: its own answer or its event, whichever comes first."""
    event = turn.event
    assert isinstance(event, e.MailSent)  # noqa: S101 - the table gives no other
    touch = turn.journey.touch(event.touch_id)
    if touch is None or touch.message_id or event.returns < touch.returns:
        turn.ignore("already known to be sent")
        return
    touch = touch if touch.sent_at else _mark_sent(turn, touch)
    turn.put(replace(touch, message_id=event.message_id))


def _mark_sent(turn: Turn, touch: Touch) -> Touch:
    """The mail went out, whichever of its news comes first."""
    sent = replace(touch, sent_at=turn.now)
    if touch.reason not in {"", "hard_bounce", "refused", *_SOFT}:
        # It was given up while the mail service already had it: the customer has it, and that is the truth.
        sent = replace(sent, not_sent_at=None, reason="")
        turn.person = budget.spend(turn.person, sent, turn.journey, turn.now)
    turn.put(sent)
    if touch.kind == "survey" and turn.journey.stage is Stage.WAITING:
        turn.change(stage=Stage.ASKED)
        cadence.plan_reminders(turn, sent)
    return sent


@leads_to(Stage.ASKED, of=(Stage.WAITING,))
def delivered(turn: Turn) -> None:
    """The customer's mail server took the mail."""
    event = turn.event
    assert isinstance(event, e.MailDelivered)  # noqa: S101 - the table gives no other
    touch = turn.journey.touch(event.touch_id)
    if touch is None or touch.delivered_at is not None:
        turn.ignore("already known to be delivered")
        return
    touch = touch if touch.sent_at else _mark_sent(turn, touch)
    turn.put(replace(touch, delivered_at=event.occurred_at))


def delayed(turn: Turn) -> None:
    """The mail service keeps trying for hours by itself: what a person sees is since when."""
    event = turn.event
    assert isinstance(event, e.MailDelayed)  # noqa: S101 - the table gives no other
    touch = turn.journey.touch(event.touch_id)
    if touch is None or touch.delayed_at or touch.delivered_at or touch.not_sent_at:
        turn.ignore("already known to be late, or no longer")
        return
    turn.put(replace(touch, delayed_at=event.occurred_at))


def deferred(turn: Turn) -> None:
    """The mail may not go yet: it is planned again for the instant at which it may."""
    event = turn.event
    assert isinstance(event, e.MailDeferred)  # noqa: S101 - the table gives no other
    touch = turn.journey.touch(event.touch_id)
    if touch is None or touch.status != "due":
        turn.ignore("no longer due")
        return
    turn.put(replace(touch, owed_at=None, due_at=event.until, held=event.reason))


@leads_to(Stage.UNKNOWN, of=(Stage.WAITING, Stage.ASKED))
@leads_to(Stage.OPTED_OUT, Stage.UNREACHABLE, of=(Stage.WAITING,))
def not_sent(turn: Turn) -> None:
    """Keep the reason, give the budget back, and find another way where something is owed to the customer."""
    event = turn.event
    assert isinstance(event, e.MailNotSent)  # noqa: S101 - the table gives no other
    touch = turn.journey.touch(event.touch_id)
    if touch is None or touch.status in {"not sent", "answered", "delivered"}:
        turn.ignore("already settled")
        return
    if touch.sent_at is not None and event.reason != "refused":
        turn.ignore("the mail service has taken it meanwhile")
        return
    turn.drop(touch, event.reason)
    turn.person = budget.refund(turn.person, touch, turn.journey)
    _find_another_way(turn, touch, event.reason)
    endings.close_asking(turn)


def _find_another_way(turn: Turn, touch: Touch, reason: str) -> None:
    if reason == "unknown_outcome":
        turn.notify(f"unknown-{touch.id}", turn.owner(), "mail_unknown", about=touch.id)
    elif touch.klass == "response" and reason in _UNREACHED and turn.journey.recovery is not None:
        turn.notify(f"another-way-{touch.id}", turn.owner(), "another_way", about=touch.id)


@leads_to(Stage.UNREACHABLE, of=CALM)
@leads_to(Stage.WAITING, of=(Stage.ASKED,))
@leads_to(Stage.UNKNOWN, of=(Stage.WAITING, Stage.ASKED))
def bounced(turn: Turn) -> None:
    """The mail came back: for now, or for good; then nothing is sent to that address any more."""
    event = turn.event
    assert isinstance(event, e.MailBounced)  # noqa: S101 - the table gives no other
    if not event.permanent:
        _came_back_for_now(turn, event)
        return
    _mark_undelivered(turn, event.touch_id, "hard_bounce")
    if suppress(turn, "hard_bounce", event.email):
        silence(turn, "unreachable", "everything", f"hard bounce on {turn.now:%Y-%m-%d}")


def _came_back_for_now(turn: Turn, event: e.MailBounced) -> None:
    """Plan the mail again after a growing pause, as often as the settings say; then keep why it never arrived."""
    touch = turn.journey.touch(event.touch_id)
    if touch is None or touch.not_sent_at is not None or event.returns < touch.returns:
        turn.ignore("already settled, or planned again")
        return
    reason = event.reason or "soft_bounce"
    if touch.delivered_at is not None and reason == "soft_bounce":
        # SES reports an out-of-office reply as a bounce of this kind: whoever has the mail must not get it twice.
        turn.ignore("an automatic reply to a mail that arrived")
        return
    at = _next_try(turn, touch, event)
    if at is None:
        _mark_undelivered(turn, touch.id, reason)
    else:
        _plan_again(turn, touch, at, reason)


def _next_try(turn: Turn, touch: Touch, event: e.MailBounced) -> datetime | None:
    """Return when to send a mail again that came back, or None when that would be of no use."""
    pauses = turn.documents.settings.mail.retry_after
    reminded = touch.kind == "survey" and any(t.kind == "reminder" and t.went_out for t in turn.journey.touches)
    over = turn.journey.is_final and touch.klass != "response"
    if not event.again or touch.returns >= len(pauses) or touch.answered_at or reminded or over:
        return None
    at = turn.now + clock.elapsed(pauses[touch.returns])
    if touch.klass != "response":
        at = cadence.waking(at, turn.person, turn.documents)
    return at if at <= touch.latest_at else None


def _plan_again(turn: Turn, touch: Touch, at: datetime, reason: str) -> None:
    """It never arrived: the budget has it again, and a survey's reminders are planned when it does arrive."""
    fresh = replace(touch, owed_at=None, sent_at=None, message_id="", delivered_at=None, delayed_at=None)
    turn.put(replace(fresh, due_at=at, held=reason, returns=touch.returns + 1))
    turn.person = budget.refund(turn.person, touch, turn.journey)
    if touch.kind == "survey" and turn.journey.stage is Stage.ASKED:
        kept = tuple(other for other in turn.journey.touches if other.kind != "reminder" or not other.is_planned)
        turn.change(stage=Stage.WAITING, touches=kept)


@leads_to(Stage.OPTED_OUT, of=CALM)
def complained(turn: Turn) -> None:
    """The customer marked a mail as spam: nothing is sent to them any more."""
    event = turn.event
    assert isinstance(event, e.MailComplained)  # noqa: S101 - the table gives no other
    if not suppress(turn, "complaint", event.email):
        return
    # It is the strongest way of saying no, and outlives the address.
    turn.change_person(no_mail_since=turn.person.no_mail_since or turn.now)
    silence(turn, "opted_out", "everything", f"marked our mail as spam on {turn.now:%Y-%m-%d}")


def _mark_undelivered(turn: Turn, touch_id: str, reason: str) -> None:
    """The mail came back: the budget has it again, and what is owed to the customer finds another way."""
    touch = turn.journey.touch(touch_id)
    if touch is None or touch.not_sent_at is not None:
        return
    turn.put(replace(touch, not_sent_at=turn.now, reason=reason))
    turn.person = budget.refund(turn.person, touch, turn.journey)
    if reason in _SOFT:
        _find_another_way(turn, touch, reason)
        endings.close_asking(turn)
