"""What an answer leads to: a recovery, a person's look, the check-ins, or the journey that followed.

The first that is confirmed stands; later ones are revisions beside it. One that looks automatic is kept as suspect, and
counts for nothing until a person has judged it.
"""

from datetime import timedelta

from msgspec.structs import replace

from chalicelib.journey import cadence, clock, endings, loyalty, mismatch, playbook, room, trust
from chalicelib.journey import events as e
from chalicelib.journey.rules import leads_to
from chalicelib.journey.state import Answer, Stage
from chalicelib.journey.turn import Turn

#: Within what working time a person looks at an answer that may be a machine's.
LOOK_WITHIN = "P1BD"
#: Who says the same again within it has gone back and pressed once more; later it says that nothing is better.
_ONE_SITTING = timedelta(hours=1)


@leads_to(Stage.CHECKING_IN, Stage.RECOVERING, of=(Stage.WAITING, Stage.ASKED))
@leads_to(Stage.RECOVERING, Stage.LOYAL, of=(Stage.CHECKING_IN,))
def weigh(turn: Turn) -> None:
    """Keep what the customer said; a bad answer has exactly one recovery, a doubtful one a person's look."""
    event = turn.event
    assert isinstance(event, e.AnswerGiven)  # noqa: S101 - the table gives no other
    kept = next((answer for answer in turn.journey.answers if answer.id == event.answer_id), None)
    if event.returned and kept is not None:
        recover(turn, kept)  # it was carried to a journey that never began, and is kept here already
        return
    if _is_full(turn, event.answer_id):
        return
    answer = _answer_of(turn, event)
    if not answer.counts:
        _look_at_suspect(turn, answer)
    keep(turn, answer)
    if answer.counts:
        _take_at_its_word(turn, answer)


def _take_at_its_word(turn: Turn, answer: Answer) -> None:
    _mark_answered(turn, answer)
    if answer.negative:
        recover(turn, answer)
    elif not _said_just_before(turn, answer):
        _accept(turn, answer)


def _said_just_before(turn: Turn, answer: Answer) -> bool:
    """Say whether the last answer to that question said the same: who goes back and presses again tells nothing new."""
    standing = [a for a in turn.journey.answers if a.counts and not a.from_journey and a.touch_id == answer.touch_id]
    before = next((a for a in reversed(standing) if a.id != answer.id), None)
    if before is None or answer.from_journey or abs(answer.at - before.at) > _ONE_SITTING:
        return False
    return (before.scores, before.words, before.call_back) == (answer.scores, answer.words, answer.call_back)


def _confirmed_before(turn: Turn, touch_id: str) -> int:
    """Count the answers to one question that stand: the next one is that revision of the first."""
    return sum(a.touch_id == touch_id and a.counts and not a.from_journey for a in turn.journey.answers)


def _answer_of(turn: Turn, event: e.AnswerGiven) -> Answer:
    suspect = trust.suspicion(event, turn.journey, turn.documents)
    answer = Answer(
        id=event.answer_id,
        touch_id=event.touch_id,
        at=event.occurred_at,
        scores=dict(event.scores),
        words=event.words,
        call_back=event.call_back,
        suspect=suspect,
        revision=0 if suspect or event.from_journey else _confirmed_before(turn, event.touch_id),
        from_journey=event.from_journey,
        client=event.evidence.client,
    )
    return replace(answer, negative=playbook.is_negative(answer, turn.documents))


def keep(turn: Turn, answer: Answer) -> None:
    """Write an answer beside those before it, with as much of its words as there is room; none is ever taken away."""
    before = turn.journey.answers
    turn.change(answers=(*before, replace(answer, words=room.fitting(answer.words, (a.words for a in before)))))


def _is_full(turn: Turn, answer_id: str) -> bool:
    """Say whether no more answers fit: then one stands as a fact only, and a lead is told, once."""
    if len(turn.journey.answers) < room.MOST_ANSWERS:
        return False
    told = "too-many-answers"
    if told not in turn.journey.tried:
        turn.change(tried=(*turn.journey.tried, told))
        turn.notify_rank(told, "lead", "too_many_answers", about=answer_id)
    return True


