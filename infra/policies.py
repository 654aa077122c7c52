"""Renders what each Lambda function may do (roles.yaml beside this) as the IAM policies of one stage.

Chalice reads one file a function (``iam_policy_file``) and substitutes nothing in it, so every name is filled in here.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Final, TypeAlias

import msgspec
import yaml

from infra import stack
from infra.failures import Failed

ROLES: Final = Path(__file__).with_name("roles.yaml")
#: Characters without spaces, of the policies within a role. Source: IAM User Guide, "IAM and AWS STS quotas".
MOST_CHARACTERS: Final = 10_240

Policy: TypeAlias = dict[str, Any]
#: Spelt out: a wildcard would grant what AWS invents next.
Action: TypeAlias = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9-]+:[A-Z][A-Za-z0-9]+\Z")]
Words: TypeAlias = Annotated[str, msgspec.Meta(pattern=r"^[a-z]+( [a-z]+)*\Z")]
Some: TypeAlias = Annotated[list[str], msgspec.Meta(min_length=1)]


class BadRoles(Failed):
    """roles.yaml says what cannot be rendered, or the outputs are of another stage; the message names the place."""


class Grant(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A few actions on a few resources, and why, where that is not plain."""

    actions: Annotated[list[Action], msgspec.Meta(min_length=1)]
    resources: Some
    #: Operator → condition key → value, as IAM has them.
    condition: dict[str, dict[str, str]] = {}
    reason: str = ""


