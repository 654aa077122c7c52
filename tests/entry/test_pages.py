"""The customer's pages: looking changes nothing, pressing counts once, and no word is lost."""

import json
import random
import re
import string
from datetime import timedelta
from email import message_from_bytes, policy
from urllib.parse import urlencode

import pytest

from chalicelib.journey.state import Stage
from chalicelib.links import Link
from chalicelib.store.documents import shipped
from local import visitor

SECRET_WORDS = "It broke <twice> & nobody called."


def _view(stack, path):
    return visitor.view_of(stack.request("GET", path))


def _press(stack, path, **fields):
    """Press as a person does; with a ``view``, on a page that was opened before."""
    if "view" not in fields:
        return stack.press(path, **fields)
    stack.run_until(stack.clock.now + visitor.READING)
    return stack.submit(path, urlencode(fields))


def _answers(stack, journey_id):
    return [(answer.scores, answer.words, answer.negative) for answer in stack.journey(journey_id).answers]


# -- looking ---------------------------------------------------------------------------------------------------


def _proposed(stack):
    """A journey with a survey answered badly and a proposal sent; returns its id and the pages of all purposes."""
    journey_id, path = stack.surveyed()
    _press(stack, path, csat="1", words="Broken")
    stack.settle()
    for act in (
        {"act": "take"},
        {"act": "apologise", "text": "I am sorry."},
        {"act": "propose", "text": "A new lamp."},
    ):
        told = {"journey_id": journey_id, "by": "ana", "acted_at": stack.clock.now.isoformat(), **act}
        assert stack.tell("/acts", "staff.acted", told).status == 200
    stack.settle()
    opt_out = "/o/" + stack.wiring.links.token(Link("opt_out", journey_id, "survey"))
    return journey_id, [path, stack.paths("p")[-1], opt_out, stack.paths("w")[-1]]


def test_no_look_at_any_page_changes_anything(stack):
    _, paths = _proposed(stack)
    before = stack.rows()
    for path in paths:
        for query in ("", "?r=1", "?r=5", "?r=falls_short", "?scope=everything", "?csat=1&words=x"):
            assert stack.request("GET", path + query).status == 200, path
        assert stack.request("HEAD", path).status in {403, 404, 405}
        assert stack.request("OPTIONS", path).status in {200, 403, 404, 405}
        for method in ("PUT", "PATCH", "DELETE"):
            assert stack.request(method, path).status in {403, 404, 405}
    stack.settle()
    # That a member of staff looked, by the link of a notice, is in the audit; a customer's look is nowhere.
    looked = [row for row in stack.rows() if row["pk"]["S"].startswith("AUDIT") and row not in before]
    assert {json.loads(row["body"]["B"])["operation"] for row in looked} == {"work.show"}
    assert [row for row in stack.rows() if row not in looked] == before


def test_a_link_marks_its_rating_and_records_nothing(stack):
    journey_id, path = stack.surveyed()
    page = stack.request("GET", f"{path}?r=4").body.decode()
    marked = re.findall(r'<input[^>]*name="csat"[^>]*value="(\d)"[^>]*\bchecked', page)
    assert marked == ["4"]
    assert _answers(stack, journey_id) == []


def test_mail_and_page_ask_about_the_delivery_when_the_case_was_about_one(stack):
    _, path = stack.surveyed(category="Delivery")
    mail = message_from_bytes(stack.account.ses.sent[-1].raw, policy=policy.default).get_body(("plain",)).get_content()
    page = stack.request("GET", path).body.decode()
    asked = "How do you feel about the delivery now?"
    assert (asked in mail, asked in page, "Do you have everything that you ordered?" in page) == (True, True, True)


@pytest.mark.parametrize("rating", ["0", "6", "99", "-1", "x", "", "%00", "4%22%3E%3Cscript%3E"])
def test_a_rating_that_is_none_marks_nothing(stack, rating):
    _, path = stack.surveyed()
    reply = stack.request("GET", f"{path}?r={rating}")
    assert (reply.status, b" checked>" in reply.body, b"<script" in reply.body) == (200, False, False)


def test_every_page_keeps_out_of_caches_and_of_other_sites(stack):
    _, paths = _proposed(stack)
    for path in paths:
        headers = {name.lower(): value for name, value in stack.request("GET", path).headers.items()}
        policy = headers.pop("content-security-policy")
        assert policy.startswith("default-src 'none'; style-src 'sha256-")
        assert "script" not in policy
        assert {
            name: headers[name] for name in ("cache-control", "referrer-policy", "x-robots-tag", "content-type")
        } == {
            "cache-control": "no-store",
            "referrer-policy": "same-origin",
            "x-robots-tag": "noindex",
            "content-type": "text/html; charset=utf-8",
        }


