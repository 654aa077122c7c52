"""The SES v2 client: raw mail kept in memory, and the feedback events that SES publishes about it.

Events are published only as AWS does: for mail sent through a configuration set, of the types that one of its enabled
event
destinations matches. Sources: SES Developer Guide, "Contents of event data", "Monitoring SES events using Amazon
EventBridge",
"Using the mailbox simulator"; SES API v2 Reference.
"""

import re
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.header import decode_header, make_header
from email.utils import getaddresses, parseaddr
from itertools import count
from typing import Any, ClassVar, Final, NoReturn, TypeAlias, Unpack

from local.aws import shapes
from local.aws.calls import Client, Meter, Response, operation
from local.aws.errors import Refused, malformed
from local.aws.events import Events

MAX_RAW_BYTES: Final = 40 * 1024 * 1024
MAX_RECIPIENTS: Final = 50
MAX_TAGS: Final = 50
MAX_PAGE: Final = 1000
SIMULATOR: Final = "simulator.amazonses.com"
_TAG: Final = re.compile(r"[A-Za-z0-9_-]{1,256}\Z", re.ASCII).match
_ADDRESS: Final = re.compile(r"[^@\s]{1,64}@[^@\s]{1,255}\Z").match
_SET_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}\Z", re.ASCII).match
#: A line break within a header.
_FOLD: Final = re.compile(r"\r?\n(?=[ \t])")
_SECOND: Final = timedelta(seconds=1)
#: The header fields of a mail in order.
Headers: TypeAlias = list[tuple[str, str]]
#: Event type in an event destination → (detail-type on EventBridge, eventType, key of the details).
_EVENTS: Final = {
    "SEND": ("Email Sent", "Send", "send"),
    "DELIVERY": ("Email Delivered", "Delivery", "delivery"),
    "BOUNCE": ("Email Bounced", "Bounce", "bounce"),
    "COMPLAINT": ("Email Complaint Received", "Complaint", "complaint"),
}
_EVENT_TYPES: Final = frozenset(
    {*_EVENTS, "REJECT", "OPEN", "CLICK", "RENDERING_FAILURE", "DELIVERY_DELAY", "SUBSCRIPTION"}
)


@dataclass(frozen=True, slots=True)
class SentMail:
    """A mail that SES accepted."""

    message_id: str
    sender: str
    #: All recipients: To, Cc and Bcc.
    to: tuple[str, ...]
    raw: bytes
    tags: dict[str, str]
    configuration_set: str | None
    sent_at: datetime


@dataclass(frozen=True, slots=True)
class Suppressed:
    """An address on the account's suppression list."""

    address: str
    reason: str
    since: datetime


