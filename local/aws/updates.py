"""UpdateExpression: applied to a private copy, so that a refused update leaves the stored item as it was.

Every operand is read from the item as it was before the update, as in DynamoDB.
"""

from collections.abc import Callable, Mapping
from copy import copy
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, NoReturn

from local.aws.errors import invalid
from local.aws.expressions import Bindings, Compiled, check_overlaps, look_up, resolved, usage
from local.aws.grammar import IfNotExists, ListAppend, Parser, Path, Sum, Term, Update, Value
from local.aws.values import AttributeValue, Item, add_numbers, as_set, tag_of

_SETS: Final = frozenset({"SS", "NS", "BS"})
_KIND: Final = "UpdateExpression"


@dataclass(frozen=True, slots=True, eq=False)
class CompiledUpdate(Compiled):
    """A parsed update expression."""

    root: Update


@lru_cache(maxsize=4096)
def update(text: str) -> CompiledUpdate:
    """Parse an update expression."""
    root = Parser(_KIND, text).update()
    return CompiledUpdate(**usage(_KIND, text, (root.sets, root.removes, root.adds, root.deletes)), root=root)


def touched(compiled: CompiledUpdate, bound: Bindings) -> frozenset[str]:
    """Return the top-level attributes that an update writes, after refusing paths that overlap."""
    return _touched(compiled, tuple(sorted(bound.names.items())) if compiled.names else ())


@lru_cache(maxsize=4096)
def _touched(compiled: CompiledUpdate, names: tuple[tuple[str, str], ...]) -> frozenset[str]:
    meanings = dict(names)
    paths = [resolved(path, meanings) for path in compiled.root.paths]
    check_overlaps(_KIND, paths)
    return frozenset(str(steps[0]) for steps in paths)


def check_types(compiled: CompiledUpdate, bound: Bindings) -> None:
    """Refuse ADD and DELETE of values that are neither a number nor a set."""
    for _, value in compiled.root.adds:
        _check_operand("ADD", bound.values[value.name], _SETS | {"N"})
    for _, value in compiled.root.deletes:
        _check_operand("DELETE", bound.values[value.name], _SETS)


def applied(compiled: CompiledUpdate, item: Item, bound: Bindings) -> Item:
    """Return the item as the update leaves it; `item` itself and all its values stay as they are."""
    steps = compiled.root
    new = dict(item)
    assigned = [(path, _evaluate(term, item, bound)) for path, term in steps.sets]
    for path, value in assigned:
        _assign(new, resolved(path, bound.names), value)
    for path, value_name in steps.adds:
        _change(new, item, resolved(path, bound.names), bound.values[value_name.name], _added)
    for path, value_name in steps.deletes:
        _change(new, item, resolved(path, bound.names), bound.values[value_name.name], _without)
    _remove_all(new, [resolved(path, bound.names) for path in steps.removes])
    return new


def _evaluate(term: Term, item: Item, bound: Bindings) -> AttributeValue:
    match term:
        case Value(name):
            return bound.values[name]
        case Path():
            return _existing(look_up(item, resolved(term, bound.names)))
        case IfNotExists(path, otherwise):
            found = look_up(item, resolved(path, bound.names))
            return found if found is not None else _evaluate(otherwise, item, bound)
        case ListAppend(first, second):
            return _appended(_evaluate(first, item, bound), _evaluate(second, item, bound))
        case Sum(left, right, sign):
            return _summed(_evaluate(left, item, bound), _evaluate(right, item, bound), sign)


def _existing(value: AttributeValue | None) -> AttributeValue:
    if value is None:
        invalid("The provided expression refers to an attribute that does not exist in the item")
    return value


def _appended(first: AttributeValue, second: AttributeValue) -> AttributeValue:
    if "L" not in first or "L" not in second:
        _refuse_type()
    return {"L": [*first["L"], *second["L"]]}


def _summed(left: AttributeValue, right: AttributeValue, sign: int) -> AttributeValue:
    if "N" not in left or "N" not in right:
        _refuse_type()
    return {"N": add_numbers(left["N"], right["N"], sign)}


