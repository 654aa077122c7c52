"""Evidence that a link was opened which no person can see. It is no part of a journey, and expires by itself."""

from datetime import datetime, timedelta
from typing import Any

from chalicelib.boundary import Boundary, straight
from chalicelib.store import items

#: A mail is scanned when it is delivered and when its links are opened; who opens a decoy later proves nothing.
_KEPT = timedelta(days=30)


class Decoys:
    """When the decoy of a mail was last opened: by anybody, and by each client."""

    def __init__(self, client: Any, table: str, boundary: Boundary = straight) -> None:
        """Keep the client and the table's name."""
        self._client = client
        self._table = table
        self._boundary = boundary

    def opened(self, journey_id: str, subject: str, by: str, at: datetime) -> None:
        """Write down that the decoy of that journey and subject was opened; ``by`` is a client's hash, or empty."""
        for who in dict.fromkeys(("", by)):
            item = {
                **_key(journey_id, subject, who),
                "opened_at": {"S": items.instant(at)},
                "expires_at": {"N": str(int((at + _KEPT).timestamp()))},
            }
            self._boundary("decoy", lambda item=item: self._client.put_item(TableName=self._table, Item=item))  # type: ignore[misc]

    def last_opened(self, journey_id: str, subject: str, by: str = "") -> datetime | None:
        """Return when it was last opened by that client, or by anybody; None when it never was."""
        found = self._client.get_item(TableName=self._table, Key=_key(journey_id, subject, by)).get("Item")
        return datetime.fromisoformat(found["opened_at"]["S"]) if found else None


def _key(journey_id: str, subject: str, by: str) -> dict[str, Any]:
    return items.key(f"DECOY#{journey_id}", f"{subject}#{by}")
