"""What IAM asks for when a call is made, and whether a policy grants it."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from email.utils import parseaddr
from typing import Any, NamedTuple

from local.aws.account import DEFAULT_ACCOUNT_ID, DEFAULT_REGION

Params = Mapping[str, Any]
Policy = Mapping[str, Any]


class Use(NamedTuple):
    """One right that one call needs: the action, the resource, and what a condition may look at."""

    action: str
    resource: str
    context: tuple[tuple[str, str], ...] = ()


class Granted(NamedTuple):
    """One action on one resource, as a statement of a policy grants it."""

    action: str
    resource: str
    condition: tuple[tuple[str, str], ...] = ()

    def covers(self, use: Use) -> bool:
        return (
            self.action == use.action
            and _matches(self.resource, use.resource)
            and set(self.condition) <= set(use.context)
        )


def granted(policy: Policy) -> Iterator[Granted]:
    """Yield all that a policy grants. It knows one operator, which is all that the policies need."""
    for statement in policy["Statement"]:
        conditions = statement.get("Condition", {"StringEquals": {}})
        assert (statement["Effect"], list(conditions)) == ("Allow", ["StringEquals"])
        condition = tuple(conditions["StringEquals"].items())
        for action in statement["Action"]:
            yield from (Granted(action, resource, condition) for resource in statement["Resource"])


def _matches(pattern: str, resource: str) -> bool:
    """IAM's wildcards: ``*`` for any characters, slashes and colons too, ``?`` for one."""
    parts = (".*" if each == "*" else "." if each == "?" else re.escape(each) for each in pattern)
    return re.fullmatch("".join(parts), resource) is not None


def mismatches(used: Mapping[str, Iterable[Use]], policies: Mapping[str, Policy]) -> list[str]:
    """Return what a function does and may not, and what it may and never does."""
    found = []
    for function in sorted(used.keys() | policies.keys()):
        uses, grants = set(used.get(function, ())), set(granted(policies.get(function, {"Statement": []})))
        lacks = {use for use in uses if not any(grant.covers(use) for grant in grants)}
        idle = {grant for grant in grants if not any(grant.covers(use) for use in uses)}
        found += sorted(f"{function} may not {use.action} on {use.resource}" for use in lacks)
        found += sorted(f"{function} never needs {grant.action} on {grant.resource}" for grant in idle)
    return found


# -- from a call to the rights that it needs -------------------------------------------------------------------


def uses(service: str, operation: str, params: Params) -> Iterator[Use]:
    """Yield what IAM asks for when this call is made; KeyError for a call that nobody has looked up yet."""
    return ASKED[f"{service}.{operation}"](params)


def arn(service: str, name: str) -> str:
    """Return an ARN of the account that the stand-ins hold."""
    return f"arn:aws:{service}:{DEFAULT_REGION}:{DEFAULT_ACCOUNT_ID}:{name}"


def queue_arn(url: str) -> str:
    return arn("sqs", url.rsplit("/", 1)[-1])


def _table(action: str) -> Callable[[Params], Iterator[Use]]:
    def asked(params):
        index = f"/index/{params['IndexName']}" if "IndexName" in params else ""
        yield Use(f"dynamodb:{action}", arn("dynamodb", f"table/{params['TableName']}{index}"))

    return asked


def _tables(params):
    for name in params["RequestItems"]:
        yield Use("dynamodb:BatchGetItem", arn("dynamodb", f"table/{name}"))


#: A transaction needs the rights of what it is made of, and none of its own. Source: DynamoDB Developer Guide, "Using
#: IAM with DynamoDB transactions".
_IN_A_TRANSACTION = {
    "Put": "dynamodb:PutItem",
    "Update": "dynamodb:UpdateItem",
    "Delete": "dynamodb:DeleteItem",
    "ConditionCheck": "dynamodb:ConditionCheckItem",
}


def _transaction(params):
    for item in params["TransactItems"]:
        ((kind, action),) = item.items()
        yield Use(_IN_A_TRANSACTION[kind], arn("dynamodb", f"table/{action['TableName']}"))


