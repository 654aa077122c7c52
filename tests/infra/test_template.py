"""The template as CloudFormation will read it, and what every stage made from it must have."""

import json
import logging
import re
from datetime import UTC, datetime
from io import StringIO
from types import SimpleNamespace

import pytest
from aws_lambda_powertools.logging.formatter import BasePowertoolsFormatter
from cfnlint.api import lint_file
from cfnlint.config import ManualArgs
from chalice import Chalice
from chalice.config import Config
from chalice.deploy.appgraph import ApplicationGraphBuilder

from chalicelib.effects.announce import Announcer
from chalicelib.settings import queue_name
from chalicelib.telemetry import structured
from infra import stack

ACCOUNT = "123456789012"
REGION = "eu-central-1"
QUEUES = ["alarms", "feedback", "inbox", "reply", "work"]
DEAD = [f"{name}-dead" for name in QUEUES]
FUNCTIONS = [
    "on_alarms",
    "on_feedback",
    "on_figures",
    "on_inbox",
    "on_reconcile",
    "on_suppressions",
    "on_reply",
    "on_work",
]
#: What the clock wakes, of which no queue tells.
CLOCKED = ["on_figures", "on_reconcile", "on_suppressions"]
#: The shortest of AWS's limits for what is named here (SES configuration sets, IAM roles, rules, schedule groups).
LONGEST_NAME = 64


def _resources(stage="test", region=REGION):
    return stack.resources(stage, ACCOUNT, region)


def _all(kind, stage="test"):
    return [resource.properties for resource in _resources(stage).values() if resource.type == kind]


def _only(kind, stage="test"):
    (properties,) = _all(kind, stage)
    return SimpleNamespace(**properties)


def _queues():
    return {each["QueueName"].removeprefix("aftercare-test-"): each for each in _all("AWS::SQS::Queue")}


def _arn(queue):
    return f"arn:aws:sqs:{REGION}:{ACCOUNT}:aftercare-test-{queue}"


# -- the template ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("region", ["eu-central-1", "us-east-1", "ap-northeast-1"])
def test_cfn_lint_finds_nothing(region):
    assert lint_file(stack.TEMPLATE, ManualArgs(regions=[region])) == []


def test_it_can_be_sent_as_it_is():
    """CloudFormation takes 51,200 bytes in a request; what is larger would need a bucket first."""
    assert len(stack.TEMPLATE.read_bytes()) <= 51_200


def test_every_resource_resolves_after_what_it_refers_to():
    resources = _resources()
    text = repr(resources)
    assert [left for left in ("Fn::", "'Ref'", "${", "None") if left in text] == []
    assert list(resources).index("InboxDeadQueue") < list(resources).index("InboxQueue")
    assert list(resources).index("EventBus") < list(resources).index("InboxRule")


def test_what_the_reader_does_not_know_stops_it(monkeypatch):
    outputs = stack.template()["Outputs"]
    monkeypatch.setitem(outputs, "odd", {"Value": {"Fn::Split": [",", "a,b"]}})
    with pytest.raises(stack.Unresolvable, match="Fn::Split"):
        stack.outputs("test", ACCOUNT, REGION)
    monkeypatch.setitem(outputs, "odd", {"Value": {"Fn::GetAtt": ["Table", "StreamArn"]}})
    with pytest.raises(stack.Unresolvable, match="StreamArn of Table"):
        stack.outputs("test", ACCOUNT, REGION)


def test_outputs_are_the_environment_in_camel_case():
    def upper(name):
        return re.sub("[A-Z]", lambda letter: f"_{letter[0]}", name).upper()

    assert {name: upper(name) for name in stack.template()["Outputs"]} == stack.ENVIRONMENT


def test_an_output_too_few_or_too_many_is_named():
    outputs = stack.outputs("test", ACCOUNT, REGION)
    with pytest.raises(stack.Unresolvable, match="table"):
        stack.environment({name: value for name, value in outputs.items() if name != "table"})
    with pytest.raises(stack.Unresolvable, match="bucket"):
        stack.environment({**outputs, "bucket": "b"})


# -- names -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stage", ["dev", "a", "eu-prod-2", "a" * 20])
def test_a_stage_may_be_called(stage):
    assert re.fullmatch(stack.template()["Parameters"]["Stage"]["AllowedPattern"], stage)


@pytest.mark.parametrize("stage", ["", "Dev", "2dev", "-dev", "my_stage", "a" * 21, "dev\n", "dev prod"])
def test_a_stage_may_not_be_called(stage):
    assert not re.fullmatch(stack.template()["Parameters"]["Stage"]["AllowedPattern"], stage)


