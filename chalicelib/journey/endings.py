"""How a journey ends by itself: loyal as soon as it is confirmed, otherwise unknown; never loyal for silence."""

from datetime import datetime

from chalicelib.journey import cadence, loyalty
from chalicelib.journey.rules import leads_to
from chalicelib.journey.state import Journey, Stage
from chalicelib.journey.turn import Turn

#: How a journey ends whose survey could not even be sent, where that says something of the customer.
_UNASKED = {
    "opted_out": Stage.OPTED_OUT,
    "complaint": Stage.OPTED_OUT,
    "hard_bounce": Stage.UNREACHABLE,
    "soft_bounce": Stage.UNREACHABLE,
    "mailbox_full": Stage.UNREACHABLE,
    "no_address": Stage.UNREACHABLE,
}


def close_asking(turn: Turn) -> None:
    """No answer until the survey's window closed, or no survey at all: unknown, never loyal."""
    journey = turn.journey
    survey = journey.touch("survey")
    if journey.stage not in {Stage.WAITING, Stage.ASKED} or survey is None:
        return
    if survey.status == "not sent":
        fact = f"survey not sent ({survey.reason}) on {turn.now:%Y-%m-%d}"
        outcome = _UNASKED.get(survey.reason)
        turn.end(outcome, fact) if outcome else end_unknown(turn, fact)
    elif survey.answerable_until is not None and survey.answerable_until <= turn.now and not survey.answered_at:
        end_unknown(turn, f"survey of {survey.sent_at:%Y-%m-%d} unanswered until {survey.answerable_until:%Y-%m-%d}")


def end_unknown(turn: Turn, fact: str) -> None:
    """End the journey as unknown; where a recovery had hoped for more, the person's standing says so too."""
    turn.end(Stage.UNKNOWN, fact)
    if turn.person.loyalty.state == "recovering" and not turn.person.open_recoveries:
        turn.person = loyalty.standing(turn.person, "unknown", turn.now, (fact,))


def close_watch(turn: Turn) -> None:
    """Loyal as soon as it is confirmed; unknown when everything was asked, waited for and watched."""
    if turn.journey.stage is not Stage.CHECKING_IN:
        return
    confirm(turn)
    if turn.journey.stage is Stage.CHECKING_IN:
        _try_in_person(turn)
        if _nothing_to_wait_for(turn.journey, turn.now):
            end_unknown(turn, _why_unknown(turn))


def _try_in_person(turn: Turn) -> None:
    """After two unanswered check-ins a person tries once; no further question is sent by machine."""
    limit = turn.documents.cadence.unanswered_checkins_before_human_try
    planned = [t for t in turn.journey.touches if t.kind == "check-in" and t.is_planned]
    key = f"human-try-{len(turn.journey.recoveries)}"
    if cadence.unanswered_in_a_row(turn.journey, turn.now) < limit or key in turn.journey.tried:
        return
    turn.change(tried=(*turn.journey.tried, key))
    if planned:
        turn.drop_planned("two_unanswered", kinds=("check-in",))
    turn.notify_rank(key, "agent", "human_try")


def _nothing_to_wait_for(journey: Journey, now: datetime) -> bool:
    checkins = [t for t in journey.touches if t.kind == "check-in"]
    waiting = any(t.status in {"planned", "due"} for t in checkins)
    open_window = any(t.answerable_until and t.answerable_until > now and not t.answered_at for t in checkins)
    watching = journey.watch_until is not None and journey.watch_until > now
    return not (waiting or open_window or watching)


def _why_unknown(turn: Turn) -> str:
    journey = turn.journey
    asked = [t for t in journey.touches if t.kind == "check-in" and t.went_out]
    answered = sum(t.answered_at is not None for t in asked)
    return (
        f"{answered} of {len(asked)} check-ins answered, loyalty not confirmed; "
        f"purchases watched until {journey.watch_until or turn.now:%Y-%m-%d}"
    )


def confirm(turn: Turn) -> None:
    """End the journey as loyal as soon as the facts for it are there."""
    if turn.journey.stage is not Stage.CHECKING_IN:
        return
    facts = loyalty.confirmed(turn.journey, turn.person, turn.documents, turn.now)
    if facts is not None:
        turn.end(Stage.LOYAL, *facts)
        rule = turn.documents.cadence.loyalty
        turn.person = loyalty.standing(turn.person, "confirmed", turn.now, facts, rule.expires)


@leads_to(Stage.LOYAL)
def note_purchase(turn: Turn) -> None:
    """The customer bought: perhaps the last fact that was missing."""
    confirm(turn)
    if turn.journey.stage is Stage.CHECKING_IN:
        turn.ignore("loyalty is not confirmed yet")
