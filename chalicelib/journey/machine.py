"""The state machine: one table, (stage, event) to function.

Two rules. All that decides where a journey goes stands in `TABLE`; a duplicate or a late event that changes nothing
is a row too, with its reason. Nothing here may know how a journey is stored, who calls, or what time it is but for
the event's own.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal

from msgspec.structs import replace

from chalicelib.journey import attention, budget, cadence, clock, loyalty, mismatch, playbook, replies, trust
from chalicelib.journey import events as e
from chalicelib.journey.documents import Documents
from chalicelib.journey.effects import ALARM_KEY, Decision, ErasePerson, SetAlarm
from chalicelib.journey.errors import ActRefused
from chalicelib.journey.state import (
    MOST_REMEMBERED,
    OUTCOMES,
    Answer,
    Ending,
    Journey,
    Person,
    Purchase,
    Redress,
    Stage,
    Suppression,
    Touch,
)
from chalicelib.journey.turn import NOT_OWED, Turn, telling_others

Rule = Callable[[Turn], None]
#: Stages of a journey that may end at any moment, for no recovery is open.
CALM = (Stage.WAITING, Stage.ASKED, Stage.CHECKING_IN)
OPEN = (*CALM, Stage.RECOVERING)
BORN = (*OPEN, *OUTCOMES)
#: How a journey ends whose survey could not even be sent, where that says something of the customer.
_UNASKED = {
    "opted_out": Stage.OPTED_OUT,
    "complaint": Stage.OPTED_OUT,
    "hard_bounce": Stage.UNREACHABLE,
    "soft_bounce": Stage.UNREACHABLE,
    "mailbox_full": Stage.UNREACHABLE,
    "no_address": Stage.UNREACHABLE,
}
#: Reasons of mail that came back from an address that may be right.
_SOFT = {"soft_bounce", "mailbox_full", "content_refused"}
#: Reasons for which a customer cannot be reached by mail: an owner must find another way.
_UNREACHED = {"no_address", "hard_bounce", *_SOFT, "complaint", "opted_out", "refused", "unknown_outcome"}


#: Within what working time a person looks at an answer that may be a machine's.
LOOK_WITHIN = "P1BD"
_LEADS: dict[Rule, list[tuple[Stage | None, Stage]]] = {}


def leads_to(*stages: Stage, of: tuple[Stage, ...] = ()) -> Callable[[Rule], Rule]:
    """Declare to which stages a rule may lead, from the stages ``of``, or from all that have a row with it.

    The diagram in the docs draws what is declared; the tests hold it against every history that they play.
    """

    def declare(rule: Rule) -> Rule:
        _LEADS.setdefault(rule, []).extend((start, stage) for start in of or (None,) for stage in stages)
        return rule

    return declare


def decide(journey: Journey, person: Person, event: e.JourneyEvent, documents: Documents) -> Decision:
    """Return what should be true after this event, and the effects that make it so.

    ``journey`` and ``person`` are as stored, or empty ones (stage unborn, no id) where nothing is stored yet.
    Raises ActRefused for an act of staff that the playbook does not allow now.
    """
    turn = Turn(journey, person, event, documents)
    _apply(turn)
    if turn.changed:
        _unpark(turn)
        _close_watch(turn)
        attention.settle(turn)
        _settle_wake(turn, before=journey.wake_at)
    return turn.decision()


def decide_person(person: Person, event: e.PersonEvent) -> Decision:
    """Return the person after what is about them alone, and what is owed for it."""
    if isinstance(event, e.PurchaseMade):
        return _purchase(person, event)
    if not person.id or (isinstance(event, e.ErasureAsked) and person.erased_at is not None):
        return Decision(journey=None, person=person, changed=False, note="nothing is known of this person")
    return _correct(person, event) if isinstance(event, e.AddressCorrected) else _ask_erasure(person, event)


def _correct(person: Person, event: e.AddressCorrected) -> Decision:
    """From now on mail goes to the new address: a bounce or a complaint of the old one says nothing about it."""
    if person.customer is None or person.email == event.email:
        return Decision(journey=None, person=person, changed=False, note="it is their address already")
    right = replace(person.customer, email=event.email)
    return Decision(journey=None, person=replace(person, customer=right, details_at=event.occurred_at))


def _ask_erasure(person: Person, event: e.ErasureAsked) -> Decision:
    """Nothing of the person is left from this commit on; the worker sees to all else that is stored."""
    blank = Person(id=person.id, erased_at=event.occurred_at)
    return Decision(
        journey=None, person=blank, effects=(ErasePerson(key="erase", person_id=person.id, asked_at=event.occurred_at),)
    )


def _purchase(person: Person, event: e.PurchaseMade) -> Decision:
    """Return the person with that purchase, and the journeys that must hear of it."""
    person = _with_details(person, event.customer, event.occurred_at)
    person = loyalty.add_purchase(person, Purchase(at=event.occurred_at, paid=event.paid))
    came_back = person.loyalty.state in {"reassured", "lost", "lapsed", "unknown"} and person.loyalty.since is not None
    if event.paid and came_back:
        fact = f"bought on {event.occurred_at:%Y-%m-%d}"
        person = loyalty.standing(person, "returned", event.occurred_at, (fact,))
    noted = e.PurchaseNoted(event_id=event.event_id, occurred_at=event.occurred_at)
    effects = (telling_others(person.id, noted),) if person.open_journeys else ()
    return Decision(journey=None, person=person, effects=effects)


def _apply(turn: Turn) -> None:
    """Run the row; a journey whose person was erased has nothing left that anything could happen to.

    But an answer carried to it was given elsewhere, by somebody who may have come anew: it goes back there.
    """
    if turn.journey.erased_at is None:
        TABLE[turn.journey.stage, type(turn.event)](turn)
    elif isinstance(turn.event, e.AnswerGiven) and turn.event.from_journey:
        _carry_back(turn, turn.event)
    else:
        turn.ignore("the person of this journey was erased")


# -- early events ----------------------------------------------------------------------------------------


def _park(turn: Turn) -> None:
    """Keep an event that came before the journey's beginning; nothing is dropped for being early."""
    if any(other.event_id == turn.event.event_id for other in turn.journey.parked):
        turn.ignore("already parked")
        return
    parked = sorted((*turn.journey.parked, turn.event), key=lambda other: (other.occurred_at, other.event_id))
    turn.change(parked=tuple(parked), born_at=turn.journey.born_at or turn.now)