# -- pressing --------------------------------------------------------------------------------------------------


def test_an_answer_is_what_was_pressed_and_written(stack):
    journey_id, path = stack.surveyed()
    reply = _press(stack, path, csat="2", solved="0", words=f"  {SECRET_WORDS} ", view=_view(stack, path))
    assert reply.status == 200
    assert _answers(stack, journey_id) == [({"csat": 2, "solved": 0}, SECRET_WORDS, True)]
    assert stack.journey(journey_id).stage is Stage.RECOVERING


def test_pressing_twice_is_pressing_once(stack):
    journey_id, path = stack.surveyed()
    view = _view(stack, path)
    first, second = (_press(stack, path, csat="2", view=view) for _ in range(2))
    assert (first.status, second.status) == (200, 200)
    assert len(_answers(stack, journey_id)) == len(stack.journey(journey_id).recoveries) == 1


@pytest.mark.parametrize(
    "csat", ["", "0", "6", "10", "-1", "+3", " 3", "3.0", "٣", "0005", "000" + "9" * 5_000, "three"], ids=ascii
)
def test_an_answer_off_the_scale_is_asked_again_with_what_was_written(stack, csat):
    journey_id, path = stack.surveyed()
    before = stack.rows()
    reply = _press(stack, path, csat=csat, words=SECRET_WORDS)
    assert reply.status == 422
    assert "It broke &lt;twice&gt; &amp; nobody called." in reply.body.decode()
    assert (stack.rows(), _answers(stack, journey_id)) == (before, [])


def test_an_optional_answer_off_its_scale_is_left_out(stack):
    journey_id, path = stack.surveyed()
    assert _press(stack, path, csat="5", solved="0001", nps="10").status == 200
    assert _answers(stack, journey_id) == [({"csat": 5}, "", False)]


@pytest.mark.parametrize("body", [b"\xff", b"&" * 500, b"csat=1&" * 60, b"csat=1&words=" + b"x" * 140_000], ids=len)
def test_a_form_that_no_browser_sends_is_no_answer(stack, body):
    journey_id, path = stack.surveyed()
    before = stack.rows()
    reply = stack.request("POST", path, {"content-type": "application/x-www-form-urlencoded"}, body)
    assert reply.status == 422
    assert (stack.rows(), _answers(stack, journey_id)) == (before, [])


def test_words_are_kept_up_to_eight_thousand_characters_and_none_is_cut_in_silence(stack):
    journey_id, path = stack.surveyed()
    reply = _press(stack, path, csat="5", words="ß" * 8_001)
    page = reply.body.decode()
    assert (reply.status, "longer than the 8,000 characters" in page, "ß" * 8_001 in page) == (422, True, True)
    assert _answers(stack, journey_id) == []
    # A browser counts a line break as one character and sends it as two.
    assert _press(stack, path, csat="5", words="ß\r\n" * 3_999 + "ßß").status == 200
    assert stack.journey(journey_id).answers[0].words == "ß\n" * 3_999 + "ßß"


def test_no_text_field_lets_more_be_typed_than_is_kept(stack):
    _, (answer, proposal, _, _) = _proposed(stack)
    for path in (answer, proposal):
        assert re.findall(r'maxlength="(\d+)"', stack.request("GET", path).body.decode()) == ["8000"]


def test_whoever_presses_for_ever_cannot_fill_the_journey(stack):
    journey_id, (answer, proposal, opt_out, _) = _proposed(stack)
    chance = random.Random(1)
    for path, scores, field in ((answer, {"csat": "1"}, "words"), (proposal, {"choice": "other"}, "comment")):
        view = _view(stack, path)
        for _ in range(110):
            words = "".join(chance.choices(string.printable[:94], k=8_000))
            assert _press(stack, path, **scores, **{field: words}, view=view).status == 200
    stack.settle()
    assert _press(stack, opt_out, scope="asks").status == 200
    told = {"journey_id": journey_id, "by": "ana", "acted_at": stack.clock.now.isoformat(), "act": "take"}
    assert stack.tell("/acts", "staff.acted", told).status == 409, "it was taken before, and that can be read"
    size = max(len(row["body"]["B"]) for row in stack.rows() if "B" in row.get("body", {}))
    assert (stack.failures, stack.dead_letters(), size < 250_000) == ([], 0, True), size


