"""From the resolution to the answer, or to its never coming."""

from datetime import timedelta

import pytest
from msgspec.structs import replace

from chalicelib.journey import cadence, room
from chalicelib.journey import events as e
from chalicelib.journey.documents import Reminder
from chalicelib.journey.effects import Decision, SendMail, SetAlarm, WeighWords
from chalicelib.journey.state import Answer, Ending, Journey, Person, Stage, Todo, Touch
from tests.unit.builders import MONDAY, History, case, case_of, customer, days, hours, mails, shipped

TUESDAY = MONDAY + days(1)
SURVEY = Touch(
    id="survey",
    kind="survey",
    due_at=TUESDAY,
    latest_at=TUESDAY + days(14),
    window=days(14),
)


def test_a_resolved_case_starts_one_journey_with_a_survey_a_day_later():
    history = History()
    decision = history.resolved(subject="A scratched record", team="vinyl")
    name = history.journey.id
    assert decision == Decision(
        journey=Journey(
            id=name,
            stage=Stage.WAITING,
            person_id="p-ada",
            case=case(subject="A scratched record", team="vinyl", resolved_at=MONDAY),
            cadence=("rhythm", 1),
            playbook=("standard", 1),
            born_at=MONDAY,
            touches=(SURVEY,),
            wake_at=TUESDAY,
        ),
        person=Person(id="p-ada", customer=customer(), details_at=MONDAY, open_journeys=(name,)),
        effects=(SetAlarm(key="alarm", journey_id=name),),
    )


@pytest.mark.parametrize(
    ("category", "template"),
    [
        ("", "service"),
        ("Billing", "service"),
        ("product", "product"),
        (" Warranty ", "product"),
        ("SHIPPING", "delivery"),
    ],
)
def test_the_survey_asks_about_what_the_case_was_about(category, template):
    history = History()
    history.asked(category=category)
    survey = history.documents.cadence.survey
    questions = {one.name: one.questions for one in survey.templates} | {"service": survey.questions}
    for touch in ("survey", "reminder"):
        assert cadence.asked(history.touch(touch), history.journey, history.documents) == questions[template]


@pytest.mark.parametrize(
    ("zone", "resolved", "due"),
    [
        ("America/New_York", hours(0), hours(24)),
        ("America/New_York", hours(9), hours(47)),  # seven in the evening: the next day at nine
        ("Pacific/Auckland", hours(0), hours(31)),  # two in the night there
        ("Europe/Lisbon", hours(0), hours(24)),
        ("", hours(9), hours(47)),
    ],
)
def test_the_survey_is_due_in_the_customers_waking_hours(zone, resolved, due):
    history = History()
    history.waits(resolved)
    history.resolved(zone=zone)
    assert (history.touch("survey").due_at, history.journey.wake_at) == (MONDAY + due, MONDAY + due)


def test_a_resolution_that_is_told_late_is_surveyed_by_its_own_date():
    history = History()
    old = case("4711", 1, resolved_at=MONDAY - days(30))
    history.happens(e.CaseResolved, case=old, customer=customer())
    assert history.journey.wake_at == MONDAY + timedelta(seconds=1)
    history.rings()
    assert (history.journey.stage, history.statuses()) == (Stage.UNKNOWN, {"survey": "too_late"})


def test_when_the_survey_falls_due_its_mail_is_owed():
    history = History()
    history.resolved()
    assert history.rings() == Decision(
        journey=replace(history.journey, touches=(replace(SURVEY, owed_at=TUESDAY),), wake_at=None),
        person=history.person,
        effects=(SendMail(key="survey", journey_id=history.journey.id, touch_id="survey"),),
    )


def test_a_sent_survey_is_asked_and_its_reminder_planned():
    history = History()
    history.asked()
    sent = replace(SURVEY, owed_at=TUESDAY, sent_at=TUESDAY, message_id="m-survey")
    reminder = Touch(id="reminder", kind="reminder", due_at=TUESDAY + days(3), latest_at=TUESDAY + days(14), number=1)
    assert history.decisions[-1] == Decision(
        journey=replace(history.journey, stage=Stage.ASKED, touches=(sent, reminder), wake_at=TUESDAY + days(3)),
        person=history.person,
        effects=(SetAlarm(key="alarm", journey_id=history.journey.id),),
    )


