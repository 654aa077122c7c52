"""The documents room, as those who work in it use it: through the browser and through the API."""

import json
import re
from datetime import timedelta
from email import message_from_bytes, policy
from html import unescape
from html.parser import HTMLParser

import pytest

from chalicelib.store.documents import Pointer, shipped
from tests.entry.staff import ADDRESS, Browser


@pytest.fixture
def lead(stack):
    return Browser(stack).sign_in()


@pytest.fixture
def admin(stack):
    return Browser(stack).sign_in(ADDRESS["admin"])


class _Form(HTMLParser):
    """The fields that a browser would send for a page as it is."""

    def __init__(self):
        super().__init__()
        self.fields = {}
        self._area = self._select = None

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        name, value = given.get("name"), given.get("value") or ""
        if tag == "textarea":
            self._area, self.fields[name] = name, ""
        elif tag == "select":
            self._select, self.fields[name] = name, ""
        elif tag == "option" and "selected" in given:
            self._area = self._select
        elif tag == "input" and name and (given.get("type") not in {"checkbox", "radio"} or "checked" in given):
            self.fields[name] = value

    def handle_endtag(self, tag):
        if tag in {"textarea", "option"}:
            self._area = None

    def handle_data(self, data):
        if self._area:
            self.fields[self._area] += data


def fields(page):
    form = _Form()
    form.feed(page.body.decode())
    # a browser drops the line break that follows the tag of a text
    return {name: value.removeprefix("\n") for name, value in form.fields.items() if name not in {"form_token", None}}


def _api(browser, method, path, body=None):
    headers = {"content-type": "application/json", "x-form-token": browser.form_token, "origin": "http://localhost"}
    return browser.send(method, path, json.dumps(body or {}).encode(), **headers)


@pytest.mark.parametrize("kind", ["cadence", "playbook", "settings", "staff"])
def test_the_form_and_the_document_say_the_same(admin, kind):
    """What nobody touched is stored as it was, whichever side is stored."""
    page = admin.get(f"/console/documents/{kind}")
    sent = fields(page)
    assert json.loads(sent["text"]) == json.loads(shipped(kind))
    reply = admin.press(f"/console/documents/{kind}", **{**sent, "act": "form:store"})
    assert (reply.status, reply.headers.get("Location")) == (303, f"/console/documents/{kind}/versions"), reply.body
    assert json.loads(admin.stack.wiring.documents.raw(kind, 1)) == json.loads(shipped(kind))


def test_a_change_in_the_form_is_checked_stored_and_put_into_force(lead):
    sent = fields(lead.get("/console/documents/cadence")) | {"survey.after": "P2D"}
    checked = lead.press("/console/documents/cadence", **{**sent, "act": "form:check"})
    assert (checked.status, b"This can be used" in checked.body) == (200, True)
    lead.press("/console/documents/cadence", **{**sent, "act": "form:store", "when": "now", "note": "Two days"})
    documents = lead.stack.wiring.documents
    assert documents.pointer("cadence") == Pointer(held=1, newest=1)
    assert json.loads(documents.raw("cadence", 1))["survey"]["after"] == "P2D"
    assert [(one.by, one.note) for one in documents.history("cadence")] == [("samir", "Two days")]


def test_a_mistake_in_the_text_names_its_line_and_keeps_what_was_typed(lead):
    sent = fields(lead.get("/console/documents/cadence"))
    sent["text"] = sent["text"].replace('"P3D"', '"P30D"')
    line = next(n for n, text in enumerate(sent["text"].split("\n"), start=1) if "P30D" in text)
    reply = lead.press("/console/documents/cadence", **{**sent, "act": "text:store", "when": "now"})
    page = unescape(reply.body.decode())
    assert reply.status == 422
    assert "the reminder comes after the answer window has closed" in page
    assert f"Line {line}" in page
    assert '"P30D"' in page
    assert lead.stack.wiring.documents.pointer("cadence") == Pointer(held=0, newest=0)


def test_a_text_that_is_no_json_names_its_line(lead):
    sent = fields(lead.get("/console/documents/cadence")) | {"text": '{\n "form": 1,\n "name" "x"\n}'}
    reply = lead.press("/console/documents/cadence", **{**sent, "act": "text:check"})
    assert (reply.status, b">Line 3<" in reply.body, b"The text beside is no JSON" in reply.body) == (422, True, True)


