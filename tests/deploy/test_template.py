"""The other way onto AWS: the template of ``chalice package``, for companies that deploy by CloudFormation alone."""

import json
import platform
import shutil
from contextlib import nullcontext
from pathlib import Path

import boto3
import pytest

from infra.cloudformation import Stacks
from infra.keys import ensure
from infra.package import package, secrets_prefix
from tests.deploy.customer import Outside, wait_for
from tests.deploy.emulator import REGION, loosened

ROOT = Path(__file__).parents[2]
BASE = "https://care.example.com"
PROCESSOR = {"aarch64": "arm64"}.get(platform.machine(), platform.machine())

pytestmark = pytest.mark.emulator


def test_the_template_of_the_package_makes_a_stage_that_works(aws, python, tmp_path):
    stage = "packaged"
    Stacks(boto3.client("cloudformation")).ensure(stage)
    ensure(boto3.client("ssm"), secrets_prefix(stage))
    made = package(stage, project=_copy(tmp_path), architecture=PROCESSOR, python=python)
    _create(stage, made)
    (api,), roles = _made(stage, "AWS::ApiGateway::RestApi"), _made(stage, "AWS::IAM::Role")
    outside = Outside(aws.direct, api, BASE, stage)
    with loosened(roles) if aws.enforce else nullcontext():
        outside.hurry()
        outside.resolve("chair")
        assert wait_for("the survey", lambda: outside.mails("“chair”"))


def _made(stage, kind):
    """Return the names of what the stack of the code has of a type."""
    found = boto3.client("cloudformation").describe_stack_resources(StackName=f"{stage}-code")["StackResources"]
    return [each["PhysicalResourceId"] for each in found if each["ResourceType"] == kind]


def _copy(place):
    copy = place / "project"
    copy.mkdir()
    for name in ("app.py", "chalicelib", "templates", "vendor", "requirements.txt"):
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, copy / name, symlinks=True)
        else:
            shutil.copy2(source, copy / name)
    return copy


def _create(stage, made):
    """Do what ``aws cloudformation package`` and ``deploy`` do."""
    s3, cloudformation = boto3.client("s3"), boto3.client("cloudformation")
    s3.create_bucket(Bucket="releases", CreateBucketConfiguration={"LocationConstraint": REGION})
    s3.upload_file(str(made.zip), "releases", "aftercare.zip")
    template = json.loads(made.template.read_text("utf-8"))
    for each in template["Resources"].values():
        if each["Type"] == "AWS::Serverless::Function":
            each["Properties"]["CodeUri"] = "s3://releases/aftercare.zip"
    given = {"BaseUrl": BASE, "MailFrom": "care@example.com", "ReplyTo": "care@example.com"}
    cloudformation.create_stack(
        StackName=f"{stage}-code",
        TemplateBody=json.dumps(template),
        Parameters=[{"ParameterKey": name, "ParameterValue": value} for name, value in given.items()],
        Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND", "CAPABILITY_NAMED_IAM"],
    )
    cloudformation.get_waiter("stack_create_complete").wait(
        StackName=f"{stage}-code", WaiterConfig={"Delay": 1, "MaxAttempts": 60}
    )