def test_all_names_begin_with_product_and_stage_and_fit_the_longest_stage_and_region():
    stage = "s" * 20
    names = [
        value.removeprefix("/aws/lambda/").removeprefix("/aws/apigateway/")
        for resource in _resources(stage, "ap-southeast-1").values()
        for key, value in resource.properties.items()
        if key == "Name" or (key.endswith("Name") and key not in {"EventBusName", "ConfigurationSetName", "MetricName"})
    ]
    assert [name for name in names if not name.startswith(f"aftercare-{stage}")] == []
    assert max(map(len, names)) <= LONGEST_NAME


@pytest.mark.parametrize("queue", QUEUES)
def test_the_functions_look_for_the_queues_under_their_names(queue, monkeypatch):
    monkeypatch.setenv("STAGE", "test")
    environment = stack.environment(stack.outputs("test", ACCOUNT, REGION))
    assert queue_name(queue) == environment[f"{queue.upper()}_QUEUE_NAME"]


def test_logs_are_kept_for_30_days_under_the_names_that_chalice_gives():
    app = Chalice("aftercare")
    app.route("/")(lambda: None)
    for name in FUNCTIONS:
        app.on_sqs_message(queue=name, name=name)(lambda event: None)
    config = Config(
        chalice_stage="test",
        user_provided_params={"chalice_app": app, "project_dir": "."},
        config_from_disk={"app_name": "aftercare", "stages": {"test": {}}},
    )
    deployed = ApplicationGraphBuilder().build(config, "test").resources
    names = [f"/aws/lambda/{each.lambda_function.function_name}" for each in deployed]
    groups = {group["LogGroupName"]: group["RetentionInDays"] for group in _all("AWS::Logs::LogGroup")}
    assert groups == dict.fromkeys([*names, "/aws/apigateway/aftercare-test"], 30)


# -- what every stage has --------------------------------------------------------------------------------


def test_the_table_is_backed_up_encrypted_and_costs_nothing_idle():
    table = _only("AWS::DynamoDB::Table")
    assert table.TableName == "aftercare-test"
    assert table.BillingMode == "PAY_PER_REQUEST"
    assert table.PointInTimeRecoverySpecification == {"PointInTimeRecoveryEnabled": True}
    assert table.SSESpecification == {"SSEEnabled": True}
    assert [key["AttributeName"] for key in table.KeySchema] == ["pk", "sk"]


@pytest.mark.parametrize(
    ("stage", "protected"), [("prod", True), ("production", True), ("dev", False), ("product", False)]
)
def test_the_table_of_production_is_protected_from_deletion(stage, protected):
    assert _only("AWS::DynamoDB::Table", stage).DeletionProtectionEnabled is protected


def test_the_table_outlives_its_stack():
    table = stack.template()["Resources"]["Table"]
    assert (table["DeletionPolicy"], table["UpdateReplacePolicy"]) == ("Retain", "Retain")


def test_the_indexes_of_what_is_due_and_of_what_is_listed_hold_keys_only():
    found = {
        index["IndexName"]: [(key["AttributeName"], key["KeyType"]) for key in index["KeySchema"]]
        for index in _only("AWS::DynamoDB::Table").GlobalSecondaryIndexes
        if index["Projection"] == {"ProjectionType": "KEYS_ONLY"}
    }
    assert found == {
        "due": [("due_shard", "HASH"), ("due_at", "RANGE")],
        **{name: [(f"in_{name}", "HASH"), ("in_at", "RANGE")] for name in ("all", "kind", "about")},
    }


def test_there_are_five_queues_each_with_a_dead_letter_queue_after_five_failures():
    queues = _queues()
    assert sorted(queues) == sorted([*QUEUES, *DEAD])
    redrive = {name: each.get("RedrivePolicy") for name, each in queues.items()}
    assert redrive == {
        **{name: {"deadLetterTargetArn": _arn(f"{name}-dead"), "maxReceiveCount": 5} for name in QUEUES},
        **dict.fromkeys(DEAD),
    }


@pytest.mark.parametrize("name", QUEUES)
def test_a_dead_letter_queue_takes_from_its_queue_only(name):
    allow = _queues()[f"{name}-dead"]["RedriveAllowPolicy"]
    assert allow == {"redrivePermission": "byQueue", "sourceQueueArns": [_arn(name)]}


