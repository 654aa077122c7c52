"""What a bad answer opens: owner, severity, clock, steps, proposals, redress, and how it ends."""

from datetime import UTC, datetime, time, timedelta

import pytest
from msgspec.structs import replace

from chalicelib.journey import events as e
from chalicelib.journey import playbook
from chalicelib.journey.clock import Calendar, Window
from chalicelib.journey.documents import PlaybookStep, Targets
from chalicelib.journey.effects import Decision, NotifyStaff, SendMail, SetAlarm
from chalicelib.journey.errors import ActRefused
from chalicelib.journey.playbook import Rung
from chalicelib.journey.state import (
    Done,
    Ending,
    Proposal,
    Recovery,
    Redress,
    Stage,
    Standing,
    Touch,
)
from tests.unit.builders import MONDAY, STEPS, History, customer, days, hours, mails, shipped

TUESDAY = MONDAY + days(1)  # ten in the morning, when the surveys of these tests are sent and answered


def opened(words: str = "", **scores) -> History:
    history = History()
    history.asked()
    history.answers(words=words, **scores or {"csat": 2})
    return history


# -- opening ---------------------------------------------------------------------------------------------


def test_a_negative_answer_opens_one_recovery_with_owner_severity_and_clock():
    history = opened(csat=1, words="It came broken.")
    name = history.journey.id
    recovery = Recovery(number=1, severity="P2", why="core_failure", opened_at=TUESDAY, owner="jonas", answers=("a1",))
    acknowledgement = Touch(
        id="acknowledgement-1",
        kind="acknowledgement",
        due_at=TUESDAY,
        latest_at=TUESDAY + days(2),
        recovery=1,
        owed_at=TUESDAY,
    )
    decision = history.decisions[-1]
    assert decision == Decision(
        journey=replace(
            history.journey,
            stage=Stage.RECOVERING,
            recoveries=(recovery,),
            touches=(*history.journey.touches[:2], acknowledgement),
            wake_at=TUESDAY + hours(2),
        ),
        person=replace(
            history.person,
            failures=((name, TUESDAY),),
            open_recoveries=(name,),
            open_journeys=(name,),
            loyalty=Standing(state="recovering", since=TUESDAY, facts=("core_failure on 2026-06-02",)),
        ),
        effects=(
            SendMail(key="acknowledgement-1", journey_id=name, touch_id="acknowledgement-1"),
            NotifyStaff(
                key="notice-recovery-1-jonas",
                journey_id=name,
                staff_id="jonas",
                reason="recovery_opened",
                about="1",
                due=TUESDAY + hours(4),
            ),
            SetAlarm(key="alarm", journey_id=name),
        ),
    )


def test_a_remark_that_never_was_a_case_is_a_recovery_at_once():
    history = History()
    decision = history.remarked("The queue was very long.")
    assert (decision.journey.stage, mails(decision)) == (Stage.RECOVERING, ["acknowledgement-1"])
    assert [(a.id, a.touch_id, a.words, a.recovery) for a in decision.journey.answers] == [
        ("FailureLogged-1", "remark", "The queue was very long.", 1)
    ]
    assert history.notices() == [("jonas", "recovery_opened")]
    assert (history.recovery.severity, history.recovery.why) == ("P3", "negative_answer")


@pytest.mark.parametrize(
    ("said", "severity", "why"),
    [
        ({"csat": 2}, "P3", "negative_answer"),
        ({"nps": 3}, "P3", "negative_answer"),
        ({"ces": 1}, "P3", "negative_answer"),
        ({"csat": 1}, "P2", "core_failure"),
        ({"nps": 2}, "P2", "core_failure"),
        ({"csat": 5, "solved": 0}, "P2", "core_failure"),
        ({"csat": 2, "call_back": True}, "P1", "call_back"),
        ({"csat": 2, "words": "I was injured."}, "P1", "urgent_words"),
        ({"csat": 2, "words": "This is FRAUD", "call_back": True}, "P1", "urgent_words"),
    ],
)
def test_how_severe_it_is_has_its_grounds(said, severity, why):
    history = History()
    history.asked()
    history.answers(**said)
    assert (history.recovery.severity, history.recovery.why) == (severity, why)


