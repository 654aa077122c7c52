"""The cube is the sum of its facts, to the byte: whatever comes twice, in another order, or dies on the way."""

from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from botocore.exceptions import EndpointConnectionError, ReadTimeoutError
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.insight import cube
from chalicelib.insight.rollup import SETTLES, Rebuilding, Rollup
from chalicelib.journey.tally import Tally
from chalicelib.store.errors import Conflict
from chalicelib.store.figures import Entry, FigureStore, Generations, TooMany, dump, entry_item
from local.aws import Account
from local.provision import provision
from tests.faults.world import WAYS, Boundary, Died

START = datetime(2026, 3, 2, 10, tzinfo=UTC)
LATER = START + timedelta(days=1)
MEASURES = ("begun", "sent/survey", "answered/survey", "score/survey/csat/5", "outcome/unknown")
TALLIES = st.builds(
    Tally,
    team=st.sampled_from(["north", "south", "(none)"]),
    category=st.sampled_from(["sound", "a#b$ ü", "(none)"]),
    channel=st.just("mail"),
    days=st.dictionaries(
        st.sampled_from(["2026-03-01", "2026-03-02"]),
        st.dictionaries(st.sampled_from(MEASURES), st.sampled_from([-1, 1, 2]), min_size=1),
        min_size=1,
    ),
)
#: A fact: seconds after the start at which it was stored, and what it changes.
FACTS = st.lists(st.tuples(st.integers(0, 3600), TALLIES), max_size=30)


class Place:
    """A table, what was logged in it, and a boundary at which things may go wrong."""

    def __init__(self, faults=None):
        self.now = START
        self.account = Account(lambda: self.now)
        self.table = provision(self.account, "dev")["TABLE"]
        self.client = self.account.client("dynamodb")
        self.boundary = Boundary(faults or {})
        self.store = FigureStore(self.client, self.table, self.boundary)
        self.facts = []

    def log(self, number, at, tally):
        """Store the entry of a fact, as its commit would; a second time is nothing new."""
        item = entry_item("J#j1", f"fact-{number}", at, tally)
        self.client.put_item(TableName=self.table, Item=item)
        self.facts.append(Entry(item["sk"]["S"], tally))

    def rollup(self, **bounds):
        return Rollup(self.store, **bounds)

    def cells(self, generation=1):
        """Return every cell of a generation as it is stored, summed over nothing: bytes."""
        items = self.client.scan(TableName=self.table)["Items"]
        prefix = f"CUBE#service#{generation}#"
        return {
            (i["pk"]["S"].removeprefix(prefix), i["sk"]["S"]): i["body"]["B"] for i in items if prefix in i["pk"]["S"]
        }

    def expected(self):
        """Return what the cells should be, from the facts alone."""
        shards = {}
        for entry in {entry.fact: entry for entry in self.facts}.values():
            shards.setdefault(str(int(entry.fact[:2], 16) % 4), []).append(entry)
        summed = {(shard, name): dump(cell) for shard, all_ in shards.items() for name, cell in cube.add(all_).items()}
        return {where: body for where, body in summed.items() if body != b"{}"}


def insist(act):
    """Do it until it comes through: what failed on the way was the fault of the plan."""
    for _ in range(10):
        try:
            return act()
        except (Died, EndpointConnectionError, ReadTimeoutError):
            continue
    raise AssertionError("it never came through")


def add_up(place, rollup, until):
    """Run until nothing is left, however often a run dies."""
    while insist(lambda: rollup.run(until)) or _unfinished(place.store.generations()):
        pass


def _unfinished(generations):
    return generations.built or generations.cleared


@settings(max_examples=60)
@given(FACTS, st.randoms(use_true_random=False))
def test_doubled_and_shuffled_facts_add_up_to_the_same_bytes(facts, dice: Random):
    once = [Entry(f"{at:05}#{number:032x}", tally) for number, (at, tally) in enumerate(facts)]
    again = [*once, *once]
    dice.shuffle(again)
    plain = {name: dump(cell) for name, cell in cube.add(once).items()}
    assert {name: dump(cell) for name, cell in cube.add(again).items()} == plain


@settings(max_examples=20)
@given(FACTS, st.randoms(use_true_random=False), st.integers(1, 7), st.integers(1, 5))
def test_facts_stored_in_any_order_and_counted_in_pieces_of_any_size_are_the_sum(facts, dice, page, batches):
    place = Place()
    arrivals = list(enumerate(facts))
    dice.shuffle(arrivals)
    rollup = place.rollup(page=page, most_batches=batches)
    for number, (at, tally) in arrivals:
        place.log(number, START + timedelta(seconds=at), tally)
    while rollup.run(LATER):
        pass
    assert place.cells() == place.expected()


