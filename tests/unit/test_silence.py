"""Who asks for less mail, or can no longer be reached, gets none from that instant on; an open recovery goes on."""

import pytest
from msgspec.structs import replace

from chalicelib.journey import events as e
from chalicelib.journey.effects import Decision, SetAlarm, TellOthers
from chalicelib.journey.state import Ending, Stage, Suppression
from tests.unit.builders import MONDAY, History, case, customer, days

TUESDAY = MONDAY + days(1)


def at(stage: str) -> History:
    history = History()
    history.resolved()
    if stage != "waiting":
        history.rings()
        history.mails()
    if stage == "checking_in":
        history.answers(csat=5)
    if stage == "recovering":
        history.answers(csat=1)
        history.mails()
    assert history.journey.stage == stage
    return history


def complains(history: History) -> Decision:
    return history.happens(e.MailComplained, touch_id="survey")


def bounces(history: History) -> Decision:
    return history.happens(e.MailBounced, touch_id="survey", permanent=True)


def opts_out(history: History) -> Decision:
    return history.opts_out("asks")


def opts_out_of_everything(history: History) -> Decision:
    return history.opts_out("everything")


WAYS = {
    opts_out: (Stage.OPTED_OUT, "opted out of asks on {:%Y-%m-%d}", "opted_out"),
    opts_out_of_everything: (Stage.OPTED_OUT, "opted out of everything on {:%Y-%m-%d}", "opted_out"),
    complains: (Stage.OPTED_OUT, "marked our mail as spam on {:%Y-%m-%d}", "complaint"),
    bounces: (Stage.UNREACHABLE, "hard bounce on {:%Y-%m-%d}", "hard_bounce"),
}


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
@pytest.mark.parametrize("stage", ["waiting", "asked", "checking_in"])
def test_a_journey_without_a_recovery_ends_with_why(stage, way):
    history = at(stage)
    outcome, fact, reason = WAYS[way]
    way(history)
    assert history.journey.endings == (Ending(outcome, history.now, (fact.format(history.now),)),)
    planned = {t.reason for t in history.journey.touches if t.sent_at is None and t.reason != "answered"}
    assert planned <= {reason}
    assert (history.journey.wake_at, history.person.open_journeys) == (None, ())


# -- what is known of the person from then on ------------------------------------------------------------


def test_a_pause_ends_nothing_and_holds_what_would_have_gone():
    history = at("waiting")
    before = history.journey
    decision = history.opts_out("pause")
    assert decision == Decision(before, replace(history.person, paused_until=MONDAY + days(30)))
    history.rings()
    assert (history.journey.stage, history.statuses()) == (Stage.UNKNOWN, {"survey": "paused"})


def test_a_pause_that_leaves_time_only_defers():
    history = at("checking_in")
    history.waits(days(40))
    history.opts_out("pause")
    history.rings_until(history.now + days(29))
    assert (history.touch("first_return").held, history.touch("first_return").due_at) == (
        "paused",
        TUESDAY + days(70),
    )
    history.rings_until(TUESDAY + days(70))
    assert history.touch("first_return").status == "sent"


def test_who_opts_out_of_asks_gets_no_more_questions_and_no_news():
    history = at("asked")
    history.opts_out("asks")
    assert (history.person.no_asks_since, history.person.no_mail_since) == (TUESDAY, None)
    assert history.decisions[-1].suppress == ()


def test_who_opts_out_of_everything_gets_no_mail_at_all():
    history = at("asked")
    history.opts_out("everything")
    suppressed = Suppression("ada@example.com", "opted_out", TUESDAY)
    assert (history.person.no_asks_since, history.person.no_mail_since) == (TUESDAY, TUESDAY)
    assert (history.person.suppression, history.decisions[-1].suppress) == (suppressed, (suppressed,))


def test_who_opts_out_twice_has_opted_out_since_the_first_time():
    history = at("asked")
    history.opts_out("asks")
    history.waits(days(1))
    history.opts_out("everything")
    assert (history.person.no_asks_since, history.person.no_mail_since) == (TUESDAY, TUESDAY + days(1))
    history.waits(days(1))
    history.opts_out("everything")
    assert history.person.no_mail_since == TUESDAY + days(1)


