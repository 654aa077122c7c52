"""The versioned documents. A version is never changed; the active one is a pointer, and so is the one that comes next.

A version that was put off until an instant becomes the active one by the clock alone: nobody needs to be awake then.
"""

from datetime import datetime, timedelta
from functools import lru_cache
from importlib import resources
from typing import Any

import msgspec

from chalicelib.boundary import Boundary, straight
from chalicelib.journey import documents
from chalicelib.journey.documents import Document, Documents
from chalicelib.journey.state import Journey
from chalicelib.store import items, writing
from chalicelib.store.errors import Conflict

#: How long a function may work with an earlier active version after a lead has activated another.
_ACTIVE_FOR = timedelta(seconds=60)


@lru_cache(maxsize=8)
def shipped(kind: str) -> bytes:
    """Return the document of that kind that Aftercare ships."""
    return resources.files("chalicelib.defaults").joinpath(f"{kind}.json").read_bytes()


@lru_cache(maxsize=256)
def _read(kind: str, raw: bytes) -> Document:
    return documents.read(kind, raw)


#: One item for all kinds, so that a decision finds every active version with one read.
_POINTERS = items.key("DOC", "ACTIVE")


def _number(item: dict[str, Any], name: str) -> int:
    """Return a version number; 0 is the document that ships."""
    return int(item[name]["N"]) if name in item else 0


class Pointer(msgspec.Struct, frozen=True):
    """Which version of a kind holds, which is the newest, and which (if any) will hold from ``next_at`` on."""

    held: int
    newest: int
    next: int | None = None
    next_at: datetime | None = None

    def active(self, now: datetime) -> int:
        """Return the version that holds at that instant."""
        due = self.next is not None and self.next_at is not None and self.next_at <= now
        return self.next if due and self.next is not None else self.held

    def planned(self, now: datetime) -> tuple[int, datetime] | None:
        """Return the version that will hold later, and from when; None when nothing is planned."""
        if self.next is None or self.next_at is None or self.next_at <= now:
            return None
        return self.next, self.next_at


class Version(msgspec.Struct, frozen=True):
    """One stored version: its number, who stored it, when, and what they say has changed."""

    version: int
    by: str
    at: str
    note: str = ""


def _pointer(item: dict[str, Any], kind: str) -> Pointer:
    planned = f"{kind}_next" in item
    return Pointer(
        held=_number(item, f"{kind}_active"),
        newest=_number(item, f"{kind}_newest"),
        next=_number(item, f"{kind}_next") if planned else None,
        next_at=datetime.fromisoformat(item[f"{kind}_next_at"]["S"]) if planned else None,
    )


