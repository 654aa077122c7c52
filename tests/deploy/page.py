"""docs/operations.md as the tests read it: the commands that it shows, and what it says that they answer."""

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "operations.md"
#: What differs from one account, and one day, to another → what stands for it.
_OF_ONE_DAY = (
    (re.compile(r"\b[a-z0-9]{32}\b"), "<token>"),
    (re.compile(r"\b\d+\.\d MB\b"), "<size>"),
    (re.compile(r"\bversion \d+\b"), "version <number>"),
    (re.compile(r"\b(?=[0-9a-f]*\d)[0-9a-f]{8,10}\b"), "<id>"),
)
_PROMPT = "Its name again: "


@dataclass(frozen=True)
class Shown:
    """One command of the page."""

    command: str
    #: What it prints; a line of "…" stands for any number of lines.
    prints: tuple[str, ...]


def section(title: str) -> str:
    """Return what stands under a heading of any level."""
    found = re.search(rf"^#+ {re.escape(title)}\n(.*?)(?=^#|\Z)", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    assert found, f"the page has no section {title!r}"
    return found[1]


def sections() -> list[str]:
    """Return every heading."""
    return re.findall(r"^#+ (.+)$", PAGE.read_text("utf-8"), re.MULTILINE)


def shown(text: str) -> list[Shown]:
    """Return the commands of a text, in order: lines of its code blocks that begin with a dollar."""
    found: list[tuple[str, list[str]]] = []
    for block in re.findall(r"(?:^ {4,}\S.*\n|^\n(?= {4,}\S))+", text, re.MULTILINE):
        joined = re.sub(r" \\\n\s*", " ", block)
        for line in (each.strip() for each in joined.splitlines()):
            if line.startswith("$ "):
                found.append((line.removeprefix("$ "), []))
            elif found and line:
                found[-1][1].append(line)
    return [Shown(command, tuple(lines)) for command, lines in found]


def shown_only() -> list[str]:
    """Return the commands of the page that no test runs: lines of its code blocks that begin with a program's name."""
    blocks = "\n".join(re.findall(r"^ {4,}(?=\S).*$", PAGE.read_text("utf-8"), re.MULTILINE))
    lines = [line.strip() for line in re.sub(r" \\\n\s*", " ", blocks).splitlines()]
    return [line for line in lines if line.startswith(("aws ", "make ", ".venv/"))]


def is_as_shown(printed: str, expected: tuple[str, ...]) -> bool:
    """Say whether a command printed what the page shows, but for what differs from day to day."""
    lines = [_timeless(line) for line in printed.replace(_PROMPT, f"{_PROMPT}dev\n").splitlines()]
    wanted = "".join(r"(?:.*\n)*?" if each == "…" else re.escape(f"{_timeless(each)}\n") for each in expected)
    return re.fullmatch(wanted, "".join(f"{line}\n" for line in lines if line)) is not None


def _timeless(line: str) -> str:
    text = " ".join(line.split())
    for pattern, stands_for in _OF_ONE_DAY:
        text = pattern.sub(stands_for, text)
    return text


def run(command: str, **surroundings: object) -> str:
    """Run a command as the page has it, in a shell; returns what it printed, and fails where it failed."""
    call = ["/bin/bash", "-euo", "pipefail", "-c", command]
    done = subprocess.run(call, capture_output=True, text=True, check=False, **surroundings)
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout
