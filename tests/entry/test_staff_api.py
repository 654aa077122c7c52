"""The staff API through app.py: keys, problems, idempotency, pages of lists, the audit, its own description."""

import csv
import io
import json
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openapi_spec_validator import OpenAPIV31SpecValidator

from chalicelib.entry import csv_out
from chalicelib.entry.api import door, operations
from chalicelib.entry.api.problems import problem_of
from chalicelib.entry.routes import ROUTES
from chalicelib.store.access import Session
from chalicelib.store.audit import Entry, audit_id
from chalicelib.store.errors import Conflict
from tests.entry.staff import ADDRESS, Browser

ROOT = Path(__file__).parents[2]


class Program:
    """Another system, with an API key."""

    def __init__(self, stack, secret):
        self.stack, self.secret = stack, secret

    def call(self, method, path, body=None, **headers):
        sent = {
            "authorization": f"Bearer {self.secret}",
            "content-type": "application/json",
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        raw = body if isinstance(body, bytes) else json.dumps(body).encode() if body is not None else b""
        return self.stack.request(method, path, sent, raw)


@pytest.fixture
def program(stack):
    """A program whose key has the role admin."""
    browser = Browser(stack)
    stack.wiring.access.begin("token", Session("ines", stack.clock.now, 0))
    browser.cookies["__Host-aftercare"] = "token"
    browser.get("/console/keys")
    headers = {"content-type": "application/json", "origin": "http://localhost", "x-form-token": browser.form_token}
    made = browser.send("POST", "/v1/keys", b'{"name": "the shop", "role": "admin"}', **headers)
    assert made.status == 201, made.body
    return Program(stack, made.json()["secret"])


def _told(reply):
    return reply.status, reply.headers["Content-Type"], reply.json()


def _entries(program, query=""):
    return program.call("GET", f"/v1/audit{query}").json()["entries"]


# -- keys ------------------------------------------------------------------------------------------------------


def test_a_key_calls_with_its_role_until_it_is_revoked(stack, program):
    agent = Program(stack, program.call("POST", "/v1/keys", {"name": "desk", "role": "agent"}).json()["secret"])
    key_id = agent.secret.split(".")[1]
    assert agent.call("GET", "/v1/me").json() == {"id": f"key/{key_id}", "name": "desk", "role": "agent"}
    assert agent.call("GET", "/v1/keys").status == 403
    assert program.call("POST", f"/v1/keys/{key_id}/revoke").json()["revoked_at"] == "2026-03-02T09:00:00Z"
    reply = agent.call("GET", "/v1/me")
    assert (reply.status, reply.headers["WWW-Authenticate"]) == (401, "Bearer")


def test_a_secret_is_shown_once_and_stored_nowhere(stack, program):
    made = program.call("POST", "/v1/keys", {"name": "desk", "role": "agent"}, idempotency_key="k").json()
    again = program.call("POST", "/v1/keys", {"name": "desk", "role": "agent"}, idempotency_key="k")
    assert (again.status, "kept nowhere" in again.json()["detail"]) == (409, True)
    secret = made["secret"].split(".")[2]
    assert secret not in json.dumps(stack.rows(), default=lambda raw: bytes(raw).decode("latin-1"))
    listed = program.call("GET", "/v1/keys").json()["keys"]
    assert made["key"] in listed
    assert "secret" not in json.dumps(listed)


def test_the_day_of_a_keys_last_use_is_noted_once_a_day(stack, program):
    def used():
        return program.call("GET", "/v1/keys").json()["keys"][0]["used_on"]

    assert used() == "2026-03-02"
    before = stack.account.calls["dynamodb.TransactWriteItems"]
    assert used() == "2026-03-02"
    assert stack.account.calls["dynamodb.TransactWriteItems"] == before
    stack.clock.move(stack.clock.now + timedelta(days=1))
    assert used() == "2026-03-03"


def test_a_key_of_nobody_is_not_found(program):
    assert _told(program.call("POST", "/v1/keys/0123456789abcdef/revoke")) == (
        404,
        "application/problem+json",
        {"type": "about:blank", "status": 404, "title": "Not found", "detail": "There is no key 0123456789abcdef."},
    )


# -- what is wrong is named --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "body", "field"),
    [
        ("GET", "/v1/audit?limit=0", None, "limit"),
        ("GET", "/v1/audit?limit=x", None, "limit"),
        ("GET", "/v1/audit?day=yesterday", None, "day"),
        ("GET", "/v1/audit?colour=red", None, "colour"),
        ("GET", "/v1/audit?cursor=k1.x.y", None, "cursor"),
        ("POST", "/v1/keys", {"name": "x"}, "role"),
        ("POST", "/v1/keys", {"name": "x", "role": "king"}, "role"),
        ("POST", "/v1/keys", {"name": "", "role": "agent"}, "name"),
        ("POST", "/v1/keys", {"name": "x", "role": "agent", "more": 1}, "more"),
        ("POST", "/v1/keys", {"name": 5, "role": "agent"}, "name"),
        ("POST", "/v1/keys/x/revoke", {}, "key_id"),
        ("POST", "/v1/keys/0123456789abcdef/revoke", {"key_id": "x"}, "key_id"),
    ],
)
def test_a_problem_names_the_field(program, method, path, body, field):
    reply = program.call(method, path, body)
    assert (reply.status, reply.headers["Content-Type"]) == (422, "application/problem+json")
    assert reply.json()["field"] == field


