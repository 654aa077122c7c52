"""What one decision changes in the figures: pure, as small whole numbers, without a name in them.

A journey stands for a set of counts (`counts`): one for each mail that was sent, each score that was given, and so on,
each under a day and a measure. What a decision changes is the difference between the journey before it and after it,
so a fact may also take back what an earlier one said: a doubtful answer counts from the moment at which a person
confirms it. The sum of all differences is the sum over all journeys as they are now.

What staff did in time is the exception (`_steps`): a relapse takes steps back to do them again, and the first time
they were done still counts.

The measures, which `docs/figures.md` explains:

=====================================  ===========================================================  ================
measure                                counts                                                       on the day of
=====================================  ===========================================================  ================
``begun``                              journeys                                                     their beginning
``sent/<touch>``                       mails that the mail service took                             sending
``delivered/<touch>``                  of these, those that the customer's server took              sending
``answered/<touch>``                   of these, those with a confirmed answer                      sending
``back/<kind>/<reason>``               of these, those that came back or were given up later        that
``unsent/<kind>/<reason>``             touches that were never sent                                 giving up
``score/<touch>/<measure>/<value>``    first confirmed answers                                      the answer
``suspect``                            answers that nobody has confirmed                            the answer
``negative``, ``recovered``            confirmed negative answers; those that have their recovery   the answer
``opened/<severity>``                  recoveries                                                   opening
``closed/<result>``                    recoveries                                                   closing
``step/<act>/on_time``, ``…/late``     steps of recoveries                                          doing, or overdue
``outcome/<stage>``                    journeys that have ended, by how                             the end
=====================================  ===========================================================  ================

``<touch>`` is a kind of touch; of check-ins, the kind and the step: ``check-in:fix_holds``.
"""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from zoneinfo import ZoneInfo

import msgspec

from chalicelib.journey import playbook
from chalicelib.journey.documents import Documents
from chalicelib.journey.state import Answer, Journey, Stage, Touch

#: Under this stands what has no team, category or channel.
NONE = "(none)"
#: Per cent of its time at which a step is late.
_TIME_IS_UP = 100
#: A name of a team, category or channel longer than this is cut: it is part of a key.
_NAME_LENGTH = 60
_Counted = Iterator[tuple[datetime, str]]


class Tally(msgspec.Struct, frozen=True):
    """What one fact changes: for each day (ISO, in the zone of the working calendar) the measures and by how much.

    ``team``, ``category`` and ``channel`` are those of the case.
    """

    team: str
    category: str
    channel: str
    days: dict[str, dict[str, int]]


def of_decision(before: Journey, after: Journey | None, documents: Documents) -> Tally | None:
    """Return what a decision changes in the figures, or None when it changes nothing there."""
    if after is None or after.case is None:
        return None
    zone = ZoneInfo(documents.settings.calendar.zone)
    changed = counts(after, zone)
    changed.subtract(counts(before, zone))
    changed.update((_day(at, zone), measure) for at, measure in _steps(before, after, documents))
    days: dict[str, dict[str, int]] = {}
    for (day, measure), number in sorted(changed.items()):
        if number:
            days.setdefault(day, {})[measure] = number
    if not days:
        return None
    case = after.case
    return Tally(team=_name(case.team), category=_name(case.category), channel=_name(case.channel), days=days)


def counts(journey: Journey, zone: ZoneInfo) -> Counter[tuple[str, str]]:
    """Return all that a journey counts for, by (day, measure); the steps of its recoveries aside."""
    if journey.case is None:
        return Counter()
    found = [*_of_journey(journey), *_of_answers(journey), *_of_recoveries(journey)]
    given = {answer.touch_id: answer.at for answer in reversed(journey.answers) if _is_own(answer)}
    for touch in journey.touches:
        found += _of_touch(touch, touch.answered_at or given.get(touch.id))
    return Counter((_day(at, zone), measure) for at, measure in found)


def _day(at: datetime, zone: ZoneInfo) -> str:
    return at.astimezone(zone).date().isoformat()


