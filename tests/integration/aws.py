"""A stage on moto's emulated AWS, made from the one template."""

import json
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import boto3
from moto import mock_aws

from infra import stack

ACCOUNT = "123456789012"  # moto's
REGION = "eu-central-1"  # tests/conftest.py
#: The domain that may send mail: moto refuses senders whose domain is not verified.
DOMAIN = "example.com"

_SKIPS = re.compile(r"Tried to parse (\S+) but it's not supported by moto's CloudFormation implementation")


def _create_queue_policies(found):
    sqs = boto3.client("sqs")
    for policy in found:
        for url in policy["Queues"]:
            sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps(policy["PolicyDocument"])})


def _create_schedule_groups(found):
    for group in found:
        boto3.client("scheduler").create_schedule_group(Name=group["Name"])


def _create_configuration_sets(found):
    for each in found:
        options = {name: value for name, value in each.items() if name != "Name"}
        boto3.client("sesv2").create_configuration_set(ConfigurationSetName=each["Name"], **options)


def _do_without(found):
    """Nothing that is tested on moto needs it."""


#: What moto's CloudFormation skips, exactly: a type that it learns or that the template gains ends every test here.
SKIPPED = {
    "AWS::SQS::QueuePolicy": _create_queue_policies,  # shown by the API, enforced by nothing
    "AWS::Scheduler::ScheduleGroup": _create_schedule_groups,
    "AWS::SES::ConfigurationSet": _create_configuration_sets,
    "AWS::SES::ConfigurationSetEventDestination": _do_without,  # moto's SES v2 has none and publishes no event
    "AWS::S3::BucketPolicy": _do_without,  # enforced by nothing
    "AWS::CloudWatch::Alarm": _do_without,  # moto's queues report no metrics
}


@contextmanager
def moto_stack(stage: str = "test") -> Iterator[dict[str, str]]:
    """Run the body with a stage in moto's account; yields the functions' environment."""
    with mock_aws():
        outputs, skipped = _create_stack(stage)
        assert skipped == SKIPPED.keys()
        described = stack.resources(stage, ACCOUNT, REGION).values()
        for kind, create in SKIPPED.items():
            create([resource.properties for resource in described if resource.type == kind])
        boto3.client("sesv2").create_email_identity(EmailIdentity=DOMAIN)
        yield stack.environment(outputs)


def _create_stack(stage):
    """Create the stack; return its outputs and the types that moto skipped. With change sets moto gives no outputs."""
    cloudformation, name = boto3.client("cloudformation"), f"aftercare-{stage}"
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        cloudformation.create_stack(
            StackName=name,
            TemplateBody=stack.TEMPLATE.read_text("utf-8"),
            Parameters=[{"ParameterKey": "Stage", "ParameterValue": stage}],
            Capabilities=["CAPABILITY_NAMED_IAM"],
        )
    skips = [_SKIPS.match(str(warning.message)) for warning in caught]
    (described,) = cloudformation.describe_stacks(StackName=name)["Stacks"]
    outputs = {output["OutputKey"]: output["OutputValue"] for output in described["Outputs"]}
    return outputs, {skip[1] for skip in skips if skip}