def test_of_the_most_severe_the_lead_is_told_too():
    history = opened(csat=2, call_back=True)
    assert history.notices() == [("jonas", "recovery_opened"), ("samir", "recovery_p1")]


@pytest.mark.parametrize(
    ("ago", "expected"),
    [
        ((364, 100), ("P1", "repeated_failure")),
        ((365, 100), ("P3", "negative_answer")),
        ((1,), ("P3", "negative_answer")),
    ],
)
def test_the_third_failure_in_twelve_months_is_most_severe(ago, expected):
    history = History()
    history.asked()
    history.person = replace(history.person, failures=tuple((f"j-{n}", TUESDAY - days(n)) for n in ago))
    history.answers(csat=2)
    assert (history.recovery.severity, history.recovery.why) == expected


def test_failures_older_than_a_year_and_a_day_are_forgotten():
    history = History(person=None)
    history.asked()
    history.person = replace(history.person, failures=(("j-1", TUESDAY - days(367)), ("j-2", TUESDAY - days(366))))
    history.answers(csat=2)
    assert history.person.failures == (("j-2", TUESDAY - days(366)), (history.journey.id, TUESDAY))


def test_everything_that_was_planned_gives_way_to_the_recovery():
    history = opened()
    assert history.statuses() == {"survey": "answered", "reminder": "answered", "acknowledgement-1": "due"}
    content = History()
    content.asked()
    content.answers(csat=5)
    content.answers(nps=1)
    assert content.statuses()["first_return"] == "recovery_open"


def test_the_acknowledgement_goes_at_any_hour_and_whatever_the_budget():
    history = History()
    history.asked()
    history.waits(hours(14))
    history.answers(csat=1)
    assert history.mails() == ["acknowledgement-1"]


def test_a_further_negative_answer_joins_the_recovery_that_is_open():
    history = opened(csat=2)
    history.mails()
    history.waits(hours(1))
    history.answers(csat=1)
    assert [(r.answers, r.severity, r.why) for r in history.journey.recoveries] == [
        (("a1", "a2"), "P2", "core_failure")
    ]
    assert [answer.recovery for answer in history.journey.answers] == [1, 1]
    assert (history.notices(), history.due()) == ([("jonas", "answered_again")], [])


def test_who_goes_back_and_presses_again_wakes_nobody_but_who_says_it_again_later_does():
    history = opened(csat=2)
    history.waits(hours(0.9))
    history.answers(csat=2)
    assert ([a.revision for a in history.journey.answers], history.recovery.answers) == ([0, 1], ("a1", "a2"))
    assert ([answer.recovery for answer in history.journey.answers], history.notices()) == ([1, 1], [])
    history.waits(hours(1.1))
    history.answers(csat=2)
    assert history.notices() == [("jonas", "answered_again")]


def test_no_customer_is_promised_an_hour_that_has_passed():
    history = opened(csat=2)
    promised = playbook.due(history.recovery, "apologise", shipped())
    assert playbook.next_contact(history.recovery, shipped(), TUESDAY) == promised
    assert playbook.next_contact(history.recovery, shipped(), promised) is None
    history.recovers(until="apologise")
    proposed = playbook.due(history.recovery, "propose", shipped())
    assert playbook.next_contact(history.recovery, shipped(), TUESDAY) == proposed > promised
    history.staff("propose")
    assert playbook.next_contact(history.journey.recoveries[0], shipped(), TUESDAY) is None


def test_a_call_back_asked_for_after_a_negative_answer_makes_the_recovery_most_severe():
    history = opened(csat=2)
    history.answers(csat=2, call_back=True)
    assert (history.recovery.severity, history.recovery.why) == ("P1", "call_back")
    assert history.notices() == [("jonas", "answered_again"), ("samir", "recovery_p1")]


