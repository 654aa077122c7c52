"""When customers are asked: surveys, reminders, check-ins, by the cadence that the journey pinned."""

from datetime import datetime, timedelta
from itertools import chain, count

from msgspec.structs import replace

from chalicelib.journey import budget, clock, loyalty
from chalicelib.journey.documents import Documents, Question, Step
from chalicelib.journey.state import Journey, Person, Touch
from chalicelib.journey.turn import Turn


def asked(touch: Touch, journey: Journey, documents: Documents) -> tuple[Question, ...]:
    """Return the items that a touch asks: none when it asks nothing, or its step is no more in the cadence."""
    step = documents.cadence.step(touch.step)
    if step is not None:
        return step.ask
    about = journey.case.category if journey.case else ""
    return documents.cadence.survey.about(about) if touch.kind in {"survey", "reminder"} else ()


def plan_survey(turn: Turn, resolved_at: datetime) -> None:
    """Plan the survey of this resolution in the customer's waking hours."""
    survey = turn.documents.cadence.survey
    asked_for = resolved_at + clock.elapsed(survey.after)
    turn.put(
        Touch(
            id="survey",
            kind="survey",
            due_at=waking(asked_for, turn.person, turn.documents),
            latest_at=asked_for + clock.elapsed(survey.latest_useful),
            window=clock.elapsed(survey.answer_window),
        )
    )


def plan_reminders(turn: Turn, survey: Touch) -> None:
    """Plan the reminders of a survey that has been sent, while it can still be answered."""
    if survey.sent_at is None:
        return
    for number, reminder in enumerate(turn.documents.cadence.survey.reminders, start=1):
        asked_for = survey.sent_at + clock.elapsed(reminder.after)
        turn.put(
            Touch(
                id="reminder" if number == 1 else f"reminder-{number}",
                kind="reminder",
                due_at=waking(asked_for, turn.person, turn.documents),
                latest_at=survey.sent_at + survey.window,
                number=number,
            )
        )


def plan_track(turn: Turn, track: str, anchor: datetime) -> None:
    """Plan the check-ins of a track from its anchor, and until when purchases are watched."""
    steps = getattr(turn.documents.cadence.tracks, track).steps
    failure = turn.journey.recoveries[-1].number if turn.journey.recoveries else 0
    turn.change(track=track, anchor=anchor, watch_until=anchor + loyalty.within(turn.person, turn.documents))
    for step in steps:
        asked_for = anchor + delay(step, turn.person)
        turn.put(
            Touch(
                id=_free_id(turn.journey, step.id),
                kind="check-in",
                step=step.id,
                due_at=waking(asked_for, turn.person, turn.documents),
                latest_at=asked_for + clock.elapsed(step.latest_useful),
                window=clock.elapsed(turn.documents.cadence.survey.answer_window),
                recovery=failure,
            )
        )


def _free_id(journey: Journey, step_id: str) -> str:
    """Return an id that no touch of the journey has: a step may come again after each repair."""
    others = (f"{step_id}-{number}" for number in count(2))
    return next(name for name in chain([step_id], others) if journey.touch(name) is None)


def delay(step: Step, person: Person) -> timedelta:
    """Return how long after the anchor a step comes: as written, or by the customer's own rhythm of buying."""
    if step.after not in {"median_ipt", "p80_ipt"}:
        return clock.elapsed(step.after)
    rhythm = loyalty.rhythm(person.purchases)
    if rhythm is None:
        return clock.elapsed(step.unknown or "P90D")
    return loyalty.clamp(rhythm.median if step.after == "median_ipt" else rhythm.p80, step.clamp)


def waking(instant: datetime, person: Person, documents: Documents) -> datetime:
    """Return the first of the customer's waking instants at or after that one."""
    where = clock.zone(budget.zone_of(person, documents))
    return documents.settings.waking_hours.next_inside(instant, where)


def ring(turn: Turn) -> None:
    """Send, move or give up every touch whose day has come."""
    for touch in turn.journey.touches:
        if touch.is_planned and touch.due_at <= turn.now:
            _weigh(turn, touch)


def _weigh(turn: Turn, touch: Touch) -> None:
    verdict = budget.weigh(touch, turn.journey, turn.person, turn.documents, turn.now)
    if isinstance(verdict, budget.Send):
        turn.owe_mail(touch)
    elif isinstance(verdict, budget.Wait):
        turn.put(replace(touch, due_at=verdict.until, held=verdict.reason))
    else:
        turn.drop(touch, verdict.reason)


def unanswered_in_a_row(journey: Journey, now: datetime) -> int:
    """Count how many of the latest check-ins, newest first, were sent and stayed unanswered past their window."""
    sent = [t for t in journey.touches if t.kind == "check-in" and t.sent_at is not None]
    count = 0
    for touch in sorted(sent, key=lambda t: t.sent_at or now, reverse=True):
        if touch.answered_at is not None:
            break
        if touch.answerable_until is not None and touch.answerable_until <= now:
            count += 1
    return count