class Function(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One Lambda function: its log group and its queue by their logical names, and the grants that it has."""

    log: str
    may: Some
    queue: str = ""


class Roles(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What roles.yaml says."""

    functions: dict[str, Function]
    grants: dict[Words, Grant]


@cache
def roles() -> Roles:
    """Return what roles.yaml says; raises BadRoles."""
    return read(ROLES.read_text("utf-8"))


def read(text: str) -> Roles:
    """Return what a text in the form of roles.yaml says; raises BadRoles naming the place."""
    try:
        return msgspec.convert(yaml.safe_load(text), Roles)
    except (yaml.YAMLError, msgspec.ValidationError) as error:
        raise BadRoles(str(error)) from error


def render(stage: str, outputs: Mapping[str, str], asked: Roles | None = None) -> dict[str, Policy]:
    """Return the policy of each function, by the function's name as Chalice has it.

    ``outputs`` are those of the stage's stack; account and Region may be CloudFormation's names for them
    (``${AWS::AccountId}``, ``${AWS::Region}``) where the policies become part of a template. Raises BadRoles.
    """
    asked = asked or roles()
    known = _known(stage, outputs)
    return {name: _policy(name, function, asked.grants, known) for name, function in asked.functions.items()}


def write(stage: str, outputs: Mapping[str, str], folder: Path) -> list[Path]:
    """Write ``<function>.json`` for each function into the folder; returns the files. Raises BadRoles."""
    rendered = render(stage, outputs)
    folder.mkdir(parents=True, exist_ok=True)
    return [_written(folder / f"{name}.json", policy) for name, policy in rendered.items()]


def _written(path: Path, policy: Policy) -> Path:
    path.write_text(json.dumps(policy, indent=2) + "\n", "utf-8")
    return path


# -- one policy ------------------------------------------------------------------------------------------------

_PLACEHOLDER: Final = re.compile(r"\$\{(\w+)\}")
_WILDCARDS: Final = frozenset("*?")


def _policy(name: str, function: Function, grants: Mapping[str, Grant], known: Mapping[str, str]) -> Policy:
    unknown = [each for each in function.may if each not in grants]
    if unknown:
        raise BadRoles(f"{name}: there is no grant {unknown[0]!r}")
    own = {"Log": function.log, "Queue": function.queue}
    known = {**known, **{word: _value(named, known, name) for word, named in own.items() if named}}
    statements = [_statement(each, grants[each], known, name) for each in function.may]
    policy = {"Version": "2012-10-17", "Statement": statements}
    if len(json.dumps(policy, separators=(",", ":"))) > MOST_CHARACTERS:
        raise BadRoles(f"{name}: its policy has more than {MOST_CHARACTERS} characters")
    return policy


def _statement(name: str, grant: Grant, known: Mapping[str, str], function: str) -> Policy:
    if any(_WILDCARDS & set(resource) for resource in grant.resources) and not grant.reason:
        raise BadRoles(f"{name}: a wildcard wants a reason")
    statement = {
        "Sid": "".join(map(str.capitalize, name.split())),
        "Effect": "Allow",
        "Action": grant.actions,
        "Resource": [_filled(resource, known, f"{function}, {name}") for resource in grant.resources],
    }
    return {**statement, "Condition": grant.condition} if grant.condition else statement


def _filled(text: str, known: Mapping[str, str], where: str) -> str:
    """Return the text with every placeholder filled in."""
    return _PLACEHOLDER.sub(lambda found: _value(found[1], known, where), text)


def _value(name: str, known: Mapping[str, str], where: str) -> str:
    if name not in known:
        raise BadRoles(f"{where}: {name} is neither in {stack.TEMPLATE.name} nor known here")
    return known[name]


# -- names -----------------------------------------------------------------------------------------------------

#: Account and Region are as AWS has them, or CloudFormation's names for them.
_QUEUE_ARN: Final = re.compile(
    r"arn:(?P<partition>[a-z-]+):sqs"
    r":(?P<region>[a-z0-9-]+|\$\{AWS::Region\})"
    r":(?P<account>\d{12}|\$\{AWS::AccountId\}):.+"
)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a stage is."""

    partition: str
    region: str
    account: str

    def arn(self, service: str, name: str) -> str:
        if service == "s3":
            return f"arn:{self.partition}:s3:::{name}"  # names of buckets are the whole world's
        region = "" if service == "iam" else self.region  # roles belong to an account
        return f"arn:{self.partition}:{service}:{region}:{self.account}:{name}"


#: Type of the template → (service, what stands before the name, property that has the name), as its ARN is made.
#: Source: the "Resource types" of each service in the Service Authorization Reference.
_ARNS: Final[Mapping[str, tuple[str, str, str]]] = {
    "AWS::DynamoDB::Table": ("dynamodb", "table/", "TableName"),
    "AWS::IAM::Role": ("iam", "role/", "RoleName"),
    "AWS::Logs::LogGroup": ("logs", "log-group:", "LogGroupName"),
    "AWS::SES::ConfigurationSet": ("ses", "configuration-set/", "Name"),
    "AWS::S3::Bucket": ("s3", "", "BucketName"),
    "AWS::SQS::Queue": ("sqs", "", "QueueName"),
}


def _known(stage: str, outputs: Mapping[str, str]) -> dict[str, str]:
    """Return what may stand for a placeholder."""
    found = _QUEUE_ARN.fullmatch(outputs["alarmsQueueArn"])
    if found is None:
        raise BadRoles(f"alarmsQueueArn is no ARN of a queue: {outputs['alarmsQueueArn']}")
    place = _Place(**found.groupdict())
    known = _arns(stage, place)
    expected = {"alarmsQueueArn": known["AlarmsQueue"], "schedulerRoleArn": known["SchedulerRole"]}
    if any(outputs[name] != arn for name, arn in expected.items()):
        raise BadRoles(f"the outputs are not those of the stage {stage}: {outputs['alarmsQueueArn']}")
    where = {"Partition": place.partition, "Region": place.region, "Account": place.account}
    return {**known, **where, "Stage": stage}


def _arns(stage: str, place: _Place) -> dict[str, str]:
    """Return the ARN of each resource of the template that a policy may name, by its logical name."""
    arns = {}
    for name, resource in stack.resources(stage, place.account, place.region).items():
        if resource.type in _ARNS:
            service, before, named_by = _ARNS[resource.type]
            arns[name] = place.arn(service, before + resource.properties[named_by])
    return arns
