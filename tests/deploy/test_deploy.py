"""The real commands against emulated AWS: deploy, a whole journey through the deployed zips, an upgrade, removal.

Nothing here is called in this process but AWS's API: the commands run as docs/operations.md has them, the functions run
where the emulator unpacked their zips. emulator.py lists what the emulator lacks and what is done about it.
"""

import json
import shutil
import subprocess
from contextlib import nullcontext

import boto3
import pytest
from botocore.exceptions import ClientError

from infra import after_deploy, chalice_config, stack
from infra.cloudformation import Stacks
from infra.deployed import state_file
from tests.deploy import page, wire
from tests.deploy.customer import WHOLE, Outside, Traffic, wait_for, whole
from tests.deploy.emulator import ACCOUNT, REGION, loosened

#: IAM refuses what no policy allows: see conftest.py.
ENFORCED = True

pytestmark = pytest.mark.emulator


@pytest.fixture(scope="module")
def outside(aws, project):
    """Return everyone outside of a stage that was deployed by the command, as the page shows it."""
    boto3.client("sesv2").create_email_identity(EmailIdentity="care.example.com")
    first = page.shown(page.section("Deploy"))[0]
    said = project.run(first.command)
    assert page.is_as_shown(said, first.prints), said
    (api,) = boto3.client("apigateway").get_rest_apis()["items"]
    found = Outside(aws.direct, api["id"], f"https://{api['id']}.execute-api.{REGION}.amazonaws.com/api")
    roles = [f"aftercare-dev-{each}" for each in chalice_config.FUNCTIONS] if aws.enforce else []
    with loosened(roles) if aws.enforce else nullcontext():
        found.hurry()
        yield found
        assert found.dead_letters() == 0
    remove, *forget = page.shown(page.section("Remove everything"))
    said = project.run(f"{remove.command} ARGS=--delete-data", said="dev\n")
    assert page.is_as_shown(said, remove.prints), said
    for each in forget:
        assert project.run(each.command) == ""
    assert boto3.client("sesv2").list_email_identities()["EmailIdentities"] == []
    assert _left() == {"functions": [], "apis": [], "buckets": [], "tables": [], "parameters": [], "stacks": []}
    assert not state_file(project.place, "dev").exists()


def _left():
    """Return what stands on AWS."""
    stacks = Stacks(boto3.client("cloudformation"))
    return {
        "functions": [each["FunctionName"] for each in boto3.client("lambda").list_functions()["Functions"]],
        "apis": [each["id"] for each in boto3.client("apigateway").get_rest_apis()["items"]],
        "buckets": [each["Name"] for each in boto3.client("s3").list_buckets()["Buckets"]],
        "tables": boto3.client("dynamodb").list_tables()["TableNames"],
        "parameters": [each["Name"] for each in boto3.client("ssm").describe_parameters()["Parameters"]],
        "stacks": ["dev"] if stacks.exists("dev") else [],
    }


def _standing():
    """Return what would show that anything was changed."""
    functions = boto3.client("lambda").list_functions()["Functions"]
    template = boto3.client("cloudformation").get_template(StackName="aftercare-dev")["TemplateBody"]
    table = boto3.client("dynamodb").scan(TableName="aftercare-dev", FilterExpression="pk = :d", **_DEPLOYMENT)["Items"]
    return [(each["FunctionName"], each["LastModified"], each["RevisionId"]) for each in functions], template, table


_DEPLOYMENT = {"ExpressionAttributeValues": {":d": {"S": "DEPLOYMENT"}}}


def _stage_settings(outside):
    settings = boto3.client("apigateway").get_stage(restApiId=outside.api, stageName="api")
    return settings.get("accessLogSettings"), settings["methodSettings"]


# -- the stage works ---------------------------------------------------------------------------------------


def test_a_whole_journey_runs_through_the_deployed_zips(outside):
    assert whole(outside.live("lamp")) == WHOLE


