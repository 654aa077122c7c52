"""Standard Webhooks: who signed this request, and when.

Source: the Standard Webhooks specification, symmetric signatures (``v1``): base64 HMAC-SHA256 over
``id.timestamp.body`` with a key written as ``whsec_…``. Every malformed request is a refusal, never an exception of
another kind.
"""

import hmac
import re
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from hashlib import sha256

#: A signed time may be this far from ours, in the past or the future.
TOLERANCE = timedelta(minutes=5)
_SECOND = timedelta(seconds=1)
_ID = re.compile(r"[\x21-\x7e]{1,200}")
_TIME = re.compile(r"[0-9]{1,12}")
_LONGEST_SIGNATURES = 2_000
#: Bytes; the specification asks for 24 to 64.
_SHORTEST_KEY = 24


class BadSignature(Exception):
    """Nobody whom we know signed this request at this time. The caller is told no more than that."""


def key_of(secret: str) -> bytes:
    """Return the key of a secret written as ``whsec_<base64>``; raises ValueError for anything else or too short."""
    prefix, _, encoded = secret.partition("_")
    try:
        key = b64decode(encoded, validate=True)
    except (Base64Error, ValueError):
        key = b""
    if prefix != "whsec" or len(key) < _SHORTEST_KEY:
        message = f"a webhook secret is written as whsec_<base64> of at least {_SHORTEST_KEY} bytes"
        raise ValueError(message)
    return key


def sign(key: bytes, message_id: str, at: datetime, body: bytes) -> dict[str, str]:
    """Return the headers that sign a request."""
    timestamp = str(int(at.timestamp()))
    return {
        "webhook-id": message_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": f"v1,{_signature(key, message_id, timestamp, body)}",
    }


def verify(keys: Sequence[bytes], headers: Mapping[str, str], body: bytes, now: datetime) -> str:
    """Return the message id of a request that one of the keys signed within the tolerance.

    Raises BadSignature for everything else. ``headers`` have lower-case names.
    """
    message_id = headers.get("webhook-id", "")
    timestamp = headers.get("webhook-timestamp", "")
    if not _ID.fullmatch(message_id) or not _TIME.fullmatch(timestamp):
        raise BadSignature
    # In seconds and not as a datetime: twelve digits reach further than a calendar.
    if abs(now.timestamp() - int(timestamp)) > TOLERANCE / _SECOND:
        raise BadSignature
    given = _given(headers.get("webhook-signature", ""))
    wanted = [_signature(key, message_id, timestamp, body).encode() for key in keys]
    # Every pair is compared, so the time taken says nothing about which came close.
    if not any([hmac.compare_digest(one, other) for one in given for other in wanted]):  # noqa: C419
        raise BadSignature
    return message_id


def _given(header: str) -> list[bytes]:
    """Return the signatures of a header; several may stand in it while a key is rotated."""
    if len(header) > _LONGEST_SIGNATURES or not header.isascii():
        raise BadSignature
    versions = (part.partition(",") for part in header.split(" "))
    return [signature.encode() for version, _, signature in versions if version == "v1"]


def _signature(key: bytes, message_id: str, timestamp: str, body: bytes) -> str:
    signed = b".".join((message_id.encode(), timestamp.encode(), body))
    return b64encode(hmac.new(key, signed, sha256).digest()).decode()
