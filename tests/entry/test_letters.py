"""What mails say: no empty quotation marks, no claim that is not true, and no header that a name could add."""

from datetime import timedelta
from email import message_from_bytes, policy

import pytest
from msgspec.structs import replace

from chalicelib.effects import message
from chalicelib.effects.letters import Letters
from chalicelib.journey.state import Touch


def _parts(stack):
    """The subject and both parts of every mail, white space aside."""
    found = []
    for mail in stack.account.ses.sent:
        sent = message_from_bytes(mail.raw, policy=policy.default)
        texts = [sent["Subject"], *(sent.get_body((kind,)).get_content() for kind in ("plain", "html"))]
        found.append([" ".join(text.split()) for text in texts])
    return found


def _answered_badly(stack, words="Broken", **case):
    """A case whose survey was answered badly; returns its journey's id."""
    journey_id = stack.resolved(**case)
    stack.run_until(stack.clock.now + timedelta(days=2))
    stack.press(stack.path("a"), csat="1", words=words)
    stack.settle()
    return journey_id


def _acknowledgement(stack):
    return next(parts for parts in _parts(stack) if parts[0].startswith("Re: "))


def _letter(stack, journey_id, **touch):
    """What a mail to that customer would say."""
    now = stack.clock.now
    journey = stack.journey(journey_id)
    person = stack.wiring.table.person(journey.person_id).value
    documents = stack.wiring.documents.for_journey(journey, now)
    letters = Letters(stack.wiring.links, "care@example.com", "help@example.com", "eu-central-1")
    planned = Touch(id="t", due_at=now, latest_at=now, **touch)
    return letters.to_customer(planned, journey, person, documents, now)


def test_without_a_subject_a_mail_names_no_case_and_quotes_nothing(stack):
    _answered_badly(stack)
    parts = _parts(stack)
    assert "Your case is closed on our side." in parts[0][1]
    assert "Your case is closed on our side." in parts[0][2]
    assert _acknowledgement(stack)[0] == f"Re: {parts[0][0]}"
    assert [text for mail in parts for text in mail if "“" in text] == []


def test_a_subject_is_quoted(stack):
    _answered_badly(stack, subject="A red lamp")
    assert "Your case “A red lamp” is closed on our side." in _parts(stack)[0][1]
    assert _acknowledgement(stack)[0] == "Re: How did we do with “A red lamp”?"


def test_the_mails_of_a_journey_are_one_conversation(stack):
    journey_id = _answered_badly(stack, subject="A red lamp")
    sent = [mail for mail in stack.account.ses.sent if mail.tags["kind"] != "staff-notice"]
    survey, acknowledgement = (message_from_bytes(mail.raw, policy=policy.default) for mail in sent)
    root, opening = f"<{journey_id}@example.com>", f"<{sent[0].message_id}@eu-central-1.amazonses.com>"
    assert (survey["In-Reply-To"], survey["References"]) == (None, root)
    assert survey["Message-ID"] == f"<{journey_id}.survey@example.com>", "made again it has the same id"
    assert (acknowledgement["In-Reply-To"], acknowledgement["References"]) == (opening, f"{root} {opening}")
    assert acknowledgement["Subject"] == f"Re: {survey['Subject']}"


@pytest.mark.parametrize(
    ("words", "claim"),
    [
        ("Broken", "These are your words, and the people who put this right read them exactly as you wrote them:"),
        ("Broken " * 1_000, "This is the beginning of what you wrote; all of it is with us"),
    ],
    ids=["all of it", "the beginning"],
)
def test_an_acknowledgement_says_whether_it_quotes_all(stack, words, claim):
    _answered_badly(stack, words)
    claims = [
        [one in part for one in ("These are your words", "This is the beginning", claim)]
        for part in _acknowledgement(stack)[1:]
    ]
    assert claims == [[words == "Broken", words != "Broken", True]] * 2


def test_a_remark_that_staff_wrote_down_is_not_called_the_customers_own_words(stack):
    journey_id = _answered_badly(stack)
    journey = stack.journey(journey_id)
    person = stack.wiring.table.person(journey.person_id).value
    documents = stack.wiring.documents.for_journey(journey, stack.clock.now)
    remark = replace(journey, case=replace(journey.case, kind="remark"))
    letters = Letters(stack.wiring.links, "care@example.com", "help@example.com", "eu-central-1")
    touch = next(one for one in journey.touches if one.kind == "acknowledgement")
    body, _ = letters.to_customer(touch, remark, person, documents, stack.clock.now)
    for text in (" ".join(body.text.split()), body.html):
        assert ("written down of what you said" in text, "you wrote" in text) == (True, False)


