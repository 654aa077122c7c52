"""The mail by which a member of staff signs in. No breaker, budget or calendar holds it: somebody waits for it."""

from collections.abc import Callable
from datetime import datetime, timedelta

from chalicelib.effects.errors import MailRefused, MailThrottled, MailUnknown
from chalicelib.effects.letters import Letters
from chalicelib.effects.mail import MailService
from chalicelib.journey.documents import Settings, Staff
from chalicelib.journey.effects import SendSignIn
from chalicelib.store.documents import DocumentStore
from chalicelib.store.errors import NotOwed
from chalicelib.store.items import Owed
from chalicelib.store.table import Table

_RETRY_THROTTLED_AFTER = timedelta(minutes=1)


class SignInMails:
    """Sends one link, once: a claim of which nothing is heard is left, for the link is worth nothing minutes later."""

    def __init__(
        self,
        table: Table,
        documents: DocumentStore,
        letters: Letters,
        service: MailService,
        now: Callable[[], datetime],
    ) -> None:
        """Keep its partners."""
        self._table = table
        self._documents = documents
        self._letters = letters
        self._service = service
        self._now = now

    def perform(self, owed: Owed, effect: SendSignIn) -> None:
        """Send the link and settle it; settle it unsent when it is of no use any more, or its member has left."""
        now = self._now()
        staff = self._documents.version("staff", self._documents.active("staff", now))
        settings = self._documents.version("settings", self._documents.active("settings", now))
        assert isinstance(staff, Staff)  # noqa: S101 - the document of that kind
        assert isinstance(settings, Settings)  # noqa: S101
        member = staff.member(effect.staff_id)
        if member is None or member.may == "none" or effect.until <= now:
            self._table.settle(owed)
            return
        if owed.status == "claimed":
            self._table.settle(owed)  # it may have gone out; whoever waits asks for another
            return
        wire = self._service.write(*self._letters.sign_in(effect, member, settings.brand, now))
        post_once(self._table, self._service, owed, wire, now, effect.until)


def post_once(
    table: Table, service: MailService, owed: Owed, wire: dict[str, object], now: datetime, until: datetime
) -> None:
    """Claim a mail for which somebody waits and send it; what becomes of it is not looked into after ``until``.

    Raises MailRefused and MailUnknown, with the mail settled: whoever waits asks again.
    """
    try:
        claimed = table.claim_alone(owed, now, until)
    except NotOwed:
        return
    try:
        service.post(wire)
    except MailThrottled:
        table.release(claimed, now + _RETRY_THROTTLED_AFTER, attempt=claimed.attempt)
    except (MailRefused, MailUnknown):
        table.settle(claimed)
        raise
    else:
        table.settle(claimed)