def _unpark(turn: Turn) -> None:
    """Give parked events, oldest first, to a journey that has begun."""
    if turn.journey.stage is Stage.UNBORN or not turn.journey.parked:
        return
    waiting, now = turn.journey.parked, turn.event
    turn.change(parked=())
    for event in waiting:
        # An event that was early is decided at the time at which it could be: never before the beginning.
        turn.event = replace(event, occurred_at=max(event.occurred_at, now.occurred_at))
        _apply(turn)
        turn.changed, turn.note = True, ""
    turn.event = now


def _expire_parked(turn: Turn) -> None:
    """The beginning never came: a person is told, once. What is parked stays, for the journey may still begin.

    But a customer's bad answer waits no longer: it goes back to where it was given, and has its recovery there.
    """
    turn.notify_rank(f"parked-{turn.event.event_id}", "lead", "never_resolved", about=turn.journey.parked[0].event_id)
    carried = [event for event in turn.journey.parked if isinstance(event, e.AnswerGiven) and event.from_journey]
    for event in carried:
        _carry_back(turn, event)
    turn.change(born_at=None, parked=tuple(event for event in turn.journey.parked if event not in carried))


def _carry_back(turn: Turn, event: e.AnswerGiven) -> None:
    """Give a carried answer back to the journey in which it was given, which owes it its recovery from now on."""
    name = f"{event.event_id}/returned"
    turn.tell(replace(event, event_id=name, journey_id=event.from_journey, from_journey="", returned=True))


# -- beginnings ------------------------------------------------------------------------------------------


@leads_to(Stage.WAITING, Stage.UNKNOWN)
def _start(turn: Turn) -> None:
    event = turn.event
    assert isinstance(event, e.CaseResolved)  # noqa: S101 - the table gives no other
    _begin(turn, event.case, event.customer, Stage.WAITING)
    _supersede_earlier_epoch(turn, event)
    cadence.plan_survey(turn, event.case.resolved_at or event.occurred_at)
    if not event.case.human_exchange and "no_human_exchange" in turn.documents.cadence.survey.cancel_if:
        turn.drop_planned("no_human_exchange")
        turn.end(Stage.UNKNOWN, f"nobody had dealt with the customer in person by {turn.now:%Y-%m-%d}: no survey")


def _begin(turn: Turn, case: e.Case, customer: e.Customer, stage: Stage) -> None:
    person = turn.person if turn.person.id else Person(id=customer.person_id)
    turn.person = _with_details(person, customer, turn.now)
    turn.change_person(open_journeys=(*turn.person.open_journeys, turn.journey.id)[-MOST_REMEMBERED:])
    turn.change(
        stage=stage,
        person_id=customer.person_id,
        case=case,
        cadence=(turn.documents.cadence.name, turn.documents.cadence_version),
        playbook=(turn.documents.playbook.name, turn.documents.playbook_version),
        born_at=turn.now,
    )


