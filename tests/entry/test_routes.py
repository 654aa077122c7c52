"""Who may call what: every route, as every role, with and without a session, from here and from elsewhere."""

import importlib
import inspect
import json
import re
from itertools import count, product

import pytest

from chalicelib import wiring
from chalicelib.entry import routes
from chalicelib.entry.api import operations
from chalicelib.entry.guard import form_token
from chalicelib.entry.routes import ROLES, ROUTES
from chalicelib.store.access import Session
from chalicelib.store.documents import shipped
from tests.entry.conftest import Deployment
from tests.entry.staff import Browser

STAFF = [route for route in ROUTES if route.who in ROLES]
CHANGING = [route for route in STAFF if route.method != "GET"]
#: API Gateway takes so many resources in one API.
MOST_RESOURCES = 300


def _id(one):
    return one if isinstance(one, str) else f"{one.method} {one.path}"


def _path(route):
    return re.sub(r"\{\w+\}", "0123456789abcdef", route.path)


@pytest.fixture(scope="module")
def chalice_app():
    return importlib.import_module("app").app


@pytest.fixture(scope="module")
def deployment():
    """A deployment in which somebody has each role."""
    stack = Deployment()
    staff = json.loads(shipped("staff"))
    person = staff["members"][0]
    staff["members"] += [
        {**person, "id": role, "email": f"{role}@staff.example.com", "access": role} for role in (*ROLES, "none")
    ]
    stack.wiring.documents.put("staff", json.dumps(staff).encode(), stack.clock.now, by="test", activate=True)
    return stack


@pytest.fixture
def staffed(deployment):
    wiring.install(deployment.wiring)
    return deployment


_tokens = count()


def _browser(stack, role):
    """A browser in which somebody of that role has signed in just now."""
    browser, token = Browser(stack), f"token-{next(_tokens)}"
    stack.wiring.access.begin(token, Session(role, stack.clock.now, stack.wiring.access.epoch(role)))
    browser.cookies["__Host-aftercare"] = token
    browser.form_token = form_token(token)
    return browser


def _ask(browser, route, token=None, **headers):
    """Make one request of a route, as its own page or a program would."""
    shown = browser.form_token if token is None else token
    sent = {"origin": "http://localhost", **headers}
    if route.kind == "operation":
        return browser.send(
            route.method, _path(route), b"{}", **{"content-type": "application/json", "x-form-token": shown, **sent}
        )
    if route.method == "GET":
        return browser.get(_path(route), **headers)
    form = {"content-type": "application/x-www-form-urlencoded", **sent}
    return browser.send(route.method, _path(route), f"form_token={shown}".encode(), **form)


def test_the_application_has_the_routes_of_the_table_and_no_other(chalice_app):
    registered = {
        (method, path): entry.content_types
        for path, methods in chalice_app.routes.items()
        for method, entry in methods.items()
    }
    assert set(registered) == {(route.method, route.path) for route in ROUTES}
    forms = {(route.method, route.path) for route in ROUTES if route.takes_forms}
    assert {route for route, types in registered.items() if "application/x-www-form-urlencoded" in types} == forms


def test_no_two_rows_are_the_same():
    assert len({route.name for route in ROUTES}) == len({(route.method, route.path) for route in ROUTES}) == len(ROUTES)


def test_the_routes_fit_into_one_api():
    parts = [route.path.strip("/").split("/") for route in ROUTES]
    resources = {tuple(path[:depth]) for path in parts for depth in range(1, len(path) + 1)}
    assert len(resources) < MOST_RESOURCES


@pytest.mark.parametrize("route", ROUTES, ids=_id)
def test_each_row_names_what_answers(route, stack):
    if route.kind == "way in":
        place, method = route.handler.split(".")
        handler = getattr(getattr(stack.wiring, place), method)
        inspect.signature(handler).bind("request", **dict.fromkeys(re.findall(r"\{(\w+)\}", route.path), ""))
        return
    folder = "api" if route.kind == "operation" else "console"
    module, name = route.handler.split(".")
    assert callable(getattr(importlib.import_module(f"chalicelib.entry.{folder}.{module}"), name))


@pytest.mark.parametrize("route", [route for route in ROUTES if route.kind == "page"], ids=_id)
def test_a_page_calls_operations_of_the_api_that_its_role_may_call(route):
    for name in route.uses:
        assert routes.suffices(route.who, routes.named(name).who), name


@pytest.mark.parametrize("route", [route for route in ROUTES if route.kind == "operation"], ids=_id)
def test_an_operation_that_changes_something_says_how_the_audit_calls_it(route):
    found = operations.find(route.handler)
    assert found.summary
    assert found.reads or found.marks.audit is not None


@pytest.mark.parametrize("route", STAFF, ids=_id)
def test_nobody_gets_in_without_a_session(route, staffed):
    reply = _ask(Browser(staffed), route)
    if route.kind == "page" and route.method == "GET":
        assert (reply.status, reply.headers["Location"].split("?")[0]) == (303, "/console/sign-in")
    else:
        assert reply.status == 401


@pytest.mark.parametrize(("route", "role"), list(product(STAFF, ROLES)), ids=_id)
def test_a_role_opens_what_it_should_and_nothing_else(route, role, staffed):
    status = _ask(_browser(staffed, role), route).status
    assert (status in {401, 403}) == (not routes.suffices(role, route.who)), status
    assert status < 500, status


@pytest.mark.parametrize("route", STAFF, ids=_id)
def test_a_member_without_access_gets_in_nowhere(route, staffed):
    assert _ask(_browser(staffed, "none"), route).status in {303, 401}


@pytest.mark.parametrize("route", CHANGING, ids=_id)
@pytest.mark.parametrize(
    ("token", "headers"),
    [
        ("", {}),
        ("0" * 64, {}),
        ("ü", {}),
        (None, {"origin": "https://evil.example"}),
        (None, {"origin": "null"}),
        (None, {"sec-fetch-site": "cross-site"}),
        (None, {"sec-fetch-site": "same-site"}),
    ],
    ids=["no token", "a wrong token", "a strange token", "from elsewhere", "from nowhere", "cross-site", "same-site"],
)
def test_nothing_is_changed_by_a_form_that_is_not_ours(route, token, headers, staffed):
    browser = _browser(staffed, "admin")
    before = staffed.rows()
    assert _ask(browser, route, token, **headers).status == 403
    assert staffed.rows() == before


@pytest.mark.parametrize("route", CHANGING, ids=_id)
def test_the_token_of_another_session_is_not_ours(route, staffed):
    other, browser = _browser(staffed, "lead"), _browser(staffed, "admin")
    before = staffed.rows()
    assert _ask(browser, route, other.form_token).status == 403
    assert staffed.rows() == before


@pytest.mark.parametrize("route", [route for route in STAFF if route.kind == "operation"], ids=_id)
@pytest.mark.parametrize(
    "authorization", ["Bearer x", "Bearer aftercare.0123456789abcdef.x", "Basic YTpi", "Bearer", "aftercare.a.b"]
)
def test_a_key_that_nobody_knows_opens_nothing(route, authorization, staffed):
    browser = _browser(staffed, "admin")
    assert _ask(browser, route, authorization=authorization).status == 401


@pytest.mark.parametrize("path", ["/console/nothing", "/v1/nothing", "/v1", "/console/audit/x"])
def test_there_is_nothing_else(path, stack):
    with pytest.raises(Exception, match="Missing Authentication Token"):
        stack.request("GET", path)
