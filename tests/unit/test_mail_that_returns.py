"""Mail that comes back for now is sent again after growing pauses, and only while it is of use."""

import pytest

from chalicelib.journey import events as e
from chalicelib.journey.state import Stage
from tests.unit.builders import History, days, hours


def _came_back(history, **more):
    touch = history.touch("survey")
    fields = {"again": True, "reason": "mailbox_full", "returns": touch.returns, **more}
    return history.happens(e.MailBounced, touch_id="survey", permanent=False, **fields)


def _asked():
    history = History()
    history.asked()
    return history


def test_a_full_mailbox_gets_the_survey_again_and_its_reminders_wait_for_that():
    history = _asked()
    at = history.now
    assert [t.id for t in history.journey.touches] == ["survey", "reminder"]
    _came_back(history)
    survey = history.touch("survey")
    assert (history.journey.stage, [t.id for t in history.journey.touches]) == (Stage.WAITING, ["survey"])
    assert (survey.status, survey.returns, survey.held) == ("planned", 1, "mailbox_full")
    assert survey.due_at >= at + hours(4)
    assert history.person.contacts == (), "the budget has it again"


def test_it_is_given_up_when_the_pauses_are_used_up():
    history = _asked()
    for _ in range(4):
        _came_back(history)
        if history.touch("survey").is_planned:
            history.rings()
            history.happens(e.MailSent, touch_id="survey", message_id="again", returns=history.touch("survey").returns)
    survey = history.touch("survey")
    assert (survey.status, survey.reason, survey.returns) == ("not sent", "mailbox_full", 3)
    assert history.journey.stage is Stage.UNREACHABLE


@pytest.mark.parametrize(
    ("fields", "stage"),
    [
        ({"again": False, "reason": "content_refused"}, Stage.UNKNOWN),
        ({"again": False, "reason": "soft_bounce"}, Stage.UNREACHABLE),
    ],
)
def test_what_would_come_back_again_is_not_sent_again(fields, stage):
    history = _asked()
    _came_back(history, **fields)
    assert (history.touch("survey").reason, history.journey.stage) == (fields["reason"], stage)


def test_an_automatic_reply_to_a_mail_that_arrived_sends_nothing_twice():
    history = _asked()
    history.happens(e.MailDelivered, touch_id="survey")
    before = history.journey
    decision = _came_back(history, reason="soft_bounce")
    assert (history.journey, decision.changed) == (before, False)


def test_news_of_an_earlier_sending_does_not_settle_the_next():
    history = _asked()
    _came_back(history)
    late = history.happens(e.MailSent, touch_id="survey", message_id="m-late", returns=0)
    again = _came_back(history, returns=0)
    assert (late.changed, again.changed) == (False, False)
    assert history.touch("survey").is_planned


def test_a_mail_that_arrived_after_all_is_not_sent_again():
    history = _asked()
    _came_back(history)
    history.happens(e.MailDelivered, touch_id="survey")
    assert (history.touch("survey").status, history.journey.stage) == ("delivered", Stage.ASKED)


def test_nothing_is_sent_again_after_its_latest_useful_time():
    history = _asked()
    history.waits(days(30))
    _came_back(history)
    assert history.touch("survey").reason == "mailbox_full"


def test_a_delay_is_dated_once_and_changes_nothing_else():
    history = _asked()
    history.happens(e.MailDelayed, touch_id="survey", why="MailboxFull")
    first = history.touch("survey").delayed_at
    decision = history.happens(e.MailDelayed, touch_id="survey", why="MailboxFull", event_id="again")
    assert (first, decision.changed, history.touch("survey").status) == (history.now, False, "sent")
