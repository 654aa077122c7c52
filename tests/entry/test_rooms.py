"""The rooms of the console, as staff use them: what stands on a page is what the lists count, and a press does it."""

import json
import re
from html import unescape
from urllib.parse import urlencode

import pytest

from chalicelib.entry.guard import form_token
from chalicelib.journey import budget
from chalicelib.journey.events import AnswerGiven, person_id_of
from chalicelib.links import Link
from chalicelib.store.access import Session
from chalicelib.store.documents import shipped
from chalicelib.store.lists import Late
from tests.entry.staff import Browser
from tests.faults.world import DAY, HOUR, START, World

PAT = {
    "customer_id": "c-1", "email": "pat@example.org", "first_name": "Pat", "last_name": "Ørsted",
    "time_zone": "America/New_York",
}  # fmt: skip


def console(world: World, role: str = "lead") -> Browser:
    """A browser in which a member of staff has just signed in: ana an agent, samir a lead, ines an admin."""
    member = {"agent": "ana", "lead": "samir", "admin": "ines"}[role]
    browser, token = Browser(world.stack), f"token-{member}-{world.now}"
    access = world.stack.wiring.access
    access.begin(token, Session(member, world.now, access.epoch(member)))
    browser.cookies["__Host-aftercare"], browser.form_token = token, form_token(token)
    return browser


def text(reply) -> str:
    """The words of a page, one space apart."""
    assert reply.status == 200, reply.body[:2000]
    shown = re.sub(r"(?s)<(script|style|dialog).*?</\1>", "", reply.body.decode())
    return " ".join(re.sub(r"<[^>]+>", " ", shown).split())


@pytest.fixture
def world():
    """One recovery that nobody has taken, and one lukewarm answer."""
    world = World({})
    world.reactions = {"survey": lambda mail: world.once(mail.journey_id, HOUR, lambda: _answer(world, mail))}
    world.resolve("lamp", PAT, subject="The lamp", team="north", category="delivery")
    other = {"email": "kim@example.org", "first_name": "Kim", "time_zone": "America/New_York"}
    world.resolve("lens", other, subject="The lens")
    world.live(START + 2 * DAY)
    return world


def _answer(world, mail):
    bad = mail.to == "pat@example.org"
    world.answer(mail, "Still broken" if bad else "Meh", csat=1 if bad else 3)


def test_today_shows_what_needs_somebody_most_urgent_first_and_counts_what_it_shows(world):
    page = text(console(world).get("/console"))
    assert "Everybody's 2" in page
    assert "Recoveries 1" in page
    assert "Lukewarm answers 1" in page
    assert page.index("Take the recovery") < page.index("A lukewarm answer")


def test_one_press_takes_a_recovery_and_it_is_mine(world):
    browser = console(world)
    browser.get("/console")
    journey = world.journeys["lamp"]
    reply = browser.press(f"/console/todos/{journey}/recovery-1", what="take", back="/console?who=me")
    assert (reply.status, reply.headers["Location"]) == (303, "/console?who=me")
    recovery = world.table.journey(journey).value.recovery
    assert (recovery.owner, recovery.when("take")) == ("samir", world.now)
    assert "Apologise in person" in text(browser.get("/console?who=me"))


def test_mine_and_a_kind_go_together_and_each_number_is_that_of_its_list(world):
    browser, lens = console(world), world.table.journey(world.journeys["lens"]).value
    browser.get("/console")
    browser.press(f"/console/todos/{world.journeys['lamp']}/recovery-1", what="take")
    browser.press(f"/console/todos/{lens.id}/{lens.todos[0].key}", what="hand_over", to="ana")
    mine = browser.get("/console?who=me")
    assert ("Mine 1" in text(mine), "Recoveries 1" in text(mine), "Lukewarm" in text(mine)) == (True, True, False)
    assert 'href="/console?who=me&amp;kind=recovery"' in mine.body.decode()
    both = browser.get("/console?who=me&kind=recovery")
    assert "Apologise in person" in text(both)
    here = re.findall(r'<a href="/console\?([^"]+)" aria-current="page">', both.body.decode())
    assert here == ["who=me&amp;kind=recovery"] * 2
    assert "Everybody's Mine All kinds 1 Recoveries 1" in text(both), "a number stands beside no other list"
    nothing = text(browser.get("/console?who=me&kind=lukewarm"))
    assert "No line of this kind stands in your list." in nothing
    assert "A lukewarm answer" in text(browser.get("/console?kind=lukewarm"))
    assert "A lukewarm answer" in text(console(world, "agent").get("/console?who=me&kind=lukewarm"))