@pytest.mark.parametrize("case", [{"subject": "A red lamp"}, {}], ids=str)
def test_sorry_is_said_once_by_a_template(stack, case):
    journey_id = _answered_badly(stack, **case)
    first = _acknowledgement(stack)[1:]
    again, _ = _letter(stack, journey_id, kind="acknowledgement", recovery=1)
    second = [" ".join(part.split()) for part in (again.text, again.html)]
    for one, other in zip(first, second, strict=True):
        assert [("sorry" in part, "is not enough" in part) for part in (one, other)] == [(True, False), (False, True)]
        assert [part.count("red lamp") for part in (one, other)] == [len(case)] * 2


def test_a_bad_word_after_the_promised_hour_is_promised_the_next_working_day(stack):
    journey_id = _answered_badly(stack)
    path = stack.path("a", 0)
    stack.run_until(stack.clock.now + timedelta(days=5))
    page = stack.press(path, csat="1", words="Still nothing.").body.decode()
    letter, _ = _letter(stack, journey_id, kind="acknowledgement", recovery=1)
    assert ["by the next working day" in text for text in (" ".join(letter.text.split()), letter.html, page)] == [
        True
    ] * 3


def test_a_footer_names_the_company_once_and_calls_no_page_a_click(stack):
    stack.surveyed()
    _, text, html = _parts(stack)[0]
    for footer in (text.rpartition("-- ")[2], html.partition('class="f m"')[2]):
        assert footer.count("Northwind Music") == 1
        assert ("No more questions or news" in footer, "one click" in footer) == (True, False)


def test_an_update_tells_where_we_are_and_what_we_promised(stack):
    journey_id = _answered_badly(stack)
    body, _ = _letter(stack, journey_id, kind="update", text="It is on its way.\n\nSoon there.", recovery=1)
    assert ("It is on its way." in body.text, "The date we have promised you" in body.text) == (True, False)
    for act in ({"act": "take"}, {"act": "apologise", "text": "Sorry."}, {"act": "propose", "text": "A new lamp."}):
        told = {"journey_id": journey_id, "by": "ana", "acted_at": stack.clock.now.isoformat(), **act}
        assert stack.tell("/acts", "staff.acted", told).status == 200
    body, _ = _letter(stack, journey_id, kind="update", text="Soon there.", recovery=1)
    assert "The date we have promised you: " in body.text


def test_what_no_mail_may_carry_is_left_out_of_it_and_kept_as_it_was_written(stack):
    journey_id = _answered_badly(stack, "Bro\x00ken\x1b[31m\x0c and\nred\x7f")
    assert stack.journey(journey_id).answers[0].words == "Bro\x00ken\x1b[31m\x0c and\nred\x7f"
    _, text, html = _acknowledgement(stack)
    assert ("> Broken[31m > and > red" in text, "Broken[31m<br> and<br>red" in html) == (True, True)
    assert [sign for sign in text + html if not sign.isprintable()] == []


@pytest.mark.parametrize("line_break", ["\r\n", "\n", "\r", "\u2028", "\x0b"], ids=ascii)
def test_a_line_break_in_a_subject_or_name_adds_no_header(stack, line_break):
    journey_id = stack.resolved()
    body, envelope = _letter(stack, journey_id, kind="update", text="Hello.")
    smuggled = f"Hello{line_break}Bcc: eve@example.com{line_break}{line_break}Body"
    body = replace(body, subject=smuggled)
    envelope = replace(envelope, to_name=smuggled, sender_name=smuggled, reply_to=smuggled)
    sent = message_from_bytes(message.raw(body, envelope, "aftercare-test"), policy=policy.default)
    assert (sent["Bcc"], len(sent.get_all("To")), sent["Subject"].split("Bcc")[0]) == (None, 1, "Hello ")
    assert sent["From"].addresses[0].addr_spec == "care@example.com"
    assert sent["To"].addresses[0].addr_spec == "ada@example.com"
