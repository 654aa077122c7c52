"""The EventBridge Scheduler client: one-time schedules whose target is an SQS queue.

Only `at(…)` is understood: Aftercare computes its instants itself. An instant in the past is accepted and fires at
once.
Source: EventBridge Scheduler API Reference and User Guide, "Schedule types".
"""

import re
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from heapq import heappop, heappush
from itertools import count, islice
from typing import Any, ClassVar, Final, NoReturn, Unpack
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from local.aws import shapes
from local.aws.calls import Client, Meter, Response, operation
from local.aws.errors import Refused, invalid, malformed
from local.aws.values import text_bytes

DEFAULT_GROUP: Final = "default"
MAX_PAGE: Final = 100
MAX_WINDOW_MINUTES: Final = 1440
MAX_INPUT_BYTES: Final = 256 * 1024
_NAME: Final = re.compile(r"[0-9a-zA-Z\-_.]{1,64}\Z", re.ASCII).match
_AT: Final = re.compile(r"at\((\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2})\)\Z", re.ASCII).match
_ROLE: Final = re.compile(r"arn:aws[a-z-]*:iam::\d{12}:role/[\w+=,.@/-]+\Z", re.ASCII).match
_QUEUE: Final = re.compile(r"arn:aws[a-z-]*:sqs:[a-z0-9-]+:\d{12}:[A-Za-z0-9_-]{1,80}(?:\.fifo)?\Z", re.ASCII).match
#: How long and how often Scheduler tries a target unless told otherwise.
_RETRIES: Final = {"MaximumEventAgeInSeconds": 86_400, "MaximumRetryAttempts": 185}
_TARGET_MEMBERS: Final = frozenset({"Arn", "RoleArn", "Input", "DeadLetterConfig", "RetryPolicy", "SqsParameters"})

#: Puts a body into the queue of an ARN; raises Refused when there is none.
Deliver = Callable[[str, str], None]


@dataclass(slots=True, eq=False)
class Schedule:
    """One schedule as it was last written; `at` is in UTC, and `waiting` until it fired."""

    name: str
    group: str
    arn: str
    at: datetime
    params: dict[str, Any]
    created: datetime
    modified: datetime
    waiting: bool = True

    @property
    def enabled(self) -> bool:
        """Whether it may fire."""
        return bool(self.params.get("State", "ENABLED") == "ENABLED")


@dataclass(frozen=True, slots=True)
class Undelivered:
    """A firing whose queue did not exist."""

    name: str
    target_arn: str
    at: datetime