def test_a_milder_word_makes_no_recovery_less_severe():
    history = opened(csat=2, call_back=True)
    history.answers(csat=2)
    assert (history.recovery.severity, history.recovery.why) == ("P1", "call_back")
    assert history.notices() == [("jonas", "answered_again")]


def test_the_same_person_answers_for_a_journey_each_time_and_the_work_is_spread():
    owners = set()
    for number in range(12):
        history = History(case_id=f"case-{number}")
        history.asked()
        history.answers(csat=1)
        owners.add(history.recovery.owner)
    assert owners == {"ana", "jonas", "mei"}


# -- the acts of staff, in order -------------------------------------------------------------------------


def test_every_step_in_order_closes_the_recovery():
    history = opened(csat=1)
    history.recovers()
    when = history.now
    assert history.recovery == Recovery(
        number=1,
        severity="P2",
        why="core_failure",
        opened_at=TUESDAY,
        owner="jonas",
        answers=("a1",),
        done=(
            Done("take", when, "jonas"),
            Done("apologise", when, "jonas", "I am sorry."),
            Done("propose", when, "jonas", "A new record, on us."),
            Done("deliver", when, "jonas"),
            Done("thank", when, "jonas", "Thank you for telling us."),
            Done("debrief", when, "jonas"),
            Done("close", when, "jonas"),
        ),
        proposals=(
            Proposal(
                number=1,
                action="A new record, on us.",
                by="jonas",
                due_at=TUESDAY + days(2),
                proposed_at=when,
                word="meets",
                answered_at=when,
            ),
        ),
        redress=(Redress("restitution", "12.50", "USD", "jonas", when),),
        cause="packing",
        improvement="padded sleeves",
        closed_at=when,
        result="kept",
    )
    assert (history.journey.stage, history.person.open_recoveries) == (Stage.CHECKING_IN, ())
    assert history.statuses() == {
        "survey": "answered",
        "reminder": "answered",
        "acknowledgement-1": "sent",
        "apology-1": "sent",
        "proposal-1": "answered",
        "fix_holds": "planned",
        "recovery_rating": "planned",
        "first_return": "planned",
        "loyalty": "planned",
        "thank-you-1": "planned",
    }


@pytest.mark.parametrize("act", STEPS)
def test_no_step_is_done_before_its_predecessor(act):
    history = opened()
    done = list(STEPS)[: list(STEPS).index(act)]
    if done:
        history.recovers(until=done[-1])
    for early in list(STEPS)[len(done) + 1 :]:
        refused_as(history, "out_of_order", f"First {act}, then {early}: no step is completed before its", early)
    history.staff(act)
    assert [step.act for step in history.recovery.done] == [*done, act]
    assert (playbook.current(history.recovery, shipped()) is None) is (act == "close")


def refused_as(history: History, reason: str, explanation: str, act: str, **fields) -> None:
    before = history.journey
    with pytest.raises(ActRefused) as refused:
        history.staff(act, **fields)
    assert refused.value.reason == reason
    assert explanation in refused.value.explanation
    assert history.journey is before


def test_without_an_open_recovery_there_is_nothing_to_do():
    for history in (History(), opened()):
        if history.journey.recoveries:
            history.recovers()
        refused_as(history, "no_recovery", "This journey has no open recovery.", "take")


def test_who_is_not_in_the_directory_cannot_act():
    refused_as(opened(), "unknown_staff", "There is no 'zoe' in the staff directory.", "take", by="zoe")


def test_a_step_that_the_playbook_lacks_is_refused():
    steps = tuple(step for step in shipped().playbook.steps if step.act != "thank")
    history = History(playbook=replace(shipped().playbook, steps=steps))
    history.asked()
    history.answers(csat=1)
    history.recovers(until="deliver")
    refused_as(history, "not_in_playbook", "The playbook has no step 'thank'.", "thank")
    history.staff("debrief")
    history.staff("close")
    assert history.journey.stage == Stage.CHECKING_IN