def _with_details(person: Person, customer: e.Customer, at: datetime) -> Person:
    """Return the person with the newest details known; what a newer source leaves out keeps its old value."""
    if not person.id:
        person = Person(id=customer.person_id)
    old = person.customer or customer
    newer = person.details_at is None or at >= person.details_at
    first, second = (customer, old) if newer else (old, customer)
    names = ("customer_id", "email", "first_name", "last_name", "locale", "zone")
    merged = e.Customer(person_id=person.id, **{name: getattr(first, name) or getattr(second, name) for name in names})
    dated = at if newer and customer.email else person.details_at
    # Who comes back after an erasure begins anew: nothing of before is left to join it to.
    return replace(person, customer=merged, details_at=dated, erased_at=None)


def _supersede_earlier_epoch(turn: Turn, event: e.CaseResolved) -> None:
    """A new resolution says by itself that the one before no longer holds, should nobody have told us."""
    case = event.case
    earlier = e.journey_of_case(case.source, case.case_id, case.epoch - 1)
    if earlier in turn.person.open_journeys:
        turn.tell(
            e.CaseReopened(event_id=f"reopened/{case.epoch - 1}", occurred_at=event.occurred_at, journey_id=earlier)
        )


@leads_to(Stage.RECOVERING)
def _log_failure(turn: Turn) -> None:
    event = turn.event
    assert isinstance(event, e.FailureLogged)  # noqa: S101 - the table gives no other
    _begin(turn, event.case, event.customer, Stage.RECOVERING)
    answer = Answer(id=event.event_id, touch_id="remark", at=turn.now, scores={}, words=event.words, negative=True)
    _keep(turn, answer)
    playbook.open_recovery(turn, answer)
    _mark_recovery(turn, answer)
    if event.gesture is not None:
        _give_gesture(turn, event)


def _give_gesture(turn: Turn, event: e.FailureLogged) -> None:
    """Goodwill given on the spot, within what one person may spend; raises ActRefused above it."""
    most = turn.documents.settings.mandate.max
    if event.gesture is None or Decimal(event.gesture) > most:
        reason = "above_mandate"
        raise ActRefused(reason, f"On the spot you may give up to {most} {event.currency}: more needs a lead's word.")
    recovery = turn.journey.recoveries[-1]
    line = Redress(
        kind="goodwill",
        amount=event.gesture,
        currency=event.currency,
        by=event.logged_by or recovery.owner,
        delivered_at=turn.now,
    )
    turn.put_recovery(replace(recovery, redress=(*recovery.redress, line)))


# -- answers ---------------------------------------------------------------------------------------------


@leads_to(Stage.CHECKING_IN, Stage.RECOVERING, of=(Stage.WAITING, Stage.ASKED))
@leads_to(Stage.RECOVERING, Stage.LOYAL, of=(Stage.CHECKING_IN,))
def _weigh_answer(turn: Turn) -> None:
    """Keep what the customer said; a bad answer has exactly one recovery, a doubtful one a person's look."""
    event = turn.event
    assert isinstance(event, e.AnswerGiven)  # noqa: S101 - the table gives no other
    kept = next((answer for answer in turn.journey.answers if answer.id == event.answer_id), None)
    if event.returned and kept is not None:
        _recover(turn, kept)  # it was carried to a journey that never began, and is kept here already
        return
    answer = _answer_of(turn, event)
    if not answer.counts:
        _look_at_suspect(turn, answer)
    _keep(turn, answer)
    if answer.counts:
        _take_at_its_word(turn, answer)


def _take_at_its_word(turn: Turn, answer: Answer) -> None:
    _mark_answered(turn, answer)
    if answer.negative:
        _recover(turn, answer)
    else:
        _accept(turn, answer)


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


def _keep(turn: Turn, answer: Answer) -> None:
    turn.change(answers=(*turn.journey.answers, answer))


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


def _recover(turn: Turn, answer: Answer) -> None:
    touch = turn.journey.touch(answer.touch_id)
    at_check_in = touch is not None and touch.kind == "check-in" and not answer.from_journey
    recovery = turn.journey.recovery
    if recovery is None:
        playbook.open_recovery(turn, answer, at_check_in=at_check_in)
    else:
        # A second word on an older check-in says nothing of this repair.
        relapse = at_check_in and touch is not None and touch.recovery == recovery.number
        playbook.join_recovery(turn, answer, recovery, relapse=relapse)
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
    _confirm(turn)


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
def _judge(turn: Turn) -> None:
    """A person looked at a suspect answer. If a person gave it, it is taken at its word from now on."""
    judged = _judged(turn)
    if judged is not None and judged.counts:
        _take_at_its_word(turn, judged)


