"""roles.yaml becomes policies that IAM takes, of this stage's resources only, and says so when it cannot."""

import json

import boto3
import pytest
from botocore.session import Session
from moto import mock_aws

import app
from infra import policies, stack
from infra.policies import BadRoles
from tests.infra.iam import granted
from tests.integration.aws import moto_stack

ACCOUNT = "123456789012"
REGION = "eu-central-1"
OUTPUTS = stack.outputs("test", ACCOUNT, REGION)
TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}


def _rights():
    return {right for policy in policies.render("test", OUTPUTS).values() for right in granted(policy)}


# -- what is rendered --------------------------------------------------------------------------------------


def test_each_function_of_the_app_has_a_role_and_no_other():
    assert {*policies.render("test", OUTPUTS)} == {"api_handler", *(source.name for source in app.app.event_sources)}


def test_a_policy_is_the_functions_grants_with_every_name_filled_in():
    roles = """
functions:
  on_work: {log: OnWorkLog, queue: WorkQueue, may: [be fed, write on, lend a role]}
grants:
  be fed: {actions: ["sqs:ReceiveMessage"], resources: ["${Queue}"]}
  lend a role:
    actions: ["iam:PassRole"]
    resources: ["${SchedulerRole}"]
    condition: {StringEquals: {"iam:PassedToService": scheduler.amazonaws.com}}
  write on:
    actions: ["logs:PutLogEvents", "s3:PutObject"]
    resources: ["${Log}:*", "arn:${Partition}:s3:::${Account}-${Region}-${Stage}"]
    reason: Lambda names the streams.
"""
    assert policies.render("test", OUTPUTS, policies.read(roles)) == {
        "on_work": {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Sid": "BeFed",
                    "Effect": "Allow",
                    "Action": ["sqs:ReceiveMessage"],
                    "Resource": ["arn:aws:sqs:eu-central-1:123456789012:aftercare-test-work"],
                },
                {
                    "Sid": "WriteOn",
                    "Effect": "Allow",
                    "Action": ["logs:PutLogEvents", "s3:PutObject"],
                    "Resource": [
                        "arn:aws:logs:eu-central-1:123456789012:log-group:/aws/lambda/aftercare-test-on_work:*",
                        "arn:aws:s3:::123456789012-eu-central-1-test",
                    ],
                },
                {
                    "Sid": "LendARole",
                    "Effect": "Allow",
                    "Action": ["iam:PassRole"],
                    "Resource": ["arn:aws:iam::123456789012:role/aftercare-test-eu-central-1-scheduler"],
                    "Condition": {"StringEquals": {"iam:PassedToService": "scheduler.amazonaws.com"}},
                },
            ],
        }
    }


def test_account_and_region_may_be_left_to_cloudformation():
    left = stack.outputs("test", "${AWS::AccountId}", "${AWS::Region}")
    text = json.dumps(policies.render("test", left))
    filled = text.replace("${AWS::AccountId}", ACCOUNT).replace("${AWS::Region}", REGION)
    assert json.loads(filled) == policies.render("test", OUTPUTS)


def test_the_partition_is_that_of_the_stack():
    china = {name: value.replace("arn:aws:", "arn:aws-cn:") for name, value in OUTPUTS.items()}
    text = json.dumps(policies.render("test", china))
    assert json.loads(text.replace("arn:aws-cn:", "arn:aws:")) == policies.render("test", OUTPUTS)
    assert "arn:aws:" not in text


def test_a_file_a_function_is_written_the_same_each_time(tmp_path):
    folder = tmp_path / "policies" / "test"
    first = {path: path.read_bytes() for path in policies.write("test", OUTPUTS, folder)}
    again = {path: path.read_bytes() for path in policies.write("test", OUTPUTS, folder)}
    assert first == again
    written = {path.stem: json.loads(path.read_text("utf-8")) for path in folder.iterdir()}
    assert written == policies.render("test", OUTPUTS)


# -- what IAM says to it -----------------------------------------------------------------------------------


@mock_aws
def test_iam_takes_every_policy():
    """Moto reads a policy by IAM's grammar, and refuses what is not."""
    iam = boto3.client("iam")
    rendered = policies.render("test", OUTPUTS)
    for name, policy in rendered.items():
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(TRUST))
        iam.put_role_policy(RoleName=name, PolicyName=name, PolicyDocument=json.dumps(policy))
    taken = {name: iam.get_role_policy(RoleName=name, PolicyName=name)["PolicyDocument"] for name in rendered}
    assert taken == rendered


def test_every_action_is_one_of_its_service():
    """By the operations that botocore knows; three rights are not named after one."""
    services = {"ses": ("ses", "sesv2")}
    session = Session()
    known = {
        f"{prefix}:{operation}"
        for prefix in {right.action.partition(":")[0] for right in _rights()}
        for service in services.get(prefix, (prefix,))
        for operation in session.get_service_model(service).operation_names
    }
    assert {right.action for right in _rights()} - known == {
        "dynamodb:ConditionCheckItem",
        "iam:PassRole",
        "s3:ListBucket",
    }


