"""The state diagram of the docs, drawn from the table of the state machine: ``python -m local diagram [--check]``.

Where things stand on the page is laid out here by hand; what leads where, and by which events, comes from the table.
An arrow of the table that has no place on the page is an error, so nothing can be left out by accident.
"""

import argparse
import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

from chalicelib.journey import machine, rules
from chalicelib.journey.events import Happened
from chalicelib.journey.state import OUTCOMES, Stage

FILE = Path(__file__).parents[1] / "docs" / "journey.svg"

#: What leads where: stage, event, stage after it.
Table = Iterable[tuple[Stage, type[Happened], Stage]]

#: Stages that are drawn as one frame where they share an arrow: no recovery is open; the journey has ended.
CALM, ENDED = "calm", "ended"
_MEMBERS = {CALM: frozenset(rules.CALM), ENDED: frozenset(set(OUTCOMES) - {Stage.SUPERSEDED})}

#: Left, top, width, height.
_BOXES: dict[Stage, tuple[int, int, int, int]] = {
    Stage.UNBORN: (46, 24, 116, 34),
    Stage.WAITING: (46, 122, 116, 44),
    Stage.ASKED: (322, 122, 116, 44),
    Stage.CHECKING_IN: (606, 122, 132, 44),
    Stage.RECOVERING: (606, 290, 132, 124),
    Stage.SUPERSEDED: (16, 532, 124, 44),
    Stage.UNKNOWN: (170, 532, 118, 44),
    Stage.UNREACHABLE: (318, 532, 118, 44),
    Stage.OPTED_OUT: (466, 532, 118, 44),
    Stage.LOST: (614, 532, 118, 44),
    Stage.LOYAL: (762, 532, 118, 44),
}
_FRAMES = {
    CALM: (30, 76, 724, 108, "no recovery is open"),
    ENDED: (158, 518, 734, 72, ""),
}
#: The way of each arrow, and where its label stands: x, y of its first line, and how it is aligned.
_ROUTES: dict[tuple[str, str], tuple[str, tuple[int, int, str]]] = {
    (Stage.UNBORN, Stage.WAITING): ("M80 58 V116", (88, 71, "start")),
    (Stage.UNBORN, Stage.RECOVERING): ("M162 41 H806 V352 H744", (300, 35, "start")),
    (Stage.UNBORN, Stage.UNKNOWN): ("M46 41 H8 V612 H229 V582", (20, 628, "start")),
    (Stage.WAITING, Stage.ASKED): ("M162 144 H316", (239, 124, "middle")),
    (Stage.ASKED, Stage.WAITING): ("M322 158 H168", (239, 175, "middle")),
    (Stage.WAITING, Stage.CHECKING_IN): ("M130 122 V98 H640 V116", (380, 92, "middle")),
    (Stage.ASKED, Stage.CHECKING_IN): ("M438 144 H600", (519, 138, "middle")),
    (CALM, Stage.RECOVERING): ("M642 184 V284", (636, 240, "end")),
    (Stage.RECOVERING, Stage.CHECKING_IN): ("M706 290 V172", (714, 240, "start")),
    (Stage.CHECKING_IN, Stage.LOYAL): ("M738 144 H846 V526", (838, 400, "end")),
    (CALM, Stage.SUPERSEDED): ("M36 184 V526", (42, 300, "start")),
    (CALM, Stage.UNKNOWN): ("M186 184 V526", (192, 300, "start")),
    (Stage.WAITING, Stage.UNKNOWN): ("M130 166 V212 H270 V526", (276, 232, "start")),
    (Stage.ASKED, Stage.UNKNOWN): ("M380 166 V212 H270", (0, 0, "none")),
    (Stage.WAITING, Stage.UNREACHABLE): ("M104 166 V250 H334 V526", (328, 476, "end")),
    (Stage.WAITING, Stage.OPTED_OUT): ("M84 166 V264 H474 V526", (468, 492, "end")),
    (Stage.SUPERSEDED, Stage.RECOVERING): ("M70 532 V340 H600", (300, 336, "middle")),
    (CALM, Stage.UNREACHABLE): ("M352 184 V526", (358, 300, "start")),
    (CALM, Stage.OPTED_OUT): ("M484 184 V526", (490, 300, "start")),
    (Stage.RECOVERING, Stage.SUPERSEDED): ("M606 366 H124 V526", (132, 440, "start")),
    (Stage.RECOVERING, Stage.UNREACHABLE): ("M606 382 H424 V526", (418, 440, "end")),
    (Stage.RECOVERING, Stage.OPTED_OUT): ("M606 398 H566 V526", (560, 440, "end")),
    (Stage.RECOVERING, Stage.LOST): ("M640 414 V526", (646, 450, "start")),
    (ENDED, Stage.RECOVERING): ("M720 518 V420", (728, 464, "start")),
    (Stage.UNKNOWN, Stage.WAITING): ("M216 532 V190", (222, 500, "start")),
    (Stage.UNKNOWN, Stage.ASKED): ("M216 532 V190", (0, 0, "none")),
    (Stage.UNKNOWN, Stage.CHECKING_IN): ("M216 532 V190", (0, 0, "none")),
    (Stage.UNKNOWN, Stage.SUPERSEDED): ("M170 560 H146", (151, 604, "middle")),
}
_LINE = 14
_STYLE = """
    svg { color-scheme: light dark; }
    .page { fill: #ffffff; }
    .stage { fill: #e8f1f3; stroke: #0b5c6b; stroke-width: 1.5; }
    .outcome { fill: #f3f1ea; stroke: #6d6448; stroke-width: 1.5; }
    .birth { fill: #ffffff; stroke: #57646a; stroke-width: 1.5; stroke-dasharray: 2 3; }
    .frame { fill: none; stroke: #8a979d; stroke-dasharray: 6 5; }
    .arrow { fill: none; stroke: #57646a; stroke-width: 1.4; }
    .tip { fill: #57646a; }
    text { font-family: system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; fill: #1f2a2e; }
    .name { font-size: 14px; font-weight: 600; text-anchor: middle; }
    .event { font-size: 11.5px; fill: #3c494f; paint-order: stroke; stroke: #ffffff; stroke-width: 4px; }
    .note { font-size: 11.5px; font-style: italic; fill: #57646a; }
    @media (prefers-color-scheme: dark) {
      .page { fill: #14191c; }
      .stage { fill: #12353d; stroke: #63b9c9; }
      .outcome { fill: #2f2b1e; stroke: #c9bb8a; }
      .birth { fill: #14191c; stroke: #9fb0b7; }
      .frame { stroke: #66757c; }
      .arrow { stroke: #9fb0b7; }
      .tip { fill: #9fb0b7; }
      text { fill: #e6edf0; }
      .event { fill: #c3d0d5; stroke: #14191c; }
      .note { fill: #9fb0b7; }
    }
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("--check", action="store_true", help="change nothing; fail when the file differs")
    parser.add_argument("--file", type=Path, default=FILE, help="where it is (default docs/journey.svg)")


def run(args: argparse.Namespace) -> int:
    """Write the diagram, or compare it; returns 0, or 1 when the file differs from the table."""
    file: Path = args.file
    drawn = draw(machine.ARROWS)
    if not args.check:
        file.parent.mkdir(exist_ok=True)
        file.write_text(drawn, encoding="utf-8")
        print(f"written to {file}")
        return 0
    if file.exists() and file.read_text(encoding="utf-8") == drawn:
        return 0
    print(f"{file} differs from the table of the state machine: run python -m local diagram", file=sys.stderr)
    return 1


def arrows(table: Table) -> dict[tuple[str, str], list[str]]:
    """Return the arrows to draw, each with the names of its events: a frame's where all its stages share them."""
    starts: dict[tuple[str, Stage], set[Stage]] = defaultdict(set)
    for start, event, to in table:
        if start is not to:
            starts[event.__name__, to].add(start)
    found: dict[tuple[str, str], list[str]] = defaultdict(list)
    for (name, to), stages in sorted(starts.items()):
        for one in _gathered(stages):
            found[one, to].append(_words(name))
    return found