@pytest.mark.parametrize(("way", "reason"), [(bounces, "hard_bounce"), (complains, "complaint")])
def test_an_address_that_bounced_or_complained_gets_no_mail_at_all(way, reason):
    history = at("asked")
    decision = way(history)
    suppressed = Suppression("ada@example.com", reason, TUESDAY)
    assert (history.person.suppression, decision.suppress) == (suppressed, (suppressed,))


def test_the_mail_that_bounced_was_not_sent_for_that_reason():
    history = at("asked")
    bounces(history)
    assert history.statuses() == {"survey": "hard_bounce", "reminder": "hard_bounce"}
    assert history.touch("survey").sent_at == TUESDAY


@pytest.mark.parametrize(("way", "reason"), [(complains, "complaint"), (lambda h: h.opts_out("asks"), "opted_out")])
def test_what_was_planned_says_whether_it_was_a_complaint_or_a_word_to_us(way, reason):
    history = at("asked")
    way(history)
    assert (history.journey.outcome, history.statuses()["reminder"]) == (Stage.OPTED_OUT, reason)


def test_what_was_due_at_that_instant_does_not_go():
    history = History()
    history.resolved()
    history.rings()
    history.opts_out("asks")
    assert (history.mails(), history.statuses()) == ([], {"survey": "opted_out"})


def test_the_next_case_of_who_opted_out_is_not_surveyed():
    history = at("asked")
    history.opts_out("asks")
    later = History(case_id="later", person=history.person)
    later.waits(days(60))
    later.resolved()
    later.rings()
    assert (later.journey.stage, later.statuses()) == (Stage.OPTED_OUT, {"survey": "opted_out"})


def test_a_new_address_is_reached_again_after_a_bounce_but_not_after_an_opt_out():
    for way, status in ((bounces, "sent"), (opts_out_of_everything, "opted_out")):
        history = at("waiting")
        way(history)
        later = History(case_id="later", person=history.person)
        later.waits(days(60))
        later.resolved(email="ada@new.example.com")
        later.rings()
        later.mails()
        assert later.statuses()["survey"] == status


# -- an open recovery ------------------------------------------------------------------------------------


def delivered() -> History:
    """A recovery after its delivery, check-ins and a thank-you planned."""
    history = at("recovering")
    history.recovers(until="thank")
    return history


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_an_open_recovery_goes_on_and_only_its_questions_and_news_are_given_up(way):
    history = delivered()
    way(history)
    assert history.journey.stage == Stage.RECOVERING
    given_up = {t.id: t.reason for t in history.journey.touches if t.kind in {"check-in", "thank-you"}}
    assert given_up == dict.fromkeys(
        ("fix_holds", "recovery_rating", "first_return", "loyalty", "thank-you-1"), WAYS[way][2]
    )
    assert history.journey.wake_at is not None


def test_after_an_opt_out_of_asks_the_recovery_goes_on_person_to_person():
    history = at("recovering")
    history.opts_out("asks")
    assert history.notices() == []
    history.recovers(until="propose")
    assert [history.touch(name).went_out for name in ("apology-1", "proposal-1")] == [True, True]


@pytest.mark.parametrize("way", [opts_out_of_everything, complains, bounces], ids=lambda way: way.__name__)
def test_who_can_be_mailed_no_more_is_settled_with_by_another_channel(way):
    history = at("recovering")
    way(history)
    assert history.notices() == [("jonas", "another_way")]
    history.staff("take")
    history.staff("apologise")
    assert history.mails() == []
    assert history.notices() == [("jonas", "another_way")]
    assert history.statuses()["apology-1"] in {"opted_out", "complaint", "hard_bounce"}


def test_an_acknowledgement_that_reaches_nobody_is_the_owners_to_give():
    history = History()
    history.resolved(email="")
    history.answers(csat=1)
    history.mails()
    assert history.statuses()["acknowledgement-1"] == "no_address"
    assert history.notices() == [("jonas", "another_way")]


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_when_that_recovery_closes_the_journey_ends_by_what_the_customer_asked_for(way):
    history = delivered()
    way(history)
    history.recovers_from("debrief")
    fact = "recovery 1 closed on 2026-06-02; no more questions may be sent"
    assert history.journey.endings == (Ending(WAYS[way][0], TUESDAY, (fact,)),)
    assert history.recovery.result == "kept"


def test_with_a_new_address_the_closed_recovery_is_followed_by_the_cadence():
    history = delivered()
    bounces(history)
    history.person = replace(history.person, customer=customer(email="ada@new.example.com"))
    history.recovers_from("debrief")
    assert history.journey.stage == Stage.CHECKING_IN


