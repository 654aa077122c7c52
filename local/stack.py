"""The whole stack on one machine: the real handlers of ``app.py``, AWS in memory, and a clock of its own.

Nothing in the product knows that it runs here. Time stands still while anything runs and jumps to the next instant at
which something is due, so years pass in seconds and every run is the same.
"""

import importlib
import json
import logging
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

from chalice.config import Config
from chalice.local import LocalGateway

from chalicelib import wiring
from chalicelib.boundary import Boundary, straight
from chalicelib.entry import webhooks
from chalicelib.insight.rollup import SETTLES
from chalicelib.settings import Settings
from chalicelib.store import items
from chalicelib.store.figures import SHARDS as LOG_SHARDS
from chalicelib.store.items import SHARDS
from local.aws.account import Account
from local.aws.tables import read_units
from local.provision import provision

STAGE = "dev"
MAIL_FROM = "care@example.com"
REPLY_TO = "care@example.com"
#: Here replies are taken by the stack itself, as a stage does that opted in.
INBOUND_DOMAIN = "replies.example.com"
SECRETS_PREFIX = f"/aftercare/{STAGE}"
#: With this other systems sign what they tell the stack on this machine: the same in every run, and no secret at all.
WEBHOOK_SECRET = "whsec_VSflX51lsTvo3o4sC73Uy2VoleSRHv8kxePL88zEDiY="  # noqa: S105 - as it says above
#: How often the account's suppression list is read, as ``app.py`` asks.
READ_LIST_EVERY = timedelta(hours=12)
#: EventBridge rings the reconciler this often, as ``app.py`` asks.
RECONCILE_EVERY = timedelta(minutes=5)
#: EventBridge has the figures added up this often, as ``app.py`` asks.
FIGURES_EVERY = timedelta(minutes=15)
_QUEUES = ("inbox", "work", "alarms", "feedback", "reply")
_MOST_STEPS = 1_000_000
#: When what never happens does.
_NEVER = datetime.max.replace(tzinfo=UTC)
log = logging.getLogger(__name__)


class Died(BaseException):
    """The function was killed at this moment, as Lambda does when time or memory is up: no handler can catch it."""


class Clock:
    """An instant that moves only when it is told to."""

    def __init__(self, start: datetime) -> None:
        """Begin at that instant (aware)."""
        self.now = start.astimezone(UTC)

    def __call__(self) -> datetime:
        """Return the present instant."""
        return self.now

    def move(self, to: datetime) -> None:
        """Move forward; raises ValueError for an instant in the past."""
        if to < self.now:
            message = f"{to.isoformat()} is before {self.now.isoformat()}: time goes forward here too"
            raise ValueError(message)
        self.now = to.astimezone(UTC)


class Reply:
    """What an HTTP request got."""

    def __init__(self, status: int, headers: dict[str, str], body: bytes) -> None:
        """Keep it."""
        self.status = status
        self.headers = headers
        self.body = body

    def json(self) -> Any:
        """Return the body as JSON."""
        return json.loads(self.body)