def test_a_cadence_may_remind_twice():
    survey = replace(shipped().cadence.survey, reminders=(Reminder("P3D"), Reminder("P7D")))
    history = History(cadence=replace(shipped().cadence, survey=survey))
    history.asked()
    planned = {touch.id: touch.due_at for touch in history.journey.touches if touch.kind == "reminder"}
    assert planned == {"reminder": TUESDAY + days(3), "reminder-2": TUESDAY + days(7)}
    history.rings_until(TUESDAY + days(8))
    assert history.statuses() == {"survey": "sent", "reminder": "sent", "reminder-2": "sent"}


def test_nobody_answers_one_reminder_then_unknown_never_loyal():
    history = History()
    history.asked()
    history.rings_until(MONDAY + days(60))
    assert history.statuses() == {"survey": "sent", "reminder": "sent"}
    assert history.journey.endings == (
        Ending(Stage.UNKNOWN, TUESDAY + days(14), ("survey of 2026-06-02 unanswered until 2026-06-16",)),
    )
    assert (history.journey.stage, history.journey.wake_at) == (Stage.UNKNOWN, None)
    assert history.person.open_journeys == ()
    assert history.person.loyalty.state == "unknown"


def test_a_good_answer_moves_on_to_the_check_ins_of_content_customers():
    history = History()
    history.asked()
    history.waits(hours(3))
    decision = history.answers(csat=5, solved=1, words="Lovely people.")
    assert decision.journey.answers == (
        Answer(id="a1", touch_id="survey", at=history.now, scores={"csat": 5, "solved": 1}, words="Lovely people."),
    )
    assert decision.journey.stage == Stage.CHECKING_IN
    assert history.statuses() == {
        "survey": "answered",
        "reminder": "answered",
        "first_return": "planned",
        "loyalty": "planned",
    }
    assert decision.effects == (
        WeighWords(key="weigh-a1", journey_id=history.journey.id, answer_id="a1"),
        SetAlarm(key="alarm", journey_id=history.journey.id),
    )


def test_a_bad_answer_opens_one_recovery_and_is_acknowledged_at_once():
    history = History()
    history.asked()
    decision = history.answers(csat=2)
    assert (decision.journey.stage, len(decision.journey.recoveries)) == (Stage.RECOVERING, 1)
    assert mails(decision) == ["acknowledgement-1"]
    assert history.notices() == [("jonas", "recovery_opened")]
    assert history.journey.answers[0].recovery == 1


@pytest.mark.parametrize(
    ("scores", "negative"),
    [
        ({"csat": 2}, True),
        ({"csat": 3}, False),
        ({"nps": 6}, True),
        ({"nps": 7}, False),
        ({"ces": 3}, True),
        ({"ces": 4}, False),
        ({"csat": 5, "solved": 0}, True),
        ({"csat": 5, "solved": 1}, False),
        ({"come_back": 1}, False),
    ],
)
def test_an_answer_is_negative_by_the_thresholds_of_the_cadence(scores, negative):
    history = History()
    history.asked()
    history.answers(**scores)
    assert history.journey.answers[0].negative is negative
    assert history.journey.stage == (Stage.RECOVERING if negative else Stage.CHECKING_IN)


@pytest.mark.parametrize(
    ("said", "notice"),
    [
        ({"csat": 3}, [("samir", "lukewarm")]),
        ({"nps": 8}, [("samir", "lukewarm")]),
        ({"nps": 9}, []),
        ({"csat": 4}, []),
        ({"csat": 5, "words": "I will tell my LAWYER."}, [("samir", "urgent_words")]),
        ({"csat": 5, "call_back": True}, [("samir", "call_back")]),
        ({"csat": 3, "call_back": True, "words": "fraud"}, [("samir", "call_back")]),
    ],
)
def test_a_good_answer_that_needs_a_persons_look_gets_one(said, notice):
    history = History()
    history.asked()
    history.answers(**said)
    assert (history.journey.stage, history.notices()) == (Stage.CHECKING_IN, notice)


def test_who_presses_again_what_they_said_is_put_before_nobody_again():
    history = History()
    history.asked()
    history.answers(csat=3, words="Well.")
    assert history.notices() == [("samir", "lukewarm")]
    history.answers(csat=3, words="Well.")
    assert history.notices() == []
    history.answers(csat=3, words="Well, no.")
    assert ([a.revision for a in history.journey.answers], history.notices()) == ([0, 1, 2], [("samir", "lukewarm")])