@pytest.mark.parametrize("body", [b"{", b"[]", b"null", b"\xff", b'{"name": "x", "name": "y"}', b"[" * 5000, b"NaN"])
def test_what_is_no_json_object_is_refused(program, body):
    assert program.call("POST", "/v1/keys", body).status == 422


@settings(max_examples=150)
@given(body=st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists) | st.binary())
def test_no_body_makes_a_fault(body):
    taken = operations.find("keys.create")
    raw = body if isinstance(body, bytes) else json.dumps({"name": body, "role": body}).encode()
    request = type("Request", (), {"raw_body": raw, "query_params": None})()
    try:
        door.taken(taken, request, {})
    except Exception as error:
        if problem_of(error) is None:
            raise


def test_while_nothing_can_be_stored_the_problem_says_so(stack, program):
    stack.off.add("dynamodb")
    reply = program.call("GET", "/v1/me")
    assert (reply.status, reply.json()["title"]) == (503, "Unavailable")


# -- the same call again -----------------------------------------------------------------------------------------


def _revoke(program, **headers):
    return program.call("POST", f"/v1/keys/{program.secret.split('.')[1]}/revoke", None, **headers)


@pytest.fixture
def other(stack, program):
    """A second key, to revoke by the first."""
    return program.call("POST", "/v1/keys", {"name": "other", "role": "viewer"}).json()["key"]["id"]


def test_the_same_call_with_the_same_key_gets_the_same_reply_and_is_done_once(stack, program, other):
    first = program.call("POST", f"/v1/keys/{other}/revoke", {}, idempotency_key="once")
    stack.clock.move(stack.clock.now + timedelta(minutes=5))
    rows = [row for row in stack.rows() if row["pk"]["S"].startswith(("KEYS", "AUDIT"))]
    second = program.call("POST", f"/v1/keys/{other}/revoke", {}, idempotency_key="once")
    assert (first.status, first.body) == (second.status, second.body) == (200, first.body)
    assert [row for row in stack.rows() if row["pk"]["S"].startswith(("KEYS", "AUDIT"))] == rows


def test_another_call_with_the_same_key_is_refused(program, other):
    program.call("POST", f"/v1/keys/{other}/revoke", {}, idempotency_key="once")
    reply = program.call("POST", "/v1/keys", {"name": "x", "role": "agent"}, idempotency_key="once")
    assert (reply.status, reply.json()["field"]) == (422, "Idempotency-Key")


