"""The page on which staff work a recovery, opened by the link of their notice."""

import html
import json
import re
from datetime import timedelta
from email import message_from_bytes, policy
from urllib.parse import urlencode

import pytest
from botocore.exceptions import EndpointConnectionError

from chalicelib.links import Link
from chalicelib.store.audit import Audit


def _recovering(stack):
    """A bad answer; returns the journey's id and the path of the owner's page."""
    journey_id, path = stack.surveyed()
    stack.press(path, csat="1", words="It broke <b>")
    stack.settle()
    return journey_id, stack.paths("w")[-1]


def _act(stack, path, **fields):
    return stack.submit(path, urlencode(fields))


def _done(stack, journey_id):
    return [step.act for step in stack.journey(journey_id).recoveries[-1].done]


def test_it_shows_what_the_customer_said_and_what_comes_next(stack):
    _, path = _recovering(stack)
    reply = stack.request("GET", path)
    page = reply.body.decode()
    assert (reply.status, "It broke &lt;b&gt;" in page, 'value="take"' in page) == (200, True, True)


def test_each_press_does_one_step_by_whom_the_link_was_written_for(stack):
    journey_id, path = _recovering(stack)
    friday = (stack.clock.now + timedelta(days=3)).date().isoformat()
    acts = (
        {"act": "take"},
        {"act": "apologise", "text": "I am sorry."},
        {"act": "propose", "text": "A new lamp.", "due": friday},
    )
    for act in acts:
        assert _act(stack, path, **act).status == 200, act
    assert _done(stack, journey_id) == ["take", "apologise", "propose"]
    owner = stack.wiring.links.read(path.removeprefix("/w/"), "work", stack.clock.now).subject
    assert {step.by for step in stack.journey(journey_id).recoveries[-1].done} == {owner}


def test_pressing_twice_is_pressing_once(stack):
    journey_id, path = _recovering(stack)
    for _ in range(2):
        assert _act(stack, path, act="take", view="a" * 32).status == 200
    assert _done(stack, journey_id) == ["take"]


def _walk(stack, path, until):
    friday = (stack.clock.now + timedelta(days=3)).date().isoformat()
    acts = {"take": {}, "apologise": {"text": "I am sorry."}, "propose": {"text": "A new lamp.", "due": friday}}
    for act, fields in acts.items():
        assert _act(stack, path, act=act, **fields).status == 200, act
        stack.settle()
        if act == until:
            break


def test_what_the_customer_says_of_a_proposal_is_on_the_page_and_in_the_notice(stack):
    _, path = _recovering(stack)
    _walk(stack, path, "propose")
    proposal = stack.paths("p")[-1]
    for choice, words in (("falls_short", "The lamp is red"), ("meets", "Green will do"), ("other", "Or blue")):
        stack.press(proposal, choice=choice, comment=words)
        stack.settle()
        text = _text(stack.account.ses.sent[-1])
        assert (f"> {words}" in text, "It broke" in text) == (True, False), words
    page = stack.request("GET", path).body.decode()
    said = re.findall(r"(proposal 1 of recovery 1[^<]*)<strong>(.+?)</strong></p>\s*<blockquote[^>]*>(.+?)<", page)
    assert said == [
        ("proposal 1 of recovery 1: ", "It meets what I expected", "Green will do"),
        ("proposal 1 of recovery 1, later: ", "I have another idea", "Or blue"),
    ]


def _text(mail):
    return message_from_bytes(mail.raw, policy=policy.default).get_body(("plain",)).get_content()


def test_the_subject_of_a_notice_has_no_colon_after_colon(stack):
    _, path = _recovering(stack)
    _walk(stack, path, "propose")
    stack.press(stack.paths("p")[-1], choice="meets")
    stack.settle()
    subject = message_from_bytes(stack.account.ses.sent[-1].raw, policy=policy.default)["Subject"]
    assert re.fullmatch(r"Proposal accepted, deliver it \(P\d\)(, due .+)?", subject)


def _fields_of(page, act):
    """What stands in the form of an act: the value of each field, and the errors beside them."""
    form = next(form for form in re.findall(r"<form.*?</form>", page, re.DOTALL) if f'value="{act}"' in form)
    values = dict(re.findall(r'<input class="line"[^>]*name="(\w+)" value="([^"]*)"', form))
    values |= dict(re.findall(r'<textarea[^>]*name="(\w+)"[^>]*>\n(.*?)</textarea>', form, re.DOTALL))
    return values, re.findall(r'<p class="error"[^>]*>(.+?)</p>', form)


def test_a_refused_form_keeps_what_was_typed_and_names_the_field(stack):
    _, path = _recovering(stack)
    _walk(stack, path, "apologise")
    reply = _act(stack, path, act="propose", text="A new lamp.", due="soon")
    assert (reply.status, _fields_of(reply.body.decode(), "propose")) == (
        422,
        ({"text": "A new lamp.", "due": "soon"}, ["The day is written as year-month-day."]),
    )