def test_the_first_survey_leaves_as_the_page_says(outside, project):
    for each in page.shown(page.section("The first survey")):
        said = project.run(each.command, AFTERCARE_URL=outside.url)
        assert page.is_as_shown(said, each.prints), said
    assert wait_for("the survey", lambda: outside.mails("“Kettle”"))


def test_a_visitor_without_a_link_and_a_caller_without_a_key_are_refused(outside):
    assert outside.request("GET", "/a/forged")[0] == 404
    assert outside.request("POST", "/cases", b"{}", content_type="application/json")[0] == 401


def test_the_http_function_can_neither_send_mail_nor_set_alarms(outside, aws):
    mail = {
        "FromEmailAddress": "care@care.example.com",
        "Destination": {"ToAddresses": ["pat@example.org"]},
        "Content": {"Raw": {"Data": b"Subject: s\n\nb"}},
    }
    target = {
        "Arn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:aftercare-dev-alarms",
        "RoleArn": f"arn:aws:iam::{ACCOUNT}:role/r",
    }
    alarm = {
        "Name": "j",
        "GroupName": "aftercare-dev",
        "ScheduleExpression": "at(2099-01-01T00:00:00)",
        "FlexibleTimeWindow": {"Mode": "OFF"},
        "Target": target,
    }
    page, worker = _as("api_handler", aws), _as("on_work", aws)
    assert worker("sesv2").send_email(**mail)["MessageId"]
    for call in (
        lambda: page("sesv2").send_email(**mail),
        lambda: page("scheduler").create_schedule(**alarm),
    ):
        with pytest.raises(ClientError) as refused:
            call()
        assert refused.value.response["Error"]["Code"] == "AccessDeniedException"


