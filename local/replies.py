"""What a visitor writes back as the customer: a mail as mail programs send it, taken in as SES takes it in."""

from email.message import EmailMessage
from email.policy import SMTP

from local.stack import INBOUND_DOMAIN, Stack
from local.views import Mail

#: As long as an answer page takes.
LONGEST = 8_000
#: What an answering machine says that was told nothing.
AWAY = "I am out of the office until Monday, and read my mail again then."
#: What SES writes above a mail that it took in.
_TAKEN = (
    "Return-Path: <{sender}>",
    "Received: from mail.example.org (mail.example.org [192.0.2.7]) by inbound-smtp.amazonaws.com with SMTP for {to}",
    "X-SES-Spam-Verdict: PASS",
    "X-SES-Virus-Verdict: PASS",
)


def taken_by_us(mail: Mail) -> bool:
    """Say whether what is written back to this mail comes to the stack: it does for every mail of a journey."""
    return _address(mail, "Reply-To").endswith(f"@{INBOUND_DOMAIN}")


def write_back(stack: Stack, mail: Mail, words: str, number: int, *, away: bool) -> bool:
    """Let the customer answer this mail, or with ``away`` the answering machine that they left on.

    The person's answer quotes the mail below it, as mail programs do. ``number`` tells one answer from another. Returns
    whether the journey keeps it.
    """
    before = _replies(stack, mail)
    sender, to = _address(mail, "To"), _address(mail, "Reply-To")
    answer = EmailMessage(policy=SMTP)
    answer["From"] = str(mail.parsed["To"])
    answer["To"] = to
    answer["Subject"] = f"{'Automatic reply' if away else 'Re'}: {mail.subject}"
    answer["Message-ID"] = f"<{number}@mail.example.org>"
    # By the id that the customer's mail program saw, which is SES's own, after what ours refers to.
    seen = f"<{mail.id}@eu-central-1.amazonses.com>"
    answer["In-Reply-To"], answer["References"] = seen, f"{mail.parsed['References'] or ''} {seen}".strip()
    if away:
        answer["Auto-Submitted"] = "auto-replied"
        answer["X-Auto-Response-Suppress"] = "All"
    answer.set_content(words or AWAY if away else f"{words}\n\n{_quoted(mail)}")
    above = "".join(f"{line}\r\n" for line in _TAKEN).format(sender="" if away else sender, to=to)
    stack.receive_mail(above.encode() + answer.as_bytes())
    stack.settle()
    return _replies(stack, mail) > before


def _replies(stack: Stack, mail: Mail) -> int:
    return len(stack.wiring.table.journey(mail.journey_id).value.replies)


def _address(mail: Mail, header: str) -> str:
    named = mail.parsed[header]
    return str(named.addresses[0].addr_spec) if named is not None and named.addresses else ""


def _quoted(mail: Mail) -> str:
    lines = mail.part("plain").splitlines()
    return "\n".join([f"On {mail.parsed['Date']}, {mail.parsed['From']} wrote:", *(f"> {line}" for line in lines)])
