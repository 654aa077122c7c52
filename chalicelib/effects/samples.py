"""What documents lead to, as it would be sent: for a preview, and for a copy to whoever asks for one. Sends nothing.

The journey is made up (`journey/rehearsal.py`), the words are those of production. Its links are signed with a key that
no page knows, so they lead nowhere.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Literal

import msgspec

from chalicelib.effects.envelope import Body, Envelope
from chalicelib.effects.letters import Letters
from chalicelib.journey import rehearsal
from chalicelib.journey.documents import KINDS, Documents
from chalicelib.store.documents import DocumentStore


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


def mails(documents: Documents, language: str, now: datetime, letters: Letters) -> Iterator[Sample]:
    """Yield every mail that these documents lead to, in the order of a journey that begins now."""
    for scene in rehearsal.scenes(documents, language, now):
        yield _sample(scene, documents, letters)


def mail(documents: Documents, language: str, now: datetime, letters: Letters, name: str) -> Sample | None:
    """Return the mail of that name, or None when these documents lead to none; no other is written for it."""
    scenes = rehearsal.scenes(documents, language, now)
    return next((_sample(scene, documents, letters) for scene in scenes if scene.name == name), None)


def _sample(scene: rehearsal.Scene, documents: Documents, letters: Letters) -> Sample:
    if scene.touch is not None:
        written = letters.to_customer(scene.touch, scene.journey, scene.person, documents, scene.at)
        return Sample(scene.name, "customer", scene.at, *written)
    assert scene.notice is not None  # noqa: S101 - a scene has one of the two
    member = documents.staff.member(scene.notice.staff_id) or documents.staff.members[0]
    written = letters.to_staff(scene.notice, member, scene.journey, scene.person, documents, scene.at)
    return Sample(scene.name, "staff", scene.at, *written)