@pytest.mark.parametrize("act", ["take", "apologise", "thank", "debrief"])
def test_a_step_is_done_once(act):
    history = opened()
    history.recovers(until=act)
    refused_as(history, "already_done", f"{act} was already done for this recovery.", act)


def test_a_recovery_may_change_hands_but_not_be_taken_by_its_owner_again():
    history = opened()
    history.staff("take", by="ana")
    assert history.recovery.owner == "ana"
    history.staff("take", by="mei")
    assert (history.recovery.owner, history.recovery.done) == ("mei", (Done("take", TUESDAY, "ana"),))
    refused_as(history, "already_done", "take was already done", "take", by="mei")
    refused_as(history, "already_done", "take was already done", "take")


def test_a_spoken_apology_is_no_mail():
    history = opened()
    history.mails()
    history.staff("take")
    assert mails(history.staff("apologise", text="")) == []
    assert history.recovery.when("apologise") == TUESDAY


def test_a_personal_mail_carries_its_writer_and_words():
    history = opened()
    history.staff("take", by="mei")
    decision = history.staff("apologise", text="I am sorry.", by="ines")
    assert mails(decision) == ["apology-1"]
    assert history.touch("apology-1") == Touch(
        id="apology-1",
        kind="apology",
        due_at=TUESDAY,
        latest_at=TUESDAY + days(7),
        recovery=1,
        by="ines",
        text="I am sorry.",
        owed_at=TUESDAY,
    )


@pytest.mark.parametrize(
    ("act", "said", "explanation"),
    [
        ("propose", {"text": ""}, "A proposal says what we will do."),
        ("debrief", {"cause": ""}, "A debrief names the cause, and the improvement or why there is none."),
        ("debrief", {"improvement": ""}, "A debrief names the cause, and the improvement or why there is none."),
    ],
)
def test_an_incomplete_step_is_refused(act, said, explanation):
    history = opened()
    history.recovers(until=list(STEPS)[list(STEPS).index(act) - 1])
    refused_as(history, "incomplete", explanation, act, **said)


def test_a_proposal_promises_a_date_the_given_one_or_two_business_days():
    history = opened()
    history.recovers(until="apologise")
    history.staff("propose", due=TUESDAY + days(9))
    history.staff("propose", text="Or this.")
    assert [(p.number, p.action, p.due_at) for p in history.recovery.proposals] == [
        (1, "A new record, on us.", TUESDAY + days(9)),
        (2, "Or this.", TUESDAY + days(2)),
    ]
    assert {t.id: t.number for t in history.journey.touches if t.kind == "proposal"} == {
        "proposal-1": 1,
        "proposal-2": 2,
    }


def test_a_thank_you_waits_for_waking_hours():
    history = opened()
    history.recovers(until="deliver")
    history.waits(hours(12))
    decision = history.staff("thank")
    assert (mails(decision), history.touch("thank-you-1").due_at) == ([], TUESDAY + hours(23))


# -- the customer's word ---------------------------------------------------------------------------------


@pytest.mark.parametrize("word", ["meets", "exceeds"])
def test_an_accepted_proposal_may_be_delivered(word):
    history = opened()
    history.recovers(until="propose", word=word)
    assert history.notices() == [("jonas", "proposal_accepted")]
    assert history.touch("proposal-1").answered_at == TUESDAY
    history.staff("deliver")
    assert history.recovery.when("deliver") == TUESDAY


@pytest.mark.parametrize("word", ["falls_short", "other"])
def test_a_proposal_that_falls_short_goes_back_for_a_better_one(word):
    history = opened()
    history.recovers(until="propose", word=word)
    assert history.notices() == [("jonas", "proposal_falls_short")]
    refused_as(history, "not_accepted", "The customer did not accept the proposal: make a better one first.", "deliver")
    history.staff("propose", text="Two records.")
    history.says("exceeds", proposal=2)
    history.staff("deliver")
    assert [(p.action, p.word) for p in history.recovery.proposals] == [
        ("A new record, on us.", word),
        ("Two records.", "exceeds"),
    ]