@leads_to(Stage.RECOVERING)
def _judge_superseded(turn: Turn) -> None:
    """As `_judge`, where a bad answer belongs to the journey that followed, if one can."""
    judged = _judged(turn)
    if judged is None or not judged.counts or not judged.negative:
        return
    if turn.journey.withdrawn or turn.journey.case is None:
        _recover(turn, judged)
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
def _late_answer(turn: Turn) -> None:
    """A bad answer reopens a journey that had ended; a good one is kept."""
    _weigh_answer(turn)


@leads_to(Stage.RECOVERING)
def _carry_answer(turn: Turn) -> None:
    """An answer about a resolution that was undone: kept here, and a bad one goes to the journey that followed.

    Nothing follows a case that was withdrawn, nor one that stayed reopened: there the answer has its recovery here.
    """
    event = turn.event
    assert isinstance(event, e.AnswerGiven)  # noqa: S101 - the table gives no other
    if turn.journey.withdrawn or event.returned:
        _weigh_answer(turn)
        return
    answer = _answer_of(turn, event)
    if not answer.counts:
        _look_at_suspect(turn, answer)
    _keep(turn, answer)
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


def _hear_weight(turn: Turn) -> None:
    """A program read the words of an answer: angry ones beside a good score are put before a person."""
    event = turn.event
    assert isinstance(event, e.WordsWeighed)  # noqa: S101 - the table gives no other
    mismatch.hear(turn, event)


def _hear_reply(turn: Turn) -> None:
    """A mail came back from the customer: it moves nothing by itself, for a person reads it."""
    event = turn.event
    assert isinstance(event, e.ReplyReceived)  # noqa: S101 - the table gives no other
    replies.hear(turn, event)


def _hear_word(turn: Turn) -> None:
    event = turn.event
    assert isinstance(event, e.ProposalAnswered)  # noqa: S101 - the table gives no other
    playbook.answer_proposal(turn, event)


@leads_to(Stage.CHECKING_IN, Stage.LOST, Stage.OPTED_OUT, Stage.UNREACHABLE, of=(Stage.RECOVERING,))
def _act(turn: Turn) -> None:
    event = turn.event
    assert isinstance(event, e.StaffActed)  # noqa: S101 - the table gives no other
    playbook.act(turn, event)


# -- the alarm -------------------------------------------------------------------------------------------


@leads_to(Stage.UNKNOWN, of=CALM)
@leads_to(Stage.OPTED_OUT, Stage.UNREACHABLE, of=(Stage.WAITING,))
@leads_to(Stage.LOST, of=(Stage.RECOVERING,))
def _ring(turn: Turn) -> None:
    """Do what has fallen due. An early or stale alarm changes nothing."""
    wake = turn.journey.wake_at
    if wake is None or turn.now < wake:
        turn.ignore("stale or early alarm")
        return
    turn.change(rang_at=turn.now)
    if turn.journey.stage is Stage.UNBORN:
        _expire_parked(turn)
        return
    cadence.ring(turn)
    playbook.ring(turn)
    _close_asking(turn)


def _close_asking(turn: Turn) -> None:
    """No answer until the survey's window closed, or no survey at all: unknown, never loyal."""
    journey = turn.journey
    survey = journey.touch("survey")
    if journey.stage not in {Stage.WAITING, Stage.ASKED} or survey is None:
        return
    if survey.status == "not sent":
        fact = f"survey not sent ({survey.reason}) on {turn.now:%Y-%m-%d}"
        outcome = _UNASKED.get(survey.reason)
        turn.end(outcome, fact) if outcome else _end_unknown(turn, fact)
    elif survey.answerable_until is not None and survey.answerable_until <= turn.now and not survey.answered_at:
        _end_unknown(turn, f"survey of {survey.sent_at:%Y-%m-%d} unanswered until {survey.answerable_until:%Y-%m-%d}")


def _end_unknown(turn: Turn, fact: str) -> None:
    turn.end(Stage.UNKNOWN, fact)
    if turn.person.loyalty.state == "recovering" and not turn.person.open_recoveries:
        turn.person = loyalty.standing(turn.person, "unknown", turn.now, (fact,))


def _close_watch(turn: Turn) -> None:
    """Loyal as soon as it is confirmed; unknown when everything was asked, waited for and watched."""
    if turn.journey.stage is not Stage.CHECKING_IN:
        return
    _confirm(turn)
    if turn.journey.stage is Stage.CHECKING_IN:
        _try_in_person(turn)
        if _nothing_to_wait_for(turn.journey, turn.now):
            _end_unknown(turn, _why_unknown(turn))


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


