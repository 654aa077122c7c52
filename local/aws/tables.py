"""Keyed storage of one DynamoDB table and its indexes: partitions by hash key, each sorted by range key.

A read touches what it returns and nothing else. Indexes are sparse and kept up to date with each write, at once or
after a lag.
"""

from bisect import bisect_left, bisect_right, insort
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import ceil
from operator import itemgetter
from typing import Any, Final, NamedTuple, NoReturn, TypeAlias
from zlib import crc32

from local.aws.errors import Refused, invalid, malformed
from local.aws.expressions import KeyRange
from local.aws.values import AttributeValue, Item, number, take_item, text_bytes

MAX_ITEM_BYTES: Final = 400 * 1024
PAGE_BYTES: Final = 1024 * 1024
READ_UNIT_BYTES: Final = 4096
WRITE_UNIT_BYTES: Final = 1024
MAX_HASH_BYTES: Final = 2048
MAX_RANGE_BYTES: Final = 1024
_LAST_CHARACTER: Final = "\U0010ffff"
_KEY_MISMATCH: Final = "The provided key element does not match the schema"

#: A key value as Python compares it: str, bytes, int or Decimal.
Scalar: TypeAlias = Any
#: Where a row stands in its partition: the range key, and in an index the table's key after it.
Position: TypeAlias = tuple[Scalar, ...]
#: Where a row stands: its hash key, and its position there.
Place: TypeAlias = tuple[Scalar, Position]


class Row(NamedTuple):
    """A stored item, never changed in place, and its size in bytes."""

    item: Item
    size: int


class Key(NamedTuple):
    """The key of a table or index; `range_name` is empty where there is no range key."""

    hash_name: str
    hash_type: str
    range_name: str
    range_type: str

    @property
    def names(self) -> tuple[str, ...]:
        """The one or two attribute names."""
        return (self.hash_name, self.range_name) if self.range_name else (self.hash_name,)

    @property
    def types(self) -> dict[str, str]:
        """Attribute name → S, N or B."""
        return {self.hash_name: self.hash_type} | ({self.range_name: self.range_type} if self.range_name else {})


class Partition:
    """The rows of one hash key, in the order of their positions."""

    __slots__ = ("positions", "rows")

    def __init__(self) -> None:
        """Start empty."""
        self.positions: list[Position] = []
        self.rows: dict[Position, Row] = {}

    def put(self, position: Position, row: Row) -> None:
        """Insert or replace a row."""
        if position not in self.rows:
            insort(self.positions, position)
        self.rows[position] = row

    def remove(self, position: Position) -> None:
        """Remove a row if it is there."""
        if self.rows.pop(position, None) is not None:
            del self.positions[bisect_left(self.positions, position)]


class Rows:
    """Partitions by hash key, with an order over all of them that tells nothing about the keys."""

    def __init__(self) -> None:
        """Start empty."""
        self.partitions: dict[Scalar, Partition] = {}
        self._order: list[tuple[int, Scalar]] = []
        self._unordered: list[tuple[int, Scalar]] = []

    def get(self, place: Place) -> Row | None:
        """Return the row at a place."""
        partition = self.partitions.get(place[0])
        return partition.rows.get(place[1]) if partition is not None else None

    def put(self, place: Place, row: Row) -> None:
        """Insert or replace a row."""
        partition = self.partitions.get(place[0])
        if partition is None:
            partition = self.partitions[place[0]] = Partition()
            self._unordered.append(scan_rank(place[0]))
        partition.put(place[1], row)

    def remove(self, place: Place) -> None:
        """Remove a row if it is there."""
        partition = self.partitions.get(place[0])
        if partition is not None:
            partition.remove(place[1])

    def scan(self, after: Place | None) -> Iterator[tuple[Scalar, Position, Row]]:
        """Yield rows in scan order, from behind a place."""
        self._sort()
        start = bisect_left(self._order, scan_rank(after[0])) if after is not None else 0
        for _, hash_key in self._order[start:]:
            partition = self.partitions[hash_key]
            skipped = bisect_right(partition.positions, after[1]) if after is not None and hash_key == after[0] else 0
            for position in partition.positions[skipped:]:
                yield hash_key, position, partition.rows[position]

    def _sort(self) -> None:
        if self._unordered:
            self._order.extend(self._unordered)
            self._order.sort()
            self._unordered = []


def scan_rank(hash_key: Scalar) -> tuple[int, Scalar]:
    """Return where a partition stands in a scan: scattered, since AWS promises no order."""
    return crc32(repr(hash_key).encode()), hash_key