class Scheduler(Client):
    """Schedules in memory, in a heap by instant; entries of replaced or deleted schedules mean nothing."""

    service: ClassVar[str] = "scheduler"

    def __init__(self, meter: Meter, arn_prefix: str, deliver: Deliver) -> None:
        """Take the meter, what ARNs begin with, and what delivers to a queue."""
        super().__init__(meter)
        self._arn_prefix = arn_prefix
        self._deliver = deliver
        self._groups: dict[str, dict[str, Schedule]] = {DEFAULT_GROUP: {}}
        self._heap: list[tuple[datetime, int, Schedule]] = []
        self._turns = count()
        self._sorted: dict[str, list[str]] = {}
        #: Firings that reached no queue.
        self.undelivered: list[Undelivered] = []

    @operation(shapes.ScheduleGroup)
    def create_schedule_group(self, **params: Unpack[shapes.ScheduleGroup]) -> Response:
        """Create a group."""
        name = params["Name"]
        _check_name(name)
        if name in self._groups:
            raise Refused("ConflictException", f"Schedule group {name} already exists.", status=409)
        self._groups[name] = {}
        return {"ScheduleGroupArn": f"{self._arn_prefix}:schedule-group/{name}"}

    @operation(shapes.ScheduleGroup)
    def get_schedule_group(self, **params: Unpack[shapes.ScheduleGroup]) -> Response:
        """Tell whether a group exists."""
        name = params["Name"]
        self._group(name)
        return {"Name": name, "Arn": f"{self._arn_prefix}:schedule-group/{name}", "State": "ACTIVE"}

    @operation(shapes.WriteSchedule)
    def create_schedule(self, **params: Unpack[shapes.WriteSchedule]) -> Response:
        """Create a schedule under a name that is free."""
        group, at = self._group(params.get("GroupName", DEFAULT_GROUP)), _checked(params)
        if params["Name"] in group:
            raise Refused("ConflictException", f"Schedule {params['Name']} already exists.", status=409)
        now = self.meter.clock()
        return self._store(group, params, at, created=now, modified=now)

    @operation(shapes.WriteSchedule)
    def update_schedule(self, **params: Unpack[shapes.WriteSchedule]) -> Response:
        """Replace a schedule whole: what is not given falls back to its default."""
        group, at = self._group(params.get("GroupName", DEFAULT_GROUP)), _checked(params)
        known = self._schedule(group, params["Name"])
        return self._store(group, params, at, created=known.created, modified=self.meter.clock())

    @operation(shapes.ScheduleName)
    def delete_schedule(self, **params: Unpack[shapes.ScheduleName]) -> Response:
        """Delete a schedule; it will not fire."""
        group = self._group(params.get("GroupName", DEFAULT_GROUP))
        self._forget(self._schedule(group, params["Name"]))
        return {}

    @operation(shapes.ScheduleName)
    def get_schedule(self, **params: Unpack[shapes.ScheduleName]) -> Response:
        """Tell a schedule as it was last written."""
        schedule = self._schedule(self._group(params.get("GroupName", DEFAULT_GROUP)), params["Name"])
        return {
            "ActionAfterCompletion": "NONE",
            "ScheduleExpressionTimezone": "UTC",
            "State": "ENABLED",
            "GroupName": schedule.group,
            **schedule.params,
            "Arn": schedule.arn,
            "CreationDate": schedule.created,
            "LastModificationDate": schedule.modified,
        }

    @operation(shapes.ListSchedules)
    def list_schedules(self, **params: Unpack[shapes.ListSchedules]) -> Response:
        """List schedules by group and name, up to 100 a page."""
        most = params.get("MaxResults", MAX_PAGE)
        if not 1 <= most <= MAX_PAGE:
            invalid(f"Value '{most}' at 'maxResults' failed to satisfy constraint: between 1 and {MAX_PAGE}")
        found = list(islice(self._listed(params), most + 1))
        response: Response = {"Schedules": [_summary(schedule) for schedule in found[:most]]}
        if len(found) > most:
            response["NextToken"] = f"{found[most - 1].group}/{found[most - 1].name}"
        return response

    def next_fire_at(self) -> datetime | None:
        """Return the instant of the next firing; None when nothing waits."""
        with self.meter.lock:
            schedule = self._first()
            return schedule.at if schedule is not None else None

    def fire_due(self, now: datetime) -> int:
        """Deliver the Input of every schedule due at `now` to its queue, in order; return how many fired."""
        fired = 0
        with self.meter.lock:
            while (schedule := self._first()) is not None and schedule.at <= now:
                self._fire(schedule, now)
                fired += 1
        return fired

    def _group(self, name: str) -> dict[str, Schedule]:
        _check_name(name)
        if name not in self._groups:
            _not_found(f"Schedule group {name} does not exist.")
        return self._groups[name]

    def _schedule(self, group: Mapping[str, Schedule], name: str) -> Schedule:
        _check_name(name)
        if name not in group:
            _not_found(f"Schedule {name} does not exist.")
        return group[name]

    def _store(
        self,
        group: dict[str, Schedule],
        params: Mapping[str, Any],
        at: datetime,
        *,
        created: datetime,
        modified: datetime,
    ) -> Response:
        name, group_name = params["Name"], params.get("GroupName", DEFAULT_GROUP)
        arn = f"{self._arn_prefix}:schedule/{group_name}/{name}"
        kept = {key: value for key, value in params.items() if key != "ClientToken"}
        kept |= {
            "Target": {"RetryPolicy": dict(_RETRIES), **params["Target"]},
            "FlexibleTimeWindow": dict(params["FlexibleTimeWindow"]),
        }
        if name not in group:
            self._sorted.pop(group_name, None)
        group[name] = schedule = Schedule(name, group_name, arn, at, kept, created, modified)
        heappush(self._heap, (at, next(self._turns), schedule))
        return {"ScheduleArn": arn}

    def _forget(self, schedule: Schedule) -> None:
        del self._groups[schedule.group][schedule.name]
        self._sorted.pop(schedule.group, None)

    def _first(self) -> Schedule | None:
        """Return the schedule that fires next, after dropping heap entries that mean nothing any more."""
        while self._heap:
            schedule = self._heap[0][2]
            if schedule.waiting and schedule.enabled and self._groups[schedule.group].get(schedule.name) is schedule:
                return schedule
            heappop(self._heap)
        return None

    def _fire(self, schedule: Schedule, now: datetime) -> None:
        target = schedule.params["Target"]
        schedule.waiting = False
        if schedule.params.get("ActionAfterCompletion") == "DELETE":
            self._forget(schedule)
        try:
            self._deliver(target["Arn"], target.get("Input", "{}"))
        except Refused:
            self.undelivered.append(Undelivered(schedule.name, target["Arn"], now))

    def _names(self, group: str) -> list[str]:
        """Return the names in a group in order, sorted anew only after a change."""
        if group not in self._sorted:
            self._sorted[group] = sorted(self._group(group))
        return self._sorted[group]

    def _listed(self, params: Mapping[str, Any]) -> Iterator[Schedule]:
        """Yield the schedules that a listing asks for, by group and name, from behind its token."""
        prefix, state = params.get("NamePrefix", ""), params.get("State")
        after_group, after = _parsed_token(params["NextToken"]) if "NextToken" in params else ("", "")
        groups = [params["GroupName"]] if "GroupName" in params else sorted(self._groups)
        for group in groups:
            names = self._names(group)
            start = bisect_right(names, after) if group == after_group else 0
            for name in names[start:] if group >= after_group else ():
                schedule = self._groups[group][name]
                if name.startswith(prefix) and (state is None or schedule.enabled == (state == "ENABLED")):
                    yield schedule