def _confirm(turn: Turn) -> None:
    if turn.journey.stage is not Stage.CHECKING_IN:
        return
    facts = loyalty.confirmed(turn.journey, turn.person, turn.documents, turn.now)
    if facts is not None:
        turn.end(Stage.LOYAL, *facts)
        rule = turn.documents.cadence.loyalty
        turn.person = loyalty.standing(turn.person, "confirmed", turn.now, facts, rule.expires)


@leads_to(Stage.LOYAL)
def _note_purchase(turn: Turn) -> None:
    _confirm(turn)
    if turn.journey.stage is Stage.CHECKING_IN:
        turn.ignore("loyalty is not confirmed yet")


# -- what became of a mail -------------------------------------------------------------------------------


@leads_to(Stage.ASKED, of=(Stage.WAITING,))
def _sent(turn: Turn) -> None:
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
def _delivered(turn: Turn) -> None:
    event = turn.event
    assert isinstance(event, e.MailDelivered)  # noqa: S101 - the table gives no other
    touch = turn.journey.touch(event.touch_id)
    if touch is None or touch.delivered_at is not None:
        turn.ignore("already known to be delivered")
        return
    touch = touch if touch.sent_at else _mark_sent(turn, touch)
    turn.put(replace(touch, delivered_at=event.occurred_at))


def _delayed(turn: Turn) -> None:
    """The mail service keeps trying for hours by itself: what a person sees is since when."""
    event = turn.event
    assert isinstance(event, e.MailDelayed)  # noqa: S101 - the table gives no other
    touch = turn.journey.touch(event.touch_id)
    if touch is None or touch.delayed_at or touch.delivered_at or touch.not_sent_at:
        turn.ignore("already known to be late, or no longer")
        return
    turn.put(replace(touch, delayed_at=event.occurred_at))


def _deferred(turn: Turn) -> None:
    event = turn.event
    assert isinstance(event, e.MailDeferred)  # noqa: S101 - the table gives no other
    touch = turn.journey.touch(event.touch_id)
    if touch is None or touch.status != "due":
        turn.ignore("no longer due")
        return
    turn.put(replace(touch, owed_at=None, due_at=event.until, held=event.reason))


@leads_to(Stage.UNKNOWN, of=(Stage.WAITING, Stage.ASKED))
@leads_to(Stage.OPTED_OUT, Stage.UNREACHABLE, of=(Stage.WAITING,))
def _not_sent(turn: Turn) -> None:
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
    _close_asking(turn)


def _find_another_way(turn: Turn, touch: Touch, reason: str) -> None:
    if reason == "unknown_outcome":
        turn.notify(f"unknown-{touch.id}", turn.owner(), "mail_unknown", about=touch.id)
    elif touch.klass == "response" and reason in _UNREACHED and turn.journey.recovery is not None:
        turn.notify(f"another-way-{touch.id}", turn.owner(), "another_way", about=touch.id)


@leads_to(Stage.UNREACHABLE, of=CALM)
@leads_to(Stage.WAITING, of=(Stage.ASKED,))
@leads_to(Stage.UNKNOWN, of=(Stage.WAITING, Stage.ASKED))
def _bounced(turn: Turn) -> None:
    event = turn.event
    assert isinstance(event, e.MailBounced)  # noqa: S101 - the table gives no other
    if not event.permanent:
        _came_back_for_now(turn, event)
        return
    _mark_undelivered(turn, event.touch_id, "hard_bounce")
    if _suppress(turn, "hard_bounce", event.email):
        _silence(turn, "unreachable", "everything", f"hard bounce on {turn.now:%Y-%m-%d}")


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
def _complained(turn: Turn) -> None:
    event = turn.event
    assert isinstance(event, e.MailComplained)  # noqa: S101 - the table gives no other
    if not _suppress(turn, "complaint", event.email):
        return
    # It is the strongest way of saying no, and outlives the address.
    turn.change_person(no_mail_since=turn.person.no_mail_since or turn.now)
    _silence(turn, "opted_out", "everything", f"marked our mail as spam on {turn.now:%Y-%m-%d}")


def _mark_undelivered(turn: Turn, touch_id: str, reason: str) -> None:
    """The mail came back: the budget has it again, and what is owed to the customer finds another way."""
    touch = turn.journey.touch(touch_id)
    if touch is None or touch.not_sent_at is not None:
        return
    turn.put(replace(touch, not_sent_at=turn.now, reason=reason))
    turn.person = budget.refund(turn.person, touch, turn.journey)
    if reason in _SOFT:
        _find_another_way(turn, touch, reason)
        _close_asking(turn)