@pytest.mark.parametrize("text", ["[" * 5_000, '{"a":' * 5_000, "[" * 900 + "]" * 900, "", "null", "\x00"])
def test_a_text_of_any_shape_is_refused_with_what_is_wrong(lead, text):
    sent = fields(lead.get("/console/documents/cadence")) | {"text": text}
    for act in ("text:check", "text:store", "form:check"):
        reply = lead.press("/console/documents/cadence", **{**sent, "act": act})
        assert (act, reply.status in {200, 422}) == (act, True)
    checked = _api(lead, "POST", "/v1/documents/cadence/check", {"text": text})
    assert (checked.status, checked.json().get("good", False)) in {(200, False), (422, False)}


def test_two_leads_do_not_write_over_each_other_unseen(stack, lead):
    other = Browser(stack).sign_in(ADDRESS["admin"])
    mine, theirs = fields(lead.get("/console/documents/cadence")), fields(other.get("/console/documents/cadence"))
    lead.press("/console/documents/cadence", **{**mine, "act": "form:store"})
    reply = other.press("/console/documents/cadence", **{**theirs, "survey.after": "P5D", "act": "form:store"})
    page = unescape(reply.body.decode())
    assert (reply.status, "Somebody stored another version meanwhile" in page) == (422, True)
    assert "P5D" in page, "what was typed is not lost"


def test_a_version_comes_into_force_by_the_clock_and_is_taken_back(lead):
    stack = lead.stack
    sent = fields(lead.get("/console/documents/cadence")) | {"survey.after": "P2D"}
    local = (stack.clock.now + timedelta(days=1)).strftime("%Y-%m-%dT%H:%M")
    reply = lead.press("/console/documents/cadence", **{**sent, "act": "form:store", "when": "at", "at": local})
    said = lead.get(reply.headers["Location"])
    assert b"will be in force from" in said.body
    before = stack.wiring.documents.active("cadence", stack.clock.now)
    after = stack.wiring.documents.active("cadence", stack.clock.now + timedelta(days=2))
    assert (before, after) == (0, 1)
    lead.press("/console/documents/cadence/call-off")
    assert stack.wiring.documents.active("cadence", stack.clock.now + timedelta(days=2)) == 0


def test_an_older_version_is_put_back_and_the_difference_is_shown(lead):
    sent = fields(lead.get("/console/documents/cadence")) | {"survey.after": "P2D"}
    lead.press("/console/documents/cadence", **{**sent, "act": "form:store", "when": "now"})
    page = unescape(lead.get("/console/documents/cadence/versions?old=0&new=1").body.decode())
    assert '<del>-    "after": "PT24H",</del>' in page
    assert '<ins>+    "after": "P2D",</ins>' in page
    lead.press("/console/documents/cadence/activate", version="0")
    assert lead.stack.wiring.documents.pointer("cadence") == Pointer(held=0, newest=1)


def test_what_differs_is_what_somebody_changed_however_either_version_was_typed(lead):
    sent = fields(lead.get("/console/documents/cadence")) | {"survey.after": "P2D"}
    lead.press("/console/documents/cadence", **{**sent, "act": "form:store", "when": "now"})
    crammed = json.dumps(json.loads(shipped("cadence")) | {"name": "slow"})
    sent = fields(lead.get("/console/documents/cadence")) | {"text": crammed}
    lead.press("/console/documents/cadence", **{**sent, "act": "text:store"})
    asked = "/v1/documents/cadence/difference?old=0&new="
    told = [lead.get(f"{asked}{new}").json()["lines"] for new in (1, 2)]
    changed = [[line for line in lines if line[0] in "+-"] for lines in told]
    assert changed == [
        ['-    "after": "PT24H",', '+    "after": "P2D",'],
        ['-  "name": "rhythm",', '+  "name": "slow",'],
    ]


