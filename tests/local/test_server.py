"""The local stack from outside: its JSON, its pages, its clock, and the product behind it."""

import json
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from email import message_from_bytes
from urllib.parse import quote, urlencode

import msgspec
import pytest

from chalicelib.effects import words
from chalicelib.journey.events import journey_of_case, person_id_of
from chalicelib.journey.state import Standing
from local import visitor
from local.server import LARGEST
from local.views import Views
from tests.local.site import BROWSER, FORM, serving

JOURNEY = journey_of_case("desk", "A-1", 1)
PERSON = person_id_of("", "ada@example.com")
ASKED_AT = "2026-05-08T14:00:00Z"


@pytest.fixture
def site():
    with serving() as client:
        yield client


@pytest.fixture
def asked(site):
    """A stack in which Ada has her survey."""
    assert site.resolve("A-1").status == 200
    assert site.move(advance="P1D").status == 200
    return site


def _link(site, kind, pattern):
    """The path behind the first link of that form in the newest mail of a kind, as its text part has it."""
    mail = next(one for one in reversed(site.get("/_local/mail").json) if one["kind"] == kind)
    message = message_from_bytes(site.get(f"/_local/mail/{mail['id']}").body)
    text = next(part for part in message.walk() if part.get_content_type() == "text/plain").get_payload(decode=True)
    return re.search(rf"{re.escape(site.url)}({pattern}\S*)", text.decode())[1]


def _answer(site, score, words):
    path = _link(site, "survey", "/a/")
    view = re.search(r'name="view" value="([^"]+)"', site.look(path).text)[1]
    return site.send("POST", path, urlencode({"view": view, "csat": score, "words": words}), FORM)


# -- what programs see ----------------------------------------------------------------------------------------


def test_a_journey_is_listed_from_the_moment_its_case_is_resolved(site):
    site.resolve("A-1")
    assert site.get("/_local/journeys").json == [
        {
            "journey_id": JOURNEY,
            "case_id": "A-1",
            "epoch": 1,
            "person_id": PERSON,
            "stage": "waiting",
            "outcome": None,
            "next_wake": ASKED_AT,
        }
    ]


def test_the_clock_moves_by_a_duration_and_answers_when_all_has_run(site):
    site.resolve("A-1")
    assert site.get("/_local/clock").json == {"now": "2026-05-07T14:00:00Z", "next": ASKED_AT}
    moved = site.move(advance="P1D")
    assert (moved.status, moved.json) == (
        200,
        {"mails": {"survey": 1}, "now": ASKED_AT, "next": "2026-05-11T14:00:00Z"},
    )
    assert site.get("/_local/clock").json == {"now": ASKED_AT, "next": "2026-05-11T14:00:00Z"}


def test_the_clock_moves_to_an_instant_in_any_zone(site):
    assert site.move(to="2026-12-01T10:00:00+01:00").json == {
        "mails": {},
        "now": "2026-12-01T09:00:00Z",
        "next": None,
    }


def test_the_clock_takes_json_whatever_its_content_type_says(site):
    moved = site.send("POST", "/_local/clock", '{"advance": "PT1H"}', {"Content-Type": FORM["Content-Type"]})
    assert (moved.status, moved.json["now"]) == (200, "2026-05-07T15:00:00Z")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ("", "body"),
        ("P1D", "body"),
        ("[]", "body"),
        ('"P1D"', "body"),
        (b"\xff", "body"),
        ("{}", "advance"),
        ('{"advance": null}', "advance"),
        ('{"advance": "P1D", "to": "2026-12-01T09:00:00Z"}', "to"),
        ('{"advance": 86400}', "advance"),
        ('{"advance": "a day"}', "advance"),
        ('{"advance": "P1BD"}', "advance"),
        ('{"advance": "P1M"}', "advance"),
        ('{"advance": "-P1D"}', "advance"),
        ('{"advance": "P11Y"}', "advance"),
        ('{"advance": "P3661D"}', "advance"),
        ('{"advance": "P999999999999D"}', "advance"),
        ('{"advance": "P%sD"}' % ("9" * 5000), "advance"),
        ('{"to": "tomorrow"}', "to"),
        ('{"to": "2026-12-01T09:00:00"}', "to"),
        ('{"to": "2026-05-07T13:59:59Z"}', "to"),
        ('{"to": "2036-12-01T09:00:00Z"}', "to"),
        ('{"to": "9999-12-31T23:59:59-12:00"}', "to"),
        ('{"to": ["2026-12-01T09:00:00Z"]}', "to"),
        ('{"advanced": "P1D"}', "advanced"),
        ('{"advance": "P1D", "by": "me"}', "by"),
    ],
)
def test_a_clock_that_is_asked_wrongly_names_the_field_and_stays(site, body, field):
    refused = site.send("POST", "/_local/clock", body, {"Content-Type": "application/json"})
    assert (refused.status, refused.headers["content-type"], refused.json["field"]) == (
        400,
        "application/problem+json",
        field,
    )
    assert site.get("/_local/clock").json["now"] == "2026-05-07T14:00:00Z"


