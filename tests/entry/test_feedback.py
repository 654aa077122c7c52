"""What the mail service says became of a mail, in the very shapes that it publishes on EventBridge."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from chalicelib.entry import feedback
from chalicelib.entry.decode import BadInput
from chalicelib.journey import events
from chalicelib.pipeline import Handled
from chalicelib.store.errors import NotOwed

RECORDED = Path(__file__).parents[1] / "events"
MESSAGE = "010701953f5c2f5b-1a2b3c4d-5e6f-4a1b-9c8d-7e6f5a4b3c2d-000000"
JOURNEY = "j" + "a" * 26
ABOUT = {"journey_id": JOURNEY, "touch_id": "survey"}


def _payload(name, effect="survey", kind="survey", journey=JOURNEY):
    text = (RECORDED / f"{name}.json").read_text("utf-8")
    return text.replace("{journey}", journey).replace("{effect}", effect).replace("{kind}", kind)


def _at(*time):
    return datetime(2026, 3, 3, *time, tzinfo=UTC)


class Table:
    """Owes every effect, under a name of its own, until it is settled."""

    def __init__(self):
        self.settled = []

    def effect(self, pk, key):
        return (pk, key)

    def settle(self, owed):
        self.settled.append(owed)


class Worker:
    """Keeps what comes down the road: the event and what it settles."""

    def __init__(self, gone=False):
        self.table, self.taken, self.performed = Table(), [], []
        self.pipeline = self.performer = self
        self._gone = gone

    def handle(self, event, owed=None):
        if owed is not None and self._gone:
            raise NotOwed
        self.taken.append((event, owed))
        return Handled(None, None, None, owed=("next",))

    def perform(self, owed):
        self.performed.append(owed)


FACTS = {
    "ses_send": events.MailSent(
        event_id="sent/survey", occurred_at=_at(10, 0, 2, 101_000), message_id=MESSAGE, **ABOUT
    ),
    "ses_delivery": events.MailDelivered(event_id="delivered/survey", occurred_at=_at(10, 0, 4, 310_000), **ABOUT),
    "ses_bounce_permanent": events.MailBounced(
        event_id="bounced/survey/permanent",
        occurred_at=_at(10, 0, 5, 470_000),
        permanent=True,
        email="ada@example.com",
        **ABOUT,
    ),
    "ses_bounce_transient": events.MailBounced(
        event_id="bounced/survey/2026-03-03T10:00:05.470000+00:00",
        occurred_at=_at(10, 0, 5, 470_000),
        permanent=False,
        email="ada@example.com",
        again=True,
        reason="mailbox_full",
        **ABOUT,
    ),
    "ses_delivery_delay": events.MailDelayed(
        event_id="delayed/survey/2026-03-03T10:30:00+00:00", occurred_at=_at(10, 30), why="MailboxFull", **ABOUT
    ),
    "ses_complaint": events.MailComplained(
        event_id="complained/survey", occurred_at=_at(11, 20, 6), email="ada@example.com", **ABOUT
    ),
    "ses_reject": events.MailNotSent(
        event_id="rejected/survey", occurred_at=_at(10, 0, 2, 101_000), reason="refused", **ABOUT
    ),
}


@pytest.mark.parametrize("name", FACTS)
def test_what_became_of_a_mail_is_a_fact_of_its_journey(name):
    worker = Worker()
    feedback.take(_payload(name), worker)
    ((event, owed),) = worker.taken
    assert event == FACTS[name]
    assert owed == ((f"J#{JOURNEY}", "survey") if name == "ses_send" else None), "only a SEND event settles the sending"
    assert worker.performed == ["next"]


def test_a_send_event_that_comes_after_the_senders_own_answer_settles_nothing_twice():
    worker = Worker(gone=True)
    feedback.take(_payload("ses_send"), worker)
    assert worker.taken == [(FACTS["ses_send"], None)]


def test_mail_that_is_not_ours_is_passed_over():
    worker = Worker()
    other = json.loads(_payload("ses_bounce_permanent"))
    for name in ("journey", "effect", "kind"):
        del other["detail"]["mail"]["tags"][name]
    feedback.take(json.dumps(other), worker)
    assert (worker.taken, worker.table.settled) == ([], [])


def test_a_notice_to_staff_is_settled_when_it_was_sent_and_no_journey_hears_of_it():
    worker = Worker()
    for name in FACTS:
        feedback.take(_payload(name, effect="notice-1", kind="staff-notice"), worker)
    assert (worker.taken, worker.table.settled) == ([], [(f"J#{JOURNEY}", "notice-1")])


@pytest.mark.parametrize(
    "body",
    [
        *("", "x", "null", "[]", "{}", '{"detail": {}}', '{"detail": "x"}', "[" * 100_000, '{"detail": NaN}'),
        _payload("ses_send").replace('"messageId"', '"messageID"'),
        _payload("ses_send").replace("2026-03-03T10:00:02.101Z", "yesterday"),
        _payload("ses_bounce_permanent").replace('"bounceType"', '"type"'),
    ],
    ids=lambda body: ascii(body[:20]),
)
def test_what_is_no_news_of_mail_is_refused_for_the_dead_letter_queue(body):
    worker = Worker()
    with pytest.raises(BadInput):
        feedback.take(body, worker)
    assert worker.taken == []


def _changed(name, **fields):
    """A recorded payload whose own part (bounce, complaint) has other fields."""
    told = json.loads(_payload(name))
    part = next(told["detail"][key] for key in ("bounce", "complaint") if key in told["detail"])
    part.update(fields)
    return json.dumps(told)


#: (type, sub-type) → (permanent, whether the same mail is tried again, reason), as SES documents the kinds.
SORTED = {
    ("Permanent", "General"): (True, False, ""),
    ("Permanent", "NoEmail"): (True, False, ""),
    ("Permanent", "Suppressed"): (True, False, "listed"),
    ("Permanent", "OnAccountSuppressionList"): (True, False, "listed"),
    ("Transient", "General"): (False, True, "soft_bounce"),
    ("Transient", "MailboxFull"): (False, True, "mailbox_full"),
    ("Transient", "CustomTimeoutExceeded"): (False, True, "soft_bounce"),
    ("Transient", "MessageTooLarge"): (False, False, "content_refused"),
    ("Transient", "ContentRejected"): (False, False, "content_refused"),
    ("Transient", "AttachmentRejected"): (False, False, "content_refused"),
    ("Transient", "SomethingNew"): (False, True, "soft_bounce"),
    ("Undetermined", "Undetermined"): (False, False, "soft_bounce"),
}


@pytest.mark.parametrize(("kind", "sorted_as"), SORTED.items())
def test_a_bounce_is_sorted_by_its_type_and_sub_type(kind, sorted_as):
    worker = Worker()
    feedback.take(_changed("ses_bounce_transient", bounceType=kind[0], bounceSubType=kind[1]), worker)
    ((event, _),) = worker.taken
    assert (event.permanent, event.again, event.reason) == sorted_as


def test_a_recipient_who_left_a_list_of_the_services_own_wants_no_asks():
    worker = Worker()
    feedback.take(
        _changed("ses_bounce_permanent", bounceType="Permanent", bounceSubType="UnsubscribedRecipient"), worker
    )
    feedback.take(_payload("ses_subscription"), worker)
    assert [(event.scope, event.journey_id) for event, _ in worker.taken] == [("asks", JOURNEY)] * 2


def test_who_stays_subscribed_and_who_marks_a_mail_as_no_spam_asks_for_nothing():
    worker = Worker()
    stays = json.loads(_payload("ses_subscription"))
    stays["detail"]["subscription"]["newTopicPreferences"] = {
        "unsubscribeAll": False,
        "topicSubscriptionStatus": [{"topicName": "surveys", "subscriptionStatus": "OptIn"}],
    }
    feedback.take(json.dumps(stays), worker)
    feedback.take(_changed("ses_complaint", complaintFeedbackType="not-spam"), worker)
    assert worker.taken == []


def test_a_rendering_failure_settles_the_mail_as_refused():
    worker = Worker()
    feedback.take(_payload("ses_rendering_failure"), worker)
    assert [(type(event), event.reason) for event, _ in worker.taken] == [(events.MailNotSent, "refused")]


def test_the_facts_of_a_mail_that_was_sent_again_are_facts_of_their_own():
    worker = Worker()
    told = json.loads(_payload("ses_send"))
    told["detail"]["mail"]["tags"]["returns"] = ["2"]
    feedback.take(json.dumps(told), worker)
    assert [(event.event_id, event.returns) for event, _ in worker.taken] == [("sent/survey/2", 2)]
