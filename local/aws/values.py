"""DynamoDB attribute values as the low-level client writes them: `{"S": "text"}`, `{"N": "1"}`, and so on.

`take` turns what a caller hands over into a private canonical copy and its size in bytes; `give` makes the copy that a
caller gets.
Canonical means that equal values are equal dictionaries: numbers without needless digits, sets sorted.
Sizes and limits: Amazon DynamoDB Developer Guide, "DynamoDB item sizes and formats" and "Quotas".
"""

import re
from collections.abc import Callable, Iterable, Mapping
from decimal import Context, Decimal, InvalidOperation, localcontext
from typing import Any, Final, NoReturn, TypeAlias

from local.aws.errors import invalid, malformed

AttributeValue: TypeAlias = dict[str, Any]
Item: TypeAlias = dict[str, AttributeValue]
#: Integers compare and hash like equal decimals, and are much faster.
Number: TypeAlias = int | Decimal

MAX_DEPTH: Final = 32
MAX_DIGITS: Final = 38
_LARGEST: Final = Decimal("9.9999999999999999999999999999999999999E+125")
_SMALLEST: Final = Decimal("1E-130")
_EXACT: Final = Context(prec=400, Emax=999_999, Emin=-999_999)
_PLAIN_INTEGER: Final = re.compile(r"(?:0|-?[1-9][0-9]{0,37})\Z", re.ASCII).match
_NUMERAL: Final = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?\Z", re.ASCII).match
_FLAT: Final = frozenset({"S", "N", "B", "BOOL", "NULL"})
_CONTAINER_BYTES: Final = 3


def take_item(item: Mapping[str, AttributeValue]) -> tuple[Item, int]:
    """Return a private canonical copy of an item and its size in bytes; refuse what AWS would."""
    if not isinstance(item, dict):
        malformed(f"Invalid type for an item: {type(item).__name__}, expected dict")
    copy: Item = {}
    size = 0
    for name, value in item.items():
        size += len(name) if name.isascii() else len(name.encode())
        text = value.get("S") if type(value) is dict and len(value) == 1 else None
        if type(text) is str:  # most attributes: worth a path of its own
            copy[name] = {"S": text}
            size += len(text) if text.isascii() else len(text.encode())
        else:
            copy[name], cost = take(value)
            size += cost
    return copy, size


def take(value: AttributeValue, depth: int = 0) -> tuple[AttributeValue, int]:
    """Return a private canonical copy of one value and its size in bytes."""
    if type(value) is not dict:
        malformed(f"Invalid type for an attribute value: {type(value).__name__}, expected dict")
    if len(value) != 1:
        _refuse_tags(value)
    ((tag, payload),) = value.items()
    taker = _TAKERS.get(tag)
    if taker is None:
        malformed(f"Unknown parameter in an attribute value: {tag}")
    return taker(payload, depth)


def text_bytes(text: str) -> int:
    """Return the length in UTF-8."""
    return len(text) if text.isascii() else len(text.encode())


def number(text: str) -> Number:
    """Return a canonical numeral as a number."""
    return int(text) if _PLAIN_INTEGER(text) else Decimal(text)


def numeral(value: Number) -> str:
    """Return the canonical text of a number; refuse what has too many digits or is out of range."""
    if isinstance(value, int):
        text = str(value)
        return text if _PLAIN_INTEGER(text) else canonical_number(text)
    return canonical_number(str(value))


def canonical_number(text: str) -> str:
    """Return the one spelling of a numeral that DynamoDB gives back: 1.0 → 1, 1E3 → 1000."""
    if _PLAIN_INTEGER(text):
        return text
    if not _NUMERAL(text):
        invalid(f"The parameter cannot be converted to a numeric value: {text}")
    try:
        exact = Decimal(text)
    except InvalidOperation:
        invalid(f"The parameter cannot be converted to a numeric value: {text}")
    if exact == 0:
        return "0"
    with localcontext(_EXACT):
        exact = exact.normalize()
    _check_range(exact)
    return f"{exact:f}"


def add_numbers(left: str, right: str, sign: int = 1) -> str:
    """Return left + sign·right as a canonical numeral."""
    with localcontext(_EXACT):
        return numeral(number(left) + sign * number(right))


def give_item(item: Item) -> Item:
    """Return a copy of a stored item that the caller may change."""
    copy: Item = {}
    for name, value in item.items():
        ((tag, payload),) = value.items()
        copy[name] = {tag: payload} if tag in _FLAT else give(value)
    return copy


def give(value: AttributeValue) -> AttributeValue:
    """Return a copy of a stored value that the caller may change."""
    ((tag, payload),) = value.items()
    if tag == "L":
        return {"L": [give(element) for element in payload]}
    if tag == "M":
        return {"M": give_item(payload)}
    return {tag: payload if tag in _FLAT else list(payload)}


def tag_of(value: AttributeValue) -> str:
    """Return the type of a value, such as "S"."""
    return next(iter(value))