@pytest.mark.parametrize("name", [*QUEUES, *DEAD])
def test_messages_are_encrypted_and_kept_for_14_days(name):
    queue = _queues()[name]
    assert (queue["SqsManagedSseEnabled"], queue["MessageRetentionPeriod"]) == (True, 14 * 24 * 3600)


@pytest.mark.parametrize("name", QUEUES)
def test_a_message_stays_hidden_for_six_times_as_long_as_a_function_may_run(name):
    assert _queues()[name]["VisibilityTimeout"] == 6 * 60


def _statements():
    """Queue → the statements of its policy."""
    policies = _all("AWS::SQS::QueuePolicy")
    assert all(len(policy["Queues"]) == 1 for policy in policies)
    return {
        policy["Queues"][0].removeprefix(f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/aftercare-test-"): policy[
            "PolicyDocument"
        ]["Statement"]
        for policy in policies
    }


@pytest.mark.parametrize("name", [*QUEUES, *DEAD])
def test_no_queue_is_reached_without_tls(name):
    assert _statements()[name][0] == {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "sqs:*",
        "Resource": _arn(name),
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }


def test_eventbridge_may_send_from_one_rule_to_each_of_its_queues_and_nowhere_else():
    rules = f"arn:aws:events:{REGION}:{ACCOUNT}:rule"
    sources = {"inbox": f"{rules}/aftercare-test/aftercare-test-inbox", "feedback": f"{rules}/aftercare-test-feedback"}
    allowed = {name: statements[1:] for name, statements in _statements().items() if statements[1:]}
    del allowed["reply"]  # the bucket's
    assert allowed == {
        queue: [
            {
                "Effect": "Allow",
                "Principal": {"Service": "events.amazonaws.com"},
                "Action": "sqs:SendMessage",
                "Resource": _arn(queue),
                "Condition": {"ArnEquals": {"aws:SourceArn": source}},
            }
        ]
        for name, source in sources.items()
        for queue in (name, f"{name}-dead")
    }


def test_what_eventbridge_cannot_deliver_goes_to_the_dead_letter_queue():
    targets = {rule["Name"]: rule["Targets"] for rule in _all("AWS::Events::Rule")}
    assert targets == {
        f"aftercare-test-{name}": [
            {"Id": name, "Arn": _arn(name), "DeadLetterConfig": {"Arn": _arn(f"{name}-dead")}},
        ]
        for name in ("inbox", "feedback")
    }


def test_the_scheduler_may_do_one_thing_for_schedules_of_this_group_only():
    role = _only("AWS::IAM::Role")
    (trust,) = role.AssumeRolePolicyDocument["Statement"]
    assert (trust["Principal"], trust["Action"]) == ({"Service": "scheduler.amazonaws.com"}, "sts:AssumeRole")
    assert trust["Condition"] == {
        "StringEquals": {"aws:SourceAccount": ACCOUNT},
        "ArnEquals": {"aws:SourceArn": f"arn:aws:scheduler:{REGION}:{ACCOUNT}:schedule-group/aftercare-test"},
    }
    (policy,) = role.Policies
    allowed = {"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": _arn("alarms")}
    assert policy["PolicyDocument"]["Statement"] == [allowed]


def test_mail_never_travels_in_the_clear():
    assert _only("AWS::SES::ConfigurationSet").DeliveryOptions == {"TlsPolicy": "REQUIRE"}


def test_whatever_ses_is_asked_to_tell_has_a_rule_that_takes_it():
    """The names of the events: SES Developer Guide, "Monitoring SES events using Amazon EventBridge"."""
    names = {
        "send": "Email Sent",
        "delivery": "Email Delivered",
        "bounce": "Email Bounced",
        "complaint": "Email Complaint Received",
        "reject": "Email Rejected",
        "deliveryDelay": "Email Delivery Delayed",
    }
    asked = _only("AWS::SES::ConfigurationSetEventDestination").EventDestination["MatchingEventTypes"]
    (taken,) = [rule["EventPattern"] for rule in _all("AWS::Events::Rule") if rule["Name"] == "aftercare-test-feedback"]
    assert sorted(taken["detail-type"]) == sorted(names[each] for each in asked) == sorted(names.values())


def test_every_dead_letter_queue_has_an_alarm_every_queue_one_for_its_age_and_what_the_clock_wakes_one():
    watched = {
        (alarm["Dimensions"][0]["Value"], alarm["MetricName"], alarm["Threshold"])
        for alarm in _all("AWS::CloudWatch::Alarm")
    }
    assert watched == {
        *((f"aftercare-test-{name}", "ApproximateNumberOfMessagesVisible", 0) for name in DEAD),
        *((f"aftercare-test-{name}", "ApproximateAgeOfOldestMessage", 15 * 60) for name in QUEUES),
        ("test", "MailHeld", 0),
        *((f"aftercare-test-{name}", "Errors", 0) for name in CLOCKED),
    }


