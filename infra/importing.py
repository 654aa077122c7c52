"""Tells a deployment what is in a CSV file: cases, purchases, failures.

The whole file is read and checked before anything is sent. A file may be sent again, after an interruption or by
mistake: what the deployment knows already changes nothing.
"""

import csv
import json
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TextIO

from chalicelib.entry import rows
from chalicelib.entry.decode import BadInput
from chalicelib.entry.rows import Message, Row
from infra import options
from infra.client import Client, Refused
from infra.failures import OK, REFUSED, BadUsage, Unreachable

MOST_PROBLEMS: Final = 50
_UNAUTHORIZED: Final = 401
#: Words of a customer may be this long, and quoting may double them.
_LONGEST_CELL: Final = 32_000
_BAR: Final = 30


@dataclass(frozen=True, slots=True)
class Kind:
    """What a file may hold. Of each group in ``needed`` one column must be there."""

    path: str
    columns: tuple[str, ...]
    needed: tuple[tuple[str, ...], ...]
    messages: Callable[[Row, str], Sequence[Message]]


_WHO: Final = ("customer_id", "email")
KINDS: Final[Mapping[str, Kind]] = {
    "cases": Kind("/cases", rows.CASES, (("case_id",), ("resolved_at",), _WHO), rows.case_messages),
    "purchases": Kind(
        "/purchases", rows.PURCHASES, (_WHO, ("purchased_at", "date")), lambda row, _: [rows.purchase_message(row)]
    ),
    "failures": Kind(
        "/failures",
        rows.FAILURES,
        (("remark_id",), ("occurred_at",), ("words",), _WHO),
        lambda row, source: [rows.failure_message(row, source)],
    ),
}