def test_who_says_nothing_for_three_days_is_given_what_was_proposed_all_the_same():
    history = opened()
    history.recovers(until="propose", word=None)
    refused_as(history, "no_word_yet", "The customer has not answered the proposal yet.", "deliver")
    history.waits(days(3) - hours(1))
    refused_as(history, "no_word_yet", "The customer has not answered the proposal yet.", "deliver")
    history.rings_until(TUESDAY + days(3))
    assert history.all_notices()[-1] == ("jonas", "no_word")
    history.staff("deliver")
    assert history.recovery.when("deliver") == TUESDAY + days(3)


def test_an_accepted_proposal_is_not_proposed_anew():
    history = opened()
    history.recovers(until="propose")
    refused_as(history, "already_done", "propose was already done", "propose")


def test_the_customer_may_think_better_of_a_proposal_but_not_worse():
    history = opened()
    history.recovers(until="propose", word="falls_short")
    history.says("meets", words="On second thoughts, fine.")
    assert (history.recovery.proposal.word, history.recovery.proposal.words) == ("meets", "On second thoughts, fine.")
    history.says("falls_short", words="No, after all.")
    assert (history.recovery.proposal.word, history.recovery.proposal.revisions) == (
        "meets",
        ((history.now, "falls_short", "No, after all."),),
    )
    assert history.notices() == [("jonas", "proposal_late")]


@pytest.mark.parametrize("late", ["earlier proposal", "no such proposal", "another recovery", "closed", "never opened"])
def test_a_word_that_comes_too_late_changes_nothing_and_its_owner_reads_it(late):
    history = opened()
    history.recovers(until="propose", word=None)
    if late == "earlier proposal":
        history.staff("propose", text="Better.")
    if late == "closed":
        history.says("meets")
        history.recovers_from("deliver")
    if late == "never opened":
        history = History()
        history.asked()
    before = history.journey
    history.says(
        "meets", proposal=9 if late == "no such proposal" else 1, recovery=2 if late == "another recovery" else 1
    )
    kept = [said for recovery in history.journey.recoveries for p in recovery.proposals for said in p.revisions]
    assert [word for _, word, _ in kept] == (["meets"] if late in {"earlier proposal", "closed"} else [])
    assert (history.journey.stage, history.journey.touches) == (before.stage, before.touches)
    assert history.notices() == [("jonas", "proposal_late")]


def test_a_proposal_promises_a_day_that_is_still_to_come():
    history = opened()
    history.recovers(until="apologise")
    refused_as(
        history,
        "past_date",
        "A proposal promises a day that is still to come.",
        "propose",
        text="A new lamp.",
        due=history.now - days(1),
    )


# -- redress ---------------------------------------------------------------------------------------------


def test_the_ledger_of_redress_keeps_every_line_and_its_kind():
    history = opened()
    history.recovers(until="propose")
    history.staff("deliver", amount="20.00", currency="usd")
    planned = [touch for touch in history.journey.touches if touch.kind == "check-in"]
    history.waits(hours(2))
    history.staff("deliver", amount="5", currency="USD", redress="goodwill", by="ana")
    assert history.recovery.redress == (
        Redress("restitution", "20.00", "USD", "jonas", TUESDAY),
        Redress("goodwill", "5", "USD", "ana", TUESDAY + hours(2)),
    )
    assert history.recovery.when("deliver") == TUESDAY
    assert [touch for touch in history.journey.touches if touch.kind == "check-in"] == planned


def test_redress_that_is_no_money_has_no_line():
    history = opened()
    history.recovers(until="propose")
    history.staff("deliver", amount=None)
    assert (history.recovery.redress, history.recovery.when("deliver")) == ((), TUESDAY)


# -- the clock -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("severity", "due"),
    [
        ("P1", {"take": hours(1), "apologise": hours(4), "propose": days(1)}),
        ("P2", {"take": hours(4), "apologise": days(1), "propose": days(2)}),
        ("P3", {"take": days(1), "apologise": days(2), "propose": days(3)}),
    ],
)
def test_each_step_has_its_time_target_in_working_time(severity, due):
    recovery = Recovery(number=1, severity=severity, why="", opened_at=TUESDAY, owner="jonas")
    assert {act: playbook.due(recovery, act, shipped()) for act in due} == {
        act: TUESDAY + much for act, much in due.items()
    }