class SES(Client):
    """One SES account in memory, out of the sandbox."""

    service: ClassVar[str] = "sesv2"

    def __init__(self, meter: Meter, events: Events, region: str, account_id: str) -> None:
        """Take the meter, the event bus, and what ARNs are made of."""
        super().__init__(meter)
        self._bus, self._account_id = events, account_id
        self._arn_prefix = f"arn:aws:ses:{region}:{account_id}"
        self._identities: set[str] = set()
        self._destinations: dict[str, dict[str, Mapping[str, Any]]] = {}
        self._suppressed: dict[str, Suppressed] = {}
        self._ids = count(1)
        self._recent: deque[datetime] = deque()
        #: Every accepted mail, oldest first.
        self.sent: list[SentMail] = []
        #: Sees every published event, in EventBridge's form, besides the rules of the bus.
        self.on_event: Callable[[dict[str, Any]], None] | None = None
        #: False loses all events, as best effort may.
        self.events = True
        #: Recipients a second before TooManyRequestsException; None for no limit.
        self.rate_per_second: int | None = None

    @operation(shapes.CreateEmailIdentity)
    def create_email_identity(self, **params: Unpack[shapes.CreateEmailIdentity]) -> Response:
        """Verify an address or a domain, at once."""
        identity = params["EmailIdentity"].lower()
        if identity in self._identities:
            raise Refused("AlreadyExistsException", f"Email identity {identity} already exist.")
        self._identities.add(identity)
        return {"IdentityType": "EMAIL_ADDRESS" if "@" in identity else "DOMAIN", "VerifiedForSendingStatus": True}

    @operation(shapes.CreateConfigurationSet)
    def create_configuration_set(self, **params: Unpack[shapes.CreateConfigurationSet]) -> Response:
        """Create a configuration set, without event destinations."""
        name = params["ConfigurationSetName"]
        if not _SET_NAME(name):
            _bad("Invalid configuration set name: 1 to 64 of A-Z, a-z, 0-9, _ and -")
        if name in self._destinations:
            raise Refused("AlreadyExistsException", f"Configuration set <{name}> already exists.")
        self._destinations[name] = {}
        return {}

    @operation(shapes.CreateEventDestination)
    def create_configuration_set_event_destination(self, **params: Unpack[shapes.CreateEventDestination]) -> Response:
        """Publish a configuration set's events, to EventBridge or SNS; only EventBridge reaches rules."""
        destinations, name = self._set(params["ConfigurationSetName"]), params["EventDestinationName"]
        definition = params["EventDestination"]
        if name in destinations:
            raise Refused("AlreadyExistsException", f"Event destination <{name}> already exists.")
        types = set(definition.get("MatchingEventTypes", ()))
        if not types or types - _EVENT_TYPES:
            _bad(f"MatchingEventTypes must be some of {sorted(_EVENT_TYPES)}")
        if len({"EventBridgeDestination", "SnsDestination"} & definition.keys()) != 1:
            _bad("One of EventBridgeDestination and SnsDestination is needed here")
        destinations[name] = dict(definition)
        return {}

    @operation(shapes.SendEmail)
    def send_email(self, **params: Unpack[shapes.SendEmail]) -> Response:
        """Accept one raw mail; what happens to it afterwards is told by events."""
        raw = _raw(params["Content"])
        headers = _headers(raw)
        sender = params.get("FromEmailAddress") or _first(headers, "from")
        recipients = _recipients(params.get("Destination"))
        tags = _tags(params.get("EmailTags", ()))
        self._check_sender(sender)
        name = params.get("ConfigurationSetName")
        if name is not None:
            self._set(name)
        self._pace(len(recipients))
        mail = SentMail(self._message_id(), sender, recipients, raw, tags, name, self.meter.clock())
        self.sent.append(mail)
        self._report(mail, headers)
        return {"MessageId": mail.message_id}

    @operation(shapes.Nothing)
    def get_account(self, **_params: Unpack[shapes.Nothing]) -> Response:
        """Tell the sending limits."""
        rate = float(self.rate_per_second or 14)
        quota = {"Max24HourSend": 50_000.0, "MaxSendRate": rate, "SentLast24Hours": float(len(self.sent))}
        return {
            "SendingEnabled": True,
            "ProductionAccessEnabled": True,
            "EnforcementStatus": "HEALTHY",
            "SendQuota": quota,
        }

    @operation(shapes.PutSuppressedDestination)
    def put_suppressed_destination(self, **params: Unpack[shapes.PutSuppressedDestination]) -> Response:
        """Put an address on the suppression list."""
        if params["Reason"] not in {"BOUNCE", "COMPLAINT"}:
            _bad("Reason must be BOUNCE or COMPLAINT")
        self._suppress(params["EmailAddress"], params["Reason"])
        return {}

    @operation(shapes.EmailAddress)
    def get_suppressed_destination(self, **params: Unpack[shapes.EmailAddress]) -> Response:
        """Tell why an address is on the suppression list."""
        known = self._suppressed.get(params["EmailAddress"].lower())
        if known is None:
            _not_found(f"Email address {params['EmailAddress']} does not exist on your suppression list.")
        return {"SuppressedDestination": {**_summary(known), "Attributes": {}}}

    @operation(shapes.EmailAddress)
    def delete_suppressed_destination(self, **params: Unpack[shapes.EmailAddress]) -> Response:
        """Take an address off the suppression list."""
        if self._suppressed.pop(params["EmailAddress"].lower(), None) is None:
            _not_found(f"Email address {params['EmailAddress']} does not exist on your suppression list.")
        return {}

    @operation(shapes.ListSuppressedDestinations)
    def list_suppressed_destinations(self, **params: Unpack[shapes.ListSuppressedDestinations]) -> Response:
        """List the suppression list, by address, up to 1,000 a page."""
        most = params.get("PageSize", MAX_PAGE)
        if not 1 <= most <= MAX_PAGE:
            _bad(f"PageSize must be between 1 and {MAX_PAGE}")
        chosen = sorted(
            (each for each in self._suppressed.values() if _listed(each, params)), key=lambda each: each.address
        )
        behind = [each for each in chosen if each.address > params.get("NextToken", "")]
        response: Response = {"SuppressedDestinationSummaries": [_summary(each) for each in behind[:most]]}
        if len(behind) > most:
            response["NextToken"] = behind[most - 1].address
        return response

    def suppressed_since(self, instant: datetime) -> datetime | None:
        """Return when an address was put on the suppression list first after that instant, or None."""
        return min((each.since for each in self._suppressed.values() if each.since > instant), default=None)

    def _set(self, name: str) -> dict[str, Mapping[str, Any]]:
        if name not in self._destinations:
            _not_found(f"Configuration set <{name}> does not exist.")
        return self._destinations[name]

    def _check_sender(self, sender: str) -> None:
        """Refuse a sender whose address and domain are both unverified; a parent domain covers its subdomains."""
        address = parseaddr(sender)[1].lower()
        domain = address.rpartition("@")[2]
        labels = domain.split(".")
        parents = {".".join(labels[at:]) for at in range(len(labels))}
        if not self._identities & {address, *parents}:
            raise Refused(
                "MessageRejected", f"Email address is not verified. The following identities failed the check: {sender}"
            )

    def _pace(self, recipients: int) -> None:
        """Refuse what exceeds the rate: SES counts recipients, not messages."""
        if self.rate_per_second is None:
            return
        now = self.meter.clock()
        while self._recent and self._recent[0] <= now - _SECOND:
            self._recent.popleft()
        if len(self._recent) + recipients > self.rate_per_second:
            raise Refused("TooManyRequestsException", "Maximum sending rate exceeded.", status=429)
        self._recent.extend([now] * recipients)

    def _message_id(self) -> str:
        number = next(self._ids)
        return (
            f"010001{int(self.meter.clock().timestamp() * 1000):010x}-{number:08x}-0000-4000-8000-{number:012x}-000000"
        )

    def _suppress(self, address: str, reason: str) -> None:
        self._suppressed[address.lower()] = Suppressed(address.lower(), reason, self.meter.clock())

    def _report(self, mail: SentMail, headers: Headers) -> None:
        """Publish what SES would: the sending, and for each recipient what became of the mail."""
        if mail.configuration_set is None:
            return
        described = self._described(mail, headers)
        self._publish(mail, described, "SEND", {})
        for recipient in mail.to:
            self._report_one(mail, described, recipient)

    def _report_one(self, mail: SentMail, described: dict[str, Any], recipient: str) -> None:
        address, stamp = recipient.lower(), _stamp(mail.sent_at)
        role = address.partition("@")[0].partition("+")[0] if address.endswith(f"@{SIMULATOR}") else ""
        if address in self._suppressed or role == "suppressionlist":
            self._publish(
                mail, described, "BOUNCE", _bounce(recipient, "OnAccountSuppressionList", stamp, mail.message_id)
            )
        elif role == "bounce":
            self._publish(mail, described, "BOUNCE", _bounce(recipient, "General", stamp, mail.message_id))
        else:
            self._publish(mail, described, "DELIVERY", _delivery(recipient, stamp))
            if role == "complaint":
                self._publish(mail, described, "COMPLAINT", _complaint(recipient, stamp, mail.message_id))

    def _publish(self, mail: SentMail, described: dict[str, Any], kind: str, details: dict[str, Any]) -> None:
        """Publish one event where the mail's configuration set says so, unless events get lost."""
        definitions = [each for each in self._set(mail.configuration_set or "").values() if _wants(each, kind)]
        if not self.events or not definitions:
            return
        detail_type, event_type, key = _EVENTS[kind]
        detail = {"eventType": event_type, "mail": described, key: details}
        resources = [f"{self._arn_prefix}:configuration-set/{mail.configuration_set}"]
        bridged = any("EventBridgeDestination" in each for each in definitions)
        event = self._bus.publish("aws.ses", detail_type, detail, resources, mail.sent_at, route=bridged)
        if self.on_event is not None:
            self.on_event(event)

    def _described(self, mail: SentMail, headers: Headers) -> dict[str, Any]:
        """Return the `mail` object of an event."""
        listed = [{"name": name, "value": value} for name, value in headers]
        sender = parseaddr(mail.sender)[1]
        return {
            "timestamp": _stamp(mail.sent_at),
            "source": mail.sender,
            "sourceArn": f"{self._arn_prefix}:identity/{sender.rpartition('@')[2]}",
            "sendingAccountId": self._account_id,
            "messageId": mail.message_id,
            "destination": list(mail.to),
            "headersTruncated": False,
            "headers": listed,
            "commonHeaders": _common(mail, headers),
            "tags": _event_tags(mail, sender),
        }


