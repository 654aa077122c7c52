"""The real commands against emulated AWS: deploy, a whole journey through the deployed zips, an upgrade, removal.

Nothing here is called in this process but AWS's API: the commands run as people run them, the functions run where the
emulator unpacked their zips. emulator.py lists what the emulator lacks and what is done about it.
"""

import os
import platform
import shutil
import subprocess
import sys
import threading
import time
from contextlib import nullcontext
from pathlib import Path

import boto3
import pytest
from botocore.exceptions import ClientError

from infra import chalice_config, stack
from infra.cloudformation import Stacks
from infra.deployed import state_file
from tests.deploy.customer import PAT, NotNow, Outside, wait_for
from tests.deploy.emulator import ACCOUNT, REGION, loosened

ROOT = Path(__file__).parents[2]
BASE = "https://care.example.com"
ADDRESSES = ("--mail-from", "care@example.com", "--reply-to", "care@example.com", "--base-url", BASE)
PROCESSOR = {"aarch64": "arm64"}.get(platform.machine(), platform.machine())

pytestmark = pytest.mark.emulator


@pytest.fixture(scope="module")
def project(tmp_path_factory, python):
    """Return a checkout of its own: what deploys writes into it."""
    place = tmp_path_factory.mktemp("checkout")
    for name in ("app.py", "chalicelib", "templates", "infra", "vendor", "requirements.txt", "requirements-dev.txt"):
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, place / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source, place / name)
    (place / "build").mkdir()
    made = python.python.parent.parent
    if made.parent == ROOT / "build":
        (place / "build" / made.name).symlink_to(made)
    return place


