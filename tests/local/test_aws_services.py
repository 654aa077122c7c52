"""Queues, schedules, mail and events as the demo and the replay use them."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from botocore.exceptions import ClientError, ParamValidationError

from local.aws import Account
from local.aws.ses import SentMail

NOW = datetime(2025, 3, 1, 12, tzinfo=UTC)
ROLE = "arn:aws:iam::123456789012:role/scheduler"
QUEUE_ARN = "arn:aws:sqs:eu-central-1:123456789012:work"
RAW = b"From: Aftercare <care@example.com>\r\nTo: Jo <jo@example.org>\r\nSubject: How was it?\r\n\r\nHello\r\n"


class World:
    """An account whose clock stands still until it is moved."""

    def __init__(self) -> None:
        self.now = NOW
        self.account = Account(lambda: self.now)
        self.sqs, self.scheduler, self.ses = self.account.sqs, self.account.scheduler, self.account.ses
        self.dead = self.sqs.create_queue(QueueName="dead")["QueueUrl"]
        arn = self.sqs.get_queue_attributes(QueueUrl=self.dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 2})
        self.work = self.sqs.create_queue(QueueName="work", Attributes={"RedrivePolicy": policy})["QueueUrl"]
        self.published = []
        self.ses.on_event = self.published.append

    def wait(self, **delta):
        self.now += timedelta(**delta)

    def receive(self, url=None, **params):
        return self.sqs.receive_message(QueueUrl=url or self.work, MaxNumberOfMessages=10, **params).get("Messages", [])

    def bodies(self, url=None):
        return [message["Body"] for message in self.receive(url)]

    def schedule(self, name="j1", at="2025-03-01T13:00:00", body="wake", **more):
        target = {"Arn": QUEUE_ARN, "RoleArn": ROLE, "Input": body}
        window = {"Mode": "OFF"}
        return {"Name": name, "ScheduleExpression": f"at({at})", "FlexibleTimeWindow": window, "Target": target, **more}

    def may_mail(self):
        self.ses.create_email_identity(EmailIdentity="example.com")
        self.ses.create_configuration_set(ConfigurationSetName="care")
        bus = {"EventBridgeDestination": {"EventBusArn": "arn:aws:events:eu-central-1:123456789012:event-bus/default"}}
        definition = {"Enabled": True, "MatchingEventTypes": ["SEND", "DELIVERY", "BOUNCE", "COMPLAINT"], **bus}
        self.ses.create_configuration_set_event_destination(
            ConfigurationSetName="care",
            EventDestinationName="bus",
            EventDestination=definition,
        )

    def mail(self, to="jo@example.org", **more):
        tags = [{"Name": "effect", "Value": "e-1"}]
        params = {"Content": {"Raw": {"Data": RAW}}, "Destination": {"ToAddresses": [to]}, "EmailTags": tags}
        return self.ses.send_email(**{**params, "ConfigurationSetName": "care", **more})["MessageId"]

    def kinds(self):
        return [event["detail-type"] for event in self.published]


@pytest.fixture
def world():
    return World()


def code_of(call, *args, **params):
    with pytest.raises(ClientError) as caught:
        call(*args, **params)
    return caught.value.response["Error"]["Code"]


def test_a_message_not_deleted_comes_again_and_then_goes_to_the_dead(world):
    world.sqs.send_message(QueueUrl=world.work, MessageBody="hi")
    assert world.bodies() == ["hi"]
    assert world.bodies() == []
    assert world.sqs.next_visible_at(world.work) == NOW + timedelta(seconds=30)
    world.wait(seconds=30)
    assert world.bodies() == ["hi"]
    world.wait(seconds=30)
    assert world.bodies() == []
    assert (world.sqs.depth(world.work), world.sqs.depth(world.dead)) == (0, 1)


def test_the_dead_come_back_by_redrive_and_count_anew(world):
    world.sqs.send_message(QueueUrl=world.work, MessageBody="hi")
    for _ in range(3):
        world.receive(VisibilityTimeout=0)
    assert world.sqs.redrive(world.dead) == 1
    (message,) = world.receive(AttributeNames=["ApproximateReceiveCount"])
    assert (message["Body"], message["Attributes"]) == ("hi", {"ApproximateReceiveCount": "1"})


def test_an_old_receipt_handle_deletes_nothing(world):
    world.sqs.send_message(QueueUrl=world.work, MessageBody="hi")
    (first,) = world.receive(VisibilityTimeout=1)
    world.wait(seconds=1)
    (second,) = world.receive()
    world.sqs.delete_message(QueueUrl=world.work, ReceiptHandle=first["ReceiptHandle"])
    assert world.sqs.depth(world.work) == 1
    world.sqs.delete_message(QueueUrl=world.work, ReceiptHandle=second["ReceiptHandle"])
    world.sqs.delete_message(QueueUrl=world.work, ReceiptHandle=second["ReceiptHandle"])
    assert world.sqs.depth(world.work) == 0
    assert world.sqs.next_visible_at(world.work) is None


def test_visibility_changes_only_while_in_flight(world):
    world.sqs.send_message(QueueUrl=world.work, MessageBody="hi")
    (message,) = world.receive()
    handle = {"QueueUrl": world.work, "ReceiptHandle": message["ReceiptHandle"]}
    world.sqs.change_message_visibility(**handle, VisibilityTimeout=600)
    assert world.sqs.next_visible_at(world.work) == NOW + timedelta(minutes=10)
    world.sqs.change_message_visibility(**handle, VisibilityTimeout=0)
    assert code_of(world.sqs.change_message_visibility, **handle, VisibilityTimeout=5) == "InvalidParameterValue"
    assert world.bodies() == ["hi"]


def test_a_delayed_message_waits(world):
    world.sqs.send_message(QueueUrl=world.work, MessageBody="hi", DelaySeconds=900)
    assert world.bodies() == []
    world.wait(minutes=15)
    assert world.bodies() == ["hi"]


def test_a_message_older_than_the_retention_is_gone(world):
    world.sqs.send_message(QueueUrl=world.work, MessageBody="hi")
    world.wait(days=4)
    assert world.bodies() == []
    assert world.sqs.depth(world.work) == 0


def test_a_schedule_fires_once_at_its_instant(world):
    world.scheduler.create_schedule(**world.schedule(ActionAfterCompletion="DELETE"))
    assert world.scheduler.next_fire_at() == NOW + timedelta(hours=1)
    assert world.scheduler.fire_due(NOW) == 0
    world.wait(hours=1)
    assert (world.scheduler.fire_due(world.now), world.scheduler.fire_due(world.now)) == (1, 0)
    assert world.bodies() == ["wake"]
    assert code_of(world.scheduler.get_schedule, Name="j1") == "ResourceNotFoundException"


def test_a_schedule_that_is_kept_does_not_fire_again_until_it_is_moved(world):
    world.scheduler.create_schedule(**world.schedule())
    world.wait(days=1)
    world.scheduler.fire_due(world.now)
    assert world.scheduler.next_fire_at() is None
    world.scheduler.update_schedule(**world.schedule(at="2025-03-03T00:00:00", body="again"))
    world.wait(days=1)
    world.scheduler.fire_due(world.now)
    assert world.bodies() == ["wake", "again"]


def test_a_past_instant_fires_at_once_and_a_moved_one_only_where_it_stands(world):
    world.scheduler.create_schedule(**world.schedule(at="2020-01-01T00:00:00"))
    world.scheduler.create_schedule(**world.schedule("j2", body="moved"))
    world.scheduler.update_schedule(**world.schedule("j2", at="2025-05-01T00:00:00", body="moved"))
    world.scheduler.create_schedule(**world.schedule("j3", body="off", State="DISABLED"))
    world.wait(days=1)
    assert (world.scheduler.fire_due(world.now), world.bodies()) == (1, ["wake"])
    assert world.scheduler.next_fire_at() == datetime(2025, 5, 1, tzinfo=UTC)


def test_an_instant_is_local_to_its_zone(world):
    world.scheduler.create_schedule(
        **world.schedule(at="2025-07-01T09:00:00", ScheduleExpressionTimezone="Europe/Berlin")
    )
    assert world.scheduler.next_fire_at() == datetime(2025, 7, 1, 7, tzinfo=UTC)


def test_a_deleted_schedule_made_again_fires_once(world):
    world.scheduler.create_schedule(**world.schedule(body="old"))
    world.scheduler.delete_schedule(Name="j1")
    world.scheduler.create_schedule(**world.schedule(body="new"))
    world.wait(hours=2)
    assert (world.scheduler.fire_due(world.now), world.bodies()) == (1, ["new"])


def test_schedules_are_listed_in_pages(world):
    for number in range(7):
        world.scheduler.create_schedule(**world.schedule(f"j{number}"))
    pages = world.scheduler.get_paginator("list_schedules").paginate(NamePrefix="j", MaxResults=3)
    assert [[each["Name"] for each in page["Schedules"]] for page in pages] == [
        ["j0", "j1", "j2"],
        ["j3", "j4", "j5"],
        ["j6"],
    ]


def test_a_mail_is_kept_and_its_events_published_as_eventbridge_sends_them(world):
    world.may_mail()
    message_id = world.mail()
    tags = {"effect": "e-1"}
    assert world.ses.sent == [
        SentMail(message_id, "Aftercare <care@example.com>", ("jo@example.org",), RAW, tags, "care", NOW)
    ]
    assert world.kinds() == ["Email Sent", "Email Delivered"]
    delivered = world.published[1]
    assert {name: delivered[name] for name in ("version", "source", "account", "time", "region", "resources")} == {
        "version": "0",
        "source": "aws.ses",
        "account": "123456789012",
        "time": "2025-03-01T12:00:00Z",
        "region": "eu-central-1",
        "resources": ["arn:aws:ses:eu-central-1:123456789012:configuration-set/care"],
    }
    detail = delivered["detail"]
    assert (detail["eventType"], detail["delivery"]["recipients"]) == ("Delivery", ["jo@example.org"])
    assert (detail["mail"]["messageId"], detail["mail"]["destination"]) == (message_id, ["jo@example.org"])
    assert detail["mail"]["timestamp"] == "2025-03-01T12:00:00.000Z"
    assert detail["mail"]["tags"]["effect"] == ["e-1"]
    assert detail["mail"]["commonHeaders"]["subject"] == "How was it?"


def test_events_show_headers_as_written_and_the_common_ones_decoded(world):
    world.may_mail()
    to, subject = b"=?utf-8?q?J=C3=B6?=\n <jo@example.org>", b"=?utf-8?q?Sch=C3=B6n?="
    raw = b"From: care@example.com\nTo: " + to + b"\nSubject: " + subject + b"\n\nTo: x\n"
    world.mail(Content={"Raw": {"Data": raw}})
    mail = world.published[0]["detail"]["mail"]
    assert mail["headers"] == [
        {"name": "From", "value": "care@example.com"},
        {"name": "To", "value": "=?utf-8?q?J=C3=B6?= <jo@example.org>"},
        {"name": "Subject", "value": "=?utf-8?q?Sch=C3=B6n?="},
    ]
    expected = {"from": ["care@example.com"], "to": ["Jö <jo@example.org>"], "subject": "Schön"}
    assert mail["commonHeaders"] == {"messageId": mail["messageId"], **expected}


@pytest.mark.parametrize(
    ("to", "kinds"),
    [
        ("success+j1@simulator.amazonses.com", ["Email Sent", "Email Delivered"]),
        ("bounce+j1@simulator.amazonses.com", ["Email Sent", "Email Bounced"]),
        ("complaint@simulator.amazonses.com", ["Email Sent", "Email Delivered", "Email Complaint Received"]),
    ],
)
def test_the_mailbox_simulator(world, to, kinds):
    world.may_mail()
    world.mail(to)
    assert world.kinds() == kinds


def test_a_suppressed_address_bounces_until_it_is_taken_off(world):
    world.may_mail()
    world.ses.put_suppressed_destination(EmailAddress="Jo@example.org", Reason="COMPLAINT")
    world.mail()
    world.ses.delete_suppressed_destination(EmailAddress="jo@example.org")
    world.mail()
    assert world.kinds() == ["Email Sent", "Email Bounced", "Email Sent", "Email Delivered"]
    assert world.published[1]["detail"]["bounce"]["bounceSubType"] == "OnAccountSuppressionList"
    assert code_of(world.ses.get_suppressed_destination, EmailAddress="jo@example.org") == "NotFoundException"


def test_the_suppression_list_has_pages(world):
    for name in "abc":
        world.ses.put_suppressed_destination(EmailAddress=f"{name}@example.org", Reason="BOUNCE")
    pages = world.ses.get_paginator("list_suppressed_destinations").paginate(PageSize=2)
    found = [[each["EmailAddress"] for each in page["SuppressedDestinationSummaries"]] for page in pages]
    assert found == [["a@example.org", "b@example.org"], ["c@example.org"]]


def test_without_a_configuration_set_or_with_lost_events_nothing_is_published(world):
    world.may_mail()
    world.ses.send_email(Content={"Raw": {"Data": RAW}}, Destination={"ToAddresses": ["jo@example.org"]})
    world.ses.events = False
    world.mail()
    assert (world.published, len(world.ses.sent)) == ([], 2)


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"FromEmailAddress": "care@elsewhere.org"}, "MessageRejected"),
        ({"ConfigurationSetName": "none"}, "NotFoundException"),
        ({"EmailTags": [{"Name": "effect", "Value": "a b"}]}, "BadRequestException"),
        ({"Content": {"Simple": {}}}, "BadRequestException"),
        ({"Destination": {}}, "BadRequestException"),
        ({"Content": {"Raw": {"Data": b"x" * (40 * 1024 * 1024 + 1)}}}, "MessageRejected"),
    ],
)
def test_a_mail_that_ses_would_refuse(world, more, code):
    world.may_mail()
    assert code_of(world.mail, **more) == code
    assert world.ses.sent == []


def test_the_rate_is_counted_by_the_clock(world):
    world.may_mail()
    world.ses.rate_per_second = 2
    world.mail()
    world.mail()
    assert code_of(world.mail) == "TooManyRequestsException"
    world.wait(seconds=1)
    world.mail()
    assert len(world.ses.sent) == 3


def test_rules_bring_events_to_queues(world):
    world.may_mail()
    events = world.account.client("events")
    pattern = {"source": ["aws.ses"], "detail-type": ["Email Bounced"]}
    events.put_rule(Name="feedback", EventPattern=json.dumps(pattern))
    events.put_targets(Rule="feedback", Targets=[{"Id": "1", "Arn": QUEUE_ARN}])
    world.mail("bounce@simulator.amazonses.com")
    (body,) = world.bodies()
    assert json.loads(body) == world.published[1]


def test_put_events_refuses_each_entry_for_itself(world):
    events = world.account.client("events")
    good = {"Source": "aftercare", "DetailType": "Journey ended", "Detail": "{}"}
    response = events.put_events(Entries=[good, {**good, "Detail": "{"}, {**good, "Source": "aws.ses"}])
    codes = [entry.get("ErrorCode") for entry in response["Entries"]]
    assert (response["FailedEntryCount"], codes) == (2, [None, "MalformedDetail", "NotAuthorizedForSourceException"])
    assert code_of(events.put_events, Entries=[good] * 11) == "ValidationException"


def test_an_unknown_argument_is_no_client_error(world):
    with pytest.raises(ParamValidationError):
        world.sqs.send_message(QueueUrl=world.work, MessageBody="hi", Delay=1)


def test_a_secret_stays_enciphered_unless_asked_for(world):
    ssm = world.account.client("ssm")
    ssm.put_parameter(Name="/s", Value="secret", Type="SecureString")
    assert "secret" not in ssm.get_parameter(Name="/s")["Parameter"]["Value"]
    assert ssm.get_parameter(Name="/s", WithDecryption=True)["Parameter"]["Value"] == "secret"
