"""A hundred thousand malformed requests: none is taken, none raises, nothing is stored.

Of two kinds. A good message, signed, that was then changed in its body, its headers or its time: nobody signed that.
And a message that a key holder signed although it is malformed: each mutation here breaks it for certain.
"""

import json
import random
from collections import Counter
from datetime import timedelta
from types import SimpleNamespace

import pytest

from chalicelib.entry import webhooks
from chalicelib.entry.webhooks import key_of
from local.stack import WEBHOOK_SECRET
from tests.entry.conftest import ADA, START, Deployment

KEY = key_of(WEBHOOK_SECRET)
FOREIGN = b"f" * 32
_AT = START.isoformat()
GOOD = {
    "case": [
        {"type": "case.resolved", "data": {"source": "desk", "case_id": "9", "resolved_at": _AT, "customer": ADA}},
        {"type": "case.reopened", "data": {"source": "desk", "case_id": "1", "reopened_at": _AT}},
        {"type": "case.withdrawn", "data": {"source": "desk", "case_id": "1", "withdrawn_at": _AT, "reason": "spam"}},
    ],
    "purchase": [{"type": "purchase.made", "data": {"purchased_at": _AT, "customer": ADA, "amount": "9.50"}}],
    "failure": [
        {
            "type": "failure.logged",
            "data": {"source": "x", "remark_id": "r", "occurred_at": _AT, "words": "Oh", "customer": ADA},
        }
    ],
    "act": [{"type": "staff.acted", "data": {"act": "take", "acted_at": _AT, "source": "desk", "case_id": "1"}}],
}
_WRONG = (None, True, False, 0, -1, 1.5, 10**40, [], {}, [[]], {"a": {}}, "x" * 9_000, ["x"] * 50)


# -- bodies that are malformed for certain ---------------------------------------------------------------------


def _truncated(message, dice):
    raw = json.dumps(message).encode()
    return raw[: dice.randrange(len(raw))]


def _followed(message, dice):
    return json.dumps(message).encode() + dice.choice([b"}", b"null", b"{}", b"\x00", b"\xff", b",", b"//"])


def _wrong_type(message, dice):
    """A field of the wrong type, the wrong length, or unknown characters; none of `_WRONG` is right anywhere."""
    changed = json.loads(json.dumps(message))
    holder = dice.choice([changed, changed["data"], changed["data"].get("customer", changed["data"])])
    holder[dice.choice(list(holder))] = dice.choice(_WRONG)
    return json.dumps(changed).encode()


def _missing(message, dice):
    changed = json.loads(json.dumps(message))
    needed = {"act", "source", "case_id", "remark_id", "resolved_at", "reopened_at", "withdrawn_at", "acted_at"}
    needed |= {"purchased_at", "occurred_at", "customer", "words", "reason"}
    del changed["data"][dice.choice(sorted(needed & changed["data"].keys()))]
    return json.dumps(changed).encode()


def _unknown(message, dice):
    name = "".join(dice.choices("abcxyz_é\u202e", k=dice.randrange(1, 12))) + "?"
    return json.dumps(message | {"data": {**message["data"], name: 1}}).encode()


def _bad_time(message, dice):
    changed = json.loads(json.dumps(message))
    field = next(name for name in changed["data"] if name.endswith("_at"))
    times = ("", "now", "2026-03-01", "2026-03-01T10:00:00", "2026-13-01T10:00:00Z", "0001-01-01T00:00:00+14:00")
    times += ("9999-12-31T23:59:59-14:00", "9999-12-31T23:59:59Z", "10000-01-01T00:00:00Z", "2026-03-01T25:00:00Z")
    times += ("2026-03-01T10:00:00+99:99", "٢٠٢٦-03-01T10:00:00Z", "2026-03-01T10:00:00Z ", "1e400")
    changed["data"][field] = dice.choice(times)
    return json.dumps(changed).encode()


def _literal(message, dice):
    """Something that is no JSON, or no text, in the place of a value."""
    literals = (b"NaN", b"Infinity", b"-Infinity", b"01", b"+1", b".5", b"1.", b"0x1F", b"'x'", b"undefined", b"True")
    literals += (
        b'"\\ud800"',
        b'"\\udfff\\ud800"',
        b'"\\u12"',
        b'"\\x"',
        b'"\xff"',
        b'"\xc3"',
        b'"\xed\xa0\x80"',
        b'"\n"',
    )
    literals += (b"9" * 5_000, b"-" + b"9" * 400, b"1e999", b"-1e999", b"1e-99999999999999999999x")
    return _with_literal(message, dice.choice(literals), dice)


