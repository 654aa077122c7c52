"""Replays what happened to real cases through the whole stack, on a virtual clock.

Helpdesk and shop are signed requests; customers open the links of the mails that they get, and press Send; staff act
through the API. `Replay(stack, inputs).run_until(instant)` drives it; `run` is the command.
"""

import argparse
import heapq
import json
import logging
import os
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from html import unescape
from itertools import count
from pathlib import Path
from quopri import decodestring
from typing import Any
from urllib.parse import urlencode, urlsplit

from chalicelib.insight.rollup import SETTLES
from chalicelib.journey import budget, cadence, clock, documents
from chalicelib.journey.documents import Cadence
from chalicelib.journey.errors import BadDocument
from chalicelib.journey.events import journey_of_case
from chalicelib.journey.invariants import Mailed, World, violations
from chalicelib.journey.state import Journey, Stage
from chalicelib.store import items
from local import inputs, observe
from local.aws.ses import SentMail
from local.inputs import ActRow, AnswerRow, Inputs, Resolution
from local.progress import Progress
from local.stack import Reply, Stack
from local.visitor import READING, view_of

log = logging.getLogger(__name__)
_LINK = re.compile(r"https?://\S+?(/[apow]/[A-Za-z0-9._-]+)")
_PATHS = {"case.resolved": "/cases", "case.reopened": "/cases", "purchase.made": "/purchases"}
#: Kinds of mail whose link leads to a page on which something is asked.
_ANSWERED = frozenset({"survey", "reminder", "check-in", inputs.PROPOSAL})
#: Option of the command → the document that it puts in place of the one that ships.
_DOCUMENTS = {"cadence": "cadence", "playbook": "playbook", "settings": "settings", "staff_directory": "staff"}
_FIRST_REFUSAL, _CONFLICT = 400, 409
#: More than the cells of any replay fill.
_EVERY_PAGE = 1_000


class Broken(Exception):
    """The stack refused what a replay may expect it to take."""


