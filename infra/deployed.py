"""What a stage remembers of its own deployment, in its own table: Chalice's state, what people chose, and the lock.

Chalice keeps its state in a file; whoever lacks it makes a second API, and a deployment that fails half-way never
writes it. So the file is fetched before Chalice runs and kept afterwards, and what stands on AWS without being in it is
entered. The table has point-in-time recovery and lives exactly as long as the stage.
"""

import json
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from time import time
from typing import Any, Final, TypeAlias

from infra import chalice_config
from infra.failures import Failed

State: TypeAlias = dict[str, Any]

#: The one partition of the table that belongs to deployments; journeys and persons have keys of other forms.
PARTITION: Final = "DEPLOYMENT"
#: Seconds after which the lock of a deployer that died falls. No deployment of these few functions takes so long.
LEASE: Final = 1800


class Locked(Failed):
    """Somebody else deploys; the message says since when it may be ignored."""


class Deployment:
    """The partition of one stage's table."""

    def __init__(self, dynamodb: Any, table: str) -> None:
        """Take a DynamoDB client and the table."""
        self._dynamodb = dynamodb
        self._table = table

    def read(self, name: str) -> dict[str, Any] | None:
        """Return what is kept under a name."""
        found = self._dynamodb.get_item(TableName=self._table, Key=_key(name), ConsistentRead=True).get("Item")
        return json.loads(found["value"]["S"]) if found else None

    def keep(self, name: str, value: Mapping[str, Any]) -> None:
        """Keep something under a name."""
        item = {**_key(name), "value": {"S": json.dumps(value, sort_keys=True)}}
        self._dynamodb.put_item(TableName=self._table, Item=item)

    def forget(self, name: str) -> None:
        """Forget what is kept under a name."""
        self._dynamodb.delete_item(TableName=self._table, Key=_key(name))

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the lock of the stage; raises Locked."""
        token = secrets.token_hex(8)
        now = int(time())
        try:
            self._dynamodb.put_item(
                TableName=self._table,
                Item={**_key("lock"), "token": {"S": token}, "until": {"N": str(now + LEASE)}},
                ConditionExpression="attribute_not_exists(pk) OR #until < :now",
                ExpressionAttributeNames={"#until": "until"},
                ExpressionAttributeValues={":now": {"N": str(now)}},
            )
        except self._dynamodb.exceptions.ConditionalCheckFailedException as error:
            minutes = LEASE // 60
            raise Locked(
                f"this stage is being deployed; a deployer that died is ignored after {minutes} min"
            ) from error
        try:
            yield
        finally:
            self._unlock(token)

    def _unlock(self, token: str) -> None:
        """Give the lock back, unless its lease ended and another holds it, or the table is gone with the stage."""
        missing = self._dynamodb.exceptions
        try:
            self._dynamodb.delete_item(
                TableName=self._table,
                Key=_key("lock"),
                ConditionExpression="#token = :token",
                ExpressionAttributeNames={"#token": "token"},
                ExpressionAttributeValues={":token": {"S": token}},
            )
        except (missing.ConditionalCheckFailedException, missing.ResourceNotFoundException):
            return

    def holds_data(self) -> bool:
        """Say whether the table holds anything of customers: one item of another partition is enough."""
        pages = self._dynamodb.get_paginator("scan").paginate(
            TableName=self._table,
            FilterExpression="pk <> :ours",
            ExpressionAttributeValues={":ours": {"S": PARTITION}},
            ProjectionExpression="pk",
        )
        return any(page["Items"] for page in pages)


def _key(name: str) -> dict[str, Any]:
    return {"pk": {"S": PARTITION}, "sk": {"S": name}}


# -- Chalice's file --------------------------------------------------------------------------------------------


def state_file(project: Path, stage: str) -> Path:
    """Return the file in which Chalice keeps what it deployed."""
    return project / ".chalice" / "deployed" / f"{stage}.json"


def write_state(project: Path, stage: str, state: State) -> None:
    """Lay the file out for Chalice, or take it away when nothing is deployed."""
    path = state_file(project, stage)
    if not state["resources"]:
        path.unlink(missing_ok=True)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(state, indent=2) + "\n", "utf-8")


def read_state(project: Path, stage: str) -> State:
    """Return what Chalice wrote; raises OSError when it wrote nothing."""
    found: State = json.loads(state_file(project, stage).read_text("utf-8"))
    return found


def resource(state: State, kind: str) -> dict[str, Any] | None:
    """Return the first resource of a type, of which this application has one."""
    return next((each for each in state["resources"] if each["resource_type"] == kind), None)


EMPTY: Final[Mapping[str, Any]] = {"resources": [], "schema_version": "2.0", "backend": "api"}


def adopted(state: Mapping[str, Any] | None, stage: str, aws_lambda: Any, apigateway: Any) -> State:
    """Return the state with what stands on AWS and is not in it.

    Chalice finds roles and functions by their names. It does not find APIs, of which it would make a second one, nor
    the feeds of queues, which AWS refuses to make twice.
    """
    known = {each["name"] for each in (state or EMPTY)["resources"]}
    found = [*_feeds(stage, aws_lambda), *_apis(stage, aws_lambda, apigateway)]
    resources = [*(state or EMPTY)["resources"], *(each for each in found if each["name"] not in known)]
    return {**EMPTY, **(state or {}), "resources": resources}


def _feeds(stage: str, aws_lambda: Any) -> Iterator[dict[str, Any]]:
    """Yield the feed of each function that a queue wakes, as Chalice records it."""
    for function in chalice_config.FUNCTIONS:
        name = chalice_config.function_name(stage, function)
        for feed in feeds_of(aws_lambda, name):
            yield {
                "name": f"{function}-sqs-event-source",
                "resource_type": "sqs_event",
                "queue_arn": feed["EventSourceArn"],
                "event_uuid": feed["UUID"],
                "queue": feed["EventSourceArn"].rpartition(":")[2],
                "lambda_arn": feed["FunctionArn"],
            }


def feeds_of(aws_lambda: Any, function: str) -> list[dict[str, Any]]:
    """Return what wakes a function, which need not exist."""
    try:
        found: list[dict[str, Any]] = aws_lambda.list_event_source_mappings(FunctionName=function)[
            "EventSourceMappings"
        ]
    except aws_lambda.exceptions.ResourceNotFoundException:
        return []
    return found


def _apis(stage: str, aws_lambda: Any, apigateway: Any) -> Iterator[dict[str, Any]]:
    """Yield the API that calls the function of this stage: every stage's API has the same name."""
    name = chalice_config.function_name(stage, chalice_config.API_FUNCTION)
    try:
        arn = aws_lambda.get_function_configuration(FunctionName=name)["FunctionArn"]
    except aws_lambda.exceptions.ResourceNotFoundException:
        return
    for page in apigateway.get_paginator("get_rest_apis").paginate():
        for api in page["items"]:
            if api["name"] == chalice_config.APP_NAME and _calls(apigateway, api["id"], arn):
                region = arn.split(":")[3]
                yield {
                    "name": "rest_api",
                    "resource_type": "rest_api",
                    "rest_api_id": api["id"],
                    "rest_api_url": f"https://{api['id']}.execute-api.{region}.amazonaws.com/{chalice_config.API_STAGE}/",
                }
                return


def _calls(apigateway: Any, api: str, arn: str) -> bool:
    """Say whether any method of an API calls that function."""
    for page in apigateway.get_paginator("get_resources").paginate(restApiId=api, embed=["methods"]):
        for each in page["items"]:
            for method in each.get("resourceMethods", {}).values():
                if f"{arn}/invocations" in method.get("methodIntegration", {}).get("uri", ""):
                    return True
    return False
