"""What every command that talks to a deployment has in common: its options, its output, its exit statuses."""

import json
import os
import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Callable
from typing import Any, Final

from infra.client import KEY_VARIABLE, LOCAL, URL_VARIABLE, BadUsage, Client, Refused, Unreachable, key, target

OK: Final = 0
REFUSED: Final = 1
BAD_USAGE: Final = 2
UNREACHABLE: Final = 3
STATUSES: Final = "exit status: 0 done, 1 refused by the deployment, 2 wrong usage or input, 3 not reachable"
_LONGEST: Final = 600


def add(parser: ArgumentParser) -> None:
    """Declare the options that all have."""
    parser.epilog = STATUSES
    parser.add_argument(
        "--url",
        default=os.environ.get(URL_VARIABLE) or LOCAL,
        help=f"where the deployment is (else {URL_VARIABLE}, else {LOCAL})",
    )
    parser.add_argument(
        "--key-file", metavar="FILE", help=f"holds the key to sign with, whsec_… (else the variable {KEY_VARIABLE})"
    )
    parser.add_argument(
        "--timeout", type=_seconds, default=30.0, metavar="SECONDS", help="how long to wait for one reply (default 30)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= _LONGEST:
        raise ArgumentTypeError(f"not a number of seconds up to {_LONGEST}: {text}")
    return seconds


def run(args: Namespace, act: Callable[[Namespace, Client], int]) -> int:
    """Do something with a client; what goes wrong is said on standard error, and by the exit status."""
    try:
        client = Client(target(args.url), key(args.key_file), args.timeout)
        try:
            return act(args, client)
        finally:
            client.close()
    except BadUsage as error:
        return complain(BAD_USAGE, str(error))
    except Refused as error:
        return complain(REFUSED, str(error))
    except Unreachable as error:
        return complain(UNREACHABLE, str(error))


def complain(status: int, message: str) -> int:
    """Say what is wrong; returns the exit status."""
    print(message, file=sys.stderr)
    return status


def tell(args: Namespace, found: Any, words: str) -> None:
    """Print the outcome, for a program or for a person."""
    print(json.dumps(found, indent=2, ensure_ascii=False) if args.json else words)