def test_more_answers_than_a_customer_gives_stand_as_facts_and_a_lead_is_told_once():
    history = History()
    history.asked()
    told = []
    for number in range(room.MOST_ANSWERS + 5):
        history.answers(csat=1, words=f"{number} ".ljust(8_000, "x"))
        told += [reason for _, reason in history.notices() if reason == "too_many_answers"]
    words = [answer.words for answer in history.journey.answers]
    whole, excerpts = words[:12], words[12:]
    assert (len(words), {len(one) for one in whole}, {len(one) for one in excerpts}) == (100, {8_000}, {204})
    assert {one[-5:] for one in excerpts} == {"x […]"}
    assert (told, history.recovery.answers) == (["too_many_answers"], tuple(a.id for a in history.journey.answers))


@pytest.mark.parametrize(("said", "due"), [({"csat": 3}, days(2)), ({"csat": 5, "call_back": True}, days(1))])
def test_the_look_has_a_time_target_in_business_days(said, due):
    history = History()
    history.asked()
    decision = history.answers(**said)
    assert [effect.due for effect in decision.effects if not isinstance(effect, SetAlarm)] == [TUESDAY + due]


def test_a_suspect_answer_is_kept_and_counts_for_nothing():
    history = History()
    history.asked()
    before = history.journey
    history.answers(csat=5, suspect="too_fast")
    kept = Answer(id="a1", touch_id="survey", at=history.now, scores={"csat": 5}, suspect="too_fast")
    assert history.journey == replace(before, answers=(kept,))
    assert history.notices() == []


def test_a_suspect_negative_answer_has_a_persons_look_and_no_recovery():
    history = History()
    history.asked()
    before = history.journey
    history.answers(csat=1, suspect="decoy")
    kept = Answer(id="a1", touch_id="survey", at=history.now, scores={"csat": 1}, suspect="decoy", negative=True)
    look = Todo(
        key="suspect-a1",
        kind="suspect",
        reason="suspect_negative",
        severity="P2",
        who="samir",
        raised_at=history.now,
        due=history.now + days(1),
        about="a1",
    )
    assert history.journey == replace(before, answers=(kept,), todos=(look,))
    assert history.notices() == [("samir", "suspect_negative")]


def test_a_second_answer_is_a_revision_beside_the_first():
    history = History()
    history.asked()
    history.answers(csat=5, words="Fine.")
    history.waits(hours(1))
    history.answers(csat=4, words="Well, almost.")
    assert [(a.words, a.revision) for a in history.journey.answers] == [("Fine.", 0), ("Well, almost.", 1)]
    assert history.touch("survey").answered_at == TUESDAY


def test_a_suspect_answer_is_no_revision():
    history = History()
    history.asked()
    history.answers(csat=5, suspect="decoy")
    history.answers(csat=5)
    history.answers(csat=4)
    assert [answer.revision for answer in history.journey.answers] == [0, 0, 1]


def test_who_changes_a_good_answer_for_a_bad_one_gets_a_recovery():
    history = History()
    history.asked()
    history.answers(csat=5)
    history.answers(csat=1)
    assert (history.journey.stage, history.recovery.answers) == (Stage.RECOVERING, ("a2",))
    assert history.statuses() == {
        "survey": "answered",
        "reminder": "answered",
        "first_return": "recovery_open",
        "loyalty": "recovery_open",
        "acknowledgement-1": "due",
    }


def test_who_changes_a_bad_answer_for_a_good_one_keeps_their_recovery():
    history = History()
    history.asked()
    history.answers(csat=1)
    history.answers(csat=5)
    assert history.journey.stage == Stage.RECOVERING
    assert [(answer.negative, answer.recovery) for answer in history.journey.answers] == [(True, 1), (False, 0)]


def test_an_answer_may_come_before_the_news_that_its_mail_was_sent():
    history = History()
    history.resolved()
    history.rings()
    history.answers(csat=4)
    assert history.journey.stage == Stage.CHECKING_IN
    history.happens(e.MailSent, touch_id="survey", message_id="m1")
    assert history.journey.stage == Stage.CHECKING_IN
    assert {touch.id for touch in history.journey.touches} == {"survey", "first_return", "loyalty"}
    assert history.mails() == []


def test_a_case_in_which_nobody_spoke_to_the_customer_is_not_surveyed():
    history = History()
    history.resolved(human_exchange=False)
    assert history.statuses() == {"survey": "no_human_exchange"}
    assert history.journey.endings == (
        Ending(Stage.UNKNOWN, MONDAY, ("nobody had dealt with the customer in person by 2026-06-01: no survey",)),
    )
    assert history.journey.wake_at is None