def test_two_calls_at_once_with_one_key_do_not_both_run(stack, program, other):
    caller = f"key/{program.secret.split('.')[1]}"
    route = next(route for route in ROUTES if route.handler == "keys.revoke" and route.kind == "operation")
    request = type("Request", (), {"raw_body": b"{}"})()
    asked = door._request(operations.find(route.handler), request, {"key_id": other})  # noqa: SLF001 - as the door has it
    stack.wiring.access.begin_call(f"{caller}|once", asked, stack.clock.now)
    reply = program.call("POST", f"/v1/keys/{other}/revoke", {}, idempotency_key="once")
    assert (reply.status, "under way" in reply.json()["detail"]) == (409, True)
    with pytest.raises(Conflict):
        stack.wiring.access.begin_call(f"{caller}|once", asked, stack.clock.now)
    stack.clock.move(stack.clock.now + timedelta(minutes=3))
    assert program.call("POST", f"/v1/keys/{other}/revoke", {}, idempotency_key="once").status == 200, "it had died"


def test_a_call_that_came_to_nothing_may_be_made_again(program):
    gone = program.call("POST", "/v1/keys/0123456789abcdef/revoke", {}, idempotency_key="once")
    again = program.call("POST", "/v1/keys/0123456789abcdef/revoke", {}, idempotency_key="once")
    assert (gone.status, again.status) == (404, 404)


def test_after_a_day_a_key_is_new(stack, program, other):
    first = program.call("POST", f"/v1/keys/{other}/revoke", {}, idempotency_key="once")
    stack.clock.move(stack.clock.now + timedelta(hours=25))
    assert first.status == 200
    assert program.call("POST", "/v1/keys", {"name": "x", "role": "agent"}, idempotency_key="once").status == 201


def test_the_keys_of_two_callers_are_not_the_same(stack, program, other):
    second = Program(stack, program.call("POST", "/v1/keys", {"name": "second", "role": "admin"}).json()["secret"])
    program.call("POST", f"/v1/keys/{other}/revoke", {}, idempotency_key="once")
    assert second.call("POST", "/v1/keys", {"name": "x", "role": "agent"}, idempotency_key="once").status == 201


# -- pages of lists ----------------------------------------------------------------------------------------------


def _fill(stack, number):
    for index in range(number):
        entry = Entry(audit_id(), stack.clock.now, "ana", "agent", "saw", "journeys.show", f"journey/{index % 3}")
        stack.wiring.audit.add(entry)
        stack.clock.move(stack.clock.now + timedelta(seconds=1))


@pytest.mark.parametrize(("query", "expected"), [("", 51), ("&about=journey/1", 17)])
def test_the_pages_of_a_list_are_the_list(stack, program, query, expected):
    _fill(stack, 51)
    found, cursor = [], ""
    for _ in range(40):
        page = program.call("GET", f"/v1/audit?limit=7{query}{f'&cursor={cursor}' if cursor else ''}").json()
        assert len(page["entries"]) <= 7
        found += [entry for entry in page["entries"] if entry["operation"] == "journeys.show"]
        cursor = page["next"]
        if not cursor:
            break
    assert len({entry["id"] for entry in found}) == len(found) == expected
    assert [entry["at"] for entry in found] == sorted((entry["at"] for entry in found), reverse=True)


def test_where_a_page_begins_is_of_use_for_its_own_list_only(stack, program):
    _fill(stack, 10)
    cursor = program.call("GET", "/v1/audit?limit=2").json()["next"]
    assert program.call("GET", f"/v1/audit?limit=2&cursor={cursor}").status == 200
    for elsewhere in (f"/v1/audit?about=journey/1&cursor={cursor}", f"/v1/keys?cursor={cursor}"):
        assert program.call("GET", elsewhere).json()["field"] == "cursor"


def test_the_first_day_and_the_last_have_a_page(stack):
    admin = Browser(stack).sign_in(ADDRESS["admin"])
    for day, before in (("0001-01-01", False), ("9999-12-31", True)):
        page = admin.get(f"/console/audit?day={day}")
        assert (page.status, b"The day before" in page.body) == (200, before)


# -- the audit ---------------------------------------------------------------------------------------------------


