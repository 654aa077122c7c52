"""The stand-ins hold what the template says, and a stage made in them works as one on moto."""

import json
from datetime import UTC, datetime, timedelta

import boto3
import pytest

from infra import stack
from local import provision as provisioning
from local.aws import Account
from local.provision import MAKERS, NOT_HELD, provision
from tests.integration.aws import moto_stack

ACCOUNT = "123456789012"
REGION = "eu-central-1"
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
#: Attributes of a queue that the template sets.
SET = ("VisibilityTimeout", "MessageRetentionPeriod", "RedrivePolicy", "SqsManagedSseEnabled")


@pytest.fixture
def account():
    return Account(lambda: NOW)


@pytest.fixture
def environment(account):
    return provision(account, "test")


def _url(account, queue):
    return account.sqs.get_queue_url(QueueName=f"aftercare-test-{queue}")["QueueUrl"]


def _received(account, queue):
    messages = account.sqs.receive_message(QueueUrl=_url(account, queue), MaxNumberOfMessages=10).get("Messages", [])
    return [json.loads(message["Body"]) for message in messages]


def test_every_type_of_the_template_is_made_or_listed_as_not_held():
    types = {resource.type for resource in stack.resources("test", ACCOUNT, REGION).values()}
    assert MAKERS.keys() | NOT_HELD == types
    assert MAKERS.keys() & NOT_HELD == set()


def test_a_type_that_is_neither_stops_it(account, monkeypatch):
    topic = {"Topic": stack.Resource("AWS::SNS::Topic", {})}
    monkeypatch.setattr(provisioning.stack, "resources", lambda *place: topic)
    with pytest.raises(stack.Unresolvable, match=r"Topic: AWS::SNS::Topic"):
        provision(account, "test")


def test_every_maker_made_exactly_what_the_template_has(account, environment):
    resources = stack.resources("test", ACCOUNT, REGION).values()
    made = {
        "dynamodb.CreateTable": "AWS::DynamoDB::Table",
        "dynamodb.UpdateTimeToLive": "AWS::DynamoDB::Table",
        "sqs.CreateQueue": "AWS::SQS::Queue",
        "s3.CreateBucket": "AWS::S3::Bucket",
        "scheduler.CreateScheduleGroup": "AWS::Scheduler::ScheduleGroup",
        "events.CreateEventBus": "AWS::Events::EventBus",
        "events.PutRule": "AWS::Events::Rule",
        "events.PutTargets": "AWS::Events::Rule",
        "sesv2.CreateConfigurationSet": "AWS::SES::ConfigurationSet",
        "sesv2.CreateConfigurationSetEventDestination": "AWS::SES::ConfigurationSetEventDestination",
    }
    assert account.calls == {call: sum(each.type == kind for each in resources) for call, kind in made.items()}


def test_a_second_stage_stands_beside_the_first(account, environment):
    other = provision(account, "other")
    assert {name for name in other if other[name] == environment[name]} == set()


def test_moto_and_the_stand_ins_give_the_same_environment(environment):
    with moto_stack() as same:
        assert same == environment