def test_a_cadence_may_survey_all_the_same():
    survey = replace(shipped().cadence.survey, cancel_if=())
    history = History(cadence=replace(shipped().cadence, survey=survey))
    history.resolved(human_exchange=False)
    assert history.statuses() == {"survey": "planned"}


@pytest.mark.parametrize("stage", ["waiting", "asked", "checking_in"])
def test_a_reopened_case_cancels_what_is_planned(stage):
    history = History()
    history.resolved()
    if stage != "waiting":
        history.rings()
        history.mails()
    if stage == "checking_in":
        history.answers(csat=5)
    assert history.journey.stage == stage
    history.reopened()
    assert {t.reason for t in history.journey.touches if not t.went_out} <= {"case_reopened", "answered"}
    assert history.journey.endings == (
        Ending(Stage.SUPERSEDED, history.now, (f"case reopened on {history.now:%Y-%m-%d}",)),
    )
    assert (history.journey.wake_at, history.person.open_journeys) == (None, ())


def test_silence_about_a_resolution_that_was_undone_is_superseded():
    history = History()
    history.asked()
    history.rings_until(MONDAY + days(20))
    history.reopened()
    assert [ending.outcome for ending in history.journey.endings] == [Stage.UNKNOWN, Stage.SUPERSEDED]


def test_what_was_due_when_the_case_was_reopened_does_not_go():
    history = History()
    history.resolved()
    history.rings()
    history.reopened()
    assert (history.statuses(), history.mails()) == ({"survey": "case_reopened"}, [])


@pytest.mark.parametrize("reason", ["merged", "spam", "duplicate"])
def test_a_case_that_was_none_ends_its_journey(reason):
    history = History()
    history.resolved()
    history.withdrawn(reason)
    assert history.statuses() == {"survey": "case_withdrawn"}
    assert history.journey.endings == (Ending(Stage.SUPERSEDED, MONDAY, (f"case withdrawn ({reason}) on 2026-06-01",)),)


def test_resolved_again_starts_a_journey_of_its_own_and_supersedes_the_first():
    first = History()
    first.resolved()
    second = History(epoch=2, person=first.person)
    second.waits(days(3))
    decision = second.resolved()
    told = [effect.event for effect in decision.effects if not isinstance(effect, SetAlarm)]
    assert told == [e.CaseReopened(event_id="reopened/1", occurred_at=second.now, journey_id=first.journey.id)]
    assert second.person.open_journeys == (first.journey.id, second.journey.id)
    assert case_of(second).epoch == 2


def test_a_reopening_that_is_known_is_not_told_again():
    first = History()
    first.resolved()
    first.reopened()
    second = History(epoch=2, person=first.person)
    assert second.resolved().effects == (SetAlarm(key="alarm", journey_id=second.journey.id),)


# -- what became of a mail -------------------------------------------------------------------------------


def test_a_deferred_mail_waits_for_its_new_day_and_keeps_why():
    history = History()
    history.resolved()
    history.rings()
    until = TUESDAY + days(2)
    history.happens(e.MailDeferred, touch_id="survey", until=until, reason="contact_gap")
    assert history.journey.touches == (replace(SURVEY, due_at=until, held="contact_gap"),)
    assert history.journey.wake_at == until


def test_a_refused_survey_ends_as_unknown_and_gives_the_budget_back():
    history = History()
    history.asked()
    history.happens(e.MailNotSent, touch_id="survey", reason="refused")
    assert history.statuses() == {"survey": "refused", "reminder": "journey_over"}
    assert history.person.contacts == ()
    assert history.journey.endings == (Ending(Stage.UNKNOWN, TUESDAY, ("survey not sent (refused) on 2026-06-02",)),)


def test_of_a_mail_whose_outcome_stays_unknown_a_person_is_told():
    history = History()
    history.resolved()
    history.rings()
    history.happens(e.MailNotSent, touch_id="survey", reason="unknown_outcome")
    assert history.notices() == [("jonas", "mail_unknown")]
    assert history.statuses() == {"survey": "unknown_outcome"}


def test_a_mail_that_was_given_up_and_went_after_all_has_gone_and_is_counted():
    history = History()
    history.resolved()
    history.rings()
    history.happens(e.MailNotSent, touch_id="survey", reason="unknown_outcome")
    history.happens(e.MailSent, touch_id="survey", message_id="m1")
    assert history.touch("survey") == replace(SURVEY, owed_at=TUESDAY, sent_at=TUESDAY, message_id="m1")
    assert [contact.touch_id for contact in history.person.contacts] == ["survey"]


