"""What may go wrong with a command for reasons that a person can mend: said in a few words and by the exit status.

Whatever is none of these is a fault of ours, and shows where it happened.
"""

from typing import ClassVar, Final

from botocore.exceptions import BotoCoreError, ClientError, ConnectionError, HTTPClientError, WaiterError  # noqa: A004

OK: Final = 0
REFUSED: Final = 1
BAD_USAGE: Final = 2
UNREACHABLE: Final = 3
STATUSES: Final = "exit status: 0 done, 1 refused or failed, 2 wrong usage or input, 3 not reachable"


class Failed(Exception):
    """It was refused, or did not work; the message says what and why."""

    exit_status: ClassVar[int] = REFUSED


class BadUsage(Failed):
    """What was asked for cannot be done as it was asked."""

    exit_status = BAD_USAGE


class Unreachable(Failed):
    """Nobody answered, or only that they cannot now."""

    exit_status = UNREACHABLE


def told(error: Exception) -> tuple[str, int] | None:
    """Return what to say of an error and the exit status, or None when it is a fault of ours."""
    match error:
        case Failed():
            return str(error), error.exit_status
        case ClientError() | WaiterError():
            return f"AWS: {error}", REFUSED
        case ConnectionError() | HTTPClientError():  # no connection, no answer in time, a proxy
            return f"AWS: {error}", UNREACHABLE
        case BotoCoreError():  # credentials and profiles: what it was given to work with
            return f"AWS: {error}", BAD_USAGE
        case _:
            return None
