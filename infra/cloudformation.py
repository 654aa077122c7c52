"""The stack of a stage: created, updated, previewed and removed, with what CloudFormation says when it refuses."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from secrets import token_hex
from types import MappingProxyType
from typing import Any, Final, TypeAlias

from botocore.exceptions import ClientError, WaiterError

from infra import stack
from infra.failures import Failed

#: Parameter of the template → its value.
Parameters: TypeAlias = Mapping[str, str]

_AS_THEY_ARE: Final[Parameters] = MappingProxyType({})
#: The template names its roles.
_CAPABILITIES: Final = ["CAPABILITY_NAMED_IAM"]
#: Seconds between looks and how many: half an hour, for a table with an index can take minutes.
_PATIENCE: Final = {"Delay": 5, "MaxAttempts": 360}
#: A stack that never came to be: it can only be deleted.
_STILLBORN: Final = frozenset({"ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "REVIEW_IN_PROGRESS"})

#: What CloudFormation says of a replacement → what that means.
_REPLACED: Final = {
    "True": "  REPLACED: what it holds is lost",
    "Conditional": "  replaced only if what it refers to is",
}


#: The reason that CloudFormation gives for the first event of each change.
_BEGUN: Final = "User Initiated"


class StackFailed(Failed):
    """CloudFormation did not do it; the message is what it said of each resource that failed."""


class StackBusy(Failed):
    """Somebody else is changing the stack."""


@dataclass(frozen=True, slots=True)
class Stack:
    """One stack as it stands after `ensure`."""

    outputs: Mapping[str, str]
    #: False when all was as the template says already.
    changed: bool


class Stacks:
    """The stacks of one account and Region."""

    def __init__(self, client: Any) -> None:
        """Take a CloudFormation client."""
        self._client = client

    def ensure(self, stage: str, given: Parameters = _AS_THEY_ARE) -> Stack:
        """Create the stack or bring it up to the template, and wait until it stands.

        ``given`` are values of parameters; the others stay as they are. Raises StackFailed and StackBusy.
        """
        found = self._described(stage)
        if found and found["StackStatus"] in _STILLBORN:
            self.delete(stage)
            found = None
        if found and found["StackStatus"].endswith("_IN_PROGRESS"):
            raise StackBusy(f"the stack {name_of(stage)} is being changed: {found['StackStatus']}")
        changed = self._update(stage, given, found) if found else self._create(stage, given)
        return Stack(self.outputs(stage), changed)

    def outputs(self, stage: str) -> dict[str, str]:
        """Return the outputs; raises StackFailed when there is no such stack."""
        found = self._described(stage)
        if found is None:
            raise StackFailed(f"there is no stack {name_of(stage)}: make deploy STAGE={stage} makes it")
        return {each["OutputKey"]: each["OutputValue"] for each in found.get("Outputs", [])}

    def exists(self, stage: str) -> bool:
        """Say whether there is a stack, in whatever state."""
        return self._described(stage) is not None

    def delete(self, stage: str) -> None:
        """Delete the stack and wait; the table stays (DeletionPolicy). Raises StackFailed."""
        found = self._described(stage)
        if found is None:
            return
        self._client.delete_stack(StackName=found["StackId"])
        self._wait("stack_delete_complete", found["StackId"])

    def preview(self, stage: str, given: Parameters = _AS_THEY_ARE) -> list[str]:
        """Return what an update would change, a line for each resource; raises StackFailed.

        It makes a change set, under a name that no other preview has, and deletes it.
        """
        found = self._described(stage)
        if found is None or found["StackStatus"] in _STILLBORN:
            # neither account nor Region decides what there will be
            coming = stack.resources(stage, "", "", given)
            return [f"create  {each.type:<45} {name}" for name, each in coming.items()]
        request = self._request(stage, given, found)
        change_set = f"{name_of(stage)}-preview-{token_hex(4)}"
        self._client.create_change_set(**request, ChangeSetName=change_set, ChangeSetType="UPDATE")
        try:
            return self._changes(stage, change_set)
        finally:
            self._client.delete_change_set(StackName=name_of(stage), ChangeSetName=change_set)

    def _changes(self, stage: str, change_set: str) -> list[str]:
        names = {"StackName": name_of(stage), "ChangeSetName": change_set}
        try:
            self._client.get_waiter("change_set_create_complete").wait(**names, WaiterConfig=_PATIENCE)
        except WaiterError as error:
            reason = str(self._client.describe_change_set(**names).get("StatusReason", error))
            if "didn't contain changes" in reason or "No updates" in reason:
                return []
            raise StackFailed(reason) from error
        pages = self._client.get_paginator("describe_change_set").paginate(**names)
        return [_line(each["ResourceChange"]) for page in pages for each in page["Changes"]]

    def _create(self, stage: str, given: Parameters) -> bool:
        # The table outlives its stack, but not one that never came to be: its name would be taken at the next attempt.
        request = self._request(stage, given, None)
        self._client.create_stack(**request, RetainExceptOnCreate=True, EnableTerminationProtection=False)
        self._wait("stack_create_complete", name_of(stage))
        return True

    def _update(self, stage: str, given: Parameters, found: Mapping[str, Any]) -> bool:
        try:
            self._client.update_stack(**self._request(stage, given, found), RetainExceptOnCreate=True)
        except ClientError as error:
            if "No updates are to be performed" in error.response["Error"]["Message"]:
                return False
            raise StackFailed(error.response["Error"]["Message"]) from error
        self._wait("stack_update_complete", name_of(stage))
        return True

    def _request(self, stage: str, given: Parameters, found: Mapping[str, Any] | None) -> dict[str, Any]:
        return {
            "StackName": name_of(stage),
            "TemplateBody": stack.TEMPLATE.read_text("utf-8"),
            "Parameters": [*_parameters({"Stage": stage, **given}, found)],
            "Capabilities": _CAPABILITIES,
            "Tags": [{"Key": "application", "Value": "aftercare"}, {"Key": "stage", "Value": stage}],
        }

    def _described(self, stage: str) -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = self._client.describe_stacks(StackName=name_of(stage))["Stacks"][0]
        except ClientError as error:
            if "does not exist" in error.response["Error"]["Message"]:
                return None
            raise
        return None if found["StackStatus"] == "DELETE_COMPLETE" else found

    def _wait(self, waiter: str, name: str) -> None:
        try:
            self._client.get_waiter(waiter).wait(StackName=name, WaiterConfig=_PATIENCE)
        except WaiterError as error:
            raise StackFailed("\n".join([str(error), *self._failures(name)])) from error

    def _failures(self, name: str) -> Sequence[str]:
        """Return what failed since somebody last began to change the stack, the first cause first.

        Events come newest first. Those of rolling back alone can fill a page, and older failures explain nothing.
        """
        pages = self._client.get_paginator("describe_stack_events").paginate(StackName=name)
        events = (each for page in pages for each in page["StackEvents"])
        latest = takewhile(lambda each: each.get("ResourceStatusReason") != _BEGUN, events)
        failed = [each for each in latest if each["ResourceStatus"].endswith("_FAILED")]
        return [f"{each['LogicalResourceId']}: {each.get('ResourceStatusReason', '')}" for each in reversed(failed)]


def name_of(stage: str) -> str:
    """Return the name of the stack of a stage."""
    return f"aftercare-{stage}"


def _parameters(given: Parameters, found: Mapping[str, Any] | None) -> Iterator[dict[str, Any]]:
    """Yield each parameter of the template as given, else as the stack has it, else left to its default.

    CloudFormation puts what an update does not mention back to its default, and knows no previous value of what is new.
    """
    standing = {each["ParameterKey"] for each in (found or {}).get("Parameters", [])}
    for name in stack.template()["Parameters"]:
        if name in given:
            yield {"ParameterKey": name, "ParameterValue": given[name]}
        elif name in standing:
            yield {"ParameterKey": name, "UsePreviousValue": True}


def _line(change: Mapping[str, Any]) -> str:
    replaced = _REPLACED.get(change.get("Replacement", ""), "")
    return f"{change['Action'].lower():<7} {change['ResourceType']:<45} {change['LogicalResourceId']}{replaced}"
