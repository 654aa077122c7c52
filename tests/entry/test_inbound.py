"""What customers write back: understood, given to its journey, never answered. Recorded mails: tests/events/mail."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.entry import inbound
from chalicelib.entry.decode import BadInput
from chalicelib.journey.events import journey_of_case
from chalicelib.links import BadLink, ReplyAddresses
from chalicelib.store.mails import MailArchive

MAILS = Path(__file__).parents[1] / "events" / "mail"
JOURNEY = journey_of_case("desk", "1", 1)
ADDRESSES = ReplyAddresses({"k2": b"new" * 10, "k1": b"old" * 10}, "replies.example.com")


def recorded(name, *, to="reply@replies.example.com", journey=JOURNEY, sender="pat@example.org"):
    raw = (MAILS / f"{name}.eml").read_bytes()
    references = f"<{journey}@example.com> <{journey}.survey@example.com>"
    for key, value in {"to": to, "journey": journey, "references": references}.items():
        raw = raw.replace(f"{{{key}}}".encode(), value.encode())
    return raw.replace(b"pat@example.org", sender.encode())


# -- understanding a mail --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "words", "automatic"),
    [
        ("gmail", "The lamp still flickers – can somebody call me?\n\nPat", ""),
        ("outlook", "I would like the invoice as well, please.\n\nKind regards\nPat", ""),
        ("iphone", "Thanks, all good now\n\nSent from my iPhone", ""),
        ("japanese", "まだ直っていません。電話をください。", ""),
        ("arabic", "المصباح لا يعمل & أنا غير راضية\nسارة", ""),
        ("out_of_office_exchange", "I am away until Monday. In urgent cases call my lawyer.", "auto-submitted"),
        ("out_of_office_gmail", "I am on holiday.", "auto-submitted"),
        (
            "delivery_report",
            "I'm sorry to have to inform you that your message could not be delivered.",
            "report",
        ),
        ("mailing_list", "Forwarded to the list.", "bulk or list"),
    ],
)
def test_a_recorded_mail_is_understood(name, words, automatic):
    mail = inbound.parse(recorded(name, to=ADDRESSES.address(JOURNEY)))
    assert (mail.words, mail.automatic, mail.doubt) == (words, automatic, "")
    assert ADDRESSES.address(JOURNEY) in mail.addressed


def _mail(*headers, body="Hello"):
    return "\r\n".join([*headers, "", body]).encode()


@pytest.mark.parametrize(
    ("header", "automatic"),
    [
        ("Auto-Submitted: no", ""),
        ("Auto-Submitted: auto-replied; owner-email=a@b", "auto-submitted"),
        ("Return-Path: <>", "empty return path"),
        ("Return-Path: <a@example.org>", ""),
        ("X-Auto-Response-Suppress: DR, OOF, AutoReply", "auto-responder"),
        ("X-Auto-Response-Suppress: DR, RN", ""),
        ("X-Autoreply: yes", "auto-responder"),
        ("Precedence: bulk", "bulk or list"),
        ("Precedence: auto_reply", "bulk or list"),
        ("Precedence: first-class", ""),
        ("List-Id: <staff.example.org>", "bulk or list"),
        ("Content-Type: multipart/report; report-type=disposition-notification; boundary=b", "report"),
        ("Subject: Automatic reply: How did we do?", "subject"),
        ("Subject: Abwesenheitsnotiz", "subject"),
        ("Subject: =?utf-8?b?6Ieq5YuV6L+U5L+h?=", "subject"),
        ("Subject: Re: Out of office furniture", ""),
        ("Subject: =?nonsense?q?x?=", ""),
    ],
)
def test_automatic_replies_are_known_by_their_headers(header, automatic):
    assert inbound.parse(_mail(header)).automatic == automatic


@pytest.mark.parametrize(("name", "doubt"), [("Spam", "spam"), ("Virus", "virus")])
def test_what_ses_found_wrong_is_a_doubt(name, doubt):
    assert inbound.parse(_mail(f"X-SES-{name}-Verdict: FAIL")).doubt == doubt


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("> only\n> quoted", "> only\n> quoted"),
        ("On Monday somebody wrote:\n> How was it?\nIt was bad.", "It was bad."),
        ("Bad.\n\nEscreveu no dia 2 de março:\n> Olá", "Bad."),
        ("", ""),
        ("\x00Bad\x1b[2J", "Bad[2J"),
    ],
)
def test_what_was_written_now_is_kept_without_the_mail_that_it_answers(body, words):
    assert inbound.parse(_mail(body=body)).words == words


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<p>One</p><p>Two</p>", "One\n\nTwo"),
        ("<style>p{}</style><script>alert(1)</script>Hi<br>you", "Hi\nyou"),
        ("A<blockquote>old<blockquote>older</blockquote></blockquote>B", "AB"),
        ("<img src=x onerror=alert(1)>&lt;b&gt;", "<b>"),
        ("<![if foo", ""),
        ("", ""),
    ],
)
def test_of_html_only_the_text_is_taken(html, text):
    assert inbound.text_of(html).startswith(text)


@pytest.mark.parametrize("charset", ["utf-8", "nonsense", "utf-7", "x" * 5000, "unicode_escape", "rot13", ""])
def test_a_charset_may_claim_anything(charset):
    raw = _mail(f'Content-Type: text/plain; charset="{charset}"', body="Hello")
    assert "Hello" in inbound.parse(raw).words or inbound.parse(raw).words


def test_what_is_kept_of_a_huge_mail_is_bounded():
    words = inbound.parse(_mail(body="very long " * 400_000)).words
    assert 0 < len(words) <= inbound.MOST_WORDS


def test_parts_nested_beyond_reason_lose_their_words_but_not_their_address():
    to = ADDRESSES.address(JOURNEY)
    nested = b"".join(b"Content-Type: multipart/mixed; boundary=a%d\n\n--a%d\n" % (n, n) for n in range(1500))
    assert inbound.parse(f"To: {to}\n".encode() + nested).addressed == (to,)


_LINES = st.sampled_from(
    [
        *(b"From: a@b", b"Content-Type: multipart/mixed; boundary=x", b"--x", b"--x--", b"", b"\xff\xfe", b"> q"),
        *(b"Content-Type: text/html; charset=\xff", b"Content-Transfer-Encoding: base64", b"=?utf-8?q?=ff?=", b"<![x"),
        *(
            b"Subject: =?x?b?!!?=",
            b"Content-Disposition: attachment",
            b"On a day b wrote:",
            b"Content-Type: ;;;=",
            b"A",
        ),
        *(b"Content-Type: message/rfc822", b"Content-Transfer-Encoding: uuencode", b"To: <<<>>>,;:@", b"\r", b":"),
    ]
)


@given(st.lists(_LINES | st.binary(max_size=40), max_size=40))
def test_no_mail_breaks_the_reader(lines):
    mail = inbound.parse(b"\n".join(lines))
    assert len(mail.words) <= inbound.MOST_WORDS
    assert mail.message_id


# -- addresses -------------------------------------------------------------------------------------------


def test_an_address_fits_a_mail_servers_limits_and_may_change_its_case():
    address = ADDRESSES.address(JOURNEY)
    assert len(address.partition("@")[0]) == 59  # of 64 (RFC 5321)
    assert ADDRESSES.read(address.upper()) == JOURNEY


def test_rotation_breaks_no_address_that_is_out():
    old = ReplyAddresses({"k1": b"old" * 10}, "replies.example.com")
    assert ADDRESSES.read(old.address(JOURNEY)) == JOURNEY
    assert old.address(JOURNEY) != ADDRESSES.address(JOURNEY)
    with pytest.raises(BadLink):
        old.read(ADDRESSES.address(JOURNEY))


@given(st.integers(0, 58), st.sampled_from("abcdefghijklmnopqrstuvwxyz234567+-_.0189 é"))
def test_no_damaged_address_is_read(position, letter):
    good = ADDRESSES.address(JOURNEY)
    bad = good[:position] + letter + good[position + 1 :]
    if bad != good:
        with pytest.raises(BadLink):
            ADDRESSES.read(bad)


@pytest.mark.parametrize("address", ["", "@", "reply@replies.example.com", "reply+@replies.example.com", "reply+x@y.z"])
def test_another_address_is_not_read(address):
    with pytest.raises(BadLink):
        ADDRESSES.read(address)


def test_an_address_of_another_domain_is_not_read():
    with pytest.raises(BadLink):
        ADDRESSES.read(ADDRESSES.address(JOURNEY).replace("replies.", "answers."))


# -- from the bucket to the journey ----------------------------------------------------------------------


def _reply_to(stack):
    survey = next(mail for mail in stack.account.ses.sent if mail.tags["effect"] == "survey")
    line = next(line for line in survey.raw.decode().splitlines() if line.startswith("Reply-To: "))
    return line.removeprefix("Reply-To: ")


def _received(stack, raw):
    key = stack.receive_mail(raw)
    before = len(stack.account.ses.sent)
    stack.settle()
    assert stack.failures == []
    return key, stack.account.ses.sent[before:]


def test_a_reply_lands_on_its_journey_and_a_lead_is_told(stack):
    journey_id, _ = stack.surveyed()
    key, mails = _received(stack, recorded("gmail", to=_reply_to(stack)))
    (reply,) = stack.journey(journey_id).replies
    words = "The lamp still flickers – can somebody call me?\n\nPat"
    assert (reply.words, reply.raw, reply.automatic, reply.doubt) == (words, key, "", "")
    assert [mail.tags["kind"] for mail in mails] == ["staff-notice"]
    assert b"wrote back" in mails[0].raw


def test_the_same_reply_delivered_twice_is_one(stack):
    journey_id, _ = stack.surveyed()
    raw = recorded("gmail", to=_reply_to(stack))
    _received(stack, raw)
    _, again = _received(stack, raw)
    assert (len(stack.journey(journey_id).replies), again) == (1, [])


def test_during_a_recovery_the_owner_is_told_and_sees_it_on_the_page(stack):
    journey_id, path = stack.surveyed()
    stack.press(path, csat="1", words="It broke")
    stack.settle()
    owner = stack.wiring.documents.version("staff", 0).member(stack.journey(journey_id).recovery.owner)
    _, (notice,) = _received(stack, recorded("outlook", to=_reply_to(stack)))
    assert notice.to == (owner.email,) or list(notice.to) == [owner.email]
    page = stack.request("GET", stack.paths("w")[-1]).body.decode()
    assert "I would like the invoice as well, please." in page
    assert "The customer wrote back by mail" in page


@pytest.mark.parametrize("name", ["out_of_office_exchange", "out_of_office_gmail", "delivery_report", "mailing_list"])
def test_an_automatic_reply_is_kept_and_wakes_nobody(stack, name):
    journey_id, _ = stack.surveyed()
    before = stack.journey(journey_id)
    _, mails = _received(stack, recorded(name, to=_reply_to(stack)))
    after = stack.journey(journey_id)
    assert (mails, [bool(reply.automatic) for reply in after.replies]) == ([], [True])
    assert (after.touches, after.stage, after.wake_at) == (before.touches, before.stage, before.wake_at)


def test_two_hundred_automatic_replies_cause_no_mail_and_leave_ten(stack):
    journey_id, _ = stack.surveyed()
    to = _reply_to(stack)
    before = len(stack.account.ses.sent)
    for number in range(200):
        stack.receive_mail(recorded("out_of_office_gmail", to=to).replace(b"<vacation@", b"<vacation%d@" % number))
    stack.settle()
    assert len(stack.account.ses.sent) == before
    assert len(stack.journey(journey_id).replies) == 10


def test_a_loop_of_replies_without_headers_causes_at_most_thirty_one_notices_a_day(stack):
    journey_id, _ = stack.surveyed()
    to = _reply_to(stack)
    before = len(stack.account.ses.sent)
    for number in range(60):
        stack.receive_mail(_mail(f"To: {to}", f"Message-ID: <{number}@x>", "From: pat@example.org", body="Hi again"))
    stack.settle()
    assert (len(stack.account.ses.sent) - before, len(stack.journey(journey_id).replies)) == (31, 30)


def test_without_its_address_a_reply_is_known_by_what_it_answers_if_it_comes_from_the_customer(stack):
    journey_id, _ = stack.surveyed()
    _received(stack, recorded("gmail", journey=journey_id, sender="ada@example.com"))
    assert [reply.doubt for reply in stack.journey(journey_id).replies] == ["unsigned"]


def test_a_stranger_who_names_a_mail_of_ours_changes_nothing(stack):
    journey_id, _ = stack.surveyed()
    _, mails = _received(stack, recorded("gmail", journey=journey_id))
    assert (stack.journey(journey_id).replies, mails) == ((), [])


def test_html_of_a_reply_is_never_markup_on_a_page(stack):
    _, path = stack.surveyed()
    stack.press(path, csat="1", words="It broke")
    stack.settle()
    raw = _mail(f"To: {_reply_to(stack)}", "Message-ID: <x@y>", body="<script>alert(1)</script>")
    _received(stack, raw)
    page = stack.request("GET", stack.paths("w")[-1]).body
    assert (b"<script>alert" in page, b"&lt;script&gt;alert" in page) == (False, True)


def test_the_test_message_of_the_bucket_is_passed_over(stack):
    stack.wiring.inbound.take(json.dumps({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "b"}))
    assert stack.failures == []


@pytest.mark.parametrize("body", ["", "{}", "[]", '{"Records": [{}]}', '{"Records": 5}', '{"Event": "s3:Other"}'])
def test_what_is_no_message_of_the_bucket_is_refused(stack, body):
    with pytest.raises(BadInput):
        stack.wiring.inbound.take(body)


def test_the_source_of_a_reply_goes_with_its_journey(stack):
    journey_id, _ = stack.surveyed()
    key, _ = _received(stack, recorded("gmail", to=_reply_to(stack)))
    mails: MailArchive = stack.wiring.mails
    assert mails.delete_for_journey(journey_id, tuple(one.raw for one in stack.journey(journey_id).replies)) == 2
    listed = stack.account.s3.list_objects_v2(Bucket=stack.environment["MAIL_BUCKET"])
    assert key not in [found["Key"] for found in listed.get("Contents", [])]