def _not_found(message: str) -> NoReturn:
    raise Refused("ResourceNotFoundException", message, status=404)


def _check_name(name: str) -> None:
    if not _NAME(name):
        invalid(
            f"1 validation error detected: Value '{name}' at 'name' failed to satisfy constraint: ^[0-9a-zA-Z-_.]+$, "
            "1 to 64 characters"
        )


def _checked(params: Mapping[str, Any]) -> datetime:
    """Refuse what Scheduler would; return the instant in UTC."""
    _check_name(params["Name"])
    _check_window(params["FlexibleTimeWindow"])
    _check_target(params["Target"])
    if params.get("State", "ENABLED") not in {"ENABLED", "DISABLED"}:
        invalid(
            "Value at 'state' failed to satisfy constraint: Member must satisfy enum value set: [ENABLED, DISABLED]"
        )
    if params.get("ActionAfterCompletion", "NONE") not in {"NONE", "DELETE"}:
        invalid(
            "Value at 'actionAfterCompletion' failed to satisfy constraint: Member must satisfy enum value set: "
            "[NONE, DELETE]"
        )
    return instant(params["ScheduleExpression"], params.get("ScheduleExpressionTimezone", "UTC"))


def instant(expression: str, timezone: str) -> datetime:
    """Return the UTC instant of `at(yyyy-mm-ddThh:mm:ss)`, read as local time of a zone."""
    found = _AT(expression)
    if not found:
        invalid(f"Invalid Schedule Expression {expression}.")
    try:
        local = datetime.fromisoformat(found[1])
    except ValueError:
        invalid(f"Invalid Schedule Expression {expression}.")
    return local.replace(tzinfo=UTC) if timezone == "UTC" else local.replace(tzinfo=_zone(timezone)).astimezone(UTC)


@lru_cache(maxsize=512)
def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, IsADirectoryError):
        invalid(f"Invalid Schedule Expression Timezone {name}.")


def _check_window(window: Mapping[str, Any]) -> None:
    if "Mode" not in window:
        malformed("Missing required parameter in FlexibleTimeWindow: Mode")
    mode, minutes = window["Mode"], window.get("MaximumWindowInMinutes")
    if mode not in {"OFF", "FLEXIBLE"}:
        invalid(f"Value '{mode}' at 'flexibleTimeWindow.mode' failed to satisfy constraint: [OFF, FLEXIBLE]")
    if (mode == "FLEXIBLE") != (minutes is not None):
        invalid("A maximum window is needed with a flexible time window, and only then.")
    if minutes is not None and not 1 <= minutes <= MAX_WINDOW_MINUTES:
        invalid(
            f"Value '{minutes}' at 'flexibleTimeWindow.maximumWindowInMinutes' failed to satisfy constraint: 1 to "
            f"{MAX_WINDOW_MINUTES}"
        )


def _check_target(target: Mapping[str, Any]) -> None:
    missing = {"Arn", "RoleArn"} - target.keys()
    if missing:
        malformed(f"Missing required parameter in Target: {sorted(missing)}")
    if target.keys() - _TARGET_MEMBERS:
        malformed(f"Unknown or unsupported parameter in Target: {sorted(target.keys() - _TARGET_MEMBERS)}")
    if not _QUEUE(target["Arn"]):
        invalid(f"Provided Arn {target['Arn']} is not that of an SQS queue, the only target that is emulated here.")
    if not _ROLE(target["RoleArn"]):
        invalid(f"Value '{target['RoleArn']}' at 'target.roleArn' failed to satisfy constraint: the ARN of a role")
    if text_bytes(target.get("Input", "{}")) > MAX_INPUT_BYTES or target.get("Input") == "":
        invalid(f"Value at 'target.input' failed to satisfy constraint: 1 to {MAX_INPUT_BYTES} bytes")


def _parsed_token(token: str) -> tuple[str, str]:
    group, _, name = token.partition("/")
    if not name:
        invalid("Invalid NextToken")
    return group, name


def _summary(schedule: Schedule) -> dict[str, Any]:
    return {
        "Arn": schedule.arn,
        "CreationDate": schedule.created,
        "GroupName": schedule.group,
        "LastModificationDate": schedule.modified,
        "Name": schedule.name,
        "State": schedule.params.get("State", "ENABLED"),
        "Target": {"Arn": schedule.params["Target"]["Arn"]},
    }