def _refuse_type() -> NoReturn:
    invalid("An operand in the update expression has an incorrect data type")


def _check_operand(section: str, value: AttributeValue, types: frozenset[str]) -> None:
    if tag_of(value) not in types:
        invalid(
            f"Invalid {_KIND}: Incorrect operand type for operator or function; "
            f"operator: {section}, operand type: {tag_of(value)}",
        )


def _change(
    new: Item,
    old: Item,
    steps: tuple[str | int, ...],
    operand: AttributeValue,
    change: Callable[[AttributeValue | None, AttributeValue], AttributeValue | None],
) -> None:
    """Put what `change` makes of the old value at a path; take the path away if nothing is left."""
    value = look_up(old, steps)
    result = change(value, operand)
    if result is not None:
        _assign(new, steps, result)
    elif value is not None:
        _remove_all(new, [steps])


def _added(value: AttributeValue | None, operand: AttributeValue) -> AttributeValue:
    tag = tag_of(operand)
    if value is None:
        return operand
    if tag not in value:
        _refuse_type()
    if tag == "N":
        return {"N": add_numbers(value["N"], operand["N"])}
    return as_set(tag, {*value[tag], *operand[tag]})


def _without(value: AttributeValue | None, operand: AttributeValue) -> AttributeValue | None:
    if value is None:
        return None
    tag = tag_of(operand)
    if tag not in value:
        _refuse_type()
    left = set(value[tag]) - set(operand[tag])
    return as_set(tag, left) if left else None


def _assign(item: Item, steps: tuple[str | int, ...], value: AttributeValue) -> None:
    """Set one path, copying each container on the way; the stored ones stay untouched."""
    *way, last = steps
    container = _own_container(item, way)
    if isinstance(container, list) and isinstance(last, int):
        container[last : last + 1] = [value]
    elif isinstance(container, dict) and isinstance(last, str):
        container[last] = value
    else:
        _refuse_path()


def _own_container(item: Item, way: list[str | int]) -> dict[str, Any] | list[Any]:
    """Return the map or list that the steps lead to, after replacing every container on the way by a shallow copy."""
    container: dict[str, Any] | list[Any] = item
    for step in way:
        copy = _shallow(_child(container, step))
        container[step] = copy  # type: ignore[index]
        container = copy[tag_of(copy)]
    return container


def _child(container: dict[str, Any] | list[Any], step: str | int) -> AttributeValue:
    found: AttributeValue | None = None
    if isinstance(container, dict) and isinstance(step, str):
        found = container.get(step)
    elif isinstance(container, list) and isinstance(step, int) and step < len(container):
        found = container[step]
    return found if found is not None else _refuse_path()


def _shallow(value: AttributeValue) -> AttributeValue:
    ((tag, payload),) = value.items()
    return {tag: copy(payload)} if tag in {"M", "L"} else _refuse_path()


def _refuse_path() -> NoReturn:
    invalid("The document path provided in the update expression is invalid for update")


def _remove_all(item: Item, paths: list[tuple[str | int, ...]]) -> None:
    """Remove paths, list elements from the highest index down, so that indexes mean the list as it was."""
    for steps in sorted(
        paths,
        key=lambda path: [(isinstance(s, int), s if isinstance(s, int) else 0, str(s)) for s in path],
        reverse=True,
    ):
        _remove(item, steps)


def _removal_order(steps: tuple[str | int, ...]) -> list[tuple[int, str]]:
    return [(step, "") if isinstance(step, int) else (-1, step) for step in steps]


def _remove(item: Item, steps: tuple[str | int, ...]) -> None:
    *way, last = steps
    if way and look_up(item, tuple(way)) is None:
        _refuse_path()
    container = _own_container(item, way)
    if isinstance(container, dict):
        container.pop(str(last), None)
    elif isinstance(last, int) and last < len(container):
        del container[last]


def key_update_refusal(names: frozenset[str], keys: Mapping[str, object]) -> None:
    """Refuse an update that would write a key attribute."""
    for name in sorted(names & keys.keys()):
        invalid(
            f"One or more parameter values were invalid: Cannot update attribute {name}. This attribute is part of "
            "the key"
        )
