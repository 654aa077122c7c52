"""Signing in through the company's own provider: what it vouches for counts, and what attackers bring does not."""

import json
from base64 import urlsafe_b64encode
from datetime import timedelta
from hashlib import sha256
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from chalicelib.entry.provider import Config, Provider
from chalicelib.store.documents import shipped
from tests.entry import oidc
from tests.entry.staff import Browser

ROLES = {"cx-leads": "lead", "cx-agents": "agent", "cx-admins": "admin"}


@pytest.fixture
def provider(stack):
    with oidc.provider(stack.clock) as server:
        configure(stack, server)
        yield server


def configure(stack, server, **changes):
    config = {"issuer": server.issuer, "client_id": oidc.CLIENT, "client_secret": oidc.SECRET, "roles": ROLES}
    name = f"{stack.environment['SECRETS_PREFIX']}/sign-in-provider"
    value = json.dumps(config | changes)
    stack.account.client("ssm").put_parameter(Name=name, Value=value, Type="SecureString", Overwrite=True)


def _leave(browser, back=""):
    """Press the button; returns where the browser is sent."""
    reply = browser.get("/console/provider" + (f"?{urlencode({'back': back})}" if back else ""))
    assert reply.status == 303, reply.body
    return reply.headers["Location"]


def _come_back(browser, answer):
    return browser.get(f"/console/provider/back?{urlencode(answer)}")


def _sign_in(browser, provider, back=""):
    return _come_back(browser, provider.authorise(_leave(browser, back)))


def _me(browser):
    reply = browser.get("/v1/me")
    return reply.json() if reply.status == 200 else None


def test_whom_the_provider_vouches_for_is_in_with_the_role_of_their_groups(stack, provider):
    browser = Browser(stack)
    assert "Sign in with your company account" in browser.get("/console/sign-in").body.decode()
    reply = _sign_in(browser, provider, back="/console/audit")
    assert (reply.status, reply.headers["Location"]) == (303, "/console/audit")
    me = _me(browser)
    assert (me["name"], me["role"], me["id"].startswith("sso/")) == ("Kim Lee", "lead", True)
    assert [entry["about"] for entry in browser.get("/v1/audit").json()["entries"]] == [f"member/{me['id']}"]


def test_the_browser_leaves_with_state_nonce_and_a_challenge(stack, provider):
    address = _leave(Browser(stack))
    asked = {name: values[-1] for name, values in parse_qs(urlsplit(address).query).items()}
    assert address.startswith(f"{provider.issuer}/authorize?")
    assert {name: asked[name] for name in ("response_type", "client_id", "scope", "code_challenge_method")} == {
        "response_type": "code",
        "client_id": "aftercare",
        "scope": "openid profile",
        "code_challenge_method": "S256",
    }
    assert asked["redirect_uri"] == "http://127.0.0.1:8000/console/provider/back"
    assert len({asked["state"], asked["nonce"], asked["code_challenge"]}) == 3


def test_a_subject_that_the_staff_document_names_is_that_member(stack, provider):
    staff = json.loads(shipped("staff"))
    staff["members"][0]["subject"] = "sub-1"
    stack.wiring.documents.put("staff", json.dumps(staff).encode(), stack.clock.now, by="test", activate=True)
    browser = Browser(stack)
    _sign_in(browser, provider)
    assert _me(browser) == {"id": "ana", "name": "Ana Duarte", "role": "lead"}
    staff["members"][0]["access"] = "none"
    stack.wiring.documents.put("staff", json.dumps(staff).encode(), stack.clock.now, by="test", activate=True)
    assert _me(browser) is None, "and is out when the document says so"


def test_an_address_in_the_token_opens_nothing(stack, provider):
    provider.claims = {"email": "ines.okafor@staff.example.com", "email_verified": True, "groups": []}
    browser = Browser(stack)
    assert (_sign_in(browser, provider).status, _me(browser)) == (403, None)


