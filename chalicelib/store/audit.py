"""The audit: who saw, changed, sent, spent or exported what, and when. Entries are added; nothing edits or ends one.

Each entry stands under its day, and once more under what it was about, so both lists are one query, newest first.
"""

from datetime import date, datetime
from secrets import token_hex
from time import time_ns
from typing import Any, Literal

import msgspec

from chalicelib.boundary import Boundary, straight
from chalicelib.store import items

Verb = Literal["signed in", "signed out", "saw", "changed", "sent", "spent", "exported"]


def audit_id() -> str:
    """Return an id that sorts by when it was made: entries of one millisecond keep their order."""
    return f"{time_ns():016x}{token_hex(3)}"


class Entry(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line of the audit. ``by`` is a member of staff, or ``key/<id>`` for an API key.

    ``about`` names journeys, persons, documents by their ids: nothing here is a name, an address or a customer's
    words. ``came_to`` says why what was asked for did not happen; empty when it did. ``amount`` is what was spent.
    """

    id: str
    at: datetime
    by: str
    role: str
    verb: Verb
    operation: str
    about: str = ""
    came_to: str = ""
    amount: str = ""


class Audit:
    """Adds entries and lists them."""

    def __init__(self, client: Any, table: str, boundary: Boundary = straight) -> None:
        """Keep the client and the table's name."""
        self._client = client
        self._table = table
        self._boundary = boundary

    def add(self, entry: Entry) -> None:
        """Add an entry under its day and under what it is about, both or neither."""
        sk = f"{items.instant(entry.at)}#{entry.id}"
        places = [f"AUDIT#{_day(entry.at)}"] + ([f"AUDIT-OF#{entry.about}"] if entry.about else [])
        body = {"body": {"B": msgspec.json.encode(entry)}}
        actions = [
            {
                "Put": {
                    "TableName": self._table,
                    "Item": items.key(pk, sk) | body,
                    "ConditionExpression": "attribute_not_exists(pk)",
                }
            }
            for pk in places
        ]
        self._boundary("audit", lambda: self._client.transact_write_items(TransactItems=actions))

    def of_day(self, day: date, before: str, limit: int) -> tuple[list[Entry], str]:
        """Return up to ``limit`` entries of a UTC day, newest first, and where the next page begins."""
        return self._list(f"AUDIT#{day.isoformat()}", before, limit)

    def about(self, subject: str, before: str, limit: int) -> tuple[list[Entry], str]:
        """Return up to ``limit`` entries about one thing, newest first, and where the next page begins."""
        return self._list(f"AUDIT-OF#{subject}", before, limit)

    def _list(self, pk: str, before: str, limit: int) -> tuple[list[Entry], str]:
        request: dict[str, Any] = {
            "TableName": self._table,
            "KeyConditionExpression": "pk = :pk",
            "ExpressionAttributeValues": {":pk": {"S": pk}},
            "ScanIndexForward": False,
            "Limit": limit,
            "ConsistentRead": True,
        }
        if before:
            request["ExclusiveStartKey"] = items.key(pk, before)
        answer = self._client.query(**request)
        found = [msgspec.json.decode(bytes(item["body"]["B"]), type=Entry) for item in answer["Items"]]
        last = answer.get("LastEvaluatedKey")
        return found, last["sk"]["S"] if last else ""


def _day(at: datetime) -> str:
    return items.instant(at)[:10]
