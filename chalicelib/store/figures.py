"""The figures: the log of what facts change in them, and the cube that is added up from it.

====================================  ================================  =============================================
``pk``                                ``sk``                            what
====================================  ================================  =============================================
``TALLY#<shard>``                     ``<stored at>#<fact>``            what one fact changes; written with the fact
``CUBE#service``                      ``STATE``                         which generation is shown, built, cleared away
``CUBE#service#<gen>``                ``CURSOR#<shard>``                how far that shard of the log is counted
``CUBE#service#<gen>#<shard>``        ``<dimension>#<day>#<value>``     one cell: measures and their counts
====================================  ================================  =============================================

The log is never changed and holds no name, so it outlives an erasure. A cell is read, added to and written together
with the cursor of its shard, conditioned on the cursor being where it was: what is counted is counted once, however
often and by however many it is tried.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Any

import msgspec

from chalicelib.boundary import Boundary, straight
from chalicelib.journey.tally import Tally
from chalicelib.store import items, writing
from chalicelib.store.items import Item

#: Partitions of the log and of the cube. One takes five hundred facts a second.
SHARDS = 4
#: Measure → count. What is zero is left out.
Cell = Mapping[str, int]
_CUBE = "CUBE#service"
_MOST_KEYS = 100
_MOST_DELETED = 25
_encoder = msgspec.json.Encoder(order="sorted")
_tallies: msgspec.json.Decoder[Tally] = msgspec.json.Decoder(Tally)
_cells: msgspec.json.Decoder[dict[str, int]] = msgspec.json.Decoder(dict[str, int])


class Entry(msgspec.Struct, frozen=True):
    """What one fact changes, as the log has it. ``place`` is where it stands, ``fact`` which one it is."""

    place: str
    tally: Tally

    @property
    def fact(self) -> str:
        """Return the name of the fact: made from its journey and id, and of no use for finding either."""
        return self.place.rpartition("#")[2]


class Cursor(msgspec.Struct, frozen=True):
    """How far one shard of the log is counted: the place of its last entry, and how many there were."""

    version: int = 0
    after: str = ""
    counted: int = 0


class Generations(msgspec.Struct, frozen=True):
    """Which generation of the cube is shown; which is built beside it, and which is cleared away (0: none)."""

    shown: int = 1
    built: int = 0
    cleared: int = 0
    version: int = 0
    since: str = ""


class TooMany(Exception):
    """A reading that was asked for is larger than one page may read."""


def entry_item(pk: str, event_id: str, now: datetime, tally: Tally) -> Item:
    """Return the item of the log for a fact of a journey (``J#…``): in a place of its own, so nobody waits for it."""
    digest = sha256(f"{pk}\x1f{event_id}".encode())
    place = f"{items.instant(now)}#{digest.hexdigest()[:32]}"
    return {**items.key(f"TALLY#{digest.digest()[0] % SHARDS}", place), "body": {"B": _encoder.encode(tally)}}


def dump(cell: Cell) -> bytes:
    """Return the one form in which a cell is stored: the same counts are the same bytes."""
    return _encoder.encode({measure: number for measure, number in cell.items() if number})


class FigureStore:
    """The log and the cube. ``client`` is a DynamoDB client; every write passes the boundary."""

    def __init__(self, client: Any, name: str, boundary: Boundary = straight) -> None:
        """Keep the client and the table's name."""
        self._client = client
        self._name = name
        self._boundary = boundary

    # -- the log -----------------------------------------------------------------------------------------

    def entries(self, shard: int, after: str, until: datetime, limit: int) -> list[Entry]:
        """Return up to ``limit`` entries of a shard of the log, in its order: behind a place, stored before then."""
        last = items.instant(until)
        if after >= last:
            return []
        answer = self._client.query(
            TableName=self._name,
            KeyConditionExpression="pk = :pk AND sk BETWEEN :after AND :until",
            # nothing stands between a place and that place with one more character
            ExpressionAttributeValues={
                ":pk": {"S": f"TALLY#{shard}"},
                ":after": {"S": f"{after}!"},
                ":until": {"S": last},
            },
            ConsistentRead=True,
            Limit=limit,
        )
        return [Entry(item["sk"]["S"], _tallies.decode(bytes(item["body"]["B"]))) for item in answer["Items"]]

    # -- generations -------------------------------------------------------------------------------------

    def generations(self) -> Generations:
        """Return which generations of the cube there are."""
        item = self._client.get_item(TableName=self._name, Key=items.key(_CUBE, items.STATE), ConsistentRead=True)
        found = item.get("Item")
        if found is None:
            return Generations()
        numbers = {name: int(found[name]["N"]) for name in ("shown", "built", "cleared", "version")}
        return Generations(**numbers, since=found["since"]["S"])

    def change(self, before: Generations, after: Generations) -> None:
        """Store which generations there are; raises Conflict when somebody else has changed it."""
        item: Item = {
            **items.key(_CUBE, items.STATE),
            **{name: {"N": str(getattr(after, name))} for name in ("shown", "built", "cleared")},
            "version": {"N": str(before.version + 1)},
            "since": {"S": after.since},
        }
        self._write("figures-generation", [self._put_if(item, before.version)])

    def clear(self, generation: int) -> bool:
        """Delete some of what is left of a generation; says whether there was nothing left."""
        for pk in (f"{_CUBE}#{generation}", *(f"{_CUBE}#{generation}#{shard}" for shard in range(SHARDS))):
            answer = self._client.query(
                TableName=self._name,
                KeyConditionExpression="pk = :pk",
                ExpressionAttributeValues={":pk": {"S": pk}},
                ConsistentRead=True,
                Limit=_MOST_DELETED,
            )
            if answer["Items"]:
                keys = [{"pk": item["pk"], "sk": item["sk"]} for item in answer["Items"]]
                self._write("figures-clear", [{"Delete": {"TableName": self._name, "Key": key}} for key in keys])
                return False
        return True

    # -- counting ----------------------------------------------------------------------------------------

    def cursors(self, generation: int) -> dict[int, Cursor]:
        """Return how far each shard of the log is counted."""
        answer = self._client.query(
            TableName=self._name,
            KeyConditionExpression="pk = :pk AND begins_with(sk, :prefix)",
            ExpressionAttributeValues={":pk": {"S": f"{_CUBE}#{generation}"}, ":prefix": {"S": "CURSOR#"}},
            ConsistentRead=True,
        )
        return dict.fromkeys(range(SHARDS), Cursor()) | dict(map(_read_cursor, answer["Items"]))

    def cells(self, generation: int, shard: int, names: Iterable[str]) -> dict[str, dict[str, int]]:
        """Return those cells of a shard that there are, by name."""
        keys = [items.key(f"{_CUBE}#{generation}#{shard}", name) for name in sorted(names)]
        found: list[Item] = []
        while keys:
            wanted = {self._name: {"Keys": keys[:_MOST_KEYS], "ConsistentRead": True}}
            answer = self._client.batch_get_item(RequestItems=wanted)
            found += answer["Responses"].get(self._name, [])
            left = answer.get("UnprocessedKeys", {}).get(self._name, {}).get("Keys", [])
            keys = [*left, *keys[_MOST_KEYS:]]
        return {item["sk"]["S"]: _read_cell(item) for item in found}

    def count(self, generation: int, shard: int, before: Cursor, after: Cursor, cells: Mapping[str, Cell]) -> None:
        """Write the cells of a shard as they are after a batch, and the cursor behind it, in one transaction.

        A cell in which nothing is left is deleted. Raises Conflict when the cursor was moved by somebody else.
        """
        pk = f"{_CUBE}#{generation}#{shard}"
        cursor: Item = {
            **items.key(f"{_CUBE}#{generation}", f"CURSOR#{shard}"),
            "version": {"N": str(before.version + 1)},
            "after": {"S": after.after},
            "counted": {"N": str(after.counted)},
        }
        actions = [self._put_if(cursor, before.version)]
        for name, cell in sorted(cells.items()):
            key, body = items.key(pk, name), dump(cell)
            if body == b"{}":
                actions.append({"Delete": {"TableName": self._name, "Key": key}})
            else:
                actions.append({"Put": {"TableName": self._name, "Item": {**key, "body": {"B": body}}}})
        self._write("figures-count", actions)

    def _put_if(self, item: Item, version: int) -> Item:
        if version == 0:
            return {"Put": {"TableName": self._name, "Item": item, "ConditionExpression": "attribute_not_exists(pk)"}}
        condition = {
            "ConditionExpression": "version = :version",
            "ExpressionAttributeValues": {":version": {"N": str(version)}},
        }
        return {"Put": {"TableName": self._name, "Item": item, **condition}}

    def _write(self, name: str, actions: Sequence[Item]) -> None:
        writing.together(self._boundary, name, self._client, actions)

    # -- looking -----------------------------------------------------------------------------------------

    def read(
        self, generation: int, dimension: str, first: str, last: str, most_pages: int
    ) -> Iterator[tuple[str, str, dict[str, int]]]:
        """Yield (day, value, counts) of a dimension, of each shard for itself, from a day to a day.

        Raises TooMany when a shard has more than ``most_pages`` pages of a megabyte of that.
        """
        for shard in range(SHARDS):
            for item in self._pages(f"{_CUBE}#{generation}#{shard}", dimension, first, last, most_pages):
                _, day, value = item["sk"]["S"].split("#", 2)
                yield day, value, _read_cell(item)

    def _pages(self, pk: str, dimension: str, first: str, last: str, most: int) -> Iterator[Item]:
        request: Item = {
            "TableName": self._name,
            "KeyConditionExpression": "pk = :pk AND sk BETWEEN :first AND :last",
            "ExpressionAttributeValues": {
                ":pk": {"S": pk},
                ":first": {"S": f"{dimension}#{first}#"},
                # the character after #: behind every value of the last day
                ":last": {"S": f"{dimension}#{last}$"},
            },
        }
        for _ in range(most):
            answer = self._client.query(**request)
            yield from answer["Items"]
            if "LastEvaluatedKey" not in answer:
                return
            request["ExclusiveStartKey"] = answer["LastEvaluatedKey"]
        raise TooMany


def _read_cursor(item: Item) -> tuple[int, Cursor]:
    number = int(item["sk"]["S"].rpartition("#")[2])
    return number, Cursor(int(item["version"]["N"]), item["after"]["S"], int(item["counted"]["N"]))


def _read_cell(item: Item) -> dict[str, int]:
    return _cells.decode(bytes(item["body"]["B"]))