@pytest.mark.parametrize(
    ("groups", "role"),
    [
        (["cx-agents", "cx-admins", "cx-leads"], "admin"),
        ("cx-agents", "agent"),
        (["nobody"], None),
        ([], None),
        (None, None),
        ([["cx-admins"]], None),
        ({"cx-admins": True}, None),
    ],
)
def test_the_role_is_that_of_the_groups_and_nothing_else(stack, provider, groups, role):
    provider.claims = {"groups": groups}
    browser = Browser(stack)
    _sign_in(browser, provider)
    me = _me(browser)
    assert (me and me["role"]) == role


def test_es256_is_taken_too(stack, provider):
    provider.sign = oidc.by_an_elliptic_curve
    browser = Browser(stack)
    assert _sign_in(browser, provider).status == 303


# -- attacks ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://evil.example"},
        {"iss": None},
        {"aud": "another"},
        {"aud": ["another", "third"]},
        {"aud": ["aftercare", "another"]},
        {"aud": ["aftercare", "another"], "azp": "another"},
        {"azp": "another"},
        {"aud": None},
        {"nonce": "another"},
        {"nonce": None},
        {"sub": ""},
        {"sub": None},
        {"sub": 7},
        {"exp": 1},
        {"exp": None},
        {"exp": "never"},
        {"iat": 4_000_000_000},
        {"nbf": 4_000_000_000},
    ],
    ids=str,
)
def test_a_token_whose_claims_are_not_right_lets_nobody_in(stack, provider, claims):
    provider.claims = claims
    browser = Browser(stack)
    assert (_sign_in(browser, provider).status, _me(browser)) == (403, None)


@pytest.mark.parametrize(
    "sign",
    [
        oidc.unsigned,
        oidc.keyed_with_the_public_key,
        oidc.by_a_stranger,
        oidc.by_another_algorithm,
        oidc.with_its_own_key,
        lambda claims: "",
        lambda claims: "a.b.c",
        lambda claims: oidc.by_an_elliptic_curve(claims)[:-2],
    ],
    ids=["alg none", "HS256", "a stranger", "PS256", "its own key", "nothing", "rubbish", "cut short"],
)
def test_a_token_that_the_providers_keys_did_not_sign_lets_nobody_in(stack, provider, sign):
    provider.sign = sign
    browser = Browser(stack)
    assert (_sign_in(browser, provider).status, _me(browser)) == (403, None)


def test_an_answer_counts_once(stack, provider):
    browser = Browser(stack)
    answer = provider.authorise(_leave(browser))
    flow = dict(browser.cookies)
    assert _come_back(browser, answer).status == 303
    thief = Browser(stack)
    thief.cookies = {"__Host-aftercare-flow": flow["__Host-aftercare-flow"]}
    provider.codes[answer["code"]] = provider.codes.get(answer["code"]) or _asked(provider, browser, flow)
    assert (_come_back(thief, answer).status, _me(thief)) == (403, None)


def _asked(provider, browser, flow):
    """The same request once more, as a provider would know it that gives a code twice."""
    again = Browser(browser.stack)
    again.cookies = dict(flow)
    sealed = browser.stack.wiring.links.unseal("provider", flow["__Host-aftercare-flow"])
    known = json.loads(sealed)
    challenge = urlsafe_b64encode(sha256(known["verifier"].encode()).digest()).decode().rstrip("=")
    redirect = "http://127.0.0.1:8000/console/provider/back"
    return {"nonce": known["nonce"], "code_challenge": challenge, "redirect_uri": redirect, "state": known["state"]}


@pytest.mark.parametrize(
    "change",
    [
        {"state": "another"},
        {"state": ""},
        {"iss": "https://evil.example"},
        {"code": ""},
        {"code": "", "error": "access_denied"},
    ],
    ids=str,
)
def test_an_answer_that_is_not_to_our_question_lets_nobody_in(stack, provider, change):
    browser = Browser(stack)
    answer = provider.authorise(_leave(browser)) | change
    assert (_come_back(browser, answer).status, _me(browser)) == (403, None)


