"""Reads the template of a stage (template.yaml beside this) as CloudFormation would, for whoever is not CloudFormation.

It knows the functions and types that the template uses and stops at any other, so it never resolves half a template.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any, Final, TypeAlias

import yaml

from infra.failures import Failed

TEMPLATE: Final = Path(__file__).with_name("template.yaml")

#: Output of the template → the environment variable in which the functions and the local stack look for it.
ENVIRONMENT: Final = {
    "stage": "STAGE",
    "table": "TABLE",
    "inboxQueueUrl": "INBOX_QUEUE_URL",
    "workQueueUrl": "WORK_QUEUE_URL",
    "alarmsQueueArn": "ALARMS_QUEUE_ARN",
    "inboxQueueName": "INBOX_QUEUE_NAME",
    "workQueueName": "WORK_QUEUE_NAME",
    "alarmsQueueName": "ALARMS_QUEUE_NAME",
    "feedbackQueueName": "FEEDBACK_QUEUE_NAME",
    "replyQueueName": "REPLY_QUEUE_NAME",
    "scheduleGroup": "SCHEDULE_GROUP",
    "schedulerRoleArn": "SCHEDULER_ROLE_ARN",
    "configurationSet": "CONFIGURATION_SET",
    "mailBucket": "MAIL_BUCKET",
    "eventBus": "EVENT_BUS",
}

Properties: TypeAlias = dict[str, Any]
#: Gives a property of the resource in question, resolved; None when it is not set.
Get: TypeAlias = Callable[[str], Any]


class Unresolvable(Failed):
    """The template uses something that this reader does not know; the message names it."""


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource of the template, everything in it resolved."""

    type: str
    properties: Properties


def resources(
    stage: str, account: str, region: str, parameters: Mapping[str, str] | None = None
) -> dict[str, Resource]:
    """Return the resources by logical id, each after those that it refers to: creating them in this order works.

    ``parameters`` are those of the template that are given, besides the stage; a resource whose condition does not hold
    is left out.
    """
    return _Stack(stage, account, region, parameters or {}).resources()


def outputs(stage: str, account: str, region: str) -> dict[str, str]:
    """Return the outputs that CloudFormation would give for this stage."""
    return _Stack(stage, account, region, {}).outputs()


def environment(outputs: Mapping[str, str]) -> dict[str, str]:
    """Return the functions' environment for a stack's outputs, whoever made the stack.

    Raises Unresolvable when outputs are missing, or are there without a variable to go to.
    """
    if outputs.keys() != ENVIRONMENT.keys():
        raise Unresolvable(f"outputs without their counterpart: {sorted(outputs.keys() ^ ENVIRONMENT.keys())}")
    return {ENVIRONMENT[name]: value for name, value in outputs.items()}


# -- what AWS would answer -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a stack stands, as far as ARNs and URLs show it."""

    account: str
    region: str

    def arn(self, service: str, name: str) -> str:
        return f"arn:aws:{service}:{self.region}:{self.account}:{name}"


def _name(of: str) -> Callable[[_Place, Get], str]:
    """Return the answer of a type that is known by one of its properties."""

    def answer(place: _Place, get: Get) -> str:
        del place
        return str(get(of))

    return answer


def _queue_url(place: _Place, get: Get) -> str:
    return f"https://sqs.{place.region}.amazonaws.com/{place.account}/{get('QueueName')}"


def _queue_arn(place: _Place, get: Get) -> str:
    return place.arn("sqs", get("QueueName"))


def _role_arn(place: _Place, get: Get) -> str:
    return f"arn:aws:iam::{place.account}:role/{get('RoleName')}"


def _rule_arn(place: _Place, get: Get) -> str:
    """Rules on the default bus do not name it."""
    bus = get("EventBusName")
    return place.arn("events", f"rule/{bus}/{get('Name')}" if bus else f"rule/{get('Name')}")


#: (type, attribute; Ref for what !Ref gives) → what AWS answers. Source: the "Return values" of each type in the
#: CloudFormation Template Reference.
_ANSWERS: Final[Mapping[tuple[str, str], Callable[[_Place, Get], str]]] = {
    ("AWS::DynamoDB::Table", "Ref"): _name("TableName"),
    ("AWS::S3::Bucket", "Ref"): _name("BucketName"),
    ("AWS::SQS::Queue", "Ref"): _queue_url,
    ("AWS::SQS::Queue", "Arn"): _queue_arn,
    ("AWS::SQS::Queue", "QueueName"): _name("QueueName"),
    ("AWS::IAM::Role", "Arn"): _role_arn,
    ("AWS::Events::EventBus", "Name"): _name("Name"),
    ("AWS::Events::Rule", "Arn"): _rule_arn,
    ("AWS::SES::ConfigurationSet", "Ref"): _name("Name"),
}


# -- resolving -------------------------------------------------------------------------------------------------

_SUBSTITUTE: Final = re.compile(r"\$\{([^}]+)\}")
_NOTHING: Final = object()


