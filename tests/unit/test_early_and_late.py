"""Facts come twice, too early, too late and in the wrong order. None is lost, and none is acted on twice."""

import pytest
from msgspec.structs import replace

from chalicelib.journey import events as e
from chalicelib.journey.effects import Decision, SetAlarm, Tell
from chalicelib.journey.errors import ActRefused
from chalicelib.journey.state import OUTCOMES, Answer, Ending, Journey, Person, Stage
from tests.unit.builders import MONDAY, History, case, customer, days, hours, mails

TUESDAY = MONDAY + days(1)


# -- before the beginning --------------------------------------------------------------------------------


def test_an_event_before_the_beginning_is_parked():
    history = History()
    decision = history.reopened()
    assert decision == Decision(
        journey=Journey(
            id=history.journey.id,
            parked=(e.CaseReopened(event_id="CaseReopened-1", occurred_at=MONDAY, journey_id=history.journey.id),),
            born_at=MONDAY,
            wake_at=MONDAY + days(30),
        ),
        person=None,
        effects=(SetAlarm(key="alarm", journey_id=history.journey.id),),
    )


def test_the_same_early_event_is_parked_once():
    history = History()
    history.happens(e.CaseReopened, event_id="reopened/1")
    before = history.journey
    again = history.happens(e.CaseReopened, event_id="reopened/1")
    assert again == Decision(before, None, changed=False, note="already parked")


def test_a_reopening_that_overtakes_its_resolution_supersedes_it():
    history = History()
    history.reopened()
    history.waits(hours(1))
    history.resolved()
    assert history.statuses() == {"survey": "case_reopened"}
    assert history.journey.endings == (Ending(Stage.SUPERSEDED, MONDAY + hours(1), ("case reopened on 2026-06-01",)),)
    assert (history.journey.parked, history.journey.wake_at) == ((), None)


def test_parked_events_are_given_oldest_first_and_never_before_the_beginning():
    history = History()
    history.answers(csat=5, at=MONDAY - hours(1), answer_id="second")
    history.answers(csat=1, at=MONDAY - hours(2), answer_id="first")
    assert [event.answer_id for event in history.journey.parked] == ["first", "second"]
    history.resolved()
    assert [(a.id, a.at, a.recovery) for a in history.journey.answers] == [("first", MONDAY, 1), ("second", MONDAY, 0)]
    assert history.journey.stage == Stage.RECOVERING
    assert mails(history.decisions[-1]) == ["acknowledgement-1"]


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        (e.CaseWithdrawn, {"reason": "spam"}),
        (e.OptedOut, {"scope": "asks"}),
        (e.MailSent, {"touch_id": "survey", "message_id": "m"}),
        (e.MailDelivered, {"touch_id": "survey"}),
        (e.MailDeferred, {"touch_id": "survey", "until": MONDAY, "reason": ""}),
        (e.MailNotSent, {"touch_id": "survey", "reason": "refused"}),
        (e.MailBounced, {"touch_id": "survey", "permanent": True}),
        (e.MailComplained, {"touch_id": "survey"}),
        (e.ProposalAnswered, {"answer_id": "w", "recovery": 1, "proposal": 1, "word": "meets"}),
    ],
)
def test_whatever_comes_early_is_parked_and_decided_at_the_beginning(kind, fields):
    history = History()
    history.happens(kind, **fields)
    assert [type(event) for event in history.journey.parked] == [kind]
    history.resolved()
    assert (history.journey.parked, history.person.id) == ((), "p-ada")
    assert history.journey.stage != Stage.UNBORN


def test_a_remark_that_was_told_late_hears_what_came_before_it():
    history = History()
    history.opts_out("asks")
    history.remarked()
    assert (history.journey.stage, history.person.no_asks_since) == (Stage.RECOVERING, MONDAY)


def test_when_the_beginning_never_comes_a_person_is_told_once_and_nothing_is_dropped():
    history = History()
    history.answers(csat=1, answer_id="early")
    parked = history.journey.parked
    history.rings()
    assert (history.notices(), history.journey.parked) == ([("samir", "never_resolved")], parked)
    assert history.journey.wake_at is None
    history.waits(days(10))
    history.resolved()
    assert [(answer.id, answer.recovery) for answer in history.journey.answers] == [("early", 1)]


@pytest.mark.parametrize("act", ["take", "close"])
def test_an_act_of_staff_before_the_beginning_is_refused(act):
    history = History()
    with pytest.raises(ActRefused) as refused:
        history.staff(act)
    assert refused.value.reason == "no_recovery"


@pytest.mark.parametrize(
    ("kind", "fields"), [(e.PurchaseNoted, {}), (e.PersonSilenced, {"reason": "opted_out"}), (e.AlarmRang, {})]
)
def test_what_only_an_open_journey_can_be_told_changes_nothing_before_the_beginning(kind, fields):
    history = History()
    decision = history.happens(kind, **fields)
    assert (decision.journey, decision.changed) == (Journey(id=history.journey.id), False)


# -- twice -----------------------------------------------------------------------------------------------


