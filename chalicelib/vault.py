"""The secrets of a stage: in the parameter store, read when first needed, and no longer trusted than a minute.

Nothing is logged, and what a page shows of a secret is where it begins and when it came.
"""

import json
from base64 import b64decode, b64encode
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from secrets import token_bytes
from typing import Any

import msgspec
from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.boundary import Boundary, straight

#: How long a process may go on with secrets that were changed elsewhere.
TRUSTED_FOR = timedelta(minutes=1)
#: Secrets of one kind that may hold at once: the one in use and its successor.
MOST = 2
#: Bytes: as long as the digest of the HMAC-SHA256 that they key (RFC 2104, section 3).
_LENGTH = 32


class NotPossible(Exception):
    """The secrets are such that this cannot be done; the message says why, and nothing was changed."""


class Known(msgspec.Struct, frozen=True):
    """What may be shown of a secret: a fingerprint of 32 bits, which tells two apart and gives none away."""

    fingerprint: str


class Vault:
    """Reads the secrets of a stage, and changes those with which other systems sign."""

    def __init__(self, client: Any, prefix: str, clock: Callable[[], datetime], boundary: Boundary = straight) -> None:
        """Keep the SSM client and where the secrets of this stage stand."""
        self._client = client
        self._prefix = prefix
        self._clock = clock
        self._boundary = boundary
        self._read_at: dict[str, datetime] = {}
        self._held: dict[str, Any] = {}

    def link_keys(self) -> dict[str, bytes]:
        """Return the keys that sign links, by their ids, the signing one first."""
        return {key_id: b64decode(secret) for key_id, secret in self._secret("link-keys").items()}

    def signing_secrets(self) -> Sequence[str]:
        """Return the secrets with which other systems may sign now, newest first, as Standard Webhooks writes them."""
        held: list[str] = self._secret("webhook-keys")
        return held

    def provider(self) -> Any | None:
        """Return how the company's own sign-in is reached, or None where ops have set none up."""
        try:
            return self._secret("sign-in-provider")
        except LookupError:
            self._held["sign-in-provider"], self._read_at["sign-in-provider"] = None, self._clock()
            return None

    # -- rotation ----------------------------------------------------------------------------------------

    def webhook_secrets(self) -> list[Known]:
        """Return what may be shown of the webhook secrets, newest first."""
        return [_known(secret) for secret in self._fresh("webhook-keys")]

    def add_webhook_secret(self) -> tuple[Known, str]:
        """Make a new secret beside the one in use; returns it, for this once.

        Both hold until the old one is retired, so that no system has to change at the same second as we do. Raises
        NotPossible while two hold already.
        """
        held = self._fresh("webhook-keys")
        if len(held) >= MOST:
            raise NotPossible("Two secrets hold already. Retire the old one first.")
        secret = f"whsec_{b64encode(token_bytes(_LENGTH)).decode()}"
        self._put("webhook-keys", [secret, *held])
        return _known(secret), secret

    def retire_webhook_secret(self, fingerprint: str) -> None:
        """Stop trusting a secret; raises NotPossible for the last one, and LookupError for one that there is not."""
        held: list[str] = self._fresh("webhook-keys")
        left = [secret for secret in held if _known(secret).fingerprint != fingerprint]
        if len(left) == len(held):
            raise LookupError("There is no such secret.")
        if not left:
            raise NotPossible("This is the only secret. Add its successor first.")
        self._put("webhook-keys", left)

    # -- the parameter store -----------------------------------------------------------------------------

    def _secret(self, name: str) -> Any:
        """Return one secret, as of at most a minute ago; each function may read only those that it needs.

        While the parameter store cannot be had, what was read before goes on.
        """
        now = self._clock()
        read_at = self._read_at.get(name)
        if read_at is not None and read_at <= now < read_at + TRUSTED_FOR:
            return self._held[name]
        try:
            return self._fresh(name)
        except (ClientError, BotoCoreError, OSError):
            if name not in self._held:
                raise
            self._read_at[name] = now
            return self._held[name]

    def _fresh(self, name: str) -> Any:
        full = f"{self._prefix}/{name}"
        found = self._client.get_parameters(Names=[full], WithDecryption=True)["Parameters"]
        if not found:
            message = f"there is no secret {full}"
            raise LookupError(message)
        self._held[name] = json.loads(found[0]["Value"])
        self._read_at[name] = self._clock()
        return self._held[name]

    def _put(self, name: str, value: Any) -> None:
        full, text = f"{self._prefix}/{name}", json.dumps(value)
        put = {"Name": full, "Value": text, "Type": "SecureString", "Overwrite": True}
        self._boundary("secret", lambda: self._client.put_parameter(**put))
        self._held[name], self._read_at[name] = value, self._clock()


def _known(secret: str) -> Known:
    return Known(fingerprint=sha256(secret.encode()).hexdigest()[:8])
