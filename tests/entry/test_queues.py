"""What comes over queues is dealt with, or raised so that it comes again and is buried at last."""

import json
from datetime import timedelta

import pytest
from botocore.exceptions import EndpointConnectionError

from chalicelib.entry.decode import BadInput
from chalicelib.entry.queues import LAST_TRY
from chalicelib.journey import events
from chalicelib.journey.errors import ActRefused
from chalicelib.journey.state import Stage
from chalicelib.store.quarantine import PutAside, Quarantine
from infra.stack import resources
from local.aws.account import DEFAULT_ACCOUNT_ID, DEFAULT_REGION
from tests.entry.conftest import ADA, START


def _records(*bodies):
    return {"Records": [{"body": body} for body in bodies]}


def _kept():
    """An event of our own, as a page leaves it in the queue."""
    event = events.CaseResolved(
        event_id="resolved/1",
        occurred_at=START,
        journey_id=events.journey_of_case("desk", "1", 1),
        case=events.Case(source="desk", case_id="1", epoch=1, resolved_at=START),
        customer=events.Customer(person_id=events.person_id_of("c-1", ""), customer_id="c-1", email="ada@example.com"),
    )
    return events.dump(event).decode()


def test_an_event_that_a_page_kept_is_decided(stack):
    stack.wiring.consumer.inbox(_records(_kept()))
    assert stack.journey(events.journey_of_case("desk", "1", 1)).stage is Stage.WAITING


def test_an_event_of_the_bus_is_decided(stack):
    case = {"source": "desk", "case_id": "1", "epoch": 1, "resolved_at": START.isoformat(), "customer": ADA}
    told = {"detail-type": "case.resolved", "source": "desk", "detail": case}
    stack.wiring.consumer.inbox(_records(json.dumps(told, ensure_ascii=False)))
    assert stack.journey(events.journey_of_case("desk", "1", 1)).stage is Stage.WAITING


def test_large_words_of_another_language_come_over_the_bus_as_over_the_api(stack):
    """Escaped, they would take six bytes a letter."""
    case = {"source": "x", "remark_id": "r", "occurred_at": START.isoformat(), "words": "ж" * 8_000, "customer": ADA}
    body = json.dumps({"detail-type": "failure.logged", "detail": case}, ensure_ascii=False)
    stack.wiring.consumer.inbox(_records(body))
    assert stack.journey(events.journey_of_remark("x", "r")).stage is Stage.RECOVERING


@pytest.mark.parametrize(
    "body",
    [
        *("", "x", "null", "[]", "1", '"x"', "{}", '{"type": "CaseResolved"}', '{"type": "Unheard"}', "[" * 100_000),
        *('{"detail-type": 1}', '{"detail-type": "case.resolved"}', '{"detail-type": "case.resolved", "detail": NaN}'),
        *('{"detail-type": "case.resolved", "detail": "\ud800"}', _kept()[:-1]),
        _kept().replace('"epoch":1', '"epoch":NaN'),
    ],
    ids=lambda body: ascii(body[:30]),
)
def test_what_is_no_event_is_refused_and_changes_nothing(stack, body):
    before = stack.rows()
    with pytest.raises(BadInput):
        stack.wiring.consumer.inbox(_records(body))
    assert stack.rows() == before


def test_an_act_that_nobody_waits_for_any_more_is_raised(stack):
    journey_id = stack.resolved()
    act = events.StaffActed(event_id="acted/1", occurred_at=START, journey_id=journey_id, act="close", by="ana")
    with pytest.raises(ActRefused):
        stack.wiring.consumer.inbox(_records(events.dump(act).decode()))


def test_an_alarm_that_rings_early_or_twice_changes_nothing(stack):
    journey_id = stack.resolved()
    stack.settle()
    before = stack.rows()
    ring = _records(json.dumps({"journey_id": journey_id}))
    stack.wiring.consumer.alarms(ring)
    stack.wiring.consumer.alarms(ring)
    assert stack.journey(journey_id).stage is Stage.WAITING
    assert [row for row in stack.rows() if row["sk"]["S"] == "STATE"] == [
        row for row in before if row["sk"]["S"] == "STATE"
    ]


