"""Signing in through the company's own provider: OpenID Connect, code flow with PKCE, and nothing taken on trust.

The browser carries what was asked for (state, nonce, verifier) in a sealed cookie of its own; the state is burnt when
it comes back. An identity token counts only if one of the provider's keys signed it with RS256 or ES256, for us, in
answer to this request, and has not expired. Whom it names is its subject; an address in it opens nothing. What they may
do is what the groups in it say, by the table that ops wrote; whoever is in none of them may do nothing.

Sources: OpenID Connect Core 1.0 sections 3.1.2 and 3.1.3.7; RFC 7636 (PKCE); RFC 9207 (issuer in the answer).
"""

import hmac
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Annotated, Any, TypeVar
from urllib.parse import quote, urlencode, urlsplit

import msgspec

from chalicelib.entry.guard import new_token
from chalicelib.entry.routes import ROLES, Role

#: What makes an HTTP request: method, address, headers, body in; status and body out. Raises OSError.
Fetch = Callable[[str, str, Mapping[str, str], bytes], tuple[int, bytes]]
Got = TypeVar("Got")

ALGORITHMS = ("RS256", "ES256")
#: What was fetched of the provider is trusted so long.
_KEPT_FOR = timedelta(hours=1)
#: A key that is not known is looked for at most so often: a made-up key id must not make us call each time.
_LOOK_AGAIN_AFTER = timedelta(minutes=1)
#: Clocks differ.
_LEEWAY = 60
#: Between leaving for the provider and coming back.
FLOW_LASTS = timedelta(minutes=10)
_LOOPBACK = {"127.0.0.1", "localhost", "::1"}
_OK = 200
_LONGEST_NAME = 120

Address = Annotated[str, msgspec.Meta(pattern=r"^https?://[^\s]+\Z")]
Filled = Annotated[str, msgspec.Meta(min_length=1)]


