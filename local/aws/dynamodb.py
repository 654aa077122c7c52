"""The DynamoDB client: typed attribute values in, typed attribute values out."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, ClassVar, Final, NamedTuple, NoReturn, Unpack

from local.aws import shapes
from local.aws.calls import Client, Meter, Response, check_names, operation
from local.aws.errors import Refused, invalid, malformed
from local.aws.expressions import (
    Bindings,
    Compiled,
    Condition,
    Projection,
    bind,
    condition,
    key_range,
    project,
    projection,
)
from local.aws.schema import describe, new_table
from local.aws.tables import (
    PAGE_BYTES,
    Index,
    Key,
    Place,
    Position,
    Row,
    Rows,
    Scalar,
    Table,
    key_item,
    key_scalar,
    range_bounds,
    read_units,
    resource_not_found,
    scan_rank,
    span,
    write_units,
)
from local.aws.transactions import Transactions
from local.aws.values import Item, give_item, take_item
from local.aws.writes import Write, delete, prepare, put, tested, update_of

MAX_BATCH_WRITE: Final = 25
MAX_BATCH_GET: Final = 100
MAX_BATCH_BYTES: Final = 16 * 1024 * 1024
MAX_TRANSACTION: Final = 100
_PUT_RETURNS: Final = frozenset({"NONE", "ALL_OLD"})
_UPDATE_RETURNS: Final = frozenset({"NONE", "ALL_OLD", "UPDATED_OLD", "ALL_NEW", "UPDATED_NEW"})
#: DynamoDB deletes no item whose expiry lies further back than this.
_FORGOTTEN_TTL: Final = timedelta(days=5 * 365)


class Found(NamedTuple):
    """One page: rows past the filter, rows looked at, their bytes, and the last of them if there may be more."""

    rows: list[Row]
    scanned: int
    size: int
    last: Row | None


class DynamoDB(Client):
    """Tables in memory."""

    service: ClassVar[str] = "dynamodb"

    def __init__(self, meter: Meter, arn_prefix: str) -> None:
        """Take the meter and what the ARNs of tables begin with."""
        super().__init__(meter)
        self._arn_prefix = arn_prefix
        self._tables: dict[str, Table] = {}
        self._transactions = Transactions(self._table)
        #: How far new tables' indexes are behind; set it before create_table.
        self.index_lag = timedelta(0)
        #: How many items each batch_write_item leaves in UnprocessedItems.
        self.leave_unprocessed = 0

    @operation(shapes.CreateTable)
    def create_table(self, **params: Unpack[shapes.CreateTable]) -> Response:
        """Create a table that is active at once."""
        name = params["TableName"]
        if name in self._tables:
            raise Refused("ResourceInUseException", f"Table already exists: {name}")
        table = new_table(params, f"{self._arn_prefix}:table/{name}", self.meter.clock(), self.index_lag)
        self._tables[name] = table
        return {"TableDescription": describe(table)}

    @operation(shapes.TableName)
    def describe_table(self, **params: Unpack[shapes.TableName]) -> Response:
        """Describe a table; counts and sizes are of this instant, where AWS's are hours old."""
        return {"Table": describe(self._table(params["TableName"]))}

    @operation(shapes.TableName)
    def delete_table(self, **params: Unpack[shapes.TableName]) -> Response:
        """Delete a table at once."""
        table = self._table(params["TableName"])
        del self._tables[table.name]
        return {"TableDescription": describe(table) | {"TableStatus": "DELETING"}}

    @operation(shapes.UpdateTimeToLive)
    def update_time_to_live(self, **params: Unpack[shapes.UpdateTimeToLive]) -> Response:
        """Name the attribute that holds each item's expiry in epoch seconds; see `expire`."""
        table, wanted = self._table(params["TableName"]), params["TimeToLiveSpecification"]
        if bool(wanted["Enabled"]) == (table.ttl_attribute is not None):
            invalid(f"TimeToLive is already {'enabled' if wanted['Enabled'] else 'disabled'}")
        table.ttl_attribute = wanted["AttributeName"] if wanted["Enabled"] else None
        return {"TimeToLiveSpecification": dict(wanted)}

    @operation(shapes.TableName)
    def describe_time_to_live(self, **params: Unpack[shapes.TableName]) -> Response:
        """Tell the expiry attribute."""
        attribute = self._table(params["TableName"]).ttl_attribute
        if attribute is None:
            return {"TimeToLiveDescription": {"TimeToLiveStatus": "DISABLED"}}
        return {"TimeToLiveDescription": {"TimeToLiveStatus": "ENABLED", "AttributeName": attribute}}

    @operation(shapes.GetItem)
    def get_item(self, **params: Unpack[shapes.GetItem]) -> Response:
        """Read one item by its key."""
        table = self._table(params["TableName"])
        wanted, bound = _projection(params)
        row = table.rows.get(table.place(params["Key"]))
        units = read_units(row.size if row else 0, consistent=bool(params.get("ConsistentRead")))
        self.meter.units["dynamodb.read"] += units
        response: Response = {} if row is None else {"Item": _shown(row.item, wanted, bound)}
        return _with_capacity(response, params, table.name, units)

    @operation(shapes.PutItem)
    def put_item(self, **params: Unpack[shapes.PutItem]) -> Response:
        """Store an item whole."""
        _check_return_values(params, _PUT_RETURNS)
        return self._write_one(put(self._table(params["TableName"]), params), params)

    @operation(shapes.DeleteItem)
    def delete_item(self, **params: Unpack[shapes.DeleteItem]) -> Response:
        """Remove an item; removing none is no error."""
        _check_return_values(params, _PUT_RETURNS)
        return self._write_one(delete(self._table(params["TableName"]), params), params)

    @operation(shapes.UpdateItem)
    def update_item(self, **params: Unpack[shapes.UpdateItem]) -> Response:
        """Change attributes of an item, or make it."""
        _check_return_values(params, _UPDATE_RETURNS)
        return self._write_one(update_of(self._table(params["TableName"]), params), params)

    @operation(shapes.Query)
    def query(self, **params: Unpack[shapes.Query]) -> Response:
        """Read one partition of a table or index in the order of its range key."""
        table, index = self._source(params)
        key, rows = (index.key, index.rows) if index else (table.key, table.rows)
        asked = condition("KeyConditionExpression", params["KeyConditionExpression"])
        tested_by, wanted, bound = _read_expressions(params, asked)
        ranged = key_range(asked, bound, key.hash_name, key.range_name or None)
        bounds = range_bounds(key, ranged)
        _check_filter(tested_by, bound, key)
        start = self._start(params, table, index)
        hash_key = key_scalar({key.hash_name: ranged.hash_value}, key.hash_name, key.hash_type)
        if start is not None and start[0] != hash_key:
            invalid("The provided starting key is outside query boundaries based on provided conditions")
        found = _collect(
            _slice(rows, hash_key, bounds, start, forward=params.get("ScanIndexForward", True)),
            params,
            tested_by,
            bound,
        )
        return self._page(found, params, table, index, wanted, bound)

    @operation(shapes.Scan)
    def scan(self, **params: Unpack[shapes.Scan]) -> Response:
        """Read a whole table or index, in an order that tells nothing."""
        table, index = self._source(params)
        tested_by, wanted, bound = _read_expressions(params)
        rows = index.rows if index else table.rows
        found = _collect(_segment(rows.scan(self._start(params, table, index)), params), params, tested_by, bound)
        return self._page(found, params, table, index, wanted, bound)

    @operation(shapes.BatchGetItem)
    def batch_get_item(self, **params: Unpack[shapes.BatchGetItem]) -> Response:
        """Read up to 100 items by their keys; what would exceed 16 MB is left in UnprocessedKeys."""
        requests = params["RequestItems"]
        if sum(len(request["Keys"]) for request in requests.values()) > MAX_BATCH_GET:
            invalid("Too many items requested for the BatchGetItem call")
        response: Response = {"Responses": {}, "UnprocessedKeys": {}}
        room = MAX_BATCH_BYTES
        for name, request in requests.items():
            check_names("BatchGetItem", request, shapes.BatchGetKeys)
            room = self._get_many(self._table(name), request, response, room)
        return response

    @operation(shapes.BatchWriteItem)
    def batch_write_item(self, **params: Unpack[shapes.BatchWriteItem]) -> Response:
        """Put and delete up to 25 items, each for itself; some may be left in UnprocessedItems."""
        requests = [(name, request) for name, listed in params["RequestItems"].items() for request in listed]
        if not 0 < len(requests) <= MAX_BATCH_WRITE:
            invalid(
                f"1 validation error detected: between 1 and {MAX_BATCH_WRITE} requests are needed, not {len(requests)}"
            )
        writes = [self._batch_write(name, request) for name, request in requests]
        _check_distinct([(write.table.name, write.place) for write in writes])
        done = max(0, len(writes) - self.leave_unprocessed)
        for write in writes[:done]:
            self._commit(write)
        unprocessed: dict[str, list[Any]] = {}
        for name, request in requests[done:]:
            unprocessed.setdefault(name, []).append(request)
        return {"UnprocessedItems": unprocessed}

    @operation(shapes.TransactWriteItems)
    def transact_write_items(self, **params: Unpack[shapes.TransactWriteItems]) -> Response:
        """Write up to 100 items, all or none."""
        writes, replayed = self._transactions.prepare(params, self.meter.clock())
        if replayed:
            self.meter.units["dynamodb.read"] += 2 * sum(read_units(write.size, consistent=True) for write in writes)
            return {}
        return self._capacities(params, [(write.table.name, self._commit(write, factor=2)) for write in writes])

    @operation(shapes.TransactGetItems)
    def transact_get_items(self, **params: Unpack[shapes.TransactGetItems]) -> Response:
        """Read up to 100 items as of one instant."""
        actions = params["TransactItems"]
        if not 0 < len(actions) <= MAX_TRANSACTION:
            invalid(
                f"1 validation error detected: between 1 and {MAX_TRANSACTION} actions are needed, not {len(actions)}"
            )
        for action in actions:
            check_names("TransactGetItems", action.get("Get", {}), shapes.GetAction)
        return {"Responses": [self._get_in_transaction(action["Get"]) for action in actions]}

    def expire(self, now: datetime) -> int:
        """Delete what expired before `now`, and return how many; AWS may take two days for it."""
        with self.meter.lock:
            return sum(_expire(table, now) for table in self._tables.values() if table.ttl_attribute)

    def largest_item(self, table_name: str) -> int:
        """Return the size in bytes of the largest item that the table ever held."""
        return self._table(table_name).largest

    def earliest(self, table_name: str, index_name: str) -> Scalar | None:
        """Return the least range key in an index, over all its partitions, as if it were not behind; uncounted."""
        with self.meter.lock:
            return self._table(table_name).indexes[index_name].earliest()

    def last(self, table_name: str, hash_key: Scalar) -> Scalar | None:
        """Return the greatest range key under a hash key; uncounted."""
        with self.meter.lock:
            partition = self._table(table_name).rows.partitions.get(hash_key)
            return partition.positions[-1][0] if partition is not None and partition.positions else None

    def _table(self, name: str) -> Table:
        table = self._tables.get(name.rpartition("/")[2] if name.startswith("arn:") else name)
        if table is None:
            raise resource_not_found(name)
        return table

    def _write_one(self, write: Write, params: Mapping[str, Any]) -> Response:
        """Test the condition, commit, and answer with the values asked for."""
        if not tested(write):
            _refuse_condition(write)
        prepared = prepare(write)
        units = self._commit(prepared)
        response = _returned(prepared, params.get("ReturnValues", "NONE"))
        return _with_capacity(response, params, prepared.table.name, units)

    def _commit(self, write: Write, factor: int = 1) -> float:
        """Store a prepared write; count and return its units, those of the table itself `factor` times.

        In a transaction the table costs twice; an index costs what it costs outside of one, and a check alone costs the
        writing of what it looked at. Source: measured on AWS by github.com/paritysuite/dynamodb-conformance (pull
        request 67) and github.com/nubo-db/dynoxide (pull request 188).
        """
        table, counted = write.table, self.meter.units
        if write.only_checks:
            units = factor * write_units(write.old.size if write.old else 0)
            counted["dynamodb.write"] += units
            return units
        own, by_index = table.write(write.place, write.old, write.new, self.meter.clock())
        for name, cost in by_index.items():
            counted[f"dynamodb.write.{table.name}/{name}"] += cost
        units = factor * own + sum(by_index.values())
        counted["dynamodb.write"] += units
        return units

    def _capacities(self, params: Mapping[str, Any], units: Iterable[tuple[str, float]]) -> Response:
        if params.get("ReturnConsumedCapacity", "NONE") == "NONE":
            return {}
        totals: dict[str, float] = {}
        for name, cost in units:
            totals[name] = totals.get(name, 0) + cost
        return {"ConsumedCapacity": [{"TableName": name, "CapacityUnits": cost} for name, cost in totals.items()]}

    def _source(self, params: Mapping[str, Any]) -> tuple[Table, Index | None]:
        """Return the table and index to read, the index brought up to date as far as its lag allows."""
        table, name = self._table(params["TableName"]), params.get("IndexName")
        if "Limit" in params and params["Limit"] < 1:
            malformed("Invalid value for parameter Limit, valid min value: 1")
        if name is None:
            return table, None
        if name not in table.indexes:
            invalid(f"The table does not have the specified index: {name}")
        if params.get("ConsistentRead"):
            invalid("Consistent reads are not supported on global secondary indexes")
        index = table.indexes[name]
        if params.get("Select") == "ALL_ATTRIBUTES" and index.projected is not None:
            invalid(
                "One or more parameter values were invalid: Select type ALL_ATTRIBUTES is not supported for global "
                f"secondary index {name} because its projection type is not ALL",
            )
        index.catch_up(self.meter.clock())
        return table, index

    def _start(self, params: Mapping[str, Any], table: Table, index: Index | None) -> Place | None:
        """Return the place behind which the page starts."""
        given = params.get("ExclusiveStartKey")
        if given is None:
            return None
        key, _ = take_item(given)
        expected = {**table.key.types, **(index.key.types if index else {})}
        if key.keys() != expected.keys() or any(kind not in key[name] for name, kind in expected.items()):
            invalid("The provided starting key is invalid")
        place = table.place_of(key)
        return index.place_of(key, place) if index else place

    def _page(
        self,
        found: Found,
        params: Mapping[str, Any],
        table: Table,
        index: Index | None,
        wanted: Projection | None,
        bound: Bindings,
    ) -> Response:
        """Count the units and answer with one page."""
        units = read_units(found.size, consistent=bool(params.get("ConsistentRead")))
        self.meter.units["dynamodb.read"] += units
        response: Response = {"Count": len(found.rows), "ScannedCount": found.scanned}
        if params.get("Select") != "COUNT":
            response["Items"] = [_shown(row.item, wanted, bound) for row in found.rows]
        if found.last is not None:
            response["LastEvaluatedKey"] = key_item(found.last.item, table.key, *([index.key] if index else []))
        return _with_capacity(response, params, table.name, units)

    def _get_many(self, table: Table, request: Mapping[str, Any], response: Response, room: int) -> int:
        """Add one table's items to a batch response; return the bytes left."""
        wanted, bound = _projection(request)
        places = [table.place(key) for key in request["Keys"]]
        _check_distinct([(table.name, place) for place in places])
        items = response["Responses"].setdefault(table.name, [])
        for key, place in zip(request["Keys"], places, strict=True):
            row = table.rows.get(place)
            room -= row.size if row else 0
            if room < 0:
                left = response["UnprocessedKeys"].setdefault(table.name, {**request, "Keys": []})
                left["Keys"].append(key)
                continue
            self.meter.units["dynamodb.read"] += read_units(
                row.size if row else 0, consistent=bool(request.get("ConsistentRead"))
            )
            if row is not None:
                items.append(_shown(row.item, wanted, bound))
        return room

    def _batch_write(self, name: str, request: Mapping[str, Any]) -> Write:
        table = self._table(name)
        if request.keys() not in ({"PutRequest"}, {"DeleteRequest"}):
            invalid("Supplied WriteRequest must contain exactly one of PutRequest and DeleteRequest")
        if "PutRequest" in request:
            return prepare(put(table, {"Item": request["PutRequest"]["Item"]}))
        return prepare(delete(table, {"Key": request["DeleteRequest"]["Key"]}))

    def _get_in_transaction(self, action: Mapping[str, Any]) -> Response:
        table = self._table(action["TableName"])
        wanted, bound = _projection(action)
        row = table.rows.get(table.place(action["Key"]))
        self.meter.units["dynamodb.read"] += 2 * read_units(row.size if row else 0, consistent=True)
        return {} if row is None else {"Item": _shown(row.item, wanted, bound)}