def test_a_form_whose_step_is_not_next_keeps_what_was_typed(stack):
    _, path = _recovering(stack)
    reply = _act(stack, path, act="debrief", cause="The box", improvement="A thicker box")
    assert (reply.status, _fields_of(reply.body.decode(), "debrief")) == (
        409,
        ({"cause": "The box", "improvement": "A thicker box"}, []),
    )


@pytest.mark.parametrize(
    ("field", "typed", "sentence"),
    [
        ("amount", "much", "An amount is written like 25.00."),
        ("amount", "-5", "An amount is written like 25.00."),
        ("amount", "25.001.1", "An amount is written like 25.00."),
        ("currency", "dollars", "A currency is three letters, like USD."),
    ],
)
def test_what_is_wrong_with_a_field_is_a_plain_sentence(stack, field, typed, sentence):
    _, path = _recovering(stack)
    values, errors = _fields_of(
        _act(stack, path, **{"act": "deliver", "amount": "25", "currency": "USD", field: typed}).body.decode(),
        "deliver",
    )
    assert (values[field], errors) == (typed, [sentence])


@pytest.mark.parametrize(
    ("typed", "currency", "kept"),
    [
        ("$25", "usd", ("25.00", "USD")),
        ("25,00", "EUR", ("25.00", "EUR")),
        (" € 1.250,5 ", "eur", ("1250.50", "EUR")),
        ("1,250", "USD", ("1250.00", "USD")),
        ("0.5", "USD", ("0.50", "USD")),
    ],
)
def test_an_amount_may_be_typed_as_people_write_it(stack, typed, currency, kept):
    journey_id, path = _recovering(stack)
    _walk(stack, path, "propose")
    stack.press(stack.paths("p")[-1], choice="meets")
    assert _act(stack, path, act="deliver", amount=typed, currency=currency).status == 200
    (line,) = stack.journey(journey_id).recovery.redress
    assert (line.amount, line.currency) == kept


def test_the_page_tells_what_happened_in_words_of_people(stack):
    journey_id, path = _recovering(stack)
    _act(stack, path, act="take")
    log = stack.request("GET", path).body.decode().split('class="log"')[1]
    owner = stack.wiring.documents.version("staff", 0).member(stack.journey(journey_id).recovery.owner)
    assert (f"Taken by {owner.name}" in log, "Alarm rang" in log) == (True, False)
    assert "Time passed: what was due was looked at" in log


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"act": "delete"}, 422),
        ({}, 422),
        ({"act": "deliver", "amount": "much"}, 422),
        ({"act": "deliver", "amount": "-5"}, 422),
        ({"act": "deliver", "redress": "bribe"}, 422),
        ({"act": "propose", "text": "A lamp.", "due": "soon"}, 422),
        ({"act": "propose", "text": "A lamp.", "due": "0001-01-01"}, 422),
        ({"act": "propose", "text": "A lamp.", "due": "9999-12-31"}, 422),
        ({"act": "apologise", "text": "x" * 8_001}, 422),
        ({"act": "take", "view": "x" * 121}, 422),
        ({"act": "close"}, 409),
    ],
)
def test_what_is_wrong_is_said_on_the_page_and_changes_nothing(stack, fields, status):
    _, path = _recovering(stack)
    before = stack.rows()
    reply = _act(stack, path, **fields)
    assert (reply.status, b"Not done yet" in reply.body) == (status, True)
    assert stack.rows() == before


def test_a_form_that_no_browser_sends_is_no_act(stack):
    _, path = _recovering(stack)
    before = stack.rows()
    headers = {"content-type": "application/x-www-form-urlencoded"}
    assert stack.request("POST", path, headers, b"\xff").status == 400
    assert stack.rows() == before


def test_while_the_table_cannot_be_had_the_form_comes_back(stack):
    _, path = _recovering(stack)
    stack.off.add("dynamodb")
    reply = _act(stack, path, act="apologise", text="I am sorry.")
    assert (reply.status, "I am sorry." in reply.body.decode()) == (503, True)


def test_a_link_works_sixty_days_and_for_nobody_who_has_left(stack):
    journey_id, path = _recovering(stack)
    gone = "/w/" + stack.wiring.links.token(Link("work", journey_id, "nobody"))
    assert stack.request("GET", gone).status == 404
    stack.clock.move(stack.clock.now + timedelta(days=59))
    assert stack.request("GET", path).status == 200
    stack.clock.move(stack.clock.now + timedelta(days=2))
    assert stack.request("GET", path).status == 404


