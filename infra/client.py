"""Talks to a deployment as a helpdesk would: every request is signed (Standard Webhooks), none follows a redirect."""

import json
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from ipaddress import ip_address
from pathlib import Path
from time import sleep
from typing import Any, Final
from urllib.parse import urlsplit

from chalicelib.entry import webhooks
from infra.failures import BadUsage, Failed, Unreachable

KEY_VARIABLE: Final = "AFTERCARE_WEBHOOK_KEY"
URL_VARIABLE: Final = "AFTERCARE_URL"
LOCAL: Final = "http://127.0.0.1:8000"
#: Seconds to wait before asking again whoever was busy or could not be reached.
PAUSES: Final = (1.0, 2.0, 4.0)
_BUSY: Final = frozenset({429, 500, 502, 503, 504})
_LARGEST_REPLY: Final = 8 * 1024 * 1024


class Refused(Failed):
    """The deployment said no."""

    def __init__(self, status: int, detail: str) -> None:
        """Keep both."""
        super().__init__(f"refused ({status}): {detail}")
        self.status = status
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Target:
    """Where a deployment is."""

    host: str
    port: int | None
    path: str
    secure: bool

    @property
    def shown(self) -> str:
        """Return it as a person would write it."""
        port = f":{self.port}" if self.port else ""
        return f"{'https' if self.secure else 'http'}://{self.host}{port}{self.path}"


def target(url: str) -> Target:
    """Read the address of a deployment; raises BadUsage.

    Without TLS only this machine is spoken to: what is sent has customers' names in it.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise BadUsage(f"not an address: {url}: {error}") from error
    if parts.scheme not in {"http", "https"} or not host or parts.query or parts.username:
        raise BadUsage(f"not an address such as https://care.example.com/api: {url}")
    if parts.scheme == "http" and not _is_this_machine(host):
        raise BadUsage(f"only this machine is spoken to without TLS; write https: {url}")
    return Target(host, port, parts.path.rstrip("/"), secure=parts.scheme == "https")


def _is_this_machine(host: str) -> bool:
    with suppress(ValueError):
        return ip_address(host).is_loopback
    return host == "localhost"


def key(key_file: str | None) -> bytes:
    """Return the key to sign with, from a file or the environment; raises BadUsage."""
    try:
        secret = Path(key_file).read_text("utf-8") if key_file else os.environ.get(KEY_VARIABLE, "")
    except (OSError, UnicodeDecodeError) as error:
        raise BadUsage(f"the key file cannot be read: {error}") from error
    if not secret.strip():
        raise BadUsage(f"no key to sign with: give --key-file or set {KEY_VARIABLE}")
    try:
        return webhooks.key_of(secret.strip())
    except ValueError as error:
        raise BadUsage(str(error)) from error


class Client:
    """One connection to one deployment. What it sends may be sent again, for the deployment takes nothing twice."""

    def __init__(
        self,
        where: Target,
        signing_key: bytes,
        seconds: float = 30,
        pause: Callable[[float], None] = sleep,
    ) -> None:
        """``seconds`` is how long to wait for one reply."""
        self._where = where
        self._key = signing_key
        self._seconds = seconds
        self._pause = pause
        self._connection: HTTPConnection | None = None
        self._ahead: timedelta | None = None

    def call(self, method: str, path: str, body: bytes = b"") -> Any:
        """Make one signed request and return the JSON of its reply; raises Refused and Unreachable."""
        for pause in (*PAUSES, None):
            try:
                status, raw = self._signed(method, path, body)
            except (OSError, HTTPException) as error:
                self.close()
                if pause is None:
                    raise Unreachable(f"{self._where.shown} cannot be reached: {error}") from error
            else:
                if status not in _BUSY:
                    return _read(status, raw)
                if pause is None:
                    raise Unreachable(f"{self._where.shown} answers {status}: {_detail(raw)}")
            self._pause(pause)
        raise AssertionError  # the last round returns or raises

    def _signed(self, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        now = datetime.now(UTC) + self._clock()
        # Named after what it says: the same message sent again is the same message.
        name = "msg_" + sha256(b"\0".join((method.encode(), path.encode(), body))).hexdigest()[:32]
        headers = {"Content-Type": "application/json", **webhooks.sign(self._key, name, now, body)}
        return self._request(method, path, headers, body)

    def _clock(self) -> timedelta:
        """Return how far the deployment's clock is ahead: one on this machine keeps a time of its own."""
        if self._ahead is None:
            self._ahead = self._local_clock() if _is_this_machine(self._where.host) else timedelta()
        return self._ahead

    def _local_clock(self) -> timedelta:
        status, raw = self._request("GET", "/_local/clock", {"Accept": "application/json"}, b"")
        with suppress(ValueError, KeyError, TypeError):
            if status == 200:  # noqa: PLR2004
                return datetime.fromisoformat(json.loads(raw)["now"]) - datetime.now(UTC)
        return timedelta()

    def _request(self, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
        if self._connection is None:
            make = HTTPSConnection if self._where.secure else HTTPConnection
            self._connection = make(self._where.host, self._where.port, timeout=self._seconds)
        self._connection.request(method, f"{self._where.path}{path}", body or None, headers)
        reply = self._connection.getresponse()
        raw = reply.read(_LARGEST_REPLY)
        if reply.will_close:
            self.close()
        return reply.status, raw

    def close(self) -> None:
        """Let the connection go; the next call opens another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _read(status: int, raw: bytes) -> Any:
    if not 200 <= status < 300:  # noqa: PLR2004
        raise Refused(status, _detail(raw))
    try:
        return json.loads(raw)
    except ValueError as error:
        raise Refused(status, "the reply is no JSON: is this a deployment of Aftercare?") from error


def _detail(raw: bytes) -> str:
    """Return what a problem says, or the beginning of whatever else came."""
    with suppress(ValueError, KeyError, TypeError):
        told = json.loads(raw)
        return str(told.get("detail") or told.get("Message") or told["message"])
    return raw[:200].decode("utf-8", "replace").strip() or "nothing more was said"
