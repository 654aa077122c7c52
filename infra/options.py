"""What commands have in common: options and what they may be, and the output of those that talk to a deployment."""

import json
import os
import re
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Callable
from typing import Any, Final

from chalicelib.entry.decode import BadInput, address
from infra import stack
from infra.client import KEY_VARIABLE, LOCAL, URL_VARIABLE, Client, key, target
from infra.failures import STATUSES, BadUsage

_LONGEST: Final = 600


def add_stage(parser: ArgumentParser) -> None:
    """Declare the option of the commands that work on a stage."""
    parser.epilog = STATUSES
    parser.add_argument("--stage", type=stage, default="dev", help="the stage (default: %(default)s)")


def stage(text: str) -> str:
    """Return the name of a stage; raises ArgumentTypeError for one that its resources could not have."""
    asked = stack.template()["Parameters"]["Stage"]
    if not re.fullmatch(asked["AllowedPattern"].strip("^$"), text):
        raise ArgumentTypeError(f"{text!r} is no name of a stage: {asked['ConstraintDescription']}")
    return text


def mailbox(text: str) -> str:
    """Return an address without a name, as settings have it; raises ArgumentTypeError."""
    try:
        found = address(text)
    except BadInput as error:
        raise ArgumentTypeError(f"{text!r} is not an address such as care@example.com") from error
    return found


def website(text: str) -> str:
    """Return what addresses of pages begin with, without a slash at the end; raises ArgumentTypeError."""
    try:
        target(text)
    except BadUsage as error:
        raise ArgumentTypeError(str(error)) from error
    return text.rstrip("/")


def add(parser: ArgumentParser) -> None:
    """Declare the options of the commands that talk to a deployment."""
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
    """Do something with a client, which is closed afterwards; returns the exit status."""
    client = Client(target(args.url), key(args.key_file), args.timeout)
    try:
        return act(args, client)
    finally:
        client.close()


def tell(args: Namespace, found: Any, words: str) -> None:
    """Print the outcome, for a program or for a person."""
    print(json.dumps(found, indent=2, ensure_ascii=False) if args.json else words)
