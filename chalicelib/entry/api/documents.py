"""Documents: read, check, compare, store, put into force now or later, take back. Versions are never changed."""

import difflib
import json
from datetime import datetime
from typing import Annotated

import msgspec

from chalicelib.entry import decode
from chalicelib.entry.api import paging
from chalicelib.entry.api.operations import Context, Nothing, operation
from chalicelib.entry.api.problems import BadField, Forbidden, NotFound, Refused
from chalicelib.entry.document_text import laid_out
from chalicelib.journey import documents
from chalicelib.journey.documents import KINDS
from chalicelib.journey.errors import BadDocument
from chalicelib.store.documents import Pointer, Version
from chalicelib.store.errors import Conflict

#: Lines around a change that a difference shows.
_AROUND = 3
Kind = Annotated[str, msgspec.Meta(pattern=rf"^({'|'.join(KINDS)})\Z", description="Which document.")]
Number = Annotated[int, msgspec.Meta(ge=0, le=99_999_999, description="A version; 0 is the one that ships.")]
Source = Annotated[
    str, msgspec.Meta(min_length=2, max_length=decode.LARGEST, description="The document itself, as JSON text.")
]
Note = Annotated[str, msgspec.Meta(max_length=300, description="What has changed, for the history.")]


class Which(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One kind of document."""

    kind: Kind


class OneVersion(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One version of one kind."""

    kind: Kind
    version: Number


class State(msgspec.Struct, frozen=True, omit_defaults=True):
    """Which version of a kind is in force, which is the newest, and which comes into force later, and when."""

    kind: str
    active: int
    newest: int
    planned: int | None = None
    planned_at: datetime | None = None


class States(msgspec.Struct, frozen=True):
    """Every kind."""

    documents: list[State]


class Text(msgspec.Struct, frozen=True, omit_defaults=True):
    """One version as it was stored. What ships has no author and no date."""

    kind: str
    version: int
    text: str
    by: str = ""
    at: str = ""
    note: str = ""


class History(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which page of the stored versions."""

    kind: Kind
    limit: paging.Limit = 50
    cursor: paging.Cursor = ""


class Versions(msgspec.Struct, frozen=True):
    """Stored versions, newest first."""

    versions: list[Version]
    next: str = ""


class Draft(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A document that is not stored."""

    kind: Kind
    text: Source


class Checked(msgspec.Struct, frozen=True, omit_defaults=True):
    """Whether a document can be used; if not, what is wrong, in which field and on which line."""

    good: bool
    detail: str = ""
    field: str = ""
    line: int = 0


class New(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A new version. ``after`` is the newest version that its writer has seen: another one since then is a conflict.

    It is only stored, unless it is put into force at once (``activate``) or from an instant on (``activate_at``).
    """

    kind: Kind
    text: Source
    note: Note = ""
    after: Number | None = None
    activate: bool = False
    activate_at: datetime | None = None


class Stored(msgspec.Struct, frozen=True):
    """The number of a new version, and what holds now."""

    version: int
    state: State


class Activation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A stored version to put into force, at once or from an instant on. An older one takes the newer back."""

    kind: Kind
    version: Number
    at: datetime | None = None


class Compared(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Two versions of one kind, the older first."""

    kind: Kind
    old: Number
    new: Number


class Difference(msgspec.Struct, frozen=True):
    """Lines of a unified difference: each begins with a space, a ``-`` or a ``+``; ``@@`` says where they stand.

    Both versions are laid out alike first: how either was typed makes no difference.
    """

    lines: list[str]


@operation()
def listing(context: Context, asked: Nothing) -> States:
    """List every kind of document with the versions that hold now and later."""
    del asked
    return States([_state(context, kind) for kind in KINDS])


@operation()
def state(context: Context, asked: Which) -> State:
    """Show which versions of a kind hold now and later."""
    return _state(context, asked.kind)


@operation()
def version(context: Context, asked: OneVersion) -> Text:
    """Show one version as it was stored."""
    text = _text(context, asked.kind, asked.version)
    if asked.version == 0:
        return Text(asked.kind, 0, text)
    (stored,) = context.at.documents.history(asked.kind, before=asked.version + 1, limit=1)
    return Text(asked.kind, asked.version, text, stored.by, stored.at, stored.note)


@operation()
def versions(context: Context, asked: History) -> Versions:
    """List the stored versions of a kind, newest first."""
    scope = f"documents/{asked.kind}"
    before = paging.begins(context, scope, asked.cursor)
    found = context.at.documents.history(asked.kind, before=int(before) if before else None, limit=asked.limit)
    last = str(found[-1].version) if len(found) == asked.limit and found[-1].version > 1 else ""
    return Versions(found, paging.follows(context, scope, last))


@operation(audit="saw", about="document/{kind}")
def check(context: Context, asked: Draft) -> Checked:
    """Check a document without storing it; what is wrong is named by field and line."""
    del context
    return checked(asked.kind, asked.text)


@operation()
def difference(context: Context, asked: Compared) -> Difference:
    """Show what differs between two versions of a kind."""
    old, new = (_text(context, asked.kind, number) for number in (asked.old, asked.new))
    return Difference(compared(*(laid_out(json.loads(text)) for text in (old, new))))


@operation(audit="changed", about="document/{kind}", status=201)
def store(context: Context, asked: New) -> Stored:
    """Store a new version and, if asked, put it into force now or later."""
    _check_role(context, asked.kind)
    raw = _raw(asked.text)
    if asked.activate and asked.activate_at is not None:
        raise BadField("activate_at", "it comes into force at once, or at an instant: not both")
    at = _to_come(context, "activate_at", asked.activate_at)
    try:
        number = context.at.documents.put(
            asked.kind,
            raw,
            context.now,
            by=context.actor.id,
            activate=asked.activate,
            note=asked.note.strip(),
            after=asked.after,
        )
    except Conflict as error:
        detail = "Somebody stored another version meanwhile. Look at what they changed, then store yours."
        raise Refused(409, "Conflict", detail, "after") from error
    if at is not None:
        context.at.documents.activate(asked.kind, number, context.now, at)
    context.about(f"document/{asked.kind}/{number}")
    return Stored(number, _state(context, asked.kind))


@operation(audit="changed", about="document/{kind}/{version}")
def activate(context: Context, asked: Activation) -> State:
    """Put a stored version into force, at once or from an instant on."""
    _check_role(context, asked.kind)
    at = _to_come(context, "at", asked.at)
    documents.read(asked.kind, _text(context, asked.kind, asked.version).encode())
    context.at.documents.activate(asked.kind, asked.version, context.now, at)
    return _state(context, asked.kind)


@operation(audit="changed", about="document/{kind}")
def call_off(context: Context, asked: Which) -> State:
    """Leave in force what is in force: what was planned for later does not come."""
    _check_role(context, asked.kind)
    if context.at.documents.pointer(asked.kind).planned(context.now) is None:
        raise Refused(409, "Nothing planned", f"No version of {asked.kind} is planned for later.")
    context.at.documents.call_off(asked.kind, context.now)
    return _state(context, asked.kind)


# -- what the room's pages use as well -------------------------------------------------------------------


def checked(kind: str, text: str) -> Checked:
    """Return whether a document can be used, or what is wrong with it."""
    try:
        documents.read(kind, _raw(text))
    except BadDocument as error:
        return Checked(good=False, detail=str(error), field=error.path.removeprefix("$."), line=error.line)
    return Checked(good=True)


def compared(old: str, new: str) -> list[str]:
    """Return what differs between two texts, as the lines of a unified difference without its head."""
    lines = difflib.unified_diff(old.splitlines(), new.splitlines(), n=_AROUND, lineterm="")
    return list(lines)[2:]


def _raw(text: str) -> bytes:
    """Return a text as it is stored; raises BadDocument for what is no JSON, or gives one name twice."""
    raw = text.replace("\r\n", "\n").encode(errors="replace")
    try:
        decode.check_json(raw)
    except decode.BadInput as error:
        try:
            json.loads(raw)
        except json.JSONDecodeError as broken:
            raise BadDocument(str(broken), line=broken.lineno) from error
        except RecursionError:
            message = "the brackets are nested too deep"
            raise BadDocument(message) from error
        raise BadDocument(str(error)) from error
    return raw


def _state(context: Context, kind: str) -> State:
    pointer: Pointer = context.at.documents.pointer(kind)
    planned, planned_at = pointer.planned(context.now) or (None, None)
    return State(kind, pointer.active(context.now), pointer.newest, planned, planned_at)


def _text(context: Context, kind: str, number: int) -> str:
    try:
        return context.at.documents.raw(kind, number).decode()
    except KeyError as error:
        raise NotFound(f"no version {number} of {kind}") from error


def _to_come(context: Context, name: str, at: datetime | None) -> datetime | None:
    """Return an instant that is still to come: a past one is a slip of the pen, and would be in force at once."""
    if at is not None and at.tzinfo is None:
        raise BadField(name, "an instant has a time zone, such as 2026-05-04T09:00:00+02:00")
    if at is not None and at <= context.now:
        raise BadField(name, "that is past already; to have it in force at once, name no instant")
    return at


def _check_role(context: Context, kind: str) -> None:
    """The staff document says who may do what here: only an admin may change that."""
    if kind == "staff" and not context.allows("admin"):
        raise Forbidden("admin")
