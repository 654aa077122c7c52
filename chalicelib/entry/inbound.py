"""Mail that customers write back: from the bucket, where SES puts it, to what happened in their journey.

It comes from anybody on the internet. So nothing of it is trusted or run: every header and part may be nonsense, sizes
are bounded, of HTML only the text is taken, and an automatic reply is recognised before anything else is made of it.
Nothing here ever sends a mail to whom it came from, so no loop can begin.
"""

import json
import re
from collections.abc import Callable, Iterable
from datetime import datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from email.parser import BytesHeaderParser
from hashlib import sha256
from html.parser import HTMLParser
from urllib.parse import unquote_plus

import msgspec
from mailparser_reply import EmailReplyParser
from mailparser_reply.parser import EmailMessage as Thread

from chalicelib.effects import sentiment
from chalicelib.entry.decode import BadInput
from chalicelib.journey.events import ReplyReceived, stable_id
from chalicelib.links import BadLink, ReplyAddresses
from chalicelib.pipeline import Worker
from chalicelib.store.mails import MailArchive

#: Characters of a text that are looked at, of one line of it, and of what is kept: an answer page takes as much.
MOST_TEXT, MOST_LINE, MOST_WORDS = 20_000, 500, 8_000
_MOST_PARTS, _MOST_HEADER = 100, 4_000
#: In these languages mail programs are known to say that somebody wrote something on some day.
_LANGUAGES = ["en", "de", "es", "fr", "it", "ja"]
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\u2028\u2029]")
_ADDRESS = re.compile(r"[A-Za-z0-9._+=-]{1,64}@[A-Za-z0-9.-]{1,253}")
_REFERENCE = re.compile(r"<(j[a-z2-7]{26})(?:\.[\w-]+)?@([A-Za-z0-9.-]+)>")
#: What other mail servers say of whom a mail was for, besides its own headers.
_TO = ("To", "Cc", "Delivered-To", "X-Original-To", "Envelope-To", "X-Forwarded-To", "Received")
#: The last resort, where no header says that nobody wrote this.
_SUBJECTS = re.compile(
    r"\s*(?:auto(?:matic)?[ -]?(?:reply|response|answer)|out of (?:the )?office|undeliver(?:able|ed)|returned mail|"
    r"mail delivery (?:failed|subsystem)|delivery status notification|abwesenheit|automatische antwort|"
    r"r[ée]ponse automatique|respuesta autom[áa]tica|resposta autom[áa]tica|自動(?:返信|応答)|不在|رد تلقائي)",
    re.IGNORECASE,
)
#: The line above quoted words, where the library does not know the language.
_ATTRIBUTION = re.compile(r"\n[^\n]{0,300}(?:\d|@|wrote)[^\n]{0,300}[:：]\s*\Z")
_RULE = re.compile(r"\n[_-]{10,}\s*\Z")


class Incoming(msgspec.Struct, frozen=True):
    """One mail as it was understood. ``automatic`` and ``doubt`` are empty for what a person seems to have written."""

    message_id: str
    sender: str
    addressed: tuple[str, ...]
    refers_to: tuple[tuple[str, str], ...]
    words: str
    automatic: str
    doubt: str


# -- understanding a mail --------------------------------------------------------------------------------


def parse(raw: bytes) -> Incoming:
    """Return what a mail says; whatever the bytes are, it returns something."""
    try:
        message = message_from_bytes(raw, policy=policy.default)
    except Exception:  # noqa: BLE001 - the standard library raises many things on nonsense; RecursionError among them
        message = _headers_of(raw)
    head = _Headers(message)
    automatic = _automatic(head)
    try:
        words = _without_quotes(_text(message))
    except Exception:  # noqa: BLE001 - as above: the source is kept, and a person looks
        words = ""
    return Incoming(
        message_id=head.of("Message-ID").strip(" <>") or sha256(raw).hexdigest(),
        sender=next(iter(_ADDRESS.findall(head.of("From"))), "").lower(),
        addressed=tuple(found for name in _TO for found in _ADDRESS.findall(head.all_of(name))),
        refers_to=tuple(_REFERENCE.findall(f"{head.of('References')} {head.of('In-Reply-To')}")),
        words=words[:MOST_WORDS],
        automatic=automatic,
        doubt=_doubt(head),
    )


def _headers_of(raw: bytes) -> EmailMessage:
    """Return a mail without its parts, whose nesting nobody can follow."""
    try:
        return BytesHeaderParser(policy=policy.default).parsebytes(raw.partition(b"\n\n")[0])
    except Exception:  # noqa: BLE001 - as in `parse`
        return EmailMessage()


