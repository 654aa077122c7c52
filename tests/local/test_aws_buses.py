"""Custom buses and patterns on details, as EventBridge has them."""

import json
from datetime import UTC, datetime

import pytest
from botocore.exceptions import ClientError

from local.aws import Account

QUEUE = "arn:aws:sqs:eu-central-1:123456789012:events"


@pytest.fixture
def account():
    account = Account(lambda: datetime(2026, 3, 1, 12, tzinfo=UTC))
    account.sqs.create_queue(QueueName="events")
    account.events.create_event_bus(Name="shop")
    return account


def rule(account, pattern, bus="shop"):
    arn = account.events.put_rule(Name="r", EventBusName=bus, EventPattern=json.dumps(pattern))["RuleArn"]
    account.events.put_targets(Rule="r", EventBusName=bus, Targets=[{"Id": "q", "Arn": QUEUE}])
    return arn


def delivered(account, detail, bus="shop"):
    entry = {"EventBusName": bus, "Source": "till", "DetailType": "sold", "Detail": json.dumps(detail)}
    account.events.put_events(Entries=[entry])
    url = account.sqs.get_queue_url(QueueName="events")["QueueUrl"]
    return len(account.sqs.receive_message(QueueUrl=url).get("Messages", []))


def test_a_rule_sees_the_events_of_its_own_bus_only(account):
    assert rule(account, {"source": ["till"]}).endswith(":rule/shop/r")
    assert (delivered(account, {}), delivered(account, {}, bus="default")) == (1, 0)


def test_rules_of_one_name_on_two_buses_are_two(account):
    assert rule(account, {"source": ["till"]}, bus="default").endswith(":rule/r")
    rule(account, {"source": ["nobody"]})
    assert (delivered(account, {}), delivered(account, {}, bus="default")) == (0, 1)


@pytest.mark.parametrize(
    ("detail", "expected"),
    [
        ({"mail": {"tags": {"set": ["a"]}}}, 1),
        ({"mail": {"tags": {"set": ["x", "a"], "other": ["y"]}}, "more": 1}, 1),
        ({"mail": {"tags": {"set": "a"}}}, 1),
        ({"mail": {"tags": {"set": ["b"]}}}, 0),
        ({"mail": {"tags": {"set": []}}}, 0),
        ({"mail": {"tags": {}}}, 0),
        ({"mail": "a"}, 0),
        ({}, 0),
    ],
)
def test_a_pattern_asks_for_exact_values_deep_in_the_detail(account, detail, expected):
    rule(account, {"source": ["till"], "detail": {"mail": {"tags": {"set": ["a", "c"]}}}})
    assert delivered(account, detail) == expected


@pytest.mark.parametrize(
    "pattern",
    [
        {"account": ["1"]},
        {"source": {"deep": ["a"]}},
        {"detail": {}},
        {"detail": ["a"], "source": []},
        {"detail": {"size": [{"numeric": [">", 1]}]}},
        {"detail": {"size": [1]}},
        {},
    ],
)
def test_a_pattern_that_would_not_be_matched_as_on_aws_is_refused(account, pattern):
    with pytest.raises(ClientError, match="InvalidEventPatternException"):
        rule(account, pattern)


@pytest.mark.parametrize(
    ("call", "arguments"),
    [
        ("put_rule", {"Name": "r", "EventPattern": '{"source": ["till"]}'}),
        ("put_targets", {"Rule": "r", "Targets": [{"Id": "q", "Arn": QUEUE}]}),
    ],
)
def test_a_bus_that_does_not_exist_is_refused(account, call, arguments):
    with pytest.raises(ClientError, match="Event bus mall does not exist"):
        getattr(account.events, call)(EventBusName="mall", **arguments)


def test_an_event_for_a_bus_that_does_not_exist_is_refused(account):
    with pytest.raises(ClientError, match="Event bus mall does not exist"):
        delivered(account, {}, bus="mall")


@pytest.mark.parametrize(
    ("name", "code"), [("shop", "ResourceAlreadyExistsException"), ("default", "ResourceAlreadyExistsException")]
)
def test_a_bus_is_created_once(account, name, code):
    with pytest.raises(ClientError, match=code):
        account.events.create_event_bus(Name=name)


@pytest.mark.parametrize("name", ["", "a b", "a/b", "x" * 257])
def test_a_bus_needs_a_name(account, name):
    with pytest.raises(ClientError, match="ValidationException"):
        account.events.create_event_bus(Name=name)
