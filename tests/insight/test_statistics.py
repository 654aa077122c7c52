"""Figures and their intervals against published values."""

import pytest

from chalicelib.insight.statistics import Estimate, mean, promoter_score, share


@pytest.mark.parametrize(
    ("part", "n", "low", "high"),
    [
        # Newcombe 1998, Statistics in Medicine 17, table I, method 3 (score, no continuity correction)
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_a_share_has_wilsons_interval(part, n, low, high):
    found = share(part, n)
    assert (found.n, found.value) == (n, part / n)
    assert (found.low, found.high) == pytest.approx((low, high), abs=5e-5)


def test_the_interval_of_all_of_them_is_that_of_none_turned_round():
    assert (share(20, 20).low, share(20, 20).high) == pytest.approx((1 - 0.1611, 1.0), abs=5e-5)


def test_no_observations_are_no_figure():
    assert [share(0, 0), mean({}), promoter_score({})] == [Estimate(n=0)] * 3


def test_a_mean_has_students_interval():
    """By hand: 1 to 5 once each has mean 3 and variance 2.5, and t for four degrees of freedom is 2.776."""
    found = mean({1: 1, 2: 1, 3: 1, 4: 1, 5: 1})
    assert (found.n, found.value) == (5, 3)
    assert (found.low, found.high) == pytest.approx((3 - 1.9629, 3 + 1.9629), abs=5e-4)


@pytest.mark.parametrize(("degrees", "quantile"), [(30, 2.0423), (40, 2.0211), (60, 2.0003), (120, 1.9799)])
def test_where_the_table_ends_the_quantile_is_as_exact(degrees, quantile):
    """Two values: the half width is t times the rest of the formula. Source of t: NIST's Handbook, 1.3.6.7.2."""
    n = degrees + 1
    low, high = n // 2, n - n // 2
    average = high / n
    spread = (low * average**2 + high * (1 - average) ** 2) / degrees
    found = mean({0: low, 1: high})
    assert (found.high - found.value) / (spread / n) ** 0.5 == pytest.approx(quantile, abs=1e-4)


def test_one_answer_has_a_mean_and_no_interval():
    assert mean({4: 1}) == Estimate(n=1, value=4)


def test_the_promoter_score_leaves_the_sevens_and_eights_out_of_its_difference():
    """By hand: 5 promoters, 2 detractors of 10; with one added to each, 0.5 and 0.25 of 12, so 0.25 ± 0.4694."""
    found = promoter_score({10: 3, 9: 2, 8: 2, 7: 1, 6: 1, 0: 1})
    assert (found.n, found.value) == (10, 30)
    assert (found.low, found.high) == pytest.approx((-21.94, 71.94), abs=0.05)


def test_the_promoter_score_and_its_interval_stay_within_their_scale():
    found = promoter_score({10: 3})
    assert (found.value, found.high) == (100, 100)
    assert -100 <= promoter_score({0: 3}).low <= promoter_score({0: 3}).high < 0 or promoter_score({0: 3}).high < 100


def test_below_thirty_there_are_too_few():
    assert [share(1, n).is_few for n in (29, 30)] == [True, False]
