"""What Chalice cannot set: throttles and access logs of the API, how many workers a queue may wake, partial batches.

Each is read first and written only where it differs, and survives the next ``chalice deploy``. Nothing is wrong without
them; they bound what a flood can cost.

Partial batches change nothing today: every queue hands over one message at a time (``batch_size=1`` in app.py), so a
message that fails fails alone. With the setting in place, a larger batch is a matter of app.py and its consumer only.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from infra import chalice_config, deployed

#: Requests a second, and how many may come at once. An account's APIs share 10,000 a second; a link that is handed
#: round or a helpdesk in a loop gets 429 long before it takes those of others, or makes a bill.
RATE: Final = 100
BURST: Final = 200
#: Workers that one queue wakes at once; 2 is the least that Lambda allows. Ten mails a second pass through five, and
#: the rest of the account's 1,000 stays with the pages.
WORKERS: Final = 5
#: How a function may answer a batch.
_REPORTS: Final = ("ReportBatchItemFailures",)
#: What stands in a line of the access log. The route, never the path: a path holds a token that opens a survey. No
#: address either: it would tie a customer to an answer.
LOG_LINE: Final[Mapping[str, str]] = {
    "request": "$context.requestId",
    "time": "$context.requestTime",
    "method": "$context.httpMethod",
    "route": "$context.resourcePath",
    "status": "$context.status",
    "bytes": "$context.responseLength",
    "milliseconds": "$context.responseLatency",
    "error": "$context.error.message",
}


def apply(stage: str, api: str, *, apigateway: Any, aws_lambda: Any, log_group_arn: str) -> tuple[list[str], list[str]]:
    """Bring the settings of a stage to what stands above; returns what was changed, and what could not be and why."""
    changed = [*_throttle(apigateway, api), *_limit_workers(aws_lambda, stage)]
    if not apigateway.get_account().get("cloudwatchRoleArn"):
        hint = "access logs: this account lets no API log (one setting of the account; see docs/operations.md)"
        return changed, [hint]
    return [*changed, *_log_access(apigateway, api, log_group_arn)], []


def _throttle(apigateway: Any, api: str) -> Iterator[str]:
    found = _stage(apigateway, api).get("methodSettings", {}).get("*/*", {})
    if (found.get("throttlingRateLimit"), found.get("throttlingBurstLimit")) == (RATE, BURST):
        return
    _patch(apigateway, api, {"/*/*/throttling/rateLimit": str(RATE), "/*/*/throttling/burstLimit": str(BURST)})
    yield f"throttle: {RATE} requests a second, {BURST} at once"


def _log_access(apigateway: Any, api: str, log_group_arn: str) -> Iterator[str]:
    wanted = {"destinationArn": log_group_arn, "format": json.dumps(LOG_LINE)}
    if _stage(apigateway, api).get("accessLogSettings") == wanted:
        return
    _patch(apigateway, api, {f"/accessLogSettings/{name}": value for name, value in wanted.items()})
    yield f"access log: {log_group_arn.rpartition(':')[2]}"


def _limit_workers(aws_lambda: Any, stage: str) -> Iterator[str]:
    for function in chalice_config.FUNCTIONS:
        name = chalice_config.function_name(stage, function)
        for feed in deployed.feeds_of(aws_lambda, name):
            wanted = {"ScalingConfig": {"MaximumConcurrency": WORKERS}, "FunctionResponseTypes": list(_REPORTS)}
            differs = {setting: value for setting, value in wanted.items() if feed.get(setting) != value}
            if differs:
                aws_lambda.update_event_source_mapping(UUID=feed["UUID"], **differs)
                yield f"{name}: at most {WORKERS} at once, partial batches"


def _stage(apigateway: Any, api: str) -> dict[str, Any]:
    found: dict[str, Any] = apigateway.get_stage(restApiId=api, stageName=chalice_config.API_STAGE)
    return found


def _patch(apigateway: Any, api: str, values: Mapping[str, str]) -> None:
    operations = [{"op": "replace", "path": path, "value": value} for path, value in values.items()]
    apigateway.update_stage(restApiId=api, stageName=chalice_config.API_STAGE, patchOperations=operations)