def test_the_api_counts_those_of_whoever_is_asked_for(world):
    browser = console(world)
    everybodys, anas = (browser.get(f"/v1/todos{query}").json() for query in ("", "?who=ana"))
    assert everybodys["counts"][""] == {"number": 2, "exact": True}
    assert anas["counts"][""] == {"number": len(anas["todos"]), "exact": True}
    assert anas["mine"] == everybodys["mine"]


def test_what_is_stuck_leads_to_the_journey_or_the_person_that_it_is_of(world, monkeypatch):
    late = [Late("J#j1", "STATE"), Late("P#p1", "EFFECT#x"), Late("MEMBER#ana", "EFFECT#sample/1")]
    monkeypatch.setattr(type(world.stack.wiring.lists), "stuck", lambda *_: late)
    browser = console(world)
    page = browser.get("/console").body.decode()
    assert re.findall(r'<li>(?:<a href="/console/([^"]+)">)?([^<]+)', page.partition("<h2>Stuck")[2])[:3] == [
        ("journeys/j1", "journey/j1"),
        ("people/p1", "person/p1"),
        ("", "member/ana Owed and not done: sample/1"),
    ]
    assert browser.get("/v1/todos").json()["stuck"][1] == {
        "of": "person/p1", "what": "Owed and not done: x", "journey_id": "", "person_id": "p1",
    }  # fmt: skip


def test_what_is_snoozed_is_gone_until_its_morning(world):
    browser = console(world)
    browser.get("/console")
    journey = world.table.journey(world.journeys["lens"]).value
    key = journey.todos[0].key
    browser.press(f"/console/todos/{journey.id}/{key}", what="snooze", until="2026-03-06", back="/console")
    assert "A lukewarm answer" not in text(browser.get("/console"))
    world.live(START + 4 * DAY)
    assert "A lukewarm answer" in text(console(world).get("/console"))


def test_a_day_in_the_past_and_no_day_are_refused_in_words(world):
    browser = console(world)
    browser.get("/console")
    for day, status in (("2026-03-01", 409), ("soon", 422)):
        reply = browser.press(f"/console/todos/{world.journeys['lamp']}/recovery-1", what="snooze", until=day)
        assert reply.status == status


def test_what_is_done_is_gone_for_good_and_its_note_is_a_fact(world):
    browser = console(world)
    browser.get("/console")
    journey = world.table.journey(world.journeys["lens"]).value
    browser.press(f"/console/todos/{journey.id}/{journey.todos[0].key}", what="done", note="Rang them.")
    assert "Everybody's 1" in text(browser.get("/console"))
    assert "Rang them." in [getattr(fact.event, "note", "") for fact in world.table.facts(f"J#{journey.id}")]


# -- journeys --------------------------------------------------------------------------------------------


def test_a_journey_says_what_happened_what_is_next_and_what_the_customer_said(world):
    page = text(console(world).get(f"/console/journeys/{world.journeys['lamp']}"))
    for said in ("The lamp recovering", "Still broken", "csat 1", "Recovery 1 P2", "Case resolved", "Pat Ørsted"):
        assert said in page
    assert "everybody was told, and the recovery is looked at again" in page


def test_a_mail_that_was_not_sent_has_its_reason_in_words_beside_it(world):
    world.reactions = {}
    world.resolve("chair", {"email": "lee@example.org", "time_zone": "America/New_York"}, subject="The chair")
    world.live(world.now + 2 * DAY)
    chair = world.journeys["chair"]
    opt_out = "/o/" + world.stack.wiring.links.token(Link("opt_out", chair, "survey"))
    world.stack.submit(opt_out, "List-Unsubscribe=One-Click")
    browser = console(world)
    for journey, reason in ((chair, "opted_out"), (world.journeys["lens"], "answered")):
        told = re.search(r"reminder not sent [^.]*", text(browser.get(f"/console/journeys/{journey}")))[0]
        assert f"{told}.".endswith(budget.REASONS[reason])