def test_the_target_of_delivery_counts_from_the_acceptance_and_what_follows_from_the_delivery():
    history = opened()
    history.recovers(until="propose", word=None)
    later = ("deliver", "thank", "debrief", "close")
    assert [playbook.due(history.recovery, act, shipped()) for act in later] == [None] * 4
    history.waits(days(1))
    history.says("meets")
    assert playbook.due(history.recovery, "deliver", shipped()) == TUESDAY + days(1 + 2)
    history.waits(days(1))
    history.staff("deliver")
    delivered = TUESDAY + days(2)  # a Thursday
    assert [playbook.due(history.recovery, act, shipped()) for act in later[1:]] == [
        delivered + days(4),
        delivered + days(7),
        delivered + days(14),
    ]
    assert playbook.due(history.recovery, "dance", shipped()) is None


def test_the_clock_runs_in_the_hours_of_the_owner():
    night = Calendar(zone="America/New_York", hours=Window(time(20), time(23)))
    members = tuple(
        replace(member, calendar=night) if member.id == "jonas" else member for member in shipped().staff.members
    )
    documents = replace(shipped(), staff=replace(shipped().staff, members=members))
    recovery = Recovery(number=1, severity="P1", why="", opened_at=TUESDAY, owner="jonas")
    assert playbook.due(recovery, "take", documents) == TUESDAY + hours(11)
    assert playbook.due(replace(recovery, owner="ana"), "take", documents) == TUESDAY + hours(1)
    assert playbook.due(replace(recovery, owner="gone"), "take", documents) == TUESDAY + hours(1)


def test_the_rungs_of_the_ladder_are_climbed_in_working_hours():
    recovery = Recovery(number=1, severity="P2", why="", opened_at=TUESDAY + hours(6), owner="jonas")
    wednesday = datetime(2026, 6, 3, 13, tzinfo=UTC)
    assert playbook.due(recovery, "take", shipped()) == wednesday + hours(3)
    assert playbook.rungs(recovery, shipped()) == [
        Rung(wednesday, "take-0-50", "due_soon", ("agent",), "take"),
        Rung(wednesday, "take-0-80", "due_soon", ("agent",), "take"),
        Rung(wednesday + hours(3), "take-0-100", "overdue", ("agent", "lead"), "take"),
        Rung(wednesday + days(1), "take-0-150", "overdue", ("head",), "take"),
    ]


def test_nobody_takes_it_and_the_ladder_is_climbed_to_the_top_and_no_further():
    history = opened(csat=1)
    history.mails()
    told = []
    while not told or told[-1][1:] != ("ines", "overdue"):
        history.rings()
        told += [(history.now - TUESDAY, *notice) for notice in history.notices()]
    assert told == [
        (hours(2), "jonas", "due_soon"),
        (hours(3.2), "jonas", "due_soon"),
        (hours(4), "jonas", "overdue"),
        (hours(4), "samir", "overdue"),
        (hours(6), "ines", "overdue"),
    ]
    for week in (1, 2, 3):
        history.rings()
        assert (history.now, history.notices()) == (TUESDAY + hours(6) + week * days(7), [])


def test_of_rungs_that_passed_together_only_the_highest_is_told():
    history = opened(csat=1)
    history.happens(e.AlarmRang, at=TUESDAY + days(3))
    assert history.notices() == [("ines", "overdue")]
    assert history.recovery.told == ("take-0-50", "take-0-80", "take-0-100", "take-0-150")


def test_a_done_step_starts_the_ladder_of_the_next():
    history = opened(csat=1)
    history.mails()
    history.staff("take")
    assert [rung.key for rung in playbook.rungs(history.recovery, shipped())] == [
        "apologise-1-50",
        "apologise-1-80",
        "apologise-1-100",
        "apologise-1-150",
    ]