class Replay:
    """Drives a stack from files. What happens outside is in a heap by time; what happens inside is the stack's own."""

    def __init__(self, stack: Stack, given: Inputs) -> None:
        """Put everything that is known beforehand into the heap; answers and acts follow when their mail comes."""
        self.stack = stack
        self.given = given
        self._order = count()
        self._ahead: list[tuple[datetime, int, Callable[[], None]]] = []
        self._resolution_of: dict[str, Resolution] = {}
        self._waiting = {resolution: list(rows) for resolution, rows in given.answers.items()}
        self._to_do = dict(given.acts)
        self._mails_seen = 0
        self.mailed: list[Mailed] = []
        self.answers = 0
        self.refused: Counter[str] = Counter()
        for message in given.messages:
            self._later(message.at, lambda message=message: self._tell(message))  # type: ignore[misc]
        for case_id, epoch in {inputs.resolution_of(message) for message in given.messages} - {None}:  # type: ignore[misc]
            self._resolution_of[journey_of_case(inputs.SOURCE, case_id, epoch)] = (case_id, epoch)

    def run_until(self, end: datetime, progress: Callable[[datetime], None] | None = None) -> None:
        """Let everything happen until then, one instant after the other, so that no mail is overlooked."""
        while True:
            self._read_mail()
            outside = self._ahead[0][0] if self._ahead else None
            inside = self.stack.next_instant()
            instant = min((one for one in (outside, inside) if one is not None), default=None)
            if instant is None or instant > end:
                break
            self.stack.run_until(max(instant, self.stack.clock.now))
            if instant == outside:
                self._read_mail()
                heapq.heappop(self._ahead)[2]()
                self.stack.settle()
            if progress is not None:
                progress(instant)
        self.stack.run_until(end)

    def _later(self, at: datetime, act: Callable[[], None]) -> None:
        heapq.heappush(self._ahead, (at, next(self._order), act))

    # -- helpdesk, shop, staff ---------------------------------------------------------------------------

    def _tell(self, message: inputs.Told) -> None:
        reply = self.stack.tell(_PATHS[message.type], message.type, message.data)
        if reply.status >= _FIRST_REFUSAL:
            text = f"{message.type} {message.data}: {reply.status} {reply.body.decode()}"
            raise Broken(text)

    def _act(self, resolution: Resolution, row: ActRow) -> None:
        case_id, epoch = resolution
        data: dict[str, Any] = {
            "act": row.act,
            "acted_at": self.stack.clock.now.isoformat(),
            "source": inputs.SOURCE,
            "case_id": case_id,
            "epoch": epoch,
            "detail": row.detail,
        }
        reply = self.stack.tell("/acts", "staff.acted", data)
        if reply.status == _CONFLICT:
            self.refused[reply.json()["reason"]] += 1
        elif reply.status >= _FIRST_REFUSAL:
            self.refused["bad_input"] += 1

    # -- customers ---------------------------------------------------------------------------------------

    def _read_mail(self) -> None:
        """Look at the mail that came since: customers will answer some of it, and staff have something to do."""
        sent = self.stack.account.ses.sent
        if self._mails_seen < len(sent):
            with observe.uncounted(self.stack):
                self._read_new(sent[self._mails_seen :])
        self._mails_seen = len(sent)

    def _read_new(self, mails: Sequence[SentMail]) -> None:
        for mail in mails:
            journey_id = mail.tags["journey"]
            resolution = self._resolution_of.get(journey_id)
            if mail.tags["kind"] == "staff-notice":
                self._work(journey_id, resolution)
                continue
            self._count(journey_id, mail.tags["effect"], mail.sent_at)
            if resolution is not None:
                self._answer_later(resolution, journey_id, mail.tags["effect"], mail.sent_at, mail.raw)

    def _count(self, journey_id: str, touch_id: str, at: datetime) -> None:
        wiring = self.stack.wiring
        journey = wiring.table.journey(journey_id).value
        person = wiring.table.person(journey.person_id).value
        zone = budget.zone_of(person, wiring.documents.for_journey(journey, at))
        self.mailed.append(Mailed(journey_id=journey_id, touch_id=touch_id, at=at, zone=zone))

    def _work(self, journey_id: str, resolution: Resolution | None) -> None:
        """Staff learn of a recovery by their notice, and do what the files say."""
        rows = self._to_do.get(resolution) if resolution else None
        recoveries = self.stack.wiring.table.journey(journey_id).value.recoveries if rows else ()
        if resolution is None or rows is None or not recoveries:
            return
        del self._to_do[resolution]
        for row in rows:
            at = max(recoveries[0].opened_at + row.after, self.stack.clock.now)
            self._later(at, lambda row=row: self._act(resolution, row))  # type: ignore[misc]

    def _answer_later(self, resolution: Resolution, journey_id: str, touch_id: str, at: datetime, raw: bytes) -> None:
        touch = self.stack.wiring.table.journey(journey_id).value.touch(touch_id)
        if touch is None or touch.kind not in _ANSWERED:
            return
        known = touch.step or touch.kind
        rows = self._waiting.get(resolution, [])
        row = next((one for one in rows if one.touch == known), None)
        if row is not None:
            rows.remove(row)
            pressed = at + max(row.after, READING)
            self._later(pressed - READING, lambda: self._open(journey_id, touch_id, row, raw, pressed))

    def _open(self, journey_id: str, touch_id: str, row: AnswerRow, raw: bytes, until: datetime) -> None:
        """Open the link of the mail; the button is pressed when the file says that they answered."""
        path = _link(raw)
        page = self.stack.request("GET", f"{path}?r={row.score or row.word}")
        if not view_of(page):
            text = f"{journey_id}: {touch_id}: no form behind the link of the mail"
            raise Broken(text)
        self._later(until, lambda: self._press(journey_id, touch_id, row, path, page))

    def _press(self, journey_id: str, touch_id: str, row: AnswerRow, path: str, page: Reply) -> None:
        """Choose, write, press Send."""
        with observe.uncounted(self.stack):
            fields = {"view": view_of(page), **self._form(journey_id, touch_id, row, page)}
        reply = self.stack.submit(path, urlencode(fields))
        if reply.status >= _FIRST_REFUSAL:
            text = f"{journey_id}: {touch_id}: {reply.status} for {fields}: {unescape(reply.body.decode())[:2000]}"
            raise Broken(text)
        self.answers += 1

    def _form(self, journey_id: str, touch_id: str, row: AnswerRow, page: Reply) -> dict[str, str]:
        wiring = self.stack.wiring
        journey = wiring.table.journey(journey_id).value
        touch = journey.touch(touch_id)
        if touch is not None and touch.kind == "proposal":
            return {"choice": row.word, "comment": row.words}
        assert touch is not None  # noqa: S101 - its page was shown
        documents = wiring.documents.for_journey(journey, self.stack.clock.now)
        measure = cadence.asked(touch, journey, documents)[0].measure
        if b'name="wrong"' in page.body:
            # The page came too late to rate; who came by a bad rating finds the tick set that is left for it.
            wrong = re.search(rb'name="wrong" value="yes" checked', page.body) is not None
            return {"words": row.words} | ({"wrong": "yes"} if wrong else {})
        return {measure: row.score, "words": row.words}

    # -- what came of it ---------------------------------------------------------------------------------

    @property
    def unused(self) -> int:
        """Return how many answers of the files no touch ever asked for."""
        return sum(len(rows) for rows in self._waiting.values())

    def world(self) -> World:
        """Return everything that the invariants judge."""
        with observe.uncounted(self.stack):
            return observe.world(self.stack, self.mailed)

    def figures(self) -> dict[str, int]:
        """Return what the figures of all days come to, by measure, with what was not added up yet."""
        wiring = self.stack.wiring
        with observe.uncounted(self.stack):
            wiring.rollup.run(self.stack.clock.now + 2 * SETTLES)
            total: Counter[str] = Counter()
            generation = wiring.figures.generations().shown
            for _, _, cell in wiring.figures.read(generation, "all", "0001-01-01", "9999-12-31", _EVERY_PAGE):
                total.update(cell)
        return dict(sorted(total.items()))