def _mark_answered(turn: Turn, answer: Answer) -> None:
    """An answer proves that its mail arrived, whatever else is known of it, and ends its reminders.

    Words alone do not answer what was asked: they come when a rating is given already, or too late.
    """
    touch = turn.journey.touch(answer.touch_id)
    if touch is None or not answer.scores or answer.from_journey:
        return
    turn.put(replace(touch, answered_at=touch.answered_at or answer.at))
    if touch.kind == "survey":
        turn.drop_planned("answered", kinds=("reminder",))


def _mark_recovery(turn: Turn, answer: Answer) -> None:
    """Write on the answer which recovery it has."""
    number = turn.journey.recoveries[-1].number
    kept = tuple(replace(a, recovery=number) if a.id == answer.id else a for a in turn.journey.answers)
    turn.change(answers=kept)


def recover(turn: Turn, answer: Answer) -> None:
    """Open the recovery that a bad answer calls for, or let the open one hear of it; the answer says which it is."""
    touch = turn.journey.touch(answer.touch_id)
    at_check_in = touch is not None and touch.kind == "check-in" and not answer.from_journey
    recovery = turn.journey.recovery
    if recovery is None:
        playbook.open_recovery(turn, answer, at_check_in=at_check_in)
    else:
        # A second word on an older check-in says nothing of this repair.
        relapse = at_check_in and touch is not None and touch.recovery == recovery.number
        again = _said_just_before(turn, answer)
        playbook.join_recovery(turn, answer, recovery, relapse=relapse, again=again)
    _mark_recovery(turn, answer)


def _accept(turn: Turn, answer: Answer) -> None:
    """A good answer, or one that a person should look at: words without a rating, or a lukewarm one."""
    reason = _why_look(turn, answer)
    if reason:
        due = turn.documents.settings.calendar.add(turn.now, clock.span("P1BD" if reason != "lukewarm" else "P2BD"))
        turn.notify_rank(f"look-{answer.id}", "lead", reason, about=answer.id, due=due)
    elif answer.words and turn.journey.recovery is None:
        mismatch.look_at_words(turn, answer)
    if turn.journey.stage in {Stage.WAITING, Stage.ASKED} and answer.scores and not answer.from_journey:
        turn.change(stage=Stage.CHECKING_IN)
        cadence.plan_track(turn, "after_content_answer", answer.at)
    if turn.journey.recovery is not None and (answer.words or answer.revision):
        # A better word while we are still putting it right: the owner should know before the next step.
        number = turn.journey.recovery.number
        turn.notify(f"recovery-{number}-again-{answer.id}", turn.owner(), "answered_again", about=answer.id)
    _reassure(turn, answer)
    endings.confirm(turn)


def _why_look(turn: Turn, answer: Answer) -> str:
    """Return why a person should look at an answer that opens no recovery, or an empty text."""
    grounds = (
        (answer.call_back, "call_back"),
        (playbook.is_urgent(answer.words, turn.documents), "urgent_words"),
        # No figure says how they feel: only a reader can.
        (bool(answer.words) and not answer.scores, "words_alone"),
        (playbook.crosses(answer.scores, turn.documents.cadence.weighing.look), "lukewarm"),
        # "Not solved" where the cadence does not count it as bad.
        (answer.scores.get("solved") == 0, "lukewarm"),
    )
    return next((reason for holds, reason in grounds if holds), "")


def _reassure(turn: Turn, answer: Answer) -> None:
    """A recovered customer who is satisfied again is reassured, until they come back."""
    recovered = turn.journey.stage is Stage.CHECKING_IN and turn.journey.track == "after_recovery"
    rule = turn.documents.cadence.loyalty
    if recovered and answer.scores.get("csat", 0) >= rule.csat_min and turn.person.loyalty.state == "recovering":
        fact = f"csat {answer.scores['csat']} on {answer.at:%Y-%m-%d}"
        turn.person = loyalty.standing(turn.person, "reassured", turn.now, (fact,), rule.expires)


def _look_at_suspect(turn: Turn, answer: Answer) -> None:
    """Put a suspect answer that is bad, or says something, before a person: once for all that came of one mail.

    A machine that presses everything makes dozens of them, and one look settles what it was.
    """
    if not answer.needs_look:
        return
    same_mail = {a.id for a in turn.journey.answers if a.touch_id == answer.touch_id}
    looked_at = [todo.reason for todo in turn.journey.todos if todo.kind == "suspect" and todo.about in same_mail]
    if "suspect_negative" in looked_at or (looked_at and not answer.negative):
        return
    due = turn.documents.settings.calendar.add(turn.now, clock.span(LOOK_WITHIN))
    reason = "suspect_negative" if answer.negative else "suspect_words"
    turn.notify_rank(f"suspect-{answer.id}", "lead", reason, about=answer.id, due=due)


