"""What a person does about a to-do, and what settles it without one."""

from collections.abc import Callable

from msgspec.structs import replace

from chalicelib.journey import clock, playbook
from chalicelib.journey.errors import ActRefused
from chalicelib.journey.events import AttentionGiven, StaffActed
from chalicelib.journey.state import Recovery, Stage, Todo
from chalicelib.journey.turn import Turn

#: A to-do may be put off for so long at most: later than that, nobody remembers what it was about.
LONGEST_SNOOZE = "P90D"


def attend(turn: Turn) -> None:
    """Let a member of staff take, put off, hand over or finish a to-do.

    Raises ActRefused when it is settled, or what is asked makes no sense for it.
    """
    event = turn.event
    assert isinstance(event, AttentionGiven)  # noqa: S101 - the table gives no other
    todo = next((one for one in turn.journey.todos if one.key == event.todo), None)
    if todo is None:
        reason = "settled"
        raise ActRefused(reason, "This is settled already: it needs nobody any more.")
    if event.seen and event.seen != mark(todo):
        reason = "changed_meanwhile"
        raise ActRefused(reason, _changed(turn, todo))
    _WHAT[event.what](turn, event, todo)


def mark(todo: Todo) -> str:
    """Return what tells how a to-do stands: whoever presses on a page that shows another one presses what is past."""
    return f"{todo.reason}.{'taken' if todo.taken_at else ''}.{todo.who}"


def _changed(turn: Turn, todo: Todo) -> str:
    """Say whose it is now."""
    member = turn.documents.staff.member(todo.who)
    name = member.name if member else todo.who
    now = f"{name} has taken it" if todo.taken_at else f"it is {name}'s now"
    return f"This has changed since you looked, so nothing was done: {now}. Look again, then decide."


def _put(turn: Turn, todo: Todo) -> None:
    turn.change(todos=tuple(todo if one.key == todo.key else one for one in turn.journey.todos))


def _member(turn: Turn, staff_id: str) -> str:
    if turn.documents.staff.member(staff_id) is None:
        reason = "unknown_staff"
        raise ActRefused(reason, f"There is no {staff_id!r} in the staff directory.")
    return staff_id


def _take(turn: Turn, event: AttentionGiven, todo: Todo) -> None:
    """To take a recovery is the first step of its playbook; anything else simply becomes theirs."""
    by = _member(turn, event.by)
    recovery = turn.journey.recovery
    if todo.kind == "recovery" and recovery is not None:
        if recovery.when("take") is not None and recovery.owner == by:
            turn.ignore("it is theirs already")
            return
        act = StaffActed(event_id=event.event_id, occurred_at=turn.now, journey_id=turn.journey.id, act="take", by=by)
        playbook.act(turn, act)
        return
    _put(turn, replace(todo, who=by, taken_at=turn.now, snoozed_until=None))


def _snooze(turn: Turn, event: AttentionGiven, todo: Todo) -> None:
    until = event.until
    if until is None or until <= turn.now:
        reason = "past_date"
        raise ActRefused(reason, "It can be put off until a day that is still to come.")
    if until > turn.now + clock.elapsed(LONGEST_SNOOZE):
        reason = "too_far"
        raise ActRefused(reason, "It can be put off for 90 days at most.")
    _put(turn, replace(todo, snoozed_until=until, note=event.note or todo.note))


def _hand_over(turn: Turn, event: AttentionGiven, todo: Todo) -> None:
    """The other member is told, and has it as one that nobody has taken yet."""
    to = _member(turn, event.to)
    if to == todo.who:
        turn.ignore("it is theirs already")
        return
    recovery = turn.journey.recovery
    if todo.kind == "recovery" and recovery is not None:
        turn.put_recovery(replace(recovery, owner=to))
    else:
        _put(turn, replace(todo, who=to, taken_at=None, snoozed_until=None, note=event.note or todo.note))
    member = turn.documents.staff.member(to)
    assert member is not None  # noqa: S101 - looked up above
    turn.notify(f"handed-{event.event_id}", member, "handed_over", about=todo.about, due=todo.due)


