"""Numbers resolutions for sources that do not: each new resolution of the same case is a new epoch."""

from datetime import datetime
from typing import Any

from botocore.exceptions import ClientError

from chalicelib.boundary import Boundary, straight
from chalicelib.store import items
from chalicelib.store.errors import Conflict

_TRIES = 8


class CaseEpochs:
    """The epochs of each case, with the instant of each resolution: numbered here, or by the source itself."""

    def __init__(self, client: Any, table: str, boundary: Boundary = straight) -> None:
        """Keep the client and the table's name."""
        self._client = client
        self._table = table
        self._boundary = boundary

    def resolved(self, source: str, case_id: str, resolved_at: datetime, epoch: int | None = None) -> int:
        """Return the epoch of a resolution: the source's number, else its own if it was seen before, else the next.

        It is remembered either way, so that a source may number some of them and not others. Raises Conflict.
        """
        at = items.instant(resolved_at)
        for _ in range(_TRIES):
            epochs, count = self._read(source, case_id)
            known = epoch if epoch in epochs else None if epoch else _number_of(at, epochs)
            if known is not None:
                return known
            number = epoch or max(epochs, default=0) + 1
            if self._keep(source, case_id, epochs | {number: at}, before=count):
                return number
        message = "too many resolutions of one case at once"
        raise Conflict(message)

    def at(self, source: str, case_id: str, instant: datetime) -> int:
        """Return the epoch that held at that instant: the newest that was resolved by then.

        It is 1 when none was: what is told of a case may overtake its resolution.
        """
        epochs, _ = self._read(source, case_id)
        then = items.instant(instant)
        return max((number for number, at in epochs.items() if at <= then), default=min(epochs, default=1))

    def _key(self, source: str, case_id: str) -> dict[str, Any]:
        return items.key(f"CASE#{source}|{case_id}", items.STATE)

    def _read(self, source: str, case_id: str) -> tuple[dict[int, str], int]:
        """Return the instants by number, and how often the item was written."""
        key = self._key(source, case_id)
        item = self._client.get_item(TableName=self._table, Key=key, ConsistentRead=True).get("Item")
        if item is None:
            return {}, 0
        return {int(number): at["S"] for number, at in item["epochs"]["M"].items()}, int(item["count"]["N"])

    def _keep(self, source: str, case_id: str, epochs: dict[int, str], before: int) -> bool:
        item = {
            **self._key(source, case_id),
            "count": {"N": str(before + 1)},
            "epochs": {"M": {str(number): {"S": at} for number, at in sorted(epochs.items())}},
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


def _number_of(at: str, epochs: dict[int, str]) -> int | None:
    return next((number for number, known in epochs.items() if known == at), None)