def _suppress(turn: Turn, reason: str, email: str = "") -> bool:
    """Suppress the address that this is about; says whether it is still the customer's."""
    address = email or turn.person.email
    if not address:
        return True
    held = Suppression(email=address, reason=reason, at=turn.now)  # type: ignore[arg-type]  # the literals of callers
    turn.suppress.append(held)
    mine = address.lower() == turn.person.email.lower()
    if mine:
        turn.change_person(suppression=held)
    return mine


# -- silence ---------------------------------------------------------------------------------------------


@leads_to(Stage.OPTED_OUT, of=CALM)
def _opt_out(turn: Turn) -> None:
    """Hold what the customer asked for from this commit on, over all their journeys."""
    event = turn.event
    assert isinstance(event, e.OptedOut)  # noqa: S101 - the table gives no other
    if event.scope == "pause":
        turn.change_person(paused_until=turn.now + clock.elapsed(turn.documents.settings.pause))
        return
    turn.change_person(no_asks_since=turn.person.no_asks_since or turn.now)
    if event.scope == "everything":
        turn.change_person(no_mail_since=turn.person.no_mail_since or turn.now)
        _suppress(turn, "opted_out")
    _silence(turn, "opted_out", event.scope, f"opted out of {event.scope} on {turn.now:%Y-%m-%d}")


def _silence(turn: Turn, reason: str, scope: e.Scope, fact: str) -> None:
    """End this journey, or keep only its open recovery going person to person; tell the person's other journeys."""
    _go_quiet(turn, reason, scope, fact)
    turn.tell_other_journeys(
        e.PersonSilenced(
            event_id=f"silenced/{turn.event.event_id}",
            occurred_at=turn.now,
            reason=reason,  # type: ignore[arg-type]  # two literals above
            scope=scope,
        )
    )


def _go_quiet(turn: Turn, reason: str, scope: e.Scope, fact: str) -> None:
    if turn.journey.is_final or turn.journey.stage is Stage.UNBORN:
        return
    recovery = turn.journey.recovery
    if recovery is None:
        turn.end(Stage(reason), fact)
        return
    quiet = "opted_out" if reason == "opted_out" else "hard_bounce"
    turn.drop_planned(quiet, kinds=("survey", "reminder", "check-in", "update", "thank-you"))
    if scope == "everything":
        turn.notify(f"another-way-{turn.event.event_id}", turn.owner(), "another_way", about=str(recovery.number))


@leads_to(Stage.OPTED_OUT, Stage.UNREACHABLE, of=CALM)
def _hear_silence(turn: Turn) -> None:
    event = turn.event
    assert isinstance(event, e.PersonSilenced)  # noqa: S101 - the table gives no other
    _go_quiet(turn, event.reason, event.scope, f"{event.reason} by way of another journey on {turn.now:%Y-%m-%d}")


# -- the case --------------------------------------------------------------------------------------------


@leads_to(Stage.SUPERSEDED)
def _reopen(turn: Turn) -> None:
    playbook.supersede(turn)
    turn.end(Stage.SUPERSEDED, f"case reopened on {turn.now:%Y-%m-%d}")


@leads_to(Stage.SUPERSEDED)
def _withdraw(turn: Turn) -> None:
    event = turn.event
    assert isinstance(event, e.CaseWithdrawn)  # noqa: S101 - the table gives no other
    turn.drop_planned("case_withdrawn")
    turn.change(withdrawn=True)
    turn.end(Stage.SUPERSEDED, f"case withdrawn ({event.reason}) on {turn.now:%Y-%m-%d}")


# -- what staff and leads decide -------------------------------------------------------------------------


def _attend(turn: Turn) -> None:
    attention.attend(turn)


@leads_to(Stage.UNKNOWN)
def _stop(turn: Turn) -> None:
    """End a journey by a lead's word; how it would have ended stays unknown."""
    event = turn.event
    assert isinstance(event, e.JourneyStopped)  # noqa: S101 - the table gives no other
    turn.change(stopped_in=turn.journey.stage.value)
    turn.drop_planned("stopped", kinds=NOT_OWED)
    _end_unknown(turn, f"stopped by {event.by} on {turn.now:%Y-%m-%d}")


def _stop_recovering(turn: Turn) -> None:
    """A customer who was disappointed is owed an answer."""
    del turn
    reason = "recovery_open"
    raise ActRefused(reason, "A recovery is open: close it first, for its customer is owed an answer.")


@leads_to(*CALM, of=(Stage.UNKNOWN,))
def _resume(turn: Turn) -> None:
    """Go on where a lead stopped: what may still be useful is planned again."""
    if not turn.journey.stopped_in:
        reason = "not_stopped"
        raise ActRefused(reason, "This journey was not stopped by anybody: it has ended by itself.")
    turn.change(stage=Stage(turn.journey.stopped_in), stopped_in="")
    turn.change_person(open_journeys=tuple(dict.fromkeys((*turn.person.open_journeys, turn.journey.id))))
    for touch in turn.journey.touches:
        if touch.reason == "stopped" and touch.latest_at > turn.now:
            turn.put(replace(touch, not_sent_at=None, reason="", owed_at=None, due_at=max(touch.due_at, turn.now)))
    _close_asking(turn)


