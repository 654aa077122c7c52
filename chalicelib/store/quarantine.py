"""Messages that nobody could deal with, put aside where personal data may lie: in the table, and not in a queue.

A dead-letter queue is looked at by people and tools that may see no customer. So what is put there is a reference; what
the message said stands in the table, encrypted like all else in it, until the reference is sent back or it expires.
"""

from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

import msgspec

from chalicelib.boundary import Boundary, straight
from chalicelib.store import items

#: Longer than a queue can keep a reference (14 days), so that no reference leads nowhere.
KEPT = timedelta(days=30)
_SK = "BODY"


class PutAside(msgspec.Struct, frozen=True):
    """A message as it came: from which queue, and what it said."""

    queue: str
    body: str


class Quarantine:
    """Keeps messages by an id made of what they say: put aside twice is put aside once."""

    def __init__(self, client: Any, table: str, boundary: Boundary = straight) -> None:
        """Keep the client and the table's name."""
        self._client = client
        self._table = table
        self._boundary = boundary

    def put(self, message: PutAside, why: str, now: datetime) -> str:
        """Keep a message and return its id. ``why`` names the kind of error, and nothing of what was said."""
        name = sha256(f"{message.queue}\x1f{message.body}".encode(errors="replace")).hexdigest()[:32]
        item = {
            **items.key(f"DEAD#{name}", _SK),
            "queue": {"S": message.queue},
            "body": {"B": message.body.encode(errors="surrogatepass")},
            "why": {"S": why},
            "at": {"S": items.instant(now)},
            **items.expires(now + KEPT),
        }
        self._boundary("put-aside", lambda: self._client.put_item(TableName=self._table, Item=item))
        return name

    def get(self, name: str) -> PutAside | None:
        """Return a message that was put aside, or None when it was dealt with since, or expired."""
        key = items.key(f"DEAD#{name}", _SK)
        item = self._client.get_item(TableName=self._table, Key=key, ConsistentRead=True).get("Item")
        if item is None:
            return None
        return PutAside(item["queue"]["S"], bytes(item["body"]["B"]).decode(errors="surrogatepass"))

    def drop(self, name: str) -> None:
        """Forget a message that was dealt with at last."""
        key = items.key(f"DEAD#{name}", _SK)
        self._boundary("drop-aside", lambda: self._client.delete_item(TableName=self._table, Key=key))
