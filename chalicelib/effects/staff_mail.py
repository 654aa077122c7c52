"""Mails for which a member of staff waits: the link to sign in by, and a copy of a preview.

No breaker, budget or calendar holds them. Each is sent once: one of which nothing is heard is left, for whoever waits
asks for another.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

from msgspec.structs import replace

from chalicelib.effects import samples
from chalicelib.effects.envelope import Body, Envelope
from chalicelib.effects.errors import MailNotAllowed, MailRefused, MailThrottled, MailUnknown
from chalicelib.effects.letters import Letters
from chalicelib.effects.mail import MailService
from chalicelib.effects.samples import Sample
from chalicelib.journey.documents import Settings, Staff, StaffMember
from chalicelib.journey.effects import SendSample, SendSignIn
from chalicelib.store.documents import DocumentStore
from chalicelib.store.errors import NotOwed
from chalicelib.store.items import Owed
from chalicelib.store.table import Table

_RETRY_THROTTLED_AFTER = timedelta(minutes=1)


class _MailToStaff:
    """What both kinds share: their partners, and one try at a mail for which somebody waits."""

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

    def _member(self, staff_id: str, now: datetime) -> StaffMember | None:
        staff = self._documents.version("staff", self._documents.active("staff", now))
        assert isinstance(staff, Staff)  # noqa: S101 - the document of that kind
        return staff.member(staff_id)

    def _post_once(self, owed: Owed, letter: tuple[Body, Envelope], now: datetime, until: datetime) -> None:
        """Claim a mail and send it; what becomes of it is not looked into after ``until``.

        One that this stage may not send is settled unsent. Raises MailRefused and MailUnknown, with the mail settled:
        whoever waits asks again.
        """
        try:
            wire = self._service.write(*letter)
            claimed = self._table.claim_alone(owed, now, until)
        except MailNotAllowed:
            self._table.settle(owed)
            return
        except NotOwed:
            return
        try:
            self._service.post(wire)
        except MailThrottled:
            self._table.release(claimed, now + _RETRY_THROTTLED_AFTER, attempt=claimed.attempt)
        except (MailRefused, MailUnknown):
            self._table.settle(claimed)
            raise
        else:
            self._table.settle(claimed)


class SignInMails(_MailToStaff):
    """Sends one link, once: a claim of which nothing is heard is left, for the link is worth nothing minutes later."""

    def perform(self, owed: Owed, effect: SendSignIn) -> None:
        """Send the link and settle it; settle it unsent when it is of no use any more, or its member has left."""
        now = self._now()
        member = self._member(effect.staff_id, now)
        # One that is claimed may have gone out; whoever waits asks for another.
        if owed.status == "claimed" or member is None or member.may == "none" or effect.until <= now:
            self._table.settle(owed)
            return
        settings = self._documents.version("settings", self._documents.active("settings", now))
        assert isinstance(settings, Settings)  # noqa: S101 - the document of that kind
        letter = self._letters.sign_in(effect, member, settings.brand, now)
        self._post_once(owed, letter, now, effect.until)


class Samples(_MailToStaff):
    """Mails a copy to a member of staff, once: one of which nothing is heard is left, for they can ask again.

    Its letters are those whose links lead nowhere.
    """

    def perform(self, owed: Owed, effect: SendSample) -> None:
        """Send the copy and settle it; settle it unsent when there is no such mail, or its reader has left."""
        now = self._now()
        member, found = self._member(effect.staff_id, now), self._wanted(effect, now)
        if owed.status == "claimed" or member is None or found is None:
            self._table.settle(owed)
            return
        letter = _copy(found, member, effect.key, now)
        self._post_once(owed, letter, now, now + timedelta(minutes=10))

    def _wanted(self, effect: SendSample, now: datetime) -> Sample | None:
        documents = samples.in_force(self._documents, effect.kind, effect.version, now)
        return samples.mail(documents, effect.language, now, self._letters, effect.name)


def _copy(sample: Sample, member: StaffMember, key: str, now: datetime) -> tuple[Body, Envelope]:
    """Return the mail as the customer would get it, to the member; its subject and its tags say what it is."""
    name = f"{key}@{sample.envelope.sender.rpartition('@')[2]}"
    envelope = replace(
        sample.envelope,
        to=member.email,
        to_name=member.name,
        message_id=name,
        thread="",
        date=now,
        kind="sample",
        tags=(("kind", "sample"),),
    )
    return replace(sample.body, subject=f"[Test] {sample.body.subject}"), envelope