def _name(text: str) -> str:
    """Return a name as it stands in a key: on one line, neither empty nor long."""
    return " ".join(text.split())[:_NAME_LENGTH].strip() or NONE


def _of_journey(journey: Journey) -> _Counted:
    if journey.born_at is not None:
        yield journey.born_at, "begun"
    if journey.is_final and journey.endings:
        yield journey.endings[-1].at, f"outcome/{journey.stage.value}"


def touch_name(touch: Touch) -> str:
    """Return the name under which a touch is counted."""
    return f"{touch.kind}:{touch.step}" if touch.step else touch.kind


def _of_touch(touch: Touch, answered_at: datetime | None) -> _Counted:
    """Yield what a touch counts for. One of a journey that was superseded may be answered, and does not say so."""
    name = touch_name(touch)
    sent = touch.sent_at or answered_at  # an answer proves it, whatever else is known
    if sent is not None:
        yield sent, f"sent/{name}"
        if touch.delivered_at is not None or answered_at is not None:
            yield sent, f"delivered/{name}"
        if answered_at is not None:
            yield sent, f"answered/{name}"
    if touch.not_sent_at is not None and answered_at is None:
        yield touch.not_sent_at, f"{'back' if sent else 'unsent'}/{touch.kind}/{touch.reason}"


def _is_own(answer: Answer) -> bool:
    """Say whether an answer is confirmed, and was given to this journey."""
    return answer.counts and not answer.from_journey


def _of_answers(journey: Journey) -> _Counted:
    scored: set[str] = set()
    for answer in journey.answers:
        if not answer.counts:
            yield answer.at, "suspect"
            continue
        touch = journey.touch(answer.touch_id)
        if touch is not None and touch.id not in scored and _is_own(answer):
            scored.add(touch.id)
            for measure, value in answer.scores.items():
                yield answer.at, f"score/{touch_name(touch)}/{measure}/{value}"
        if answer.negative and not _is_carried_on(journey, answer):
            yield answer.at, "negative"
            if answer.recovery:
                yield answer.at, "recovered"


def _is_carried_on(journey: Journey, answer: Answer) -> bool:
    """Say whether the journey that follows this one has this answer's recovery, and counts it."""
    return journey.stage is Stage.SUPERSEDED and not journey.withdrawn and not answer.recovery


def _of_recoveries(journey: Journey) -> _Counted:
    for recovery in journey.recoveries:
        yield recovery.opened_at, f"opened/{recovery.severity}"
        if recovery.closed_at is not None:
            yield recovery.closed_at, f"closed/{recovery.result}"


def _steps(before: Journey, after: Journey, documents: Documents) -> _Counted:
    """Yield the steps that this decision found to be in time or late.

    A step is late as soon as the escalation of its overdue work says so, done or not, and is not judged again.
    """
    known = {recovery.number: recovery for recovery in before.recoveries}
    for recovery in after.recoveries:
        earlier = known.get(recovery.number)
        told, done = (earlier.told, earlier.done) if earlier else ((), ())
        overdue = _overdue(told)
        for act, _ in sorted(_overdue(recovery.told) - overdue):
            yield after.rang_at or recovery.opened_at, f"step/{act}/late"
        judged = {(step.act, step.at) for step in done}
        for number, step in enumerate(recovery.done):
            target = playbook.due(recovery, step.act, documents)
            if (step.act, step.at) not in judged and (step.act, number) not in overdue and target is not None:
                yield step.at, f"step/{step.act}/{'on_time' if step.at <= target else 'late'}"


def _overdue(told: tuple[str, ...]) -> set[tuple[str, int]]:
    """Return the steps, each as its act and how many were done before, of which somebody was told that time is up.

    An escalation's key ends in that number and a percentage (`playbook.rungs`); others have no number there.
    """
    rungs = (key.rsplit("-", 2) for key in told)
    return {(rung[0], int(rung[1])) for rung in rungs if rung[1].isdigit() and int(rung[2]) >= _TIME_IS_UP}