def _refuse_condition(write: Write) -> NoReturn:
    """Refuse a write whose condition failed, with the item as it is where that was asked for."""
    if write.returns_old and write.old is not None:
        item = give_item(write.old.item)
        raise Refused("ConditionalCheckFailedException", "The conditional request failed", Item=item)
    raise Refused("ConditionalCheckFailedException", "The conditional request failed")


def _projection(params: Mapping[str, Any]) -> tuple[Projection | None, Bindings]:
    text = params.get("ProjectionExpression")
    wanted = projection(text) if text is not None else None
    return wanted, bind(params, [wanted] if wanted else [])


def _shown(item: Item, wanted: Projection | None, bound: Bindings) -> Item:
    return give_item(item) if wanted is None else project(item, wanted, bound)


def _with_capacity(response: Response, params: Mapping[str, Any], table: str, units: float) -> Response:
    if params.get("ReturnConsumedCapacity", "NONE") != "NONE":
        response["ConsumedCapacity"] = {"TableName": table, "CapacityUnits": units}
    return response


def _check_return_values(params: Mapping[str, Any], allowed: frozenset[str]) -> None:
    if params.get("ReturnValues", "NONE") not in allowed:
        invalid("Return values set to invalid value")


def _returned(write: Write, asked: str) -> Response:
    """Return the `Attributes` that ReturnValues asks for."""
    row = write.old if asked.endswith("OLD") else write.new
    if asked == "NONE" or row is None:
        return {}
    if asked.startswith("ALL"):
        return {"Attributes": give_item(row.item)}
    changed = {name: value for name, value in row.item.items() if name in write.touched}
    return {"Attributes": give_item(changed)} if changed else {}


