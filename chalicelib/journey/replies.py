"""What a customer writes back: kept with its journey, and put before whoever should know."""

from chalicelib.journey import clock, mismatch, playbook
from chalicelib.journey.events import ReplyReceived
from chalicelib.journey.state import Reply
from chalicelib.journey.turn import Turn

#: So many replies stand in a journey; those after them stand in its facts and in the bucket. Automatic ones say little.
MOST_KEPT, MOST_AUTOMATIC = 30, 10
#: Characters of each that stand in the journey; the fact has all.
_EXCERPT = 2_000


def hear(turn: Turn, event: ReplyReceived) -> None:
    """Keep a reply. A person's is put before a person; an automatic one wakes nobody and is answered by nobody."""
    journey = turn.journey
    if event.automatic:
        if sum(bool(one.automatic) for one in journey.replies) >= MOST_AUTOMATIC:
            turn.ignore("enough automatic replies are kept; the source of each lies in the bucket")
            return
        _keep(turn, event)
        return
    if sum(not one.automatic for one in journey.replies) >= MOST_KEPT:
        day = f"replies-{turn.now:%Y-%m-%d}"
        if day in journey.tried:
            turn.ignore("a person was told today of more replies than can be kept; each lies in the bucket")
            return
        turn.change(tried=(*journey.tried, day))
    else:
        _keep(turn, event)
    _put_before_a_person(turn, event)


def _keep(turn: Turn, event: ReplyReceived) -> None:
    reply = Reply(
        id=event.reply_id,
        at=turn.now,
        words=event.words[:_EXCERPT],
        raw=event.raw,
        automatic=event.automatic,
        doubt=event.doubt,
    )
    turn.change(replies=(*turn.journey.replies, reply))


def _put_before_a_person(turn: Turn, event: ReplyReceived) -> None:
    """The owner of an open recovery, else a lead; what is urgent or sounds angry is P1."""
    urgent = not event.doubt and (playbook.is_urgent(event.words, turn.documents) or _sounds_angry(turn, event))
    step = turn.documents.playbook.step("take")
    span = step.target.of("P1") if urgent and step is not None else clock.span("P1BD")
    due = turn.documents.settings.calendar.add(turn.now, span)
    key = f"reply-{event.reply_id}"
    if turn.journey.recovery is not None:
        turn.notify(key, turn.owner(), "reply_urgent" if urgent else "reply", about=event.reply_id, due=due)
    else:
        after = "reply_after_end" if turn.journey.is_final else "reply"
        turn.notify_rank(key, "lead", "reply_urgent" if urgent else after, about=event.reply_id, due=due)


def _sounds_angry(turn: Turn, event: ReplyReceived) -> bool:
    """By the cadence's own bounds for angry words, which know English only."""
    bounds = turn.documents.cadence.weighing.mismatch
    if not mismatch.reads_english(turn.person):
        return False
    angry = event.compound is not None and event.compound <= bounds.compound_max
    return angry or mismatch.has_phrase(event.words, bounds)