@settings(max_examples=20)
@given(FACTS, st.integers(1, 40))
def test_a_run_in_between_counts_nothing_twice_and_passes_over_nothing(facts, step):
    """Facts arrive up to SETTLES late, while runs go on."""
    place = Place()
    rollup = place.rollup()
    waiting = sorted((at + (at * 7919) % int(SETTLES.total_seconds()), number) for number, (at, _) in enumerate(facts))
    for second in range(0, 3600 + 2 * int(SETTLES.total_seconds()), step * 60):
        while waiting and waiting[0][0] <= second:
            number = waiting.pop(0)[1]
            place.log(number, START + timedelta(seconds=facts[number][0]), facts[number][1])
        rollup.run(START + timedelta(seconds=second))
    rollup.run(LATER)
    assert place.cells() == place.expected()


@settings(max_examples=20)
@given(FACTS, FACTS)
def test_a_rebuild_from_the_facts_equals_what_was_counted_as_they_came(facts, more):
    place = Place()
    for number, (at, tally) in enumerate(sorted(facts, key=lambda fact: fact[0])):
        place.log(number, START + timedelta(seconds=at), tally)
        place.rollup().run(START + timedelta(seconds=at) + SETTLES)
    place.rollup().run(LATER)
    counted = place.cells(1)
    place.rollup().rebuild(LATER)
    for number, (at, tally) in enumerate(more, start=len(facts)):
        place.log(number, LATER + timedelta(seconds=at), tally)
    place.rollup(page=2, most_batches=3).run(LATER + timedelta(hours=2))
    add_up(place, place.rollup(page=3), LATER + timedelta(hours=3))
    assert place.store.generations().shown == 2
    assert place.cells(2) == place.expected()
    assert place.cells(1) == {}
    if not more:
        assert place.cells(2) == counted


FIXED = [
    (n * 97 % 3600, Tally("north", "sound", "mail", {"2026-03-02": {"begun": 1, MEASURES[n % 5]: 1}}))
    for n in range(16)
]


@pytest.mark.parametrize("way", WAYS)
def test_a_run_that_dies_anywhere_in_any_way_leaves_the_same_sum(way):
    crossings = _run_and_rebuild(Place())
    assert crossings > 10
    for position in range(crossings):
        place = Place({position: way})
        _run_and_rebuild(place)
        assert (place.cells(2), place.cells(1)) == (place.expected(), {}), f"crossing {position}"


def _run_and_rebuild(place):
    for number, (at, tally) in enumerate(FIXED):
        place.log(number, START + timedelta(seconds=at), tally)
    rollup = place.rollup(page=5)
    add_up(place, rollup, LATER)
    insist(lambda: _unfinished(place.store.generations()) or rollup.rebuild(LATER))
    add_up(place, rollup, LATER)
    return len(place.boundary.names)


def test_two_runs_at_once_count_once():
    """The second reads its cursors before the first has written, and is refused when it writes."""
    place = Place()
    for number, (at, tally) in enumerate(FIXED):
        place.log(number, START + timedelta(seconds=at), tally)
    slow = FigureStore(place.client, place.table)
    read = slow.cursors(1)
    slow.cursors = lambda generation: read
    place.rollup().run(LATER)
    assert Rollup(slow).run(LATER) == 0
    assert place.cells() == place.expected()


def test_what_was_stored_a_moment_ago_waits_for_what_may_come_before_it():
    place = Place()
    place.log(1, START, FIXED[0][1])
    assert [place.rollup().run(START + SETTLES), place.rollup().run(START + SETTLES + timedelta(seconds=1))] == [0, 1]


def test_one_rebuild_at_a_time():
    place = Place()
    place.rollup().rebuild(START)
    with pytest.raises(Rebuilding):
        place.rollup().rebuild(START)
    with pytest.raises(Conflict):
        place.store.change(Generations(), Generations(built=2))


def test_a_batch_never_has_more_cells_than_a_transaction_can_write():
    place = Place()
    for number in range(120):
        days = {f"2026-0{1 + number % 3}-{1 + number % 28:02}": {"begun": 1}}
        place.log(number, START, Tally(f"team {number}", f"category {number}", "mail", days))
    assert place.rollup().run(LATER) == 120
    assert place.cells() == place.expected()


def test_a_reading_is_bounded():
    place = Place()
    big = {f"score/survey/csat/{number}": 1 for number in range(12_000)}
    place.log(1, START, Tally("north", "x", "mail", {"2026-03-02": big}))
    for number in range(2, 40):
        place.log(number, START, Tally(f"team {number}", "x", "mail", {"2026-03-02": big}))
    place.rollup().run(LATER)
    with pytest.raises(TooMany):
        list(place.store.read(1, "team", "2026-03-01", "2026-03-31", 1))


def test_a_reading_has_every_day_from_the_first_to_the_last_and_no_other():
    place = Place()
    for number, day in enumerate(["2026-02-28", "2026-03-01", "2026-03-02", "2026-03-03"]):
        place.log(number, START, Tally("ünï#$", "x", "mail", {day: {"begun": 1}}))
    place.rollup().run(LATER)
    found = sorted(place.store.read(1, "team", "2026-03-01", "2026-03-02", 4))
    assert found == [("2026-03-01", "ünï#$", {"begun": 1}), ("2026-03-02", "ünï#$", {"begun": 1})]
