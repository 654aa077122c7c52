"""The one alarm of each journey: a one-time schedule named after it, so that setting it twice is once."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError

from chalicelib.boundary import Boundary, straight
from chalicelib.journey.effects import SetAlarm
from chalicelib.store.items import Owed
from chalicelib.store.table import Table

#: Looks at the table again after this many changes under its hands; then the effect stays owed.
_TRIES = 5
_ALMOST_A_SECOND = timedelta(seconds=1) - timedelta.resolution


class Alarms:
    """Sets each journey's alarm to the instant that the table has, whoever asked and in whatever order."""

    def __init__(
        self, client: Any, table: Table, group: str, queue_arn: str, role_arn: str, boundary: Boundary = straight
    ) -> None:
        """Keep the Scheduler client and where an alarm rings."""
        self._client = client
        self._table = table
        self._group = group
        self._queue_arn = queue_arn
        self._role_arn = role_arn
        self._boundary = boundary

    def perform(self, owed: Owed, effect: SetAlarm) -> None:
        """Set, move or remove the alarm; then look again, for the journey may have moved on meanwhile."""
        journey_id = effect.journey_id
        wake = self._table.journey(journey_id).value.wake_at
        for _ in range(_TRIES):
            self._write(journey_id, wake)
            again = self._table.journey(journey_id).value.wake_at
            if again == wake:
                self._table.settle(owed)
                return
            wake = again

    def _write(self, journey_id: str, wake: datetime | None) -> None:
        if wake is None:
            self._boundary("remove-alarm", lambda: self._remove(journey_id))
        else:
            self._boundary("set-alarm", lambda: self._set(journey_id, wake))

    def _set(self, journey_id: str, wake: datetime) -> None:
        # The next whole second, which is all that a schedule can say: an alarm that rang before its journey's wake-up
        # would change nothing and be gone.
        at = (wake.astimezone(UTC) + _ALMOST_A_SECOND).replace(microsecond=0, tzinfo=None)
        schedule = {
            "Name": journey_id,
            "GroupName": self._group,
            "ScheduleExpression": f"at({at.isoformat()})",
            "ScheduleExpressionTimezone": "UTC",
            "FlexibleTimeWindow": {"Mode": "OFF"},
            "ActionAfterCompletion": "DELETE",
            "Target": {
                "Arn": self._queue_arn,
                "RoleArn": self._role_arn,
                "Input": json.dumps({"journey_id": journey_id}),
            },
        }
        try:
            self._client.create_schedule(**schedule)
        except ClientError as error:
            if error.response["Error"]["Code"] != "ConflictException":
                raise
            self._update(schedule)

    def _update(self, schedule: dict[str, Any]) -> None:
        """Move the alarm; should it have rung and gone in this very moment, set it afresh."""
        try:
            self._client.update_schedule(**schedule)
        except ClientError as error:
            if error.response["Error"]["Code"] != "ResourceNotFoundException":
                raise
            self._client.create_schedule(**schedule)

    def _remove(self, journey_id: str) -> None:
        try:
            self._client.delete_schedule(Name=journey_id, GroupName=self._group)
        except ClientError as error:
            if error.response["Error"]["Code"] != "ResourceNotFoundException":
                raise