@dataclass(slots=True)
class Checked:
    """A file as it was read: what it tells, line by line, and what is wrong with it."""

    rows: int = 0
    messages: list[tuple[int, Message]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the options of ``python -m infra import``."""
    kinds = parser.add_subparsers(dest="kind", required=True, metavar="kind")
    for name, kind in KINDS.items():
        says = f"tell the {name} of a CSV file"
        columns = f"UTF-8, commas, a first line of names: {', '.join(kind.columns)}."
        command = kinds.add_parser(name, allow_abbrev=False, help=says, description=columns)
        command.add_argument("file", metavar="FILE", help="the CSV file")
        command.add_argument("--source", default="import", help="the system that these come from (default import)")
        command.add_argument("--check", action="store_true", help="check the file only; send nothing")
        options.add(command)


def run(args: Namespace) -> int:
    """Check the file, then send it; returns the exit status."""
    checked = check(args.file, KINDS[args.kind], args.source)
    for warning in checked.warnings:
        print(f"{args.file}: {warning}", file=sys.stderr)
    if checked.problems:
        return _refuse(args, checked)
    if args.check:
        options.tell(args, {"rows": checked.rows, "messages": len(checked.messages)}, f"{checked.rows} rows, all good")
        return OK
    return options.run(args, lambda args, client: _send(args, checked, client))


def _refuse(args: Namespace, checked: Checked) -> int:
    found = checked.problems
    if args.json:
        print(json.dumps({"rows": checked.rows, "problems": found[:MOST_PROBLEMS], "sent": 0}, ensure_ascii=False))
    for problem in found[:MOST_PROBLEMS]:
        print(f"{args.file}: {problem}", file=sys.stderr)
    more = f"{len(found) - MOST_PROBLEMS} more. " if len(found) > MOST_PROBLEMS else ""
    raise BadUsage(f"{more}Nothing was sent.")


# -- checking --------------------------------------------------------------------------------------------------


def check(name: str, kind: Kind, source: str) -> Checked:
    """Read and check a whole file; raises BadUsage when it cannot be read at all."""
    checked = Checked()
    told: dict[str, int] = {}
    try:
        with Path(name).open(encoding="utf-8-sig", newline="") as file, _cells_up_to(_LONGEST_CELL):
            for line, row in _rows(file, kind, checked):
                checked.rows += 1
                _add(checked, line, row, kind, source, told)
    except OSError as error:
        raise BadUsage(f"{name}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise BadUsage(f"{name}: not UTF-8 at byte {error.start}") from error
    return checked


@contextmanager
def _cells_up_to(characters: int) -> Iterator[None]:
    before = csv.field_size_limit(characters)
    try:
        yield
    finally:
        csv.field_size_limit(before)


def _rows(file: TextIO, kind: Kind, checked: Checked) -> Iterator[tuple[int, Row]]:
    """Yield each row with the number of its first line; a file whose columns are wrong has none."""
    reader = csv.reader(file, strict=True)
    try:
        names = [name.strip() for name in next(reader, [])]
        if not _columns_are_right(names, kind, checked):
            return
        line = reader.line_num + 1
        for cells in reader:
            if len(cells) == len(names):
                yield line, dict(zip(names, cells, strict=True))
            elif cells:
                checked.problems.append(f"line {line}: {len(cells)} cells where there are {len(names)} columns")
            line = reader.line_num + 1
    except csv.Error as error:
        checked.problems.append(f"line {reader.line_num}: {error}; nothing after it was read")


def _columns_are_right(names: list[str], kind: Kind, checked: Checked) -> bool:
    missing = [" or ".join(group) for group in kind.needed if not set(group) & set(names)]
    twice = sorted({name for name in names if names.count(name) > 1})
    if missing:
        checked.problems.append(f"line 1: missing columns: {', '.join(missing)}; read as one: {', '.join(names)[:200]}")
    if twice:
        checked.problems.append(f"line 1: columns that stand twice: {', '.join(twice)}")
    unknown = [name for name in names if name not in kind.columns]
    if unknown and not missing:
        checked.warnings.append(f"columns that are not used: {', '.join(unknown)}")
    return not missing and not twice


def _add(checked: Checked, line: int, row: Row, kind: Kind, source: str, told: dict[str, int]) -> None:
    try:
        found = kind.messages(row, source)
    except BadInput as error:
        checked.problems.append(f"line {line}: {error}")
        return
    for message in found:
        earlier = told.setdefault(json.dumps(message), line)
        if earlier == line:
            checked.messages.append((line, message))
        elif len(checked.warnings) < MOST_PROBLEMS:
            checked.warnings.append(f"line {line} says the same as line {earlier}: told once")


# -- sending ---------------------------------------------------------------------------------------------------


def _send(args: Namespace, checked: Checked, client: Client) -> int:
    """Send one message after the other; a refused one does not keep the others from being sent."""
    outcome: dict[str, Any] = {"rows": checked.rows, "messages": len(checked.messages)}
    counts, refused = {"new": 0, "known": 0, "queued": 0}, []
    try:
        for done, (line, message) in enumerate(checked.messages):
            _progress(done, len(checked.messages))
            try:
                counts[_told(client, KINDS[args.kind].path, message)] += 1
            except Refused as error:
                if error.status == _UNAUTHORIZED:
                    raise
                refused.append({"line": line, "status": error.status, "detail": error.detail})
        _progress(len(checked.messages), len(checked.messages))
    except (Unreachable, KeyboardInterrupt):
        taken = f"{sum(counts.values())} of {len(checked.messages)} were taken"
        print(f"\n{taken}; send the file again to go on", file=sys.stderr)
        raise
    options.tell(args, {**outcome, **counts, "refused": refused}, _words(outcome, counts, refused))
    return REFUSED if refused else OK


def _told(client: Client, path: str, message: Message) -> str:
    kind, data = message
    reply = client.call("POST", path, json.dumps({"type": kind, "data": data}, ensure_ascii=False).encode())
    if "news" not in reply:
        return "queued"
    return "new" if reply["news"] else "known"


def _words(outcome: Mapping[str, int], counts: Mapping[str, int], refused: list[dict[str, Any]]) -> str:
    said = [f"{counts['new']} new", f"{counts['known']} known already"]
    said += [f"{counts['queued']} queued"] if counts["queued"] else []
    said += [f"{len(refused)} refused"] if refused else []
    lines = [f"line {one['line']}: refused ({one['status']}): {one['detail']}" for one in refused[:MOST_PROBLEMS]]
    return "\n".join([*lines, f"{outcome['rows']} rows, {outcome['messages']} messages: {', '.join(said)}"])


def _progress(done: int, of: int) -> None:
    """Draw how far it is, where a person watches; about a hundred times at most."""
    if not sys.stderr.isatty() or (done < of and done % max(of // 100, 1)):
        return
    filled = _BAR * done // max(of, 1)
    end = "\n" if done == of else ""
    print(f"\r{'█' * filled}{'░' * (_BAR - filled)} {done} of {of}", end=end, file=sys.stderr, flush=True)