# -- the person's other journeys -------------------------------------------------------------------------


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_the_other_journeys_of_the_person_are_told(way):
    history = at("asked")
    history.person = replace(history.person, open_journeys=(history.journey.id, "j-other"))
    decision = way(history)
    told = [effect for effect in decision.effects if not isinstance(effect, SetAlarm)]
    silenced = told[0].event
    assert told == [TellOthers(key=told[0].key, person_id="p-ada", event=silenced)]
    assert silenced == e.PersonSilenced(
        event_id=silenced.event_id,
        occurred_at=history.now,
        journey_id=history.journey.id,
        reason="unreachable" if way is bounces else "opted_out",
        scope="asks" if way is opts_out else "everything",
    )
    assert silenced.event_id.startswith("silenced/")


def test_a_person_with_one_journey_has_no_other_to_tell():
    history = at("asked")
    assert [type(effect) for effect in history.opts_out("asks").effects] == [SetAlarm]


@pytest.mark.parametrize("stage", ["waiting", "asked", "checking_in"])
@pytest.mark.parametrize("reason", ["opted_out", "unreachable"])
def test_a_journey_that_is_told_ends_too(stage, reason):
    history = at(stage)
    history.happens(e.PersonSilenced, reason=reason, scope="everything")
    fact = f"{reason} by way of another journey on {history.now:%Y-%m-%d}"
    assert history.journey.endings == (Ending(Stage(reason), history.now, (fact,)),)


@pytest.mark.parametrize(("scope", "notices"), [("asks", []), ("everything", [("jonas", "another_way")])])
def test_a_recovery_that_is_told_goes_on(scope, notices):
    history = delivered()
    history.happens(e.PersonSilenced, reason="opted_out", scope=scope)
    assert (history.journey.stage, history.notices()) == (Stage.RECOVERING, notices)
    assert history.statuses()["fix_holds"] == "opted_out"


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_a_journey_that_has_ended_stays_as_it_ended_and_the_person_is_silenced(way):
    history = at("asked")
    history.rings_until(MONDAY + days(30))
    assert history.journey.stage == Stage.UNKNOWN
    endings = history.journey.endings
    way(history)
    assert (history.journey.stage, history.journey.endings) == (Stage.UNKNOWN, endings)
    assert history.person.no_asks_since is not None or history.person.suppressed is not None


def test_a_remark_of_who_opted_out_is_still_a_recovery():
    history = at("asked")
    history.opts_out("asks")
    remark = History(case_id="remark", person=history.person)
    remark.happens(e.FailureLogged, case=case("remark", kind="remark"), customer=customer(), words="Again!")
    assert remark.mails() == ["acknowledgement-1"]


# -- the address that a mail went to ---------------------------------------------------------------------


def test_a_bounce_suppresses_the_address_that_the_mail_went_to_not_a_newer_one():
    history = History()
    history.asked()
    decision = history.happens(e.MailBounced, touch_id="survey", permanent=True, email="old@example.com")
    assert [(held.email, held.reason) for held in decision.suppress] == [("old@example.com", "hard_bounce")]
    assert (history.person.suppressed, history.touch("survey").reason) == (None, "hard_bounce")


def test_a_complaint_outlives_the_address_that_it_came_from():
    history = History()
    history.asked()
    history.happens(e.MailComplained, touch_id="survey", email="ada@example.com")
    assert history.person.no_mail_since == history.now


def test_a_full_mailbox_is_no_silence_but_its_owner_finds_another_way():
    history = History()
    history.asked()
    history.answers(csat=1)
    history.mails()
    decision = history.happens(e.MailBounced, touch_id="acknowledgement-1", permanent=False)
    assert (history.touch("acknowledgement-1").reason, decision.suppress) == ("soft_bounce", ())
    assert [reason for _, reason in history.notices()] == ["another_way"]


@pytest.mark.parametrize(("reason", "outcome"), [("opted_out", Stage.OPTED_OUT), ("hard_bounce", Stage.UNREACHABLE)])
def test_a_survey_given_up_at_sending_time_says_what_became_of_the_customer(reason, outcome):
    history = History()
    history.resolved()
    history.rings()
    history.happens(e.MailNotSent, touch_id="survey", reason=reason)
    assert history.journey.stage == outcome
