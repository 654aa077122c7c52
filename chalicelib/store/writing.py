"""Writing several items together or not at all, and what it means when that is refused."""

from collections.abc import Mapping, Sequence
from typing import Any

from botocore.exceptions import ClientError

from chalicelib.boundary import Boundary
from chalicelib.store.errors import Conflict, StoreError
from chalicelib.store.items import Item

#: Why a transaction is cancelled though nothing is the matter with the table: somebody else was faster.
_FASTER = {"None", "ConditionalCheckFailed", "TransactionConflict"}
#: What an action whose condition failed stands for, by its position.
Meanings = Mapping[int, type[StoreError] | StoreError]


def together(
    boundary: Boundary, name: str, client: Any, actions: Sequence[Item], meanings: Meanings | None = None
) -> None:
    """Write all of the actions or none, through the boundary of that name.

    The SDK gives each transaction a token of its own, so one that it repeats after a lost response is not done twice,
    nor refused by its own first try. Raises the meaning of the first action in ``meanings`` whose condition failed, and
    Unmet when that of any other did, or the same was being written at that instant. Throttling and all else is the
    client's own error.
    """
    try:
        boundary(name, lambda: client.transact_write_items(TransactItems=list(actions)))
    except ClientError as error:
        if error.response["Error"]["Code"] != "TransactionCanceledException":
            raise
        reasons: list[dict[str, str]] = error.response.get("CancellationReasons", [])  # type: ignore[assignment]
        codes = [reason.get("Code", "None") for reason in reasons]
        if not set(codes) <= _FASTER:
            raise
        failed = {position for position, code in enumerate(codes) if code == "ConditionalCheckFailed"}
        for position, meaning in (meanings or {}).items():
            if position in failed:
                raise meaning from error
        raise Unmet(frozenset(failed)) from error


class Unmet(Conflict):
    """Conditions did not hold; ``positions`` are those of their actions."""

    def __init__(self, positions: frozenset[int]) -> None:
        """Keep the positions; none, when the same was being written at that instant."""
        super().__init__()
        self.positions = positions