def _deep(message, dice):
    depth = dice.choice([200, 1_000, 10_000])
    opened, closed = dice.choice([(b"[", b"]"), (b'{"a":', b"}")])
    return _with_literal(message, opened * depth + b"1" + closed * depth, dice)


def _with_literal(message, literal, dice):
    changed = json.loads(json.dumps(message))
    changed["data"][dice.choice(list(changed["data"]))] = "@@"
    return json.dumps(changed).encode().replace(b'"@@"', literal)


def _twice(message, dice):
    raw = json.dumps(message).encode()
    name = dice.choice(["type", "data", *message["data"]]).encode()
    return raw.replace(b'"%s":' % name, b'"%s": "x", "%s":' % (name, name), 1)


def _other_type(message, dice):
    return json.dumps(
        message | {"type": dice.choice(["", "case", "case.deleted", "Case.resolved", "__class__"])}
    ).encode()


def _other_encoding(message, dice):
    text = json.dumps(message)
    return text.encode(dice.choice(["utf-16", "utf-32", "utf-16-be", "utf-8-sig", "cp500"]))


def _noise(message, dice):
    del message
    return dice.randbytes(dice.randrange(200)) + b"\xff"


def _large(message, dice):
    return json.dumps(message | {"pad": "x" * (256 * 1024 + dice.randrange(9))}).encode()


_BODIES = (
    *(_truncated, _followed, _wrong_type, _missing, _unknown, _bad_time, _literal, _twice, _other_type),
    *(_other_encoding, _noise, _deep),
)


# -- requests that nobody signed -------------------------------------------------------------------------------


def _flipped_body(headers, body, dice):
    at = dice.randrange(len(body))
    return headers, body[:at] + bytes([body[at] ^ 1 << dice.randrange(8)]) + body[at + 1 :]


def _header_lost(headers, body, dice):
    lost = dice.choice(list(headers))
    return {name: value for name, value in headers.items() if name != lost}, body


def _header_garbage(headers, body, dice):
    garbage = ("", " ", ",", "v1", "v1,", "nan", "-1", "1e9", "9" * 40, "é", "\ud800", "\x00", "\r\nX: y", "v1," * 500)
    garbage += ("".join(chr(dice.randrange(1, 0x3000)) for _ in range(dice.randrange(1, 60))),)
    return {**headers, dice.choice(list(headers)): dice.choice(garbage)}, body


def _other_algorithm(headers, body, dice):
    given = headers["webhook-signature"].removeprefix("v1,")
    version = dice.choice(["v1a", "v2", "V1", "v0", "sha256", "none", "", "v1 "])
    return {**headers, "webhook-signature": f"{version},{given}"}, body


def _flipped_signature(headers, body, dice):
    given = headers["webhook-signature"]
    at = dice.randrange(len(given))
    changed = given[:at] + chr(ord(given[at]) ^ 1 << dice.randrange(7)) + given[at + 1 :]
    return {**headers, "webhook-signature": changed}, body


def _other_time(headers, body, dice):
    """Another time than was signed."""
    seconds = dice.choice([-1, 1, 60, -299])
    return {**headers, "webhook-timestamp": str(int(headers["webhook-timestamp"]) + seconds)}, body


def _skewed(headers, body, dice):
    """Signed, but not now."""
    del headers
    seconds = dice.choice([-1, 1]) * dice.choice([301, 360, 660, 90_000, 31 * 86_400])
    return webhooks.sign(KEY, "msg_1", START + timedelta(seconds=seconds), body), body


def _foreign(headers, body, dice):
    del headers, dice
    return webhooks.sign(FOREIGN, "msg_1", START, body), body


def _given_twice(headers, body, dice):
    name = dice.choice(list(headers))
    return {**headers, name: f"{headers[name]},{headers[name]}"}, body


_TAMPERINGS = (
    *(_flipped_body, _header_lost, _header_garbage, _other_algorithm, _flipped_signature, _other_time, _skewed),
    *(_foreign, _given_twice),
)


# -- trying them -----------------------------------------------------------------------------------------------


