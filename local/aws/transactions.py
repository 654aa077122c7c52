"""DynamoDB transactions: all actions or none, a cancellation's reasons in order, and the ten-minute request token."""

import marshal
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Any, Final, NoReturn

from local.aws import shapes
from local.aws.calls import check_names
from local.aws.errors import Refused, invalid, malformed
from local.aws.tables import Table
from local.aws.values import give_item
from local.aws.writes import Write, check, delete, prepare, put, tested, update_of

MAX_ACTIONS: Final = 100
MAX_BYTES: Final = 4 * 1024 * 1024
#: How long DynamoDB remembers a ClientRequestToken.
TOKEN_LIFE: Final = timedelta(minutes=10)
MAX_TOKEN: Final = 36
_NO_REASON: Final = {"Code": "None"}
_ACTIONS: Final[dict[str, tuple[type, Callable[[Table, Mapping[str, Any]], Write]]]] = {
    "Put": (shapes.PutAction, put),
    "Update": (shapes.UpdateAction, update_of),
    "Delete": (shapes.DeleteAction, delete),
    "ConditionCheck": (shapes.CheckAction, check),
}


class Transactions:
    """The transactions of one account, and the tokens it remembers."""

    def __init__(self, table: Callable[[str], Table]) -> None:
        """Take what finds a table by its name or refuses."""
        self._table = table
        self._tokens: dict[str, bytes] = {}
        self._ages: deque[tuple[datetime, str]] = deque()

    def prepare(self, params: Mapping[str, Any], now: datetime) -> tuple[list[Write], bool]:
        """Return the writes to commit, and whether the token says that they were committed already."""
        actions = params["TransactItems"]
        if not actions:
            malformed("Invalid length for parameter TransactItems, value: 0, valid min length: 1")
        if len(actions) > MAX_ACTIONS:
            invalid(f"1 validation error detected: Member must have length less than or equal to {MAX_ACTIONS}")
        writes = [self._checked(action) for action in actions]
        _check_whole(writes)
        token = params.get("ClientRequestToken")
        if token is not None and self._seen(token, actions, now):
            return writes, True
        prepared = _prepared(writes)
        if token is not None:
            self._remember(token, actions, now)
        return prepared, False

    def _checked(self, action: Mapping[str, Any]) -> Write:
        if len(action) != 1:
            invalid("TransactItems can only contain one of Check, Put, Update or Delete")
        ((kind, params),) = action.items()
        if kind not in _ACTIONS:
            malformed(f"Unknown parameter in TransactItems: {kind}")
        shape, checked = _ACTIONS[kind]
        check_names(f"TransactWriteItems.{kind}", params, shape)
        return checked(self._table(params["TableName"]), params)

    def _seen(self, token: str, actions: Sequence[Mapping[str, Any]], now: datetime) -> bool:
        """Return whether the same actions were committed under this token; refuse other ones."""
        if not 0 < len(token) <= MAX_TOKEN:
            invalid(
                f"1 validation error detected: Value at 'clientRequestToken' must have between 1 and {MAX_TOKEN} "
                "characters"
            )
        while self._ages and self._ages[0][0] <= now - TOKEN_LIFE:
            self._tokens.pop(self._ages.popleft()[1], None)
        known = self._tokens.get(token)
        if known is not None and known != _fingerprint(actions):
            raise Refused(
                "IdempotentParameterMismatchException",
                "DynamoDB rejected the request because you retried a request with a different payload but with an "
                "idempotent token "
                "that was already used.",
            )
        return known is not None

    def _remember(self, token: str, actions: Sequence[Mapping[str, Any]], now: datetime) -> None:
        self._tokens[token] = _fingerprint(actions)
        self._ages.append((now, token))


def _fingerprint(actions: Sequence[Mapping[str, Any]]) -> bytes:
    """Return a digest of the parameters; version 0 of marshal writes equal values alike, shared or not."""
    try:
        written = marshal.dumps(list(actions), 0)
    except ValueError:  # marshal takes no subclass of str
        written = repr(actions).encode()
    return blake2b(written, digest_size=16).digest()


def _check_whole(writes: list[Write]) -> None:
    """Refuse two actions on one item, and more than 4 MB."""
    if len({(write.table.name, write.place) for write in writes}) != len(writes):
        invalid("Transaction request cannot include multiple operations on one item")
    if sum(write.new.size for write in writes if write.new) > MAX_BYTES:
        invalid("Transaction request size exceeds the limit of 4 MB")


def _prepared(writes: list[Write]) -> list[Write]:
    """Test and prepare every write; cancel them all if any fails."""
    prepared: list[Write] = []
    reasons: list[dict[str, Any]] = []
    for write in writes:
        reason = _NO_REASON
        try:
            if tested(write):
                prepared.append(prepare(write))
            else:
                reason = _failed(write)
        except Refused as refusal:
            reason = {"Code": "ValidationError", "Message": refusal.message}
        reasons.append(reason)
    if len(prepared) != len(writes):
        _cancel(reasons)
    return prepared


def _failed(write: Write) -> dict[str, Any]:
    reason: dict[str, Any] = {"Code": "ConditionalCheckFailed", "Message": "The conditional request failed"}
    if write.returns_old and write.old is not None:
        reason["Item"] = give_item(write.old.item)
    return reason


def _cancel(reasons: list[dict[str, Any]]) -> NoReturn:
    codes = ", ".join(reason["Code"] for reason in reasons)
    message = f"Transaction cancelled, please refer cancellation reasons for specific reasons [{codes}]"
    raise Refused(
        "TransactionCanceledException",
        message,
        Message=message,
        CancellationReasons=[dict(reason) for reason in reasons],
    )
