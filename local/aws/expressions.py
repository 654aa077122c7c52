"""Expressions made ready to run: parsed once, compiled to closures, cached by their text.

Conditions and filters, projections, and the key conditions of a query; updates are in `updates`.
An absent attribute makes every comparison false but `<>`, as in DynamoDB.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from functools import lru_cache
from operator import ge, gt, le, lt
from typing import Any, Final, NamedTuple, TypeAlias

from local.aws.errors import invalid
from local.aws.grammar import (
    Among,
    Between,
    Both,
    Call,
    Compare,
    Either,
    Negated,
    Node,
    Operand,
    Parser,
    Path,
    Size,
    Value,
    shown,
)
from local.aws.values import AttributeValue, Item, give, number, tag_of, take, text_bytes

_CACHE: Final = 4096
_ORDERED: Final = frozenset({"S", "N", "B"})
_TYPES: Final = frozenset({"S", "SS", "N", "NS", "B", "BS", "BOOL", "NULL", "L", "M"})
_ORDERINGS: Final[dict[str, Callable[[Any, Any], bool]]] = {"<": lt, "<=": le, ">": gt, ">=": ge}


class Bindings(NamedTuple):
    """What `#names` and `:values` stand for in one request; the values are canonical copies."""

    names: Mapping[str, str]
    values: Mapping[str, AttributeValue]


NO_BINDINGS: Final = Bindings({}, {})
Test: TypeAlias = Callable[[Item, Bindings], bool]
Reader: TypeAlias = Callable[[Item, Bindings], AttributeValue | None]
#: A value that must have one of some types: (its name, the function or operator that asks, the types).
TypeRule: TypeAlias = tuple[str, str, frozenset[str]]


@dataclass(frozen=True, slots=True, eq=False)
class Compiled:
    """What all compiled expressions share."""

    kind: str
    text: str
    names: frozenset[str]
    values: frozenset[str]
    rules: tuple[TypeRule, ...]
    #: The literal ends of each BETWEEN.
    ranges: tuple[tuple[str, str], ...]
    paths: frozenset[Path]


@dataclass(frozen=True, slots=True, eq=False)
class Condition(Compiled):
    """A condition, filter or key condition; `test` says whether an item meets it."""

    root: Node
    test: Test


@dataclass(frozen=True, slots=True, eq=False)
class Projection(Compiled):
    """The paths that a read asks for."""

    wanted: tuple[Path, ...]


@lru_cache(maxsize=_CACHE)
def condition(kind: str, text: str) -> Condition:
    """Parse and compile a condition; `kind` is the request parameter that holds it."""
    root = Parser(kind, text).condition()
    return Condition(**usage(kind, text, root), root=root, test=_compile(root))


@lru_cache(maxsize=_CACHE)
def projection(text: str) -> Projection:
    """Parse a projection expression."""
    wanted = Parser("ProjectionExpression", text).projection()
    return Projection(**usage("ProjectionExpression", text, wanted), wanted=wanted)


def usage(kind: str, text: str, tree: object) -> dict[str, Any]:
    """Return the fields of `Compiled` for a tree."""
    nodes = list(_walk(tree))
    paths = frozenset(node for node in nodes if isinstance(node, Path))
    names = frozenset(step for path in paths for step in path.steps if isinstance(step, str) and step.startswith("#"))
    values = frozenset(node.name for node in nodes if isinstance(node, Value))
    rules = tuple(rule for node in nodes for rule in _type_rules(node))
    ranges = tuple(_literal_ranges(nodes))
    return {
        "kind": kind,
        "text": text,
        "names": names,
        "values": values,
        "rules": rules,
        "ranges": ranges,
        "paths": paths,
    }


def bind(params: Mapping[str, Any], expressions: Iterable[Compiled]) -> Bindings:
    """Check and take the placeholders of one request: none missing, none unused, each value well formed."""
    names, values = params.get("ExpressionAttributeNames"), params.get("ExpressionAttributeValues")
    expressions = tuple(expressions)
    if names is None and values is None and not any(each.names or each.values for each in expressions):
        return NO_BINDINGS
    _check_given("ExpressionAttributeNames", names, expressions)
    _check_given("ExpressionAttributeValues", values, expressions)
    bound = Bindings(names or {}, {name: take(value)[0] for name, value in (values or {}).items()})
    for expression in expressions:
        _check_defined(expression, bound)
    _check_unused("ExpressionAttributeNames", names or {}, [each.names for each in expressions])
    _check_unused("ExpressionAttributeValues", values or {}, [each.values for each in expressions])
    return bound


def resolved(path: Path, names: Mapping[str, str]) -> tuple[str | int, ...]:
    """Return the steps of a path with its placeholders replaced."""
    return tuple(names[step] if isinstance(step, str) and step.startswith("#") else step for step in path.steps)


def reader(path: Path) -> Reader:
    """Return what reads a path from an item: the value, or None where there is none."""
    first, *rest = path.steps
    if rest:
        return lambda item, bound: look_up(item, resolved(path, bound.names))
    top = str(first)
    if top.startswith("#"):
        return lambda item, bound: item.get(bound.names[top])
    return lambda item, _bound: item.get(top)


def look_up(item: Item, steps: tuple[str | int, ...]) -> AttributeValue | None:
    """Return the value at the resolved steps, or None."""
    value: AttributeValue | None = {"M": item}
    for step in steps:
        value = _step_into(value, step) if value is not None else None
    return value


def project(item: Item, wanted: Projection, bound: Bindings) -> Item:
    """Return a fresh item with only the wanted paths; list elements close up, as in DynamoDB."""
    tree: dict[str | int, Any] = {}
    for path in wanted.wanted:
        branch = tree
        for step in resolved(path, bound.names):
            branch = branch.setdefault(step, {})
    return _prune({"M": item}, tree)["M"]  # type: ignore[no-any-return]


def check_overlaps(kind: str, paths: Iterable[tuple[str | int, ...]]) -> None:
    """Refuse two paths of which one is, or begins with, the other."""
    ordered = sorted(paths, key=lambda steps: [str(step) for step in steps])
    for index, one in enumerate(ordered):
        for two in ordered[index + 1 :]:
            if two[: len(one)] == one or one[: len(two)] == two:
                invalid(
                    f"Invalid {kind}: Two document paths overlap with each other; must remove or rewrite one of these "
                    "paths; "
                    f"path one: [{shown(Path(one))}], path two: [{shown(Path(two))}]",
                )


def _walk(tree: object) -> Iterator[object]:
    """Yield every node of a tree."""
    if isinstance(tree, tuple):
        for part in tree:
            yield from _walk(part)
    elif is_dataclass(tree):
        yield tree
        for field in fields(tree):
            yield from _walk(getattr(tree, field.name))


def _type_rules(node: object) -> Iterator[TypeRule]:
    """Yield the types that DynamoDB asks of literal values before it looks at any item."""
    match node:
        case Compare(operator, left, right) if operator in _ORDERINGS:
            yield from _rules_for(operator, _ORDERED, left, right)
        case Between(operand, low, high):
            yield from _rules_for("BETWEEN", _ORDERED, operand, low, high)
        case Call("begins_with", arguments):
            yield from _rules_for("begins_with", frozenset({"S", "B"}), *arguments)
        case Call("attribute_type", (_, kind)):
            yield from _rules_for("attribute_type", frozenset({"S"}), kind)


def _literal_ranges(nodes: list[object]) -> Iterator[tuple[str, str]]:
    for node in nodes:
        match node:
            case Between(_, Value(low), Value(high)):
                yield low, high


def _rules_for(asker: str, types: frozenset[str], *operands: Operand) -> Iterator[TypeRule]:
    return ((operand.name, asker, types) for operand in operands if isinstance(operand, Value))


def _check_given(parameter: str, given: Mapping[str, object] | None, expressions: tuple[Compiled, ...]) -> None:
    if given is None:
        return
    if not expressions:
        invalid(f"{parameter} can only be specified when using expressions")
    if not given:
        invalid(f"{parameter} must not be empty")


def _check_defined(expression: Compiled, bound: Bindings) -> None:
    """Refuse placeholders without a meaning and literal values of a type that cannot work."""
    for name in expression.names - bound.names.keys():
        invalid(
            f"Invalid {expression.kind}: An expression attribute name used in the document path is not defined; "
            f"attribute name: {name}",
        )
    for name in expression.values - bound.values.keys():
        invalid(
            f"Invalid {expression.kind}: An expression attribute value used in expression is not defined; "
            f"attribute value: {name}",
        )
    for name, asker, types in expression.rules:
        _check_operand_type(expression.kind, asker, types, bound.values[name])
    for low, high in expression.ranges:
        if not ordered(le, bound.values[low], bound.values[high]):
            invalid(
                f"Invalid {expression.kind}: The BETWEEN operator requires upper bound to be greater than or equal to "
                f"lower bound; lower bound operand: {bound.values[low]}, upper bound operand: {bound.values[high]}",
            )


def _check_operand_type(kind: str, asker: str, types: frozenset[str], value: AttributeValue) -> None:
    tag = tag_of(value)
    if tag not in types:
        invalid(
            f"Invalid {kind}: Incorrect operand type for operator or function; operator or function: {asker}, operand "
            f"type: {tag}",
        )
    if asker == "attribute_type" and value["S"] not in _TYPES:
        invalid(f"Invalid {kind}: Invalid attribute type name found; type: {value['S']}, valid types: {sorted(_TYPES)}")


def _check_unused(parameter: str, given: Mapping[str, object], used: list[frozenset[str]]) -> None:
    unused = given.keys() - frozenset().union(*used)
    if unused:
        invalid(f"Value provided in {parameter} unused in expressions: keys: {{{', '.join(sorted(unused))}}}")


def _step_into(value: AttributeValue, step: str | int) -> AttributeValue | None:
    if isinstance(step, str):
        return value.get("M", {}).get(step)  # type: ignore[no-any-return]
    elements = value.get("L", ())
    return elements[step] if step < len(elements) else None


def _prune(value: AttributeValue, tree: dict[str | int, Any]) -> AttributeValue:
    """Return a copy of a value with only the branches in `tree`; an empty tree means all of it."""
    if not tree:
        return give(value)
    if "M" in value:
        kept = {
            name: _prune(value["M"][name], sub) for name, sub in tree.items() if _reaches(value["M"].get(name), sub)
        }
        return {"M": kept}
    indexes = sorted(step for step in tree if isinstance(step, int) and step < len(value["L"]))
    return {"L": [_prune(value["L"][step], tree[step]) for step in indexes if _reaches(value["L"][step], tree[step])]}


def _reaches(value: AttributeValue | None, tree: dict[str | int, Any]) -> bool:
    """Return whether any branch of `tree` exists in a value."""
    if value is None:
        return False
    return not tree or any(_reaches(_step_into(value, step), sub) for step, sub in tree.items())


def _compile(node: Node) -> Test:
    match node:
        case Both(left, right):
            return _both(_compile(left), _compile(right))
        case Either(left, right):
            return _either(_compile(left), _compile(right))
        case Negated(inner):
            return _negated(_compile(inner))
        case Compare(operator, left, right):
            return _compare(operator, _read(left), _read(right))
        case Between(operand, low, high):
            return _between(_read(operand), _read(low), _read(high))
        case Among(operand, choices):
            return _among(_read(operand), [_read(choice) for choice in choices])
        case Call(function, arguments):
            return _FUNCTIONS[function](*map(_read, arguments))


def _both(left: Test, right: Test) -> Test:
    return lambda item, bound: left(item, bound) and right(item, bound)


def _either(left: Test, right: Test) -> Test:
    return lambda item, bound: left(item, bound) or right(item, bound)


def _negated(inner: Test) -> Test:
    return lambda item, bound: not inner(item, bound)


def _read(operand: Operand) -> Reader:
    match operand:
        case Value(name):
            return lambda _item, bound: bound.values[name]
        case Size(path):
            return _size(reader(path))
        case Path():
            return reader(operand)


def _size(read: Reader) -> Reader:
    def size(item: Item, bound: Bindings) -> AttributeValue | None:
        value = read(item, bound)
        if value is None or tag_of(value) in {"N", "BOOL", "NULL"}:
            return None
        ((tag, payload),) = value.items()
        return {"N": str(text_bytes(payload) if tag == "S" else len(payload))}

    return size


def _compare(operator: str, left: Reader, right: Reader) -> Test:
    if operator == "=":
        return _equal(left, right)
    if operator == "<>":
        return _negated(_equal(left, right))
    ordering = _ORDERINGS[operator]
    return lambda item, bound: ordered(ordering, left(item, bound), right(item, bound))


def _equal(left: Reader, right: Reader) -> Test:
    def equal(item: Item, bound: Bindings) -> bool:
        value = left(item, bound)
        return value is not None and value == right(item, bound)

    return equal


def ordered(ordering: Callable[[Any, Any], bool], left: AttributeValue | None, right: AttributeValue | None) -> bool:
    """Compare two values of one ordered type; anything else is false."""
    if left is None or right is None:
        return False
    tag = tag_of(left)
    if tag not in _ORDERED or tag not in right:
        return False
    if tag == "N":
        return ordering(number(left["N"]), number(right["N"]))
    return ordering(left[tag], right[tag])


def _between(operand: Reader, low: Reader, high: Reader) -> Test:
    def between(item: Item, bound: Bindings) -> bool:
        value = operand(item, bound)
        return ordered(ge, value, low(item, bound)) and ordered(le, value, high(item, bound))

    return between


def _among(operand: Reader, choices: list[Reader]) -> Test:
    def among(item: Item, bound: Bindings) -> bool:
        value = operand(item, bound)
        return value is not None and any(value == choice(item, bound) for choice in choices)

    return among


def _exists(path: Reader) -> Test:
    return lambda item, bound: path(item, bound) is not None


def _absent(path: Reader) -> Test:
    return lambda item, bound: path(item, bound) is None


def _has_type(path: Reader, kind: Reader) -> Test:
    def has_type(item: Item, bound: Bindings) -> bool:
        value, wanted = path(item, bound), kind(item, bound)
        return value is not None and wanted is not None and wanted.get("S") in value

    return has_type


def _begins_with(path: Reader, prefix: Reader) -> Test:
    def begins_with(item: Item, bound: Bindings) -> bool:
        value, start = path(item, bound), prefix(item, bound)
        if value is None or start is None:
            return False
        tag = tag_of(value)
        return tag in {"S", "B"} and tag in start and value[tag].startswith(start[tag])

    return begins_with


def _contains(path: Reader, operand: Reader) -> Test:
    def contains(item: Item, bound: Bindings) -> bool:
        value, wanted = path(item, bound), operand(item, bound)
        return value is not None and wanted is not None and _holds(value, wanted)

    return contains


def _holds(value: AttributeValue, wanted: AttributeValue) -> bool:
    ((tag, payload),) = value.items()
    if tag == "L":
        return wanted in payload
    sought = tag[0] if tag in {"SS", "NS", "BS"} else tag
    return tag in {"S", "B", "SS", "NS", "BS"} and sought in wanted and wanted[sought] in payload


_FUNCTIONS: Final[dict[str, Callable[..., Test]]] = {
    "attribute_exists": _exists,
    "attribute_not_exists": _absent,
    "attribute_type": _has_type,
    "begins_with": _begins_with,
    "contains": _contains,
}


class KeyRange(NamedTuple):
    """What a key condition asks for: one hash key, and an operator over the range key with its operands."""

    hash_value: AttributeValue
    operator: str | None
    operands: tuple[AttributeValue, ...]


def key_range(asked: Condition, bound: Bindings, hash_name: str, range_name: str | None) -> KeyRange:
    """Read a KeyConditionExpression against the key of a table or index; refuse any other shape."""
    parts = dict(_key_part(node, bound) for node in _conjuncts(asked.root))
    if len(parts) != len(_conjuncts(asked.root)):
        invalid("Invalid KeyConditionExpression: KeyConditionExpressions must only contain one condition per key")
    if hash_name not in parts:
        invalid(f"Query condition missed key schema element: {hash_name}")
    for name in parts.keys() - {hash_name, range_name}:
        invalid(f"Query condition missed key schema element: {range_name or name}")
    operator, (hash_value, *_) = parts[hash_name]
    if operator != "=":
        invalid("Query key condition not supported")
    return KeyRange(hash_value, *parts.get(range_name or "", (None, ())))


def _conjuncts(node: Node) -> list[Node]:
    if isinstance(node, Both):
        return [*_conjuncts(node.left), *_conjuncts(node.right)]
    return [node]


def _key_part(node: Node, bound: Bindings) -> tuple[str, tuple[str, tuple[AttributeValue, ...]]]:
    """Return (attribute name, (operator, operands)) of one part of a key condition."""
    match node:
        case Compare(operator, Path((str() as name,)), Value() as value) if operator != "<>":
            operands: tuple[Value, ...] = (value,)
        case Between(Path((str() as name,)), Value() as low, Value() as high):
            operator, operands = "BETWEEN", (low, high)
        case Call("begins_with", (Path((str() as name,)), Value() as prefix)):
            operator, operands = "begins_with", (prefix,)
        case _:
            invalid(
                "Invalid operator used in KeyConditionExpression: a key attribute, then =, <, <=, >, >=, BETWEEN or "
                "begins_with"
            )
    return bound.names.get(name, name), (operator, tuple(bound.values[each.name] for each in operands))
