"""What documents lead to, as it would be sent: for a preview, and for a copy to whoever asks for one.

The journey is made up (`journey/rehearsal.py`), the words are those of production. Its links are signed with a key that
no page knows, so they lead nowhere.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Literal

import msgspec
from msgspec.structs import replace

from chalicelib.effects.envelope import Body, Envelope
from chalicelib.effects.letters import Letters
from chalicelib.effects.mail import MailService
from chalicelib.effects.sign_in import post_once
from chalicelib.journey import rehearsal
from chalicelib.journey.documents import KINDS, Documents, Staff, StaffMember
from chalicelib.journey.effects import SendSample
from chalicelib.store.documents import DocumentStore
from chalicelib.store.items import Owed
from chalicelib.store.table import Table


class Sample(msgspec.Struct, frozen=True):
    """A mail of a rehearsal. ``name`` says which: its kind and, of a check-in, its step."""

    name: str
    to: Literal["customer", "staff"]
    at: datetime
    body: Body
    envelope: Envelope


def in_force(store: DocumentStore, kind: str, version: int, now: datetime) -> Documents:
    """Return the documents in force, with that version in the place of its kind; raises KeyError when there is none."""
    chosen = {one: store.active(one, now) for one in KINDS} | {kind: version}
    held = {one: store.version(one, number) for one, number in chosen.items()}
    return Documents(
        cadence=held["cadence"],  # type: ignore[arg-type]  # the kind decides the type
        playbook=held["playbook"],  # type: ignore[arg-type]
        settings=held["settings"],  # type: ignore[arg-type]
        staff=held["staff"],  # type: ignore[arg-type]
        cadence_version=chosen["cadence"],
        playbook_version=chosen["playbook"],
    )


def mails(documents: Documents, language: str, now: datetime, letters: Letters) -> list[Sample]:
    """Return every mail that these documents lead to, in the order of a journey that begins now."""
    return [_sample(scene, documents, letters) for scene in rehearsal.scenes(documents, language, now)]


def _sample(scene: rehearsal.Scene, documents: Documents, letters: Letters) -> Sample:
    if scene.touch is not None:
        written = letters.to_customer(scene.touch, scene.journey, scene.person, documents, scene.at)
        return Sample(scene.name, "customer", scene.at, *written)
    assert scene.notice is not None  # noqa: S101 - a scene has one of the two
    member = documents.staff.member(scene.notice.staff_id) or documents.staff.members[0]
    written = letters.to_staff(scene.notice, member, scene.journey, scene.person, documents, scene.at)
    return Sample(scene.name, "staff", scene.at, *written)


class Samples:
    """Mails a copy to a member of staff, once: one of which nothing is heard is left, for they can ask again."""

    def __init__(
        self,
        table: Table,
        documents: DocumentStore,
        letters: Letters,
        service: MailService,
        now: Callable[[], datetime],
    ) -> None:
        """Keep its partners. ``letters`` are those whose links lead nowhere."""
        self._table = table
        self._documents = documents
        self._letters = letters
        self._service = service
        self._now = now

    def perform(self, owed: Owed, effect: SendSample) -> None:
        """Send the copy and settle it; settle it unsent when there is no such mail, or its reader has left."""
        now = self._now()
        staff = self._documents.version("staff", self._documents.active("staff", now))
        assert isinstance(staff, Staff)  # noqa: S101 - the document of that kind
        member, found = staff.member(effect.staff_id), self._wanted(effect, now)
        if owed.status == "claimed" or member is None or found is None:
            self._table.settle(owed)
            return
        wire = self._service.write(*_copy(found, member, effect.key, now))
        post_once(self._table, self._service, owed, wire, now, now + timedelta(minutes=10))

    def _wanted(self, effect: SendSample, now: datetime) -> Sample | None:
        documents = in_force(self._documents, effect.kind, effect.version, now)
        found = mails(documents, effect.language, now, self._letters)
        return next((one for one in found if one.name == effect.name), None)


def _copy(sample: Sample, member: StaffMember, key: str, now: datetime) -> tuple[Body, Envelope]:
    """Return the mail as the customer would get it, to the member; its subject and its tags say what it is."""
    name = f"{key}@{sample.envelope.sender.rpartition('@')[2]}"
    envelope = replace(
        sample.envelope,
        to=member.email,
        to_name=member.name,
        message_id=name,
        thread=name,
        date=now,
        kind="sample",
        tags=(("kind", "sample"),),
    )
    return replace(sample.body, subject=f"[Test] {sample.body.subject}"), envelope