def test_the_mailbox_lists_mails_with_their_subject_decoded_and_gives_their_source(asked):
    (mail,) = asked.get("/_local/mail").json
    assert mail == {
        "id": mail["id"],
        "to": "ada@example.com",
        "kind": "survey",
        "journey_id": JOURNEY,
        "subject": "How did we do with “A late parcel”?",
        "sent_at": ASKED_AT,
    }
    source = asked.get(f"/_local/mail/{mail['id']}")
    assert source.headers["content-type"] == "message/rfc822"
    assert source.body == asked.stack.account.ses.sent[0].raw


def test_a_journey_shows_its_facts_in_order_and_its_touches_with_their_reasons(asked):
    _answer(asked, 5, "Quick and kind.")
    known = asked.get(f"/_local/journeys/{JOURNEY}").json
    assert {name: known[name] for name in ("stage", "outcome", "epoch", "recoveries")} == {
        "stage": "checking_in",
        "outcome": None,
        "epoch": 1,
        "recoveries": [],
    }
    assert [(fact["number"], fact["at"], fact["type"], fact["stage"]) for fact in known["facts"]] == [
        (1, "2026-05-07T14:00:00Z", "CaseResolved", "waiting"),
        (2, ASKED_AT, "AlarmRang", "waiting"),
        (3, ASKED_AT, "MailSent", "asked"),
        (4, ASKED_AT, "MailDelivered", "asked"),
        (5, "2026-05-08T14:00:30Z", "AnswerGiven", "checking_in"),
        (6, "2026-05-08T14:00:30Z", "WordsWeighed", "checking_in"),
    ]
    said = known["facts"][4]["event"]
    assert (said["touch_id"], said["scores"], said["words"]) == ("survey", {"csat": 5}, "Quick and kind.")
    reminder = next(touch for touch in known["touches"] if touch["id"] == "reminder")
    assert (reminder["status"], reminder["reason"], reminder["reason_in_words"]) == (
        "not sent",
        "answered",
        "The customer had already answered.",
    )
    assert known["mails"] == [asked.get("/_local/mail").json[0]["id"]]


def test_the_start_says_how_many_journeys_are_at_each_stage(asked):
    told = asked.get("/_local/").json
    assert {stage: number for stage, number in told["stages"].items() if number} == {"asked": 1}
    assert (told["now"], told["mails"], told["failures"]) == (ASKED_AT, 1, [])


@pytest.mark.parametrize("path", ["mail/nobody", "journeys/nobody", "nothing", "mail/nobody/html", "clock/more"])
def test_what_is_not_there_is_not_found(site, path):
    missing = site.get(f"/_local/{path}")
    assert (missing.status, missing.json["title"]) == (404, "Not found")
    page = site.look(f"/_local/{path}")
    assert (page.status, "Not found" in page.text) == (404, True)


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/_local/mail"), ("DELETE", "/_local/clock"), ("PUT", "/_local")]
)
def test_what_is_not_offered_is_refused(site, method, path):
    assert site.send(method, path).status == 405


# -- what people see ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/_local/", "/_local", "/_local/mail", "/_local/journeys", "/_local/clock"])
def test_a_browser_gets_a_page_where_a_program_gets_json(asked, path):
    page, data = asked.look(path), asked.get(path)
    assert (page.headers["content-type"], data.headers["content-type"]) == (
        "text/html; charset=utf-8",
        "application/json",
    )
    assert page.headers["vary"] == data.headers["vary"] == "Accept"
    assert page.text.startswith("<!doctype html>")
    assert isinstance(data.json, dict | list)