def test_going_back_and_changing_an_answer_is_a_revision_of_it(stack):
    journey_id, path = stack.surveyed()
    view = _view(stack, path)
    _press(stack, path, csat="5", words="Good", view=view)
    _press(stack, path, csat="2", words="No: it broke again", view=view)
    _press(stack, path, csat="2", words="No: it broke again", view=view)
    _press(stack, path, csat="2", words="No: it broke again", call_back="yes", view=view)
    answers = stack.journey(journey_id).answers
    assert [(answer.scores["csat"], answer.words, answer.call_back) for answer in answers] == [
        (5, "Good", False),
        (2, "No: it broke again", False),
        (2, "No: it broke again", True),
    ]
    assert len({answer.id for answer in answers}) == 3
    assert all(re.fullmatch("[0-9a-f]{32}", answer.id) for answer in answers)


def test_going_back_and_changing_a_word_on_a_proposal_is_kept(stack):
    journey_id, (_, path, _, _) = _proposed(stack)
    view = _view(stack, path)
    for choice, words in (("falls_short", "Too late"), ("falls_short", "Too late"), ("meets", "Fine after all")):
        _press(stack, path, choice=choice, comment=words, view=view)
    proposal = stack.journey(journey_id).recovery.proposal
    assert (proposal.word, proposal.words, proposal.revisions) == ("meets", "Fine after all", ())
    _press(stack, path, choice="other", comment="Please ring first", view=view)
    revisions = stack.journey(journey_id).recovery.proposal.revisions
    assert [(word, words) for _, word, words in revisions] == [("other", "Please ring first")]


def test_after_a_bad_answer_the_page_names_who_and_by_when(stack):
    _, path = stack.surveyed()
    page = _press(stack, path, csat="1", words="Broken").body.decode()
    found = re.search(
        r"<strong><bdi>(.+?)</bdi></strong>, .+? will be in touch with you by <strong>(.+?)</strong>", page
    )
    assert found is not None
    assert found[1] in {member.name for member in _staff(stack)}
    assert re.fullmatch(r"\w+day \d+ March, \d\d:\d\d \(Berlin time\)", found[2])


@pytest.mark.parametrize(
    ("words", "said"), [("Broken", "What you wrote is with us, word for word."), ("", "Your answer is with us.")]
)
def test_a_bad_answer_without_a_word_is_not_thanked_for_its_words(stack, words, said):
    _, path = stack.surveyed()
    page = _press(stack, path, csat="1", words=words).body.decode()
    assert re.findall(r"<p>(\w[^<]+) You need not explain anything twice\.</p>", page) == [said]


@pytest.mark.parametrize(
    ("case", "about"), [({"subject": "A red <lamp>"}, ["“<bdi>A red &lt;lamp&gt;</bdi>”"]), ({}, [])], ids=str
)
def test_the_page_says_what_it_is_about(stack, case, about):
    _, path = stack.surveyed(**case)
    page = stack.request("GET", path).body.decode()
    assert re.findall(r'<p class="soft">About (.+?)</p>', page) == about


def test_whoever_asks_to_be_called_back_is_asked_where_and_everybody_hears_of_it(stack):
    _, path = stack.surveyed()
    assert "On which number, and when?" in stack.request("GET", path).body.decode()
    thanks = _press(stack, path, csat="1", call_back="yes").body.decode()
    stack.settle()
    told = {}
    for mail in stack.account.ses.sent:
        text = message_from_bytes(mail.raw, policy=policy.default).get_body(("plain",)).get_content()
        told[mail.tags["kind"]] = " ".join(text.split())
    owner = stack.request("GET", stack.paths("w")[0]).body.decode()
    assert [
        "You asked to be called back: that is noted." in thanks,
        "You asked to be called back: that is noted. If we do not have your number" in told["acknowledgement"],
        "Answer: CSAT 1 of 5, asks to be called back" in told["staff-notice"],
        "<strong>CSAT 1 of 5, asks to be called back</strong>" in owner,
    ] == [True] * 4


def test_who_wrote_nothing_is_not_told_that_a_person_reads_what_they_wrote(stack):
    _, path = stack.surveyed()
    page = _press(stack, path, csat="3", call_back="yes").body.decode()
    assert ("You asked to be called back: that is noted." in page, "A person reads" in page) == (True, False)