def _bad(message: str) -> NoReturn:
    raise Refused("BadRequestException", message)


def _not_found(message: str) -> NoReturn:
    raise Refused("NotFoundException", message, status=404)


def _raw(content: Mapping[str, Any]) -> bytes:
    """Return the raw mail; anything else is refused, for the product sends nothing else."""
    if content.keys() != {"Raw"}:
        _bad(f"Only Content.Raw is emulated here, not {sorted(content.keys() - {'Raw'})}")
    data = content["Raw"].get("Data")
    if not isinstance(data, bytes | bytearray):
        malformed(
            f"Invalid type for parameter Content.Raw.Data, type: {type(data).__name__}, valid types: bytes, bytearray"
        )
    if not data:
        _bad("Raw message is empty")
    if len(data) > MAX_RAW_BYTES:
        raise Refused("MessageRejected", f"Message length is more than {MAX_RAW_BYTES} bytes long.")
    return bytes(data)


def _recipients(destination: Mapping[str, Sequence[str]] | None) -> tuple[str, ...]:
    """Return all recipients of a Destination, which is needed here although SES would read the headers."""
    listed = destination or {}
    if listed.keys() - {"ToAddresses", "CcAddresses", "BccAddresses"}:
        malformed(f"Unknown parameter in Destination: {sorted(listed)}")
    given = [address for each in ("ToAddresses", "CcAddresses", "BccAddresses") for address in listed.get(each, ())]
    if not 0 < len(given) <= MAX_RECIPIENTS:
        _bad(f"Between 1 and {MAX_RECIPIENTS} recipients are needed, not {len(given)}")
    for address in given:
        if not _ADDRESS(parseaddr(address)[1]) or not address.isascii():
            _bad("Illegal address")
    return tuple(given)