def test_a_page_without_content_is_asked_for_by_head(asked):
    head = asked.send("HEAD", "/_local/journeys", headers=BROWSER)
    assert (head.status, head.body) == (200, b"")
    assert int(head.headers["Content-Length"]) == len(asked.look("/_local/journeys").body)


def test_the_front_door_leads_a_browser_to_the_start(site):
    assert (site.look("/").status, site.look("/").headers["location"]) == (303, "/_local/")
    assert site.get("/").status == 403


@pytest.mark.parametrize(
    ("query", "shown"),
    [("", True), ("?kind=survey", True), ("?kind=reminder", False), ("?to=ADA@", True), ("?to=bob", False)],
)
def test_the_mailbox_is_narrowed_by_kind_and_address(asked, query, shown):
    assert ("How did we do with" in asked.look(f"/_local/mail{query}").text) is shown


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("", True),
        ("?stage=asked", True),
        ("?stage=lost", False),
        ("?q=parcel", True),
        ("?q=a-1", True),
        ("?q=bob", False),
    ],
)
def test_the_journeys_are_narrowed_by_stage_and_search(asked, query, shown):
    assert (f"/_local/journeys/{JOURNEY}" in asked.look(f"/_local/journeys{query}").text) is shown


def test_a_mail_is_shown_in_a_frame_that_runs_nothing(asked):
    mail_id = asked.get("/_local/mail").json[0]["id"]
    assert 'sandbox="allow-top-navigation-by-user-activation"' in asked.look(f"/_local/mail/{mail_id}").text
    frame = asked.look(f"/_local/mail/{mail_id}/html")
    assert frame.headers["content-security-policy"].startswith("sandbox allow-top-navigation-by-user-activation;")
    assert '<base target="_top">' in frame.text
    assert "Hello Ada," in asked.look(f"/_local/mail/{mail_id}?view=text").text
    assert "List-Unsubscribe" in asked.look(f"/_local/mail/{mail_id}?view=source").text


def test_what_a_customer_writes_is_shown_and_never_run(site):
    site.resolve("A-1", first_name="<b>Ada</b>")
    site.move(advance="P1D")
    _answer(site, 1, "<script>alert(1)</script>")
    pages = [site.look(path).text for path in ("/_local/", "/_local/mail", f"/_local/journeys/{JOURNEY}")]
    assert not any("<script" in page or "<b>Ada" in page for page in pages)
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in pages[2]


def test_a_journey_is_told_in_words(asked):
    _answer(asked, 2, "Nobody called back.")
    text = re.sub(r"<[^>]+>|\s+", " ", asked.look(f"/_local/journeys/{JOURNEY}").text)
    told = re.sub(r"\s+", " ", text)
    for line in (
        "The case was resolved waiting",
        "Ada answered the survey: CSAT 2 of 5 recovering Nobody called back.",
        "So: acknowledgement to the customer, a notice to staff",
        "Fri 8 May 2026, 10:00 The acknowledgement was sent",
        "Recovery 1 Severity P3 negative answer",
        "reminder Fri 8 May 2026, 10:00 The customer had already answered.",
    ):
        assert line in told


def test_a_visitor_begins_a_journey_of_their_own(site):
    form = urlencode({"first_name": "Eve", "email": "eve@example.com", "subject": "A broken lamp"})
    begun = site.send("POST", "/_local/cases", form, FORM)
    assert (begun.status, begun.headers["location"]) == (303, "/_local/")
    assert "Eve&#39;s case is resolved" in site.look("/_local/").text
    moved = site.send("POST", "/_local/clock", urlencode({"advance": "P1D", "back": "/_local/mail?kind=survey"}), FORM)
    assert (moved.status, moved.headers["location"]) == (303, "/_local/mail?kind=survey")
    page = site.look("/_local/mail?kind=survey").text
    assert "one mail was sent: 1 survey" in page
    assert "How did we do with “A broken lamp”?" in page
    assert "was sent" not in site.look("/_local/mail").text