def _attempt(dice):
    """Return an attempt: what it is called, the entry point, the request, and the status that it must get."""
    route = dice.choice(list(GOOD))
    message = dice.choice(GOOD[route])
    if dice.random() < 0.5:
        change = dice.choice(_BODIES)
        body = change(message, dice)
        return change, route, webhooks.sign(KEY, f"msg_{dice.random()}", START, body), body, 422
    change = dice.choice(_TAMPERINGS)
    body = json.dumps(message).encode()
    headers, body = change(webhooks.sign(KEY, "msg_1", START, body), body, dice)
    return change, route, headers, body, 401


def _tried(count, seed):
    """Return how many of each mutation were not refused as they must be, and whether the table is as it was."""
    stack, dice = Deployment(), random.Random(seed)
    stack.resolved("1")
    before, wrong = stack.rows(), Counter()
    for _ in range(count):
        change, route, headers, body, status = _attempt(dice)
        request = SimpleNamespace(headers=headers, raw_body=body, query_params=None)
        try:
            answer = getattr(stack.wiring.signed, route)(request)
        except Exception as error:  # noqa: BLE001 - the figure is how many there are
            wrong[change.__name__, route, repr(error)[:200]] += 1
            continue
        if answer.status_code != status:
            wrong[change.__name__, route, answer.status_code, bytes(body[:300])] += 1
    return wrong, stack.rows() == before


def test_malformed_requests_are_refused_and_store_nothing():
    assert _tried(5_000, seed=1) == (Counter(), True)


@pytest.mark.slow
def test_a_hundred_thousand_malformed_requests_are_refused_and_store_nothing():
    assert _tried(100_000, seed=2) == (Counter(), True)


def _signed(body):
    return SimpleNamespace(headers=webhooks.sign(KEY, "msg_1", START, body), raw_body=body, query_params=None)


def test_each_good_message_would_have_been_taken():
    """Else the refusals above would show nothing."""
    stack = Deployment()
    stack.resolved("1")
    for route, messages in GOOD.items():
        for message in messages:
            body = json.dumps(message).encode()
            request = SimpleNamespace(
                headers=webhooks.sign(KEY, "msg_1", START, body), raw_body=body, query_params=None
            )
            status = getattr(stack.wiring.signed, route)(request).status_code
            assert (route, status) == (route, 409 if route == "act" else 200)


def test_a_message_too_large_is_refused():
    stack, dice = Deployment(), random.Random(3)
    body = _large(GOOD["case"][0], dice)
    assert stack.wiring.signed.case(_signed(body)).status_code == 422


# -- documents -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["cadence", "playbook", "settings", "staff"])
@pytest.mark.parametrize(
    "body",
    [
        *(
            b"",
            b"null",
            b"[]",
            b"{}",
            b'{"form": 2}',
            b"\xff",
            b"NaN",
            b"[" * 10_000,
            b'{"name": "' + b"x" * 300_000 + b'"}',
        ),
        *(b'{"form": 1, "form": 1}', b'{"form": 1, "name": "\\ud800"}'),
    ],
    ids=lambda body: repr(body[:30]),
)
def test_a_malformed_document_is_refused_and_not_stored(kind, body):
    stack = Deployment()
    before = stack.rows()
    reply = stack.signed("PUT", f"/documents/{kind}", body)
    assert (reply.status, reply.headers["Content-Type"]) == (422, "application/problem+json")
    assert stack.rows() == before


@pytest.mark.parametrize(
    "number", ["1", "-1", "x", "1.0", "9" * 8, "9" * 5_000, "٣"], ids=lambda number: ascii(number[:9])
)
def test_a_version_that_is_not_there_cannot_be_activated(number):
    stack = Deployment()
    before = stack.rows()
    request = _signed(b"")
    assert stack.wiring.signed.activate_document(request, "cadence", number).status_code == 404
    assert stack.wiring.signed.activate_document(request, "novel", "0").status_code == 404
    assert stack.rows() == before


@pytest.mark.parametrize(
    ("body", "encoded"), [("\ud800", False), ("not base64 at all!", True), ("AAA", True), ("é", True)], ids=ascii
)
def test_a_body_that_is_not_what_its_gateway_says_is_refused(body, encoded):
    event = {
        "resource": "/cases",
        "path": "/cases",
        "httpMethod": "POST",
        "headers": webhooks.sign(KEY, "msg_1", START, b""),
        "multiValueQueryStringParameters": None,
        "pathParameters": None,
        "stageVariables": None,
        "requestContext": {"httpMethod": "POST", "resourcePath": "/cases"},
        "body": body,
        "isBase64Encoded": encoded,
    }
    assert Deployment().app.app(event, None)["statusCode"] == 401