def _cannot_resume(turn: Turn) -> None:
    """Only a stopped journey can go on."""
    del turn
    reason = "not_stopped"
    raise ActRefused(reason, "This journey was not stopped by anybody.")


def _erase_unborn(turn: Turn) -> None:
    """Forget what waited for the beginning; should the case be resolved again, its journey begins like any other."""
    turn.journey = Journey(id=turn.journey.id)


@leads_to(Stage.OPTED_OUT, of=OPEN)
def _erase(turn: Turn) -> None:
    """Leave nothing of the journey but that it was, and how it ended."""
    journey, me = turn.journey, turn.journey.id
    stage = Stage.OPTED_OUT if journey.stage in OPEN else journey.stage
    ending = Ending(outcome=stage, at=turn.now, facts=(f"erased on {turn.now:%Y-%m-%d}",))
    turn.effects.clear()
    turn.journey = Journey(id=me, stage=stage, endings=(ending,) if stage in OUTCOMES else (), erased_at=turn.now)
    turn.change_person(
        open_journeys=tuple(other for other in turn.person.open_journeys if other != me),
        open_recoveries=tuple(other for other in turn.person.open_recoveries if other != me),
        failures=tuple(failure for failure in turn.person.failures if failure[0] != me),
    )


# -- rows that change nothing ----------------------------------------------------------------------------


def _ignore(why: str) -> Rule:
    def ignore(turn: Turn) -> None:
        turn.ignore(why)

    ignore.__name__ = "_ignore"
    ignore.__doc__ = why
    return ignore


_DUPLICATE = _ignore("the journey has begun: a second copy of its beginning")
_OVER = _ignore("the journey has ended; a new resolution starts a new one")
_STILL_OWED = _ignore("what a customer told us is owed an answer, whatever the helpdesk thinks of the case")
_NO_ALARM = _ignore("a journey that has ended needs no waking")
_NOT_BEGUN = _ignore("a journey that has not begun cannot be stopped")
_NO_WATCH = _ignore("nothing here waits for a purchase")


def _rows(stages: tuple[Stage, ...], event: type[e.Happened], rule: Rule) -> dict[tuple[Stage, type[e.Happened]], Rule]:
    return {(stage, event): rule for stage in stages}


_FINAL_BUT_SUPERSEDED = tuple(stage for stage in OUTCOMES if stage is not Stage.SUPERSEDED)
#: Every event in every stage has a row: what has none cannot be added by accident.
TABLE: dict[tuple[Stage, type[e.Happened]], Rule] = {
    **{(Stage.UNBORN, event): _park for event in e.ALL if event not in e.OF_PERSONS},
    (Stage.UNBORN, e.CaseResolved): _start,
    (Stage.UNBORN, e.FailureLogged): _log_failure,
    (Stage.UNBORN, e.AlarmRang): _ring,
    (Stage.UNBORN, e.StaffActed): _act,
    (Stage.UNBORN, e.PurchaseNoted): _NO_WATCH,
    (Stage.UNBORN, e.PersonSilenced): _NO_WATCH,
    (Stage.UNBORN, e.AttentionGiven): _attend,
    (Stage.UNBORN, e.JourneyStopped): _NOT_BEGUN,
    (Stage.UNBORN, e.JourneyResumed): _cannot_resume,
    (Stage.UNBORN, e.PersonErased): _erase_unborn,
    **_rows(BORN, e.CaseResolved, _DUPLICATE),
    **_rows(BORN, e.FailureLogged, _DUPLICATE),
    **_rows(OPEN, e.CaseReopened, _reopen),
    **_rows(OUTCOMES, e.CaseReopened, _OVER),
    # Silence about a resolution that was undone says nothing; its late answers belong to the journey that follows.
    (Stage.UNKNOWN, e.CaseReopened): _reopen,
    **_rows(CALM, e.CaseWithdrawn, _withdraw),
    (Stage.RECOVERING, e.CaseWithdrawn): _STILL_OWED,
    **_rows(OUTCOMES, e.CaseWithdrawn, _OVER),
    **_rows(OPEN, e.AnswerGiven, _weigh_answer),
    **_rows(_FINAL_BUT_SUPERSEDED, e.AnswerGiven, _late_answer),
    (Stage.SUPERSEDED, e.AnswerGiven): _carry_answer,
    **_rows(BORN, e.WordsWeighed, _hear_weight),
    **_rows((*OPEN, *_FINAL_BUT_SUPERSEDED), e.AnswerJudged, _judge),
    (Stage.SUPERSEDED, e.AnswerJudged): _judge_superseded,
    **_rows(BORN, e.ReplyReceived, _hear_reply),
    **_rows(BORN, e.ProposalAnswered, _hear_word),
    **_rows(BORN, e.StaffActed, _act),
    **_rows(OPEN, e.AlarmRang, _ring),
    **_rows(OUTCOMES, e.AlarmRang, _NO_ALARM),
    **_rows((Stage.CHECKING_IN,), e.PurchaseNoted, _note_purchase),
    **_rows((Stage.WAITING, Stage.ASKED, Stage.RECOVERING, *OUTCOMES), e.PurchaseNoted, _NO_WATCH),
    **_rows(BORN, e.OptedOut, _opt_out),
    **_rows(BORN, e.PersonSilenced, _hear_silence),
    **_rows(BORN, e.MailSent, _sent),
    **_rows(BORN, e.MailDelayed, _delayed),
    **_rows(BORN, e.MailDelivered, _delivered),
    **_rows(BORN, e.MailDeferred, _deferred),
    **_rows(BORN, e.MailNotSent, _not_sent),
    **_rows(BORN, e.MailBounced, _bounced),
    **_rows(BORN, e.MailComplained, _complained),
    **_rows(BORN, e.AttentionGiven, _attend),
    **_rows(CALM, e.JourneyStopped, _stop),
    (Stage.RECOVERING, e.JourneyStopped): _stop_recovering,
    **_rows(OUTCOMES, e.JourneyStopped, _OVER),
    **_rows(BORN, e.JourneyResumed, _cannot_resume),
    (Stage.UNKNOWN, e.JourneyResumed): _resume,
    **_rows(BORN, e.PersonErased, _erase),
}