class NotVouched(Exception):
    """The provider vouched for nobody, or not in a way that we take. ``why`` is for the log: no claim is in it."""

    def __init__(self, why: str) -> None:
        """Keep why."""
        super().__init__(why)
        self.why = why


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What ops wrote into the parameter ``sign-in-provider``. ``roles`` maps a group of the provider to a role."""

    issuer: Address
    client_id: Filled
    client_secret: Filled
    roles: Annotated[dict[str, Role], msgspec.Meta(min_length=1)]
    groups_claim: str = "groups"
    scope: str = "openid profile"
    label: str = "Sign in with your company account"


class Flow(msgspec.Struct, frozen=True):
    """What a browser left for the provider with. ``back`` is the page that was wanted."""

    state: str
    nonce: str
    verifier: str
    until: datetime
    back: str


class Identity(msgspec.Struct, frozen=True):
    """Whom the provider vouches for."""

    subject: str
    name: str
    role: Role


class _Found(msgspec.Struct, frozen=True):
    """What the provider says of itself (OpenID Connect Discovery 1.0)."""

    issuer: str
    authorization_endpoint: Address
    token_endpoint: Address
    jwks_uri: Address


class _Tokens(msgspec.Struct, frozen=True):
    id_token: str


class Provider:
    """Asks the provider, and believes only what it can check."""

    def __init__(self, config: Config, fetch: Fetch, now: Callable[[], datetime]) -> None:
        """Keep the configuration; raises ValueError for an issuer that anybody on the way could stand in for."""
        self.config = config
        self._fetch = fetch
        self._now = now
        self._found: tuple[datetime, _Found] | None = None
        self._keys: tuple[datetime, dict[str, Any]] | None = None
        _private(config.issuer)

    # -- leaving -----------------------------------------------------------------------------------------

    def leave(self, redirect_uri: str, back: str) -> tuple[Flow, str]:
        """Return what the browser must remember, and where to send it."""
        flow = Flow(new_token(), new_token(), new_token(), self._now() + FLOW_LASTS, back)
        challenge = urlsafe_b64encode(sha256(flow.verifier.encode()).digest()).decode().rstrip("=")
        asked = {
            "response_type": "code",
            "client_id": self.config.client_id,
            "redirect_uri": redirect_uri,
            "scope": self.config.scope,
            "state": flow.state,
            "nonce": flow.nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        endpoint = self._discovered().authorization_endpoint
        return flow, f"{endpoint}{'&' if urlsplit(endpoint).query else '?'}{urlencode(asked)}"

    # -- coming back -------------------------------------------------------------------------------------

    def come_back(self, flow: Flow, answer: Mapping[str, str], redirect_uri: str) -> Identity:
        """Return whom the provider vouches for; raises NotVouched."""
        if self._now() >= flow.until:
            raise NotVouched("it took too long")
        if not hmac.compare_digest(answer.get("state", "").encode(), flow.state.encode()):
            raise NotVouched("the state is not ours")
        if answer.get("iss", self.config.issuer) != self.config.issuer:
            raise NotVouched("another issuer answered")
        if not answer.get("code"):
            raise NotVouched("there is no code")
        claims = self._claims(self._exchange(answer["code"], flow, redirect_uri), flow)
        role = self._role(claims)
        if role is None:
            raise NotVouched("no group has a role")
        return Identity(claims["sub"], str(claims.get("name", ""))[:_LONGEST_NAME] or "A colleague", role)

    def _exchange(self, code: str, flow: Flow, redirect_uri: str) -> str:
        """Return the identity token for a code, which only we can exchange: with the verifier and our secret."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "code_verifier": flow.verifier,
        }
        pair = f"{quote(self.config.client_id, safe='')}:{quote(self.config.client_secret, safe='')}"
        headers = {
            "Authorization": f"Basic {b64encode(pair.encode()).decode()}",
            "Content-Type": "application/x-www-form-urlencoded",
            "Accept": "application/json",
        }
        body = urlencode(form).encode()
        return self._read("POST", self._discovered().token_endpoint, headers, body, _Tokens).id_token

    def _claims(self, token: str, flow: Flow) -> dict[str, Any]:
        """Return the claims of an identity token that holds; raises NotVouched."""
        from joserfc import jwt  # noqa: PLC0415 - half a second, which only this needs
        from joserfc.errors import JoseError  # noqa: PLC0415

        try:
            decoded = jwt.decode(token, self._key_set(token), algorithms=list(ALGORITHMS))
            registry = jwt.JWTClaimsRegistry(
                now=int(self._now().timestamp()),
                leeway=_LEEWAY,
                iss={"essential": True, "value": self.config.issuer},
                aud={"essential": True, "value": self.config.client_id},
                sub={"essential": True},
                exp={"essential": True},
                iat={"essential": True},
                nonce={"essential": True, "value": flow.nonce},
            )
            registry.validate(decoded.claims)
        except (JoseError, ValueError, TypeError, KeyError) as error:
            raise NotVouched(f"the token does not hold: {type(error).__name__}") from error
        claims: dict[str, Any] = decoded.claims
        several = isinstance(claims["aud"], list) and len(claims["aud"]) > 1
        if claims.get("azp", self.config.client_id) != self.config.client_id or (several and "azp" not in claims):
            raise NotVouched("the token is for another client")
        if not claims["sub"]:
            raise NotVouched("the token names nobody")
        return claims

    def _role(self, claims: Mapping[str, Any]) -> Role | None:
        """Return the highest role of the groups that a token names, or None."""
        groups = claims.get(self.config.groups_claim, [])
        named = groups if isinstance(groups, list) else [groups]
        roles = {self.config.roles[group] for group in named if isinstance(group, str) and group in self.config.roles}
        return max(roles, key=ROLES.index, default=None)

    # -- what is known of the provider -------------------------------------------------------------------

    def _discovered(self) -> _Found:
        now = self._now()
        if self._found is None or now >= self._found[0] + _KEPT_FOR:
            address = f"{self.config.issuer.rstrip('/')}/.well-known/openid-configuration"
            found = self._read("GET", address, {"Accept": "application/json"}, b"", _Found)
            if found.issuer != self.config.issuer:
                raise NotVouched("the provider calls itself something else")
            for endpoint in (found.authorization_endpoint, found.token_endpoint, found.jwks_uri):
                _checked(endpoint)
            self._found = (now, found)
        return self._found[1]

    def _key_set(self, token: str) -> Any:
        """Return the provider's keys; asks for them anew when the token names one that is not among them."""
        from joserfc.jwk import KeySet  # noqa: PLC0415 - as in `_claims`

        now = self._now()
        kept = self._keys
        stale = kept is None or now >= kept[0] + _KEPT_FOR
        unknown = kept is not None and not _knows(kept[1], token) and now >= kept[0] + _LOOK_AGAIN_AFTER
        if stale or unknown:
            address = self._discovered().jwks_uri
            found = self._read("GET", address, {"Accept": "application/json"}, b"", dict[str, Any])
            kept = self._keys = (now, found)
        assert kept is not None  # noqa: S101 - read above when it was not
        usable = [key for key in kept[1].get("keys", []) if isinstance(key, dict) and _may_sign(key)]
        return KeySet.import_key_set({"keys": usable})

    def _read(self, method: str, address: str, headers: Mapping[str, str], body: bytes, shape: type[Got]) -> Got:
        status, answer = self._fetch(method, address, headers, body)
        if status != _OK:
            raise NotVouched(f"the provider answers {status}")
        try:
            return msgspec.json.decode(answer, type=shape)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise NotVouched("the provider's answer cannot be read") from error


def _private(address: str) -> None:
    """Refuse an address whose answers anybody on the way could change; this machine's own are tests and the demo."""
    parts = urlsplit(address)
    if parts.scheme != "https" and parts.hostname not in _LOOPBACK:
        message = f"{address} is not https"
        raise ValueError(message)


def _checked(endpoint: str) -> None:
    try:
        _private(endpoint)
    except ValueError as error:
        raise NotVouched("an endpoint of the provider is not https") from error


def _may_sign(key: Mapping[str, Any]) -> bool:
    """Say whether a key of the provider may sign identity tokens: public keys of the two algorithms only."""
    return (
        key.get("kty") in {"RSA", "EC"}
        and key.get("use", "sig") == "sig"
        and (key.get("alg", "RS256" if key["kty"] == "RSA" else "ES256") in ALGORITHMS)
        and "d" not in key
    )


def _knows(keys: Mapping[str, Any], token: str) -> bool:
    """Say whether the key that a token names is among these; a token that names none asks for none."""
    from joserfc.jws import extract_compact  # noqa: PLC0415 - as in `_claims`

    try:
        named = extract_compact(token.encode()).protected.get("kid")
    except Exception:  # noqa: BLE001 - whatever is wrong with it, decoding it will say
        return True
    return named is None or any(isinstance(key, dict) and key.get("kid") == named for key in keys.get("keys", []))
