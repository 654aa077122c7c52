"""What opens and presses pages without being a person: nothing of it is recorded, or it counts for nothing.

Each of these broke somebody else's survey; see docs/security.md. Chromium does the same in tests/browser.
"""

import re
from datetime import timedelta
from email import message_from_bytes, policy
from urllib.parse import urlencode

import pytest

from chalicelib.journey.state import Stage
from chalicelib.links import Link
from local import visitor

FORM = {"content-type": "application/x-www-form-urlencoded"}
CUSTOMER = {"user-agent": "Customer's browser"}
SCANNER = {"user-agent": "Mail filter"}
ONCE_MORE = "Please press the button once more."


def seconds(number):
    return timedelta(seconds=number)


@pytest.fixture
def asked(stack):
    """A survey went out long enough ago; returns the stack, the journey and the page."""
    journey_id, path = stack.surveyed()
    stack.run_until(stack.clock.now + timedelta(hours=1))
    return stack, journey_id, path


def _post(stack, path, headers=None, **fields):
    return stack.request("POST", path, {**FORM, **(headers or {})}, urlencode(fields).encode())


def _press(stack, path, after, headers=None, **fields):
    """Open a page and press its button so many seconds later."""
    view = visitor.view_of(stack.request("GET", path, headers))
    stack.run_until(stack.clock.now + seconds(after))
    return _post(stack, path, headers, view=view, **fields)


def _kept(stack, journey_id):
    return [(a.scores["csat"], a.suspect, a.revision, a.recovery) for a in stack.journey(journey_id).answers]


def _decoy(stack):
    """The path of the link in the newest mail that no person can see."""
    html = message_from_bytes(stack.account.ses.sent[-1].raw, policy=policy.default).get_body(("html",)).get_content()
    return re.search(r'href="http://127\.0\.0\.1:8000(/d/[\w.-]+)"', html)[1]


# -- what records nothing --------------------------------------------------------------------------------


def test_who_opens_every_link_records_no_answer(asked):
    stack, journey_id, path = asked
    before = stack.journey(journey_id)
    opt_out = "/o/" + stack.wiring.links.token(Link("opt_out", journey_id, "survey"))
    for method in ("HEAD", "GET", "OPTIONS"):
        for link in (_decoy(stack), *(f"{path}?r={rating}" for rating in range(1, 6)), path, opt_out):
            assert stack.request(method, link, SCANNER).status in {200, 403, 404, 405}
    stack.settle()
    assert (stack.journey(journey_id), stack.failures) == (before, [])


@pytest.mark.parametrize("value", ["prefetch", "prefetch;prerender", "prefetch;anonymous-client-ip"])
def test_a_page_that_is_fetched_for_later_is_refused_and_the_browser_asks_again(asked, value):
    stack, _, path = asked
    before = stack.rows()
    for link in (path, _decoy(stack)):
        reply = stack.request("GET", link, {"sec-purpose": value})
        assert (reply.status, b"name=" in reply.body, reply.headers["Cache-Control"]) == (403, False, "no-store")
    assert (stack.rows(), stack.request("GET", path).status) == (before, 200)


def _without_a_view(stack, path, view):
    return {}


def _another_pages_view(stack, path, view):
    return {"view": stack.wiring.links.view(Link("answer", "jother", "survey"), stack.clock.now, "x")}


def _another_purposes_view(stack, path, view):
    link = stack.wiring.links.read(path.removeprefix("/a/"), "answer", stack.clock.now)
    return {"view": stack.wiring.links.view(Link("opt_out", link.journey_id, link.subject), stack.clock.now, "x")}


def _made_up(stack, path, view):
    return {"view": view[:-2] + ("AA" if view[-2:] != "AA" else "BB")}


def _of_the_day_before_yesterday(stack, path, view):
    stack.run_until(stack.clock.now + timedelta(days=1, minutes=1))
    return {"view": view}


@pytest.mark.parametrize(
    "view",
    [_without_a_view, _another_pages_view, _another_purposes_view, _made_up, _of_the_day_before_yesterday],
    ids=lambda way: way.__name__.strip("_"),
)
def test_a_form_of_no_page_of_ours_comes_back_with_all_that_was_entered(asked, view):
    stack, journey_id, path = asked
    carried = view(stack, path, visitor.view_of(stack.request("GET", path)))
    reply = _post(stack, path, csat="2", words="It broke", call_back="yes", **carried)
    page = reply.body.decode()
    assert (reply.status, ONCE_MORE in page, _kept(stack, journey_id)) == (422, True, [])
    assert "reply to our mail instead" in page, "a browser that never says what we ask for leaves its customer a way"
    assert re.findall(r'name="(\w+)" value="(\w+)" checked', page) == [("csat", "2"), ("call_back", "yes")]
    assert "It broke</textarea>" in page
    stack.run_until(stack.clock.now + seconds(3))
    again = _post(stack, path, csat="2", words="It broke", call_back="yes", view=visitor.view_of(reply))
    assert (again.status, _kept(stack, journey_id)) == (200, [(2, "", 0, 1)])