def test_a_company_without_a_direct_line_says_how_else_it_is_reached(stack):
    settings = json.loads(shipped("settings"))
    del settings["brand"]["phone"], settings["brand"]["phone_hours"]
    stack.wiring.documents.put("settings", json.dumps(settings).encode(), stack.clock.now, by="test", activate=True)
    _, path = stack.surveyed()
    page = _press(stack, path, csat="1").body.decode()
    assert ("Our direct line" in page, "You can reply to our mail at any time" in page) == (False, True)


def _staff(stack):
    return stack.wiring.documents.version("staff", 0).members


def test_the_customer_judges_a_proposal(stack):
    journey_id, (_, path, _, _) = _proposed(stack)
    assert _press(stack, path, choice="maybe", comment=SECRET_WORDS).status == 422
    assert "It broke &lt;twice&gt;" in _press(stack, path, comment=SECRET_WORDS).body.decode()
    assert _press(stack, path, choice="meets", comment="Thanks").status == 200
    proposal = stack.journey(journey_id).recovery.proposal
    assert (proposal.word, proposal.accepted) == ("meets", True)


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ("meets", "We now carry it out."),
        ("exceeds", "We now carry it out."),
        ("falls_short", "Your answer goes to the person who looks after this, now."),
        ("other", "Your answer goes to the person who looks after this, now."),
    ],
)
def test_what_comes_of_a_word_on_a_proposal_is_said(stack, choice, message):
    _, (_, path, _, _) = _proposed(stack)
    assert message in _press(stack, path, choice=choice).body.decode()


def _propose_again(stack, journey_id):
    told = {"journey_id": journey_id, "by": "ana", "acted_at": stack.clock.now.isoformat()}
    told |= {"act": "propose", "text": "Two new lamps."}
    assert stack.tell("/acts", "staff.acted", told).status == 200
    stack.settle()


def _seen(stack, path):
    """What the note of a proposal's page says, and whether it still takes words."""
    page = stack.request("GET", path).body.decode()
    note = re.search(r'<p class="note">(.+?)</p>', page)
    return (note[1] if note else None), 'name="comment"' in page


def test_a_proposal_that_has_a_better_one_says_so_and_promises_nothing(stack):
    journey_id, (_, path, _, _) = _proposed(stack)
    assert _seen(stack, path) == (None, True)
    _propose_again(stack, journey_id)
    better = "We have since made you a better proposal: it is in our latest mail. Your words here still reach a person."
    assert _seen(stack, path) == (better, True)
    page = _press(stack, path, choice="meets", comment="Yes").body.decode()
    kindly = "A person reads what you wrote, and will be in touch with you."
    assert (kindly in page, "carry it out" in page) == (True, False)


def test_a_proposal_that_was_accepted_says_so_and_an_objection_promises_nothing(stack):
    _, (_, path, _, _) = _proposed(stack)
    _press(stack, path, choice="meets")
    accepted = "You have accepted this; thank you. If something has changed, your words still reach a person."
    assert _seen(stack, path) == (accepted, True)
    assert "carry it out" not in _press(stack, path, choice="falls_short", comment="No").body.decode()


# -- opting out ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/x-www-form-urlencoded", b"List-Unsubscribe=One-Click"),
        (
            "multipart/form-data; boundary=xx",
            b'--xx\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\nOne-Click\r\n--xx--\r\n',
        ),
        ("application/x-www-form-urlencoded", b"\xff\xfe"),
    ],
    ids=["urlencoded", "multipart", "no text"],
)
def test_one_click_opts_out_whatever_the_form(stack, kind, body):
    journey_id, _ = stack.surveyed()
    path = "/o/" + stack.wiring.links.token(Link("opt_out", journey_id, "survey"))
    reply = stack.request("POST", path, {"content-type": kind}, body)
    assert (reply.status, stack.journey(journey_id).stage) == (200, Stage.OPTED_OUT)
    assert stack.account.sqs.depth(stack._urls["inbox"]) == 0  # noqa: SLF001 - nothing was left to the worker


def test_opting_out_twice_is_once(stack):
    journey_id, _ = stack.surveyed()
    path = "/o/" + stack.wiring.links.token(Link("opt_out", journey_id, "survey"))
    view = _view(stack, path)
    assert _press(stack, path, scope="everything", view=view).status == 200
    stack.settle()
    before = stack.rows()
    assert _press(stack, path, scope="everything", view=view).status == 200
    assert stack.rows() == before