def test_from_the_page_of_a_journey_its_whole_recovery_is_worked(world):
    browser, journey = console(world, "agent"), world.journeys["lamp"]
    path = f"/console/journeys/{journey}"
    browser.get(path)
    for fields in (
        {"act": "take"},
        {"act": "apologise", "text": "I am sorry about the lamp."},
        {"act": "propose", "text": "A new lamp by Friday.", "due": "2026-03-09"},
    ):
        reply = browser.press(f"{path}/acts", **fields)
        assert (reply.status, reply.headers["Location"]) == (303, path), reply.body
        world.stack.settle()
    recovery = world.table.journey(journey).value.recovery
    assert [(done.act, done.by) for done in recovery.done] == [
        ("take", "ana"),
        ("apologise", "ana"),
        ("propose", "ana"),
    ]
    assert recovery.proposal.action == "A new lamp by Friday."


def _shown_fields(page, act):
    """The hidden fields of the form of an act, as a page shows it."""
    (form,) = [
        one for one in re.findall(r"(?s)<form.*?</form>", page.body.decode()) if f'name="act" value="{act}"' in one
    ]
    return dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', form))


def _ready_to_deliver(world, browser, path):
    browser.get(path)
    for fields in (
        {"act": "take"},
        {"act": "apologise", "text": "I am sorry."},
        {"act": "propose", "text": "A new lamp by Friday.", "due": "2026-03-09"},
    ):
        browser.press(f"{path}/acts", **fields)
    world.live(world.now + 4 * DAY)


def test_a_button_that_is_pressed_twice_spends_once(world):
    journey = world.journeys["lamp"]
    path = f"/console/journeys/{journey}"
    _ready_to_deliver(world, console(world, "agent"), path)
    browser = console(world, "agent")
    sent = _shown_fields(browser.get(path), "deliver") | {"amount": "25", "currency": "USD", "redress": "goodwill"}
    del sent["form_token"]
    replies = [browser.press(f"{path}/acts", **sent).status for _ in range(2)]
    assert (replies, len(world.table.journey(journey).value.recovery.redress)) == ([303, 303], 1)
    other = browser.press(f"{path}/acts", **{**sent, "amount": "30"})
    assert (other.status, "has changed since you looked" in other.body.decode()) == (409, True)
    again = _shown_fields(other, "deliver") | {"amount": "30", "currency": "USD", "redress": "goodwill"}
    del again["form_token"]
    assert browser.press(f"{path}/acts", **again).status == 303
    assert [line.amount for line in world.table.journey(journey).value.recovery.redress] == ["25.00", "30.00"]


def test_two_leads_on_one_to_do_have_it_one_after_the_other(world):
    first, second = console(world), console(world, "admin")
    for browser in (first, second):
        browser.page = browser.get("/console").body.decode()
    path = f"/console/todos/{world.journeys['lamp']}/recovery-1"
    (form,) = [one for one in re.findall(r"(?s)<form.*?</form>", second.page) if path in one and 'value="take"' in one]
    sent = dict(re.findall(r'<input type="hidden" name="(seen|view)" value="([^"]*)"', form))
    assert first.press(path, what="take", **sent).status == 303
    late = second.press(path, what="take", **sent)
    assert (late.status, "Samir Haddad has taken it" in late.body.decode()) == (409, True)
    assert world.table.journey(world.journeys["lamp"]).value.recovery.owner == "samir"


def test_an_act_that_is_refused_keeps_what_was_typed(world):
    browser, path = console(world, "agent"), f"/console/journeys/{world.journeys['lamp']}"
    browser.get(path)
    reply = browser.press(f"{path}/acts", act="propose", text="Too early", due="2026-03-09")
    assert (reply.status, "Too early" in reply.body.decode()) == (409, True)
    reply = browser.press(f"{path}/acts", act="take", due="soon")
    assert reply.status == 422


LETTER = "I am sorry about the lamp. <b>We</b> failed you."


def test_a_letter_that_was_written_while_the_session_ended_is_not_lost(world):
    browser, path = console(world, "agent"), f"/console/journeys/{world.journeys['lamp']}"
    browser.get(path)
    world.live(world.now + 2 * HOUR)
    sent = {"form_token": browser.form_token, "act": "apologise", "text": LETTER}
    headers = {"content_type": "application/x-www-form-urlencoded", "referer": f"http://localhost{path}"}
    reply = browser.send("POST", f"{path}/acts", urlencode(sent).encode(), origin="http://localhost", **headers)
    page = reply.body.decode()
    assert (reply.status, LETTER in unescape(page), LETTER in page) == (401, True, False)
    assert f'href="/console/sign-in?back={path}" target="_blank"' in page
    elsewhere = browser.send("POST", f"{path}/acts", urlencode(sent).encode(), origin="https://evil.example", **headers)
    assert (elsewhere.status, "sorry" in elsewhere.body.decode()) == (401, False)


