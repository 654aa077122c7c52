"""A mail that cannot be written is known not to be sent: it is settled with a reason, and nothing goes round.

The address is a stand-in: what the API takes today, mail can carry, but what is stored may be older than that rule.
"""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from botocore.exceptions import EndpointConnectionError

from chalicelib.effects import rendering
from chalicelib.effects.letters import Letters
from chalicelib.journey.events import journey_of_case
from local.stack import Stack

#: A Thursday, 10:00 in New York.
NOW = datetime(2026, 5, 7, 14, tzinfo=UTC)
JOURNEY = journey_of_case("desk", "A-1", 1)
A_WEEK = timedelta(days=7)
UNSENDABLE = "josé@example.com"


@pytest.fixture
def stack():
    stack = Stack(NOW, lazy=True)
    data = {
        "source": "desk",
        "case_id": "A-1",
        "epoch": 1,
        "resolved_at": NOW.isoformat(),
        "subject": "A late parcel",
        "customer": {"email": "jose@example.com", "first_name": "José", "time_zone": "America/New_York"},
    }
    assert stack.tell("/cases", "case.resolved", data).status == 200
    return stack


def _address(monkeypatch, method):
    """Let the letters of that kind go to an address that mail cannot carry."""
    write = getattr(Letters, method)

    def written(self, *args):
        body, envelope = write(self, *args)
        return body, msgspec.structs.replace(envelope, to=UNSENDABLE)

    monkeypatch.setattr(Letters, method, written)


def _touches(stack):
    found = stack.wiring.table.journey(JOURNEY).value.touches
    return {touch.id: (touch.status, touch.reason) for touch in found}


def _owed(stack):
    return [owed.effect.key for owed in stack.wiring.table.owed(f"J#{JOURNEY}")]


def test_a_touch_to_an_address_that_mail_cannot_carry_is_settled_as_refused(stack, monkeypatch):
    _address(monkeypatch, "to_customer")
    stack.run_until(NOW + A_WEEK)
    assert _touches(stack)["survey"] == ("not sent", "refused")
    assert (stack.account.calls["sesv2.SendEmail"], stack.account.ses.sent) == (0, [])
    assert (_owed(stack), stack.failures, stack.dead_letters()) == ([], [], 0)


def test_a_letter_that_fails_to_render_is_settled_and_the_mistake_is_seen_once(stack, monkeypatch):
    def broken(kind, context):
        raise KeyError(kind, len(context))

    monkeypatch.setattr(rendering, "mail", broken)
    stack.run_until(NOW + A_WEEK)
    assert _touches(stack)["survey"] == ("not sent", "refused")
    assert stack.failures == ["alarms: _Unwritable: no mail can be made of it: KeyError"]
    assert (stack.account.calls["sesv2.SendEmail"], _owed(stack), stack.dead_letters()) == (0, [], 0)


def test_a_service_that_is_away_while_the_letter_is_written_leaves_it_owed(stack, monkeypatch):
    render, away = rendering.mail, [True]

    def once_away(kind, context):
        if away:
            away.pop()
            raise EndpointConnectionError(endpoint_url="https://ssm.invalid")
        return render(kind, context)

    monkeypatch.setattr(rendering, "mail", once_away)
    stack.run_until(NOW + timedelta(days=2))
    assert _touches(stack)["survey"] == ("delivered", "")
    assert len(stack.account.ses.sent) == 1


def test_a_notice_to_an_address_that_mail_cannot_carry_is_settled_and_seen_once(stack, monkeypatch):
    _address(monkeypatch, "to_staff")
    failed = {
        "source": "desk",
        "remark_id": "R-1",
        "occurred_at": NOW.isoformat(),
        "words": "Nobody called back.",
        "customer": {"email": "ada@example.com", "time_zone": "America/New_York"},
    }
    assert stack.tell("/failures", "failure.logged", failed).status == 200
    stack.settle()
    stack.run_until(NOW + timedelta(hours=1))
    assert stack.failures == ["work: _Unwritable: no mail can be made of it: UnicodeEncodeError"]
    assert [mail.tags["kind"] for mail in stack.account.ses.sent] == ["acknowledgement"]
    assert (stack.dead_letters(), _staff_notices_owed(stack)) == (0, [])


def _staff_notices_owed(stack):
    client = stack.account.client("dynamodb")
    items = client.scan(TableName=stack.environment["TABLE"])["Items"]
    return [item["sk"]["S"] for item in items if item["sk"]["S"].startswith("EFFECT#notify")]