def test_a_change_is_written_down_before_it_is_made_and_a_refusal_says_so(program, other):
    program.call("POST", f"/v1/keys/{other}/revoke")
    program.call("POST", "/v1/keys/0123456789abcdef/revoke")
    entries = [
        (entry["verb"], entry["operation"], entry["about"], entry.get("came_to", "")) for entry in _entries(program)
    ]
    assert entries[:3] == [
        ("changed", "keys.revoke", "key/0123456789abcdef", "NotFound"),
        ("changed", "keys.revoke", "key/0123456789abcdef", ""),
        ("changed", "keys.revoke", f"key/{other}", ""),
    ]


def test_what_cannot_be_written_down_is_not_done(stack, program, other, monkeypatch):
    monkeypatch.setattr(type(stack.wiring.audit), "add", lambda *_: (_ for _ in ()).throw(Conflict))
    assert program.call("POST", f"/v1/keys/{other}/revoke").status == 409
    assert stack.wiring.access.key(other).revoked_at is None


def test_an_entry_cannot_be_written_over(stack):
    entry = Entry("1", stack.clock.now, "ana", "agent", "saw", "journeys.show", "journey/1")
    stack.wiring.audit.add(entry)
    with pytest.raises(Exception, match="ConditionalCheckFailed"):
        stack.wiring.audit.add(msgspec.structs.replace(entry, by="mei"))


def test_the_export_is_a_table_that_no_spreadsheet_executes(stack, program):
    stack.wiring.audit.add(Entry("1", stack.clock.now, "=cmd|'/c calc'!A0", "lead", "saw", "@x", "+1"))
    reply = program.call("GET", "/v1/audit/export")
    rows = list(csv.reader(io.StringIO(reply.body.decode())))
    assert rows[0] == ["at", "by", "role", "verb", "operation", "about", "came_to", "amount", "id"]
    assert ["'=cmd|'/c calc'!A0", "'@x", "'+1"] in [[row[1], row[4], row[5]] for row in rows]
    lines = program.call("GET", "/v1/audit/export?format=jsonl").body.decode().splitlines()
    assert [json.loads(line)["verb"] for line in lines].count("exported") == 1, "the first export is in the second"


@given(value=st.text())
def test_no_cell_begins_a_formula(value):
    assert not csv_out.cell(value).lstrip(" ").startswith(("=", "+", "-", "@", "\t", "\r", "\n"))


# -- the description ---------------------------------------------------------------------------------------------


@pytest.fixture
def described(stack):
    return json.loads(stack.request("GET", "/openapi.json").body)


def test_the_description_is_openapi(described):
    assert list(OpenAPIV31SpecValidator(described).iter_errors()) == []


def test_the_description_has_every_operation_and_every_signed_message(described):
    shown = {(method.upper(), path) for path, methods in described["paths"].items() for method in methods}
    assert shown == {(one.method, one.path) for one in ROUTES if one.kind == "operation" or one.who == "signed"}


def test_the_description_tells_roles_fields_and_problems(described):
    create = described["paths"]["/v1/keys"]["post"]
    schema = create["requestBody"]["content"]["application/json"]["schema"]
    assert (sorted(schema["properties"]), schema["required"]) == (["name", "role"], ["name", "role"])
    assert "Takes the role admin or more." in create["description"]
    assert {"201", "401", "403", "409", "413", "422"} <= set(create["responses"])
    revoke = described["paths"]["/v1/keys/{key_id}/revoke"]["post"]
    assert [one["name"] for one in revoke["parameters"]] == ["key_id", "Idempotency-Key"]


def test_a_customers_page_loads_nothing_of_the_console():
    """Cold start: what staff use must not cost the customer anything."""
    program = """
import sys
from datetime import UTC, datetime
from local.stack import Stack
stack = Stack(datetime(2026, 3, 2, 9, tzinfo=UTC))
assert stack.request("GET", "/a/x").status == 404
print([name for name in sys.modules if name.startswith(("chalicelib.entry.console", "chalicelib.entry.api"))
       or name in ("chalicelib.entry.guard", "chalicelib.store.access", "joserfc", "cryptography")])
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_the_console_and_the_api_give_the_same(stack):
    browser = Browser(stack).sign_in(ADDRESS["lead"])
    page = browser.get("/console/audit").body.decode()
    for entry in browser.get("/v1/audit").json()["entries"]:
        assert entry["about"] in page
