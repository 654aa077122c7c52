"""Every page of the console, as every role: it is whole, and whatever it shows answers whom it is shown to.

Nothing here names a page. A walker begins at ``/console`` and follows what it finds, as staff do; the table of routes
says what it must have found. A new page is looked at as soon as its row stands there, and a page that no link leads to
fails.
"""

import json
import re
import threading
from collections import defaultdict
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from html.parser import HTMLParser
from http.client import HTTPConnection
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe

from chalicelib.entry.routes import ROLES, ROUTES, suffices
from chalicelib.journey.events import AnswerGiven
from chalicelib.store.documents import shipped
from local import demo, inputs, sample
from local.server import Server
from local.site import Site
from tests.browser.chrome import DESKTOP, PHONE, scrolls_sideways

#: Who of the demo's staff has the role. Nobody who ships is a viewer, so one is added.
MEMBER = {"viewer": "vera", "agent": "ana", "lead": "samir", "admin": "ines"}
PAGES = [route for route in ROUTES if route.kind == "page" and route.method == "GET" and route.who in ROLES]
FORMS = [route for route in ROUTES if route.kind == "page" and route.method == "POST" and route.who in ROLES]
#: Lists lead to more of the same, and days to the day before for ever: so many addresses of one row are followed.
_OF_A_KIND = 6
_PEOPLE = 6


# -- the stack -----------------------------------------------------------------------------------------------


@contextmanager
def _running():
    """The demo with few people, in which there is something for every page and button to be about."""
    given = inputs.read(*(demo.HISTORIES / f"{name}.csv" for name in ("cases", "answers", "staff", "purchases")))
    begins = sample.begin(given)
    with Server(0) as server:
        stack = demo.load(sample.choose(given, begins, _PEOPLE), begins, server.url)
        _furnish(stack)
        server.site = Site(stack)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server.url
        finally:
            server.shutdown()
            thread.join()


def _furnish(stack):
    """Somebody who may only look, a version of a document that is planned, and an answer that may be a machine's."""
    staff = json.loads(shipped("staff"))
    vera = {**staff["members"][0], "id": "vera", "name": "Vera Lind", "email": "vera@staff.example.com"}
    staff["members"].append({**vera, "access": "viewer"})
    documents, now = stack.wiring.documents, stack.clock.now
    documents.put("staff", json.dumps(staff).encode(), now, by="ines", activate=True)
    stored = documents.put("playbook", shipped("playbook"), now, by="samir", activate=False)
    documents.activate("playbook", stored, now, now + timedelta(days=3))
    told = {
        "source": "desk",
        "case_id": "doubtful",
        "resolved_at": now.isoformat(),
        "subject": "A lamp that flickers",
        "customer": {"email": "sam@example.org", "first_name": "Sam", "last_name": "Mbeki"},
    }
    journey_id = stack.tell("/cases", "case.resolved", told).json()["journey_id"]
    stack.wiring.desk.hand_in(
        AnswerGiven(
            event_id="doubtful", occurred_at=stack.clock.now, journey_id=journey_id, answer_id="doubtful",
            touch_id="survey", scores={"csat": 1}, words="Hm", suspect="decoy",
        )
    )  # fmt: skip
    stack.settle()


@pytest.fixture
def url():
    with _running() as found:
        yield found


# -- the walker ----------------------------------------------------------------------------------------------


@dataclass
class Form:
    """A form as a page shows it: where it goes, and its fields as a browser would send them by its first button."""

    method: str
    action: str
    fields: dict[str, str] = field(default_factory=dict)
    pressed: bool = False


class Shown(HTMLParser):
    """What a page leads to: its links, its frames and its forms."""

    def __init__(self, html):
        super().__init__()
        self.links, self.forms = [], []
        self._inside = self._area = self._choice = None
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        known = dict(attributes)
        if tag in {"a", "iframe", "script"} and (where := known.get("href") or known.get("src")):
            self.links.append(where)
        elif tag == "form" and known.get("method") != "dialog":
            self._inside = Form(known.get("method", "get").upper(), known.get("action", ""))
            self.forms.append(self._inside)
        elif self._inside is not None and known.get("name"):
            self._field(tag, known)
        if tag == "option" and self._inside is not None and self._choice:
            self._inside.fields.setdefault(self._choice, known.get("value", ""))
            if "selected" in known:
                self._inside.fields[self._choice] = known.get("value", "")

    def _field(self, tag, known):
        name, value, fields = known["name"], known.get("value") or "", self._inside.fields
        if tag == "button":
            if not self._inside.pressed:
                fields[name], self._inside.pressed = value, True
        elif tag == "select":
            self._choice = name
        elif tag == "textarea":
            self._area = name
            fields[name] = ""
        elif known.get("type") not in {"checkbox", "radio"} or "checked" in known:
            fields[name] = value or (_TYPED.get(known.get("type"), "Said by a test") if "required" in known else "")

    def handle_data(self, data):
        if self._area:
            self._inside.fields[self._area] += data

    def handle_endtag(self, tag):
        if tag == "textarea":
            required = self._area and not self._inside.fields[self._area].strip()
            if required:
                self._inside.fields[self._area] = "Said by a test"
            self._area = None
        elif tag == "select":
            self._choice = None
        elif tag == "form":
            self._inside = None