def test_nor_is_one_that_is_sent_after_signing_in_anew(world):
    browser, path = console(world, "agent"), f"/console/journeys/{world.journeys['lamp']}"
    browser.get(path)
    reply = browser.press(f"{path}/acts", token=form_token("the session before"), act="apologise", text=LETTER)
    assert (reply.status, LETTER in unescape(reply.body.decode())) == (403, True)


@pytest.mark.parametrize("side", ["form", "text"])
def test_nor_is_a_document(world, side):
    browser = console(world)
    browser.get("/console/documents/cadence")
    text_of_it = shipped("cadence").decode().replace("PT24H", "PT30H" if side == "text" else "PT24H")
    sent = {"text": text_of_it, "survey.after": "PT30H", "act": f"{side}:store"}
    reply = browser.press("/console/documents/cadence", token="another", **sent)
    (kept,) = re.findall(r"(?s)<textarea[^>]*>\n(.*?)</textarea>", reply.body.decode())
    assert (reply.status, json.loads(unescape(kept))["survey"]["after"]) == (403, "PT30H")


def test_what_is_refused_says_so_in_plain_words_and_leads_back(world):
    browser = console(world)
    browser.get("/console")
    sent = {"form_token": browser.form_token, "what": "snooze", "until": "soon"}
    for referer, back in (("/console?who=me", "/console?who=me"), ("/console/todos/j1/k", None), ("", None)):
        reply = browser.send(
            *("POST", f"/console/todos/{world.journeys['lamp']}/recovery-1", urlencode(sent).encode()),
            content_type="application/x-www-form-urlencoded", referer=f"http://localhost{referer}",
        )  # fmt: skip
        (shown,) = re.findall(r"(?s)<main.*?</main>", reply.body.decode())
        assert (reply.status, "<h1>That cannot be used</h1>" in shown, "<p>Choose a day.</p>" in shown) == (
            422,
            True,
            True,
        )
        assert re.findall(r'href="([^"]+)">Back to where', shown) == ([back] if back else [])


def test_a_mail_is_shown_exactly_as_it_was_sent_in_a_frame_that_may_do_nothing(world):
    browser, journey = console(world), world.journeys["lamp"]
    page = browser.get(f"/console/journeys/{journey}/mails/survey")
    assert 'sandbox=""' in page.body.decode()
    assert "pat@example.org" in text(page)
    frame = browser.get(f"/console/journeys/{journey}/html/survey")
    assert frame.headers["Content-Security-Policy"].startswith("sandbox; default-src 'none'")
    assert b"<html" in frame.body


def test_journeys_are_listed_whole_and_by_stage(world):
    browser = console(world)
    assert all(said in text(browser.get("/console/journeys")) for said in ("The lamp", "The lens"))
    recovering = text(browser.get("/console/journeys?stage=recovering"))
    assert ("The lamp" in recovering, "The lens" in recovering) == (True, False)
    assert browser.get("/console/journeys?stage=nowhere").status == 422


def test_a_lead_stops_a_journey_and_lets_it_go_on(world):
    browser, path = console(world), f"/console/journeys/{world.journeys['lens']}"
    browser.get(path)
    assert browser.press(f"{path}/stop", why="").status == 422
    assert browser.press(f"{path}/stop", why="They asked us to.").status == 303
    assert "Stopped by Samir Haddad: They asked us to." in text(browser.get(path))
    assert browser.press(f"{path}/resume").status == 303
    assert world.table.journey(world.journeys["lens"]).value.stage == "checking_in"


def test_a_journey_that_there_is_not_cannot_be_stopped_or_worked(world):
    browser = console(world)
    browser.get("/console/me")
    for what, fields in (("stop", {"why": "No use."}), ("resume", {}), ("acts", {"act": "take"})):
        reply = browser.press(f"/console/journeys/nothing/{what}", **fields)
        assert (what, reply.status) == (what, 404)


# -- people ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("q", "to"),
    [
        ("PAT@example.org", "people"),
        ("ørs", "people"),
        ("lamp", "journeys"),
        ("desk/lamp", "journeys"),
    ],
)
def test_what_is_unique_is_shown_at_once(world, q, to):
    found = console(world).get(f"/console/search?{urlencode({'q': q})}")
    assert (found.status, found.headers["Location"].split("/")[2]) == (303, to)


def test_what_is_not_there_is_said(world):
    assert "Nothing found." in text(console(world).get("/console/search?q=nobody@example.org"))


