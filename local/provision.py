"""Makes a stage in the stand-ins, from the same template that makes it on AWS."""

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from infra import stack
from local.aws.account import DEFAULT_ACCOUNT_ID, DEFAULT_REGION, Account

Properties = Mapping[str, Any]

#: What the template has and the stand-ins do not. A type that is neither here nor among the makers stops `provision`.
NOT_HELD: Final = frozenset(
    {
        "AWS::SQS::QueuePolicy",  # nobody asks for permission here: the policies are checked by themselves
        "AWS::IAM::Role",  # as queue policies; a schedule wants an ARN of the right form only
        "AWS::S3::BucketPolicy",  # as queue policies
        "AWS::Logs::LogGroup",  # the local functions log to the terminal
        "AWS::CloudWatch::Alarm",  # nobody is on call; the replay reports what is left in a dead-letter queue
    }
)

#: Properties that change nothing that can be seen through a client.
_INVISIBLE: Final = frozenset({"PointInTimeRecoverySpecification", "SSESpecification"})


def provision(
    account: Account,
    stage: str,
    *,
    region: str = DEFAULT_REGION,
    account_id: str = DEFAULT_ACCOUNT_ID,
    inbound_domain: str = "",
) -> dict[str, str]:
    """Create everything of a stage that the stand-ins can hold, and return the functions' environment.

    ``region`` and ``account_id`` are those that the account was made with; ``inbound_domain`` is where replies are
    taken, if they are. Raises stack.Unresolvable for a type of resource that is new to this module, and what the
    stand-ins raise when the stage is there already.
    """
    for name, resource in stack.resources(stage, account_id, region, {"InboundDomain": inbound_domain}).items():
        if resource.type in NOT_HELD:
            continue
        if resource.type not in MAKERS:
            raise stack.Unresolvable(f"{name}: {resource.type} is neither made here nor listed as not held")
        MAKERS[resource.type](account, resource.properties)
    return stack.environment(stack.outputs(stage, account_id, region))


def _make_table(account: Account, properties: Properties) -> None:
    seen = {name: value for name, value in properties.items() if name not in _INVISIBLE}
    expiry = seen.pop("TimeToLiveSpecification", None)
    account.dynamodb.create_table(**seen)
    if expiry is not None:
        account.dynamodb.update_time_to_live(TableName=properties["TableName"], TimeToLiveSpecification=expiry)


def _make_queue(account: Account, properties: Properties) -> None:
    attributes = {name: _text(value) for name, value in properties.items() if name != "QueueName"}
    account.sqs.create_queue(QueueName=properties["QueueName"], Attributes=attributes)


def _make_bucket(account: Account, properties: Properties) -> None:
    place = {} if account.region == "us-east-1" else {"LocationConstraint": account.region}
    account.s3.create_bucket(Bucket=properties["BucketName"], CreateBucketConfiguration=place)
    told = [
        {
            "QueueArn": each["Queue"],
            "Events": [each["Event"]],
            "Filter": {"Key": {"FilterRules": each["Filter"]["S3Key"]["Rules"]}},
        }
        for each in properties["NotificationConfiguration"]["QueueConfigurations"]
    ]
    if told:
        account.s3.put_bucket_notification_configuration(
            Bucket=properties["BucketName"], NotificationConfiguration={"QueueConfigurations": told}
        )


def _make_schedule_group(account: Account, properties: Properties) -> None:
    account.scheduler.create_schedule_group(Name=properties["Name"])


def _make_event_bus(account: Account, properties: Properties) -> None:
    account.events.create_event_bus(Name=properties["Name"])


def _make_rule(account: Account, properties: Properties) -> None:
    bus = properties.get("EventBusName", "default")
    pattern = json.dumps(properties["EventPattern"])
    account.events.put_rule(Name=properties["Name"], EventBusName=bus, EventPattern=pattern)
    account.events.put_targets(Rule=properties["Name"], EventBusName=bus, Targets=properties["Targets"])


def _make_configuration_set(account: Account, properties: Properties) -> None:
    options = {name: value for name, value in properties.items() if name != "Name"}
    account.ses.create_configuration_set(ConfigurationSetName=properties["Name"], **options)


def _make_event_destination(account: Account, properties: Properties) -> None:
    definition = dict(properties["EventDestination"])
    name, types = definition.pop("Name"), definition.pop("MatchingEventTypes")
    account.ses.create_configuration_set_event_destination(
        ConfigurationSetName=properties["ConfigurationSetName"],
        EventDestinationName=name,
        EventDestination={**definition, "MatchingEventTypes": [_upper_case(each) for each in types]},
    )


def _text(value: Any) -> str:
    """Return an attribute of a queue as its API takes it: everything is text, a policy is JSON."""
    return value if isinstance(value, str) else json.dumps(value)


def _upper_case(name: str) -> str:
    """Return an event type as SES's API spells it: deliveryDelay → DELIVERY_DELAY."""
    return "".join(f"_{letter}" if letter.isupper() else letter.upper() for letter in name)


#: Type of resource → what makes it.
MAKERS: Final[Mapping[str, Callable[[Account, Properties], None]]] = {
    "AWS::DynamoDB::Table": _make_table,
    "AWS::SQS::Queue": _make_queue,
    "AWS::S3::Bucket": _make_bucket,
    "AWS::Scheduler::ScheduleGroup": _make_schedule_group,
    "AWS::Events::EventBus": _make_event_bus,
    "AWS::Events::Rule": _make_rule,
    "AWS::SES::ConfigurationSet": _make_configuration_set,
    "AWS::SES::ConfigurationSetEventDestination": _make_event_destination,
}
