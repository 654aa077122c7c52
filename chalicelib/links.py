"""Signed links: what a mail's link may do, for which journey, and that nobody made it up.

A token is ``<key id>.<payload>.<mac>``: the payload names purpose, journey and subject, the MAC is HMAC-SHA256 cut to
160 bits. Two keys may live at once; links are signed with the first and read with any, so rotation breaks none.

A page that such a link opens carries a *view*: a signed note of which link was shown, and when. Only a press on a page
that was really shown can bring it back.
"""

import hmac
import re
from base64 import b32encode, urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import sha256
from typing import Literal, get_args
from urllib.parse import urlsplit

import msgspec

Purpose = Literal["answer", "proposal", "opt_out", "work", "decoy", "sign_in"]
_PATHS: dict[Purpose, str] = {
    "answer": "a",
    "proposal": "p",
    "opt_out": "o",
    "work": "w",
    "decoy": "d",
    "sign_in": "console/sign-in",
}
_MAC_BYTES = 20
_LONGEST = 400


class BadLink(Exception):
    """This link is not one of ours, or no longer. Says nothing more: every bad link gets the same reply."""


class Link(msgspec.Struct, frozen=True):
    """What a token says. ``subject`` is a touch id, a proposal number or a staff id; ``expires`` only for staff.

    A link to sign in by is about no journey: its subject is the id of what was asked for.
    """

    purpose: Purpose
    journey_id: str
    subject: str
    expires: datetime | None = None


class Shown(msgspec.Struct, frozen=True):
    """When a page was shown, and the name of that one view of it."""

    at: datetime
    name: str


class Links:
    """Makes and reads tokens. ``keys`` maps key ids to secrets, the signing key first."""

    def __init__(self, keys: Mapping[str, bytes], base_url: str) -> None:
        """Keep the keys and the address under which customers reach the pages."""
        self._keys = dict(keys)
        self._base_url = base_url.rstrip("/")
        #: The origin of our pages, as browsers write it: no path, and no port that is the scheme's own.
        self.origin = _origin(base_url)

    def url(self, link: Link, **query: str) -> str:
        """Return the whole address of a page."""
        path = _PATHS[link.purpose]
        tail = "&".join(f"{name}={value}" for name, value in query.items())
        return f"{self._base_url}/{path}/{self.token(link)}{'?' if tail else ''}{tail}"

    def token(self, link: Link) -> str:
        """Return the token of a link, signed with the newest key."""
        key_id = next(iter(self._keys))
        payload = _payload(link)
        return f"{key_id}.{payload}.{self._mac(key_id, payload)}"

    def read(self, token: str, purpose: Purpose, now: datetime) -> Link:
        """Return what a token says; raises BadLink unless it is ours, for this purpose, and not expired."""
        key_id, payload, mac = _split(token)
        if key_id not in self._keys or not hmac.compare_digest(mac, self._mac(key_id, payload)):
            raise BadLink
        link = _parse(payload)
        if link.purpose != purpose or (link.expires is not None and link.expires <= now):
            raise BadLink
        return link

    def seal(self, scope: str, text: str) -> str:
        """Return a text as a token that only we can have made, of use in this scope only: where a list goes on."""
        key_id = next(iter(self._keys))
        payload = _encode(text.encode())
        return f"{key_id}.{payload}.{self._mac(key_id, f'{scope}|{payload}')}"

    def unseal(self, scope: str, token: str) -> str:
        """Return the text of a token that was sealed in this scope; raises BadLink for any other."""
        key_id, payload, mac = _split(token)
        if key_id not in self._keys or not hmac.compare_digest(mac, self._mac(key_id, f"{scope}|{payload}")):
            raise BadLink
        return urlsafe_b64decode(payload + "=" * (-len(payload) % 4)).decode()

    # -- a view of a page --------------------------------------------------------------------------------

    def view(self, link: Link, at: datetime, name: str) -> str:
        """Return the signed note that the page of that link was shown then; ``name`` makes it the only one."""
        return self.seal(f"view|{_payload(link)}", f"{int(at.timestamp() * 1000)}|{name}")

    def shown(self, link: Link, view: str) -> Shown | None:
        """Return what such a note says, or None unless it is ours and of a page of that very link."""
        try:
            at, _, name = self.unseal(f"view|{_payload(link)}", view).partition("|")
        except BadLink:
            return None
        return Shown(datetime.fromtimestamp(int(at) / 1000, UTC), name)

    def blind(self, text: str) -> str:
        """Return 64 bits of a keyed hash: the same for the same text, and no way back to it without the key."""
        key = next(iter(self._keys.values()))
        return hmac.new(key, f"client|{text}".encode(), sha256).hexdigest()[:16]

    def _mac(self, key_id: str, payload: str) -> str:
        signed = hmac.new(self._keys[key_id], f"{key_id}.{payload}".encode(), sha256).digest()
        return _encode(signed[:_MAC_BYTES])


