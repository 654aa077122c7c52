"""Mail that never goes where it must not: breaker, fuses and the suppression list, through the real handlers."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from chalicelib.journey.state import Stage as At
from chalicelib.store.documents import shipped
from local.stack import Stack

START = datetime(2026, 3, 2, 15, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
ASKS = {"survey", "reminder", "check-in", "update", "thank-you"}


def _stack(**changes):
    stack = Stack(START, lazy=True)
    settings = json.loads(shipped("settings"))
    for name, value in changes.items():
        settings[name] = {**settings.get(name, {}), **value}
    stack.wiring.documents.put("settings", json.dumps(settings).encode(), START, by="test", activate=True)
    return stack


def _remark(stack, number, email="pat@example.com", customer=""):
    told = {
        "source": "desk",
        "remark_id": f"r{number}",
        "words": "I am out of the office.",
        "occurred_at": stack.clock.now.isoformat(),
        "customer": {"customer_id": customer, "email": email, "first_name": "Pat"},
    }
    reply = stack.tell("/failures", "failure.logged", told)
    assert reply.status in {200, 201, 202}, reply.body
    stack.settle()
    return reply.json()


def _resolve(stack, number, email, epoch=1):
    told = {
        "source": "desk",
        "case_id": f"c{number}",
        "epoch": epoch,
        "resolved_at": stack.clock.now.isoformat(),
        "customer": {"email": email, "first_name": "Pat"},
    }
    reply = stack.tell("/cases", "case.resolved", told)
    assert reply.status in {200, 201, 202}, reply.body
    stack.settle()
    return reply.json()["journey_id"]


def _kinds(stack, to=""):
    return [mail.tags["kind"] for mail in stack.account.ses.sent if not to or to in mail.to[0]]


def _touches(stack, journey_id):
    return {touch.id: touch for touch in stack.wiring.table.journey(journey_id).value.touches}


# -- fuses -----------------------------------------------------------------------------------------------------


def test_an_auto_reply_loop_gets_as_many_mails_in_a_day_as_the_settings_allow_over_all_persons_of_an_address():
    stack = _stack(fuses={"contact_per_day": 3, "staff_per_day": 5})
    journeys = [_remark(stack, n, "Pat@Example.com", f"c{n % 7}")["journey_id"] for n in range(40)]
    assert _kinds(stack, "xample.com").count("acknowledgement") == 3
    held = [_touches(stack, one)["acknowledgement-1"] for one in journeys]
    assert {touch.held for touch in held if not touch.went_out} == {"fuse_contact"}
    staff = [mail.to[0] for mail in stack.account.ses.sent if mail.tags["kind"] == "staff-notice"]
    assert max(staff.count(one) for one in set(staff)) <= 5
    stack.run_until(START + DAY)
    assert _kinds(stack, "xample.com").count("acknowledgement") == 6, "what waits goes the next day, as far as it may"
    stack.run_until(START + 4 * DAY)
    settled = [_touches(stack, one)["acknowledgement-1"] for one in journeys]
    assert {(touch.status, touch.reason) for touch in settled} == {("delivered", ""), ("not sent", "fuse_contact")}
    assert stack.failures == []


def test_the_deployments_fuse_allows_exactly_its_number_however_the_journeys_fall_on_its_shards():
    stack = _stack(fuses={"deployment_per_day": 23})
    for number in range(40):
        _remark(stack, number, f"p{number}@example.org")
    acknowledged = [mail for mail in stack.account.ses.sent if mail.tags["kind"] == "acknowledgement"]
    assert len(acknowledged) == 23
    told = [mail for mail in stack.account.ses.sent if mail.tags["effect"].startswith("notice-fuse_deployment")]
    stack.run_until(START + HOUR)
    told = [mail for mail in stack.account.ses.sent if mail.tags["effect"].startswith("notice-fuse_deployment")]
    assert len(told) == 1, "a lead is told once a day"
    assert b"23 a day" in told[0].raw


def test_a_person_with_ever_new_journeys_stays_a_record_that_the_table_takes():
    stack = _stack(fuses={"contact_per_day": 1, "staff_per_day": 1})
    for number in range(210):
        _remark(stack, number, customer="c-1")
    (person_id,) = stack.wiring.lists.holders("pat@example.com")
    person = stack.wiring.table.person(person_id).value
    assert (len(person.open_journeys), len(person.open_recoveries), len(person.failures)) == (200, 200, 200)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["replies", "reopenings"])
def test_ten_thousand_of_a_loop_cause_at_most_the_configured_number_of_mails(kind):
    stack = _stack(fuses={"contact_per_day": 10, "staff_per_day": 50})
    for number in range(10_000):
        if kind == "replies":
            _remark(stack, number, customer=f"c-{number % 50}")
        else:
            _resolve(stack, 1, "pat@example.com", epoch=number + 1)
    to_pat = [mail for mail in stack.account.ses.sent if mail.to[0].startswith("pat@")]
    to_staff = [mail.to[0] for mail in stack.account.ses.sent if not mail.to[0].startswith("pat@")]
    assert len(to_pat) <= 10
    assert all(to_staff.count(one) <= 50 for one in set(to_staff))
    assert stack.failures == []


# -- the breaker -----------------------------------------------------------------------------------------------


def _report(stack, journey_id, kind):
    about = {"journey": [journey_id], "effect": ["acknowledgement-1"], "kind": ["acknowledgement"]}
    stamp = stack.clock.now.isoformat()
    mail = {"timestamp": stamp, "messageId": "m", "destination": ["x@example.net"], "tags": about}
    part = {"bounceType": "Permanent", "bounceSubType": "General", "timestamp": stamp}
    detail = {"eventType": kind, "mail": mail, kind.lower(): part}
    stack.take("feedback", {"MessageId": "", "ReceiptHandle": "", "Body": json.dumps({"detail": detail})})


def _with_much_bounced():
    """A deployment that sent 40 mails today, of which 6 came back, and has a survey due."""
    stack = _stack(breaker={"sends_min": 20, "window": "P2D"})
    journeys = [_remark(stack, n, f"p{n}@example.org")["journey_id"] for n in range(40)]
    asked = _resolve(stack, 1, "ada@example.com")
    stack.run_until(START + DAY - 2 * HOUR)
    for journey_id in [*journeys[:6], journeys[0]]:
        _report(stack, journey_id, "Bounce")
    return stack, asked


def test_asks_wait_while_too_much_comes_back_and_a_lead_is_told_once_and_responses_go_on():
    stack, asked = _with_much_bounced()
    other = _resolve(stack, 2, "eve@example.com")
    stack.run_until(START + DAY + HOUR)
    assert _kinds(stack).count("survey") == 0
    touch = _touches(stack, asked)["survey"]
    assert (touch.status, touch.held) == ("planned", "breaker")
    _remark(stack, 99, "max@example.com")
    assert _kinds(stack, "max@example.com") == ["acknowledgement"]
    told = [mail for mail in stack.account.ses.sent if mail.tags["effect"].startswith("notice-breaker")]
    assert len(told) == 1
    assert b"6 bounces and 0 complaints among 40 mails" in told[0].raw.replace(b"=\n", b"")
    assert b"Judge since" in told[0].raw.replace(b"=\n", b"")
    stack.run_until(START + 4 * DAY)
    assert {_touches(stack, one)["survey"].status for one in (asked, other)} == {"delivered"}
    assert stack.wiring.counters.announced("breaker") is None, "closed by itself when the window was clean"


def test_a_leads_word_closes_the_breaker():
    stack, asked = _with_much_bounced()
    stack.run_until(START + DAY + HOUR)
    assert not _touches(stack, asked)["survey"].went_out
    settings = json.loads(shipped("settings"))
    settings["breaker"] = {"sends_min": 20, "window": "P2D", "judge_since": stack.clock.now.isoformat()}
    stack.wiring.documents.put("settings", json.dumps(settings).encode(), stack.clock.now, by="lead", activate=True)
    stack.run_until(stack.clock.now + 3 * HOUR)
    assert _touches(stack, asked)["survey"].went_out


# -- the account's suppression list ----------------------------------------------------------------------------


@pytest.mark.parametrize(("reason", "stage"), [("BOUNCE", At.UNREACHABLE), ("COMPLAINT", At.OPTED_OUT)])
def test_a_lost_bounce_or_complaint_is_healed_within_a_day(reason, stage):
    stack = _stack()
    stack.account.ses.events = False
    journey_id = _resolve(stack, 1, "ada@example.com")
    stack.run_until(START + 2 * DAY)
    assert _kinds(stack) == ["survey"]
    for number in range(1_100):
        stack.account.ses.put_suppressed_destination(EmailAddress=f"n{number}@example.net", Reason="BOUNCE")
    stack.account.ses.put_suppressed_destination(EmailAddress="Ada@Example.com", Reason=reason)
    stack.run_until(START + 3 * DAY)
    assert stack.wiring.table.journey(journey_id).value.stage is stage
    assert stack.wiring.table.is_suppressed("ada@example.com") == {"BOUNCE": "hard_bounce"}.get(reason, "complaint")
    assert stack.wiring.table.is_suppressed("n1099@example.net") == "hard_bounce"
    later = _resolve(stack, 2, "ada@example.com")
    stack.run_until(START + 20 * DAY)
    assert _kinds(stack) == ["survey"], "no mail after that commit"
    assert _touches(stack, later)["survey"].reason in {"hard_bounce", "complaint", "opted_out"}
    assert stack.failures == []


def test_the_list_is_read_from_where_it_was_read_last_and_what_is_known_changes_nothing():
    stack = _stack()
    put = stack.account.ses.put_suppressed_destination
    put(EmailAddress="a@example.net", Reason="BOUNCE")
    assert stack.wiring.reconciliation.run() == 1
    assert stack.wiring.reconciliation.run() == 0
    stack.clock.move(START + DAY)
    put(EmailAddress="b@example.net", Reason="COMPLAINT")
    assert stack.wiring.reconciliation.run() == 1
    assert stack.wiring.counters.read_until() == START + DAY


# -- the allowlist ---------------------------------------------------------------------------------------------


def test_a_mail_that_the_stage_may_not_send_has_its_reason_and_a_line_in_the_log_that_names_nobody(caplog):
    stack = Stack(START, lazy=True, mail_only_to="example.com")
    journey_id = _resolve(stack, 1, "pat@partner.example")
    stack.run_until(START + 2 * DAY)
    touch = _touches(stack, journey_id)["survey"]
    assert (_kinds(stack, "partner.example"), touch.status, touch.reason) == ([], "not sent", "allowlist")
    (line,) = [line for line in caplog.records if "allowlist" in line.message]
    assert (line.kind, line.journey_id) == ("survey", journey_id)
    assert "partner" not in str(line.__dict__)
