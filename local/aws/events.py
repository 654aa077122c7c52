"""The EventBridge client: the default bus and custom ones, rules with exact values, and SQS queues as targets.

Source: EventBridge User Guide, "Creating event patterns".
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from typing import Any, ClassVar, Final, NoReturn, Unpack
from uuid import UUID

from local.aws import shapes
from local.aws.calls import Client, Meter, Response, operation
from local.aws.errors import Refused, invalid
from local.aws.values import text_bytes

MAX_ENTRIES: Final = 10
MAX_BYTES: Final = 256 * 1024
DEFAULT_BUS: Final = "default"
_FIELDS: Final = frozenset({"source", "detail-type", "detail"})
_BUS_NAME: Final = re.compile(r"[.\-_A-Za-z0-9]{1,256}\Z", re.ASCII).match
_TIME_BYTES: Final = 14

#: Puts a body into the queue of an ARN; raises Refused when there is none.
Deliver = Callable[[str, str], None]


@dataclass(slots=True)
class Rule:
    """Which events go to which queues."""

    name: str
    pattern: dict[str, Any]
    enabled: bool
    targets: dict[str, str] = field(default_factory=dict)

    def matches(self, event: Mapping[str, Any]) -> bool:
        """Return whether the event is one that the rule is for."""
        return self.enabled and _matches(self.pattern, event)


class Events(Client):
    """Event buses in memory, each with rules of its own."""

    service: ClassVar[str] = "events"

    def __init__(self, meter: Meter, region: str, account_id: str, deliver: Deliver) -> None:
        """Take the meter, where events come from, and what delivers to a queue."""
        super().__init__(meter)
        self._region, self._account_id, self._deliver = region, account_id, deliver
        self._arn_prefix = f"arn:aws:events:{region}:{account_id}"
        self._buses: dict[str, dict[str, Rule]] = {DEFAULT_BUS: {}}
        self._ids = count(1)
        #: Events that a rule matched but whose queue did not exist.
        self.undelivered: list[dict[str, Any]] = []

    @operation(shapes.CreateEventBus)
    def create_event_bus(self, **params: Unpack[shapes.CreateEventBus]) -> Response:
        """Create a custom bus, without rules."""
        name = params["Name"]
        if not _BUS_NAME(name):
            invalid(f"Value '{name}' at 'name' failed to satisfy constraint: [.-_A-Za-z0-9]+, 1 to 256 characters")
        if name in self._buses:
            raise Refused("ResourceAlreadyExistsException", f"Event bus {name} already exists.")
        self._buses[name] = {}
        return {"EventBusArn": f"{self._arn_prefix}:event-bus/{name}"}

    @operation(shapes.PutRule)
    def put_rule(self, **params: Unpack[shapes.PutRule]) -> Response:
        """Write a rule; its targets stay."""
        name, bus = params["Name"], params.get("EventBusName", DEFAULT_BUS)
        rules = self._rules(bus)
        pattern = _pattern(params.get("EventPattern", ""))
        known = rules.get(name)
        rules[name] = Rule(name, pattern, params.get("State", "ENABLED") == "ENABLED", known.targets if known else {})
        return {"RuleArn": f"{self._arn_prefix}:rule/{name if bus == DEFAULT_BUS else f'{bus}/{name}'}"}

    @operation(shapes.PutTargets)
    def put_targets(self, **params: Unpack[shapes.PutTargets]) -> Response:
        """Add queues to a rule."""
        rule = self._rules(params.get("EventBusName", DEFAULT_BUS)).get(params["Rule"])
        if rule is None:
            raise Refused("ResourceNotFoundException", f"Rule {params['Rule']} does not exist.")
        for target in params["Targets"]:
            _check_target(target)
            rule.targets[target["Id"]] = target["Arn"]
        return {"FailedEntryCount": 0, "FailedEntries": []}

    @operation(shapes.PutEvents)
    def put_events(self, **params: Unpack[shapes.PutEvents]) -> Response:
        """Publish up to 10 events of together 256 KB; each is accepted or refused for itself."""
        entries = params["Entries"]
        if not 0 < len(entries) <= MAX_ENTRIES:
            invalid(
                f"1 validation error detected: Value at 'entries' failed to satisfy constraint: 1 to {MAX_ENTRIES} "
                "members"
            )
        if sum(_bytes_of(entry) for entry in entries) > MAX_BYTES:
            invalid(f"Total size of the entries in the request is over the limit of {MAX_BYTES} bytes.")
        results = [self._put(entry) for entry in entries]
        return {"FailedEntryCount": sum("ErrorCode" in result for result in results), "Entries": results}

    def publish(
        self,
        source: str,
        detail_type: str,
        detail: Mapping[str, Any],
        resources: list[str],
        time: datetime,
        *,
        bus: str = DEFAULT_BUS,
        route: bool = True,
    ) -> dict[str, Any]:
        """Put an event on a bus as a service of the account does, or only write it when not `route`; return it."""
        event = {
            "version": "0",
            "id": str(UUID(int=next(self._ids), version=4)),
            "detail-type": detail_type,
            "source": source,
            "account": self._account_id,
            "time": f"{time.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}",
            "region": self._region,
            "resources": resources,
            "detail": detail,
        }
        if route:
            self._route(event, self._rules(bus))
        return event

    def _put(self, entry: Mapping[str, Any]) -> dict[str, str]:
        missing = {"Source", "DetailType", "Detail"} - entry.keys()
        if missing:
            return {
                "ErrorCode": "InvalidArgument",
                "ErrorMessage": f"Parameter {min(missing)} is not valid. Reason: it is required.",
            }
        if entry["Source"].startswith("aws."):
            return {"ErrorCode": "NotAuthorizedForSourceException", "ErrorMessage": "Not authorized for the source."}
        detail = _json_object(entry["Detail"])
        if detail is None:
            return {"ErrorCode": "MalformedDetail", "ErrorMessage": "Detail is malformed."}
        time = entry.get("Time", self.meter.clock())
        bus, resources = entry.get("EventBusName", DEFAULT_BUS), list(entry.get("Resources", ()))
        event = self.publish(entry["Source"], entry["DetailType"], detail, resources, time, bus=bus)
        return {"EventId": event["id"]}

    def _rules(self, bus: str) -> dict[str, Rule]:
        """Return the rules of a bus, which is named here, never given by its ARN."""
        if bus not in self._buses:
            raise Refused("ResourceNotFoundException", f"Event bus {bus} does not exist.")
        return self._buses[bus]

    def _route(self, event: dict[str, Any], rules: Mapping[str, Rule]) -> None:
        arns = [arn for rule in rules.values() if rule.matches(event) for arn in rule.targets.values()]
        for arn in arns:
            try:
                self._deliver(arn, json.dumps(event))
            except Refused:
                self.undelivered.append(event)


def _matches(pattern: Mapping[str, Any] | list[str], found: Any) -> bool:
    """Return whether an event has what a pattern asks for: every field, with one of its values, or a list with one."""
    if isinstance(pattern, list):
        return any(value in pattern for value in (found if isinstance(found, list) else [found]))
    return isinstance(found, dict) and all(
        name in found and _matches(wanted, found[name]) for name, wanted in pattern.items()
    )


def _pattern(text: str) -> dict[str, Any]:
    """Return an event pattern; refuse what this subset would not match as AWS does."""
    pattern = _json_object(text)
    if not pattern:
        _bad_pattern("a JSON object with at least one field is needed.")
    if pattern.keys() - _FIELDS:
        _bad_pattern(f"only {sorted(_FIELDS)} are emulated here, not {sorted(pattern.keys() - _FIELDS)}.")
    for name, values in pattern.items():
        _check_values(name, values, nested=name == "detail")
    return pattern


def _check_values(name: str, values: Any, *, nested: bool) -> None:
    """Refuse all but lists of exact texts, at any depth of `detail`."""
    if nested and isinstance(values, dict) and values:
        for inner, each in values.items():
            _check_values(f"{name}.{inner}", each, nested=True)
    elif not isinstance(values, list) or not values or not all(isinstance(value, str) for value in values):
        _bad_pattern(f"only lists of exact texts are emulated here, not what {name} asks for.")


def _bad_pattern(reason: str) -> NoReturn:
    raise Refused("InvalidEventPatternException", f"Event pattern is not valid. Reason: {reason}")


def _json_object(text: str) -> dict[str, Any] | None:
    try:
        value = json.loads(text)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _check_target(target: Mapping[str, Any]) -> None:
    if ":sqs:" not in target.get("Arn", "") or "Id" not in target:
        invalid("A target needs an Id, and the Arn of an SQS queue, the only target that is emulated here.")
    if target.keys() - {"Id", "Arn", "DeadLetterConfig", "RetryPolicy"}:
        invalid(f"Not emulated in a target: {sorted(target.keys() - {'Id', 'Arn', 'DeadLetterConfig', 'RetryPolicy'})}")


def _bytes_of(entry: Mapping[str, Any]) -> int:
    """Return an entry's size as EventBridge counts it (User Guide, "Calculating PutEvents event entry size")."""
    texts = (entry.get("Source", ""), entry.get("DetailType", ""), entry.get("Detail", ""), *entry.get("Resources", ()))
    return (_TIME_BYTES if "Time" in entry else 0) + sum(text_bytes(text) for text in texts)
