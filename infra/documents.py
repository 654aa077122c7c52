"""Shows, stores and activates the documents of a deployment: cadence, playbook, settings, staff."""

import json
import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from chalicelib.journey.documents import KINDS
from infra import options
from infra.client import Client
from infra.failures import BadUsage


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the options of ``python -m infra documents``."""
    acts = parser.add_subparsers(dest="act", required=True, metavar="act")
    show = acts.add_parser("show", help="print the active document", allow_abbrev=False)
    put = acts.add_parser("put", help="store a new version, checked, and make it the active one", allow_abbrev=False)
    activate = acts.add_parser("activate", help="make a stored version the active one", allow_abbrev=False)
    history = acts.add_parser("history", help="list the stored versions, newest first", allow_abbrev=False)
    for command in (show, put, activate, history):
        command.add_argument("kind", choices=list(KINDS), metavar="KIND", help=", ".join(KINDS))
    put.add_argument("file", metavar="FILE", help="a JSON file, or - for standard input")
    put.add_argument(
        "--no-activate", action="store_true", help="store it only; running and new journeys notice nothing"
    )
    put.add_argument("--by", default="", metavar="NAME", help="who stores it, for the history")
    activate.add_argument("version", type=int, metavar="VERSION", help="its number; 0 is the one that ships")
    for command in (show, put, activate, history):
        options.add(command)


def run(args: Namespace) -> int:
    """Do it; returns the exit status."""
    return options.run(args, _ACTS[args.act])


def _show(args: Namespace, client: Client) -> int:
    found = client.call("GET", f"/documents/{args.kind}")
    document = json.dumps(found["document"], indent=2, ensure_ascii=False)
    options.tell(args, found, document)
    return 0


def _put(args: Namespace, client: Client) -> int:
    body = _file(args.file)
    query = {"by": args.by} if args.by else {}
    query |= {"activate": "no"} if args.no_activate else {}
    path = f"/documents/{args.kind}" + (f"?{urlencode(query)}" if query else "")
    stored = client.call("PUT", path, body)
    state = "active for new journeys within a minute" if stored["active"] else "stored, not active"
    options.tell(args, stored, f"{args.kind} version {stored['version']}: {state}")
    return 0


def _file(name: str) -> bytes:
    """Return a file, which must be JSON; what is in it is for the deployment to judge."""
    try:
        raw = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
        json.loads(raw)
    except OSError as error:
        raise BadUsage(f"{name}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise BadUsage(f"{name}: no JSON: {error}") from error
    return raw


def _activate(args: Namespace, client: Client) -> int:
    done = client.call("POST", f"/documents/{args.kind}/{args.version}/activate")
    options.tell(args, done, f"{args.kind} version {done['version']}: active for new journeys within a minute")
    return 0


def _history(args: Namespace, client: Client) -> int:
    found = client.call("GET", f"/documents/{args.kind}")
    told = {"active": found["active"], "versions": found["versions"]}
    options.tell(args, told, "\n".join(_line(one, found["active"]) for one in [*found["versions"], _SHIPPED]))
    return 0


_SHIPPED: dict[str, Any] = {"version": 0, "by": "shipped", "at": ""}


def _line(one: dict[str, Any], active: int) -> str:
    mark = "active" if one["version"] == active else ""
    return f"{one['version']:>4}  {mark:<6}  {one['at']:<24}  {one['by']}".rstrip()


_ACTS = {"show": _show, "put": _put, "activate": _activate, "history": _history}
