"""Mail: decided again at sending time, claimed, sent once, reconciled.

The mail service has no idempotency token. So a mail is written out whole, then claimed in the table, and whoever
claims it makes exactly one request. When nobody knows whether that request was taken, the claim stands until the
service's own SEND event settles it, or until the grace time has passed and the rule of the settings applies: send once
more, or tell a person.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from chalicelib.boundary import Boundary, straight
from chalicelib.effects.allowlist import Allowlist
from chalicelib.effects.breaker import Breaker
from chalicelib.effects.envelope import Body, Envelope
from chalicelib.effects.errors import MailNotAllowed, MailRefused, MailThrottled, MailUnknown
from chalicelib.effects.fuses import DEPLOYMENT, Fuses
from chalicelib.effects.letters import Letters
from chalicelib.effects.message import request
from chalicelib.journey import budget, clock
from chalicelib.journey.documents import Documents
from chalicelib.journey.effects import KeepMail, NotifyStaff, SendMail
from chalicelib.journey.events import Event, MailDeferred, MailNotSent, MailSent, sending_of
from chalicelib.journey.state import Journey, Person, Touch
from chalicelib.store.counters import Limit
from chalicelib.store.documents import DocumentStore
from chalicelib.store.errors import Conflict, NotOwed, Spent
from chalicelib.store.items import Owed, Stored
from chalicelib.store.mails import MailArchive
from chalicelib.store.table import Table
from chalicelib.telemetry import Log

_TRIES = 5
_THROTTLED = {"TooManyRequestsException", "ThrottlingException", "LimitExceededException"}
#: A fault of the deployment or the account, not of the mail: it was not sent, and goes when the fault is mended. Its
#: alarm is the age of what is owed; giving such mail up would quietly end every journey that comes by.
_NOT_NOW = {
    *("AccessDeniedException", "AccessDenied", "UnrecognizedClientException", "InvalidClientTokenId"),
    *("ExpiredTokenException", "ExpiredToken", "SendingPausedException", "AccountSuspendedException"),
    *("MailFromDomainNotVerifiedException", "NotFoundException"),
}
_RETRY_THROTTLED_AFTER = timedelta(minutes=1)
_TOO_MANY, _FIRST_SERVER_ERROR = 429, 500
#: Takes an event down the road; with the effect that the event settles.
Handle = Callable[[Event, Owed], object]


class MailService:
    """One request to SES for one mail. ``client`` must not retry: wiring sees to that."""

    def __init__(
        self,
        client: Any,
        configuration_set: str,
        allowlist: Allowlist,
        boundary: Boundary = straight,
        log: Log | None = None,
    ) -> None:
        """Keep the SES v2 client, and whom this stage may write to; ``log`` hears of mail that was not allowed."""
        self._log = log
        self._client = client
        self._configuration_set = configuration_set
        self._allowlist = allowlist
        self._boundary = boundary

    def send(self, body: Body, envelope: Envelope) -> str:
        """Send one mail and return its message id.

        Raises MailRefused or MailThrottled when it is known not to be sent, MailUnknown when nothing is known.
        """
        return self.post(self.write(body, envelope))

    def write(self, body: Body, envelope: Envelope) -> dict[str, Any]:
        """Return the request for one mail; raises ValueError for what no mail can carry, and MailNotAllowed."""
        wire = request(body, envelope, self._configuration_set)
        self._check(wire)
        return wire

    def _check(self, wire: dict[str, Any]) -> None:
        """Whoever made this request, the stage writes to nobody outside of its allowlist."""
        if self._allowlist.allows_all(wire["Destination"]["ToAddresses"]):
            return
        if self._log is not None:
            # A colleague who waits for a link to sign in is told nothing: whoever looks for the reason finds it here.
            tags = {tag["Name"]: tag["Value"] for tag in wire["EmailTags"]}
            extra = {"kind": tags.get("kind", ""), "journey_id": tags.get("journey", "")}
            self._log.warning("mail not sent: its address is not on the allowlist of this stage", extra=extra)
        raise MailNotAllowed

    def post(self, wire: dict[str, Any]) -> str:
        """Make that request and return the message id; raises as `send` does, and MailNotAllowed."""
        self._check(wire)
        try:
            answer = self._boundary("send-mail", lambda: self._client.send_email(**wire))
        except ClientError as error:
            raise _sorted(error) from error
        except (BotoCoreError, ResponseParserError, OSError) as error:
            raise MailUnknown from error
        if "MessageId" not in answer:
            # The answer broke off, or was not the mail service's.
            raise MailUnknown
        return str(answer["MessageId"])


def _sorted(error: ClientError) -> Exception:
    """Sort an error of the service: a 4xx is a known no, to this mail or for now; anything else is unknown."""
    code = error.response["Error"]["Code"]
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", _FIRST_SERVER_ERROR))
    if code in _THROTTLED | _NOT_NOW or status == _TOO_MANY:
        return MailThrottled(code)
    return MailUnknown(code) if status >= _FIRST_SERVER_ERROR else MailRefused(code)


class _Unwritable(Exception):
    """No mail can be made of this, however often it is tried: it was not sent and never will be."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(f"no mail can be made of it: {type(cause).__name__}")
        #: An address that mail cannot carry is the customer's; anything else is a mistake of ours, and is to be seen.
        self.is_bug = not isinstance(cause, UnicodeError)