OURS = {"origin": "http://127.0.0.1:8000", "sec-fetch-site": "same-origin", "sec-fetch-mode": "navigate"}
CHROMIUM = {"sec-ch-ua": '"Chromium";v="140", "Not=A?Brand";v="24"'}


@pytest.mark.parametrize(
    ("headers", "taken"),
    [
        ({}, True),
        (OURS, True),
        (OURS | CHROMIUM | {"sec-fetch-user": "?1"}, True),
        (OURS | CHROMIUM, False),
        (OURS | {"origin": "null"}, False),
        (OURS | {"origin": "https://evil.example"}, False),
        (OURS | {"origin": "http://127.0.0.1:8001"}, False),
        (OURS | {"origin": "http://old.example", "host": "old.example"}, True),
        (OURS | {"origin": "https://old.example", "host": "old.example"}, False),
        (OURS | {"origin": "http://evil.example", "host": "old.example"}, False),
        (OURS | {"origin": "null", "host": "null"}, False),
        (OURS | {"sec-fetch-site": "cross-site"}, False),
        (OURS | {"sec-fetch-site": "same-site"}, False),
        (OURS | {"sec-fetch-mode": "cors"}, False),
        (OURS | {"sec-fetch-mode": "no-cors"}, False),
    ],
    ids=[
        *("an old browser", "a browser that says little", "a person in Chromium", "a script in Chromium", "a sandbox"),
        *(
            "another site",
            "another port",
            "the host of old links",
            "not over TLS",
            "another site on it",
            "a host of null",
        ),
        *("cross-site", "same site", "fetch", "fetch without cors"),
    ],
)
def test_where_a_form_came_from_and_how(asked, headers, taken):
    stack, journey_id, path = asked
    reply = _press(stack, path, 30, headers, csat="2", words="It broke")
    assert (reply.status, len(_kept(stack, journey_id))) == ((200, 1) if taken else (422, 0))
    assert (ONCE_MORE in reply.body.decode()) is not taken


def test_a_form_that_is_submitted_by_itself_opts_nobody_out(asked):
    stack, journey_id, _ = asked
    path = "/o/" + stack.wiring.links.token(Link("opt_out", journey_id, "survey"))
    reply = _press(stack, path, 30, OURS | CHROMIUM, scope="everything")
    assert (reply.status, stack.journey(journey_id).stage) == (422, Stage.ASKED)


# -- what is doubted -------------------------------------------------------------------------------------


def test_a_scanner_that_posts_35_seconds_after_the_customer(asked):
    """odoo/odoo#262262."""
    stack, journey_id, path = asked
    scanners_view = visitor.view_of(stack.request("GET", path, SCANNER))
    assert _press(stack, path, 20, CUSTOMER, csat="5").status == 200
    stack.run_until(stack.clock.now + seconds(35))
    _post(stack, path, SCANNER, view=scanners_view, csat="1")
    assert _kept(stack, journey_id) == [(5, "", 0, 0), (1, "another_client", 0, 0)]
    assert stack.journey(journey_id).stage is Stage.CHECKING_IN


def test_a_scanner_that_opens_every_link_and_posts_at_its_leisure(asked):
    stack, journey_id, path = asked
    stack.request("GET", _decoy(stack), SCANNER)
    stack.run_until(stack.clock.now + timedelta(minutes=40))
    _press(stack, path, 30, SCANNER, csat="1")
    assert _kept(stack, journey_id) == [(1, "decoy", 0, 0)]
    assert stack.journey(journey_id).recoveries == ()


def test_a_customer_whose_mail_was_scanned_before_is_believed(asked):
    stack, journey_id, path = asked
    stack.request("GET", _decoy(stack), SCANNER)
    stack.run_until(stack.clock.now + timedelta(minutes=40))
    _press(stack, path, 30, CUSTOMER, csat="1")
    assert _kept(stack, journey_id) == [(1, "", 0, 1)]


@pytest.mark.parametrize("order", ["12345", "54321"])
def test_who_presses_everything_at_once_starts_nothing(asked, order):
    stack, journey_id, path = asked
    for rating in order:
        _press(stack, f"{path}", 0.1, SCANNER, csat=rating)
    assert all(suspect for _, suspect, _, _ in _kept(stack, journey_id))
    assert (len(_kept(stack, journey_id)), stack.journey(journey_id).recoveries) == (5, ())


def test_a_decoy_is_noted_apart_and_the_note_expires(asked):
    stack, journey_id, _ = asked
    before = stack.rows()
    reply = stack.request("GET", _decoy(stack), SCANNER)
    assert (reply.status, "There is nothing to do here" in reply.body.decode()) == (200, True)
    new = [row for row in stack.rows() if row not in before]
    month = int((stack.clock.now + timedelta(days=30)).timestamp())
    assert {(row["pk"]["S"], int(row["expires_at"]["N"])) for row in new} == {(f"DECOY#{journey_id}", month)}
    assert b"Mail filter" not in repr(new).encode(), "whoever it was is a keyed hash"