@pytest.mark.parametrize("q", ["p", " P ", "é", "*", "'", "7"])
def test_what_is_too_short_for_a_name_is_said_in_kind_words(world, q):
    reply = console(world).get(f"/console/search?{urlencode({'q': q})}")
    page = text(reply)
    assert "That is too short for a name. Type two letters of it or more" in page
    assert "Nothing found" not in page


def test_nothing_but_space_asks_whom_to_look_for(world):
    reply = console(world).get("/console/search?q=%20")
    assert (reply.status, reply.headers["Location"]) == (303, "/console/people")


def test_the_page_of_a_person_says_what_may_be_sent_and_why_not(world):
    browser = console(world, "admin")
    page = text(browser.get(f"/console/people/{_pat()}"))
    assert all(said in page for said in ("pat@example.org", "recovering", "1 of 6", "not before", "The lamp"))


def test_an_address_is_corrected_and_a_wrong_one_refused(world):
    browser, path = console(world, "agent"), f"/console/people/{_pat()}"
    browser.get(path)
    assert browser.press(f"{path}/address", email="nowhere").status == 422
    assert browser.press(f"{path}/address", email="pat@right.example.org").status == 303
    assert world.table.person(_pat()).value.email == "pat@right.example.org"


def test_an_export_holds_everything_and_only_an_admin_gets_it(world):
    lead = console(world)
    assert lead.get(f"/console/people/{_pat()}").status == 200
    assert lead.get(f"/console/people/{_pat()}/export").status == 403
    admin = console(world, "admin")
    held, again = (json.loads(admin.get(f"/console/people/{_pat()}/export").body) for _ in range(2))
    (journey,) = held["journeys"]
    assert held["person"]["customer"]["email"] == "pat@example.org"
    assert journey["journey"]["answers"][0]["words"] == "Still broken"
    assert {fact["event"]["type"] for fact in journey["facts"]} >= {"CaseResolved", "AnswerGiven", "MailSent"}
    assert {name: mail["to"] for name, mail in journey["mails"].items()} == dict.fromkeys(
        ("survey", "acknowledgement-1"), journey["mails"]["survey"]["to"]
    )
    assert [(entry["verb"], entry["by"]) for entry in held["audit"]] == [("saw", "samir")]
    assert [(entry["verb"], entry["by"]) for entry in again["audit"]] == [("exported", "ines"), ("saw", "samir")]


def test_a_person_is_erased_only_when_the_word_was_typed_and_the_page_says_how_far_it_is(world):
    browser, path = console(world, "admin"), f"/console/people/{_pat()}"
    browser.get(path)
    assert browser.press(f"{path}/erase", confirm="yes").status == 422
    assert browser.press(f"{path}/erase", confirm="ERASE").status == 303
    world.stack.settle()
    page = text(browser.get(path))
    assert "was erased, with 1 journey." in page
    assert "May be mailed No" in page
    assert browser.press(f"{path}/address", email="pat@again.example.org").status == 409
    journey = f"/console/journeys/{world.journeys['lamp']}"
    browser.press(f"{journey}/stop", why="To be sure.")
    assert "It had ended already" in text(browser.get(journey))
    assert "pat@example.org" not in page


# -- a failure that never was a case ---------------------------------------------------------------------


def test_a_failure_is_logged_with_one_form_and_its_recovery_is_open_with_the_gesture_in_the_ledger(world):
    browser = console(world, "agent")
    browser.get("/console/failures/new")
    reply = browser.press(
        "/console/failures", words="An hour in the queue!", channel="counter", first_name="Lee", gesture="$20",
        currency="usd", remark_id="a1",
    )  # fmt: skip
    assert reply.status == 303, reply.body
    journey = world.table.journey(reply.headers["Location"].rpartition("/")[2]).value
    line = journey.recovery.redress[0]
    assert (journey.answers[0].words, line.kind, line.amount, line.currency, line.by) == (
        "An hour in the queue!",
        "goodwill",
        "20.00",
        "USD",
        "ana",
    )


