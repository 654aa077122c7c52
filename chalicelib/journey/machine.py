"""The state machine: one table, (stage, event) to function.

Two rules. All that decides where a journey goes stands in `TABLE`; a duplicate or a late event that changes nothing
is a row too, with its reason. Nothing here may know how a journey is stored, who calls, or what time it is but for
the event's own.
"""

from datetime import datetime, timedelta
from decimal import Decimal

from msgspec.structs import replace

from chalicelib.journey import (
    answers,
    attention,
    cadence,
    clock,
    delivery,
    endings,
    mismatch,
    people,
    playbook,
    replies,
    silence,
)
from chalicelib.journey import events as e
from chalicelib.journey.documents import Documents
from chalicelib.journey.effects import ALARM_KEY, Decision, SetAlarm
from chalicelib.journey.errors import ActRefused
from chalicelib.journey.rules import BORN, CALM, LEADS, OPEN, Rule, ignore, leads_to
from chalicelib.journey.state import MOST_REMEMBERED, OUTCOMES, Answer, Ending, Journey, Person, Redress, Stage
from chalicelib.journey.turn import NOT_OWED, Turn


def decide(journey: Journey, person: Person, event: e.JourneyEvent, documents: Documents) -> Decision:
    """Return what should be true after this event, and the effects that make it so.

    ``journey`` and ``person`` are as stored, or empty ones (stage unborn, no id) where nothing is stored yet.
    Raises ActRefused for an act of staff that the playbook does not allow now.
    """
    turn = Turn(journey, person, event, documents)
    _apply(turn)
    if turn.changed:
        _unpark(turn)
        endings.close_watch(turn)
        attention.settle(turn)
        _settle_wake(turn, before=journey.wake_at)
    return turn.decision()


def _apply(turn: Turn) -> None:
    """Run the row; a journey whose person was erased has nothing left that anything could happen to.

    But an answer carried to it was given elsewhere, by somebody who may have come anew: it goes back there.
    """
    if turn.journey.erased_at is None:
        TABLE[turn.journey.stage, type(turn.event)](turn)
    elif isinstance(turn.event, e.AnswerGiven) and turn.event.from_journey:
        answers.carry_back(turn, turn.event)
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
        answers.carry_back(turn, event)
    turn.change(born_at=None, parked=tuple(event for event in turn.journey.parked if event not in carried))


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
    turn.person = people.with_details(person, customer, turn.now)
    turn.change_person(open_journeys=(*turn.person.open_journeys, turn.journey.id)[-MOST_REMEMBERED:])
    turn.change(
        stage=stage,
        person_id=customer.person_id,
        case=case,
        cadence=(turn.documents.cadence.name, turn.documents.cadence_version),
        playbook=(turn.documents.playbook.name, turn.documents.playbook_version),
        born_at=turn.now,
    )


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
    answers.keep(turn, answer)
    answers.recover(turn, answer)
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
    endings.close_asking(turn)


# -- what is heard ---------------------------------------------------------------------------------------


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
    endings.end_unknown(turn, f"stopped by {event.by} on {turn.now:%Y-%m-%d}")


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
    endings.close_asking(turn)


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


# -- the table -------------------------------------------------------------------------------------------


_DUPLICATE = ignore("the journey has begun: a second copy of its beginning")
_OVER = ignore("the journey has ended; a new resolution starts a new one")
_STILL_OWED = ignore("what a customer told us is owed an answer, whatever the helpdesk thinks of the case")
_NO_ALARM = ignore("a journey that has ended needs no waking")
_NOT_BEGUN = ignore("a journey that has not begun cannot be stopped")
_NO_WATCH = ignore("nothing here waits for a purchase")


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
    **_rows(OPEN, e.AnswerGiven, answers.weigh),
    **_rows(_FINAL_BUT_SUPERSEDED, e.AnswerGiven, answers.weigh_late),
    (Stage.SUPERSEDED, e.AnswerGiven): answers.carry,
    **_rows(BORN, e.WordsWeighed, _hear_weight),
    **_rows((*OPEN, *_FINAL_BUT_SUPERSEDED), e.AnswerJudged, answers.judge),
    (Stage.SUPERSEDED, e.AnswerJudged): answers.judge_superseded,
    **_rows(BORN, e.ReplyReceived, _hear_reply),
    **_rows(BORN, e.ProposalAnswered, _hear_word),
    **_rows(BORN, e.StaffActed, _act),
    **_rows(OPEN, e.AlarmRang, _ring),
    **_rows(OUTCOMES, e.AlarmRang, _NO_ALARM),
    **_rows((Stage.CHECKING_IN,), e.PurchaseNoted, endings.note_purchase),
    **_rows((Stage.WAITING, Stage.ASKED, Stage.RECOVERING, *OUTCOMES), e.PurchaseNoted, _NO_WATCH),
    **_rows(BORN, e.OptedOut, silence.opt_out),
    **_rows(BORN, e.PersonSilenced, silence.hear_silence),
    **_rows(BORN, e.MailSent, delivery.sent),
    **_rows(BORN, e.MailDelayed, delivery.delayed),
    **_rows(BORN, e.MailDelivered, delivery.delivered),
    **_rows(BORN, e.MailDeferred, delivery.deferred),
    **_rows(BORN, e.MailNotSent, delivery.not_sent),
    **_rows(BORN, e.MailBounced, delivery.bounced),
    **_rows(BORN, e.MailComplained, delivery.complained),
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
    for start, to in LEADS.get(rule, ())
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