def _link(raw: bytes) -> str:
    """Return the path of the first link of a mail's text part: the one to answer by."""
    text = raw.partition(b"Content-Transfer-Encoding: quoted-printable")[2]
    found = _LINK.search(decodestring(text.partition(b"\n--==")[0]).decode())
    if found is None:
        message = "a mail without a link"
        raise Broken(message)
    return urlsplit(found[0]).path


def summary(replay: Replay, world: World, seconds: float) -> dict[str, Any]:
    """Return what a replay came to, as JSON may carry it."""
    stack = replay.stack
    journeys = [journey for journey in world.journeys.values() if journey.stage is not Stage.UNBORN]
    not_sent = Counter(t.reason for j in journeys for t in j.touches if t.status == "not sent")
    never = sum(len(rows) for rows in replay._to_do.values())  # noqa: SLF001 - its own summary
    refused = replay.refused + Counter({"no_recovery": never} if never else {})
    return {
        "cases": replay.given.cases,
        "journeys": len(journeys),
        "mails": dict(sorted(Counter(mail.tags["kind"] for mail in stack.account.ses.sent).items())),
        "not_sent": dict(sorted(not_sent.items())),
        "answers": replay.answers,
        "answers_unused": replay.unused,
        "staff_refused": dict(sorted(refused.items())),
        "recoveries": sum(len(journey.recoveries) for journey in journeys),
        "outcomes": dict(sorted(Counter(j.outcome.value for j in journeys if j.outcome is not None).items())),
        "open": sum(not journey.is_final for journey in journeys),
        "figures": replay.figures(),
        "violations": [*violations(world), *_troubles(stack)],
        "aws_calls": dict(sorted(stack.account.calls.items())),
        "seconds": round(seconds, 1),
    }


def _troubles(stack: Stack) -> list[str]:
    dead = stack.dead_letters()
    failed = [f"handler failed: {failure}" for failure in stack.failures]
    return [*failed, *([f"{dead} messages in dead-letter queues"] if dead else [])]


def ledger(world: World) -> list[dict[str, Any]]:
    """Return a line for each touch that is settled: sent, or not with the reason."""
    lines = [line for journey in world.journeys.values() for line in _ledger_of(journey)]
    return sorted(lines, key=lambda line: (line["case"], line["epoch"], line["at"], line["touch"]))


def _ledger_of(journey: Journey) -> list[dict[str, Any]]:
    case = journey.case
    if case is None:
        return []
    return [
        {
            "case": case.case_id,
            "epoch": case.epoch,
            "touch": touch.id,
            "at": items.instant(touch.sent_at or touch.not_sent_at or touch.due_at),
            "sent": touch.went_out,
            "reason": touch.reason,
        }
        for touch in journey.touches
        if touch.went_out or touch.status == "not sent"
    ]