class _Stack:
    """The template with its parameters filled in."""

    def __init__(self, stage: str, account: str, region: str, parameters: Mapping[str, str]) -> None:
        """Take what the template depends on; parameters that are not given have their defaults."""
        self._template = template()
        self._place = _Place(account, region)
        defaults = {name: each.get("Default") for name, each in self._template["Parameters"].items()}
        pseudo = {
            "AWS::AccountId": account,
            "AWS::Region": region,
            "AWS::Partition": "aws",
            "AWS::NoValue": _NOTHING,
        }
        self._known: dict[str, Any] = {**defaults, **parameters, **pseudo, "Stage": stage}
        self._functions: dict[str, Callable[[Any], Any]] = {
            "Ref": self._ref,
            "Fn::GetAtt": lambda argument: self._attribute(argument[0], argument[1]),
            "Fn::Sub": lambda text: _SUBSTITUTE.sub(lambda found: str(self._ref(found[1])), text),
            "Fn::If": self._if,
            "Fn::Equals": lambda argument: self.resolve(argument[0]) == self.resolve(argument[1]),
            "Fn::And": lambda argument: all(self.resolve(each) for each in argument),
            "Fn::Or": lambda argument: any(self.resolve(each) for each in argument),
            "Fn::Not": lambda argument: not self.resolve(argument[0]),
        }

    def resources(self) -> dict[str, Resource]:
        conditions = self._template["Conditions"]
        raw = {
            name: body
            for name, body in self._template["Resources"].items()
            if "Condition" not in body or self.resolve(conditions[body["Condition"]])
        }
        depends = {name: {each for each in _references(body) if each in raw} for name, body in raw.items()}
        order = TopologicalSorter(depends).static_order()
        return {name: Resource(raw[name]["Type"], self.resolve(raw[name]["Properties"])) for name in order}

    def outputs(self) -> dict[str, str]:
        return {name: self.resolve(output["Value"]) for name, output in self._template["Outputs"].items()}

    def resolve(self, value: Any) -> Any:
        """Return a value of the template with every function in it called."""
        if isinstance(value, dict):
            function = _function(value)
            if function is not None:
                return self._call(*function)
            members = {key: self.resolve(each) for key, each in value.items()}
            return {key: each for key, each in members.items() if each is not _NOTHING}
        if isinstance(value, list):
            return [each for each in map(self.resolve, value) if each is not _NOTHING]
        return value

    def _call(self, name: str, argument: Any) -> Any:
        if name not in self._functions:
            raise Unresolvable(f"{name} is not known to this reader")
        return self._functions[name](argument)

    def _ref(self, name: str) -> Any:
        return self._known[name] if name in self._known else self._attribute(name, "Ref")

    def _attribute(self, logical_id: str, attribute: str) -> str:
        body = self._template["Resources"].get(logical_id)
        answer = _ANSWERS.get((body["Type"], attribute)) if body else None
        if answer is None:
            raise Unresolvable(f"{attribute} of {logical_id} is not known to this reader")
        return answer(self._place, lambda name: self.resolve(body["Properties"].get(name)))

    def _if(self, argument: list[Any]) -> Any:
        condition, then, otherwise = argument
        return self.resolve(then if self.resolve(self._template["Conditions"][condition]) else otherwise)


def _function(value: Mapping[str, Any]) -> tuple[str, Any] | None:
    """Return the function that a mapping stands for, with its argument."""
    if len(value) != 1:
        return None
    name, argument = next(iter(value.items()))
    return (name, argument) if name == "Ref" or name.startswith("Fn::") else None


def _references(value: Any) -> Iterator[str]:
    """Yield the names of whatever a value of the template refers to."""
    if isinstance(value, list):
        for each in value:
            yield from _references(each)
    if not isinstance(value, dict):
        return
    match _function(value):
        case "Ref", argument:
            yield argument
        case "Fn::GetAtt", argument:
            yield argument[0]
        case "Fn::Sub", argument:
            yield from _SUBSTITUTE.findall(argument)
        case _:
            for each in value.values():
                yield from _references(each)


# -- reading ---------------------------------------------------------------------------------------------------


class _Loader(yaml.SafeLoader):
    """Plain YAML and the short forms of CloudFormation's functions."""


def _long_form(loader: _Loader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    """Turn `!Name argument` into `Fn::Name: argument`."""
    argument: Any
    if isinstance(node, yaml.ScalarNode):
        argument = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        argument = loader.construct_sequence(node, deep=True)
    else:
        raise Unresolvable(f"!{suffix} takes a text or a list here")
    if suffix == "GetAtt":
        argument = argument.split(".", 1)
    return {suffix if suffix == "Ref" else f"Fn::{suffix}": argument}


yaml.add_multi_constructor("!", _long_form, Loader=_Loader)


@cache
def template() -> dict[str, Any]:
    """Return the template as it is written, its functions in their long form."""
    parsed: dict[str, Any] = _Loader(TEMPLATE.read_text("utf-8")).get_single_data()
    return parsed
