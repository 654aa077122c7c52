"""The versioned documents. A version is never changed; the active one is a pointer."""

from datetime import datetime, timedelta
from functools import lru_cache
from importlib import resources
from typing import Any

from botocore.exceptions import ClientError

from chalicelib.boundary import Boundary, straight
from chalicelib.journey import documents
from chalicelib.journey.documents import Document, Documents
from chalicelib.journey.state import Journey
from chalicelib.store import items
from chalicelib.store.errors import Conflict

#: How long a function may work with an earlier active version after a lead has activated another.
_ACTIVE_FOR = timedelta(seconds=60)


@lru_cache(maxsize=8)
def shipped(kind: str) -> bytes:
    """Return the document of that kind that Aftercare ships."""
    return resources.files("chalicelib.defaults").joinpath(f"{kind}.json").read_bytes()


@lru_cache(maxsize=256)
def _read(kind: str, raw: bytes) -> Document:
    return documents.read(kind, raw)


#: One item for all kinds, so that a decision finds every active version with one read.
_POINTERS = items.key("DOC", "ACTIVE")


def _number(item: dict[str, Any], name: str) -> int:
    """Return a version number; 0 is the document that ships."""
    return int(item[name]["N"]) if name in item else 0


class DocumentStore:
    """Reads and keeps documents. Version 0 is the one that ships: it holds until a lead stores another."""

    def __init__(self, client: Any, table: str, boundary: Boundary = straight) -> None:
        """Keep the client and the table's name."""
        self._client = client
        self._table = table
        self._boundary = boundary
        self._versions: dict[tuple[str, int], Document] = {}
        self._active: tuple[datetime, dict[str, int]] | None = None

    def for_journey(self, journey: Journey, now: datetime) -> Documents:
        """Return the cadence and playbook that the journey pinned (or today's, when it begins) and today's others."""
        cadence = journey.cadence[1] if journey.cadence[0] else self.active("cadence", now)
        playbook = journey.playbook[1] if journey.playbook[0] else self.active("playbook", now)
        return Documents(
            cadence=self.version("cadence", cadence),  # type: ignore[arg-type]  # the kind decides the type
            playbook=self.version("playbook", playbook),  # type: ignore[arg-type]
            settings=self.version("settings", self.active("settings", now)),  # type: ignore[arg-type]
            staff=self.version("staff", self.active("staff", now)),  # type: ignore[arg-type]
            cadence_version=cadence,
            playbook_version=playbook,
        )

    def version(self, kind: str, number: int) -> Document:
        """Return one version; raises KeyError when there is none."""
        if (kind, number) not in self._versions:
            self._versions[kind, number] = _read(kind, self.raw(kind, number))
        return self._versions[kind, number]

    def raw(self, kind: str, number: int) -> bytes:
        """Return one version as it was stored; raises KeyError when there is none."""
        if number == 0:
            return shipped(kind)
        key = items.key(f"DOC#{kind}", f"V#{number:08d}")
        item = self._client.get_item(TableName=self._table, Key=key, ConsistentRead=True).get("Item")
        if item is None:
            message = f"{kind} has no version {number}"
            raise KeyError(message)
        return bytes(item["body"]["B"])

    def active(self, kind: str, now: datetime) -> int:
        """Return the number of the active version, as of at most a minute ago."""
        known = self._active
        if known is None or not known[0] <= now < known[0] + _ACTIVE_FOR:
            pointers = self._pointers()
            known = (now, {one: _number(pointers, f"{one}_active") for one in documents.KINDS})
            self._active = known
        return known[1][kind]

    def _pointers(self) -> dict[str, Any]:
        """Return the one item that says, for each kind, which version is active and which is the newest."""
        answer = self._client.get_item(TableName=self._table, Key=_POINTERS, ConsistentRead=True)
        found: dict[str, Any] = answer.get("Item", {})
        return found

    def put(self, kind: str, raw: bytes, now: datetime, *, by: str, activate: bool) -> int:
        """Check and store a new version and, if asked, make it the active one; returns its number.

        Raises BadDocument, naming the field, before anything is stored; Conflict when another version came first.
        """
        documents.read(kind, raw)
        pointers = self._pointers()
        newest = _number(pointers, f"{kind}_newest")
        active, number = _number(pointers, f"{kind}_active"), newest + 1
        version = {
            **items.key(f"DOC#{kind}", f"V#{number:08d}"),
            "body": {"B": raw},
            "by": {"S": by},
            "at": {"S": items.instant(now)},
        }
        self._write(kind, number if activate else active, newest, number, version)
        self._active = None
        return number

    def activate(self, kind: str, number: int) -> None:
        """Make a stored version (or 0, the shipped one) the active one; raises KeyError when there is none."""
        self.raw(kind, number)
        newest = _number(self._pointers(), f"{kind}_newest")
        self._write(kind, number, newest, newest, None)
        self._active = None

    def _write(self, kind: str, active: int, before: int, newest: int, version: dict[str, Any] | None) -> None:
        point = {
            "TableName": self._table,
            "Key": _POINTERS,
            "UpdateExpression": "SET #active = :active, #newest = :newest",
            "ConditionExpression": "attribute_not_exists(#newest) OR #newest = :before",
            "ExpressionAttributeNames": {"#active": f"{kind}_active", "#newest": f"{kind}_newest"},
            "ExpressionAttributeValues": {
                ":active": {"N": str(active)},
                ":newest": {"N": str(newest)},
                ":before": {"N": str(before)},
            },
        }
        actions: list[dict[str, Any]] = [{"Update": point}]
        if version is not None:
            unused = "attribute_not_exists(pk)"
            actions.append({"Put": {"TableName": self._table, "Item": version, "ConditionExpression": unused}})
        try:
            self._boundary("document", lambda: self._client.transact_write_items(TransactItems=actions))
        except ClientError as error:
            if error.response["Error"]["Code"] != "TransactionCanceledException":
                raise
            raise Conflict from error

    def history(self, kind: str) -> list[dict[str, Any]]:
        """Return every stored version of a kind, newest first: number, by whom, when."""
        request: dict[str, Any] = {
            "TableName": self._table,
            "KeyConditionExpression": "pk = :pk AND begins_with(sk, :v)",
            "ExpressionAttributeValues": {":pk": {"S": f"DOC#{kind}"}, ":v": {"S": "V#"}},
            "ScanIndexForward": False,
        }
        found: list[dict[str, Any]] = []
        while True:
            answer = self._client.query(**request)
            found += [
                {"version": int(item["sk"]["S"][2:]), "by": item["by"]["S"], "at": item["at"]["S"]}
                for item in answer["Items"]
            ]
            if "LastEvaluatedKey" not in answer:
                return found
            request["ExclusiveStartKey"] = answer["LastEvaluatedKey"]
