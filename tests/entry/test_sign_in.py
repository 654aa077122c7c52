"""Signing in by a mailed link, sessions and their ends, through app.py."""

import json
import re
from datetime import timedelta
from email import message_from_bytes, policy

import pytest
from msgspec.structs import replace

from chalicelib.entry import guard
from chalicelib.entry.console.sign_in import LINK_LASTS, LINKS_AN_HOUR
from chalicelib.journey.effects import SendSignIn
from chalicelib.store.access import Access, Session, hashed
from chalicelib.store.documents import shipped
from tests.entry.staff import ADDRESS, Browser, link_in

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


@pytest.fixture
def browser(stack):
    return Browser(stack)


def _later(stack, span):
    stack.run_until(stack.clock.now + span)


def _is_in(browser):
    return browser.get("/console").status == 200


# -- the link --------------------------------------------------------------------------------------------------


def test_a_link_is_mailed_and_its_button_signs_in(stack, browser):
    link = browser.ask(ADDRESS["lead"])
    mail = message_from_bytes(stack.account.ses.sent[-1].raw, policy=policy.default)
    assert (mail["To"], mail["Subject"]) == (
        "Samir Haddad <samir.haddad@staff.example.com>",
        "Sign in to Northwind Music Aftercare",
    )
    assert not _is_in(browser), "asking signs nobody in"
    assert browser.get(link).status == 200
    assert not _is_in(browser), "looking at the page signs nobody in"
    before = browser.cookies["__Host-aftercare"]
    reply = browser.press(link)
    assert (reply.status, reply.headers["Location"]) == (303, "/console")
    assert _is_in(browser)
    assert browser.cookies["__Host-aftercare"] != before, "a session has a token that nobody knew before"
    assert browser.get("/v1/me").json() == {"id": "samir", "name": "Samir Haddad", "role": "lead"}
    assert stack.wiring.table.owed("MEMBER#samir") == []


def test_the_cookie_is_for_this_host_only_over_tls_only_and_out_of_reach_of_scripts(browser):
    reply = browser.get("/console/sign-in")
    value = browser.cookies["__Host-aftercare"]
    assert reply.headers["Set-Cookie"] == (
        f"__Host-aftercare={value}; Path=/; Max-Age=1800; Secure; HttpOnly; SameSite=Lax"
    )
    assert len(value) >= 43, "256 bits"


def test_a_link_works_once(stack, browser):
    link = browser.ask(ADDRESS["lead"])
    copy = Browser(stack)
    copy.cookies, copy.form_token = dict(browser.cookies), browser.form_token
    browser.press(link)
    assert (copy.press(link).status, _is_in(copy)) == (403, False)


def test_whoever_is_in_and_goes_back_to_the_link_is_sent_on(browser):
    link = browser.ask(ADDRESS["lead"])
    browser.get(link)
    browser.press(link)
    reply = browser.get(link)
    assert (reply.status, reply.headers["Location"]) == (303, "/console")
    assert browser.get("/console/sign-in/k1.made.up").status == 403


def test_a_link_works_for_ten_minutes(stack, browser):
    link = browser.ask(ADDRESS["lead"])
    _later(stack, LINK_LASTS)
    assert (browser.get(link).status, browser.press(link).status, _is_in(browser)) == (403, 403, False)


def test_a_scanner_that_follows_the_link_and_presses_everything_signs_nobody_in(stack, browser):
    link = browser.ask(ADDRESS["lead"])
    scanner = Browser(stack)
    scanner.get("/console/sign-in")
    assert (scanner.get(link).status, scanner.press(link).status, _is_in(scanner)) == (403, 403, False)
    assert browser.press(link).status == 303, "and it has burnt nothing"


def test_nobody_can_make_a_link_up(stack, browser):
    link = browser.ask(ADDRESS["lead"])
    last = "A" if link[-1] != "A" else "B"
    for made_up in (link[:-1] + last, "/console/sign-in/x", "/console/sign-in/k1.x.y"):
        assert (browser.get(made_up).status, browser.press(made_up).status) == (403, 403)