def journeys() -> dict[str, History]:
    """A journey in every stage, told by its name."""
    found = {}
    for stage in ("waiting", "asked", "checking_in", "recovering", *OUTCOMES):
        history = History()
        history.resolved()
        if stage != "waiting":
            history.rings()
            history.mails()
        if stage == "checking_in":
            history.answers(csat=5)
        if stage in {"recovering", "lost"}:
            history.answers(csat=1)
        if stage == "lost":
            history.recovers(until="debrief")
            history.staff("close", kept=False)
        if stage == "loyal":
            history.answers(csat=5)
            history.buys(after=days(1))
            history.rings_until(MONDAY + days(92))
            history.answers("loyalty", nps=10)
        if stage == "opted_out":
            history.opts_out()
        if stage == "unreachable":
            history.happens(e.MailBounced, touch_id="survey", permanent=True)
        if stage == "superseded":
            history.reopened()
        if stage == "unknown":
            history.rings_until(MONDAY + days(30))
        found[str(stage)] = history
    return found


STAGES = ["waiting", "asked", "checking_in", "recovering", *map(str, OUTCOMES)]


def test_each_stage_is_what_it_is_called():
    assert {name: str(history.journey.stage) for name, history in journeys().items()} == {s: s for s in STAGES}


@pytest.mark.parametrize("stage", STAGES)
def test_a_second_beginning_changes_nothing(stage):
    history = journeys()[stage]
    before, person = history.journey, history.person
    nothing = Decision(before, person, changed=False, note="the journey has begun: a second copy of its beginning")
    assert [history.resolved(), history.remarked()] == [nothing, nothing]


@pytest.mark.parametrize("stage", [str(stage) for stage in OUTCOMES if stage is not Stage.UNKNOWN])
def test_an_ended_journey_is_neither_reopened_nor_withdrawn_by_its_case(stage):
    history = journeys()[stage]
    before, person = history.journey, history.person
    nothing = Decision(before, person, changed=False, note="the journey has ended; a new resolution starts a new one")
    assert [history.reopened(), history.withdrawn()] == [nothing, nothing]


@pytest.mark.parametrize("stage", [str(stage) for stage in OUTCOMES])
def test_an_ended_journey_is_not_woken_and_watches_no_purchases(stage):
    history = journeys()[stage]
    before, person = history.journey, history.person
    assert history.happens(e.AlarmRang) == Decision(
        before, person, changed=False, note="a journey that has ended needs no waking"
    )
    assert history.happens(e.PurchaseNoted) == Decision(
        before, person, changed=False, note="nothing here waits for a purchase"
    )


# -- late ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stage", [str(stage) for stage in OUTCOMES if stage is not Stage.SUPERSEDED])
def test_a_late_bad_answer_reopens_an_ended_journey(stage):
    history = journeys()[stage]
    before, recoveries = history.journey.endings, len(history.journey.recoveries)
    decision = history.answers(csat=1, answer_id="late", words="I have thought again.")
    assert (history.journey.stage, history.journey.endings) == (Stage.RECOVERING, before)
    assert [recovery.answers for recovery in history.journey.recoveries[recoveries:]] == [("late",)]
    assert mails(decision)[-1].startswith("acknowledgement-")
    assert history.person.open_journeys == (history.journey.id,)
    assert history.person.open_recoveries == (history.journey.id,)
    assert history.journey.wake_at is not None


@pytest.mark.parametrize("stage", [str(stage) for stage in OUTCOMES if stage is not Stage.SUPERSEDED])
def test_a_late_good_answer_is_kept_and_ends_nothing_anew(stage):
    history = journeys()[stage]
    before = history.journey
    history.answers(csat=5, answer_id="late")
    assert history.journey.answers[-1].scores == {"csat": 5}
    assert (history.journey.stage, history.journey.endings) == (before.stage, before.endings)
    assert history.journey.wake_at is None


@pytest.mark.parametrize("stage", [str(stage) for stage in OUTCOMES if stage is not Stage.SUPERSEDED])
def test_a_late_suspect_bad_answer_has_a_persons_look(stage):
    history = journeys()[stage]
    history.answers(csat=1, suspect="decoy", answer_id="late")
    assert history.notices() == [("samir", "suspect_negative")]
    assert str(history.journey.stage) == stage


def test_a_reopened_journey_ends_again_with_both_endings_kept():
    history = journeys()["unknown"]
    history.answers(csat=1)
    history.recovers(until="debrief")
    history.staff("close", kept=False)
    assert [ending.outcome for ending in history.journey.endings] == [Stage.UNKNOWN, Stage.LOST]


# -- an answer about a resolution that was undone ---------------------------------------------------------


def superseded() -> History:
    history = journeys()["superseded"]
    assert history.journey.endings[-1].outcome is Stage.SUPERSEDED
    return history