def test_the_reconciler_does_what_a_lost_message_left_undone(stack):
    journey_id, path = stack.surveyed()
    stack.off.add("sqs")
    stack.press(path, csat="1", words="Broken")
    stack.off.clear()
    assert len(stack.account.ses.sent) == 1
    stack.clock.move(stack.clock.now + timedelta(minutes=4))
    stack.wiring.consumer.reconcile({})
    tags = [mail.tags["kind"] for mail in stack.account.ses.sent]
    assert sorted(tags) == ["acknowledgement", "staff-notice", "survey"]
    assert stack.wiring.table.owed(f"J#{journey_id}") == []


# -- what nobody can deal with ---------------------------------------------------------------------------------


def _received(body, tries):
    return {"Records": [{"body": body, "attributes": {"ApproximateReceiveCount": str(tries)}}]}


def _bus(words):
    case = {"source": "desk", "case_id": "1", "resolved_at": "soon", "subject": words, "customer": ADA}
    return json.dumps({"detail-type": "case.resolved", "detail": case})


def _buried(stack):
    sqs = stack.account.client("sqs")
    url = stack.environment["INBOX_QUEUE_URL"] + "-dead"
    return [
        message["Body"] for message in sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
    ]


def test_the_last_try_is_the_one_that_the_queues_allow():
    kinds = {"AWS::SQS::Queue"}
    queues = [
        one.properties
        for one in resources("dev", DEFAULT_ACCOUNT_ID, DEFAULT_REGION).values()
        if one.type in kinds and "RedrivePolicy" in one.properties
    ]
    assert {queue["RedrivePolicy"]["maxReceiveCount"] for queue in queues} == {LAST_TRY}


@pytest.mark.parametrize("queue", ["inbox", "feedback"])
def test_at_the_last_try_a_message_is_put_aside_and_only_a_reference_is_buried(stack, queue):
    deal = getattr(stack.wiring.consumer, queue)
    for tries in range(1, LAST_TRY):
        with pytest.raises(BadInput):
            deal(_received(_bus("Ada's secret"), tries))
    assert _buried(stack) == []
    deal(_received(_bus("Ada's secret"), LAST_TRY))
    (reference,) = _buried(stack)
    assert "Ada" not in reference
    name = json.loads(reference)["put_aside"]
    assert Quarantine(stack.account.client("dynamodb"), stack.environment["TABLE"]).get(name) == PutAside(
        queue, _bus("Ada's secret")
    )


def test_put_aside_twice_is_put_aside_once(stack):
    for _ in range(2):
        stack.wiring.consumer.inbox(_received(_bus("x"), LAST_TRY))
    assert len([row for row in stack.rows() if row["pk"]["S"].startswith("DEAD#")]) == 1


def test_a_reference_that_is_sent_back_is_the_message_again_and_is_forgotten_once_dealt_with(stack):
    quarantine = Quarantine(stack.account.client("dynamodb"), stack.environment["TABLE"])
    reference = json.dumps({"put_aside": quarantine.put(PutAside("inbox", _kept()), "Conflict", START)})
    for _ in range(2):
        stack.wiring.consumer.inbox(_received(reference, 1))
    assert stack.journey(events.journey_of_case("desk", "1", 1)).stage is Stage.WAITING
    assert [row for row in stack.rows() if row["pk"]["S"].startswith("DEAD#")] == []


def test_without_the_table_nothing_is_put_aside_and_the_queue_keeps_the_message(stack):
    stack.off.add("dynamodb")
    with pytest.raises(EndpointConnectionError):
        stack.wiring.consumer.inbox(_received(_kept(), LAST_TRY))
    assert _buried(stack) == []