def _read_expressions(
    params: Mapping[str, Any], *others: Compiled
) -> tuple[Condition | None, Projection | None, Bindings]:
    """Compile the filter and the projection of a read and bind its placeholders."""
    text, wanted_text = params.get("FilterExpression"), params.get("ProjectionExpression")
    tested_by = condition("FilterExpression", text) if text is not None else None
    wanted = projection(wanted_text) if wanted_text is not None else None
    _check_select(params.get("Select"), wanted)
    return tested_by, wanted, bind(params, [*others, *(each for each in (tested_by, wanted) if each is not None)])


def _check_select(select: str | None, wanted: Projection | None) -> None:
    if select == "SPECIFIC_ATTRIBUTES" and wanted is None:
        invalid("Must specify the AttributesToGet or ProjectionExpression when choosing to get SPECIFIC_ATTRIBUTES")
    if select not in {None, "SPECIFIC_ATTRIBUTES"} and wanted is not None:
        invalid(f"Cannot specify the ProjectionExpression when choosing to get {select}")


def _check_filter(tested_by: Condition | None, bound: Bindings, key: Key) -> None:
    """Refuse a filter on a key attribute of what is queried."""
    for path in tested_by.paths if tested_by else ():
        first = str(path.steps[0])
        name = bound.names.get(first, first)
        if name in key.names:
            invalid(f"Filter Expression can only contain non-primary key attributes: Primary key attribute: {name}")