# -- the command -----------------------------------------------------------------------------------------


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("--cases", type=Path, required=True, help="CSV of resolutions")
    parser.add_argument("--answers", type=Path, required=True, help="CSV of customers' answers")
    parser.add_argument("--staff", type=Path, help="CSV of acts of staff")
    parser.add_argument("--purchases", type=Path, help="CSV of purchases")
    parser.add_argument("--until", default="P120D", help="age to which every resolution is followed (default P120D)")
    parser.add_argument("--json", type=Path, required=True, help="where to write the summary")
    parser.add_argument("--ledger", type=Path, help="where to write a JSON line for each touch, sent or not")
    for option, kind in _DOCUMENTS.items():
        name = f"--{option.replace('_', '-')}"
        parser.add_argument(
            name, type=Path, metavar="FILE", help=f"a {kind} to replay with, instead of the one shipped"
        )


def run(args: argparse.Namespace) -> int:
    """Replay the files; returns 0 when every invariant held, 1 when not, 2 for input that cannot be used."""
    try:
        for path in (args.json, args.ledger):
            _check_writable(path)
        put = _documents(args)
        given = inputs.read(args.cases, args.answers, args.staff, args.purchases, cadence=_cadence(put))
        until = clock.elapsed(args.until)
    except (inputs.BadFile, BadDocument) as error:
        return _give_up(str(error), 2)
    started = time.perf_counter()
    try:
        replay = _replayed(given, until, put)
        world = replay.world()
    except Exception as error:  # whoever runs a command is told in a line, not by a traceback
        log.debug("the replay broke off", exc_info=True)
        return _give_up(f"broke off: {type(error).__name__}: {' '.join(str(error).split())}", 1)
    result = summary(replay, world, time.perf_counter() - started)
    args.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    if args.ledger is not None:
        args.ledger.write_text("".join(json.dumps(line) + "\n" for line in ledger(world)), encoding="utf-8")
    _tell_terminal(result, args.json)
    return 1 if result["violations"] else 0


def _give_up(why: str, status: int) -> int:
    print(f"replay: {why}", file=sys.stderr)
    return status


def _check_writable(path: Path | None) -> None:
    """Raise BadFile for a place where nothing can be written, before an hour's work is lost there."""
    if path is None:
        return
    if path.is_dir() or not os.access(path if path.exists() else path.parent, os.W_OK):
        message = f"{path}: cannot be written"
        raise inputs.BadFile(message)


def _documents(args: argparse.Namespace) -> dict[str, bytes]:
    """Return the documents to replay with, checked; raises BadFile, naming the file and the field."""
    return {kind: _document(path, kind) for option, kind in _DOCUMENTS.items() if (path := getattr(args, option))}


def _document(path: Path, kind: str) -> bytes:
    try:
        raw = path.read_bytes()
        documents.read(kind, raw)
    except (OSError, BadDocument, ValueError, RecursionError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        message = f"{path}: {why}"
        raise inputs.BadFile(message) from error
    return raw


def _cadence(put: Mapping[str, bytes]) -> Cadence | None:
    found = documents.read("cadence", put["cadence"]) if "cadence" in put else None
    return found if isinstance(found, Cadence) else None


def _replayed(given: Inputs, until: timedelta, put: Mapping[str, bytes]) -> Replay:
    first = given.messages[0].at
    stack = Stack(first, lazy=True)
    for kind, raw in put.items():
        stack.wiring.documents.put(kind, raw, first, by="replay", activate=True)
    stack.account.calls.clear()
    replay = Replay(stack, given)
    end = given.last_resolution + until
    with Progress("replaying", (end - first).total_seconds()) as bar:
        replay.run_until(end, lambda now: bar.show((now - first).total_seconds(), f"{now:%Y-%m-%d}"))
    return replay


def _tell_terminal(result: dict[str, Any], path: Path) -> None:
    shown = ("cases", "journeys", "mails", "answers", "recoveries", "outcomes", "open", "seconds")
    for name in shown:
        print(f"{name:>12}  {result[name]}")
    print(f"{'violations':>12}  {len(result['violations'])}")
    for broken in result["violations"][:20]:
        print(f"              {broken}")
    print(f"written to {path}")
