"""Mail exactly as it was sent, and mail that came in, each a file in the bucket of the stage.

What stands where: ``sent/<journey>/<touch>/<instant of the claim>.eml``, and ``inbound/<id>`` as SES writes it. A mail
is stored by whoever has claimed its sending, before the one request goes out; each claim has a key of its own, so
nothing is ever written over. A touch that was tried more than once has a copy of each try, and the newest is what the
customer has: an earlier one was throttled, or nobody knows whether it went. Whether a touch went out at all is said by
its journey.

The bytes are those that the mail service was given. It adds a Message-ID of its own, its own Received lines and DKIM
signature on the way.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec

from chalicelib.boundary import Boundary, straight

SENT, INBOUND = "sent/", "inbound/"
#: Bytes of a mail that are read: what comes after is an attachment, and no function should run out of memory over it.
MOST_READ = 8_000_000
_STAMP = "%Y%m%dT%H%M%S.%fZ"
_AT_ONCE = 1000


class Copy(msgspec.Struct, frozen=True):
    """One try of sending a touch: when it was claimed, and where the bytes lie."""

    at: datetime
    key: str


class MailArchive:
    """The bucket. ``client`` is an S3 client; a mail is written through the boundary."""

    def __init__(self, client: Any, bucket: str, boundary: Boundary = straight) -> None:
        """Keep the client and the bucket's name."""
        self._client = client
        self._bucket = bucket
        self._boundary = boundary

    def keep(self, journey_id: str, touch_id: str, at: datetime, raw: bytes) -> str:
        """Store the mail of the claim made at that instant, and return its key; storing it twice is storing it once."""
        key = f"{SENT}{journey_id}/{touch_id}/{at.astimezone(UTC).strftime(_STAMP)}.eml"
        self._boundary(
            "keep-mail",
            lambda: self._client.put_object(Bucket=self._bucket, Key=key, Body=raw, ContentType="message/rfc822"),
        )
        return key

    def copies(self, journey_id: str, touch_id: str) -> tuple[Copy, ...]:
        """Return every try of a touch that was stored, the oldest first."""
        prefix = f"{SENT}{journey_id}/{touch_id}/"
        return tuple(Copy(_instant(key), key) for key in sorted(self._keys(prefix)))

    def get(self, journey_id: str, touch_id: str) -> bytes | None:
        """Return the mail of a touch as it was sent, or None when none is kept (any more)."""
        copies = self.copies(journey_id, touch_id)
        return self.read(copies[-1].key) if copies else None

    def read(self, key: str) -> bytes:
        """Return the first `MOST_READ` bytes of a file; raises ClientError (NoSuchKey) when it is not there."""
        body = self._client.get_object(Bucket=self._bucket, Key=key)["Body"]
        try:
            return bytes(body.read(MOST_READ))
        finally:
            body.close()

    def delete_for_journey(self, journey_id: str, replies: tuple[str, ...] = ()) -> int:
        """Delete all that was sent in a journey and the replies whose keys are given; returns how many files.

        For erasure: the caller's role needs ``s3:DeleteObject``, which no function of the daily work has.
        """
        keys = [*self._keys(f"{SENT}{journey_id}/"), *replies]
        for first in range(0, len(keys), _AT_ONCE):
            named = [{"Key": key} for key in keys[first : first + _AT_ONCE]]
            answer = self._client.delete_objects(Bucket=self._bucket, Delete={"Objects": named, "Quiet": True})
            if answer.get("Errors"):
                message = f"{len(answer['Errors'])} of the mails of {journey_id} could not be deleted; try again"
                raise OSError(message)
        return len(keys)

    def _keys(self, prefix: str) -> Iterator[str]:
        """Yield the keys under a prefix, page by page."""
        request = {"Bucket": self._bucket, "Prefix": prefix}
        while True:
            page = self._client.list_objects_v2(**request)
            yield from (found["Key"] for found in page.get("Contents", []))
            if not page.get("IsTruncated"):
                return
            request["ContinuationToken"] = page["NextContinuationToken"]


def _instant(key: str) -> datetime:
    return datetime.strptime(key.rpartition("/")[2].removesuffix(".eml"), _STAMP).replace(tzinfo=UTC)
