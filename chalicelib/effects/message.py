"""A mail as it goes over the wire: parts, headers, tags."""

import re
from email.charset import QP, Charset
from email.header import Header
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from email.policy import compat32
from email.utils import format_datetime, formataddr
from typing import Any

from chalicelib.effects.envelope import Body, Envelope

_UTF8 = Charset("utf-8")
_UTF8.body_encoding = QP
_BREAKS = re.compile(r"[\x00-\x1f\x7f\u2028\u2029]+")
#: What no text has, and no mail may (RFC 5322): a comment is kept with them, and read without.
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
#: A link in a header stays on one line: folding is allowed, but not every mail program unfolds it.
_WIRE = compat32.clone(max_line_length=900)
#: RFC 5322 asks for lines under 998 octets; a header is folded well before.
_SUBJECT_LENGTH = 200


def one_line(text: str) -> str:
    """Return the text as it may stand in a header: no line break can smuggle in another header."""
    return _BREAKS.sub(" ", text).strip()[:_SUBJECT_LENGTH]


def raw(body: Body, envelope: Envelope, sender_id: str) -> bytes:
    """Return the mail as bytes: plain text first, HTML beside it.

    SES signs it with DKIM as it stands, headers and all, and puts its own Date and Message-ID in the place of these:
    ``<message id>@<region>.amazonses.com``. So a later mail refers to the opening one by the id that SES gave it, and
    all of them to a root of ours, which mail programs hand on in what they answer: by it a reply is known.
    """
    message = MIMEMultipart("alternative")
    message["From"] = _address(envelope.sender_name, envelope.sender)
    message["To"] = _address(envelope.to_name, envelope.to)
    message["Reply-To"] = one_line(envelope.reply_to)
    message["Subject"] = _text(body.subject, "Subject")
    message["Date"] = format_datetime(envelope.date)
    message["Message-ID"] = f"<{envelope.message_id}>"
    if envelope.thread:
        message["In-Reply-To"] = f"<{envelope.thread}>"
    references = [f"<{one}>" for one in (envelope.root, envelope.thread) if one]
    if references:
        message["References"] = " ".join(references)
    # RFC 3834: nobody's auto-responder should answer this.
    message["Auto-Submitted"] = "auto-generated"
    # Exchange asks for words of its own (MS-OXCMAIL, 2.2.3.2.14); reports of delivery and reading are not refused.
    message["X-Auto-Response-Suppress"] = "OOF, AutoReply"
    # Gmail's form, a:b:c:sender, of which it tells complaints apart by kind, class and stage; nobody's name is in it.
    message["Feedback-ID"] = f"{envelope.kind}:{envelope.klass}:{sender_id}:aftercare"
    if envelope.unsubscribe_url:
        message["List-Unsubscribe"] = f"<{envelope.unsubscribe_url}>"
        message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    message.attach(MIMEText(_CONTROLS.sub("", body.text), "plain", _UTF8))  # type: ignore[arg-type]  # a Charset is allowed, and keeps it readable
    message.attach(MIMEText(_CONTROLS.sub("", body.html), "html", _UTF8))  # type: ignore[arg-type]
    return message.as_bytes(policy=_WIRE)


def _text(value: str, header: str) -> str:
    """RFC 2047 for what is not ASCII, and for what would be read as if it were such a word already."""
    line = one_line(value)
    return line if line.isascii() and "=?" not in line else Header(line, "utf-8", header_name=header).encode()


def _address(name: str, address: str) -> str:
    """RFC 2047 for the name, the address as it is."""
    return formataddr((_text(name, "From"), one_line(address)))


def request(body: Body, envelope: Envelope, configuration_set: str) -> dict[str, Any]:
    """Return the SES request for one mail: raw, for a simple one would lose headers and tags."""
    return {
        "FromEmailAddress": _address(envelope.sender_name, envelope.sender),
        "Destination": {"ToAddresses": [envelope.to]},
        "Content": {"Raw": {"Data": raw(body, envelope, configuration_set)}},
        "ConfigurationSetName": configuration_set,
        "EmailTags": [{"Name": name, "Value": value} for name, value in envelope.tags],
    }