def test_a_mail_that_arrived_was_sent_whether_or_not_anybody_said_so():
    history = History()
    history.resolved()
    history.rings()
    history.happens(e.MailDelivered, touch_id="survey")
    delivered = replace(SURVEY, owed_at=TUESDAY, sent_at=TUESDAY, delivered_at=TUESDAY)
    assert (history.journey.stage, history.touch("survey")) == (Stage.ASKED, delivered)
    history.happens(e.MailSent, touch_id="survey", message_id="m1")
    assert history.touch("survey") == replace(delivered, message_id="m1")
    ignored = history.happens(e.MailNotSent, touch_id="survey", reason="unknown_outcome")
    assert (ignored.changed, ignored.note) == (False, "already settled")


def test_a_mail_known_to_be_sent_is_not_given_up_as_unknown():
    history = History()
    history.asked()
    ignored = history.happens(e.MailNotSent, touch_id="survey", reason="unknown_outcome")
    assert (ignored.changed, ignored.note) == (False, "the mail service has taken it meanwhile")


@pytest.mark.parametrize(
    ("news", "note"),
    [
        (e.MailSent(event_id="x", occurred_at=MONDAY, touch_id="survey", message_id="m2"), "already known to be sent"),
        (e.MailSent(event_id="x", occurred_at=MONDAY, touch_id="none", message_id="m2"), "already known to be sent"),
        (e.MailDelivered(event_id="x", occurred_at=MONDAY, touch_id="none"), "already known to be delivered"),
        (e.MailDeferred(event_id="x", occurred_at=MONDAY, touch_id="survey", until=MONDAY, reason=""), "no longer due"),
        (e.MailDeferred(event_id="x", occurred_at=MONDAY, touch_id="none", until=MONDAY, reason=""), "no longer due"),
        (e.MailNotSent(event_id="x", occurred_at=MONDAY, touch_id="none", reason="refused"), "already settled"),
    ],
)
def test_old_news_of_a_mail_changes_nothing(news, note):
    history = History()
    history.asked()
    before, person = history.journey, history.person
    fields = {name: getattr(news, name) for name in news.__struct_fields__ if name not in e.Happened.__struct_fields__}
    assert history.happens(type(news), **fields) == Decision(before, person, changed=False, note=note)


# -- the alarm -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("early", [hours(1), timedelta(seconds=1)])
def test_an_early_alarm_changes_nothing(early):
    history = History()
    history.resolved()
    before = history.journey
    decision = history.happens(e.AlarmRang, at=TUESDAY - early)
    assert decision == Decision(before, history.person, changed=False, note="stale or early alarm")


def test_a_late_alarm_does_what_has_fallen_due():
    history = History()
    history.asked()
    history.happens(e.AlarmRang, at=TUESDAY + days(5))
    assert history.due() == ["reminder"]


def test_an_event_that_overtakes_an_alarm_does_not_silence_it():
    """The survey's window closes, but news of its mail comes before the alarm does."""
    history = History()
    history.asked()
    history.rings_until(TUESDAY + days(3))
    assert history.journey.wake_at == TUESDAY + days(14)
    history.happens(e.MailDelivered, touch_id="survey", at=TUESDAY + days(15))
    assert history.journey.wake_at == TUESDAY + days(15) + timedelta(seconds=1)
    history.rings()
    assert history.journey.stage == Stage.UNKNOWN


def test_old_news_sets_no_alarm_for_an_instant_at_which_it_rang_before():
    """A second alarm for the same instant would pass for a copy of the first, and the journey would never wake."""
    history = History()
    history.asked()
    history.answers(csat=1)
    history.recovers()
    history.rings_until(TUESDAY + days(16))
    rang = history.journey.rang_at
    assert rang == TUESDAY + days(16)  # when the window of the first check-in closed
    history.happens(e.MailDelivered, touch_id="fix_holds", at=TUESDAY + days(2))
    assert history.journey.wake_at == TUESDAY + days(28)


def test_a_mail_that_the_service_refused_stays_refused_whatever_is_heard_of_it():
    history = History()
    history.resolved()
    history.rings()
    history.happens(e.MailNotSent, touch_id="survey", reason="refused")
    history.happens(e.MailSent, touch_id="survey", message_id="m1")
    assert (history.statuses(), history.person.contacts) == ({"survey": "refused"}, ())
