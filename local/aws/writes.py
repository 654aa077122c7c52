"""One write of one item, whatever operation it came by: checked first, then tested, then prepared, then committed.

Checking refuses what is wrong with the request; testing asks the condition; preparing computes the new item.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from local.aws.errors import invalid
from local.aws.expressions import NO_BINDINGS, Bindings, Compiled, Condition, bind, condition
from local.aws.tables import MAX_ITEM_BYTES, Place, Row, Table
from local.aws.updates import CompiledUpdate, applied, check_types, key_update_refusal, touched, update
from local.aws.values import Item, take_item

_NO_ITEM: Final[Item] = {}
_NOTHING: Final[frozenset[str]] = frozenset()
_FAILURE_RETURNS: Final = frozenset({"NONE", "ALL_OLD"})


@dataclass(slots=True)
class Write:
    """A write on its way: `new` is None for a delete or a check, and for an update until it is prepared."""

    table: Table
    place: Place
    key: Item
    old: Row | None
    new: Row | None = None
    condition: Condition | None = None
    update: CompiledUpdate | None = None
    bound: Bindings = NO_BINDINGS
    touched: frozenset[str] = _NOTHING
    only_checks: bool = False
    returns_old: bool = False

    @property
    def size(self) -> int:
        """The larger of the sizes before and after, in bytes."""
        return max(self.old.size if self.old else 0, self.new.size if self.new else 0)


def put(table: Table, params: Mapping[str, Any]) -> Write:
    """Check a Put."""
    row = Row(*take_item(params["Item"]))
    place = table.place_of(row.item)
    table.check(row)
    return _write(table, place, row.item, params, new=row)


def delete(table: Table, params: Mapping[str, Any]) -> Write:
    """Check a Delete."""
    return _write(table, table.place(params["Key"]), params["Key"], params)


def check(table: Table, params: Mapping[str, Any]) -> Write:
    """Check a ConditionCheck."""
    write = _write(table, table.place(params["Key"]), params["Key"], params)
    write.only_checks = True
    return write


def update_of(table: Table, params: Mapping[str, Any]) -> Write:
    """Check an Update; without an expression it only makes the item exist."""
    place = table.place(params["Key"])
    text = params.get("UpdateExpression")
    if text is None:
        text = ""
    compiled = update(text) if text or "UpdateExpression" in params else None
    write = _write(table, place, params["Key"], params, update=compiled)
    if compiled is None:
        write.new = Row(*take_item({**(write.old.item if write.old else {}), **params["Key"]}))
        return write
    write.touched = touched(compiled, write.bound)
    key_update_refusal(write.touched, params["Key"])
    check_types(compiled, write.bound)
    return write


def tested(write: Write) -> bool:
    """Return whether the condition holds for the item as it is; an absent item has no attributes."""
    if write.condition is None:
        return True
    return write.condition.test(write.old.item if write.old else _NO_ITEM, write.bound)


def prepare(write: Write) -> Write:
    """Return the write with its new row; refuse an update that does not fit the item."""
    if write.update is None:
        return write
    base = write.old.item if write.old else take_item(write.key)[0]
    item, size = take_item(applied(write.update, base, write.bound))
    row = Row(item, size)
    if size > MAX_ITEM_BYTES:
        invalid("Item size to update has exceeded the maximum allowed size")
    write.table.check(row)
    return replace(write, new=row)


def _write(
    table: Table,
    place: Place,
    key: Item,
    params: Mapping[str, Any],
    new: Row | None = None,
    update: CompiledUpdate | None = None,
) -> Write:
    """Compile the condition and bind the placeholders, which all writes share."""
    text = params.get("ConditionExpression")
    asked = condition("ConditionExpression", text) if text is not None else None
    expressions: list[Compiled] = [each for each in (asked, update) if each is not None]
    on_failure = params.get("ReturnValuesOnConditionCheckFailure", "NONE")
    if on_failure not in _FAILURE_RETURNS:
        invalid("Value at 'returnValuesOnConditionCheckFailure' failed to satisfy constraint: [ALL_OLD, NONE]")
    bound = bind(params, expressions)
    return Write(
        table, place, key, table.rows.get(place), new, asked, update, bound, returns_old=on_failure == "ALL_OLD"
    )