def test_who_declined_and_got_nothing_better_in_thirty_days_is_lost():
    history = opened()
    history.recovers(until="propose", word="falls_short")
    history.rings_until(TUESDAY + days(30) - timedelta(seconds=1))
    assert history.journey.stage == Stage.RECOVERING
    history.rings_until(TUESDAY + days(30))
    fact = "declined the proposal on 2026-06-02; nothing better was proposed until 2026-07-02"
    assert history.journey.endings == (Ending(Stage.LOST, TUESDAY + days(30), (fact,)),)
    assert history.person.loyalty == Standing("lost", TUESDAY + days(30), (fact,))
    assert (history.recovery.result, history.recovery.closed_at) == ("not_kept", TUESDAY + days(30))
    assert history.all_notices()[-1] == ("samir", "customer_lost")
    assert (history.person.open_recoveries, history.journey.wake_at) == ((), None)


def test_who_got_something_better_is_not_lost():
    history = opened()
    history.recovers(until="propose", word="falls_short")
    history.rings_until(TUESDAY + days(29))
    history.staff("propose", text="Better.")
    history.rings_until(TUESDAY + days(60))
    assert history.journey.stage == Stage.RECOVERING


def test_closed_as_not_kept_is_lost():
    history = opened()
    history.recovers(until="debrief")
    history.staff("close", kept=False)
    fact = "closed as not kept by jonas on 2026-06-02"
    assert history.journey.endings == (Ending(Stage.LOST, TUESDAY, (fact,)),)
    assert history.recovery.result == "not_kept"
    assert history.person.loyalty == Standing("lost", TUESDAY, (fact,))
    assert history.statuses()["loyalty"] == "journey_over"


def test_a_recovery_that_closes_after_its_watch_has_ended_ends_at_once():
    history = opened()
    history.recovers(until="debrief")
    history.rings_until(TUESDAY + days(150))
    assert history.journey.stage == Stage.RECOVERING
    history.staff("close")
    assert history.journey.stage == Stage.UNKNOWN


# -- relapse ---------------------------------------------------------------------------------------------


def test_a_bad_check_in_while_the_recovery_is_open_goes_back_to_the_proposal():
    history = opened()
    history.recovers(until="deliver")
    history.rings_until(TUESDAY + days(2))
    assert history.touch("fix_holds").status == "sent"
    decision = history.answers("fix_holds", solved=0, words="Broken again.")
    recovery = history.recovery
    assert (recovery.severity, recovery.why, recovery.answers) == ("P1", "relapse", ("a1", "a2"))
    assert [done.act for done in recovery.done] == ["take", "apologise"]
    assert mails(decision) == ["acknowledgement-2"]
    assert history.notices() == [("jonas", "answered_again"), ("samir", "recovery_p1")]
    assert {t.reason for t in history.journey.touches if t.kind == "check-in" and not t.sent_at} == {"relapse"}
    assert (history.journey.track, history.journey.anchor, history.journey.watch_until) == ("", None, None)
    assert playbook.due(recovery, "propose", shipped()) == TUESDAY + days(3), "its time counts anew"
    assert playbook.next_contact(recovery, shipped(), history.now) == TUESDAY + days(3)
    decision = history.answers("fix_holds", solved=0, words="Broken again.")
    assert (mails(decision), history.notices(), history.recovery.answers) == ([], [], ("a1", "a2", "a3")), "once"


def test_each_repair_is_followed_by_check_ins_of_its_own():
    history = opened()
    history.recovers(until="deliver")
    for round_of in (2, 3):
        history.rings_until(history.now + days(3))
        last = [t.id for t in history.journey.touches if t.step == "fix_holds"][-1]
        history.answers(last, solved=0)
        history.staff("propose", text="Once more.")
        history.says("meets", proposal=round_of)
        history.staff("deliver")
    assert [t.id for t in history.journey.touches if t.step == "fix_holds"] == [
        "fix_holds",
        "fix_holds-2",
        "fix_holds-3",
    ]
    assert [t.status for t in history.journey.touches if t.step == "fix_holds"] == ["answered", "answered", "planned"]