@dataclass(slots=True)
class Index:
    """A global secondary index: sparse, projected, and behind the table by `lag`."""

    name: str
    key: Key
    #: None for ALL; else the projected attributes, keys included.
    projected: frozenset[str] | None
    table_key: Key
    lag: timedelta
    rows: Rows = field(default_factory=Rows)
    _pending: deque[tuple[datetime, Place | None, Place | None, Row | None]] = field(default_factory=deque)

    def change(self, old: Row | None, new: Row | None, table_place: Place, now: datetime) -> float:
        """Take over one write of the table, now or after the lag; return the write units it costs."""
        before, after = self._entry(old, table_place), self._entry(new, table_place)
        if before is None and after is None:
            return 0
        if before is not None and after is not None and before == after:
            return 0
        self._pending.append((now + self.lag, before and before[0], after and after[0], after and after[1]))
        if not self.lag:
            self.catch_up(now)
        return _index_units(before, after)

    def catch_up(self, now: datetime) -> None:
        """Apply the writes that are older than the lag."""
        pending = self._pending
        while pending and pending[0][0] <= now:
            _, before, after, row = pending.popleft()
            if before is not None and before != after:
                self.rows.remove(before)
            if after is not None and row is not None:
                self.rows.put(after, row)

    def earliest(self) -> Scalar | None:
        """Return the least range key of all partitions, of writes that the index has yet to take over too."""
        firsts = [rows.positions[0][0] for rows in self.rows.partitions.values() if rows.positions]
        firsts += [after[1][0] for _, _, after, _ in self._pending if after is not None]
        return min(firsts, default=None)

    def place_of(self, item: Item, table_place: Place) -> Place | None:
        """Return where an item stands in the index; None when it lacks one of the keys."""
        hash_value = item.get(self.key.hash_name)
        if hash_value is None:
            return None
        hash_key = scalar(hash_value)
        if not self.key.range_name:
            return hash_key, ("", table_place[0], *table_place[1])
        range_value = item.get(self.key.range_name)
        return None if range_value is None else (hash_key, (scalar(range_value), table_place[0], *table_place[1]))

    def _entry(self, row: Row | None, table_place: Place) -> tuple[Place, Row] | None:
        if row is None:
            return None
        place = self.place_of(row.item, table_place)
        return None if place is None else (place, self._project(row))

    def _project(self, row: Row) -> Row:
        if self.projected is None:
            return row
        return Row(*take_item({name: value for name, value in row.item.items() if name in self.projected}))


def _index_units(before: tuple[Place, Row] | None, after: tuple[Place, Row] | None) -> float:
    """Return write units: one write, or a delete and a put when the entry moves."""
    if before is not None and after is not None and before[0] == after[0]:
        return write_units(max(before[1].size, after[1].size))
    return sum(write_units(entry[1].size) for entry in (before, after) if entry is not None)


@dataclass(slots=True)
class Table:
    """One table."""

    name: str
    arn: str
    key: Key
    indexes: dict[str, Index]
    #: (index, attribute, type) of every index key.
    index_keys: tuple[tuple[str, str, str], ...]
    description: dict[str, Any]
    ttl_attribute: str | None = None
    rows: Rows = field(default_factory=Rows)
    count: int = 0
    #: Sum of the item sizes in bytes.
    bytes: int = 0
    #: The size in bytes of the largest item ever stored.
    largest: int = 0

    def place(self, key: Mapping[str, AttributeValue]) -> Place:
        """Return the place that a `Key` parameter names; refuse one that is not exactly the table's key."""
        schema = self.key
        if type(key) is not dict:
            malformed("Invalid type for parameter Key, expected dict")
        if len(key) != len(schema.names):
            invalid(_KEY_MISMATCH)
        for name, kind in schema.types.items():
            if kind not in key.get(name, ()):
                invalid(_KEY_MISMATCH)
        return self.place_of(take_item(key)[0])

    def place_of(self, item: Item) -> Place:
        """Return the place of a whole item; refuse missing, mistyped, empty and overlong keys."""
        schema = self.key
        hash_key = key_scalar(item, schema.hash_name, schema.hash_type)
        if not schema.range_name:
            return hash_key, ("",)
        return hash_key, (key_scalar(item, schema.range_name, schema.range_type, MAX_RANGE_BYTES),)

    def check(self, row: Row) -> None:
        """Refuse an item that is too large or has an index key of a wrong type."""
        if row.size > MAX_ITEM_BYTES:
            invalid("Item size has exceeded the maximum allowed size")
        for index_name, name, kind in self.index_keys:
            if name in row.item:
                check_index_key(index_name, name, kind, row.item[name])

    def write(self, place: Place, old: Row | None, new: Row | None, now: datetime) -> tuple[float, dict[str, float]]:
        """Store or remove a row; return the write units of the table and of each index that changed."""
        self._account_for(old, new)
        if new is not None:
            self.rows.put(place, new)
        elif old is not None:
            self.rows.remove(place)
        changed = {name: index.change(old, new, place, now) for name, index in self.indexes.items()}
        units = write_units(max(old.size if old else 0, new.size if new else 0))
        return units, {name: cost for name, cost in changed.items() if cost}

    def _account_for(self, old: Row | None, new: Row | None) -> None:
        self.count += (new is not None) - (old is not None)
        self.bytes += (new.size if new else 0) - (old.size if old else 0)
        if new is not None:
            self.largest = max(self.largest, new.size)