class DocumentStore:
    """Reads and keeps documents. Version 0 is the one that ships: it holds until a lead stores another."""

    def __init__(self, client: Any, table: str, boundary: Boundary = straight) -> None:
        """Keep the client and the table's name."""
        self._client = client
        self._table = table
        self._boundary = boundary
        self._versions: dict[tuple[str, int], Document] = {}
        self._known: tuple[datetime, dict[str, Pointer]] | None = None

    def for_journey(self, journey: Journey, now: datetime) -> Documents:
        """Return the cadence and playbook that the journey pinned (or today's, when it begins) and today's others."""
        cadence = journey.cadence[1] if journey.cadence[0] else self.active("cadence", now)
        playbook = journey.playbook[1] if journey.playbook[0] else self.active("playbook", now)
        return Documents(
            cadence=self.version("cadence", cadence),  # type: ignore[arg-type]  # the kind decides the type
            playbook=self.version("playbook", playbook),  # type: ignore[arg-type]
            settings=self.version("settings", self.active("settings", now)),  # type: ignore[arg-type]
            staff=self.version("staff", self.active("staff", now)),  # type: ignore[arg-type]
            cadence_version=cadence,
            playbook_version=playbook,
        )

    def version(self, kind: str, number: int) -> Document:
        """Return one version; raises KeyError when there is none."""
        if (kind, number) not in self._versions:
            self._versions[kind, number] = _read(kind, self.raw(kind, number))
        return self._versions[kind, number]

    def raw(self, kind: str, number: int) -> bytes:
        """Return one version as it was stored; raises KeyError when there is none."""
        if number == 0:
            return shipped(kind)
        key = items.key(f"DOC#{kind}", f"V#{number:08d}")
        item = self._client.get_item(TableName=self._table, Key=key, ConsistentRead=True).get("Item")
        if item is None:
            message = f"{kind} has no version {number}"
            raise KeyError(message)
        return bytes(item["body"]["B"])

    def active(self, kind: str, now: datetime) -> int:
        """Return the number of the active version, as of at most a minute ago."""
        known = self._known
        if known is None or not known[0] <= now < known[0] + _ACTIVE_FOR:
            item = self._pointers()
            known = (now, {one: _pointer(item, one) for one in documents.KINDS})
            self._known = known
        return known[1][kind].active(now)

    def pointer(self, kind: str) -> Pointer:
        """Return which versions of a kind hold now and later, as the table has it at this moment."""
        return _pointer(self._pointers(), kind)

    def _pointers(self) -> dict[str, Any]:
        """Return the one item that says, for each kind, which version is active and which is the newest."""
        answer = self._client.get_item(TableName=self._table, Key=_POINTERS, ConsistentRead=True)
        found: dict[str, Any] = answer.get("Item", {})
        return found

    def put(
        self,
        kind: str,
        raw: bytes,
        now: datetime,
        *,
        by: str,
        activate: bool,
        note: str = "",
        after: int | None = None,
    ) -> int:
        """Check and store a new version and, if asked, make it the active one; returns its number.

        ``after`` is the newest version that its writer has seen. Raises BadDocument, naming the field, before anything
        is stored; Conflict when another version came first.
        """
        documents.read(kind, raw)
        pointer = self.pointer(kind)
        if after is not None and pointer.newest != after:
            raise Conflict
        number = pointer.newest + 1
        version = {
            **items.key(f"DOC#{kind}", f"V#{number:08d}"),
            "body": {"B": raw},
            "by": {"S": by},
            "at": {"S": items.instant(now)},
            **({"note": {"S": note}} if note else {}),
        }
        held = pointer.active(now)
        planned = pointer.planned(now)
        self._write(kind, _moved(pointer, number if activate else held, number, planned), pointer.newest, version)
        return number

    def activate(self, kind: str, number: int, now: datetime, at: datetime | None = None) -> None:
        """Make a stored version (or 0, the shipped one) the active one, now or from a later instant on.

        What was planned before stays planned, unless this takes its place. Raises KeyError for a version that there is
        not, Conflict when somebody stored one meanwhile.
        """
        self.raw(kind, number)
        pointer = self.pointer(kind)
        later = at is not None and at > now
        planned = (number, at) if later and at is not None else pointer.planned(now)
        held = pointer.active(now) if later else number
        self._write(kind, _moved(pointer, held, pointer.newest, planned), pointer.newest, None)

    def call_off(self, kind: str, now: datetime) -> None:
        """Leave the active version as it is: what was planned does not come."""
        pointer = self.pointer(kind)
        self._write(kind, _moved(pointer, pointer.active(now), pointer.newest, None), pointer.newest, None)

    def _write(self, kind: str, after: Pointer, before: int, version: dict[str, Any] | None) -> None:
        """Store a version (if there is one) and where the pointers of its kind stand then; raises Conflict."""
        actions: list[dict[str, Any]] = [{"Update": _pointing(self._table, kind, after, before)}]
        if version is not None:
            unused = "attribute_not_exists(pk)"
            actions.append({"Put": {"TableName": self._table, "Item": version, "ConditionExpression": unused}})
        writing.together(self._boundary, "document", self._client, actions)
        self._known = None

    def history(self, kind: str, before: int | None = None, limit: int = 100) -> list[Version]:
        """Return up to ``limit`` stored versions of a kind, newest first, of those older than ``before``."""
        last = f"V#{before - 1:08d}" if before is not None else "V#99999999"
        answer = self._client.query(
            TableName=self._table,
            KeyConditionExpression="pk = :pk AND sk BETWEEN :first AND :last",
            ExpressionAttributeValues={
                ":pk": {"S": f"DOC#{kind}"},
                ":first": {"S": "V#00000000"},
                ":last": {"S": max(last, "V#00000000")},
            },
            ScanIndexForward=False,
            Limit=limit,
        )
        return [_version(item) for item in answer["Items"]]


def _version(item: dict[str, Any]) -> Version:
    note = item["note"]["S"] if "note" in item else ""
    return Version(version=int(item["sk"]["S"][2:]), by=item["by"]["S"], at=item["at"]["S"], note=note)


def _moved(pointer: Pointer, held: int, newest: int, planned: tuple[int, datetime] | None) -> Pointer:
    number, at = planned or (None, None)
    return msgspec.structs.replace(pointer, held=held, newest=newest, next=number, next_at=at)


def _pointing(table: str, kind: str, after: Pointer, before: int) -> dict[str, Any]:
    """Return the update that moves the pointers of one kind, if no other version of it came meanwhile."""
    names = {"#active": f"{kind}_active", "#newest": f"{kind}_newest"}
    later = {"#next": f"{kind}_next", "#next_at": f"{kind}_next_at"}
    values = {":active": {"N": str(after.held)}, ":newest": {"N": str(after.newest)}, ":before": {"N": str(before)}}
    change = "SET #active = :active, #newest = :newest"
    if after.next is not None and after.next_at is not None:
        change += ", #next = :next, #next_at = :next_at"
        values |= {":next": {"N": str(after.next)}, ":next_at": {"S": items.instant(after.next_at)}}
    else:
        change += " REMOVE #next, #next_at"
    return {
        "TableName": table,
        "Key": _POINTERS,
        "UpdateExpression": change,
        "ConditionExpression": "attribute_not_exists(#newest) OR #newest = :before",
        "ExpressionAttributeNames": names | later,
        "ExpressionAttributeValues": values,
    }