def _as(function, aws):
    """Return what makes clients in a function's role; not through the bridge, which would break their signatures."""
    role = f"arn:aws:iam::{ACCOUNT}:role/aftercare-dev-{function}"
    given = boto3.client("sts").assume_role(RoleArn=role, RoleSessionName="probe")["Credentials"]
    session = boto3.session.Session(given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"])
    return lambda service: session.client(service, endpoint_url=aws.direct)


def test_every_function_runs_the_zip_with_its_own_role(outside):
    functions = {each["FunctionName"]: each for each in boto3.client("lambda").list_functions()["Functions"]}
    assert functions.keys() == {chalice_config.function_name("dev", each) for each in chalice_config.FUNCTIONS}
    assert len({each["CodeSha256"] for each in functions.values()}) == 1
    assert len({each["Role"] for each in functions.values()}) == len(functions)


def test_the_stack_of_the_emulator_has_the_outputs_that_the_code_expects(outside):
    outputs = Stacks(boto3.client("cloudformation")).outputs("dev")
    assert outputs.keys() == stack.ENVIRONMENT.keys()


# -- deploying it again ------------------------------------------------------------------------------------


def test_deploying_again_changes_nothing(outside, project):
    before = _standing()
    _, again = page.shown(page.section("Deploy"))
    said = project.run(again.command)
    assert page.is_as_shown(said, again.prints), said
    assert _standing() == before
    assert project.run("make diff STAGE=dev") == "nothing: the stage is as the code says\n"


def test_another_checkout_deploys_the_same_stage(outside, project):
    """The files that Chalice leaves are on one machine only; losing them makes a second API."""
    shutil.rmtree(project.place / ".chalice")
    assert "functions  as the code says" in project.deploy()
    assert len(boto3.client("apigateway").get_rest_apis()["items"]) == 1


def test_a_bare_chalice_deploy_of_a_stage_that_stands_is_right_too(outside, project, python, settings):
    (configure,) = page.shown(page.section("A bare chalice deploy"))
    said = project.run(configure.command)
    assert page.is_as_shown(said.replace(f"{project.place}/", ""), configure.prints), said
    command = [python.chalice, "deploy", "--stage", "dev"]
    done = subprocess.run(
        command, cwd=project.place, env=project.surroundings(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(boto3.client("apigateway").get_rest_apis()["items"]) == 1
    assert _stage_settings(outside) == settings
    outside.resolve("bare")
    assert wait_for("the survey", lambda: outside.mails("“bare”"))
    project.deploy()  # the functions start from bytecode again


@pytest.fixture(scope="module")
def settings(outside, project):
    """Return the settings of the API's stage, after the account was allowed to log and the stage deployed again."""
    assert not _stage_settings(outside)[0]
    for each in page.shown(page.section("Access logs")):
        said = project.run(each.command)
        assert page.is_as_shown(said, each.prints), said
    return _stage_settings(outside)


def test_access_logs_are_switched_on_once_the_account_allows_them(settings):
    logs, throttles = settings
    group = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/aws/apigateway/aftercare-dev"
    assert logs == {"destinationArn": group, "format": json.dumps(dict(after_deploy.LOG_LINE))}
    assert sorted(throttles) == ["*/*"]
    found = boto3.client("logs").describe_log_groups(logGroupNamePrefix="/aws/apigateway/")["logGroups"]
    assert [each["arn"].removesuffix(":*") for each in found] == [group]


# -- what would change, and changing it --------------------------------------------------------------------


def test_diff_shows_what_would_change_and_writes_nothing_but_a_change_set_that_it_deletes(outside, project, aws):
    kept = {name: (project.place / name).read_text("utf-8") for name in _EDITED}
    before = _standing()
    project.edit("infra/template.yaml", "MessageRetentionPeriod: 1209600", "MessageRetentionPeriod: 1209599")
    project.edit("infra/template.yaml", "Outputs:\n", "Outputs:\n  extra:\n    Value: !Ref Stage\n")
    project.edit("infra/stack.py", '    "stage": "STAGE",\n', '    "stage": "STAGE",\n    "extra": "EXTRA",\n')
    project.edit("infra/roles.yaml", "      - wake the worker\n", "      - wake the worker\n      - claim and settle\n")
    project.edit("templates/pages/sorry.html", "{% ", "<!-- another release -->{% ")
    del aws.asked[:]
    try:
        (diff,) = page.shown(page.section("What would change"))
        said = project.run(diff.command)
    finally:
        for name, text in kept.items():
            (project.place / name).write_text(text, "utf-8")
    assert page.is_as_shown(said, diff.prints), said
    written = [each for each in aws.asked if not wire.looks(each)]
    assert written == ["cloudformation:CreateChangeSet", "cloudformation:DeleteChangeSet"]
    assert boto3.client("cloudformation").list_change_sets(StackName="aftercare-dev")["Summaries"] == []
    assert _standing() == before
    assert project.run("make diff STAGE=dev") == "nothing: the stage is as the code says\n"


_EDITED = ("infra/template.yaml", "infra/stack.py", "infra/roles.yaml", "templates/pages/sorry.html")


def test_an_upgrade_with_traffic_in_flight_loses_nothing(outside, project, settings):
    """Cases come in and customers answer all the while; each case gets one survey, each answer is kept once."""
    project.edit("templates/pages/sorry.html", "{% ", "<!-- another release -->{% ")
    with Traffic(outside) as traffic:
        wait_for("an answer before it", lambda: traffic.answered)
        before = len(traffic.cases), len(traffic.answered)
        said = project.deploy()
        during = len(traffic.cases) - before[0], len(traffic.answered) - before[1]
    assert "Updating lambda function" in said
    assert "settings   as wanted\n" in said
    assert _stage_settings(outside) == settings
    assert min(during) > 0, during
    surveys = wait_for("a survey of each", lambda: all(traffic.surveys().values()) and traffic.surveys())
    assert {name: len(mails) for name, mails in surveys.items()} == dict.fromkeys(traffic.cases, 1)
    answers = {name: outside.journey(each).answers for name, each in traffic.cases.items()}
    assert {name: [one.scores for one in each] for name, each in answers.items()} == {
        name: [{"csat": 5, "solved": 1}] * (name in traffic.answered) for name in traffic.cases
    }