def test_the_link_of_a_notice_signs_nobody_in(stack, browser):
    stack.surveyed()
    browser.get("/console/sign-in")
    token = stack.paths("a")[-1].removeprefix("/a/")
    assert browser.press(f"/console/sign-in/{token}").status == 403


@pytest.mark.parametrize(
    "address", ["nobody@example.com", "ana.duarte@staff.example.com ", "ANA.DUARTE@Staff.example.com"]
)
def test_the_answer_is_the_same_whether_the_address_is_known_or_not(stack, address):
    known, other = Browser(stack), Browser(stack)
    known.ask(ADDRESS["lead"])
    link = other.ask(address)
    assert (other.asked.status, _without_tokens(other.asked)) == (known.asked.status, _without_tokens(known.asked))
    assert bool(link) == ("ana" in address.lower())


def _without_tokens(reply):
    headers = {name: re.sub(r"=[\w-]{43};", "=…;", value) for name, value in reply.headers.items()}
    return headers, re.sub(r"[0-9a-f]{64}", "…", reply.body.decode())


@pytest.mark.parametrize("address", ["", "ana", "a@b c", "x@" + "y" * 300, "a@b\r\nBcc: c@d"])
def test_what_is_no_address_is_refused_beside_the_field(stack, browser, address):
    browser.get("/console/sign-in")
    reply = browser.press("/console/sign-in", email=address)
    assert (reply.status, 'aria-invalid="true"' in reply.body.decode()) == (422, True)
    assert stack.account.ses.sent == []


def test_so_many_links_go_to_one_address_in_an_hour(stack):
    links = [Browser(stack).ask(ADDRESS["agent"]) for _ in range(LINKS_AN_HOUR + 2)]
    assert [bool(link) for link in links] == [True] * LINKS_AN_HOUR + [False] * 2
    assert Browser(stack).ask(ADDRESS["lead"]), "another address has its own count"
    _later(stack, HOUR)
    assert Browser(stack).ask(ADDRESS["agent"])


def test_a_link_that_could_not_be_mailed_in_time_is_not_mailed(stack, browser):
    stack.off.add("sesv2")
    assert browser.ask(ADDRESS["lead"]) == ""
    _later(stack, LINK_LASTS + 10 * MINUTE)
    stack.off.clear()
    _later(stack, HOUR)
    assert (stack.account.ses.sent, stack.wiring.table.owed("MEMBER#samir")) == ([], [])


def test_a_link_whose_message_was_lost_is_mailed_by_the_reconciler(stack, browser):
    stack.off.add("sqs")
    assert browser.ask(ADDRESS["lead"]) == ""
    stack.off.clear()
    owed = stack.wiring.table.owed("MEMBER#samir")
    assert [type(one.effect) for one in owed] == [SendSignIn]
    _later(stack, 6 * MINUTE)
    assert len(stack.account.ses.sent) == 1


def test_after_signing_in_one_is_where_one_wanted_to_be(stack, browser):
    reply = browser.get("/console/audit?day=2026-03-01")
    assert reply.headers["Location"] == "/console/sign-in?back=/console/audit%3Fday%3D2026-03-01"
    link = browser.ask(ADDRESS["lead"], back="/console/audit%3Fday%3D2026-03-01")
    assert browser.press(link).status == 303


@pytest.mark.parametrize(
    "back", ["https://evil.example", "//evil.example", "/console//evil", "/a/x", "/console@evil", "/console\\evil", ""]
)
def test_nobody_is_sent_elsewhere(stack, browser, back):
    browser.get("/console/sign-in")
    browser.press("/console/sign-in", email=ADDRESS["lead"], back=back)
    stack.settle()
    reply = browser.press(link_in(stack.account.ses.sent[-1]))
    assert reply.headers["Location"].startswith("/console")
    assert "evil.example" not in reply.headers["Location"]


# -- sessions --------------------------------------------------------------------------------------------------


def test_a_session_in_use_lasts_twelve_hours_and_no_longer(stack, browser):
    browser.sign_in()
    for _ in range(23):
        _later(stack, 30 * MINUTE)
        assert _is_in(browser)
    _later(stack, 30 * MINUTE)
    assert not _is_in(browser)


