"""Adds up the figures: reads what facts have changed since it last looked, and counts it, each fact once.

Every shard of the log is read in its order, behind a cursor, and never up to the present: `SETTLES` after its instant
an entry is certainly stored, so none can appear behind a cursor that has passed. A batch's cells and the cursor are one
transaction. Whatever dies, comes twice or runs beside another run: a fact is counted once.

A rebuild is the same with a new generation of the cube and cursors at the beginning; when it has caught up it takes
the place of the old one, which is cleared away. Both are counted meanwhile, so figures stay up to date.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from chalicelib.insight import cube
from chalicelib.store.errors import Conflict
from chalicelib.store.figures import Cursor, Entry, FigureStore, Generations

#: How long an entry may take from the instant that it names until it can be read. A function runs for a minute at most,
#: its clock and ours may differ by seconds, and a request on the wire when it dies arrives within seconds or never.
SETTLES = timedelta(minutes=5)
#: Facts that are read at a time.
_PAGE = 200
#: Batches of one run, some 20 ms each: a run ends long before its function's minute is over, and the next goes on.
_MOST_BATCHES = 800


class Rebuilding(Exception):
    """The figures are being rebuilt already."""


class Rollup:
    """Counts what is new."""

    def __init__(self, store: FigureStore, page: int = _PAGE, most_batches: int = _MOST_BATCHES) -> None:
        """Keep the store; ``page`` and ``most_batches`` bound one run."""
        self._store = store
        self._page = page
        self._most = most_batches

    def run(self, now: datetime) -> int:
        """Count what facts have changed until `SETTLES` ago; returns how many facts that were."""
        generations = self._store.generations()
        until, left, counted = now - SETTLES, self._most, 0
        caught_up = True
        for generation in (generations.shown, generations.built):
            if generation:
                facts, left, caught_up = self._catch_up(generation, until, left)
                counted += facts
        if generations.built and caught_up:
            self._show_built(generations)
        elif generations.cleared and caught_up:
            self._clear(generations, left)
        return counted

    def _catch_up(self, generation: int, until: datetime, left: int) -> tuple[int, int, bool]:
        """Count every shard; returns how many facts, how many batches are left, and whether all is counted."""
        counted, caught_up = 0, True
        for shard, start in self._store.cursors(generation).items():
            cursor = start
            try:
                while left and (entries := self._store.entries(shard, cursor.after, until, self._page)):
                    left -= 1
                    cursor = self._count(generation, shard, cursor, entries)
            except Conflict:
                caught_up = False  # another run is at it
            counted += cursor.counted - start.counted
        return counted, left, caught_up and left > 0

    def _count(self, generation: int, shard: int, before: Cursor, entries: Sequence[Entry]) -> Cursor:
        chosen, touched = cube.batch(entries)
        cells = cube.add(chosen, self._store.cells(generation, shard, touched))
        after = Cursor(before.version + 1, chosen[-1].place, before.counted + len(chosen))
        self._store.count(generation, shard, before, after, cells)
        return after

    def _show_built(self, generations: Generations) -> None:
        after = msgspec.structs.replace(generations, shown=generations.built, built=0, cleared=generations.shown)
        try:
            self._store.change(generations, after)
        except Conflict:
            return  # another run has done it

    def _clear(self, generations: Generations, left: int) -> None:
        while left and not self._store.clear(generations.cleared):
            left -= 1
        if left:
            try:
                self._store.change(generations, msgspec.structs.replace(generations, cleared=0))
            except Conflict:
                return

    def rebuild(self, now: datetime) -> Generations:
        """Begin to build the cube anew from the facts; the runs that follow do it, a bounded piece each.

        Raises Rebuilding when one is under way or the last one is still being cleared away, Conflict when somebody was
        faster.
        """
        before = self._store.generations()
        if before.built or before.cleared:
            raise Rebuilding
        after = msgspec.structs.replace(before, built=before.shown + 1, since=now.isoformat())
        self._store.change(before, after)
        return after

    def progress(self) -> tuple[Generations, int, int]:
        """Return the generations, and how many facts are counted in the shown and in the built one."""
        generations = self._store.generations()
        counted = [
            sum(cursor.counted for cursor in self._store.cursors(number).values()) if number else 0
            for number in (generations.shown, generations.built)
        ]
        return generations, counted[0], counted[1]