class Stack:
    """One deployment in memory, driven by hand."""

    def __init__(
        self,
        start: datetime,
        base_url: str = "http://127.0.0.1:8000",
        reconcile_every: timedelta = RECONCILE_EVERY,
        *,
        boundary: Boundary = straight,
        lazy: bool = False,
        figures: bool = True,
        mail_only_to: str = "*",
    ) -> None:
        """Provision the account from the template, wire the handlers to it, and stop the clock at ``start``.

        ``boundary`` is what every effect on the outside passes. ``lazy`` passes over the rounds of the reconciler that
        would find nothing, but counts what they cost: all else is as if they had run. So it is with the rounds in which
        figures are added up; without ``figures`` there are none.
        """
        self.clock = Clock(start)
        self.account = Account(self.clock)
        self.environment = provision(self.account, STAGE, inbound_domain=INBOUND_DOMAIN) | {
            "STAGE": STAGE,
            "SECRETS_PREFIX": SECRETS_PREFIX,
            "BASE_URL": base_url,
            "MAIL_FROM": MAIL_FROM,
            "REPLY_TO": REPLY_TO,
            "INBOUND_DOMAIN": INBOUND_DOMAIN,
            # Everyone unless asked otherwise, whomever the files and the demo name: no mail leaves this machine.
            "MAIL_ONLY_TO": mail_only_to,
        }
        self._webhook_key = webhooks.key_of(WEBHOOK_SECRET)
        self._keep_secrets()
        self.account.client("sesv2").create_email_identity(EmailIdentity="example.com")
        self._boundary = boundary
        self._start_functions()
        self.app = importlib.import_module("app")
        self._gateway = LocalGateway(self.app.app, Config())
        self._urls = {queue: self._url_of(queue) for queue in _QUEUES}
        self._every = reconcile_every
        self._lazy = lazy
        #: The next round of the reconciler that has neither run nor been passed over.
        self._round = self.clock.now + reconcile_every
        #: The same for the figures; and the instant until which their log is counted.
        self._figures_round = self.clock.now + FIGURES_EVERY if figures else _NEVER
        self._counted_until = ""
        #: When the account's suppression list was read last.
        self._list_read = self.clock.now
        self._messages = 0
        self._received = 0
        #: Called after each moment at which something ran, with nothing left to run at that instant.
        self.on_quiet: list[Callable[[], None]] = []
        #: Calls of handlers that raised: what a log would show.
        self.failures: list[str] = []
        #: The function that runs now, as Chalice names it, or nothing: whose role the calls of this moment need.
        self.running = ""
        #: Whether every call of a function finds nothing in memory, as its first one does on AWS.
        self.cold = False

    def _start_functions(self) -> None:
        """Start with nothing in memory, as functions do when they are deployed and after one was killed."""
        self.wiring = wiring.Wiring(
            Settings.from_env(self.environment), self.account.client, self.clock, self._boundary, log
        )
        wiring.install(self.wiring)

    def _keep_secrets(self) -> None:
        ssm = self.account.client("ssm")
        link_keys = {"k1": b64encode(_made_up("links")).decode()}
        webhook_keys = [WEBHOOK_SECRET]
        for name, value in (("link-keys", link_keys), ("webhook-keys", webhook_keys)):
            ssm.put_parameter(Name=f"{SECRETS_PREFIX}/{name}", Value=json.dumps(value), Type="SecureString")

    def _url_of(self, queue: str) -> str:
        name = f"aftercare-{STAGE}-{queue}"
        return str(self.account.client("sqs").get_queue_url(QueueName=name)["QueueUrl"])

    # -- HTTP --------------------------------------------------------------------------------------------

    def request(self, method: str, path: str, headers: dict[str, str] | None = None, body: bytes = b"") -> Reply:
        """Make one request of the HTTP function, as API Gateway would: 502 when the function dies."""
        try:
            with self._role("api_handler"):
                answer = self._gateway.handle_request(method, path, {"host": "localhost", **(headers or {})}, body)
        except Died as death:
            self._bury("http", death)
            return Reply(502, {"content-type": "application/json"}, b'{"message": "Internal server error"}')
        raw = answer["body"]
        return Reply(
            answer["statusCode"], dict(answer["headers"]), raw if isinstance(raw, bytes) else (raw or "").encode()
        )

    def tell(self, path: str, kind: str, data: dict[str, Any]) -> Reply:
        """Post one signed message, as a helpdesk or shop would."""
        body = json.dumps({"type": kind, "timestamp": self.clock.now.isoformat(), "data": data}).encode()
        return self.signed("POST", path, body)

    def signed(self, method: str, path: str, body: bytes = b"") -> Reply:
        """Make one signed request."""
        self._messages += 1
        signature = webhooks.sign(self._webhook_key, f"msg_{self._messages}", self.clock.now, body)
        return self.request(method, path, {"content-type": "application/json", **signature}, body)

    def submit(self, path: str, form: str) -> Reply:
        """Post a form, as a browser would."""
        return self.request("POST", path, {"content-type": "application/x-www-form-urlencoded"}, form.encode())

    def receive_mail(self, raw: bytes) -> str:
        """Let a mail come in, as SES does: it puts the mail into the bucket, which tells the queue. Returns its key."""
        self._received += 1
        key = f"inbound/{self._received:040d}"
        self.account.s3.put_object(Bucket=self.environment["MAIL_BUCKET"], Key=key, Body=raw)
        return key

    # -- time --------------------------------------------------------------------------------------------

    def run_until(self, end: datetime) -> None:
        """Run everything that falls due until then, and stop the clock there."""
        for _ in range(_MOST_STEPS):
            self.settle()
            instant = self.next_instant()
            if instant is None or instant > end:
                self.clock.move(end)
                self._pass_over(end)
                self._pass_over_figures(end)
                return
            self.clock.move(max(instant, self.clock.now))
            self._tick()
        message = f"still not quiet after {_MOST_STEPS} steps"
        raise RuntimeError(message)

    def next_instant(self) -> datetime | None:
        """Return the next instant at which a schedule fires, a message can be received, or the reconciler runs."""
        instants = (self.next_event(), self._next_round(), self._next_figures())
        return min((instant for instant in instants if instant is not None), default=None)

    def next_event(self) -> datetime | None:
        """Return the next instant at which something happens, the reconciler's idle rounds aside."""
        sqs, scheduler = self.account.client("sqs"), self.account.client("scheduler")
        instants = [scheduler.next_fire_at(), *(sqs.next_visible_at(url) for url in self._urls.values())]
        instants.append(self._next_list())
        return min((instant for instant in instants if instant is not None), default=None)

    def settle(self) -> None:
        """Let the functions take every message that can be received now, until all is quiet."""
        while sum(self._drain(queue) for queue in _QUEUES):
            pass
        for call in self.on_quiet:
            call()

    def _tick(self) -> None:
        self.account.scheduler.fire_due(self.clock.now)
        self._read_list()
        self._reconcile()
        self._figure()

    def _read_list(self) -> None:
        listed = self._next_list()
        if listed is not None and listed <= self.clock.now:
            self._list_read = self.clock.now
            with self._watched("suppressions"), self._role("on_suppressions"):
                self.app.on_suppressions(_scheduled(self.clock.now), None)

    def _reconcile(self) -> None:
        following = self._next_round()
        if following is None or following > self.clock.now:
            self._pass_over(self.clock.now)
            return
        self._pass_over(self.clock.now, ran=1)
        with self._watched("reconcile"), self._role("on_reconcile"):
            self.app.on_reconcile(_scheduled(self.clock.now), None)

    def _next_list(self) -> datetime | None:
        """Return when the suppression list is read next, if it has anything new: else reading it does nothing."""
        news = self.account.ses.suppressed_since(self._list_read)
        rounds = -(-(news - self._list_read) // READ_LIST_EVERY) if news else 0
        return self._list_read + READ_LIST_EVERY * rounds if rounds else None

    def _next_round(self) -> datetime | None:
        """Return when the reconciler runs next; when lazy, its next round that finds something, if any would."""
        if not self._lazy:
            return self._round
        due = self.account.dynamodb.earliest(self.wiring.settings.table, "due")
        if due is None:
            return None
        late = max(datetime.fromisoformat(str(due)) - self._round, timedelta())
        return self._round + -(-late // self._every) * self._every

    def _pass_over(self, until: datetime, ran: int = 0) -> None:
        """Leave behind the rounds until then; those that did not run found nothing, which is a query of each shard."""
        if until < self._round:
            return
        rounds = (until - self._round) // self._every + 1
        self._round += rounds * self._every
        if self._lazy:
            queries = (rounds - ran) * SHARDS
            self.account.calls["dynamodb.Query"] += queries
            self.account.units["dynamodb.read"] += queries * read_units(0, consistent=False)

    def _figure(self) -> None:
        following = self._next_figures()
        if following is None or following > self.clock.now:
            self._pass_over_figures(self.clock.now)
            return
        self._pass_over_figures(self.clock.now, ran=1)
        with self._watched("figures"), self._role("on_figures"):
            self.app.on_figures(_scheduled(self.clock.now), None)
            self._counted_until = items.instant(self.clock.now - SETTLES)

    def _next_figures(self) -> datetime | None:
        """Return when figures are added up next; when lazy, only if anything has been logged that is not counted."""
        if self._lazy:
            dynamodb, table = self.account.dynamodb, self.wiring.settings.table
            logged = (dynamodb.last(table, f"TALLY#{shard}") for shard in range(LOG_SHARDS))
            if max((str(place) for place in logged if place is not None), default="") <= self._counted_until:
                return None
        return self._figures_round if self._figures_round < _NEVER else None

    def _pass_over_figures(self, until: datetime, ran: int = 0) -> None:
        """Leave behind the rounds until then; those that did not run read the cursors, and found nothing new."""
        if until < self._figures_round:
            return
        rounds = (until - self._figures_round) // FIGURES_EVERY + 1
        self._figures_round += rounds * FIGURES_EVERY
        if self._lazy:
            calls, units = self.account.calls, self.account.units
            calls["dynamodb.GetItem"] += rounds - ran
            calls["dynamodb.Query"] += (rounds - ran) * (1 + LOG_SHARDS)
            units["dynamodb.read"] += (rounds - ran) * (2 + LOG_SHARDS) * read_units(0, consistent=True)

    def _drain(self, queue: str) -> bool:
        """Let one function take the messages of its queue, one at a time; says whether there were any."""
        sqs, url = self.account.client("sqs"), self._urls[queue]
        taken = False
        while (visible := sqs.next_visible_at(url)) is not None and visible <= self.clock.now:
            for message in sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, AttributeNames=["All"]).get(
                "Messages", []
            ):
                taken = True
                with self._watched(queue):
                    self.take(queue, message)
                    sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return taken

    def take(self, queue: str, message: dict[str, Any]) -> None:
        """Let the function of a queue take one message that was received from it; whatever it raises is raised."""
        with self._role(f"on_{queue}"):
            getattr(self.app, f"on_{queue}")({"Records": [_record(message)]}, None)

    @contextmanager
    def _role(self, function: str) -> Iterator[None]:
        if self.cold:
            self._start_functions()
        before, self.running = self.running, function
        try:
            yield
        finally:
            self.running = before

    @contextmanager
    def _watched(self, what: str) -> Iterator[None]:
        """Keep what a handler raised, as Lambda does: the message becomes visible again later."""
        try:
            yield
        except Exception as error:  # whatever it is, the queue deals with it
            log.exception("%s failed", what)
            self.failures.append(f"{what}: {type(error).__name__}: {error}")
        except Died as death:
            self._bury(what, death)

    def _bury(self, what: str, death: Died) -> None:
        """Whatever a function that died had in memory is gone."""
        self.failures.append(f"{what}: Died: {death}")
        self._start_functions()

    # -- looking -----------------------------------------------------------------------------------------

    def dead_letters(self) -> int:
        """Return how many messages lie in dead-letter queues."""
        sqs = self.account.client("sqs")
        urls = [sqs.get_queue_url(QueueName=f"aftercare-{STAGE}-{queue}-dead")["QueueUrl"] for queue in _QUEUES]
        return sum(sqs.depth(url) for url in urls)


def _made_up(name: str) -> bytes:
    """Return a key for this machine only: the same in every run, so that a link in an old mail still opens."""
    return sha256(f"aftercare local {name}".encode()).digest()


def _record(message: dict[str, Any]) -> dict[str, Any]:
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": message.get("Attributes", {}),
        "messageAttributes": {},
        "eventSource": "aws:sqs",
        "eventSourceARN": "",
        "awsRegion": "",
    }


def _scheduled(now: datetime) -> dict[str, Any]:
    return {
        "version": "0",
        "id": "",
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": "",
        "time": now.isoformat(),
        "region": "",
        "resources": [],
        "detail": {},
    }
