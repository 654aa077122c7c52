"""Logs: identifiers and outcomes, never an address, a name or a customer's words."""

from functools import lru_cache
from typing import Any, Protocol


class Log(Protocol):
    """What the product asks of a logger: powertools' and the standard library's both have it."""

    def info(self, msg: str, *, extra: dict[str, Any]) -> None:
        """Note that something happened."""
        ...

    def warning(self, msg: str, *, extra: dict[str, Any]) -> None:
        """Note what a person may have to look at."""
        ...


@lru_cache(maxsize=1)
def structured() -> Log:
    """Return the logger of this process: one line of JSON for each entry."""
    from aws_lambda_powertools import Logger  # noqa: PLC0415 - it reads the environment: not at import

    log: Log = Logger(service="aftercare")
    return log
