"""The cube: what the facts of a batch add to each of its cells. Pure.

A cell is one day of everything (``all``), or of one team, category or channel; it holds a count for each measure of
`journey/tally.py`. There are no cells for combinations, so a day has as many as there are teams, categories and
channels, however many journeys there were.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from chalicelib.journey.tally import Tally
from chalicelib.store.figures import Entry

#: What figures may be grouped by, besides the day.
DIMENSIONS = ("team", "category", "channel")
#: A transaction writes a hundred items at most, the cursor among them.
MOST_CELLS = 99
Cells = dict[str, dict[str, int]]


def names(tally: Tally, day: str) -> Iterator[str]:
    """Yield the names of the cells that a fact counts in on a day."""
    yield f"all#{day}#"
    for dimension in DIMENSIONS:
        yield f"{dimension}#{day}#{getattr(tally, dimension)}"


def add(entries: Iterable[Entry], cells: Mapping[str, Mapping[str, int]] | None = None) -> Cells:
    """Return the cells with these facts added, each fact once however often it is among them.

    ``cells`` are as they were before; those that no fact touches are returned as they are.
    """
    after: Cells = {name: dict(cell) for name, cell in (cells or {}).items()}
    for tally in {entry.fact: entry.tally for entry in entries}.values():
        for day, changes in tally.days.items():
            for name in names(tally, day):
                cell = after.setdefault(name, {})
                for measure, number in changes.items():
                    cell[measure] = cell.get(measure, 0) + number
    return {name: {measure: number for measure, number in cell.items() if number} for name, cell in after.items()}


def batch(entries: Sequence[Entry]) -> tuple[Sequence[Entry], set[str]]:
    """Return as many of the entries, from the first on, as one transaction can count, and the cells they touch."""
    touched: set[str] = set()
    for number, entry in enumerate(entries):
        more = {name for day in entry.tally.days for name in names(entry.tally, day)}
        if number and len(touched | more) > MOST_CELLS:
            return entries[:number], touched
        touched |= more
    return entries, touched