@leads_to(Stage.CHECKING_IN, of=(Stage.WAITING, Stage.ASKED))
@leads_to(Stage.RECOVERING)
def judge(turn: Turn) -> None:
    """A person looked at a suspect answer. If a person gave it, it is taken at its word from now on."""
    judged = _judged(turn)
    if judged is not None and judged.counts:
        _take_at_its_word(turn, judged)


@leads_to(Stage.RECOVERING)
def judge_superseded(turn: Turn) -> None:
    """As `judge`, where a bad answer belongs to the journey that followed, if one can."""
    judged = _judged(turn)
    if judged is None or not judged.counts or not judged.negative:
        return
    if turn.journey.withdrawn or turn.journey.case is None:
        recover(turn, judged)
        return
    carried = e.AnswerGiven(
        event_id=f"judged/{judged.id}",
        occurred_at=turn.now,
        journey_id=turn.journey.id,
        answer_id=judged.id,
        touch_id=judged.touch_id,
        scores=judged.scores,
        words=judged.words,
        call_back=judged.call_back,
        from_journey=judged.from_journey,
    )
    _carry_on(turn, carried)


def _judged(turn: Turn) -> Answer | None:
    """Write the judgement on its answer; None when there is none to judge, or somebody has judged it."""
    event = turn.event
    assert isinstance(event, e.AnswerJudged)  # noqa: S101 - the table gives no other
    answer = next((a for a in turn.journey.answers if a.id == event.answer_id and a.waits), None)
    if answer is None:
        turn.ignore("nothing waits for this judgement")
        return None
    judged = replace(
        answer,
        judged="person" if event.human else "machine",
        judged_by=event.by,
        judged_at=turn.now,
        revision=_confirmed_before(turn, answer.touch_id) if event.human and not answer.from_journey else 0,
    )
    turn.change(answers=tuple(judged if a.id == answer.id else a for a in turn.journey.answers))
    return judged


@leads_to(Stage.RECOVERING)
def weigh_late(turn: Turn) -> None:
    """A bad answer reopens a journey that had ended; a good one is kept."""
    weigh(turn)


@leads_to(Stage.RECOVERING)
def carry(turn: Turn) -> None:
    """An answer about a resolution that was undone: kept here, and a bad one goes to the journey that followed.

    Nothing follows a case that was withdrawn, nor one that stayed reopened: there the answer has its recovery here.
    """
    event = turn.event
    assert isinstance(event, e.AnswerGiven)  # noqa: S101 - the table gives no other
    if turn.journey.withdrawn or event.returned:
        weigh(turn)
        return
    if _is_full(turn, event.answer_id):
        return
    answer = _answer_of(turn, event)
    if not answer.counts:
        _look_at_suspect(turn, answer)
    keep(turn, answer)
    if answer.counts and answer.negative:
        if not event.from_journey:
            turn.notify_rank(f"carried-{answer.id}", "lead", "answered_while_reopened", about=answer.id)
        _carry_on(turn, event)
    elif answer.counts and _why_look(turn, answer) == "words_alone":
        due = turn.documents.settings.calendar.add(turn.now, clock.span(LOOK_WITHIN))
        turn.notify_rank(f"look-{answer.id}", "lead", "words_alone", about=answer.id, due=due)


def _carry_on(turn: Turn, event: e.AnswerGiven) -> None:
    """Give a bad answer to the journey of the next resolution; nothing follows what is no case."""
    case = turn.journey.case
    if case is None:
        return
    successor = e.journey_of_case(case.source, case.case_id, case.epoch + 1)
    origin = event.from_journey or turn.journey.id
    turn.tell(replace(event, journey_id=successor, from_journey=origin, event_id=f"{event.event_id}/{case.epoch + 1}"))


def carry_back(turn: Turn, event: e.AnswerGiven) -> None:
    """Give a carried answer back to the journey in which it was given, which owes it its recovery from now on."""
    name = f"{event.event_id}/returned"
    turn.tell(replace(event, event_id=name, journey_id=event.from_journey, from_journey="", returned=True))
