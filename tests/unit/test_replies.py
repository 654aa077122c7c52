"""What a reply by mail leads to: a person reads it; an automatic one leads to nothing."""

import pytest
from msgspec.structs import replace

from chalicelib.journey import events as e
from chalicelib.journey.effects import NotifyStaff, SetAlarm
from chalicelib.journey.replies import MOST_AUTOMATIC, MOST_KEPT
from chalicelib.journey.state import Reply, Stage
from tests.unit.builders import MONDAY, History, customer, days, hours

TUESDAY = MONDAY + days(1)


def asked() -> History:
    history = History()
    history.asked()
    return history


def replies(history: History, words: str = "Thank you.", reply_id: str = "r1", **more):
    return history.happens(e.ReplyReceived, reply_id=reply_id, words=words, raw="inbound/1", **more)


def notices(decision) -> list[tuple[str, str]]:
    return [(one.staff_id, one.reason) for one in decision.effects if isinstance(one, NotifyStaff)]


def test_a_reply_is_kept_and_a_lead_looks_within_one_business_day():
    history = asked()
    decision = replies(history)
    assert history.journey.replies == (Reply(id="r1", at=TUESDAY, words="Thank you.", raw="inbound/1"),)
    assert [one for one in decision.effects if not isinstance(one, SetAlarm)] == [
        NotifyStaff(
            key="notice-reply-r1-samir",
            journey_id=history.journey.id,
            staff_id="samir",
            reason="reply",
            about="r1",
            due=TUESDAY + days(1),
        )
    ]
    assert (history.journey.stage, history.statuses()["survey"]) == (Stage.ASKED, "sent")


def test_during_a_recovery_its_owner_is_told():
    history = asked()
    history.answers(csat=2)
    assert notices(replies(history)) == [("jonas", "reply")]


@pytest.mark.parametrize(
    ("words", "more"),
    [
        ("My lawyer will call.", {}),
        ("What a mess.", {"compound": -0.6}),
        ("Never again!", {}),
    ],
)
def test_what_is_urgent_or_angry_is_a_p1_look(words, more):
    history = asked()
    decision = replies(history, words, **more)
    target = history.documents.playbook.step("take").target.of("P1")
    due = history.documents.settings.calendar.add(history.now, target)
    assert [(one.reason, one.due) for one in decision.effects if isinstance(one, NotifyStaff)] == [
        ("reply_urgent", due)
    ]
    assert due < history.now + hours(24)


def test_anger_is_heard_in_english_only():
    history = asked()
    history.person = replace(history.person, customer=customer(locale="de-DE"))
    assert notices(replies(history, "Never again!", compound=-0.9)) == [("samir", "reply")]


@pytest.mark.parametrize("doubt", ["spam", "virus", "unsigned"])
def test_a_doubtful_reply_is_looked_at_but_is_never_urgent(doubt):
    history = asked()
    decision = replies(history, "My lawyer will call.", doubt=doubt)
    assert (notices(decision), history.journey.replies[0].doubt) == ([("samir", "reply")], doubt)


def test_a_reply_after_the_end_reopens_nothing_by_itself():
    history = asked()
    history.rings_until(MONDAY + days(60))
    decision = replies(history)
    assert (history.journey.stage, notices(decision)) == (Stage.UNKNOWN, [("samir", "reply_after_end")])


def test_an_automatic_reply_is_kept_and_leads_to_nothing():
    history = asked()
    before = history.journey
    decision = replies(history, "I am away. My lawyer is not.", automatic="auto-submitted", compound=-0.9)
    kept = Reply(id="r1", at=TUESDAY, words="I am away. My lawyer is not.", raw="inbound/1", automatic="auto-submitted")
    assert (decision.effects, history.journey) == ((), replace(before, replies=(kept,)))


def test_of_many_automatic_replies_a_few_are_kept():
    history = asked()
    for number in range(MOST_AUTOMATIC + 5):
        decision = replies(history, reply_id=f"r{number}", automatic="report")
    assert (len(history.journey.replies), decision.changed) == (MOST_AUTOMATIC, False)


def test_of_more_replies_than_are_kept_a_person_is_told_once_a_day():
    history = asked()
    told = [len(notices(replies(history, reply_id=f"r{number}"))) for number in range(MOST_KEPT + 5)]
    assert told == [1] * (MOST_KEPT + 1) + [0] * 4
    history.waits(days(1))
    assert [len(notices(replies(history, reply_id=f"s{number}"))) for number in range(2)] == [1, 0]
    assert len(history.journey.replies) == MOST_KEPT


def test_the_journey_keeps_the_beginning_of_a_long_reply():
    history = asked()
    replies(history, "word " * 1600)
    assert len(history.journey.replies[0].words) == 2000