def _tags(listed: Sequence[Mapping[str, str]]) -> dict[str, str]:
    if len(listed) > MAX_TAGS:
        _bad(f"Too many tags: at most {MAX_TAGS}")
    for tag in listed:
        for part in ("Name", "Value"):
            if not _TAG(tag[part]):
                _bad(
                    f"Invalid email tag {part.lower()} <{tag[part]}>: only alphanumeric ASCII characters, '_' and "
                    "'-', 1 to 256 of them."
                )
    tags = {tag["Name"]: tag["Value"] for tag in listed}
    if len(tags) != len(listed):
        _bad("Duplicate email tag name")
    return tags


def _listed(each: Suppressed, params: Mapping[str, Any]) -> bool:
    if each.reason not in params.get("Reasons", (each.reason,)):
        return False
    return bool(params.get("StartDate", each.since) <= each.since <= params.get("EndDate", each.since))


def _summary(each: Suppressed) -> dict[str, Any]:
    return {"EmailAddress": each.address, "Reason": each.reason, "LastUpdateTime": each.since}


def _wants(definition: Mapping[str, Any], kind: str) -> bool:
    return bool(definition.get("Enabled", False)) and kind in definition["MatchingEventTypes"]


def _stamp(instant: datetime) -> str:
    """Return an instant as SES writes it: UTC with milliseconds."""
    utc = instant.astimezone(UTC)
    return f"{utc:%Y-%m-%dT%H:%M:%S}.{utc.microsecond // 1000:03d}Z"