def test_an_answer_in_another_browser_lets_nobody_in(stack, provider):
    answer = provider.authorise(_leave(Browser(stack)))
    attacked, other = Browser(stack), Browser(stack)
    _leave(other)
    assert [_come_back(each, answer).status for each in (attacked, other)] == [403, 403]


def test_an_answer_that_comes_too_late_lets_nobody_in(stack, provider):
    browser = Browser(stack)
    answer = provider.authorise(_leave(browser))
    stack.clock.move(stack.clock.now + timedelta(minutes=10))
    assert _come_back(browser, answer).status == 403


def test_a_provider_that_calls_itself_something_else_is_not_asked(stack, provider):
    provider.discovery = {"issuer": "https://evil.example"}
    assert Browser(stack).get("/console/provider").status == 403


@pytest.mark.parametrize("name", ["authorization_endpoint", "token_endpoint", "jwks_uri"])
def test_nothing_is_asked_over_an_open_wire(stack, provider, name):
    provider.discovery = {name: "http://idp.example/x"}
    assert Browser(stack).get("/console/provider").status == 403
    with pytest.raises(ValueError, match="is not https"):
        Provider(Config("http://idp.example", "a", "b", {"x": "lead"}), lambda *_: (200, b""), stack.clock)


# -- every day -------------------------------------------------------------------------------------------------


def test_without_a_provider_there_is_no_button_and_nothing_to_leave_for(stack):
    browser = Browser(stack)
    assert "company account" not in browser.get("/console/sign-in").body.decode()
    assert browser.get("/console/provider").status == 404


def test_a_provider_that_cannot_be_used_leaves_the_mail(stack, provider):
    configure(stack, provider, roles={"x": "king"})
    reply = Browser(stack).get("/console/sign-in")
    assert (reply.status, "Mail me a link" in reply.body.decode()) == (200, True)


def test_a_provider_that_cannot_be_reached_is_said_to_be_so(stack, provider):
    configure(stack, provider, issuer="http://127.0.0.1:9")
    assert Browser(stack).get("/console/provider").status == 503


def test_what_the_provider_says_of_itself_is_kept_for_an_hour(stack, provider):
    for _ in range(3):
        assert _sign_in(Browser(stack), provider).status == 303
    assert provider.asked == ["/.well-known/openid-configuration", "/keys"]
    stack.clock.move(stack.clock.now + timedelta(hours=1))
    assert _sign_in(Browser(stack), provider).status == 303
    assert provider.asked == ["/.well-known/openid-configuration", "/keys"] * 2


def test_a_new_key_of_the_provider_is_found_and_a_made_up_one_is_not_looked_for_each_time(stack, provider):
    assert _sign_in(Browser(stack), provider).status == 303
    new = oidc.RSAKey.generate_key(2048, {"kid": "new"})
    provider.sign = lambda claims: oidc.jwt.encode({"alg": "RS256", "kid": "new"}, claims, new)
    provider.keys = [new]
    assert _sign_in(Browser(stack), provider).status == 403, "just looked"
    stack.clock.move(stack.clock.now + timedelta(minutes=2))
    assert _sign_in(Browser(stack), provider).status == 303
    asked = len(provider.asked)
    provider.sign = lambda claims: oidc.jwt.encode({"alg": "RS256", "kid": "made up"}, claims, oidc.STRANGER)
    assert [_sign_in(Browser(stack), provider).status for _ in range(3)] == [403] * 3
    assert len(provider.asked) == asked


def test_no_claim_and_no_secret_is_stored_or_logged(stack, provider, capfd):
    browser = Browser(stack)
    _sign_in(browser, provider)
    stored = json.dumps(stack.rows(), default=lambda raw: bytes(raw).decode("latin-1"))
    told = "".join(capfd.readouterr())
    for secret in (oidc.SECRET, "sub-1", "cx-leads"):
        assert secret not in stored
        assert secret not in told