def test_opting_out_of_less_after_everything_says_what_holds(stack):
    journey_id, _ = stack.surveyed()
    path = "/o/" + stack.wiring.links.token(Link("opt_out", journey_id, "survey"))
    _press(stack, path, scope="everything")
    page = _press(stack, path, scope="pause").body.decode()
    assert ("You will get no more mail from us." in page, "30 days" in page) == (True, False)


def test_whoever_has_opted_out_is_told_what_holds_already(stack):
    journey_id, _ = stack.surveyed()
    path = "/o/" + stack.wiring.links.token(Link("opt_out", journey_id, "survey"))

    def holds():
        page = stack.request("GET", path).body.decode()
        return re.findall(r'<p class="note">(.+?)</p>', page), re.findall(r'value="(\w+)" checked', page)

    seen = [holds()]
    _press(stack, path, scope="pause")
    stack.run_until(stack.clock.now + timedelta(days=10))
    seen.append(holds())
    stack.run_until(stack.clock.now + timedelta(days=30))
    seen.append(holds())
    assert stack.submit(path, "List-Unsubscribe=One-Click").status == 200
    seen.append(holds())
    _press(stack, path, scope="everything")
    seen.append(holds())
    assert seen == [
        ([], ["asks"]),
        (["You will get no questions or news from us for 20 days."], ["asks"]),
        ([], ["asks"]),
        (["You will get no more questions or news from us."], ["asks"]),
        (["You will get no more mail from us."], ["everything"]),
    ]


# -- bad links -------------------------------------------------------------------------------------------------


def _bad_paths(stack):
    """Every way in which a link can be bad: made up, damaged, of another purpose, expired, about nothing."""
    journey_id, (answer, proposal, opt_out, work) = _proposed(stack)
    links = stack.wiring.links
    token = answer.removeprefix("/a/")
    tokens = ["x", "x.y.z", token[:-1], token + "A", token[:-2] + token[-1] + token[-2], "k9" + token[2:], "x" * 600]
    paths = [f"/{page}/{bad}" for page in "apow" for bad in tokens]
    paths += [f"/{page}/{token}" for page in "pow"]
    paths += [f"/a/{path[3:]}" for path in (proposal, opt_out, work)]
    gone = "j" + "z" * 26
    paths += ["/a/" + links.token(Link("answer", gone, "survey")), "/o/" + links.token(Link("opt_out", gone, "survey"))]
    paths += ["/a/" + links.token(Link("answer", journey_id, "no-such-touch"))]
    paths += ["/p/" + links.token(Link("proposal", journey_id, number)) for number in ("1.9", "9.1", "x", "1", "1.x")]
    paths += ["/w/" + links.token(Link("work", journey_id, "nobody"))]
    paths += ["/w/" + links.token(Link("work", journey_id, "ana", stack.clock.now))]
    return paths


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_every_bad_link_gets_one_and_the_same_reply_and_changes_nothing(stack, method):
    paths = _bad_paths(stack)
    before = stack.rows()
    headers = {"content-type": "application/x-www-form-urlencoded"} if method == "POST" else {}
    form = b"csat=1&choice=meets&scope=everything&act=take"
    replies = [stack.request(method, path, headers, form) for path in paths]
    assert {(reply.status, tuple(sorted(reply.headers.items())), reply.body) for reply in replies} == {
        (404, tuple(sorted(replies[0].headers.items())), replies[0].body)
    }
    assert stack.rows() == before


# -- when AWS cannot be had ------------------------------------------------------------------------------------


def _pressed(stack):
    """Return each button with the event that it makes, and where its words are."""
    journey_id, (answer, proposal, opt_out, work) = _proposed(stack)
    return journey_id, {
        answer: {"csat": "2", "words": SECRET_WORDS, "view": _view(stack, answer)},
        proposal: {"choice": "falls_short", "comment": SECRET_WORDS, "view": _view(stack, proposal)},
        opt_out: {"scope": "everything", "view": _view(stack, opt_out)},
        work: {"act": "take", "view": "d" * 32},
    }