class Mailer:
    """Performs the sending of touches and notices."""

    def __init__(
        self,
        table: Table,
        documents: DocumentStore,
        letters: Letters,
        service: MailService,
        archive: MailArchive,
        breaker: Breaker,
        fuses: Fuses,
        handle: Handle,
        now: Callable[[], datetime],
    ) -> None:
        """Keep its partners; ``handle`` is the pipeline, to which the outcome of every mail returns as an event."""
        self._breaker = breaker
        self._fuses = fuses
        self._table = table
        self._documents = documents
        self._letters = letters
        self._service = service
        self._archive = archive
        self._handle = handle
        self._now = now

    # -- touches -----------------------------------------------------------------------------------------

    def send_touch(self, owed: Owed, effect: SendMail) -> None:
        """Send one touch, or settle why not."""
        if owed.status == "claimed":
            self._reconcile(owed, lambda: self._give_up(owed, effect, "unknown_outcome"))
            return
        for _ in range(_TRIES):
            try:
                self._try_touch(owed, effect)
            except Conflict:
                continue
            except NotOwed:
                pass
            return

    def _try_touch(self, owed: Owed, effect: SendMail) -> None:
        now = self._now()
        journey = self._table.journey(effect.journey_id)
        person = self._table.person(journey.value.person_id)
        documents = self._documents.for_journey(journey.value, now)
        touch = journey.value.touch(effect.touch_id)
        if touch is None or touch.went_out:
            self._table.settle(owed)
            return
        verdict = self._weigh(touch, journey.value, person.value, documents, now)
        if isinstance(verdict, budget.Send):
            self._claim_and_send(owed, touch, journey, person, documents)
        else:
            self._hold(owed, effect, touch, verdict, now)

    def _hold(
        self, owed: Owed, effect: SendMail, touch: Touch, verdict: budget.Wait | budget.Drop, now: datetime
    ) -> None:
        """Let a mail wait, or give it up."""
        if owed.attempt:
            self._leave_unknown(owed, effect, touch, verdict)
        elif isinstance(verdict, budget.Wait):
            self._handle(_deferred(effect, owed, verdict, now), owed)
        else:
            self._handle(self._not_sent(effect, touch, verdict.reason), owed)

    def _leave_unknown(self, owed: Owed, effect: SendMail, touch: Touch, verdict: budget.Wait | budget.Drop) -> None:
        """A mail that may have gone out already must wait, or may not be sent once more.

        It waits as it is, for planned anew it would forget that attempt; and what stopped it now did not stop it then.
        """
        if isinstance(verdict, budget.Wait):
            self._table.postpone(owed, verdict.until)
        else:
            self._handle(self._not_sent(effect, touch, "unknown_outcome"), owed)

    def _give_up(self, owed: Owed, effect: SendMail, reason: str) -> None:
        touch = self._table.journey(effect.journey_id).value.touch(effect.touch_id)
        self._handle(self._not_sent(effect, touch, reason), owed)

    def _weigh(
        self, touch: Touch, journey: Journey, person: Person, documents: Documents, now: datetime
    ) -> budget.Verdict:
        """Weigh once more, by the newest state, by what is known of the address itself, and by the breaker."""
        verdict = budget.weigh(touch, journey, person, documents, now)
        if not isinstance(verdict, budget.Send):
            return verdict
        suppressed = self._table.is_suppressed(person.email)
        return budget.Drop(suppressed) if suppressed else self._breaker.weigh(touch, journey.id, documents, now)

    def _claim_and_send(self, owed: Owed, touch: Touch, journey: Stored, person: Stored, documents: Documents) -> None:
        now = self._now()
        effect = SendMail(key=owed.effect.key, journey_id=journey.value.id, touch_id=touch.id)
        try:
            wire = self._written(lambda: self._letters.to_customer(touch, journey.value, person.value, documents, now))
        except MailNotAllowed:
            self._handle(self._not_sent(effect, touch, "allowlist"), owed)
            return
        except _Unwritable as error:
            self._handle(self._not_sent(effect, touch, "refused"), owed)
            if error.is_bug:
                raise
            return
        claim = self._claim(owed, touch, journey, person, documents)
        if isinstance(claim, str):
            until = self._fuses.blown(claim, effect.journey_id, documents, now)
            self._hold(owed, effect, touch, budget.hold(touch, until, claim), now)
            return
        claimed, limits = claim
        self._keep(claimed, effect, wire["Content"]["Raw"]["Data"])
        try:
            message_id = self._service.post(wire)
        except (MailRefused, MailNotAllowed):
            self._handle(self._not_sent(effect, touch, "refused"), claimed)
        except MailThrottled:
            self._table.release(claimed, now + _RETRY_THROTTLED_AFTER, attempt=claimed.attempt, limits=limits)
        except MailUnknown:
            return  # the claim stands: the SEND event, or the reconciler, settles it
        else:
            self._handle(sent(effect.journey_id, touch, message_id, now), claimed)

    def _claim(
        self, owed: Owed, touch: Touch, journey: Stored, person: Stored, documents: Documents
    ) -> tuple[Owed, tuple[Limit, ...]] | str:
        """Claim the sending of a touch; returns what was spent with it, or which fuse holds it."""
        now, shard = self._now(), None
        after = budget.spend(person.value, touch, journey.value, now)
        until = now + clock.elapsed(documents.settings.mail.settle_within)
        for _ in range(_TRIES):
            limits = self._fuses.for_touch(touch, person.value.email, journey.value.id, documents, now, shard)
            try:
                return self._table.claim(owed, journey, person, after, now, until, limits), limits
            except Spent as error:
                # A shard that is used up says nothing of the others.
                shard = self._fuses.room(documents, now) if error.what == DEPLOYMENT else None
                if shard is None:
                    return error.what
        raise Conflict

    def _keep(self, claimed: Owed, effect: SendMail, raw: bytes) -> None:
        """Keep the mail as it goes out, before it goes; a bucket that cannot be had holds nothing up.

        Then the mail is owed to the bucket, with its bytes. It is stored here and not before the claim, since only who
        has the claim knows that this, and nothing else, is sent.
        """
        try:
            self._archive.keep(effect.journey_id, effect.touch_id, claimed.since, raw)
        except (BotoCoreError, ClientError, OSError):
            late = KeepMail(
                key=f"keep-{effect.touch_id}-{claimed.since:%Y%m%dT%H%M%S%f}",
                journey_id=effect.journey_id,
                touch_id=effect.touch_id,
                at=claimed.since,
                raw=raw,
            )
            self._table.owe(claimed.pk, late, claimed.since)

    def keep_late(self, owed: Owed, effect: KeepMail) -> None:
        """Store a mail that went out while the bucket could not be had."""
        self._archive.keep(effect.journey_id, effect.touch_id, effect.at, effect.raw)
        self._table.settle(owed)

    def _written(self, write: Callable[[], tuple[Body, Envelope]]) -> dict[str, Any]:
        """Return the whole request, before anything is claimed; raises _Unwritable when it will never be one."""
        try:
            return self._service.write(*write())
        except (BotoCoreError, ClientError, OSError, MailNotAllowed):
            raise  # a key could not be read: another try may succeed; or it is well written, and not allowed
        except Exception as error:
            raise _Unwritable(error) from error

    def _not_sent(self, effect: SendMail, touch: Touch | None, reason: str) -> MailNotSent:
        return MailNotSent(
            event_id=f"not-sent/{sending_of(effect.touch_id, touch.returns if touch else 0)}",
            occurred_at=self._now(),
            journey_id=effect.journey_id,
            touch_id=effect.touch_id,
            reason=reason,
        )

    # -- notices -----------------------------------------------------------------------------------------

    def send_notice(self, owed: Owed, notice: NotifyStaff) -> None:
        """Send one notice to one member of staff; one who has left the directory is told nothing.

        A notice of which nothing is heard is sent again and again: who else could be told that nobody was told?
        """
        if owed.status == "claimed":
            self._reconcile(owed)
            return
        now = self._now()
        journey = self._table.journey(notice.journey_id).value
        person = self._table.person(journey.person_id).value
        documents = self._documents.for_journey(journey, now)
        member = documents.staff.member(notice.staff_id)
        if member is None or journey.erased_at is not None:
            self._table.settle(owed)
            return
        try:
            wire = self._written(lambda: self._letters.to_staff(notice, member, journey, person, documents, now))
        except MailNotAllowed:
            self._table.settle(owed)
            return
        except _Unwritable:
            self._table.settle(owed)
            raise
        limits = self._fuses.for_notice(member, documents, now)
        until = now + clock.elapsed(documents.settings.mail.settle_within)
        try:
            claimed = self._table.claim_alone(owed, now, until, limits)
        except NotOwed:
            return
        except Spent as error:
            self._table.postpone(owed, self._fuses.blown(error.what, notice.journey_id, documents, now))
            return
        self._send_notice(claimed, wire, now, limits)

    def _send_notice(self, claimed: Owed, wire: dict[str, Any], now: datetime, limits: tuple[Limit, ...]) -> None:
        try:
            self._service.post(wire)
        except MailRefused:
            self._table.settle(claimed)
            raise
        except MailThrottled:
            self._table.release(claimed, now + _RETRY_THROTTLED_AFTER, attempt=claimed.attempt, limits=limits)
        except MailUnknown:
            return
        else:
            self._table.settle(claimed)

    # -- an unknown outcome ------------------------------------------------------------------------------

    def _reconcile(self, owed: Owed, give_up: Callable[[], object] | None = None) -> None:
        """A claim on which nothing was heard in time: send once more, or give it up to a person after enough attempts.

        The instant to look at a claim again is in the sparse index, so nobody comes here before the grace time is over.
        """
        now = self._now()
        documents = self._documents.for_journey(Journey(id=""), now)
        if now < owed.since + clock.elapsed(documents.settings.mail.settle_within):
            return
        if give_up is None or owed.attempt + 1 < documents.settings.mail.attempts_max:
            # The next round of the reconciler, or this one's owner, finds it owed again.
            self._table.release(owed, now, attempt=owed.attempt + 1)
        else:
            give_up()


def sent(journey_id: str, touch: Touch, message_id: str, at: datetime) -> MailSent:
    """Return the fact that a mail was taken: told by our own request or by the service's SEND event, it is one fact."""
    return MailSent(
        event_id=f"sent/{sending_of(touch.id, touch.returns)}",
        occurred_at=at,
        journey_id=journey_id,
        touch_id=touch.id,
        message_id=message_id,
        returns=touch.returns,
    )


def _deferred(effect: SendMail, owed: Owed, wait: budget.Wait, now: datetime) -> MailDeferred:
    return MailDeferred(
        event_id=f"deferred/{effect.touch_id}/{owed.nonce}",
        occurred_at=now,
        journey_id=effect.journey_id,
        touch_id=effect.touch_id,
        until=wait.until,
        reason=wait.reason,
    )
