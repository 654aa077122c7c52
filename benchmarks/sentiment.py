"""How well the words alone tell an unhappy customer: precision and recall on texts that nothing was tuned on.

    python benchmarks/sentiment.py          the table that docs/reliability.md quotes
    python benchmarks/sentiment.py --json   the same for programs

Source and licence of the texts: benchmarks/sentiment/README.md. Intervals are Wilson's, 95 %.
"""

import argparse
import json
import math
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))
TEXTS = ROOT / "benchmarks" / "sentiment" / "amazon_cells_labelled.txt"
#: What a CX lead might set instead of the shipped threshold.
THRESHOLDS = (0.0, -0.05, -0.1, -0.2, -0.3, -0.4, -0.5, -0.6)
#: 95 % of a normal distribution lie within so many standard deviations.
_Z = 1.959964


def texts(path: Path = TEXTS) -> list[tuple[str, bool]]:
    """Return each text, and whether its writer was unhappy."""
    rows = [line.rsplit("\t", 1) for line in path.read_text("utf-8").splitlines()]
    return [(text.strip(), label == "0") for text, label in rows]


def wilson(hits: int, of: int) -> tuple[float, float]:
    """Return the 95 % interval of a share (Wilson 1927): it never leaves 0 to 1, and holds for few cases too."""
    if not of:
        return 0.0, 1.0
    share, square = hits / of, _Z * _Z
    middle = share + square / (2 * of)
    spread = _Z * math.sqrt(share * (1 - share) / of + square / (4 * of * of))
    return max((middle - spread) / (1 + square / of), 0.0), min((middle + spread) / (1 + square / of), 1.0)


def row(name: str, found: Sequence[bool], truth: Sequence[bool]) -> dict[str, Any]:
    """Return precision and recall of one way of finding unhappy customers."""
    right = sum(a and b for a, b in zip(found, truth, strict=True))
    named, unhappy = sum(found), sum(truth)
    content = len(truth) - unhappy
    return {
        "rule": name,
        "found": named,
        "right": right,
        "precision": right / named if named else 1.0,
        "precision_95": wilson(right, named),
        "recall": right / unhappy,
        "recall_95": wilson(right, unhappy),
        "false_alarms": (named - right) / content,
        "false_alarms_95": wilson(named - right, content),
    }


def table() -> Iterator[dict[str, Any]]:
    """Yield a row for the shipped rule, for its phrases alone, and for each threshold of the words alone."""
    from chalicelib.effects.sentiment import compound
    from chalicelib.journey import documents, mismatch

    shipped = documents.read("cadence", (ROOT / "chalicelib/defaults/cadence.json").read_bytes())
    assert isinstance(shipped, documents.Cadence)  # noqa: S101 - the kind that was read
    bounds = shipped.weighing.mismatch
    known = texts()
    truth = [unhappy for _, unhappy in known]
    scores = [compound(text) for text, _ in known]
    phrases = [mismatch.has_phrase(text, bounds) for text, _ in known]
    angry: Callable[[float], list[bool]] = lambda limit: [score <= limit for score in scores]  # noqa: E731
    both = [one or other for one, other in zip(angry(bounds.compound_max), phrases, strict=True)]
    yield row(f"as shipped: compound <= {bounds.compound_max:g}, or a phrase", both, truth)
    yield row("a phrase", phrases, truth)
    for limit in THRESHOLDS:
        yield row(f"compound <= {limit:g}", angry(limit), truth)


def _percent(share: float, bounds: tuple[float, float]) -> str:
    return f"{share:6.1%} ({bounds[0]:.1%} to {bounds[1]:.1%})"


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description="How well the words alone tell an unhappy customer.")
    parser.add_argument("--json", action="store_true", help="print JSON")
    rows = list(table())
    if parser.parse_args().json:
        print(json.dumps(rows, indent=2))
        return 0
    known = texts()
    unhappy = sum(one for _, one in known)
    print(f"{len(known)} texts, {unhappy} of them unhappy; in brackets 95 % intervals (Wilson)\n")
    print(f"{'rule':<39} {'found':>5}  {'precision':<24} {'recall':<24} content ones found")
    for one in rows:
        shown = [_percent(one[name], one[f"{name}_95"]) for name in ("precision", "recall", "false_alarms")]
        print(f"{one['rule']:<39} {one['found']:>5} {shown[0]:<24} {shown[1]:<24} {shown[2]}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