def test_a_mail_is_shown_as_the_customer_has_it(stack):
    _, path = _recovering(stack)
    page = stack.request("GET", f"{path}?mail=survey").body.decode()
    survey = next(mail for mail in stack.account.ses.sent if mail.tags["effect"] == "survey")
    shown = re.search(r'<blockquote class="mail" dir="auto">(.+?)</blockquote>', page, re.DOTALL)[1]
    assert html.unescape(shown).split() == _text(survey).split()
    assert re.findall(r'<a href="\?mail=([\w-]+)#mails"', page) == ["survey", "acknowledgement-1"]


@pytest.mark.parametrize("name", ["reminder", "none", "..%2F..%2Fsecret", "%00"])
def test_a_mail_that_never_went_out_is_not_shown(stack, name):
    _, path = _recovering(stack)
    reply = stack.request("GET", f"{path}?mail={name}")
    assert (reply.status, b'class="mail"' in reply.body, b"no longer kept" in reply.body) == (200, False, False)


def test_a_mail_whose_time_is_up_is_said_to_be_gone(stack):
    journey_id, path = _recovering(stack)
    stack.wiring.mails.delete_for_journey(journey_id)
    assert b"This mail is no longer kept." in stack.request("GET", f"{path}?mail=survey").body


def test_who_saw_and_did_what_by_the_link_of_a_notice_stands_in_the_audit(stack):
    journey_id, path = _recovering(stack)
    stack.request("GET", path)
    for fields in (
        {"act": "take"},
        {"act": "apologise", "text": ""},
        {"act": "propose", "text": "A new lamp.", "due": "2026-03-20"},
        {"act": "deliver", "redress": "goodwill", "amount": "25", "currency": "USD"},
        {"act": "close"},
    ):
        _act(stack, path, **fields)
        stack.settle()
    entries, _ = stack.wiring.audit.about(f"journey/{journey_id}", "", 50)
    assert [(one.by, one.role, one.verb, one.amount, one.operation) for one in reversed(entries)] == [
        ("ana", "agent", "saw", "", "work.show"),
        ("ana", "agent", "changed", "", "work.act"),
        ("ana", "agent", "changed", "", "work.act"),
        ("ana", "agent", "sent", "", "work.act"),
    ]


def test_what_a_helpdesk_tells_of_acts_and_documents_stands_in_the_audit_once(stack):
    journey_id, _ = _recovering(stack)
    acts = (
        {"act": "take"},
        {"act": "apologise", "text": "I am sorry."},
        {"act": "propose", "text": "A new lamp.", "due": "2026-03-20T17:00:00Z"},
    )
    for number, act in enumerate((*acts, acts[-1])):
        told = {"journey_id": journey_id, "act_id": f"d{min(number, 2)}", "acted_at": stack.clock.now.isoformat()}
        assert stack.tell("/acts", "staff.acted", {**told, **act}).status == 200
    entries, _ = stack.wiring.audit.about(f"journey/{journey_id}", "", 50)
    assert [(one.by, one.role, one.verb, one.operation) for one in reversed(entries)] == [
        ("api", "signed", "changed", "signed.act"),
        ("api", "signed", "sent", "signed.act"),
        ("api", "signed", "sent", "signed.act"),
    ]
    shown = json.loads(stack.signed("GET", "/documents/cadence").body)["document"]
    for body in (shown, {**shown, "form": 99}):
        stack.signed("PUT", "/documents/cadence?by=nora", json.dumps(body).encode())
    stack.signed("POST", "/documents/cadence/0/activate")
    entries, _ = stack.wiring.audit.of_day(stack.clock.now.date(), "", 50)
    assert [(one.by, one.about, one.operation) for one in reversed(entries) if one.about.startswith("document")] == [
        ("nora", "document/cadence", "signed.put_document"),
        ("api", "document/cadence/0", "signed.activate_document"),
    ]


def test_an_act_is_not_lost_when_the_audit_cannot_be_had(stack, monkeypatch):
    def fails(*_):
        raise EndpointConnectionError(endpoint_url="https://aws.invalid")

    journey_id, path = _recovering(stack)
    monkeypatch.setattr(Audit, "add", fails)
    assert (stack.request("GET", path).status, _act(stack, path, act="take").status) == (200, 200)
    assert _done(stack, journey_id) == ["take"]


def test_a_page_that_somebody_else_has_overtaken_does_nothing(stack):
    journey_id, path = _recovering(stack)
    page = stack.request("GET", path).body.decode()
    (seen,) = set(re.findall(r'name="seen" value="([^"]*)"', page))
    _act(stack, path, act="take", seen=seen)
    reply = _act(stack, path, act="apologise", text="", seen=seen)
    assert (reply.status, "has changed since you looked" in reply.body.decode()) == (409, True)
    assert _done(stack, journey_id) == ["take"]