#: What is typed into a field that must not be empty.
_TYPED = {"email": "somebody.else@example.org", "date": "2026-01-01"}


@dataclass(frozen=True)
class Seen:
    """One answer: the row that gave it, and what came."""

    route: object
    path: str
    status: int
    headers: dict
    text: str

    @property
    def is_page(self):
        """Whether it is a page of the house: no file, and nobody's mail for a frame."""
        media, policy = self.headers.get("content-type", ""), self.headers.get("content-security-policy", "")
        file = "content-disposition" in self.headers
        return media.startswith("text/html") and not policy.startswith("sandbox") and not file

    @property
    def shape(self):
        """The row and the names in the query: what makes one page another one."""
        return self.route.path, tuple(sorted({name for name, _ in parse_qsl(urlsplit(self.path).query)}))


def _row(method, path):
    """The row of the table that answers there; a name in a path stands behind the rows that spell it out."""
    rows = [route for route in ROUTES if route.method == method]
    rows.sort(key=lambda route: route.path.count("{"))
    for route in rows:
        if re.fullmatch(re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(route.path)), urlsplit(path).path):
            return route
    return None


class Walker:
    """Somebody signed in, without a browser: asks, follows, presses."""

    def __init__(self, url, role):
        self.url, self.role, self.cookie, self.token = url, role, "", ""
        self.sign_in()

    def sign_in(self):
        reply, _ = self._ask("POST", "/_local/sign-in", urlencode({"as": MEMBER[self.role]}))
        self.cookie = reply.getheader("Set-Cookie").partition(";")[0]
        self.token = next(form.fields["form_token"] for form in Shown(self.ask("GET", "/console/me").text).forms)

    def _ask(self, method, path, body=None):
        connection = HTTPConnection(urlsplit(self.url).netloc, timeout=30)
        sent = {"Accept": "text/html", "Cookie": self.cookie, "Origin": self.url}
        if body is not None:
            sent["Content-Type"] = "application/x-www-form-urlencoded"
        try:
            connection.request(method, path, body, sent)
            reply = connection.getresponse()
            return reply, reply.read().decode()
        finally:
            connection.close()

    def ask(self, method, path, fields=None):
        reply, text = self._ask(method, path, None if fields is None else urlencode(fields))
        headers = {name.lower(): value for name, value in reply.getheaders()}
        return Seen(_row(method, path), path, reply.status, headers, text)

    def press(self, page, form):
        """Send a form of a page as it stands there."""
        assert "form_token" in form.fields, f"a form of {page} has no token"
        where = urlsplit(urljoin(self.url + page, form.action)).path
        return self.ask("POST", where, {**form.fields, "form_token": self.token})

    def walk(self):
        """Follow whatever is shown from the first page on; returns the answers, each address once."""
        seen, waiting, of_a_kind = {}, ["/console"], defaultdict(int)
        while waiting:
            path = waiting.pop(0)
            shown = self.ask("GET", path)
            seen[path] = shown
            found = Shown(shown.text) if shown.is_page else Shown("")
            onward = [*found.links, *(_sent(form) for form in found.forms if form.method == "GET")]
            if "location" in shown.headers:
                onward.append(shown.headers["location"])
            for link in onward:
                target = self._inside(path, link)
                if target is None or target in seen or target in waiting:
                    continue
                row = _row("GET", target)
                kind = (row, tuple(sorted({name for name, _ in parse_qsl(urlsplit(target).query)})))
                if of_a_kind[kind] < _OF_A_KIND:
                    of_a_kind[kind] += 1
                    waiting.append(target)
        return seen

    def _inside(self, path, link):
        """A link as a path of ours; None for a place on the same page."""
        whole = urlsplit(urljoin(self.url + path, link))
        if link.startswith(("#", "data:", "mailto:", "tel:")):
            return None
        assert f"{whole.scheme}://{whole.netloc}" == self.url, f"{path} leads to {link}"
        return whole.path + (f"?{whole.query}" if whole.query else "")


def _sent(form):
    return f"{form.action}?{urlencode(form.fields)}"


def _pages(seen):
    """One page of each shape, the one with the most on it."""
    found = {}
    for one in seen.values():
        if one.is_page and one.status == 200 and len(one.text) > len(found.get(one.shape, one).text) - 1:
            found[one.shape] = one
    return list(found.values())


def _to_console(page, url, role):
    page.locator(f"button[name=as][value={MEMBER[role]}]").click()
    page.wait_for_url(f"{url}/console")