@pytest.mark.parametrize("language", visitor.SUBJECTS)
@pytest.mark.parametrize("category", ["", "product", "delivery"])
def test_a_visitor_tries_a_journey_in_each_language_about_each_matter(site, language, category):
    start = site.look("/_local/").text
    assert f'<option value="{language}" lang="{language}">' in start
    assert f'<option value="{category}"' in start
    form = urlencode({"first_name": "Eve", "email": "eve@example.com", "language": language, "category": category})
    site.send("POST", "/_local/cases", form, FORM)
    site.move(advance="P2D")
    page = site.look(_link(site, "survey", "/a/")).text
    said = words.words(language)
    questions = {"": "the way we handled this", "product": "the product now", "delivery": "the delivery now"}
    assert f'<html lang="{language}"' in page
    assert said.text(f"How do you feel about {questions[category]}?") in page
    (mail,) = site.get("/_local/mail").json
    assert visitor.SUBJECTS[language] in mail["subject"]


@pytest.mark.parametrize("email", ["", "nobody", "a@b@c"])
def test_a_visitor_is_told_what_is_wrong_with_their_case(site, email):
    refused = site.send("POST", "/_local/cases", urlencode({"email": email, "first_name": "Eve"}), FORM)
    assert (refused.status, 'role="alert"' in refused.text, 'value="Eve"' in refused.text) == (422, True, True)
    assert site.get("/_local/journeys").json == []


def test_the_button_to_the_next_event_moves_to_it(asked):
    asked.send("POST", "/_local/clock", "next=yes", FORM)
    assert asked.get("/_local/clock").json["now"] == "2026-05-11T14:00:00Z"


@pytest.mark.parametrize("back", ["https://example.org/", "//example.org/_local/", "/_local/%0d%0aSet-Cookie: a=b"])
def test_the_way_back_stays_on_the_local_pages(site, back):
    moved = site.send("POST", "/_local/clock", f"advance=PT1H&back={back}", FORM)
    assert (moved.status, moved.headers["location"]) == (303, "/_local/clock")


def test_a_wrong_instant_in_the_form_is_explained_on_the_page(site):
    refused = site.send("POST", "/_local/clock", urlencode({"to": "tomorrow"}), FORM)
    assert (refused.status, 'role="alert"' in refused.text, 'value="tomorrow"' in refused.text) == (400, True, True)


@pytest.mark.parametrize("path", ["/_local/clock", "/_local/cases"])
def test_another_sites_page_moves_nothing(site, path):
    refused = site.send("POST", path, "advance=P1D", {**FORM, "Sec-Fetch-Site": "cross-site"})
    assert (refused.status, site.get("/_local/clock").json["now"]) == (403, "2026-05-07T14:00:00Z")


# -- writing back ---------------------------------------------------------------------------------------------


def _write_back(site, kind="survey", **fields):
    mail_id = next(mail["id"] for mail in reversed(site.get("/_local/mail").json) if mail["kind"] == kind)
    return site.send("POST", f"/_local/mail/{mail_id}/reply", urlencode(fields), FORM)


def test_a_visitor_writes_back_as_the_customer_and_the_words_stand_on_the_journey(asked):
    written = _write_back(asked, words="The parcel is here,\nbut it is empty.", **{"as": "customer"})
    assert (written.status, written.headers["location"]) == (303, f"/_local/journeys/{JOURNEY}")
    page = asked.look(f"/_local/journeys/{JOURNEY}").text
    assert "The words came in and stand on the journey; a notice went to staff." in page
    assert "Ada wrote back by mail" in page
    (reply,) = asked.stack.wiring.table.journey(JOURNEY).value.replies
    told = (reply.words.splitlines(), reply.automatic, reply.doubt)
    assert told == (["The parcel is here,", "but it is empty."], "", "")
    assert [mail["kind"] for mail in asked.get("/_local/mail").json] == ["survey", "staff-notice"]