def _send_message(params):
    yield Use("sqs:SendMessage", queue_arn(params["QueueUrl"]))


def _mail(params):
    """Raw mail needs the right of the operation by the reference, and that of SendRawEmail in practice.

    Sources: Service Authorization Reference, "Amazon Simple Email Service v2" (SendEmail, on the identity and the
    configuration set); for SendRawEmail the refusals quoted in Anymail's documentation ("Confusing IAM error messages")
    and in nodemailer issue 1734; for recipients in the sandbox, aws-sdk-js issue 3641.
    """
    assert list(params["Content"]) == ["Raw"]
    addresses = [parseaddr(params["FromEmailAddress"])[1], *params["Destination"]["ToAddresses"]]
    names = [*addresses, addresses[0].partition("@")[2]]  # an address or its domain may be what was verified
    resources = [f"identity/{name}" for name in names] + [f"configuration-set/{params['ConfigurationSetName']}"]
    for resource in resources:
        yield Use("ses:SendEmail", arn("ses", resource))
        yield Use("ses:SendRawEmail", arn("ses", resource))


def _schedule(action: str) -> Callable[[Params], Iterator[Use]]:
    """Who names a role in a schedule passes it on. Source: Scheduler User Guide, "Identity-based policies"."""

    def asked(params):
        yield Use(f"scheduler:{action}", arn("scheduler", f"schedule/{params['GroupName']}/{params['Name']}"))
        if "Target" in params:
            context = (("iam:PassedToService", "scheduler.amazonaws.com"),)
            yield Use("iam:PassRole", params["Target"]["RoleArn"], context)

    return asked


def _object(action: str) -> Callable[[Params], Iterator[Use]]:
    """On one object. Source: S3 User Guide, "Required permissions for Amazon S3 API operations"."""

    def asked(params):
        yield Use(f"s3:{action}", f"arn:aws:s3:::{params['Bucket']}/{params['Key']}")

    return asked


def _parameter(params: Params) -> Iterator[Use]:
    yield Use("ssm:PutParameter", arn("ssm", f"parameter{params['Name']}"))


def _objects(params):
    """Deleting several asks for the right to delete each. Source: S3 API Reference, DeleteObjects."""
    for one in params["Delete"]["Objects"]:
        yield Use("s3:DeleteObject", f"arn:aws:s3:::{params['Bucket']}/{one['Key']}")


def _parameters(params):
    """The names begin with a slash. The key aws/ssm asks for no right: SSM User Guide, "Restricting access"."""
    for name in params["Names"]:
        yield Use("ssm:GetParameters", arn("ssm", f"parameter{name}"))


#: Call → what IAM asks for. Source, where nothing else is said: its page of the Service Authorization Reference
#: (the right has the name of the operation).
ASKED: dict[str, Callable[[Params], Iterator[Use]]] = {
    "dynamodb.BatchGetItem": _tables,
    "dynamodb.DeleteItem": _table("DeleteItem"),
    "dynamodb.GetItem": _table("GetItem"),
    "dynamodb.PutItem": _table("PutItem"),
    "dynamodb.Query": _table("Query"),
    "dynamodb.TransactWriteItems": _transaction,
    "dynamodb.UpdateItem": _table("UpdateItem"),
    "scheduler.CreateSchedule": _schedule("CreateSchedule"),
    "scheduler.DeleteSchedule": _schedule("DeleteSchedule"),
    "scheduler.UpdateSchedule": _schedule("UpdateSchedule"),
    "s3.DeleteObjects": _objects,
    "s3.GetObject": _object("GetObject"),
    "s3.ListObjectsV2": lambda params: iter([Use("s3:ListBucket", f"arn:aws:s3:::{params['Bucket']}")]),
    "s3.PutObject": _object("PutObject"),
    "sesv2.SendEmail": _mail,
    "sesv2.ListSuppressedDestinations": lambda params: iter([Use("ses:ListSuppressedDestinations", "*")]),
    "sqs.SendMessage": _send_message,
    "ssm.GetParameters": _parameters,
    "ssm.PutParameter": _parameter,
}