def test_a_bad_check_in_after_closing_opens_a_second_recovery():
    history = opened()
    history.recovers()
    history.rings_until(TUESDAY + days(14))
    history.answers("recovery_rating", csat=2)
    assert [(r.number, r.severity, r.why, r.answers) for r in history.journey.recoveries] == [
        (1, "P3", "negative_answer", ("a1",)),
        (2, "P1", "relapse", ("a2",)),
    ]
    assert history.journey.stage == Stage.RECOVERING
    assert history.statuses()["loyalty"] == "relapse"
    assert history.notices() == [("jonas", "recovery_opened"), ("samir", "recovery_p1")]


@pytest.mark.parametrize(
    ("said", "severity", "why"),
    [
        ({"nps": 3}, "P1", "relapse"),
        ({"nps": 4}, "P2", "relapse"),
        ({"ces": 3}, "P2", "relapse"),
        ({"solved": 0}, "P1", "relapse"),
    ],
)
def test_a_relapse_at_a_check_in_is_graded(said, severity, why):
    history = History()
    history.asked()
    history.answers(csat=5)
    history.rings_until(TUESDAY + days(100))
    history.answers("loyalty", **said)
    assert (history.recovery.severity, history.recovery.why) == (severity, why)


def test_a_second_word_on_an_older_check_in_says_nothing_of_the_new_repair():
    history = opened()
    history.recovers()
    history.rings_until(TUESDAY + days(14))
    history.answers("recovery_rating", csat=2)
    history.recovers(until="propose")
    history.answers("recovery_rating", csat=1)
    assert [done.act for done in history.recovery.done] == ["take", "apologise", "propose"]
    assert history.recovery.answers == ("a2", "a3")


def test_a_playbook_without_proposals_takes_a_relapse_back_to_the_delivery():
    steps = tuple(step for step in shipped().playbook.steps if step.act != "propose")
    history = History(playbook=replace(shipped().playbook, steps=steps))
    history.asked()
    history.answers(csat=1)
    for act in ("take", "apologise", "deliver"):
        history.staff(act)
    history.rings_until(TUESDAY + days(2))
    history.answers("fix_holds", solved=0)
    assert [done.act for done in history.recovery.done] == ["take", "apologise"]


def test_a_playbook_may_be_as_short_as_take_and_close():
    target = Targets("PT1H", "PT1H", "PT1H")
    steps = (PlaybookStep("take", "Take", target), PlaybookStep("close", "Close", target))
    history = History(playbook=replace(shipped().playbook, steps=steps))
    history.asked()
    history.answers(csat=1)
    history.staff("take")
    history.staff("close")
    assert history.journey.stage == Stage.UNKNOWN


# -- the case --------------------------------------------------------------------------------------------


def test_a_reopened_case_supersedes_its_recovery_and_the_owner_is_told():
    history = opened()
    history.mails()
    history.reopened()
    assert (history.recovery.result, history.recovery.closed_at) == ("superseded", TUESDAY)
    assert history.notices() == [("jonas", "case_reopened")]
    assert (history.journey.stage, history.person.open_recoveries) == (Stage.SUPERSEDED, ())


def test_a_withdrawn_case_does_not_end_what_a_customer_told_us():
    history = opened()
    before = history.journey
    decision = history.withdrawn("merged")
    assert decision == Decision(
        before,
        history.person,
        changed=False,
        note="what a customer told us is owed an answer, whatever the helpdesk thinks of the case",
    )


def test_a_person_has_one_record_for_two_recoveries():
    first = opened()
    second = History(case_id="other", person=first.person)
    second.happens(e.FailureLogged, case=replace(first.journey.case, case_id="other"), customer=customer(), words="!")
    assert second.person.open_recoveries == (first.journey.id, second.journey.id)
    second.recovers()
    assert second.person.open_recoveries == (first.journey.id,)