def test_a_bad_answer_to_a_superseded_journey_is_kept_and_carried_to_its_successor():
    history = superseded()
    decision = history.answers(csat=1, answer_id="late", words="Still broken.", call_back=True)
    successor = e.journey_of_case("desk", "4711", 2)
    carried = e.AnswerGiven(
        event_id="late/2",
        occurred_at=history.now,
        journey_id=successor,
        answer_id="late",
        touch_id="survey",
        scores={"csat": 1},
        words="Still broken.",
        call_back=True,
        from_journey=history.journey.id,
    )
    assert history.journey.stage == Stage.SUPERSEDED
    assert history.journey.answers == (
        Answer(
            id="late",
            touch_id="survey",
            at=history.now,
            scores={"csat": 1},
            words="Still broken.",
            call_back=True,
            negative=True,
        ),
    )
    told = (Tell(key=f"tell-{e.stable_id('', 'late/2', successor)}", event=carried),)
    assert tuple(effect for effect in decision.effects if isinstance(effect, Tell)) == told
    assert history.notices() == [("samir", "answered_while_reopened")]


def test_a_good_answer_to_a_superseded_journey_is_kept_and_carried_nowhere():
    history = superseded()
    assert history.answers(csat=5).effects == ()
    assert [answer.scores for answer in history.journey.answers] == [{"csat": 5}]


def carried_to(successor: History) -> Decision:
    first = superseded()
    decision = first.answers(csat=1, answer_id="late")
    (told,) = [effect.event for effect in decision.effects if isinstance(effect, Tell)]
    return successor.happens(
        e.AnswerGiven,
        event_id=told.event_id,
        answer_id=told.answer_id,
        touch_id=told.touch_id,
        scores=told.scores,
        from_journey=told.from_journey,
    )


def test_a_carried_answer_opens_the_one_recovery_and_answers_no_survey_of_its_own():
    second = History(epoch=2)
    second.asked()
    carried_to(second)
    assert second.journey.stage == Stage.RECOVERING
    assert [(a.id, a.recovery, a.revision) for a in second.journey.answers] == [("late", 1, 0)]
    assert second.touch("survey").answered_at is None
    assert second.statuses()["reminder"] == "recovery_open"


def test_a_carried_answer_waits_for_a_successor_that_is_not_born_yet():
    second = History(epoch=2)
    carried_to(second)
    assert second.journey.stage == Stage.UNBORN
    second.resolved()
    assert [(a.id, a.recovery) for a in second.journey.answers] == [("late", 1)]


def test_a_carried_answer_whose_successor_never_begins_comes_back_and_has_its_recovery():
    first, second = superseded(), History(epoch=2)
    (told,) = [one.event for one in first.answers(csat=1, answer_id="late").effects if isinstance(one, Tell)]
    fields = {name: getattr(told, name) for name in ("event_id", "answer_id", "touch_id", "scores", "from_journey")}
    second.happens(e.AnswerGiven, **fields)
    second.rings_until(MONDAY + days(40))
    (back,) = [effect.event for decision in second.decisions for effect in decision.effects if isinstance(effect, Tell)]
    assert (back.journey_id, back.returned, second.journey.parked) == (first.journey.id, True, ())
    first.happens(
        e.AnswerGiven, event_id="back", answer_id="late", touch_id="survey", scores={"csat": 1}, returned=True
    )
    assert first.journey.stage == Stage.RECOVERING
    assert [(a.id, a.recovery) for a in first.journey.answers] == [("late", 1)]


def test_a_bad_answer_about_a_withdrawn_case_has_its_recovery_at_once():
    history = History()
    history.asked()
    history.happens(e.CaseWithdrawn, reason="duplicate")
    history.answers(csat=1, answer_id="late")
    assert history.journey.stage == Stage.RECOVERING
    assert [(a.id, a.recovery) for a in history.journey.answers] == [("late", 1)]


def test_a_carried_answer_goes_on_to_the_latest_successor():
    second = History(epoch=2)
    second.asked()
    second.reopened()
    decision = carried_to(second)
    (told,) = [effect.event for effect in decision.effects if isinstance(effect, Tell)]
    assert told.journey_id == e.journey_of_case("desk", "4711", 3)
    assert (told.event_id, told.from_journey) == ("late/2/3", e.journey_of_case("desk", "4711", 1))
    assert second.journey.answers[0].from_journey == told.from_journey


def test_an_answer_that_its_own_recovery_had_before_the_reopening_is_not_carried():
    history = History()
    history.asked()
    history.answers(csat=1)
    decision = history.reopened()
    assert [effect for effect in decision.effects if isinstance(effect, Tell)] == []
    assert history.journey.answers[0].recovery == 1


def test_a_resolution_of_another_case_is_no_successor():
    history = superseded()
    other = History(case_id="other", epoch=2, person=history.person)
    other.happens(e.CaseResolved, case=case("other", 2, resolved_at=MONDAY), customer=customer())
    assert [effect for effect in other.decisions[-1].effects if isinstance(effect, Tell)] == []


def test_a_decision_needs_no_person_before_the_beginning():
    history = History()
    history.reopened()
    assert history.person == Person(id="")
    assert replace(history.journey, parked=(), born_at=None, wake_at=None) == Journey(id=history.journey.id)
