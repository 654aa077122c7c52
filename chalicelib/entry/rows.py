"""From rows of a file to messages: what the command line imports and the replay tells, by one mapping.

A row is a mapping from column to text, as a CSV file gives it; which columns there are is said by `CASES`, `PURCHASES`
and `FAILURES`. Every message that leaves here would be taken by `decode`: what it would refuse is refused here, naming
the column. Times without an offset are UTC, and a day without a time is its noon.
"""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, time
from typing import Any, Final

import msgspec

from chalicelib.entry import decode
from chalicelib.entry.decode import BadInput

Row = Mapping[str, str]
#: The type of a message and its data.
Message = tuple[str, dict[str, Any]]

_CUSTOMER: Final = ("customer_id", "email", "first_name", "last_name", "locale", "time_zone")
_CASE: Final = ("channel", "category", "issue", "subject", "team", "brand", "outcome")
CASES: Final = (
    "case_id",
    *_CUSTOMER,
    "opened_at",
    "resolved_at",
    *_CASE,
    "resolved_on_time",
    "epoch",
    "reopened_at",
)
#: ``date`` and ``amount_usd`` say the same as ``purchased_at``, ``amount`` and ``currency``; ``items`` is not used.
PURCHASES: Final = (
    *_CUSTOMER,
    "purchase_id",
    "purchased_at",
    "date",
    "amount",
    "amount_usd",
    "currency",
    "voucher_only",
    "items",
)
FAILURES: Final = ("remark_id", *_CUSTOMER, "occurred_at", "words", "logged_by", "subject", "channel", "team", "brand")

#: Field of a purchase → the other column that may say it.
_ALSO: Final = {"purchased_at": "date", "amount": "amount_usd", "currency": "amount_usd"}
_MISSING: Final = re.compile(r"Object missing required field `([a-z_]+)`")
_TRUE: Final = frozenset({"yes", "true", "1"})
_FALSE: Final = frozenset({"no", "false", "0"})


def case_messages(row: Row, source: str) -> list[Message]:
    """Return the resolution that a row of cases tells, and the reopening that undid it if it names one.

    Raises BadInput, whose message begins with the name of the column.
    """
    named = {"source": source, **_texts(row, "case_id"), **_number(row, "epoch")}
    resolved = (
        named
        | {"customer": _texts(row, *_CUSTOMER)}
        | _texts(row, *_CASE)
        | _times(row, "opened_at", "resolved_at")
        | _flag(row, "resolved_on_time")
    )
    messages = [_checked("case.resolved", resolved)]
    if _cell(row, "reopened_at"):
        messages.append(_checked("case.reopened", named | _times(row, "reopened_at")))
    return messages


def purchase_message(row: Row) -> Message:
    """Return the purchase that a row tells; raises BadInput, whose message begins with the name of the column."""
    bought = (
        {"customer": _texts(row, *_CUSTOMER)}
        | _texts(row, "purchase_id")
        | (_times(row, "purchased_at") or _on_a_day(row))
        | (_texts(row, "amount", "currency") or _dollars(row))
        | _flag(row, "voucher_only")
    )
    columns = {name: column for name, column in _ALSO.items() if not _cell(row, name) and _cell(row, column)}
    return _checked("purchase.made", bought, columns)


def failure_message(row: Row, source: str) -> Message:
    """Return the failure that a row tells; raises BadInput, whose message begins with the name of the column."""
    told = (
        {"source": source, "customer": _texts(row, *_CUSTOMER)}
        | _times(row, "occurred_at")
        | _texts(row, "remark_id", "words", "logged_by", "subject", "channel", "team", "brand")
    )
    return _checked("failure.logged", told)


# -- cells -----------------------------------------------------------------------------------------------------


def _cell(row: Row, column: str) -> str:
    return (row.get(column) or "").strip()


def _texts(row: Row, *columns: str) -> dict[str, Any]:
    """Return the columns that say something; an empty cell is as good as none."""
    return {column: text for column in columns if (text := _cell(row, column))}


def _number(row: Row, column: str) -> dict[str, Any]:
    return _read(row, column, int, "not a whole number")


def _times(row: Row, *columns: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for column in columns:
        found |= _read(row, column, _time, "not a time as ISO 8601 writes it")
    return found


def _flag(row: Row, column: str) -> dict[str, Any]:
    return _read(row, column, _yes_or_no, "neither yes nor no")


def _on_a_day(row: Row) -> dict[str, Any]:
    at = _times(row, "date")
    return {"purchased_at": at["date"]} if at else {}


def _dollars(row: Row) -> dict[str, Any]:
    amount = _cell(row, "amount_usd")
    return {"amount": amount, "currency": "USD"} if amount else {}


def _read(row: Row, column: str, read: Callable[[str], Any], why: str) -> dict[str, Any]:
    """Return what a cell says, or nothing for an empty one; raises BadInput."""
    text = _cell(row, column)
    if not text:
        return {}
    try:
        return {column: read(text)}
    except (ValueError, KeyError, OverflowError) as error:
        message = f"{column}: {why}: {text[:60]!r}"
        raise BadInput(message) from error


def _time(text: str) -> str:
    at = datetime.fromisoformat(text)
    if len(text) <= len("2026-11-30"):
        at = datetime.combine(at.date(), time(12))
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC).isoformat()


def _yes_or_no(text: str) -> bool:
    word = text.lower()
    if word not in _TRUE | _FALSE:
        raise ValueError(word)
    return word in _TRUE


# -- checking --------------------------------------------------------------------------------------------------


class _NoEpochs:
    """Numbers nothing: a message is only looked at here, and nobody else hears of it."""

    def resolved(self, source: str, case_id: str, resolved_at: datetime, epoch: int | None = None) -> int:
        """Return any epoch."""
        del source, case_id, resolved_at
        return epoch or 1

    def at(self, source: str, case_id: str, instant: datetime) -> int:
        """Return any epoch."""
        del source, case_id, instant
        return 1


def _checked(kind: str, data: dict[str, Any], columns: Mapping[str, str] | None = None) -> Message:
    """Return the message when `decode` would take it.

    Raises BadInput in the words of a file; ``columns`` names those that are not called as their field is.
    """
    try:
        decode.data(kind, msgspec.json.encode(data), _NoEpochs())
    except BadInput as error:
        raise BadInput(_by_column(str(error), columns or {})) from error
    return kind, data


def _by_column(refusal: str, columns: Mapping[str, str]) -> str:
    """Say the path of a field (``… - at `$.data.customer.email```) as the column that it came from."""
    missing = _MISSING.match(refusal)
    if missing:
        return f"{missing[1]}: is empty"
    why, _, path = refusal.partition(" - at `")
    field = path.removesuffix("`").rpartition(".")[2]
    column = "customer_id" if field == "customer" else columns.get(field, field)
    return f"{column}: {why}"
