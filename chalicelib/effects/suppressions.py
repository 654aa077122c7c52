"""The account's suppression list: what SES will not deliver to, whoever in the account was told so."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec


class Listed(msgspec.Struct, frozen=True):
    """One address of the list. ``complaint`` says why it is there; otherwise mail to it came back."""

    email: str
    complaint: bool
    at: datetime


class SuppressionList:
    """Reads the list, page by page."""

    def __init__(self, client: Any) -> None:
        """Keep the SES v2 client."""
        self._client = client

    def since(self, start: datetime | None) -> Iterator[list[Listed]]:
        """Yield the entries that were made or renewed since then (all, without one), a page at a time."""
        request: dict[str, Any] = {"StartDate": start} if start else {}
        while True:
            answer = self._client.list_suppressed_destinations(**request)
            yield [_listed(each) for each in answer["SuppressedDestinationSummaries"]]
            if not answer.get("NextToken"):
                return
            request["NextToken"] = answer["NextToken"]


def _listed(summary: dict[str, Any]) -> Listed:
    at: datetime = summary["LastUpdateTime"]
    return Listed(summary["EmailAddress"], summary["Reason"] == "COMPLAINT", at.astimezone(UTC))
