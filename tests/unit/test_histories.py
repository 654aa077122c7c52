"""Whatever happens, in whatever order: the six invariants hold, and every row of the table is run."""

from itertools import permutations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chalicelib.journey import machine
from tests.unit.world import MOVES, Play, World

HISTORIES = st.lists(st.tuples(st.sampled_from(MOVES), st.integers(0, 7), st.integers(0, 7)), min_size=1, max_size=40)
PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


def play(moves) -> World:
    world = World()
    history = Play(world)
    for move in moves:
        history.move(*move)
        assert world.violations() == []
    history.what_ifs()
    return world


@settings(PATIENT, max_examples=150)
@given(HISTORIES)
def test_the_invariants_hold_whatever_happens(moves):
    play(moves)


@pytest.mark.slow
@settings(PATIENT, max_examples=5_000)
@given(HISTORIES)
def test_the_invariants_hold_in_many_more_histories(moves):
    play(moves)