# -- what holds ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", ROLES)
def test_whatever_is_shown_answers_whom_it_is_shown_to_and_links_lead_to_every_page_of_the_table(url, role):
    walker = Walker(url, role)
    seen = walker.walk()
    assert {path: one.status for path, one in seen.items() if one.status not in {200, 303}} == {}
    found = {one.route.path for one in seen.values() if one.route is not None}
    assert sorted(route.path for route in PAGES if suffices(role, route.who) and route.path not in found) == []


@pytest.mark.parametrize("role", ROLES)
def test_every_button_that_is_shown_answers_whom_it_is_shown_to_and_every_form_of_the_table_is_shown(url, role):
    walker, pressed = Walker(url, role), {}
    while fresh := _buttons(walker, pressed):
        for route, (page, form) in sorted(fresh.items(), key=lambda one: "sign-out" in one[0].path):
            pressed[route] = walker.press(page, form).status
            if "sign-out" in route.path:
                walker.sign_in()
    answers = {200, 201, 303, 409, 422}
    assert {route.path: status for route, status in pressed.items() if status not in answers} == {}
    expected = {route.path for route in FORMS if suffices(role, route.who)}
    assert {route.path for route in pressed} == expected


def _buttons(walker, pressed):
    """The forms that a walk shows whose row was not pressed before, the first of each, and the page that shows it."""
    found = {}
    for page, one in walker.walk().items():
        for form in Shown(one.text).forms if one.is_page else []:
            route = _row("POST", urlsplit(urljoin(walker.url + page, form.action)).path)
            if form.method == "POST" and route not in pressed:
                assert route is not None, f"{page} has a form for {form.action}"
                found.setdefault(route, (page, form))
    return found


#: The last role is shown all that the others are; they take minutes.
@pytest.mark.parametrize("role", [*(pytest.param(role, marks=pytest.mark.slow) for role in ROLES[:-1]), ROLES[-1]])
def test_every_page_is_whole_on_a_phone_with_scripts_and_without(chrome, url, role):
    pages = _pages(Walker(url, role).walk())
    faults = {}
    with (
        chrome.open_page(f"{url}/_local/", device=PHONE) as lively,
        chrome.open_page(f"{url}/_local/", device=PHONE, javascript=False) as still,
    ):
        for page in (lively, still):
            _to_console(page, url, role)
        for one in pages:
            for page in (lively, still):
                page.goto(url + one.path)
            faults[one.path] = [
                *(["not one heading"] if lively.locator("h1").count() != 1 else []),
                *(["scrolls sideways"] if scrolls_sideways(lively) or scrolls_sideways(still) else []),
                *(["nothing in it"] if not still.locator("main").inner_text().strip() else []),
                *(["less without scripts"] if _read(lively) != _read(still) else []),
            ]
    assert {path: found for path, found in faults.items() if found} == {}


def _read(page):
    """What stands on a page, and what can be pressed on it."""
    controls = page.locator("main :is(a[href], button, input, select, textarea, summary)")
    return page.locator("main").inner_text(), controls.count()


@pytest.mark.parametrize("role", ROLES)
def test_a_page_that_is_not_for_a_role_says_so_and_is_a_page_all_the_same(chrome, url, role):
    closed = [route.path for route in PAGES if not suffices(role, route.who)]
    with chrome.open_page(f"{url}/_local/", device=PHONE, errors_expected=True) as page:
        _to_console(page, url, role)
        statuses = {}
        for path in [*closed, "/console/people/nobody", "/console/journeys/nothing"]:
            statuses[path] = page.goto(url + re.sub(r"\{\w+\}", "nothing", path)).status
            assert page.locator("h1").count() == 1
            assert page.get_by_role("navigation", name="Rooms").count() == 1
            assert not scrolls_sideways(page)
            assert Axe().run(page).response["violations"] == []
    assert statuses == {**dict.fromkeys(closed, 403), "/console/people/nobody": 404, "/console/journeys/nothing": 404}


@pytest.mark.slow
@pytest.mark.parametrize("role", ROLES)
def test_axe_finds_nothing_on_any_page(chrome, url, role):
    pages = _pages(Walker(url, role).walk())
    found = {}
    with chrome.open_page(f"{url}/_local/", device=PHONE) as page:
        _to_console(page, url, role)
        for one in pages:
            page.goto(url + one.path)
            for device in (PHONE, DESKTOP):
                page.set_viewport_size(device["viewport"])
                for scheme in ("light", "dark"):
                    page.emulate_media(color_scheme=scheme)
                    wrong = Axe().run(page).response["violations"]
                    for rule in wrong:
                        where = [node["target"] for node in rule["nodes"]]
                        found.setdefault((one.path, rule["id"], str(where)), []).append(
                            (device["viewport"]["width"], scheme)
                        )
    assert found == {}