def test_public_holidays_are_added_to_the_closed_days_once(lead):
    sent = fields(lead.get("/console/documents/settings")) | {"country": "de/by", "act": "form:holidays"}
    page = lead.press("/console/documents/settings", **sent)
    again = lead.press("/console/documents/settings", **{**fields(page), "country": "DE/BY", "act": "form:holidays"})
    closed = fields(again)["calendar.closed"].split("\n")
    assert "2026-12-25" in closed
    assert "2027-01-06" in closed
    assert "2026-01-01" not in closed, "it is March"
    assert len(closed) == len(set(closed))


@pytest.mark.parametrize("country", ["XX", "DE/XX", "Germany", ""])
def test_a_country_that_is_not_known_is_said_and_costs_nothing_that_was_typed(lead, country):
    sent = fields(lead.get("/console/documents/settings")) | {"pause": "P45D", "act": "form:holidays"}
    reply = lead.press("/console/documents/settings", **{**sent, "country": country})
    assert (reply.status, "not known here: choose one of the list" in unescape(reply.body.decode())) == (422, True)
    assert (fields(reply)["pause"], fields(reply)["country"]) == ("P45D", country)


def test_a_day_that_is_past_puts_nothing_into_force(lead):
    sent = fields(lead.get("/console/documents/cadence")) | {"survey.after": "P2D", "when": "at"}
    for when in (lead.stack.clock.now - timedelta(days=365), lead.stack.clock.now - timedelta(days=1)):
        past = when.strftime("%Y-%m-%dT%H:%M")
        reply = lead.press("/console/documents/cadence", **{**sent, "act": "form:store", "at": past})
        assert (reply.status, "that is past already" in reply.body.decode()) == (422, True)
        assert fields(reply)["survey.after"] == "P2D", "what was typed is not lost"
    lead.press("/console/documents/cadence", **{**sent, "act": "form:store", "when": "stored"})
    assert lead.press("/console/documents/cadence/activate", version="1", at=past).status == 422
    assert lead.stack.wiring.documents.pointer("cadence") == Pointer(held=0, newest=1)


@pytest.mark.parametrize("version", ["", "one", "-1", "1e3", "123456789"])
def test_a_version_that_cannot_be_read_is_not_the_one_that_ships(lead, version):
    sent = fields(lead.get("/console/documents/cadence"))
    lead.press("/console/documents/cadence", **{**sent, "act": "form:store", "when": "now"})
    assert lead.press("/console/documents/cadence/activate", version=version).status == 422
    assert lead.stack.wiring.documents.pointer("cadence") == Pointer(held=1, newest=1)


def test_a_page_takes_no_more_than_the_api(lead):
    sent = fields(lead.get("/console/documents/cadence")) | {"note": "n" * 301}
    reply = lead.press("/console/documents/cadence", **{**sent, "act": "form:store"})
    assert (reply.status, lead.stack.wiring.documents.pointer("cadence").newest) == (422, 0)


def test_a_row_is_added_to_a_list_without_storing_anything(lead):
    sent = fields(lead.get("/console/documents/cadence")) | {"add": "survey.reminders"}
    page = lead.press("/console/documents/cadence", **sent)
    assert "survey.reminders.1.after" in fields(page)
    assert lead.stack.wiring.documents.pointer("cadence").newest == 0


def test_only_an_admin_changes_who_may_do_what(lead, admin):
    for browser in (lead, admin):
        browser.get("/console/me")
    reply = _api(lead, "POST", "/v1/documents/staff/versions", {"text": shipped("staff").decode()})
    assert (reply.status, reply.json()["detail"]) == (403, "This takes the role admin.")
    assert _api(admin, "POST", "/v1/documents/staff/versions", {"text": shipped("staff").decode()}).status == 201


def test_the_api_names_field_and_line(lead):
    lead.get("/console/me")
    text = shipped("cadence").decode().replace('"P3D"', '"P30D"')
    checked = _api(lead, "POST", "/v1/documents/cadence/check", {"text": text}).json()
    assert (checked["good"], checked["field"], checked["line"]) == (False, "survey.reminders[0].after", 12)
    refused = _api(lead, "POST", "/v1/documents/cadence/versions", {"text": text})
    assert (refused.status, refused.json()["field"]) == (422, "survey.reminders[0].after")