def test_a_session_that_is_idle_ends_after_an_hour(stack, browser):
    browser.sign_in()
    _later(stack, guard.IDLE - MINUTE)
    assert _is_in(browser)
    _later(stack, guard.IDLE)
    assert not _is_in(browser)


def test_that_a_session_is_in_use_is_one_write_for_many_pages(stack, browser):
    browser.sign_in()
    before = stack.account.calls["dynamodb.TransactWriteItems"]
    for _ in range(5):
        browser.get("/console/me")
    assert stack.account.calls["dynamodb.TransactWriteItems"] == before
    _later(stack, 6 * MINUTE)
    before = stack.account.calls["dynamodb.TransactWriteItems"]
    for _ in range(5):
        browser.get("/console/me")
    assert stack.account.calls["dynamodb.TransactWriteItems"] == before + 1


def test_signing_out_ends_the_session_whatever_the_browser_still_shows(stack, browser):
    browser.sign_in()
    copy = Browser(stack)
    copy.cookies = dict(browser.cookies)
    browser.get("/console")
    assert browser.press("/console/sign-out").status == 303
    assert "__Host-aftercare" not in browser.cookies
    assert not _is_in(copy)


def test_signing_out_everywhere_ends_every_session_of_the_member_and_of_nobody_else(stack):
    first, second, other = Browser(stack).sign_in(), Browser(stack).sign_in(), Browser(stack).sign_in(ADDRESS["admin"])
    first.get("/console/me")
    assert first.press("/console/me/sign-out").status == 303
    assert [_is_in(each) for each in (first, second, other)] == [False, False, True]
    assert _is_in(first.sign_in())


def _staff(stack, change):
    staff = json.loads(shipped("staff"))
    change(next(member for member in staff["members"] if member["id"] == "samir"), staff)
    stack.wiring.documents.put("staff", json.dumps(staff).encode(), stack.clock.now, by="test", activate=True)


def test_whoever_leaves_the_staff_document_is_out_at_once(stack, browser):
    browser.sign_in()
    _staff(stack, lambda member, staff: staff["members"].remove(member))
    assert not _is_in(browser)
    assert browser.ask(ADDRESS["lead"]) == ""


def test_whoever_loses_a_role_loses_it_at_once(stack, browser):
    browser.sign_in()
    assert browser.get("/console/audit").status == 200
    _staff(stack, lambda member, staff: member.update(access="viewer"))
    assert (browser.get("/console").status, browser.get("/console/audit").status) == (200, 403)


def test_whoever_loses_access_cannot_use_a_link_that_they_have(stack, browser):
    link = browser.ask(ADDRESS["lead"])
    _staff(stack, lambda member, staff: member.update(access="none"))
    assert browser.press(link).status == 403


def test_nothing_that_is_stored_opens_a_session(stack, browser):
    link = browser.ask(ADDRESS["lead"])
    browser.press(link)
    stored = json.dumps(stack.rows(), default=str)
    assert browser.cookies["__Host-aftercare"] not in stored
    assert link.rpartition("/")[2] not in stored
    assert hashed(browser.cookies["__Host-aftercare"]) in stored


def test_a_session_of_yesterdays_epoch_does_not_hold(stack, browser):
    stack.wiring.access.end_all("samir")
    stack.wiring.access.begin("token", Session("samir", stack.clock.now, 0))
    browser.cookies["__Host-aftercare"] = "token"
    assert not _is_in(browser)
    assert isinstance(stack.wiring.access, Access)


@pytest.mark.parametrize(
    ("headers", "ours"),
    [
        ({}, True),
        ({"origin": "https://care.example.com", "host": "x.execute-api.amazonaws.com"}, True),
        ({"origin": "https://x.execute-api.amazonaws.com", "host": "x.execute-api.amazonaws.com"}, True),
        ({"origin": "https://evil.example", "host": "x.execute-api.amazonaws.com"}, False),
        ({"origin": "https://care.example.com.evil.example", "host": "care.example.com"}, False),
        ({"origin": "null", "host": "care.example.com"}, False),
        ({"origin": "null"}, False),
        ({"origin": "https://[", "host": "care.example.com"}, False),
        ({"sec-fetch-site": "cross-site"}, False),
    ],
    ids=str,
)
def test_a_form_is_ours_when_it_comes_from_the_host_that_was_asked_or_from_the_configured_address(headers, ours):
    shown = guard.form_token("token")
    assert guard.came_from_us(headers, shown, "token", "https://care.example.com/api") is ours
    assert not guard.came_from_us(headers, shown, "", "https://care.example.com/api")