def test_a_resource_has_a_wildcard_only_where_a_reason_is_written():
    wild = {right.resource for right in _rights() if "*" in right.resource or "?" in right.resource}
    logs = {f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/aws/lambda/{name}:*" for name in _function_names()}
    assert wild - logs == {
        "*",
        f"arn:aws:scheduler:{REGION}:{ACCOUNT}:schedule/aftercare-test/*",
        f"arn:aws:ses:{REGION}:{ACCOUNT}:identity/*",
        f"arn:aws:s3:::aftercare-test-mail-{ACCOUNT}-{REGION}/sent/*",
        f"arn:aws:s3:::aftercare-test-mail-{ACCOUNT}-{REGION}/inbound/*",
    }
    reasons = {name for name, grant in policies.roles().grants.items() if grant.reason}
    assert reasons == {
        "log",
        "erase mail as sent",
        "send mail",
        "set alarms",
        "keep mail as sent",
        "read mail as sent",
        "read mail that came in",
        "read the suppression list",
    }


def _function_names():
    names = policies.roles().functions
    return ["aftercare-test" if name == "api_handler" else f"aftercare-test-{name}" for name in names]


def test_the_arns_are_those_of_what_the_template_makes():
    with moto_stack() as environment:
        sqs, role = boto3.client("sqs"), environment["SCHEDULER_ROLE_ARN"].rpartition("/")[2]
        urls = sqs.list_queues(QueueNamePrefix="aftercare-test-")["QueueUrls"]
        queues = [sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"] for url in urls]
        groups = boto3.client("logs").describe_log_groups()["logGroups"]
        table = boto3.client("dynamodb").describe_table(TableName=environment["TABLE"])["Table"]
        made = {
            table["TableArn"],
            *(f"{table['TableArn']}/index/{index['IndexName']}" for index in table["GlobalSecondaryIndexes"]),
            *(queue["QueueArn"] for queue in queues),
            *(group["arn"] for group in groups),
            boto3.client("iam").get_role(RoleName=role)["Role"]["Arn"],
            *(
                f"arn:aws:s3:::{bucket['Name']}{below}"
                for bucket in boto3.client("s3").list_buckets()["Buckets"]
                for below in ("", "/sent/*", "/inbound/*")
            ),
        }
    named = {right.resource for right in _rights()}
    others = {resource.split(":")[2] for resource in named - made - {"*"}}
    assert others == {"scheduler", "ses", "ssm"}, "what moto does not make, or the template does not"


# -- what is refused ---------------------------------------------------------------------------------------

_GRANT = 'actions: ["s3:GetObject"], resources: ["arn:aws:s3:::b"]'


def _refused(functions, grants, outputs=OUTPUTS):
    with pytest.raises(BadRoles) as caught:
        policies.render("test", outputs, policies.read(f"functions: {{{functions}}}\ngrants: {{{grants}}}"))
    return str(caught.value)


@pytest.mark.parametrize(
    ("functions", "grants", "said"),
    [
        ("f: {log: OnWorkLog, may: [look]}", f"see: {{{_GRANT}}}", "f: there is no grant 'look'"),
        ("f: {log: OnWalkLog, may: [see]}", f"see: {{{_GRANT}}}", "f: OnWalkLog is neither in template.yaml"),
        ("f: {log: OnWorkLog, may: []}", f"see: {{{_GRANT}}}", "at `$.functions[...].may`"),
        ("f: {log: OnWorkLog, may: [see], que: W}", f"see: {{{_GRANT}}}", "unknown field `que`"),
        (
            "f: {log: OnWorkLog, may: [see]}",
            'see: {actions: ["s3:GetObject"], resources: ["${Queue}"]}',
            "f, see: Queue is neither",
        ),
        (
            "f: {log: OnWorkLog, may: [see]}",
            'see: {actions: ["s3:GetObject"], resources: ["*"]}',
            "see: a wildcard wants a reason",
        ),
        (
            "f: {log: OnWorkLog, may: [see]}",
            'see: {actions: ["s3:Get*"], resources: ["arn:aws:s3:::b"], reason: lazy}',
            "at `$.grants[...].actions[0]`",
        ),
        ("f: {log: OnWorkLog, may: [see]}", 'see: {actions: [], resources: ["x"]}', "at `$.grants[...].actions`"),
        ("f: {log: OnWorkLog, may: [see-it]}", f"see-it: {{{_GRANT}}}", "at `key` in `$.grants`"),
        ("f: {", "", "line 2"),
    ],
)
def test_what_cannot_be_rendered_is_refused_with_its_place(functions, grants, said):
    assert said in _refused(functions, grants)


def test_a_policy_that_no_role_could_hold_is_refused():
    many = ", ".join(f'"arn:aws:s3:::{"b" * 60}{number}"' for number in range(130))
    grants = f'see: {{actions: ["s3:GetObject"], resources: [{many}]}}'
    assert "more than 10240 characters" in _refused("f: {log: OnWorkLog, may: [see]}", grants)


@pytest.mark.parametrize("other", ["another", "tes", "test-2"])
def test_the_outputs_of_another_stage_are_refused(other):
    with pytest.raises(BadRoles, match=f"not those of the stage test: .*:aftercare-{other}-alarms"):
        policies.render("test", stack.outputs(other, ACCOUNT, REGION))


def test_outputs_that_name_no_queue_are_refused():
    with pytest.raises(BadRoles, match="alarmsQueueArn is no ARN of a queue: nothing"):
        policies.render("test", {**OUTPUTS, "alarmsQueueArn": "nothing"})
