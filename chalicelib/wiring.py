"""The composition root: builds everything once, when it is first asked for, and is the only builder of AWS clients.

Nothing here is built at import, for Chalice imports ``app.py`` to package it, with no settings at all. The local stack
and the tests install a `Wiring` of their own, with other clients and another clock.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any

from chalicelib.boundary import Boundary, straight
from chalicelib.settings import Settings, from_environment

if TYPE_CHECKING:
    from chalicelib.effects.letters import Letters
    from chalicelib.effects.perform import Effects
    from chalicelib.effects.queue import Queues
    from chalicelib.entry.api.door import Door
    from chalicelib.entry.console.house import House
    from chalicelib.entry.desk import Desk
    from chalicelib.entry.guard import Guard
    from chalicelib.entry.inbound import Inbound
    from chalicelib.entry.pages.answers import Answers
    from chalicelib.entry.pages.opt_outs import OptOuts
    from chalicelib.entry.pages.proposals import Proposals
    from chalicelib.entry.pages.reception import Reception
    from chalicelib.entry.provider import Fetch, Provider
    from chalicelib.entry.queues import Consumer
    from chalicelib.entry.signed import Signed
    from chalicelib.entry.suppressions import Reconciliation
    from chalicelib.entry.work import Work
    from chalicelib.insight.rollup import Rollup
    from chalicelib.links import Links, ReplyAddresses
    from chalicelib.pipeline import Pipeline, Worker
    from chalicelib.store.access import Access
    from chalicelib.store.audit import Audit
    from chalicelib.store.cases import CaseEpochs
    from chalicelib.store.counters import Counters
    from chalicelib.store.decoys import Decoys
    from chalicelib.store.documents import DocumentStore
    from chalicelib.store.erasure import ErasureStore
    from chalicelib.store.figures import FigureStore
    from chalicelib.store.lists import Lists
    from chalicelib.store.mails import MailArchive
    from chalicelib.store.quarantine import Quarantine
    from chalicelib.store.table import Table
    from chalicelib.telemetry import Log
    from chalicelib.vault import Vault

#: Seconds: no call to AWS may hang longer than a page may take.
_CONNECT, _READ = 2, 5
_LARGEST_ANSWER = 256 * 1024


def utc_now() -> datetime:
    """Return the present instant."""
    return datetime.now(UTC)


def aws_client(service: str) -> Any:
    """Build one AWS client.

    The mail client makes exactly one request for each call: SES has no idempotency token, so a retry could send twice.
    """
    from botocore.config import Config

    attempts = 1 if service == "sesv2" else 3
    config = Config(
        connect_timeout=_CONNECT,
        read_timeout=_READ,
        retries={"total_max_attempts": attempts, "mode": "standard"},
    )
    return _session().client(service, config=config)


@cache
def _session() -> Any:
    """Return the one session of this process, whose clients share what they load."""
    import boto3

    return boto3.session.Session()


def fetch(method: str, address: str, headers: Mapping[str, str], body: bytes) -> tuple[int, bytes]:
    """Make one HTTP request to the company's sign-in; returns status and body. Raises OSError.

    No redirect is followed, and no answer is read beyond a size that none has. urllib3 comes with the SDK.
    """
    import urllib3

    timeout = urllib3.Timeout(connect=_CONNECT, read=_READ)
    try:
        reply = urllib3.request(
            method,
            address,
            headers=dict(headers),
            body=body or None,
            timeout=timeout,
            retries=False,
            redirect=False,
            preload_content=False,
        )
        with reply:
            return reply.status, reply.read(_LARGEST_ANSWER)
    except urllib3.exceptions.HTTPError as error:
        raise OSError(type(error).__name__) from error


class Wiring:
    """Everything that one process needs, each built on first use."""

    def __init__(
        self,
        settings: Settings | None = None,
        client: Callable[[str], Any] = aws_client,
        clock: Callable[[], datetime] = utc_now,
        boundary: Boundary = straight,
        log: "Log | None" = None,
        fetch: "Fetch" = fetch,
    ) -> None:
        """Keep what may be replaced: settings, clients, clock, boundary, log."""
        self._log = log
        self._provider: Provider | None = None
        self._settings = settings
        self._client = client
        self._fetch: Fetch = lambda *asked: boundary("provider", lambda: fetch(*asked))
        self._boundary = boundary
        self.clock = clock

    @cached_property
    def settings(self) -> Settings:
        """The settings of this stage."""
        return self._settings or from_environment()

    @cached_property
    def log(self) -> "Log":
        """Where the product logs."""
        from chalicelib.telemetry import structured

        return self._log or structured()

    @cached_property
    def _dynamodb(self) -> Any:
        return self._client("dynamodb")

    @cached_property
    def table(self) -> "Table":
        """Journeys, persons, facts, owed effects."""
        from chalicelib.store.table import Table

        return Table(self._dynamodb, self.settings.table, self._boundary)

    @cached_property
    def lists(self) -> "Lists":
        """The lists of the console."""
        from chalicelib.store.lists import Lists

        return Lists(self._dynamodb, self.settings.table)

    @cached_property
    def erasures(self) -> "ErasureStore":
        """How far erasures have come, and the writes of one."""
        from chalicelib.store.erasure import ErasureStore

        return ErasureStore(self._dynamodb, self.settings.table, self._boundary)

    @cached_property
    def counters(self) -> "Counters":
        """How many mails were sent, came back, or were held, and what was said of it."""
        from chalicelib.store.counters import Counters

        return Counters(self._dynamodb, self.settings.table, self._boundary)

    @cached_property
    def documents(self) -> "DocumentStore":
        """The documents of the CX lead."""
        from chalicelib.store.documents import DocumentStore

        return DocumentStore(self._dynamodb, self.settings.table, self._boundary)

    @cached_property
    def epochs(self) -> "CaseEpochs":
        """The epochs of cases whose source does not number them."""
        from chalicelib.store.cases import CaseEpochs

        return CaseEpochs(self._dynamodb, self.settings.table, self._boundary)

    @cached_property
    def figures(self) -> "FigureStore":
        """The log of what facts change in the figures, and the cube."""
        from chalicelib.store.figures import FigureStore

        return FigureStore(self._dynamodb, self.settings.table, self._boundary)

    @cached_property
    def rollup(self) -> "Rollup":
        """Adds up the figures."""
        from chalicelib.insight.rollup import Rollup

        return Rollup(self.figures)

    @cached_property
    def mails(self) -> "MailArchive":
        """Mail as it was sent, and as it came in."""
        from chalicelib.store.mails import MailArchive

        return MailArchive(self._client("s3"), self.settings.mail_bucket, self._boundary)

    @cached_property
    def decoys(self) -> "Decoys":
        """Evidence of links that no person can see."""
        from chalicelib.store.decoys import Decoys

        return Decoys(self._dynamodb, self.settings.table, self._boundary)

    @cached_property
    def pipeline(self) -> "Pipeline":
        """Decides and commits."""
        from chalicelib.pipeline import Pipeline

        return Pipeline(self.table, self.documents, self.clock, self.log)

    def count(self) -> None:
        """Add up what facts have changed in the figures until a few minutes ago."""
        self.rollup.run(self.clock())

    # -- what pages and calls use ------------------------------------------------------------------------

    @cached_property
    def vault(self) -> "Vault":
        """The secrets of this stage."""
        from chalicelib.vault import Vault

        return Vault(self._client("ssm"), self.settings.secrets_prefix, self.clock, self._boundary)

    @cached_property
    def links(self) -> "Links":
        """Makes and reads the links of mails."""
        from chalicelib.links import Links

        return Links(self.vault.link_keys(), self.settings.base_url)

    def webhook_keys(self) -> Sequence[bytes]:
        """Return the keys with which messages may be signed now."""
        from chalicelib.entry.webhooks import key_of

        return [key_of(secret) for secret in self.vault.signing_secrets()]

    @cached_property
    def _queues(self) -> "Queues":
        from chalicelib.effects.queue import Queues

        settings = self.settings
        return Queues(self._client("sqs"), settings.work_queue_url, settings.inbox_queue_url, self._boundary)

    @cached_property
    def desk(self) -> "Desk":
        """Where HTTP hands its events in."""
        from chalicelib.entry.desk import Desk

        return Desk(self.pipeline, self._queues)

    @cached_property
    def _reception(self) -> "Reception":
        from chalicelib.entry.pages.reception import Reception

        return Reception(self.desk, self.links, self.clock)

    @cached_property
    def answers(self) -> "Answers":
        """The page on which customers answer, and the decoy."""
        from chalicelib.entry.pages.answers import Answers

        return Answers(self._reception, self.decoys)

    @cached_property
    def proposals(self) -> "Proposals":
        """The page on which customers say what they think of a proposal."""
        from chalicelib.entry.pages.proposals import Proposals

        return Proposals(self._reception)

    @cached_property
    def opt_outs(self) -> "OptOuts":
        """The page on which customers opt out."""
        from chalicelib.entry.pages.opt_outs import OptOuts

        return OptOuts(self._reception)

    @cached_property
    def work(self) -> "Work":
        """The page on which staff work a recovery."""
        from chalicelib.entry.work import Work
        from chalicelib.store.audit import Audit

        # No boundary of its own: what fails here fails alone, and costs nobody's act.
        return Work(
            self.desk,
            self.links,
            self.epochs,
            self.clock,
            lambda: self.mails,
            lambda: Audit(self._dynamodb, self.settings.table),
        )

    @cached_property
    def signed(self) -> "Signed":
        """The signed ways in."""
        from chalicelib.entry.signed import Signed

        return Signed(self.desk, self.epochs, self.documents, self.webhook_keys, self.clock, lambda: self.audit)

    # -- staff -------------------------------------------------------------------------------------------

    @cached_property
    def access(self) -> "Access":
        """Links to sign in by, sessions, API keys."""
        from chalicelib.store.access import Access

        return Access(self._dynamodb, self.settings.table, self._boundary)

    @cached_property
    def audit(self) -> "Audit":
        """Who saw, changed, sent, spent, exported what."""
        from chalicelib.store.audit import Audit

        return Audit(self._dynamodb, self.settings.table, self._boundary)

    @cached_property
    def guard(self) -> "Guard":
        """Who is calling."""
        from chalicelib.entry.guard import Guard

        return Guard(self.access, self.documents, self.clock)

    @cached_property
    def staff_api(self) -> "Door":
        """The staff API."""
        from chalicelib.entry.api.door import Door

        return Door(self.guard, self.access, self, self.clock, self.log)

    @cached_property
    def console(self) -> "House":
        """The console."""
        from chalicelib.entry.console.house import House

        return House(self.guard, self, self.clock, self.log, self.provider)

    def provider(self) -> "Provider | None":
        """Return the company's own sign-in, or None where ops have set none up."""
        from msgspec import convert

        from chalicelib.entry.provider import Config, Provider

        told = self.vault.provider()
        if told is None:
            return None
        config = convert(told, Config)
        if self._provider is None or self._provider.config != config:
            self._provider = Provider(config, self._fetch, self.clock)
        return self._provider

    @cached_property
    def sample_letters(self) -> "Letters":
        """Writes mails whose links lead nowhere: they are signed with a key that nobody else has."""
        from secrets import token_bytes

        from chalicelib.effects.letters import Letters
        from chalicelib.links import Links

        s = self.settings
        return Letters(Links({"sample": token_bytes(32)}, s.base_url), s.mail_from, s.reply_to, s.region)

    # -- what only the worker uses -----------------------------------------------------------------------

    @cached_property
    def worker(self) -> "Worker":
        """The pipeline with hands. Asked for by queue functions alone: only their role may send mail and set alarms."""
        from chalicelib.pipeline import Worker

        return Worker(self.pipeline, self._effects)

    @cached_property
    def _effects(self) -> "Effects":
        from chalicelib.effects.alarm import Alarms
        from chalicelib.effects.allowlist import Allowlist
        from chalicelib.effects.announce import Announcer
        from chalicelib.effects.breaker import Breaker
        from chalicelib.effects.erasing import Eraser
        from chalicelib.effects.fuses import Fuses
        from chalicelib.effects.letters import Letters
        from chalicelib.effects.mail import Mailer, MailService
        from chalicelib.effects.perform import Effects
        from chalicelib.effects.sentiment import Weigher
        from chalicelib.effects.staff_mail import Samples, SignInMails

        s = self.settings
        allowlist = Allowlist(s.mail_only_to)
        service = MailService(self._client("sesv2"), s.configuration_set, allowlist, self._boundary, self.log)
        letters = Letters(
            self.links, s.mail_from, s.reply_to, s.region, self._reply_addresses if s.inbound_domain else None
        )
        announcer = Announcer(self.counters, s.stage, self.log)
        breaker, fuses = Breaker(self.counters, announcer), Fuses(self.counters, announcer)
        mailer = Mailer(
            self.table, self.documents, letters, service, self.mails, breaker, fuses, self._settle, self.clock
        )
        scheduler = self._client("scheduler")
        alarms = Alarms(
            scheduler, self.table, s.schedule_group, s.alarms_queue_arn, s.scheduler_role_arn, self._boundary
        )
        weigher = Weigher(self.table, self._settle, self.clock)
        sign_ins = SignInMails(self.table, self.documents, letters, service, self.clock)
        eraser = Eraser(self.table, self.erasures, lambda: self.mails, self._run, self.clock)
        samples = Samples(self.table, self.documents, self.sample_letters, service, self.clock)
        return Effects(self.table, mailer, alarms, weigher, sign_ins, eraser, samples, self._run)

    def _run(self, event: Any) -> None:
        self.worker.run(event)

    def _settle(self, event: Any, owed: Any) -> None:
        """Take the outcome of an effect down the road, and perform what it owes in turn."""
        handled = self.pipeline.handle(event, owed)
        for further in handled.owed:
            if further.effect.key != owed.effect.key:
                self._effects.perform(further)

    @cached_property
    def _reply_addresses(self) -> "ReplyAddresses":
        from chalicelib.links import ReplyAddresses

        return ReplyAddresses(self.vault.link_keys(), self.settings.inbound_domain)

    def replied(self, records: Any) -> None:
        """Take what the bucket says of mail that came in."""
        from chalicelib.entry.queues import bodies

        for body in bodies(records):
            self.inbound.take(body)

    @cached_property
    def inbound(self) -> "Inbound":
        """Takes the mails that customers write back."""
        from chalicelib.entry.inbound import Inbound

        return Inbound(self.mails, self._reply_addresses, self.settings.mail_from, self.worker, self.clock)

    @cached_property
    def consumer(self) -> "Consumer":
        """Deals with the messages of each queue, and with what the clock asks for."""
        from chalicelib.entry.queues import Consumer

        return Consumer(self.worker, self.epochs, self._quarantine, self._queues.bury, self.clock)

    @cached_property
    def _quarantine(self) -> "Quarantine":
        from chalicelib.store.quarantine import Quarantine

        return Quarantine(self._dynamodb, self.settings.table, self._boundary)

    @cached_property
    def reconciliation(self) -> "Reconciliation":
        """Reads the account's suppression list."""
        from chalicelib.effects.suppressions import SuppressionList
        from chalicelib.entry.suppressions import Reconciliation

        listed = SuppressionList(self._client("sesv2"))
        return Reconciliation(listed, self.counters, self.pipeline, self.lists.holders, self._queues.wake, self.clock)


_installed: list[Wiring] = []


def install(wiring: Wiring) -> None:
    """Use this wiring from now on: what the local stack and the tests do."""
    _installed[:] = [wiring]


def wired() -> Wiring:
    """Return the wiring of this process, built when it is first asked for."""
    if not _installed:
        install(Wiring())
    return _installed[0]