def as_set(tag: str, members: Iterable[Any]) -> AttributeValue:
    """Return a canonical set value of type SS, NS or BS."""
    return {tag: sorted(members, key=number if tag == "NS" else None)}


def _check_range(exact: Decimal) -> None:
    """Refuse more than 38 significant digits and magnitudes that DynamoDB cannot store."""
    if len(exact.as_tuple().digits) > MAX_DIGITS:
        invalid("Attempting to store more than 38 significant digits in a Number")
    if abs(exact) > _LARGEST:
        invalid("Number overflow. Attempting to store a number with magnitude larger than supported range")
    if abs(exact) < _SMALLEST:
        invalid("Number underflow. Attempting to store a number with magnitude smaller than supported range")


def _refuse_tags(value: AttributeValue) -> NoReturn:
    if value:
        invalid(
            "Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported "
            "datatypes"
        )
    invalid("Supplied AttributeValue is empty, must contain exactly one of the supported datatypes")


def _take_string(payload: object, _depth: int) -> tuple[AttributeValue, int]:
    if not isinstance(payload, str):
        malformed(f"Invalid type for S: {type(payload).__name__}, expected str")
    text = str.__str__(payload)  # an enumeration member becomes plain text
    return {"S": text}, text_bytes(text)


def _take_number(payload: object, _depth: int) -> tuple[AttributeValue, int]:
    if not isinstance(payload, str):
        malformed(f"Invalid type for N: {type(payload).__name__}, expected str")
    text = canonical_number(payload)
    return {"N": text}, _number_bytes(text)


def _number_bytes(text: str) -> int:
    """About one byte for two significant digits, one more, and one for a minus sign."""
    if len(text) == 1:
        return 2
    digits = len(text.strip("-0.").replace(".", ""))
    return (digits + 1) // 2 + 1 + text.startswith("-")


def _take_binary(payload: object, _depth: int) -> tuple[AttributeValue, int]:
    if not isinstance(payload, bytes | bytearray):
        malformed(f"Invalid type for B: {type(payload).__name__}, expected bytes or bytearray")
    return {"B": bytes(payload)}, len(payload)


def _take_bool(payload: object, _depth: int) -> tuple[AttributeValue, int]:
    if not isinstance(payload, bool):
        malformed(f"Invalid type for BOOL: {type(payload).__name__}, expected bool")
    return {"BOOL": payload}, 1


def _take_null(payload: object, _depth: int) -> tuple[AttributeValue, int]:
    if not isinstance(payload, bool):
        malformed(f"Invalid type for NULL: {type(payload).__name__}, expected bool")
    if not payload:
        invalid("One or more parameter values were invalid: Null attribute value types must have the value of true")
    return {"NULL": True}, 1


def _take_list(payload: object, depth: int) -> tuple[AttributeValue, int]:
    if not isinstance(payload, list | tuple):
        malformed(f"Invalid type for L: {type(payload).__name__}, expected list or tuple")
    _check_depth(depth)
    taken = [take(element, depth + 1) for element in payload]
    return {"L": [copy for copy, _ in taken]}, _CONTAINER_BYTES + sum(size + 1 for _, size in taken)


def _take_map(payload: object, depth: int) -> tuple[AttributeValue, int]:
    if not isinstance(payload, dict):
        malformed(f"Invalid type for M: {type(payload).__name__}, expected dict")
    _check_depth(depth)
    taken = {name: take(element, depth + 1) for name, element in payload.items()}
    size = sum(text_bytes(name) + size + 1 for name, (_, size) in taken.items())
    return {"M": {name: copy for name, (copy, _) in taken.items()}}, _CONTAINER_BYTES + size


def _check_depth(depth: int) -> None:
    if depth >= MAX_DEPTH:
        invalid("Nesting Levels have exceeded supported limits: Attributes can be nested up to 32 levels")


def _set_taker(tag: str) -> "Callable[[object, int], tuple[AttributeValue, int]]":
    """Return what takes a set of type SS, NS or BS."""

    def take_set(payload: object, depth: int) -> tuple[AttributeValue, int]:
        if not isinstance(payload, list | tuple):
            malformed(f"Invalid type for {tag}: {type(payload).__name__}, expected list or tuple")
        if not payload:
            invalid("One or more parameter values were invalid: An set may not be empty")
        taken = [_TAKERS[tag[0]](member, depth) for member in payload]
        members = {copy[tag[0]] for copy, _ in taken}
        if len(members) != len(payload):
            invalid(f"One or more parameter values were invalid: Input collection {list(payload)} contains duplicates.")
        return as_set(tag, members), _CONTAINER_BYTES + sum(size + 1 for _, size in taken)

    return take_set


_TAKERS: Final[dict[str, Callable[[Any, int], tuple[AttributeValue, int]]]] = {
    "S": _take_string,
    "N": _take_number,
    "B": _take_binary,
    "BOOL": _take_bool,
    "NULL": _take_null,
    "L": _take_list,
    "M": _take_map,
    "SS": _set_taker("SS"),
    "NS": _set_taker("NS"),
    "BS": _set_taker("BS"),
}
