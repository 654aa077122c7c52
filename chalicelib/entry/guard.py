"""Who is calling: sessions of browsers, API keys, and that a request came from a page of ours.

A session is a random token in a ``__Host-`` cookie; the table knows its hash. It ends when it was idle for an hour,
when it is twelve hours old, when it is signed out, when its member signs out everywhere, leaves the staff document or
loses access: each request looks. Times are checked here, never left to DynamoDB's expiry.
"""

import hmac
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from hashlib import sha256
from secrets import token_urlsafe
from typing import Any
from urllib.parse import urlsplit

import msgspec

from chalicelib.entry.api.operations import Actor
from chalicelib.entry.routes import ROLES, Role
from chalicelib.journey.documents import Staff, StaffMember
from chalicelib.store.access import Access, ApiKey, Live, hashed
from chalicelib.store.documents import DocumentStore

COOKIE = "__Host-aftercare"
#: A lead reads a long journey, or takes a call; an hour without a click is an empty chair (ASVS 7.3.1, our decision).
IDLE = timedelta(hours=1)
#: A working day, and no more: ASVS 7.3.2.
LONGEST = timedelta(hours=12)
#: That a session is in use is noted at most so often: one write for many pages.
_NOTED_EVERY = timedelta(minutes=5)
_TOKEN_BYTES = 32
#: How the id of somebody begins whom only the company's provider knows.
SSO = "sso/"
_MOST_COOKIES = 8192
_KEY_PARTS = 3


class SignedIn(msgspec.Struct, frozen=True):
    """A browser whose session holds: who it is, and the token that its cookie shows."""

    actor: Actor
    token: str


def new_token() -> str:
    """Return a token that nobody can guess."""
    return token_urlsafe(_TOKEN_BYTES)


def headers(request: Any) -> dict[str, str]:
    """Return the headers of a request by their lower-case names."""
    return {str(name).lower(): str(value) for name, value in dict(request.headers or {}).items()}


def cookie(sent: Mapping[str, str], name: str = COOKIE) -> str:
    """Return the value of a cookie, or an empty text."""
    for part in sent.get("cookie", "")[:_MOST_COOKIES].split(";"):
        key, _, value = part.strip().partition("=")
        if key == name and value.isascii():
            return value
    return ""


def set_cookie(value: str, lasts: timedelta, name: str = COOKIE) -> str:
    """Return the header that sets a cookie: for this host only, over TLS only, out of reach of scripts."""
    age = int(lasts.total_seconds())
    return f"{name}={value}; Path=/; Max-Age={age}; Secure; HttpOnly; SameSite=Lax"


def form_token(token: str) -> str:
    """Return what a form of ours shows to prove that the page which holds it was made for this browser."""
    return hmac.new(token.encode(), b"aftercare form", sha256).hexdigest()


def came_from_us(sent: Mapping[str, str], shown: str, token: str, base_url: str) -> bool:
    """Say whether a request that changes something came from a page of ours: by its token, and by its origin.

    Browsers send Origin with every such request, and Sec-Fetch-Site where they can; what says that another site asked
    is refused whatever it shows. Ours is the host that was asked, or that of ``base_url`` when something in front of us
    asks in its name.
    """
    if not token or not hmac.compare_digest(shown.encode(), form_token(token).encode()):
        return False
    origin = sent.get("origin", "")
    return not _is_foreign(sent) and (not origin or _is_ours(sent, origin, base_url))


def is_of_our_origin(sent: Mapping[str, str], base_url: str) -> bool:
    """Say whether a browser says of a request that a page of our own origin made it, for whomever that was made."""
    return not _is_foreign(sent) and _is_ours(sent, sent.get("origin", ""), base_url)


def _is_foreign(sent: Mapping[str, str]) -> bool:
    return sent.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}


def _is_ours(sent: Mapping[str, str], origin: str, base_url: str) -> bool:
    # cut, not parsed: what is no address at all would be an error of ours
    return origin.partition("://")[2] in {sent.get("host") or None, urlsplit(base_url).netloc}


class Guard:
    """Finds out who is calling."""

    def __init__(self, access: Access, documents: DocumentStore, now: Callable[[], datetime]) -> None:
        """Keep where sessions, keys and the staff stand."""
        self._access = access
        self._documents = documents
        self._now = now

    def staff(self) -> Staff:
        """Return the staff document that holds now."""
        found = self._documents.version("staff", self._documents.active("staff", self._now()))
        assert isinstance(found, Staff)  # noqa: S101 - the document of that kind
        return found

    def member_at(self, address: str) -> StaffMember | None:
        """Return the member of staff who has this address and any access, or None."""
        wanted = address.strip().lower()
        members = (member for member in self.staff().members if member.email.lower() == wanted)
        return next((member for member in members if member.may != "none"), None)

    def signed_in(self, sent: Mapping[str, str]) -> SignedIn | None:
        """Return whose browser this is, or None when no session holds."""
        token = cookie(sent)
        live = self._access.session(token) if token else None
        if live is None or live.ended:
            return None
        now = self._now()
        if now >= min(live.seen_at + IDLE, live.session.began_at + LONGEST):
            return None
        if self._access.epoch(live.session.member_id) != live.session.epoch:
            return None
        actor = self._actor(live)
        if actor is None:
            return None
        if now >= live.seen_at + _NOTED_EVERY:
            self._access.saw(token, now)
        return SignedIn(actor, token)

    def _actor(self, live: Live) -> Actor | None:
        """Return who a session stands for, with the role of this moment."""
        session = live.session
        if session.member_id.startswith(SSO):
            return Actor(session.member_id, session.name, _role(session.role))
        member = self.staff().member(session.member_id)
        if member is None or member.may == "none":
            return None
        return Actor(member.id, member.name, _role(session.role or member.may))

    def key(self, authorization: str) -> Actor | None:
        """Return the API key that a call shows, or None when it shows none that holds."""
        scheme, _, shown = authorization.partition(" ")
        parts = shown.strip().split(".")
        if scheme.lower() != "bearer" or len(parts) != _KEY_PARTS or not parts[1].isalnum():
            return None
        found = self._access.key(parts[1][:40])
        if found is None or found.revoked_at is not None:
            return None
        if not hmac.compare_digest(found.secret_hash.encode(), hashed(parts[2]).encode()):
            return None
        self._note_use(found)
        return Actor(f"key/{found.id}", found.name, _role(found.role))

    def _note_use(self, key: ApiKey) -> None:
        day = self._now().date().isoformat()
        if key.used_on != day:
            self._access.used_key(key.id, day)


def _role(name: str) -> Role:
    """Return a role as the table has it."""
    return next(role for role in ROLES if role == name)