def test_moto_and_the_stand_ins_hold_the_same_queues(account, environment):
    def attributes(sqs):
        urls = sorted(sqs.list_queues()["QueueUrls"])
        found = {url: sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"] for url in urls}
        return {url: {name: each[name] for name in SET if name in each} for url, each in found.items()}

    ours = attributes(account.sqs)
    with moto_stack():
        assert attributes(boto3.client("sqs")) == ours
    assert len(ours) == 10


def test_moto_and_the_stand_ins_hold_the_same_table(account, environment):
    def described(dynamodb):
        table = dynamodb.describe_table(TableName=environment["TABLE"])["Table"]
        kept = {name: table[name] for name in ("TableArn", "KeySchema", "AttributeDefinitions")}
        indexes = sorted(table["GlobalSecondaryIndexes"], key=lambda index: index["IndexName"])
        return kept, [{name: index[name] for name in ("IndexName", "KeySchema", "Projection")} for index in indexes]

    ours = described(account.dynamodb)
    with moto_stack():
        assert described(boto3.client("dynamodb")) == ours


def test_on_moto_mail_leaves_from_the_verified_domain():
    raw = b"From: care@example.com\nTo: ana@example.org\nSubject: s\n\nb"
    with moto_stack("prod") as environment:
        sent = boto3.client("sesv2").send_email(
            FromEmailAddress="care@example.com",
            Destination={"ToAddresses": ["ana@example.org"]},
            Content={"Raw": {"Data": raw}},
            ConfigurationSetName=environment["CONFIGURATION_SET"],
        )
        assert sent["MessageId"]


def _publish(events, bus, kind):
    entry = {"EventBusName": bus, "Source": "helpdesk", "DetailType": kind, "Detail": '{"case": "7"}'}
    assert events.put_events(Entries=[entry])["FailedEntryCount"] == 0


def test_what_happened_elsewhere_reaches_the_inbox_through_the_bus(account, environment):
    kinds = ["case.resolved", "case.reopened", "case.withdrawn", "failure.logged", "purchase.made", "staff.acted"]
    for kind in [*kinds, "journey.ended"]:
        _publish(account.events, environment["EVENT_BUS"], kind)
    _publish(account.events, "default", "case.resolved")
    assert [event["detail-type"] for event in _received(account, "inbox")] == kinds


def test_on_moto_what_happened_elsewhere_reaches_the_inbox_too():
    with moto_stack() as environment:
        _publish(boto3.client("events"), environment["EVENT_BUS"], "purchase.made")
        found = boto3.client("sqs").receive_message(QueueUrl=environment["INBOX_QUEUE_URL"])
        assert [json.loads(message["Body"])["detail"] for message in found["Messages"]] == [{"case": "7"}]


def test_what_became_of_a_mail_reaches_the_feedback_queue_of_its_own_stage(account, environment):
    other = provision(account, "other")
    account.ses.create_email_identity(EmailIdentity="example.com")
    for name in (environment["CONFIGURATION_SET"], other["CONFIGURATION_SET"]):
        account.ses.send_email(
            FromEmailAddress="care@example.com",
            Destination={"ToAddresses": ["bounce@simulator.amazonses.com"]},
            Content={"Raw": {"Data": b"From: care@example.com\nSubject: s\n\nb"}},
            ConfigurationSetName=name,
        )
    events = _received(account, "feedback")
    assert [event["detail-type"] for event in events] == ["Email Sent", "Email Bounced"]
    tags = [event["detail"]["mail"]["tags"]["ses:configuration-set"] for event in events]
    assert tags == [["aftercare-test"]] * 2


def test_a_schedule_of_the_group_rings_in_the_alarms_queue(account, environment):
    account.scheduler.create_schedule(
        Name="j-1",
        GroupName=environment["SCHEDULE_GROUP"],
        ScheduleExpression="at(2026-03-01T13:00:00)",
        FlexibleTimeWindow={"Mode": "OFF"},
        Target={
            "Arn": environment["ALARMS_QUEUE_ARN"],
            "RoleArn": environment["SCHEDULER_ROLE_ARN"],
            "Input": '{"journey": "1"}',
        },
    )
    assert account.scheduler.fire_due(NOW + timedelta(hours=1)) == 1
    assert _received(account, "alarms") == [{"journey": "1"}]


@pytest.mark.parametrize("queue", ["INBOX_QUEUE_URL", "WORK_QUEUE_URL"])
def test_what_fails_five_times_is_put_aside(account, environment, queue):
    url = environment[queue]
    account.sqs.send_message(QueueUrl=url, MessageBody="{}")
    for _ in range(5):
        (message,) = account.sqs.receive_message(QueueUrl=url)["Messages"]
        account.sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0)
    assert "Messages" not in account.sqs.receive_message(QueueUrl=url)
    assert len(account.sqs.receive_message(QueueUrl=f"{url}-dead")["Messages"]) == 1