def test_while_the_table_cannot_be_had_what_customers_press_is_kept_and_said_so(stack):
    journey_id, forms = _pressed(stack)
    pages = dict(list(forms.items())[:3])
    stack.run_until(stack.clock.now + visitor.READING)
    stack.off.add("dynamodb")
    for path, fields in pages.items():
        reply = stack.submit(path, urlencode(fields))
        assert (reply.status, "We have received it" in reply.body.decode()) == (202, True), path
    stack.off.clear()
    stack.settle()
    journey = stack.journey(journey_id)
    assert [answer.words for answer in journey.answers][1:] == [SECRET_WORDS]
    assert journey.recovery.proposals[0].word == "falls_short"
    assert (
        stack.wiring.table.is_suppressed("ada@example.com") or stack.wiring.table.person(journey.person_id).value.quiet
    )
    assert stack.failures == []


@pytest.mark.parametrize("cold", [False, True], ids=["warm", "cold"])
def test_while_nothing_can_be_had_the_form_comes_back_with_every_word(stack, cold):
    _, forms = _pressed(stack)
    before = stack.rows()
    if cold:
        stack.restart()
        stack.wiring.links  # noqa: B018 - the keys of links are read when a function starts
    stack.off.update({"dynamodb", "sqs"})
    for path, fields in forms.items():
        reply = _press(stack, path, **fields)
        page = reply.body.decode()
        assert (reply.status, "has not reached us yet" in page) == (503, True), path
        for name, value in fields.items():
            said = value.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
            assert f'<input type="hidden" name="{name}" value="{said}">' in page, (path, name)
    stack.off.clear()
    assert stack.rows() == before


def test_what_comes_back_is_said_as_it_was_offered(stack):
    _, (answer, proposal, opt_out, _) = _proposed(stack)
    forms = (
        (answer, {"csat": "1", "solved": "0", "nps": "7", "call_back": "yes", "words": "0", "lang": "de"}),
        (proposal, {"choice": "falls_short", "lang": "de"}),
        (opt_out, {"scope": "everything", "lang": "de"}),
        (opt_out, {"scope": "pause", "lang": "de"}),
    )
    views = [_view(stack, path) for path, _ in forms]
    stack.off.update({"dynamodb", "sqs"})
    seen = []
    for (path, fields), view in zip(forms, views, strict=True):
        page = _press(stack, path, **fields, view=view).body.decode()
        seen.append(re.findall(r'<dt>(.+?)</dt><dd class="said"( dir="auto")?>(.+?)</dd>', page))
    assert seen == [
        [
            ("Ihre Bewertung", "", "1: Sehr unzufrieden"),
            ("Ihre Bewertung", "", "Noch nicht"),
            ("Ihre Bewertung", "", "7"),
            ("Bitte rufen Sie mich zurück", "", "Ja"),
            ("Ihre Worte", ' dir="auto"', "0"),
        ],
        [("Ihre Sicht", "", "Es reicht mir nicht")],
        [("Was wir Ihnen schicken dürfen", "", "Gar keine Mails mehr")],
        [],
    ]


def test_the_same_press_may_be_tried_again(stack):
    journey_id, path = stack.surveyed()
    fields = {"csat": "2", "words": SECRET_WORDS, "view": _view(stack, path)}
    stack.off.update({"dynamodb", "sqs"})
    assert _press(stack, path, **fields).status == 503
    stack.off.remove("sqs")
    assert _press(stack, path, **fields).status == 202
    stack.off.clear()
    assert _press(stack, path, **fields).status == 200
    stack.settle()
    assert _answers(stack, journey_id) == [({"csat": 2}, SECRET_WORDS, True)]


def test_without_the_queue_a_press_is_committed_all_the_same(stack):
    journey_id, path = stack.surveyed()
    stack.off.add("sqs")
    assert _press(stack, path, csat="2", words=SECRET_WORDS).status == 200
    assert _answers(stack, journey_id) == [({"csat": 2}, SECRET_WORDS, True)]


def test_an_answer_without_a_rating_is_not_kept_blindly(stack):
    _, path = stack.surveyed()
    stack.off.add("dynamodb")
    reply = _press(stack, path, words=SECRET_WORDS)
    assert (reply.status, "It broke &lt;twice&gt;" in reply.body.decode()) == (503, True)


def test_a_page_that_cannot_be_shown_says_so(stack):
    _, paths = _proposed(stack)
    stack.off.add("dynamodb")
    assert [stack.request("GET", path).status for path in paths] == [503, 503, 503, 503]


def test_a_bad_link_is_a_bad_link_even_then(stack):
    stack.surveyed()
    before = stack.request("GET", "/a/x.y.z")
    stack.off.update({"dynamodb", "sqs"})
    after = stack.request("GET", "/a/x.y.z")
    assert (after.status, after.body) == (before.status, before.body) == (404, before.body)
