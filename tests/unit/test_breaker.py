"""The breaker judges by the lower limit of the interval, never by a handful of mails."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.journey.breaker import Tally, judge, lower_limit
from chalicelib.journey.documents import BreakerRules


@pytest.mark.parametrize(
    ("tally", "why"),
    [
        (Tally(499, 499, 499), ""),
        (Tally(500, 10, 0), ""),
        (Tally(500, 16, 0), ""),
        (Tally(500, 17, 0), "bounces"),
        (Tally(500, 0, 1), ""),
        (Tally(500, 0, 2), "complaints"),
        (Tally(10_000, 228, 0), "bounces"),
        (Tally(10_000, 227, 0), ""),
        (Tally(100_000, 2_000, 80), ""),
        (Tally(100_000, 2_100, 80), "bounces"),
        (Tally(0, 0, 0), ""),
    ],
)
def test_what_opens_the_breaker(tally, why):
    assert judge(tally, BreakerRules()) == why


def test_the_interval_is_wilsons():
    assert round(lower_limit(10, 100), 4) == 0.0552  # statsmodels 0.14: proportion_confint(10, 100, method="wilson")


@given(st.integers(1, 10**6).flatmap(lambda sent: st.tuples(st.just(sent), st.integers(0, sent))))
def test_the_lower_limit_lies_between_nothing_and_the_share(counted):
    sent, events = counted
    assert 0 <= lower_limit(events, sent) <= events / sent + 1e-12