def _slice(
    rows: Rows,
    hash_key: object,
    bounds: tuple[str | None, tuple[Any, ...]],
    start: Place | None,
    *,
    forward: bool,
) -> Iterator[Row]:
    """Yield the rows of one partition within bounds, from behind `start`, in either direction."""
    partition = rows.partitions.get(hash_key)
    if partition is None:
        return
    positions = partition.positions
    low, high = span(positions, *bounds)
    if start is not None:
        low, high = _behind(positions, start[1], low, high, forward=forward)
    for at in range(low, high) if forward else range(high - 1, low - 1, -1):
        yield partition.rows[positions[at]]


def _behind(positions: list[Position], start: Position, low: int, high: int, *, forward: bool) -> tuple[int, int]:
    if forward:
        return max(low, bisect_right(positions, start)), high
    return low, min(high, bisect_left(positions, start))


def _segment(rows: Iterator[tuple[Any, Position, Row]], params: Mapping[str, Any]) -> Iterator[Row]:
    """Yield the rows of one segment of a parallel scan, or all of them."""
    segment, total = params.get("Segment", 0), params.get("TotalSegments", 1)
    return (row for hash_key, _, row in rows if scan_rank(hash_key)[0] % total == segment)


def _collect(rows: Iterator[Row], params: Mapping[str, Any], tested_by: Condition | None, bound: Bindings) -> Found:
    """Read one page: `Limit` rows looked at, or 1 MB, whichever comes first; then filter."""
    looked_at: list[Row] = []
    size = 0
    for row in islice(rows, params.get("Limit")):
        looked_at.append(row)
        size += row.size
        if size >= PAGE_BYTES:
            break
    full = size >= PAGE_BYTES or len(looked_at) == params.get("Limit")
    kept = looked_at if tested_by is None else [row for row in looked_at if tested_by.test(row.item, bound)]
    return Found(kept, len(looked_at), size, looked_at[-1] if full and looked_at else None)


def _check_distinct(places: Sequence[tuple[str, Place]]) -> None:
    if len(set(places)) != len(places):
        invalid("Provided list of item keys contains duplicates")


def _expire(table: Table, now: datetime) -> int:
    """Delete the expired items of one table; return how many."""
    oldest, newest = (now - _FORGOTTEN_TTL).timestamp(), now.timestamp()
    expired = [
        ((hash_key, position), row)
        for hash_key, position, row in table.rows.scan(None)
        if oldest < float(row.item.get(table.ttl_attribute or "", {}).get("N", "inf")) < newest
    ]
    for place, row in expired:
        table.write(place, row, None, now)
    return len(expired)