class _Headers:
    """The headers of a mail, as text, whatever is in them."""

    def __init__(self, message: EmailMessage) -> None:
        self._message = message

    def of(self, name: str) -> str:
        """Return the first of that name, or an empty text."""
        return next(iter(self._all(name)), "")

    def all_of(self, name: str) -> str:
        """Return all of that name, a line each."""
        return "\n".join(self._all(name))

    def __contains__(self, name: str) -> bool:
        return bool(self._all(name))

    def _all(self, name: str) -> list[str]:
        # Parsed by hand: the library's own reading of structured headers raises on malformed ones.
        raws = [value for key, value in self._message.raw_items() if key.lower() == name.lower()]
        return [_CONTROL.sub(" ", str(value))[:_MOST_HEADER] for value in raws[:50]]


def _automatic(head: _Headers) -> str:
    """Return by what it is seen that no person wrote this (RFC 3834 and what programs do besides), or an empty text."""
    if head.of("Content-Type").strip().lower().startswith("multipart/report"):
        return "report"
    if head.of("Auto-Submitted").partition(";")[0].strip().lower() not in {"", "no"}:
        return "auto-submitted"
    if head.of("Return-Path").strip() == "<>" or "X-Failed-Recipients" in head:
        return "empty return path"
    if head.of("Precedence").strip().lower() in {"bulk", "auto_reply", "list", "junk"} or "List-Id" in head:
        return "bulk or list"
    suppressed = {one.strip().lower() for one in head.of("X-Auto-Response-Suppress").split(",")}
    if suppressed & {"all", "oof", "autoreply"} or any(name in head for name in ("X-Autoreply", "X-Autorespond")):
        return "auto-responder"
    return "subject" if _SUBJECTS.match(_decoded(head.of("Subject"))) else ""


def _decoded(value: str) -> str:
    from email.header import decode_header, make_header  # noqa: PLC0415 - for the few that come this far

    try:
        return str(make_header(decode_header(value)))
    except Exception:  # noqa: BLE001 - an unknown charset, broken base 64
        return value


def _doubt(head: _Headers) -> str:
    """Return what SES found wrong with a mail, in the headers that it writes above all others."""
    found = {name: head.of(f"X-SES-{name}-Verdict").strip().upper() for name in ("Virus", "Spam")}
    return next((name.lower() for name, verdict in found.items() if verdict == "FAIL"), "")


def _text(message: EmailMessage) -> str:
    """Return the text part, else the text of the HTML part, however the parts are nested."""
    html = ""
    waiting, seen = [message], 0
    while waiting and seen < _MOST_PARTS:
        part, seen = waiting.pop(0), seen + 1
        kind = str(part.get_content_type())
        if part.is_multipart():
            children = part.get_payload()
            waiting = [*(children if isinstance(children, list) else []), *waiting]
        elif kind == "text/plain" and not _is_attached(part):
            return _content(part)
        elif kind == "text/html" and not html and not _is_attached(part):
            html = _content(part)
    return text_of(html) if html else ""


def _is_attached(part: EmailMessage) -> bool:
    return "attachment" in next(
        (str(value).lower() for key, value in part.raw_items() if key.lower() == "content-disposition"), ""
    )


def _content(part: EmailMessage) -> str:
    """Return the text of a part, whatever its charset claims to be."""
    raw = part.get_payload(decode=True)
    data = raw[: MOST_TEXT * 20] if isinstance(raw, bytes) else b""
    for charset in (str(part.get_content_charset("utf-8")), "utf-8"):
        try:
            return data.decode(charset)
        except (LookupError, ValueError):
            continue
    return data.decode("utf-8" if data.isascii() else "latin-1", errors="replace")