def _origin(url: str) -> str:
    parts = urlsplit(url)
    usual = {"http": 80, "https": 443}.get(parts.scheme)
    port = f":{parts.port}" if parts.port not in {None, usual} else ""
    return f"{parts.scheme}://{parts.hostname}{port}"


def _payload(link: Link) -> str:
    expires = str(int(link.expires.timestamp())) if link.expires else ""
    return _encode(f"{link.purpose}|{link.journey_id}|{link.subject}|{expires}".encode())


class ReplyAddresses:
    """Addresses to which customers write back, one a journey: ``reply+<journey><mac>@<domain>``.

    A local part has at most 64 characters, and mail servers may change its case: so all is lower-case base 32. The MAC
    is HMAC-SHA256 cut to 130 bits, under the keys of links and for this purpose only; there is no room for a key id, so
    all live keys are tried.
    """

    _FORM = re.compile(r"reply\+(?P<journey>j[a-z2-7]{26})(?P<mac>[a-z2-7]{26})")
    _MAC_LETTERS = 26

    def __init__(self, keys: Mapping[str, bytes], domain: str) -> None:
        """Keep the keys, the signing one first, and the domain that SES receives for."""
        self._keys = keys
        self._domain = domain.lower()

    def address(self, journey_id: str) -> str:
        """Return the address of a journey, signed with the newest key."""
        return f"reply+{journey_id}{self._mac(next(iter(self._keys.values())), journey_id)}@{self._domain}"

    def read(self, address: str) -> str:
        """Return the journey of an address; raises BadLink unless it is one of ours."""
        local, _, domain = address.lower().rpartition("@")
        found = self._FORM.fullmatch(local) if domain == self._domain else None
        if found is None:
            raise BadLink
        right = [hmac.compare_digest(found["mac"], self._mac(key, found["journey"])) for key in self._keys.values()]
        if not any(right):
            raise BadLink
        return found["journey"]

    def _mac(self, key: bytes, journey_id: str) -> str:
        signed = hmac.new(key, f"reply|{journey_id}".encode(), sha256).digest()
        return b32encode(signed).decode().lower()[: self._MAC_LETTERS]


def _encode(raw: bytes) -> str:
    return urlsafe_b64encode(raw).decode().rstrip("=")


def _split(token: str) -> tuple[str, str, str]:
    parts = token.split(".") if len(token) <= _LONGEST and token.isascii() else []
    if len(parts) != 3:  # noqa: PLR2004 - key id, payload, MAC
        raise BadLink
    return parts[0], parts[1], parts[2]


def _parse(payload: str) -> Link:
    try:
        text = urlsafe_b64decode(payload + "=" * (-len(payload) % 4)).decode()
        purpose, journey_id, subject, expires = text.split("|")
        until = datetime.fromtimestamp(int(expires), UTC) if expires else None
    except (ValueError, OverflowError, OSError, Base64Error) as error:
        raise BadLink from error
    if purpose not in get_args(Purpose):
        raise BadLink
    return Link(purpose, journey_id, subject, until)  # type: ignore[arg-type]  # checked above