def test_a_doubtful_answer_beside_an_open_recovery_is_told_who_looks_after_it(asked):
    stack, journey_id, path = asked
    _press(stack, path, 30, CUSTOMER, csat="2")
    page = _press(stack, path, 0, SCANNER, csat="1").body.decode()
    assert [(rating, bool(doubt), recovery) for rating, doubt, _, recovery in _kept(stack, journey_id)] == [
        (2, False, 1),
        (1, True, 0),
    ]
    owner = stack.wiring.documents.version("staff", 0).member(stack.journey(journey_id).recovery.owner)
    text = " ".join(re.sub(r"<[^>]+>", "", page).split())
    assert f"{owner.name}, Customer care, now looks after this personally" in text


# -- a person looks --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("verdict", "stage"), [("person", Stage.RECOVERING), ("machine", Stage.ASKED)])
def test_a_lead_says_on_the_work_page_what_it_was(asked, verdict, stage):
    stack, journey_id, path = asked
    _press(stack, path, 0, SCANNER, csat="1", words="Broken")
    stack.settle()
    work = stack.paths("w")[-1]
    page = stack.request("GET", work).body.decode()
    assert "sooner after the page was shown than a person can press" in page
    answer_id = re.search(r'name="answer" value="(\w+)"', page)[1]
    reply = _post(stack, work, act="judge", answer=answer_id, verdict=verdict)
    assert (reply.status, "Was this a person?" in reply.body.decode()) == (200, False)
    assert stack.journey(journey_id).stage is stage
    assert _post(stack, work, act="judge", answer="no-such", verdict="person").status == 422


# -- after the answer ------------------------------------------------------------------------------------


def test_who_has_answered_may_add_words_alone(asked):
    stack, journey_id, path = asked
    _press(stack, path, 30, csat="5")
    page = stack.request("GET", path).body.decode()
    assert ("You have answered already" in page, " required" in page) == (True, False)
    assert _press(stack, path, 30).status == 422, "nothing at all is no comment"
    assert _press(stack, path, 30, words="One more thing").status == 200
    assert [(a.scores, a.words, a.revision) for a in stack.journey(journey_id).answers] == [
        ({"csat": 5}, "", 0),
        ({}, "One more thing", 1),
    ]


def _late(stack):
    stack.run_until(stack.clock.now + timedelta(days=20))


def test_after_the_answer_window_the_page_takes_words_and_no_rating(asked):
    stack, journey_id, path = asked
    _late(stack)
    page = stack.request("GET", path).body.decode()
    assert ("The time for a rating has passed." in page, 'name="csat"' in page) == (True, False)
    reply = _press(stack, path, 30, csat="1", words="You never called!")
    assert (reply.status, "A person reads what you wrote" in reply.body.decode()) == (200, True)
    (answer,) = stack.journey(journey_id).answers
    assert (answer.scores, answer.words, answer.recovery) == ({}, "You never called!", 0)
    assert [todo.reason for todo in stack.journey(journey_id).todos] == ["words_alone"]


def test_who_has_answered_and_comes_back_too_late_is_promised_no_correction(asked):
    stack, _, path = asked
    _press(stack, path, 30, csat="5")
    _late(stack)
    page = stack.request("GET", path).body.decode()
    assert ("The time for a rating has passed." in page, "as a correction" in page) == (True, False)


def test_after_the_answer_window_something_that_is_still_wrong_is_put_right(asked):
    stack, journey_id, path = asked
    _late(stack)
    assert 'name="wrong" value="yes" checked' in stack.request("GET", f"{path}?r=1").body.decode()
    assert 'name="wrong" value="yes" checked' not in stack.request("GET", f"{path}?r=5").body.decode()
    _press(stack, path, 30, wrong="yes", words="You never called!")
    assert stack.journey(journey_id).stage is Stage.RECOVERING


def test_what_was_rated_on_a_page_that_was_opened_in_time_counts(asked):
    stack, journey_id, path = asked
    until = stack.journey(journey_id).touch("survey").answerable_until
    stack.run_until(until - timedelta(minutes=1))
    _press(stack, path, 120, csat="1")
    assert _kept(stack, journey_id) == [(1, "", 0, 1)]


# -- branches --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("rating", "branch"), [("1", "low"), ("2", "low"), ("3", "mid"), ("4", "high"), ("5", "high")])
def test_the_marked_rating_picks_what_is_asked(asked, rating, branch):
    stack, _, path = asked
    page = stack.request("GET", f"{path}?r={rating}").body.decode()
    assert re.search(r'<form method="post" class="at-(\w+)"', page)[1] == branch
    for text in ("What happened, and what did it cost you?", "Would you like to add anything?"):
        assert text in page