@pytest.mark.parametrize(
    ("words", "kept"), [("", "I am out of the office until Monday"), ("Gone fishing", "Gone fishing")]
)
def test_an_out_of_office_is_kept_and_answered_by_nobody(asked, words, kept):
    assert _write_back(asked, words=words, **{"as": "away"}).status == 303
    page = asked.look(f"/_local/journeys/{JOURNEY}").text
    assert "The automatic reply came in and stands on the journey; nobody was written to." in page
    assert "An automatic reply came back, known by: auto-submitted" in page
    assert kept in page
    assert [mail["kind"] for mail in asked.get("/_local/mail").json] == ["survey"]


def test_two_visitors_who_write_the_same_are_two(asked):
    for _ in range(2):
        _write_back(asked, words="Hello?", **{"as": "customer"})
    assert len(asked.stack.wiring.table.journey(JOURNEY).value.replies) == 2


def test_more_out_of_offices_than_a_journey_keeps_are_said_to_be_left_in_the_bucket(asked):
    for _ in range(11):
        _write_back(asked, **{"as": "away"})
    assert (
        "The automatic reply came in; the journey has enough of them" in asked.look(f"/_local/journeys/{JOURNEY}").text
    )


def test_whoever_writes_nothing_is_told_so(asked):
    refused = _write_back(asked, words="  ", **{"as": "customer"})
    assert (refused.status, 'role="alert">Write something first.' in refused.text) == (422, True)
    assert asked.stack.wiring.table.journey(JOURNEY).value.replies == ()


def test_only_mail_to_customers_can_be_answered_and_not_from_another_site(asked):
    _answer(asked, 1, "It broke.")
    mails = {mail["kind"]: mail["id"] for mail in asked.get("/_local/mail").json}
    pages = {kind: asked.look(f"/_local/mail/{mail_id}").text for kind, mail_id in mails.items()}
    assert {kind: "Send as the customer" in page for kind, page in pages.items()} == {
        "survey": True,
        "acknowledgement": True,
        "staff-notice": False,
    }
    assert _write_back(asked, "staff-notice", words="Hello").status == 405
    path = f"/_local/mail/{mails['survey']}/reply"
    assert asked.send("POST", path, "words=Hello", {**FORM, "Sec-Fetch-Site": "cross-site"}).status == 403
    assert asked.send("POST", "/_local/mail/nobody/reply", "words=Hello", FORM).status == 405


# -- the product behind it ------------------------------------------------------------------------------------


def test_a_link_of_a_mail_reaches_the_page_with_its_query(asked):
    page = asked.look(_link(asked, "survey", "/a/")).text
    assert re.search(r'value="1" checked', page)


def test_what_a_customer_does_is_performed_at_once(asked):
    assert _answer(asked, 2, "Nobody called back.").status == 200
    assert [mail["kind"] for mail in asked.get("/_local/mail").json] == ["survey", "acknowledgement", "staff-notice"]


def test_unknown_addresses_and_methods_are_refused_as_in_production(site):
    refused = site.get("/nowhere")
    assert (refused.status, refused.json) == (403, {"message": "Missing Authentication Token"})
    assert site.get("/nowhere", Authorization="Bearer x").status == 403
    assert site.send("DELETE", "/cases").status == 405
    assert site.send("HEAD", "/cases").body == b""
    assert site.send("OPTIONS", "/cases").status == 200
    assert site.send("POST", "/cases", "{}", {"Content-Type": "application/json"}).status == 401


def test_a_body_that_no_function_could_take_is_refused_and_the_server_goes_on(site):
    assert site.send("POST", "/cases", b"x" * (LARGEST + 1)).status == 413
    assert site.send("POST", "/cases", b"x", {"Content-Length": "one"}).status == 400
    assert site.send("POST", "/cases", iter([b"x"]), {"Transfer-Encoding": "chunked"}).status == 411
    assert site.get("/_local/clock").status == 200


@pytest.mark.parametrize("path", ["/a/%00", "/a/" + quote("ü" * 50), "/a/x?r=%ff", "//x//", "/a/.."])
def test_odd_addresses_are_answered(site, path):
    assert 400 <= site.look(path).status < 500