# -- the shell -------------------------------------------------------------------------------------------------


def test_every_page_says_what_browsers_must_not_do(browser):
    browser.sign_in()
    for path in ("/console", "/console/sign-in", "/console/audit", "/console/me"):
        headers = browser.get(path).headers
        assert headers["Content-Security-Policy"] == (
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; frame-src 'self'; "
            "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
        )
        assert (headers["Cache-Control"], headers["X-Content-Type-Options"]) == ("no-store", "nosniff")


def test_assets_are_ours_and_kept_until_they_change(stack, browser):
    page = browser.get("/console/sign-in").body.decode()
    assert re.findall(r'(?:src|href)="(https?:[^"]*)"', page) == []
    for address, kind in zip(re.findall(r'"(/console/assets/[^"]+)"', page), ("css", "javascript"), strict=True):
        reply = Browser(stack).get(address)
        assert (reply.status, reply.headers["Content-Type"]) == (200, f"text/{kind}; charset=utf-8")
        assert reply.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert Browser(stack).get("/console/assets/0000000000000000-style.css").status == 404


def test_what_happened_is_said_once(browser):
    browser.sign_in(ADDRESS["admin"])
    browser.get("/console/keys")
    key = re.search(
        r"<code class=\"soft\">(\w+)<", browser.press("/console/keys", name="<b>", role="lead").body.decode()
    )
    browser.press(f"/console/keys/{key[1]}/revoke")
    assert "The key “&lt;b&gt;” is revoked." in browser.get("/console/keys").body.decode()
    assert "is revoked." not in browser.get("/console/keys").body.decode()


def test_the_navigation_shows_the_rooms_of_the_role(stack):
    def rooms(address):
        page = Browser(stack).sign_in(address).get("/console").body.decode()
        return re.findall(r'data-key="\w"[^>]*>([^<]+)<', page)

    assert "Audit" not in rooms(ADDRESS["agent"])
    assert {"Today", "Audit"} <= set(rooms(ADDRESS["lead"]))
    assert {"Today", "Audit", "API keys"} <= set(rooms(ADDRESS["admin"]))


def test_under_a_stage_of_the_gateway_every_address_has_the_stage(stack):
    stack.wiring.__dict__["settings"] = replace(stack.wiring.settings, base_url="https://x.example/api")
    browser = Browser(stack)
    assert browser.get("/console").headers["Location"] == "/api/console/sign-in"
    page = browser.get("/console/sign-in").body.decode()
    assert [path for path in re.findall(r'(?:href|src|action)="(/[^"]*)"', page) if not path.startswith("/api/")] == []


def test_a_fault_of_ours_is_told_without_its_words_and_logged_by_kind_and_place(stack, browser, monkeypatch):
    browser.sign_in()
    noted = []
    monkeypatch.setattr(
        stack.wiring.console, "log", type("Log", (), {"warning": lambda _, m, extra: noted.append(extra)})()
    )

    def break_down(*_):
        message = "ada@example.com is at fault"
        raise RuntimeError(message)

    monkeypatch.setattr(Access, "epoch", break_down)
    reply = browser.get("/console/me")
    assert (reply.status, "ada@example.com" in reply.body.decode()) == (500, False)
    assert [(one["page"], one["error"]) for one in noted] == [("me.show", "RuntimeError")]
    assert "ada" not in str(noted)


def test_while_nothing_can_be_read_the_page_says_so(stack, browser):
    browser.sign_in()
    stack.off.add("dynamodb")
    for path in ("/console", "/console/audit"):
        reply = browser.get(path)
        assert (reply.status, "cannot be reached just now" in reply.body.decode()) == (503, True)