class _Text(HTMLParser):
    """Collects what a person would read: no scripts, styles or quoted mails. Nothing is run or fetched."""

    _HIDDEN = ("script", "style", "head", "title", "template", "blockquote")
    _BREAKS = ("br", "p", "div", "li", "tr", "h1", "h2", "h3", "hr")

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self._hidden: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Begin a line, or hide what follows."""
        quoted = any(name == "class" and "gmail_quote" in (value or "") for name, value in attrs)
        if tag in self._HIDDEN or (quoted and tag == "div") or (self._hidden and tag == self._hidden[-1]):
            self._hidden.append(tag)
        elif tag in self._BREAKS:
            self.parts.append("\n")

    def handle_endtag(self, tag: str) -> None:
        """End a line, or what was hidden."""
        if self._hidden and tag == self._hidden[-1]:
            self._hidden.pop()
        elif tag in self._BREAKS and tag != "br":
            self.parts.append("\n")

    def handle_data(self, data: str) -> None:
        """Keep what is read."""
        if not self._hidden:
            self.parts.append(re.sub(r"\s+", " ", data))


def text_of(html: str) -> str:
    """Return the text of an HTML part."""
    reader = _Text()
    try:
        reader.feed(html[: MOST_TEXT * 10])
        reader.close()
    except (AssertionError, ValueError):  # it gives up on some declarations: what was read until then stands
        pass
    return re.sub(r"\n{3,}", "\n\n", "".join(reader.parts)).strip()


def _without_quotes(text: str) -> str:
    """Return what was written now, without the mail that it answers; all of it where nothing else would be left.

    Lines are bounded, for the library's expressions take time by the square of a line.
    """
    plain = _CONTROL.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))[:MOST_TEXT]
    lines = [
        line[start : start + MOST_LINE] for line in plain.split("\n") for start in range(0, len(line) or 1, MOST_LINE)
    ]
    thread = Thread(text="\n".join(lines), languages=EmailReplyParser(languages=_LANGUAGES).languages)
    header = thread.HEADER_REGEX.search(thread.text)
    above = thread.text[: header.start()] if header else thread.text
    quoted = re.search(r"^>", above, re.MULTILINE)
    if quoted:
        above = _ATTRIBUTION.sub("\n", f"\n{above[: quoted.start()]}") + above[quoted.start() :]
    above = _RULE.sub("", above)
    # Who answers below the quoted mail, or between its lines, has written nothing above it.
    below = thread.text[: header.start()] + thread.text[header.end() :] if header else thread.text
    return _unquoted(above) or _unquoted(below) or thread.text.strip()


def _unquoted(text: str) -> str:
    return "\n".join(line for line in text.split("\n") if not line.startswith(">")).strip()


# -- giving it to its journey ----------------------------------------------------------------------------


class Inbound:
    """Takes what the bucket says of new mail, and gives each mail to the journey that it answers."""

    def __init__(
        self,
        mails: MailArchive,
        addresses: ReplyAddresses,
        mail_from: str,
        worker: Worker,
        now: Callable[[], datetime],
    ) -> None:
        """Keep its partners; ``mail_from`` is the address whose domain our message ids have."""
        self._mails = mails
        self._addresses = addresses
        self._domain = mail_from.rpartition("@")[2].lower()
        self._worker = worker
        self._now = now

    def take(self, body: str) -> None:
        """Take one message of the bucket; raises BadInput when it is none. Its own test message is passed over."""
        for key, at in _objects(body):
            self._take_one(key, min(at, self._now()))

    def _take_one(self, key: str, at: datetime) -> None:
        mail = parse(self._mails.read(key))
        journey_id, signed = self._journey_of(mail)
        if not journey_id:
            # What is not for a journey stays in the bucket; nobody is answered, and no name is logged.
            self._worker.pipeline.log.warning("a mail came in that answers no journey", extra={"key": key})
            return
        event = ReplyReceived(
            event_id=f"reply/{stable_id('', mail.message_id)}",
            occurred_at=at,
            journey_id=journey_id,
            reply_id=stable_id("r", mail.message_id),
            words=mail.words,
            raw=key,
            automatic=mail.automatic,
            doubt=mail.doubt or ("" if signed else "unsigned"),
            compound=sentiment.compound(mail.words) if mail.words and not mail.automatic else None,
        )
        self._worker.run(event)

    def _journey_of(self, mail: Incoming) -> tuple[str, bool]:
        """Return the journey, and whether its signed address says so.

        Else the mail names one of ours that it answers: that anybody can make up who knows a case, so it counts only
        when it comes from the customer's own address, and a person is told that it may not be theirs.
        """
        for address in mail.addressed:
            try:
                return self._addresses.read(address), True
            except BadLink:
                continue
        for journey_id, domain in mail.refers_to:
            if domain.lower() == self._domain and mail.sender and mail.sender == self._email_of(journey_id):
                return journey_id, False
        return "", False

    def _email_of(self, journey_id: str) -> str:
        table = self._worker.pipeline.table
        person_id = table.journey(journey_id).value.person_id
        return str(table.person(person_id).value.email).lower() if person_id else ""


class _Object(msgspec.Struct, frozen=True):
    key: str


class _S3(msgspec.Struct, frozen=True):
    object: _Object


class _Record(msgspec.Struct, frozen=True):
    event_time: datetime = msgspec.field(name="eventTime")
    s3: _S3


class _News(msgspec.Struct, frozen=True):
    records: tuple[_Record, ...] = msgspec.field(name="Records", default=())
    event: str = msgspec.field(name="Event", default="")


def _objects(body: str) -> Iterable[tuple[str, datetime]]:
    try:
        news = msgspec.json.decode(body, type=_News)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        message = f"no message of the bucket: {error}"
        raise BadInput(message) from error
    if not news.records and news.event != "s3:TestEvent":
        message = f"no message of the bucket: {json.dumps(news.event)}"
        raise BadInput(message)
    return [(unquote_plus(record.s3.object.key), record.event_time) for record in news.records]