def _headers(raw: bytes) -> Headers:
    """Return a mail's header fields in order, unfolded, not decoded; `email.parser` costs a millisecond a mail."""
    head = re.split(rb"\r?\n\r?\n", raw, maxsplit=1)[0].decode("utf-8", "replace")
    lines = _FOLD.sub("", head).splitlines()
    fields = (line.partition(":") for line in lines if ":" in line)
    return [(name.strip(), value.strip()) for name, _, value in fields]


def _first(headers: Headers, name: str) -> str:
    """Return the first field of a name, decoded; empty when there is none."""
    value = next((value for each, value in headers if each.lower() == name), "")
    return str(make_header(decode_header(value))) if "=?" in value else value


def _common(mail: SentMail, headers: Headers) -> dict[str, Any]:
    """Return the `commonHeaders` of an event: addresses as lists, the rest as text."""
    common: dict[str, Any] = {"messageId": mail.message_id}
    for name, key in (("from", "from"), ("to", "to"), ("cc", "cc"), ("reply-to", "replyTo")):
        value = _first(headers, name)
        if value:
            common[key] = [f"{person} <{address}>" if person else address for person, address in getaddresses([value])]
    for name in ("date", "subject"):
        value = _first(headers, name)
        if value:
            common[name] = value
    return common


def _event_tags(mail: SentMail, sender: str) -> dict[str, list[str]]:
    """Return the tags of an event: each name with a list of values, SES's own among them."""
    return {
        "ses:operation": ["SendEmail"],
        "ses:configuration-set": [mail.configuration_set or ""],
        "ses:source-ip": ["192.0.2.1"],
        "ses:from-domain": [sender.rpartition("@")[2]],
        "ses:caller-identity": ["aftercare"],
        **{name: [value] for name, value in mail.tags.items()},
    }


def _bounce(recipient: str, subtype: str, stamp: str, message_id: str) -> dict[str, Any]:
    bounced = {
        "emailAddress": recipient,
        "action": "failed",
        "status": "5.1.1",
        "diagnosticCode": "smtp; 550 5.1.1 user unknown",
    }
    return {
        "bounceType": "Permanent",
        "bounceSubType": subtype,
        "bouncedRecipients": [bounced],
        "timestamp": stamp,
        "feedbackId": f"{message_id}-bounce",
        "reportingMTA": f"dsn; {SIMULATOR}",
    }


def _delivery(recipient: str, stamp: str) -> dict[str, Any]:
    return {
        "timestamp": stamp,
        "processingTimeMillis": 500,
        "recipients": [recipient],
        "smtpResponse": "250 2.6.0 Message received",
        "remoteMtaIp": "192.0.2.2",
        "reportingMTA": "a8-70.smtp-out.amazonses.com",
    }


def _complaint(recipient: str, stamp: str, message_id: str) -> dict[str, Any]:
    return {
        "complainedRecipients": [{"emailAddress": recipient}],
        "timestamp": stamp,
        "feedbackId": f"{message_id}-complaint",
        "complaintSubType": None,
        "complaintFeedbackType": "abuse",
        "userAgent": "Amazon SES Mailbox Simulator",
        "arrivalDate": stamp,
    }