def test_the_audit_says_what_was_sent_and_what_was_spent(world):
    browser, journey = console(world, "agent"), world.journeys["lamp"]
    path = f"/console/journeys/{journey}"
    browser.get("/console/failures/new")
    browser.press("/console/failures", words="An hour!", gesture="20", currency="USD", remark_id="a5")
    browser.get(path)
    for fields in (
        {"act": "take"},
        {"act": "apologise", "text": "I am sorry."},
        {"act": "propose", "text": "A new lamp by Friday.", "due": "2026-03-09"},
        {"act": "deliver", "redress": "restitution", "amount": "35.5", "currency": "USD"},
    ):
        browser.press(f"{path}/acts", **fields)
    lead = console(world)
    entries = reversed(lead.get(f"/v1/audit?about=journey/{journey}").json()["entries"])
    told = [(one["verb"], one.get("amount", ""), one.get("came_to", "")) for one in entries if one["verb"] != "saw"]
    assert told == [
        ("changed", "", ""),
        ("sent", "", ""),
        ("sent", "", ""),
        ("spent", "35.50 USD", ""),
        ("spent", "", "ActRefused"),
    ]
    # What was spent stands in one line, so that a sum over the day is what was spent; but what came to nothing is told.
    gestures = lead.get("/v1/audit?about=failures").json()["entries"]
    assert [(one["verb"], one["amount"]) for one in gestures] == [("spent", "20.00 USD")]
    assert "spent 20.00 USD" in text(lead.get("/console/audit?about=failures"))


def test_above_the_mandate_nothing_is_logged_and_the_mandate_is_named(world):
    browser = console(world, "agent")
    browser.get("/console/failures/new")
    reply = browser.press("/console/failures", words="An hour!", gesture="250.01", currency="USD", remark_id="a2")
    assert (reply.status, "up to 250 USD" in reply.body.decode()) == (409, True)
    assert "An hour!" in reply.body.decode()


@pytest.mark.parametrize(
    ("given", "field", "said"),
    [
        ({"first_name": "N" * 301}, "first_name", "That is too long"),
        ({"subject": "N" * 301}, "subject", "That is too long"),
        ({"words": ""}, "words", "Please say what happened"),
        ({"email": "nobody"}, "email", "That is no mail address"),
        ({"channel": "moon"}, "channel", "Please choose where"),
        ({"gesture": "-5"}, "gesture", "An amount is written like"),
        ({"gesture": "5", "currency": ""}, "currency", "An amount needs its currency"),
        ({"gesture": "5", "currency": "US"}, "currency", "An amount needs its currency"),
    ],
)
def test_what_is_wrong_with_a_failure_stands_beside_its_field_in_plain_words(world, given, field, said):
    browser = console(world, "agent")
    browser.get("/console/failures/new")
    reply = browser.press("/console/failures", **{"words": "An hour!", "remark_id": "a3", **given})
    page = reply.body.decode()
    (beside,) = re.findall(r'<p class="error" id="e-(\w+)">([^<]+)', page)
    assert (reply.status, beside[0], beside[1].startswith(said)) == (422, field, True)
    assert "$." not in page


def test_a_form_that_comes_a_second_time_with_other_words_does_not_say_that_they_were_logged(world):
    browser = console(world, "agent")
    browser.get("/console/failures/new")
    first = browser.press("/console/failures", words="An hour!", remark_id="a4")
    second = browser.press("/console/failures", words="The soup was cold.", first_name="Max", remark_id="a4")
    assert first.headers["Location"] == second.headers["Location"]
    page = text(browser.get(second.headers["Location"]))
    assert ("This was logged before, and nothing is added." in page, "The soup" in page) == (True, False)


def _pat() -> str:
    return person_id_of("c-1", "")


def test_a_suspect_answer_is_judged_on_the_page_of_its_journey(world):
    world.resolve("clock", {"email": "sam@example.org", "first_name": "Sam"}, subject="The clock")
    journey_id = world.journeys["clock"]
    world.stack.wiring.desk.hand_in(
        AnswerGiven(
            event_id="doubtful", occurred_at=world.now, journey_id=journey_id, answer_id="doubtful", touch_id="survey",
            scores={"csat": 1}, words="Hm", suspect="decoy",
        )
    )  # fmt: skip
    browser, path = console(world), f"/console/journeys/{journey_id}"
    page = text(browser.get(path))
    assert "A link that no person can see was opened." in page
    assert browser.press(f"{path}/judge", answer="doubtful", verdict="perhaps").status == 422
    assert browser.press(f"{path}/judge", answer="doubtful", verdict="person").status == 303
    assert browser.press(f"{path}/judge", answer="doubtful", verdict="machine").status == 303
    assert "the first judgement stands" in text(browser.get(path))
    journey = world.table.journey(journey_id).value
    assert [(todo.kind, todo.reason) for todo in journey.todos] == [("recovery", "take")]