def _infra(project, command, *arguments, **more):
    """Run one command of ours, in a fresh interpreter; returns what it printed."""
    call = [sys.executable, "-m", "infra", command, "--stage", "dev", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(project), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(call, cwd=project, env=environment, capture_output=True, text=True, check=False, **more)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _deploy(project, *arguments):
    return _infra(project, "deploy", "--architecture", PROCESSOR, *arguments)


@pytest.fixture(scope="module")
def outside(aws, project):
    """Return everyone outside of a stage that was deployed by the command."""
    _deploy(project, *ADDRESSES)
    (api,) = boto3.client("apigateway").get_rest_apis()["items"]
    found = Outside(aws.direct, api["id"], BASE)
    roles = [f"aftercare-dev-{each}" for each in chalice_config.FUNCTIONS] if aws.enforce else []
    with loosened(roles) if aws.enforce else nullcontext():
        found.hurry()
        yield found
        assert found.dead_letters() == 0
    _infra(project, "destroy", "--confirm", "dev", "--delete-data")
    assert _left() == {"functions": [], "apis": [], "tables": [], "parameters": [], "stacks": []}
    assert not state_file(project, "dev").exists()


def _left():
    """Return what stands on AWS."""
    stacks = Stacks(boto3.client("cloudformation"))
    return {
        "functions": [each["FunctionName"] for each in boto3.client("lambda").list_functions()["Functions"]],
        "apis": [each["id"] for each in boto3.client("apigateway").get_rest_apis()["items"]],
        "tables": boto3.client("dynamodb").list_tables()["TableNames"],
        "parameters": [each["Name"] for each in boto3.client("ssm").describe_parameters()["Parameters"]],
        "stacks": ["dev"] if stacks.exists("dev") else [],
    }


def _live(outside, case):
    """Live one whole journey: case in, survey, bad answer, recovery, check-in; returns the journey."""
    journey = outside.resolve(case)
    outside.press(outside.link("a", case), csat="1", solved="0", words="Still broken")
    outside.act(journey, act="take")
    outside.act(journey, act="apologise", text=f"I am sorry that the {case} failed you.")
    outside.act(journey, act="propose", text=f"A new {case} by Friday.")
    outside.press(outside.link("p", f"A new {case} by Friday."), choice="meets", comment="Friday is fine")
    outside.act(journey, act="deliver", amount="25.00", currency="USD")
    outside.act(journey, act="thank", text="Thank you for telling us.")
    outside.act(journey, act="debrief", cause="a bad batch", improvement="lamps are tested")
    outside.act(journey, act="close")
    outside.press(outside.link("a", f"Is “{case}” still in order?"), solved="1", words="It holds")
    return outside.journey(journey)


def test_a_whole_journey_runs_through_the_deployed_zips(outside):
    journey = _live(outside, "lamp")
    answers = [(each.touch_id, each.scores, each.words) for each in journey.answers]
    assert answers == [
        ("survey", {"csat": 1, "solved": 0}, "Still broken"),
        ("fix_holds", {"solved": 1}, "It holds"),
    ]
    (recovery,) = journey.recoveries
    done = [each.act for each in recovery.done]
    assert done == ["take", "apologise", "propose", "deliver", "thank", "debrief", "close"]
    assert [(each.word, each.words) for each in recovery.proposals] == [("meets", "Friday is fine")]


def test_a_visitor_without_a_link_and_a_caller_without_a_key_are_refused(outside):
    assert outside.request("GET", "/a/forged")[0] == 404
    assert outside.request("POST", "/cases", b"{}", content_type="application/json")[0] == 401


def test_the_http_function_can_neither_send_mail_nor_set_alarms(outside, aws):
    if not aws.enforce:
        pytest.skip("nobody is asked for permission here")
    mail = {
        "FromEmailAddress": "care@example.com",
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


def test_every_function_runs_the_zip_with_its_own_role(outside, project):
    functions = {each["FunctionName"]: each for each in boto3.client("lambda").list_functions()["Functions"]}
    assert functions.keys() == {chalice_config.function_name("dev", each) for each in chalice_config.FUNCTIONS}
    assert len({each["CodeSha256"] for each in functions.values()}) == 1
    assert len({each["Role"] for each in functions.values()}) == len(functions)


def test_deploying_again_changes_nothing(outside, project):
    def standing():
        functions = boto3.client("lambda").list_functions()["Functions"]
        return [(each["FunctionName"], each["LastModified"], each["RevisionId"]) for each in functions], _left()

    before = standing()
    said = _deploy(project)
    assert "stack      as the template says\nsecrets    kept\nfunctions  as the code says\n" in said
    assert standing() == before
    assert _infra(project, "diff", "--architecture", PROCESSOR) == "nothing: the stage is as the code says\n"


def test_another_checkout_deploys_the_same_stage(outside, project):
    """The files that Chalice leaves are on one machine only; losing them makes a second API."""
    shutil.rmtree(project / ".chalice")
    assert "functions  as the code says" in _deploy(project)
    assert len(boto3.client("apigateway").get_rest_apis()["items"]) == 1


def test_a_bare_chalice_deploy_of_a_stage_that_stands_is_right_too(outside, project, python):
    _infra(project, "configure", "--architecture", PROCESSOR)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [python.chalice, "deploy", "--stage", "dev"]
    done = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(boto3.client("apigateway").get_rest_apis()["items"]) == 1
    outside.resolve("bare")
    assert wait_for("the survey", lambda: outside.mails("“bare”"))
    _deploy(project)  # the functions start from bytecode again


def test_an_upgrade_with_traffic_in_flight_loses_nothing(outside, project):
    """Cases come in all the while; each is taken, if need be the second time, and each customer gets one survey."""
    cases, late, stop = {}, [], threading.Event()

    def helpdesk():
        while not stop.is_set():
            name = f"ticket-{len(cases):03}"
            customer = {**PAT, "customer_id": name, "email": f"{name}@example.org"}
            try:
                cases[name] = outside.resolve(name, customer)
            except (NotNow, OSError) as refusal:
                late.append(refusal)
            time.sleep(0.5)

    worker = threading.Thread(target=helpdesk)
    worker.start()
    page = project / "templates" / "pages" / "sorry.html"
    page.write_text(page.read_text("utf-8") + "<!-- another release -->\n", "utf-8")
    try:
        assert "Updating lambda function" in _deploy(project)
    finally:
        stop.set()
        worker.join()
    asked = wait_for("a survey of each", lambda: _asked(outside, cases))
    assert asked == dict.fromkeys(cases, 1)
    assert len(late) <= len(cases) / 10, late


def _asked(outside, cases):
    """Return how many surveys each case got, once all have one."""
    mails = outside.mails("How did we do")
    found = {name: sum(f"{name}@example.org" in mail["To"] for mail in mails) for name in cases}
    return found if all(found.values()) else None


def test_the_stack_of_the_emulator_has_the_outputs_that_the_code_expects(aws, outside):
    outputs = Stacks(boto3.client("cloudformation")).outputs("dev")
    assert outputs.keys() == stack.ENVIRONMENT.keys()
