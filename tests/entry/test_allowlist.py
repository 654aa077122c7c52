"""A stage that is not production can mail only its allowlist, however the address is written."""

from datetime import UTC, datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chalicelib.effects.allowlist import Allowlist
from chalicelib.effects.envelope import Body, Envelope
from chalicelib.effects.errors import MailNotAllowed
from chalicelib.effects.mail import MailService

ALLOWED = "Example.com, pat@partner.example"


class Wire:
    """Takes every mail."""

    def __init__(self):
        self.taken = []

    def send_email(self, **wire):
        self.taken.append(wire)
        return {"MessageId": "1"}


def _send(to, allowed=ALLOWED):
    wire = Wire()
    envelope = Envelope(
        to=to,
        to_name=to,
        sender_name="Ines",
        sender="care@example.com",
        reply_to="care@example.com",
        message_id="m@example.com",
        thread="",
        date=datetime(2026, 3, 2, tzinfo=UTC),
        kind="survey",
        tags=(),
    )
    try:
        MailService(wire, "aftercare-test", Allowlist(allowed)).send(Body("s", "t", "<p>h</p>"), envelope)
    except (MailNotAllowed, UnicodeError, ValueError):
        assert wire.taken == []
        return False
    assert [one["Destination"] for one in wire.taken] == [{"ToAddresses": [to]}]
    return True


TRICKS = [
    "ada@example.org",
    "ada@sub.example.com",
    "ada@example.com.evil.example",
    "ada@notexample.com",
    "ada@example.com.",
    "ada@evil.example, pat@example.com",
    "ada@evil.example,pat@example.com",
    "pat@example.com <ada@evil.example>",
    "<ada@evil.example> pat@example.com",
    '"ada@evil.example" <pat@example.com>',
    '"ada@evil.example, x"@example.com',
    "ada@evil.example(pat@example.com",
    "ada%evil.example@example.com@evil.example",
    "ada@evil.example\n@example.com",
    "ada@evil.example\x00@example.com",
    "ada@evil.example\u2028@example.com",
    "ada@ex\u0430mple.com",
    "ada@example\u3002com",
    "ada@\uff45xample.com",
    "pat+tag@partner.example",
    "pat@partner.example;ada@evil.example",
    "@example.com",
    "example.com",
    "",
]


@pytest.mark.parametrize("address", TRICKS)
def test_no_trick_reaches_anybody_else(address):
    assert not _send(address)


@pytest.mark.parametrize(
    "address", ["ada@example.com", "Ada+x@EXAMPLE.com", "o'neil@example.com", "pat@partner.example"]
)
def test_who_is_allowed_gets_mail(address):
    assert _send(address)


_PARTS = st.sampled_from(["ada", "pat", "@", "example.com", "evil.example", "partner.example", ".", ",", ";", " ", "<"])
_ADDRESSES = st.one_of(
    st.emails(),
    st.lists(_PARTS | st.characters(codec="utf-8"), max_size=8).map("".join),
    st.emails().map(lambda email: f"{email.partition('@')[0]}@example.com"),
    st.emails().map(str.upper),
)


@given(_ADDRESSES)
@example("pat@partner.example")
def test_whoever_gets_mail_has_one_plain_address_of_the_list(address):
    if _send(address):
        local, at, domain = address.rpartition("@")
        assert at
        assert "@" not in local
        assert address.isascii()
        assert not set(address) & set(' ,;:<>()[]\\"')
        assert address.isprintable()
        assert domain.lower() == "example.com" or address.lower() == "pat@partner.example"


@given(_ADDRESSES)
def test_a_stage_that_names_nobody_writes_to_nobody(address):
    assert not _send(address, "")


def test_production_writes_to_everyone():
    assert _send("anyone@anywhere.example", "*")
