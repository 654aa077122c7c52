"""Each step of a deployment on moto: what it makes, that it makes it once, and what it says when it cannot."""

import io
import json
import sys
import warnings
import zipfile
from argparse import ArgumentParser, Namespace
from base64 import b64decode
from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import boto3
import pytest
from botocore.exceptions import ClientError, WaiterError
from moto import mock_aws

import app
from chalicelib.entry.webhooks import key_of
from chalicelib.links import Link, Links
from infra import after_deploy, chalice_config, deploy, deployed, destroy, keys, package, stack
from infra.aws import Aws, NoRegion
from infra.cloudformation import StackBusy, StackFailed, Stacks
from infra.failures import BadUsage
from infra.interpreter import Interpreter

STAGE = "test"
TABLE = f"aftercare-{STAGE}"
PREFIX = f"/aftercare/{STAGE}"
ROLE = json.dumps({"Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}}]})


@pytest.fixture(autouse=True)
def aws(monkeypatch):
    with mock_aws(), warnings.catch_warnings():
        # what moto's CloudFormation skips: tests/integration/aws.py has the list
        warnings.filterwarnings("ignore", message="Tried to parse .* not supported by moto")
        yield Aws()


@pytest.fixture
def stacks(aws):
    return Stacks(aws.client("cloudformation"))


@pytest.fixture
def deployment(aws, stacks):
    stacks.ensure(STAGE)
    return deployed.Deployment(aws.client("dynamodb"), TABLE)


# -- the stack ---------------------------------------------------------------------------------------------


def test_the_stack_is_made_with_the_outputs_that_the_template_names(stacks):
    made = stacks.ensure(STAGE)
    assert made.changed
    assert made.outputs == stack.outputs(STAGE, "123456789012", "eu-central-1")


def test_a_second_time_the_same_outputs_come_from_the_stack_there_is(stacks):
    assert stacks.ensure(STAGE).outputs == stacks.ensure(STAGE).outputs


class Client:
    """A CloudFormation client that knows one stack and answers as it is told."""

    def __init__(self, status, **answers):
        self._status = status
        self._answers = answers
        self.calls = []

    def describe_stacks(self, StackName):  # noqa: N803 - as boto3 has it
        if self._status is None:
            raise _refused(f"Stack with id {StackName} does not exist")
        outputs = [{"OutputKey": "table", "OutputValue": TABLE}]
        # not of the stack yet: InboundRuleSet, which came with a later template
        standing = [
            {"ParameterKey": each, "ParameterValue": "x"} for each in ("Stage", "AlarmTopicArn", "InboundDomain")
        ]
        found = {"StackStatus": self._status, "StackId": "id", "Outputs": outputs, "Parameters": standing}
        return {"Stacks": [found]}

    def __getattr__(self, name):
        def call(**arguments):
            self.calls.append((name, arguments))
            answer = self._answers.get(name, {})
            if isinstance(answer, Exception):
                raise answer
            return answer

        return call

    def get_paginator(self, name):
        def paginate(**arguments):
            self.calls.append((name, arguments))
            return self._answers[name]

        return Namespace(paginate=paginate)

    def get_waiter(self, name):
        def wait(**arguments):
            self.calls.append((name, arguments["StackName"]))
            if name == "stack_delete_complete":
                self._status = None
            elif name == "stack_create_complete":
                self._status = "CREATE_COMPLETE"
            if "wait" in self._answers:
                raise self._answers["wait"]

        return Namespace(wait=wait)


def _refused(message):
    return ClientError({"Error": {"Code": "ValidationError", "Message": message}}, "UpdateStack")


def test_an_update_without_changes_is_no_failure():
    client = Client("UPDATE_COMPLETE", update_stack=_refused("No updates are to be performed."))
    assert Stacks(client).ensure(STAGE).changed is False


def test_parameters_that_are_not_given_stay_as_they_are():
    client = Client("CREATE_COMPLETE")
    Stacks(client).ensure(STAGE, {"AlarmTopicArn": "arn"})
    ((_, request), *_) = client.calls
    assert request["Parameters"] == [
        {"ParameterKey": "Stage", "ParameterValue": STAGE},
        {"ParameterKey": "AlarmTopicArn", "ParameterValue": "arn"},
        {"ParameterKey": "InboundDomain", "UsePreviousValue": True},
    ]


def test_a_stack_that_never_came_to_be_is_deleted_and_made_again():
    client = Client("ROLLBACK_COMPLETE")
    Stacks(client).ensure(STAGE)
    assert [name for name, _ in client.calls] == [
        "delete_stack",
        "stack_delete_complete",
        "create_stack",
        "stack_create_complete",
    ]


def test_a_table_of_a_stack_that_never_came_to_be_does_not_outlive_it():
    client = Client(None)
    with pytest.raises(StackFailed):
        Stacks(client).outputs(STAGE)
    client = Client("ROLLBACK_COMPLETE")
    Stacks(client).ensure(STAGE)
    (request,) = [arguments for name, arguments in client.calls if name == "create_stack"]
    assert request["RetainExceptOnCreate"] is True


def test_two_deployers_do_not_change_one_stack():
    with pytest.raises(StackBusy, match="UPDATE_IN_PROGRESS"):
        Stacks(Client("UPDATE_IN_PROGRESS")).ensure(STAGE)


def _event(status, name, reason=None):
    """Return an event in the form of DescribeStackEvents, as far as it is read."""
    event = {"ResourceStatus": status, "LogicalResourceId": name}
    return event | ({"ResourceStatusReason": reason} if reason else {})


def test_what_cloudformation_says_of_each_resource_is_shown():
    """Of this change alone, however many events it had: the newest come first, a page at a time."""
    pages = [
        {"StackEvents": [_event("DELETE_COMPLETE", f"Resource{number}") for number in range(100)]},
        {
            "StackEvents": [
                _event("CREATE_FAILED", "InboxQueue", "cancelled"),
                _event("CREATE_COMPLETE", "WorkQueue"),
                _event("CREATE_FAILED", "Table", "already exists"),
                _event("UPDATE_IN_PROGRESS", TABLE, "User Initiated"),
                _event("CREATE_FAILED", "MailBucket", "of last month"),
            ]
        },
    ]
    failed = WaiterError("stack_update_complete", "terminal failure", {})
    client = Client("CREATE_COMPLETE", wait=failed, describe_stack_events=pages)
    with pytest.raises(StackFailed) as raised:
        Stacks(client).ensure(STAGE)
    assert str(raised.value).splitlines()[1:] == ["Table: already exists", "InboxQueue: cancelled"]


# Answers in the form of DescribeChangeSet's, as far as they are read.
def _page(action, kind, name, replacement=None):
    change = {"Action": action, "ResourceType": kind, "LogicalResourceId": name}
    change |= {"Replacement": replacement} if replacement else {}
    return {"Status": "CREATE_COMPLETE", "Changes": [{"Type": "Resource", "ResourceChange": change}]}


def test_a_preview_shows_every_page_of_changes_and_what_would_be_replaced():
    pages = [
        _page("Modify", "AWS::DynamoDB::Table", "Table", "True"),
        _page("Modify", "AWS::SQS::QueuePolicy", "InboxQueuePolicy", "Conditional"),
        _page("Modify", "AWS::SQS::Queue", "InboxQueue", "False"),
        _page("Add", "AWS::SQS::Queue", "NewQueue"),
        _page("Remove", "AWS::SQS::Queue", "OldQueue"),
    ]
    shown = Stacks(Client("CREATE_COMPLETE", describe_change_set=pages)).preview(STAGE)
    assert [" ".join(each.split()) for each in shown] == [
        "modify AWS::DynamoDB::Table Table REPLACED: what it holds is lost",
        "modify AWS::SQS::QueuePolicy InboxQueuePolicy replaced only if what it refers to is",
        "modify AWS::SQS::Queue InboxQueue",
        "add AWS::SQS::Queue NewQueue",
        "remove AWS::SQS::Queue OldQueue",
    ]


def test_a_preview_deletes_its_change_set_whatever_comes_of_it():
    reasons = ("The submitted information didn't contain changes. Submit different information.", "Template error")
    failed = WaiterError("change_set_create_complete", "terminal failure", {})
    for reason in reasons:
        client = Client("CREATE_COMPLETE", wait=failed, describe_change_set={"StatusReason": reason})
        with nullcontext() if reason is reasons[0] else pytest.raises(StackFailed, match="Template error"):
            assert Stacks(client).preview(STAGE) == []
        (made,) = [each["ChangeSetName"] for name, each in client.calls if name == "create_change_set"]
        deleted = {"StackName": TABLE, "ChangeSetName": made}
        assert client.calls[-1] == ("delete_change_set", deleted)


def test_two_previews_do_not_stand_in_each_other_s_way():
    client = Client("CREATE_COMPLETE", describe_change_set=[])
    Stacks(client).preview(STAGE)
    Stacks(client).preview(STAGE)
    names = [each["ChangeSetName"] for name, each in client.calls if name == "create_change_set"]
    assert len(set(names)) == 2


@pytest.mark.parametrize("status", [None, "ROLLBACK_COMPLETE"])
def test_a_preview_of_a_stack_that_is_still_to_come_shows_all_of_it(status):
    client = Client(status)
    replies = {"InboundDomain": "replies.example.com", "InboundRuleSet": "default"}
    plain, replied = (Stacks(client).preview(STAGE, given) for given in ({}, replies))
    everything = {f"create {each['Type']} {name}" for name, each in stack.template()["Resources"].items()}
    assert {" ".join(each.split()) for each in replied} == everything
    assert set(replied) - set(plain) == {f"create  {'AWS::SES::ReceiptRule':<45} ReceiptRule"}
    assert client.calls == []


def test_the_template_is_small_enough_to_be_sent():
    """CloudFormation takes 51,200 bytes in a request; a larger one would have to go by way of a bucket."""
    assert stack.TEMPLATE.stat().st_size <= 51_200


# -- secrets -----------------------------------------------------------------------------------------------


def _secret(name):
    found = boto3.client("ssm").get_parameter(Name=f"{PREFIX}/{name}", WithDecryption=True)["Parameter"]
    return found["Type"], json.loads(found["Value"])


def test_secrets_are_made_once_and_never_replaced(aws):
    ssm = aws.client("ssm")
    assert keys.ensure(ssm, PREFIX) == [f"{PREFIX}/link-keys", f"{PREFIX}/webhook-keys"]
    before = _secret("link-keys"), _secret("webhook-keys")
    assert keys.ensure(ssm, PREFIX) == []
    assert (_secret("link-keys"), _secret("webhook-keys")) == before


def test_one_secret_that_is_absent_is_made_beside_the_other(aws):
    ssm = aws.client("ssm")
    keys.ensure(ssm, PREFIX)
    ssm.delete_parameter(Name=f"{PREFIX}/link-keys")
    assert keys.ensure(ssm, PREFIX) == [f"{PREFIX}/link-keys"]


def test_the_functions_can_read_the_secrets(aws):
    keys.ensure(aws.client("ssm"), PREFIX)
    (kind, links), (other, hooks) = _secret("link-keys"), _secret("webhook-keys")
    assert (kind, other) == ("SecureString", "SecureString")
    assert {name: len(b64decode(key)) for name, key in links.items()} == {"k1": 32}
    assert [len(key_of(each)) for each in hooks] == [32]


def test_the_key_of_links_is_replaced_in_two_steps_and_no_link_breaks(aws):
    """A function knows the keys that there were when it started: none signs with a key that another may not know."""
    ssm = aws.client("ssm")
    keys.ensure(ssm, PREFIX)
    steps = [_secret("link-keys")[1]]
    said = []
    for _ in range(4):
        said.append(keys.rotate(ssm, PREFIX))
        kind, held = _secret("link-keys")
        steps.append(held)
        assert kind == "SecureString"
    assert [list(each) for each in steps] == [["k1"], ["k1", "k2"], ["k2", "k1"], ["k2", "k3"], ["k3", "k2"]]
    assert said[:2] == ["k1 signs links, k2 opens them too", "k2 signs links, k1 opens them too"]
    for before, after in pairwise(steps):
        assert {name: key for name, key in before.items() if name in after} == {
            name: key for name, key in after.items() if name in before
        }
    assert len({key for held in steps for key in held.values()}) == 3
    link = Link("answer", "j1", "survey")
    now = datetime(2026, 3, 2, 9, tzinfo=UTC)
    for old, new in pairwise([_links(each) for each in steps[:3]]):
        assert (new.read(old.token(link), "answer", now), old.read(new.token(link), "answer", now)) == (link, link)


def _links(held):
    return Links({name: b64decode(key) for name, key in held.items()}, "https://care.example.com")


def test_where_no_key_is_none_is_replaced(aws):
    with pytest.raises(BadUsage, match="there is no secret /aftercare/test/link-keys"):
        keys.rotate(aws.client("ssm"), PREFIX)


# -- state and lock ----------------------------------------------------------------------------------------


def test_what_is_kept_is_read_again(deployment):
    assert deployment.read("state") is None
    deployment.keep("state", {"resources": [{"name": "rest_api"}]})
    assert deployment.read("state") == {"resources": [{"name": "rest_api"}]}
    deployment.forget("state")
    assert deployment.read("state") is None


def test_two_deployers_exclude_each_other(deployment):
    with deployment.lock(), pytest.raises(deployed.Locked), deployment.lock():
        pytest.fail("both had it")
    with deployment.lock():
        pass


def test_the_lock_is_given_back_after_a_failure(deployment):
    with pytest.raises(RuntimeError), deployment.lock():
        raise RuntimeError
    with deployment.lock():
        pass


def test_the_lock_of_a_deployer_that_died_falls(deployment, monkeypatch):
    then = deployed.time()
    with deployment.lock():
        monkeypatch.setattr(deployed, "time", lambda: then + deployed.LEASE + 2)
        with deployment.lock():
            assert deployment.read is not None


def test_a_table_holds_data_when_anything_but_deployments_is_in_it(deployment, aws):
    deployment.keep("state", {})
    assert deployment.holds_data() is False
    aws.client("dynamodb").put_item(TableName=TABLE, Item={"pk": {"S": "J#1"}, "sk": {"S": "STATE"}})
    assert deployment.holds_data() is True


def _zip():
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(zipfile.ZipInfo("app.py"), "")  # dated like ours, not now
    return packed.getvalue()


def _function(aws, name):
    role = aws.client("iam").create_role(RoleName=f"{name}-role", AssumeRolePolicyDocument=ROLE)["Role"]["Arn"]
    return aws.client("lambda").create_function(
        FunctionName=name, Role=role, Runtime="python3.13", Handler="app.app", Code={"ZipFile": _zip()}
    )["FunctionArn"]


def _api(aws, arn):
    gateway = aws.client("apigateway")
    api = gateway.create_rest_api(name="aftercare")["id"]
    root = gateway.get_resources(restApiId=api)["items"][0]["id"]
    place = {"restApiId": api, "resourceId": root, "httpMethod": "GET"}
    gateway.put_method(**place, authorizationType="NONE")
    uri = f"arn:aws:apigateway:eu-central-1:lambda:path/2015-03-31/functions/{arn}/invocations"
    gateway.put_integration(**place, type="AWS_PROXY", integrationHttpMethod="POST", uri=uri)
    gateway.create_deployment(restApiId=api, stageName="api")
    return api


@pytest.fixture
def half_deployed(aws, deployment):
    """What a deployment leaves that died before Chalice could write down what it had made."""
    arn, worker = _function(aws, TABLE), _function(aws, f"{TABLE}-on_work")
    _api(aws, _function(aws, "aftercare-other"))
    queue = f"arn:aws:sqs:eu-central-1:123456789012:{TABLE}-work"
    feed = aws.client("lambda").create_event_source_mapping(
        EventSourceArn=queue, FunctionName=f"{TABLE}-on_work", BatchSize=1
    )
    return {"api": _api(aws, arn), "feed": feed["UUID"], "worker": worker, "queue": queue}


def test_what_stands_on_aws_and_is_not_in_the_state_is_entered(aws, half_deployed):
    """Chalice would make a second API, and fail to make the feeds again."""
    api = half_deployed["api"]
    state = deployed.adopted(None, STAGE, aws.client("lambda"), aws.client("apigateway"))
    assert state == {
        "schema_version": "2.0",
        "backend": "api",
        "resources": [
            {
                "name": "on_work-sqs-event-source",
                "resource_type": "sqs_event",
                "queue_arn": half_deployed["queue"],
                "event_uuid": half_deployed["feed"],
                "queue": f"{TABLE}-work",
                "lambda_arn": half_deployed["worker"],
            },
            {
                "name": "rest_api",
                "resource_type": "rest_api",
                "rest_api_id": api,
                "rest_api_url": f"https://{api}.execute-api.eu-central-1.amazonaws.com/api/",
            },
        ],
    }


def test_what_the_state_knows_is_left_as_it_is(aws, half_deployed):
    state = deployed.adopted(None, STAGE, aws.client("lambda"), aws.client("apigateway"))
    assert deployed.adopted(state, STAGE, aws.client("lambda"), aws.client("apigateway")) == state


def test_where_nothing_stands_the_state_is_empty(aws, deployment):
    state = deployed.adopted(None, STAGE, aws.client("lambda"), aws.client("apigateway"))
    assert state["resources"] == []


# -- configuration -----------------------------------------------------------------------------------------


def test_the_functions_of_the_configuration_are_those_of_the_application():
    handlers = [each.handler_string.removeprefix("app.") for each in app.app.event_sources]
    assert (chalice_config.API_FUNCTION, *handlers) == chalice_config.FUNCTIONS


def test_the_sections_of_other_stages_are_kept(tmp_path):
    one = chalice_config.section("one", {"A": "1"}, folder="policies/one")
    two = chalice_config.section("two", {"A": "2"}, folder="policies/two", architecture="x86_64")
    assert chalice_config.write(tmp_path, "one", one)
    assert chalice_config.write(tmp_path, "two", two)
    assert not chalice_config.write(tmp_path, "two", two)
    assert (chalice_config.read(tmp_path, "one"), chalice_config.read(tmp_path, "two")) == (one, two)
    chalice_config.write(tmp_path, "one", None)
    assert chalice_config.read(tmp_path, "one") is None


def test_what_correctness_leans_on_is_in_every_section():
    section = chalice_config.section("prod", {"TABLE": "t"}, folder="policies/prod")
    fixed = {name: section[name] for name in ("autogen_policy", "automatic_layer", "xray", "lambda_architecture")}
    assert fixed == {
        "autogen_policy": False,
        "automatic_layer": False,
        "xray": False,
        "lambda_architecture": "arm64",
    }
    assert section["environment_variables"] == {"STAGE": "prod", "TABLE": "t"}
    assert section["lambda_functions"]["on_work"] == {
        "iam_policy_file": "policies/prod/on_work.json",
        "lambda_memory_size": 512,
        "lambda_timeout": 60,
    }


# -- what Chalice cannot set -------------------------------------------------------------------------------


def _apply(aws, api):
    group = "arn:aws:logs:eu-central-1:123456789012:log-group:/aws/apigateway/aftercare-test"
    clients = {"apigateway": aws.client("apigateway"), "aws_lambda": aws.client("lambda")}
    return after_deploy.apply(STAGE, api, **clients, log_group_arn=group)


def test_throttles_and_limits_are_set_once(aws, half_deployed):
    changed, impossible = _apply(aws, half_deployed["api"])
    assert changed == [
        "throttle: 100 requests a second, 200 at once",
        "aftercare-test-on_work: at most 5 at once, partial batches",
    ]
    assert [each.partition(":")[0] for each in impossible] == ["access logs"]
    settings = aws.client("apigateway").get_stage(restApiId=half_deployed["api"], stageName="api")["methodSettings"]
    throttled = settings["*/*"]["throttlingRateLimit"], settings["*/*"]["throttlingBurstLimit"]
    assert throttled == (after_deploy.RATE, after_deploy.BURST)
    assert _apply(aws, half_deployed["api"])[0] == []


def test_access_logs_are_switched_on_once_the_account_allows_them(aws, half_deployed):
    role = "arn:aws:iam::123456789012:role/api-gateway-logs"
    gateway = aws.client("apigateway")
    gateway.update_account(patchOperations=[{"op": "replace", "path": "/cloudwatchRoleArn", "value": role}])
    changed, impossible = _apply(aws, half_deployed["api"])
    assert (changed[-1], impossible) == ("access log: /aws/apigateway/aftercare-test", [])
    assert gateway.get_stage(restApiId=half_deployed["api"], stageName="api")["accessLogSettings"] == {
        "destinationArn": "arn:aws:logs:eu-central-1:123456789012:log-group:/aws/apigateway/aftercare-test",
        "format": json.dumps(dict(after_deploy.LOG_LINE)),
    }
    assert _apply(aws, half_deployed["api"]) == ([], [])


def test_the_access_log_never_holds_a_path_or_an_address():
    """A path holds the token that opens a customer's survey."""
    written = " ".join(after_deploy.LOG_LINE.values())
    assert [each for each in ("$context.path", "sourceIp", "userAgent", "protocol") if each in written] == []


# -- the whole, with Chalice played ------------------------------------------------------------------------


class Chalice:
    """Plays Chalice: packages an empty zip, and deploys by making the functions and the API."""

    def __init__(self, aws):
        self._aws = aws
        self.commands = []
        self.regions = set()
        self.fail = False

    def __call__(self, python, project, *arguments, region):
        self.commands.append(arguments[0])
        self.regions.add(region)
        return getattr(self, arguments[0])(project)

    def package(self, project):
        cache = project / ".chalice" / "deployments"
        cache.mkdir(parents=True)
        (cache / "x.zip").write_bytes(_zip())
        return ""

    def deploy(self, project):
        archive = (project / ".chalice/deployments/x.zip").read_bytes()
        state = json.loads(deployed.state_file(project, STAGE).read_text()) if _has_state(project) else None
        if state is None:
            state = self._create()
        for each in chalice_config.FUNCTIONS:
            name = chalice_config.function_name(STAGE, each)
            self._aws.client("lambda").update_function_code(FunctionName=name, ZipFile=archive)
            self._configure(name, chalice_config.read(project, STAGE), each)
        deployed.write_state(project, STAGE, state)
        return "Resources deployed"

    def _configure(self, name, section, function):
        own = section["lambda_functions"][function]
        self._aws.client("lambda").update_function_configuration(
            FunctionName=name,
            Environment={"Variables": section["environment_variables"]},
            MemorySize=own["lambda_memory_size"],
            Timeout=own["lambda_timeout"],
        )

    def _create(self):
        arns = [_function(self._aws, chalice_config.function_name(STAGE, each)) for each in chalice_config.FUNCTIONS]
        api = _api(self._aws, arns[0])
        if self.fail:
            raise RuntimeError("the line went dead")
        return deployed.adopted(None, STAGE, self._aws.client("lambda"), self._aws.client("apigateway")) | {"api": api}

    def delete(self, project):
        return "deleted"


def _has_state(project):
    return deployed.state_file(project, STAGE).is_file()


@pytest.fixture
def project(tmp_path, monkeypatch):
    (tmp_path / "chalicelib").mkdir()
    (tmp_path / "requirements.txt").write_text("")
    # the bytecode has its own tests; the clock of its temporary files has none here
    monkeypatch.setattr(deploy, "finish", lambda *arguments: None)
    return tmp_path


def _deployer(aws, project, chalice, lines, **choices):
    plan = deploy.Plan(STAGE, choices, project=project)
    return deploy.Deployer(plan, aws, lines.append, chalice, Interpreter(Path("python"), "3.13"))


CARE = {"mail_from": "care@example.com", "reply_to": "help@example.com"}


@pytest.fixture
def chalice(aws):
    return Chalice(aws)


def _variables(project):
    return chalice_config.read(project, STAGE)["environment_variables"]


def test_a_first_deployment_learns_its_own_address(aws, project, chalice):
    address = _deployer(aws, project, chalice, [], **CARE).deploy()
    assert address.base == address.api
    assert _variables(project)["BASE_URL"] == address.api
    assert chalice.commands == ["package", "deploy", "package", "deploy"]


def test_a_stage_with_a_domain_of_its_own_is_deployed_in_one_go(aws, project, chalice):
    address = _deployer(aws, project, chalice, [], **CARE, base_url="https://care.example.com").deploy()
    assert address.base == "https://care.example.com"
    assert chalice.commands == ["package", "deploy"]


def test_deploying_again_changes_nothing(aws, project, chalice):
    first = _deployer(aws, project, chalice, [], **CARE).deploy()
    chalice.commands.clear()
    lines = []
    assert _deployer(aws, project, chalice, lines).deploy() == first
    assert chalice.commands == ["package"]
    assert lines[2:4] == ["functions  as the code says", "settings   as wanted"]


@pytest.fixture
def same_stack(monkeypatch):
    """moto refuses a change set without changes at once; AWS makes one that has failed."""
    monkeypatch.setattr(Stacks, "preview", lambda *arguments: [])


def test_what_somebody_changed_by_hand_is_shown_and_put_right(aws, project, chalice, same_stack):
    """Whom a stage may write to stands in the functions' environment: nothing but a deployment should change it."""
    _deployer(aws, project, chalice, [], **CARE).deploy()
    variables, aws_lambda, name = _variables(project), aws.client("lambda"), f"{TABLE}-on_work"
    by_hand = {"Variables": {**variables, "MAIL_ONLY_TO": "*"}}
    aws_lambda.update_function_configuration(FunctionName=name, Environment=by_hand, MemorySize=256)
    assert _deployer(aws, project, chalice, []).differences() == [
        "configuration  on_work: MAIL_ONLY_TO: * → example.com",
        "configuration  on_work: lambda_memory_size: 256 → 512",
    ]
    chalice.commands.clear()
    _deployer(aws, project, chalice, []).deploy()
    assert chalice.commands == ["package", "deploy"]
    found = aws_lambda.get_function_configuration(FunctionName=name)
    assert (found["Environment"]["Variables"], found["MemorySize"]) == (variables, 512)
    assert _deployer(aws, project, chalice, []).differences() == []


def test_what_the_next_deployment_would_set_everywhere_is_shown_once(aws, project, chalice, same_stack):
    _deployer(aws, project, chalice, [], **CARE).deploy()
    assert _deployer(aws, project, chalice, [], mail_only_to="example.org").differences() == [
        "functions      another configuration",
        "configuration  MAIL_ONLY_TO: example.com → example.org",
    ]


def test_after_each_step_of_replacing_a_key_all_functions_start_anew(aws, project, chalice, same_stack):
    _deployer(aws, project, chalice, [], **CARE).deploy()
    keys.rotate(aws.client("ssm"), PREFIX)
    changed = ["functions      another configuration", "configuration  LINK_KEYS_VERSION: 1 → 2"]
    assert _deployer(aws, project, chalice, []).differences() == changed
    _deployer(aws, project, chalice, []).deploy()
    assert _deployer(aws, project, chalice, []).differences() == []


def test_what_was_chosen_once_is_kept_with_the_stage(aws, project, chalice):
    _deployer(aws, project, chalice, [], **CARE).deploy()
    _deployer(aws, project, chalice, [], reply_to="other@example.com").deploy()
    variables = _variables(project)
    assert (variables["MAIL_FROM"], variables["REPLY_TO"]) == ("care@example.com", "other@example.com")


def test_what_the_functions_are_made_for_is_kept_with_the_stage_too(aws, project, chalice, monkeypatch):
    """Else the next deployment, by somebody who was not there, would change every function."""
    asked = []
    python = Interpreter(Path("python"), "3.12")
    monkeypatch.setattr(deploy, "interpreter", lambda project, runtime: asked.append(runtime) or python)
    parser = ArgumentParser()
    deploy.add_arguments(parser)
    first, later = ["--mail-from", "c@example.com", "--reply-to", "h@example.com"], ["--stage", STAGE]
    for words in ([*first, *later, "--architecture", "x86_64", "--runtime", "3.12"], later):
        plan = replace(deploy.plan(parser.parse_args(words)), project=project)
        deploy.Deployer(plan, aws, lambda line: None, chalice).deploy()
        assert chalice_config.read(project, STAGE)["lambda_architecture"] == "x86_64"
    assert asked == ["3.12", "3.12"]
    assert chalice.commands == ["package", "deploy", "package", "deploy", "package"]


@pytest.mark.parametrize(
    ("stage", "sender", "to"),
    [
        ("prod", "care@example.com", "*"),
        ("production", "care@example.com", "*"),
        ("dev", "care@example.com", "example.com"),
        ("prod-2", "Care <Care@Example.com>", "example.com"),
    ],
)
def test_only_production_writes_to_everyone_without_being_told(stage, sender, to):
    assert deploy.only_to(stage, sender) == to


def test_a_stage_writes_to_its_sender_s_domain_until_it_is_told_to_whom(aws, project, chalice):
    first = _deployer(aws, project, chalice, [], **CARE).deploy()
    assert (first.mails_to, _variables(project)["MAIL_ONLY_TO"]) == ("example.com", "example.com")
    _deployer(aws, project, chalice, [], mail_only_to="*").deploy()
    later = _deployer(aws, project, chalice, []).deploy()
    assert (later.mails_to, _variables(project)["MAIL_ONLY_TO"]) == ("*", "*")


def test_a_domain_for_replies_reaches_the_stack_and_the_functions(aws, project, chalice):
    parser = ArgumentParser()
    deploy.add_arguments(parser)
    options = ["--mail-from", "c@example.com", "--reply-to", "h@example.com", "--inbound-domain", "replies.example.com"]
    plan = deploy.plan(parser.parse_args(["--stage", STAGE, *options]))
    assert plan.parameters == {"InboundDomain": "replies.example.com"}
    _deployer(aws, project, chalice, [], **plan.choices).deploy()
    assert _variables(project)["INBOUND_DOMAIN"] == "replies.example.com"


def test_what_was_never_chosen_is_asked_for(aws, project, chalice):
    with pytest.raises(deploy.MissingChoice, match=r"--mail-from and --reply-to"):
        _deployer(aws, project, chalice, []).deploy()
    assert (chalice.commands, Stacks(aws.client("cloudformation")).exists(STAGE)) == ([], False)


def test_what_was_never_chosen_is_asked_for_where_a_stack_was_made_otherwise(aws, project, chalice, stacks):
    stacks.ensure(STAGE)
    with pytest.raises(deploy.MissingChoice, match=r"say once, for this stage, --reply-to$"):
        _deployer(aws, project, chalice, [], mail_from="care@example.com").deploy()
    assert chalice.commands == []


def test_another_machine_needs_no_file_of_the_first(aws, project, chalice, tmp_path):
    first = _deployer(aws, project, chalice, [], **CARE).deploy()
    chalice.commands.clear()
    deployed.state_file(project, STAGE).unlink()
    chalice_config.config_file(project).unlink()
    assert _deployer(aws, project, chalice, []).deploy() == first
    assert chalice.commands == ["package"]
    assert _has_state(project)


def test_a_deployment_that_failed_half_way_is_run_again_without_a_second_api(aws, project, chalice):
    chalice.fail = True
    with pytest.raises(RuntimeError):
        _deployer(aws, project, chalice, [], **CARE).deploy()
    chalice.fail = False
    _deployer(aws, project, chalice, []).deploy()
    assert len(aws.client("apigateway").get_rest_apis()["items"]) == 1


def test_no_secret_is_ever_printed(aws, project, chalice, capsys):
    lines = []
    _deployer(aws, project, chalice, lines, **CARE).deploy()
    printed = "\n".join(lines) + capsys.readouterr().out
    secrets = [_secret("link-keys")[1]["k1"], *_secret("webhook-keys")[1]]
    assert [each for each in secrets if each in printed] == []


def test_a_bare_chalice_command_has_what_it_needs_after_configure(aws, project, chalice):
    _deployer(aws, project, chalice, [], **CARE).deploy()
    before = chalice_config.config_file(project).read_text()
    chalice_config.config_file(project).unlink()
    deployed.state_file(project, STAGE).unlink()
    _deployer(aws, project, chalice, []).configure()
    assert chalice_config.config_file(project).read_text() == before
    assert _has_state(project)


def test_the_stage_in_the_region_is_asked_for_when_there_is_none(monkeypatch):
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    with pytest.raises(NoRegion):
        Aws(boto3.Session())


@pytest.mark.parametrize(
    ("variables", "profile", "region"),
    [
        ({"AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "eu-north-1"}, "eu-south-1", "eu-west-1"),
        ({"AWS_DEFAULT_REGION": "eu-north-1"}, "eu-south-1", "eu-north-1"),
        ({}, "eu-south-1", "eu-south-1"),
    ],
    ids=["AWS_REGION", "AWS_DEFAULT_REGION", "profile"],
)
def test_chalice_works_in_the_region_of_the_stack(monkeypatch, tmp_path, project, variables, profile, region):
    """By itself it would deploy elsewhere: it does not know the first, and the second would win over the third."""
    (tmp_path / "config").write_text(f"[default]\nregion = {profile}\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    aws = Aws()
    chalice = Chalice(aws)
    address = _deployer(aws, project, chalice, [], **CARE).deploy()
    _destroyer(aws, project, chalice).destroy(delete_data=False)
    assert (aws.region, chalice.regions, address.api.split(".")[2]) == (region, {region}, region)


def test_chalice_is_told_its_region_and_not_where_else_to_look(monkeypatch, tmp_path):
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-north-1")
    program = tmp_path / "chalice"
    program.write_text(f"#!{sys.executable}\nimport os\nprint(os.environ['AWS_DEFAULT_REGION'])\n")
    program.chmod(0o755)
    said = package.chalice(Interpreter(tmp_path / "python", "3.13"), tmp_path, "deploy", region="eu-south-1")
    assert said == "eu-south-1\n"


# -- what goes wrong is said -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "status", "told"),
    [
        (["deploy"], 2, "say once, for this stage, --mail-from and --reply-to"),
        (["configure"], 1, f"there is no stack {TABLE}: make deploy STAGE={STAGE} makes it"),
        (["destroy", "--confirm", "prod"], 1, "not the same: nothing was removed"),
        (["destroy"], 2, "nobody is here to be asked, so nothing was removed; --confirm says the name again"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else None,
)
def test_what_cannot_be_done_is_said_in_a_line(said, monkeypatch, words, status, told):
    monkeypatch.setattr("sys.stdin", io.StringIO())
    assert said(*words, "--stage", STAGE) == (status, f"{told}\n")


def test_data_that_keep_a_stage_are_said_with_what_would_delete_them(said, aws, deployment):
    aws.client("dynamodb").put_item(TableName=TABLE, Item={"pk": {"S": "J#1"}, "sk": {"S": "STATE"}})
    told = f"the table {TABLE} holds data; --delete-data deletes it for good\n"
    assert said("destroy", "--stage", STAGE, "--confirm", STAGE) == (1, told)


def test_an_address_of_the_pages_has_no_slash_at_its_end():
    parser = ArgumentParser()
    deploy.add_arguments(parser)
    options = ["--base-url", "https://care.example.com/api/", "--mail-from", "care@example.com"]
    assert deploy.plan(parser.parse_args(options)).choices == {
        "base_url": "https://care.example.com/api",
        "mail_from": "care@example.com",
    }


# -- taking it away ----------------------------------------------------------------------------------------


def _destroyer(aws, project, chalice):
    plan = deploy.Plan(STAGE, {}, project=project)
    return destroy.Destroyer(plan, aws, lambda line: None, chalice, Interpreter(Path("python"), "3.13"))


def test_a_stage_that_holds_data_is_not_removed(aws, project, chalice):
    _deployer(aws, project, chalice, [], **CARE).deploy()
    aws.client("dynamodb").put_item(TableName=TABLE, Item={"pk": {"S": "J#1"}, "sk": {"S": "STATE"}})
    chalice.commands.clear()
    with pytest.raises(destroy.HoldsData):
        _destroyer(aws, project, chalice).destroy(delete_data=False)
    assert chalice.commands == []
    assert Stacks(aws.client("cloudformation")).exists(STAGE)


def test_a_stage_that_holds_mails_is_not_removed(aws, project, chalice):
    _deployer(aws, project, chalice, [], **CARE).deploy()
    (bucket,) = [each["Name"] for each in aws.client("s3").list_buckets()["Buckets"]]
    aws.client("s3").put_object(Bucket=bucket, Key="sent/1", Body=b"mail")
    chalice.commands.clear()
    with pytest.raises(destroy.HoldsData, match=bucket):
        _destroyer(aws, project, chalice).destroy(delete_data=False)
    assert chalice.commands == []


def test_removing_a_stage_leaves_nothing(aws, project, chalice):
    _deployer(aws, project, chalice, [], **CARE).deploy()
    aws.client("dynamodb").put_item(TableName=TABLE, Item={"pk": {"S": "J#1"}, "sk": {"S": "STATE"}})
    (bucket,) = [each["Name"] for each in aws.client("s3").list_buckets()["Buckets"]]
    aws.client("ssm").put_parameter(Name=f"{PREFIX}/sign-in-provider", Value="{}", Type="SecureString")  # by hand
    for number in range(1001):  # one more than can be deleted at once
        aws.client("s3").put_object(Bucket=bucket, Key=f"sent/{number}", Body=b"mail")
    _destroyer(aws, project, chalice).destroy(delete_data=True)
    assert aws.client("dynamodb").list_tables()["TableNames"] == []
    assert aws.client("s3").list_buckets()["Buckets"] == []
    assert aws.client("ssm").describe_parameters()["Parameters"] == []
    assert not Stacks(aws.client("cloudformation")).exists(STAGE)
    assert (chalice_config.read(project, STAGE), _has_state(project)) == (None, False)


def test_a_stage_that_is_not_there_is_not_said_to_be_removed(aws, project, chalice):
    _deployer(aws, project, chalice, [], **CARE).deploy()
    _destroyer(aws, project, chalice).destroy(delete_data=False)
    with pytest.raises(destroy.NoStage, match="there is no stage test in eu-central-1"):
        _destroyer(aws, project, chalice).destroy(delete_data=False)


@pytest.mark.parametrize("step", ["_remove_code", "_remove_stack"])
def test_a_removal_that_failed_half_way_is_run_again(aws, project, chalice, monkeypatch, step):
    _deployer(aws, project, chalice, [], **CARE).deploy()
    done = getattr(destroy.Destroyer, step)
    with monkeypatch.context() as patch:
        patch.setattr(destroy.Destroyer, step, _dying_after(done))
        with pytest.raises(RuntimeError):
            _destroyer(aws, project, chalice).destroy(delete_data=False)
    _destroyer(aws, project, chalice).destroy(delete_data=False)
    assert aws.client("dynamodb").list_tables()["TableNames"] == []
    assert not Stacks(aws.client("cloudformation")).exists(STAGE)


def _dying_after(done):
    def die(*arguments):
        done(*arguments)
        raise RuntimeError("the line went dead")

    return die


def test_only_the_stage_s_own_name_confirms(monkeypatch, capsys):
    monkeypatch.setattr("builtins.input", lambda prompt: "prod")
    assert destroy.run(Namespace(stage=STAGE, confirm=None, delete_data=True, runtime="3.13")) == 1
    assert capsys.readouterr().err == "not the same: nothing was removed\n"