#: What any event may lead to besides, when it leaves a journey with nothing to ask, to wait for or to watch.
SETTLES = {Stage.CHECKING_IN: (Stage.LOYAL, Stage.UNKNOWN)}
#: Every (stage, event, stage it may lead to) that is declared.
ARROWS = frozenset(
    (stage, event, to)
    for (stage, event), rule in TABLE.items()
    for start, to in _LEADS.get(rule, ())
    if start in {None, stage}
)


# -- the next wake-up ------------------------------------------------------------------------------------


def next_wake(journey: Journey, documents: Documents, now: datetime) -> datetime | None:
    """Return the journey's next wake-up instant, or None when nothing is left to wait for.

    Every journey that is not final has one, or an owed effect. It is never an instant at which the journey rang
    before, even when the event is old news: a second alarm for it would pass for a copy of the first.
    """
    now = max(now, journey.rang_at or now)
    if journey.stage is Stage.UNBORN:
        since = journey.born_at if journey.parked else None
        return since + clock.elapsed(documents.settings.parked_at_most) if since else None
    instants = [touch.due_at for touch in journey.touches if touch.is_planned]
    if not journey.is_final:
        instants += _windows(journey, now)
        instants += playbook.next_instants(journey, documents)
        instants += [journey.watch_until] if journey.watch_until and journey.watch_until > now else []
    if not instants and journey.stage is Stage.RECOVERING:
        instants = [now + clock.elapsed(documents.playbook.idle_look_every)]
    return max(min(instants), now + _TICK) if instants else None


#: An alarm never wakes a journey at the instant at which it was just decided.
_TICK = timedelta(seconds=1)


def _windows(journey: Journey, now: datetime) -> list[datetime]:
    """Return when the answer windows close that something still depends on."""
    asks = (t for t in journey.touches if t.klass == "ask" and t.sent_at and not t.answered_at)
    return [t.answerable_until for t in asks if t.answerable_until and t.answerable_until > now]


def _settle_wake(turn: Turn, before: datetime | None) -> None:
    """Compute the next wake-up instant; owe the setting of the alarm when it changed."""
    wake = next_wake(turn.journey, turn.documents, turn.now)
    if _is_late(turn, before):
        wake = turn.now + _TICK
    turn.change(wake_at=wake)
    still_set = before is not None and before > turn.now
    if wake != before and (wake is not None or still_set):
        turn.owe(SetAlarm(key=ALARM_KEY, journey_id=turn.journey.id))


def _is_late(turn: Turn, before: datetime | None) -> bool:
    """Say whether this event overtook an alarm: what that one was set for is still to be done."""
    overtaken = before is not None and before <= turn.now and not isinstance(turn.event, e.AlarmRang)
    return overtaken and turn.journey.stage in OPEN
