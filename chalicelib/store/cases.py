"""Numbers resolutions for sources that do not: each new resolution of the same case is a new epoch."""

from datetime import datetime
from typing import Any

from botocore.exceptions import ClientError

from chalicelib.boundary import Boundary, straight
from chalicelib.store import items
from chalicelib.store.errors import Conflict

_TRIES = 8


class CaseEpochs:
    """The epochs of each case, by the instant of its resolution."""

    def __init__(self, client: Any, table: str, boundary: Boundary = straight) -> None:
        """Keep the client and the table's name."""
        self._client = client
        self._table = table
        self._boundary = boundary

    def resolved(self, source: str, case_id: str, resolved_at: datetime) -> int:
        """Return the epoch of the resolution at that instant: its own if it was seen before, else the next."""
        for _ in range(_TRIES):
            epochs = self._read(source, case_id)
            at = items.instant(resolved_at)
            if at in epochs:
                return epochs.index(at) + 1
            if self._append(source, case_id, [*epochs, at], before=len(epochs)):
                return len(epochs) + 1
        message = "too many resolutions of one case at once"
        raise Conflict(message)

    def latest(self, source: str, case_id: str) -> int:
        """Return the newest epoch; 1 when no resolution was seen yet, for a reopening may overtake it."""
        return max(len(self._read(source, case_id)), 1)

    def _key(self, source: str, case_id: str) -> dict[str, Any]:
        return items.key(f"CASE#{source}|{case_id}", items.STATE)

    def _read(self, source: str, case_id: str) -> list[str]:
        key = self._key(source, case_id)
        item = self._client.get_item(TableName=self._table, Key=key, ConsistentRead=True).get("Item")
        return [at["S"] for at in item["epochs"]["L"]] if item else []

    def _append(self, source: str, case_id: str, epochs: list[str], before: int) -> bool:
        item = {
            **self._key(source, case_id),
            "count": {"N": str(len(epochs))},
            "epochs": {"L": [{"S": at} for at in epochs]},
        }
        request: dict[str, Any] = {
            "TableName": self._table,
            "Item": item,
            "ConditionExpression": "attribute_not_exists(pk) OR #count = :before",
            "ExpressionAttributeNames": {"#count": "count"},
            "ExpressionAttributeValues": {":before": {"N": str(before)}},
        }
        try:
            self._boundary("epoch", lambda: self._client.put_item(**request))
        except ClientError as error:
            if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
                raise
            return False
        return True
