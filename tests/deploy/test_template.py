"""The other way onto AWS: the template of ``chalice package``, for companies that deploy by CloudFormation alone."""

import boto3
import pytest

from infra import chalice_config, keys
from infra.package import secrets_prefix
from tests.deploy import page
from tests.deploy.customer import WHOLE, Outside, whole

BASE = "https://care.example.com"

pytestmark = pytest.mark.emulator


def test_the_template_of_the_package_makes_a_stage_that_works_and_can_be_removed(aws, project):
    boto3.client("sesv2").create_email_identity(EmailIdentity="care.example.com")
    *make, delete, wait, destroy = page.shown(page.section("By CloudFormation alone"))
    _run(project, make)
    (api,) = boto3.client("apigateway").get_rest_apis()["items"]
    made = {each["Name"] for each in boto3.client("ssm").describe_parameters()["Parameters"]}
    assert made == set(keys.names(secrets_prefix("dev")))
    outside = Outside(aws.direct, api["id"], BASE)
    outside.hurry()
    assert whole(outside.live("chair")) == WHOLE
    assert outside.dead_letters() == 0
    functions = boto3.client("lambda").list_functions()["Functions"]
    assert {each["FunctionName"] for each in functions} == {
        chalice_config.function_name("dev", each) for each in chalice_config.FUNCTIONS
    }
    _run(project, [delete, wait, destroy], said="dev\n")
    assert boto3.client("lambda").list_functions()["Functions"] == []
    assert boto3.client("dynamodb").list_tables()["TableNames"] == []


def _run(project, commands, said=""):
    for each in commands:
        printed = project.run(each.command, said)
        assert page.is_as_shown(printed, each.prints), f"{each}\n{printed}"