def test_the_alarm_of_held_mail_watches_what_the_functions_log(monkeypatch):
    """CloudWatch makes the metric of the line itself: one JSON object, its names beside the key ``_aws``."""
    logger, written = structured(), StringIO()
    handlers = logging.getLogger("aftercare").handlers
    handler = next(each for each in handlers if isinstance(each.formatter, BasePowertoolsFormatter))
    monkeypatch.setattr(handler, "stream", written)
    Announcer(None, "test", logger).held("j1", "fuse_contact", datetime(2026, 3, 2, 15, tzinfo=UTC))
    line = json.loads(written.getvalue())
    assert line["_aws"]["Timestamp"] == 1772463600000
    (metric,) = line["_aws"]["CloudWatchMetrics"]
    (alarm,) = [each for each in _all("AWS::CloudWatch::Alarm") if each["MetricName"] == "MailHeld"]
    assert (metric["Namespace"], metric["Metrics"][0]["Name"]) == (alarm["Namespace"], alarm["MetricName"])
    assert [{"Name": name, "Value": line[name]} for name in metric["Dimensions"][0]] == alarm["Dimensions"]
    assert (line["MailHeld"], line["why"], line["journey_id"]) == (1, "fuse_contact", "j1")


def test_alarms_notify_nobody_unless_a_topic_is_given(monkeypatch):
    assert [alarm for alarm in _all("AWS::CloudWatch::Alarm") if "AlarmActions" in alarm] == []
    topic = f"arn:aws:sns:{REGION}:{ACCOUNT}:ops"
    monkeypatch.setitem(stack.template()["Parameters"]["AlarmTopicArn"], "Default", topic)
    alarms = _all("AWS::CloudWatch::Alarm")
    assert [(alarm["AlarmActions"], alarm["OKActions"]) for alarm in alarms] == [([topic], [topic])] * 14


# -- replies, for stages that opt in ---------------------------------------------------------------------


def _opted_in(**parameters):
    return stack.resources("test", ACCOUNT, REGION, {"InboundDomain": "replies.example.com", **parameters})


def test_a_stage_takes_no_mail_unless_a_domain_is_given():
    resources = _resources()
    assert "ReceiptRule" not in resources
    assert resources["MailBucket"].properties["NotificationConfiguration"] == {"QueueConfigurations": []}
    assert len(resources["MailBucketPolicy"].properties["PolicyDocument"]["Statement"]) == 1


def test_a_domain_lets_ses_put_mail_into_its_folder_and_the_bucket_tell_the_queue():
    resources = _opted_in()
    bucket = f"arn:aws:s3:::aftercare-test-mail-{ACCOUNT}-{REGION}"
    (told,) = resources["MailBucket"].properties["NotificationConfiguration"]["QueueConfigurations"]
    assert (told["Queue"], told["Filter"]["S3Key"]["Rules"]) == (
        _arn("reply"),
        [{"Name": "prefix", "Value": "inbound/"}],
    )
    put = resources["MailBucketPolicy"].properties["PolicyDocument"]["Statement"][1]
    assert (put["Principal"], put["Action"], put["Resource"]) == (
        {"Service": "ses.amazonaws.com"},
        "s3:PutObject",
        f"{bucket}/inbound/*",
    )
    assert put["Condition"] == {
        "StringEquals": {"aws:SourceAccount": ACCOUNT},
        "StringLike": {"aws:SourceArn": f"arn:aws:ses:{REGION}:{ACCOUNT}:receipt-rule-set/*"},
    }
    assert _statements()["reply"][1]["Condition"] == {
        "StringEquals": {"aws:SourceAccount": ACCOUNT},
        "ArnEquals": {"aws:SourceArn": bucket},
    }


def test_a_rule_is_made_in_the_set_that_ops_name_and_no_set_is_made_or_activated():
    kinds = {resource.type for resource in _opted_in().values()}
    assert not [kind for kind in kinds if kind.startswith("AWS::SES::Receipt")]
    rule = _opted_in(InboundRuleSet="company")["ReceiptRule"].properties
    assert (rule["RuleSetName"], rule["Rule"]["Recipients"]) == ("company", ["replies.example.com"])
    assert "AWS::SES::ReceiptRuleSet" not in {each["Type"] for each in stack.template()["Resources"].values()}