def _gathered(stages: set[Stage]) -> list[str]:
    """Put a frame in the place of all its stages."""
    frames = [name for name, members in _MEMBERS.items() if members <= stages]
    framed = {stage for name in frames for stage in _MEMBERS[name]}
    return [*frames, *sorted(stages - framed)]


def _words(event: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", " ", event).lower()


def draw(table: Table) -> str:
    """Return the diagram as SVG. Raises KeyError for an arrow of the table that has no place on the page."""
    found = arrows(table)
    body = [*_frames(), *(line for ends in sorted(found) for line in _arrow(ends)), *_boxes()]
    labels = [line for ends, events in sorted(found.items()) for line in _label(ends, events)]
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 900 640" role="img" aria-labelledby="title">\n'
        '  <title id="title">The stages of a journey, and the events that lead from one to the next</title>\n'
        "  <!-- Drawn by `python -m local diagram` from the table of chalicelib/journey/machine.py: do not edit. -->\n"
        f"  <style>{_STYLE}  </style>\n"
        '  <defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" '
        'markerUnits="userSpaceOnUse" orient="auto"><path class="tip" d="M0 0 8 4 0 8z"/></marker></defs>\n'
        '  <rect class="page" width="900" height="640"/>\n'
        + "".join(f"  {line}\n" for line in [*body, *labels])
        + "</svg>\n"
    )


def _frames() -> Iterator[str]:
    for x, y, width, height, note in _FRAMES.values():
        yield f'<rect class="frame" x="{x}" y="{y}" width="{width}" height="{height}" rx="12"/>'
        if note:
            yield f'<text class="note" x="{x + width - 10}" y="{y + 17}" text-anchor="end">{note}</text>'


def _boxes() -> Iterator[str]:
    for stage, (x, y, width, height) in _BOXES.items():
        look = "birth" if stage is Stage.UNBORN else "outcome" if stage in OUTCOMES else "stage"
        yield f'<rect class="{look}" x="{x}" y="{y}" width="{width}" height="{height}" rx="9"/>'
        name = stage.value.replace("_", " ")
        yield f'<text class="name" x="{x + width / 2:g}" y="{y + height / 2 + 5:g}">{name}</text>'


def _arrow(ends: tuple[str, str]) -> Iterator[str]:
    way, (_, _, anchor) = _ROUTES[ends]
    tip = "" if anchor == "none" else ' marker-end="url(#tip)"'
    yield f'<path class="arrow" d="{way}"{tip}/>'


def _label(ends: tuple[str, str], events: list[str]) -> Iterator[str]:
    _, (x, y, anchor) = _ROUTES[ends]
    if anchor == "none":
        return
    for number, event in enumerate(events):
        yield f'<text class="event" x="{x}" y="{y + number * _LINE}" text-anchor="{anchor}">{event}</text>'