def test_eight_at_once_corrupt_nothing(site):
    def one(number):
        told = site.resolve(f"B-{number}", email=f"b{number}@example.com", customer_id="")
        looked = site.get("/_local/journeys" if number % 2 else "/_local/mail")
        moved = site.move(advance="PT1S")  # further, and signatures of other threads grow old
        return told.status, looked.status, moved.status

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(one, range(48))) == {(200, 200, 200)}
    assert site.move(advance="P2D").json["mails"] == {"survey": 48}
    journeys = site.get("/_local/journeys").json
    assert sorted(one["case_id"] for one in journeys) == sorted(f"B-{number}" for number in range(48))
    assert {one["stage"] for one in journeys} == {"asked"}
    mails = site.get("/_local/mail").json
    assert sorted(mail["to"] for mail in mails) == sorted(f"b{number}@example.com" for number in range(48))
    assert len({mail["id"] for mail in mails}) == 48
    assert (site.stack.failures, site.stack.dead_letters()) == ([], 0)


def test_the_json_of_the_clock_is_json_to_others_too(site):
    assert json.loads(site.send("POST", "/_local/clock", '{"advance": "P0D"}').body)["mails"] == {}


# -- whatever the API was told --------------------------------------------------------------------------------


def _every_message(now):
    """Every form of message that the API takes, with and without an epoch."""
    ada = {"email": "ada@example.com", "first_name": "Ada"}
    resolved = {"source": "desk", "resolved_at": now, "customer": ada}
    case = {"source": "desk", "case_id": "A-1"}
    return [
        ("/cases", "case.resolved", {**resolved, "case_id": "A-1"}),
        ("/cases", "case.resolved", {**resolved, "case_id": "A-2", "epoch": 1}),
        ("/cases", "case.resolved", {**resolved, "case_id": "A-3"}),
        ("/cases", "case.reopened", {**case, "reopened_at": now}),
        ("/cases", "case.reopened", {"source": "desk", "case_id": "never", "epoch": 2, "reopened_at": now}),
        ("/cases", "case.withdrawn", {"source": "desk", "case_id": "A-3", "withdrawn_at": now, "reason": "spam"}),
        ("/purchases", "purchase.made", {"purchased_at": now, "customer": ada, "amount": "12.50", "currency": "EUR"}),
        ("/purchases", "purchase.made", {"purchased_at": now, "customer": {"customer_id": "c-9"}}),
        (
            "/failures",
            "failure.logged",
            {"source": "web", "remark_id": "R-1", "occurred_at": now, "words": "Rude.", "customer": ada},
        ),
        ("/acts", "staff.acted", {**case, "case_id": "A-2", "act": "take", "acted_at": now}),
    ]


def test_every_local_address_shows_whatever_the_api_was_told(site):
    now = site.stack.clock.now.isoformat()
    told = [site.tell(*message).status for message in _every_message(now)]
    assert told == [200] * 9 + [409]
    assert site.move(advance="P2D").status == 200
    journeys = {one["journey_id"]: one["case_id"] for one in site.get("/_local/journeys").json}
    assert sorted(journeys.values()) == ["A-1", "A-2", "A-3", "R-1"]
    paths = ["", "mail", "journeys", "clock", *(f"journeys/{name}" for name in journeys)]
    paths += [f"mail/{mail['id']}" for mail in site.get("/_local/mail").json]
    answers = {path: (site.get(f"/_local/{path}").status, site.look(f"/_local/{path}").status) for path in paths}
    assert answers == dict.fromkeys(paths, (200, 200))


def test_a_journey_says_how_loyal_its_customer_is_as_of_now(asked):
    assert asked.get(f"/_local/journeys/{JOURNEY}").json["loyalty"] == {
        "state": "unknown",
        "since": None,
        "expires_at": None,
        "facts": [],
    }


def test_loyalty_that_expired_counts_no_more(asked):
    person = asked.stack.wiring.table.person(PERSON).value
    ends = asked.stack.clock.now + timedelta(days=365)
    standing = Standing(state="confirmed", since=asked.stack.clock.now, facts=("csat 5",), expires_at=ends)
    loyal = msgspec.structs.replace(person, loyalty=standing)
    known = Views(asked.stack).journey(JOURNEY)
    shown = [replace(known, person=loyal, now=at).standing for at in (ends - timedelta(seconds=1), ends)]
    assert [(one.state, one.facts) for one in shown] == [
        ("confirmed", ("csat 5",)),
        ("unknown", ("confirmed expired",)),
    ]
