"""The demo: the whole product on one port of this machine, with a slice of real cases and a clock that you move."""

import argparse
import errno
import signal
import sys
from datetime import datetime
from pathlib import Path
from types import FrameType

from local import inputs, sample, words
from local.inputs import Inputs
from local.progress import Progress
from local.replay import Broken, Replay
from local.server import Server
from local.site import Site
from local.stack import Stack
from local.views import Views

HISTORIES = Path(__file__).parents[1] / "examples" / "histories"
_PORT = 8000
#: With the example histories this makes some sixty cases, at every stage that the files bring about.
PEOPLE = 26
_LAST_PORT = 65_535
_UNUSABLE = 2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("--port", type=_port, default=_PORT, help=f"port on 127.0.0.1, 0 for any (default {_PORT})")
    parser.add_argument("--cases", type=Path, help="CSV of resolutions, instead of the example histories")
    parser.add_argument("--answers", type=Path, help="CSV of customers' answers to those cases")
    parser.add_argument("--staff", type=Path, help="CSV of acts of staff on those cases")
    parser.add_argument("--purchases", type=Path, help="CSV of purchases")
    parser.add_argument(
        "--people", type=_count, default=PEOPLE, help=f"how many customers to load, 0 for all (default {PEOPLE})"
    )


def _port(text: str) -> int:
    number = _count(text)
    if number > _LAST_PORT:
        message = f"{text} is no port"
        raise argparse.ArgumentTypeError(message)
    return number


def _count(text: str) -> int:
    if not text.isascii() or not text.isdecimal():
        message = f"{text!r} is no number"
        raise argparse.ArgumentTypeError(message)
    return int(text)


def run(args: argparse.Namespace) -> int:
    """Load and serve until Ctrl-C; returns 0 then, and 2 for a port in use or input that cannot be used."""
    try:
        given = _inputs(args)
        server = Server(args.port)
    except inputs.BadFile as error:
        return _give_up(str(error))
    except OSError as error:
        return _give_up(_why_not(error, args.port))
    signal.signal(signal.SIGINT, _stop)  # a shell that starts us in the background has it ignored
    signal.signal(signal.SIGTERM, _stop)
    with server:
        try:
            _serve(server, given, args.people)
        except KeyboardInterrupt:
            print("\nStopped.", flush=True)
        except Broken as error:
            print(f"demo: {error}", file=sys.stderr)
            return 1
    return 0


def _inputs(args: argparse.Namespace) -> Inputs:
    """Read the files that were named, else the example histories."""
    if args.cases is not None:
        return inputs.read(args.cases, args.answers, args.staff, args.purchases)
    if args.answers or args.staff or args.purchases:
        message = "--answers, --staff and --purchases belong to --cases"
        raise inputs.BadFile(message)
    names = ("cases", "answers", "staff", "purchases")
    return inputs.read(*(HISTORIES / f"{name}.csv" for name in names))


def _give_up(why: str) -> int:
    print(f"demo: {why}", file=sys.stderr)
    return _UNUSABLE


def _why_not(error: OSError, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {port} is in use; take another: make demo PORT={port + 1}, or --port {port + 1}"
    if error.errno == errno.EACCES:
        return f"port {port} is not open to you; take one above 1023"
    return str(error)


def _stop(number: int, frame: FrameType | None) -> None:
    del number, frame
    raise KeyboardInterrupt


def _serve(server: Server, given: Inputs, people: int) -> None:
    begins = sample.begin(given)
    chosen = sample.choose(given, begins, people)
    stack = load(chosen, begins, server.url)
    server.site = Site(stack)
    print(greeting(stack, chosen, server.url), flush=True)
    server.serve_forever()


def load(chosen: Inputs, begins: datetime, base_url: str) -> Stack:
    """Return a stack in which everything until ``begins`` has happened as the inputs say."""
    first = min(chosen.messages[0].at, begins)
    stack = Stack(first, base_url, lazy=True)
    replay = Replay(stack, chosen)
    with Progress(f"loading {chosen.cases} cases", (begins - first).total_seconds()) as bar:
        replay.run_until(begins, lambda now: bar.show((now - first).total_seconds(), f"{now:%Y-%m-%d}"))
    return stack


def greeting(stack: Stack, chosen: Inputs, url: str) -> str:
    """Return where to look, in a few lines."""
    views = Views(stack)
    zone = views.documents().settings.default_zone
    stages = ", ".join(f"{number} {words.STAGES[stage]}" for stage, number in views.stages().items() if number)
    lines = [
        f"Aftercare runs at {url} with {chosen.cases} real cases. Stop it with Ctrl-C.",
        "",
        f"  Start here        {url}/_local/",
        f"  Console           {url}/console  (the start page signs you in)",
        f"  Mailbox           {url}/_local/mail",
        f"  Journeys          {url}/_local/journeys  ({stages})",
        f"  Clock             {url}/_local/clock  ({words.when(stack.clock.now, zone)} in {words.place(zone)})",
    ]
    recoveries = views.open_recoveries()
    if recoveries:
        journey, recovery = recoveries[0]
        lines.append(f"  A recovery        {views.work_url(journey.id, recovery.owner)}")
    lines += ["", "From here on the customers, the staff and the clock are you: nothing happens until you move it."]
    return "\n".join(lines)