def scalar(value: AttributeValue) -> Scalar:
    """Return a key value as Python compares it."""
    ((tag, payload),) = value.items()
    return number(payload) if tag == "N" else payload


def key_scalar(item: Item, name: str, kind: str, limit: int = MAX_HASH_BYTES) -> Scalar:
    """Return one key attribute of an item, checked; `limit` is in bytes."""
    value = item.get(name)
    if value is None:
        invalid(f"One or more parameter values were invalid: Missing the key {name} in the item")
    payload = value.get(kind)
    if payload is None:
        invalid(
            f"One or more parameter values were invalid: Type mismatch for key {name} expected: {kind} actual: "
            f"{next(iter(value))}"
        )
    if kind == "N":
        return number(payload)
    if not payload:
        _refuse_empty(name, kind)
    if (len(payload) if kind == "B" else text_bytes(payload)) > limit:
        what = "hashkey" if limit == MAX_HASH_BYTES else "range key"
        invalid(
            f"One or more parameter values were invalid: Size of {what} has exceeded the maximum size limit of "
            f"{limit} bytes"
        )
    return payload


def _refuse_empty(name: str, kind: str) -> NoReturn:
    invalid(
        "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty "
        f"{'string' if kind == 'S' else 'binary'} value. Key: {name}",
    )


def check_index_key(index: str, name: str, kind: str, value: AttributeValue) -> None:
    """Refuse an attribute that an index has for a key and that could not be one."""
    if kind not in value:
        invalid(
            f"One or more parameter values were invalid: Type mismatch for Index Key {name} Expected: {kind} "
            f"Actual: {next(iter(value))} IndexName: {index}",
        )
    if not value[kind]:
        invalid(
            "One or more parameter values are not valid. A value specified for a secondary index key is not supported. "
            f"The AttributeValue for a key attribute cannot contain an empty string value. IndexName: {index}, "
            f"IndexKey: {name}",
        )


def key_item(item: Item, *keys: Key) -> Item:
    """Return the key attributes of an item, as LastEvaluatedKey gives them."""
    return {name: dict(item[name]) for key in keys for name in key.names}


def write_units(size: int) -> float:
    """Return the write units of an item of `size` bytes: one for each started KB."""
    return max(1, ceil(size / WRITE_UNIT_BYTES))


def read_units(size: int, *, consistent: bool) -> float:
    """Return the read units for `size` bytes: one for each started 4 KB, half of it when eventually consistent."""
    units = max(1, ceil(size / READ_UNIT_BYTES))
    return units if consistent else units / 2


def resource_not_found(name: str) -> Refused:
    """Return the refusal for a table that does not exist."""
    return Refused("ResourceNotFoundException", f"Requested resource not found: Table: {name} not found")


def range_bounds(key: Key, asked: KeyRange) -> tuple[str | None, tuple[Scalar, ...]]:
    """Return the operator and the operands over the range key as Python compares them, after checking their types."""
    _check_operand(key.hash_name, key.hash_type, asked.hash_value)
    for operand in asked.operands:
        _check_operand(key.range_name, key.range_type, operand)
    if asked.operator == "begins_with" and key.range_type == "N":
        invalid(
            "Invalid KeyConditionExpression: Incorrect operand type for operator or function; "
            "operator or function: begins_with, operand type: N"
        )
    operands = tuple(scalar(operand) for operand in asked.operands)
    return asked.operator, operands


def _check_operand(name: str, kind: str, value: AttributeValue) -> None:
    if kind not in value:
        invalid("One or more parameter values were invalid: Condition parameter type does not match schema type")
    if kind != "N" and not value[kind]:
        _refuse_empty(name, kind)


def span(positions: list[tuple[Any, ...]], operator: str | None, operands: tuple[Any, ...]) -> tuple[int, int]:
    """Return the half-open range of `positions` (sorted, range key first) that meets a range-key condition."""
    if operator is None:
        return 0, len(positions)
    first = itemgetter(0)
    low = bisect_left(positions, operands[0], key=first)
    if operator == "begins_with":
        return low, _after_prefix(positions, operands[0])
    high = bisect_right(positions, operands[-1], key=first)
    spans = {
        "=": (low, high),
        "BETWEEN": (low, max(low, high)),
        "<": (0, low),
        "<=": (0, high),
        ">": (high, len(positions)),
        ">=": (low, len(positions)),
    }
    return spans[operator]


def _after_prefix(positions: list[tuple[Any, ...]], prefix: str | bytes) -> int:
    """Return where the positions that begin with `prefix` end."""
    follower = _follower(prefix)
    return len(positions) if follower is None else bisect_left(positions, follower, key=itemgetter(0))


def _follower(prefix: str | bytes) -> str | bytes | None:
    """Return the least text or bytes that is above everything that begins with `prefix`; None if there is none."""
    if isinstance(prefix, bytes):
        kept = prefix.rstrip(b"\xff")
        return kept[:-1] + bytes([kept[-1] + 1]) if kept else None
    stem = prefix.rstrip(_LAST_CHARACTER)
    return stem[:-1] + chr(ord(stem[-1]) + 1) if stem else None