def _done(turn: Turn, event: AttentionGiven, todo: Todo) -> None:
    del event
    if todo.kind == "recovery":
        reason = "recovery"
        raise ActRefused(reason, "A recovery is closed step by step on its own page.")
    turn.change(todos=tuple(one for one in turn.journey.todos if one.key != todo.key))


_WHAT: dict[str, Callable[[Turn, AttentionGiven, Todo], None]] = {
    "take": _take,
    "snooze": _snooze,
    "hand_over": _hand_over,
    "done": _done,
}


# -- what settles it without a person --------------------------------------------------------------------


def settle(turn: Turn) -> None:
    """Drop what a fact has settled, and let the to-do of the open recovery say what is next in it."""
    kept = tuple(todo for todo in turn.journey.todos if todo.kind != "recovery" and not _is_settled(todo, turn))
    recovery = turn.journey.recovery
    if recovery is not None:
        kept = (_of_recovery(recovery, turn), *kept)
    if kept != turn.journey.todos:
        turn.change(todos=kept)


def _of_recovery(recovery: Recovery, turn: Turn) -> Todo:
    key = f"recovery-{recovery.number}"
    before = next((todo for todo in turn.journey.todos if todo.key == key), None)
    step = playbook.next_step(recovery, turn.documents)
    todo = Todo(
        key=key,
        kind="recovery",
        reason=step.reason,
        severity=recovery.severity,
        who=recovery.owner,
        raised_at=recovery.opened_at,
        due=step.due,
        about=str(recovery.number),
        taken_at=recovery.when("take"),
    )
    # It was put off as it stood then: when the customer says something or it gets graver, it is seen again.
    same = before is not None and (before.reason, before.severity, before.who) == (todo.reason, todo.severity, todo.who)
    return replace(todo, snoozed_until=before.snoozed_until, note=before.note) if same and before else todo


def _is_settled(todo: Todo, turn: Turn) -> bool:
    check = _SETTLED_BY.get(todo.kind)
    return check is not None and check(todo, turn)


def _recovered_since(todo: Todo, turn: Turn) -> bool:
    """A recovery that was opened since has an owner who sees all of it."""
    return any(recovery.opened_at > todo.raised_at for recovery in turn.journey.recoveries)


def _superseded(todo: Todo, turn: Turn) -> bool:
    return turn.journey.stage is Stage.SUPERSEDED or _recovered_since(todo, turn)


def _answered_since(todo: Todo, turn: Turn) -> bool:
    answered = any(answer.counts and answer.at > todo.raised_at for answer in turn.journey.answers)
    return answered or _superseded(todo, turn)


def _arrived(todo: Todo, turn: Turn) -> bool:
    """The mail arrived after all, or the recovery that had to find another way is closed."""
    touch = turn.journey.touch(todo.about)
    if touch is not None:
        return touch.status in {"delivered", "answered"} or (todo.reason == "mail_unknown" and touch.went_out)
    return any(str(one.number) == todo.about and not one.is_open for one in turn.journey.recoveries)


def _judged(todo: Todo, turn: Turn) -> bool:
    """One look is for all that came of one mail: it is over when none of that waits any more."""
    answers = turn.journey.answers
    answer = next((one for one in answers if one.id == todo.about), None)
    return answer is None or not any(one.needs_look and one.touch_id == answer.touch_id for one in answers)


def _begun(todo: Todo, turn: Turn) -> bool:
    return todo.reason == "never_resolved" and turn.journey.stage is not Stage.UNBORN


_SETTLED_BY: dict[str, Callable[[Todo, Turn], bool]] = {
    "suspect": _judged,
    "undelivered": _arrived,
    "stuck": _begun,
    "lukewarm": _superseded,
    "mismatch": _recovered_since,
    "reach_out": _answered_since,
}
