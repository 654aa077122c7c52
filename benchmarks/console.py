"""What every page and list of the console and of the staff API costs: ``python benchmarks/console.py``.

Prints a table in Markdown: requests of AWS services and read units as DynamoDB would count them, at 1,000 and 100,000
journeys, and the median time of the processor on the keyed stand-in at 100,000, from the request to the finished page
(other programs may run beside it). What there is: `tests/entry/load.py`. It takes four minutes and 4 GB.
"""

import sys
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from time import process_time

sys.path.insert(0, str(Path(__file__).parents[1]))

from local.stack import Stack
from tests.entry.load import Load, Look

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
FEW, MANY = 1_000, 100_000
TIMES = 9


def main() -> None:
    """Print one row for each page and operation, and the slowest."""
    few, many = Load(Stack(NOW), FEW), Load(Stack(NOW), MANY)
    costs = [(look, few.cost(before), many.cost(look)) for before, look in zip(few.looks(), many.looks(), strict=True)]
    print(f"| page or operation | requests | read units | of both at {MANY:,} | ms |\n|---|---|---|---|---|")
    slowest = (0.0, "")
    for look, cost, later in costs:
        same = "the same" if cost == later else f"{later.requests} and {later.units:g}"
        milliseconds = took(many, look)
        slowest = max(slowest, (milliseconds, look.label))
        print(f"| `{look.label}` | {cost.requests} | {cost.units:g} | {same} | {milliseconds:.1f} |", flush=True)
    print(f"\nThe slowest: {slowest[1]}, {slowest[0]:.1f} ms.")


def took(load: Load, look: Look) -> float:
    """Return the median time of a request, in milliseconds."""
    found = []
    for _ in range(TIMES):
        started = process_time()
        load.ask(look)
        found.append((process_time() - started) * 1000)
    return median(found)


if __name__ == "__main__":
    main()