def test_a_document_that_is_put_by_the_command_stands_in_the_audit_too(lead):
    stack = lead.stack
    stack.signed("PUT", "/documents/cadence?by=Nora", shipped("cadence"))
    stack.signed("POST", "/documents/cadence/0/activate", b"")
    entries = lead.get("/v1/audit").json()["entries"]
    told = [(one["by"], one["verb"], one["about"]) for one in entries if one["role"] == "signed"]
    assert told == [("api", "changed", "document/cadence/0"), ("Nora", "changed", "document/cadence")]


# -- previews ------------------------------------------------------------------------------------------------


def test_a_preview_shows_every_mail_of_a_draft_in_the_language_that_is_asked_for(lead):
    page = lead.get("/console/documents/cadence/preview?version=0&language=de")
    names = re.findall(r"name=([a-z0-9%_-]+)\"", page.body.decode(), re.IGNORECASE)
    assert {"survey", "reminder", "acknowledgement", "proposal", "thank-you", "staff-notice"} <= set(names)
    mail = lead.get("/console/documents/cadence/preview/mail?version=0&language=de&name=survey")
    assert 'lang="de"' in mail.body.decode()
    assert mail.headers["Content-Security-Policy"].startswith("sandbox; default-src 'none'")


def test_a_preview_shows_every_page_of_the_customer_too(lead):
    shown = _api(lead, "GET", "/v1/documents/cadence/versions/0/mails?language=fr").json()
    assert [page["name"] for page in shown["pages"]] == [
        "page: survey",
        "page: after a bad answer",
        "page: after a good answer",
        "page: opting out",
        "page: proposal",
        "page: after a word on the proposal",
        "page: check-in: fix_holds",
        "page: check-in: recovery_rating",
        "page: check-in: first_return",
        "page: check-in: loyalty",
        "page: survey: product",
        "page: survey: delivery",
    ]
    thanks = lead.get("/console/documents/cadence/preview/mail?version=0&language=fr&name=page: after a bad answer")
    assert 'lang="fr"' in thanks.body.decode()
    assert (
        "Ana Duarte" in thanks.body.decode() or "Jonas Weber" in thanks.body.decode() or "Mei" in thanks.body.decode()
    )


def test_what_a_preview_plays_is_stored_nowhere(lead):
    before = lead.stack.rows()
    lead.get("/console/documents/cadence/preview?version=0&language=fr")
    assert [row for row in lead.stack.rows() if row["pk"]["S"][:2] in {"J#", "P#"}] == []
    assert len(lead.stack.rows()) - len(before) <= 1, "the session was seen"


def test_the_links_of_a_preview_lead_nowhere(lead):
    mail = lead.get("/console/documents/cadence/preview/mail?version=0&name=survey").body.decode()
    (path, *_) = re.findall(r"http://127\.0\.0\.1:8000(/a/[^?\"]+)", mail)
    assert lead.stack.request("GET", path).status == 404


def test_a_copy_goes_to_oneself_and_to_nobody_else(lead):
    before = len(lead.stack.account.ses.sent)
    lead.get("/console/documents/cadence/preview?version=0")
    lead.press("/console/documents/cadence/preview", version="0", language="ja", name="survey")
    lead.stack.settle()
    (mail,) = lead.stack.account.ses.sent[before:]
    parsed = message_from_bytes(mail.raw, policy=policy.default)
    assert parsed["To"].addresses[0].addr_spec == ADDRESS["lead"]
    assert parsed["Subject"].startswith("[Test] ")
    assert lead.stack.wiring.table.owed("MEMBER#samir") == []


# -- signing secrets -----------------------------------------------------------------------------------------


def test_a_signing_secret_is_made_shown_once_and_the_old_one_retired(admin):
    admin.get("/console/secrets")
    made = admin.press("/console/secrets").body.decode()
    (secret,) = re.findall(r'value="(whsec_[^"]+)"', made)
    assert secret not in admin.get("/console/secrets").body.decode()
    old = admin.stack.wiring.vault.webhook_secrets()[1].fingerprint
    admin.press("/console/secrets/retire", fingerprint=old)
    assert unescape(secret) == admin.stack.wiring.vault.signing_secrets()[0]
    assert len(admin.stack.wiring.vault.webhook_secrets()) == 1
