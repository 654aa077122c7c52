"""Shares, means and net promoter scores with their 95% intervals, from exact counts. Pure.

Sources of the formulas:

- *share*: Wilson's score interval (Wilson 1927, J. Am. Stat. Assoc. 22; recommended for all n by Brown, Cai and
  DasGupta 2001, Statistical Science 16), which stays within 0 and 1 and is honest at 0 of n.
- *net promoter score*: the difference of two proportions of the same people, so Bonett and Price's adjusted Wald
  interval (2012, J. Educ. Behav. Stat. 37), which adds one to each.
- *mean*: Student's t interval.
"""

from collections.abc import Mapping
from math import sqrt
from statistics import NormalDist

import msgspec

CONFIDENCE = 0.95
#: Fewer answers than this say nothing of a trend (``min_n_trend``).
FEW = 30
_Z = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
#: 97.5% quantiles of Student's t for 1 to 29 degrees of freedom. Source: any table, such as NIST's Handbook, 1.3.6.7.2.
_T = (
    *(12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228),
    *(2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086),
    *(2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045),
)
_PROMOTERS, _DETRACTORS = range(9, 11), range(7)


class Estimate(msgspec.Struct, frozen=True):
    """A figure, its interval, and the number of observations behind it. No observations, no figure."""

    n: int
    value: float | None = None
    low: float | None = None
    high: float | None = None

    @property
    def is_few(self) -> bool:
        """Say whether there are too few observations to read a trend from."""
        return self.n < FEW


def share(part: int, n: int) -> Estimate:
    """Return ``part`` of ``n`` as a share from 0 to 1, with Wilson's interval."""
    if n <= 0:
        return Estimate(n=0)
    part = min(max(part, 0), n)
    centre = (part + _Z**2 / 2) / (n + _Z**2)
    half = _Z / (n + _Z**2) * sqrt(part * (n - part) / n + _Z**2 / 4)
    return Estimate(n, part / n, max(centre - half, 0.0), min(centre + half, 1.0))


def mean(histogram: Mapping[int, int]) -> Estimate:
    """Return the mean of scores (score → how often), with Student's interval, which one observation does not have."""
    n = sum(histogram.values())
    if n <= 0:
        return Estimate(n=0)
    average = sum(score * number for score, number in histogram.items()) / n
    if n == 1:
        return Estimate(n, average)
    variance = sum(number * (score - average) ** 2 for score, number in histogram.items()) / (n - 1)
    half = _t(n - 1) * sqrt(variance / n)
    return Estimate(n, average, average - half, average + half)


def _t(degrees: int) -> float:
    """Return the quantile of Student's t: from the table, else by Cornish and Fisher's expansion, exact to 0.0001.

    Source of the expansion: Abramowitz and Stegun, 26.7.5.
    """
    if degrees <= len(_T):
        return _T[degrees - 1]
    terms = (
        (_Z**3 + _Z) / 4,
        (5 * _Z**5 + 16 * _Z**3 + 3 * _Z) / 96,
        (3 * _Z**7 + 19 * _Z**5 + 17 * _Z**3 - 15 * _Z) / 384,
    )
    return _Z + sum((term / float(degrees**power) for power, term in enumerate(terms, start=1)), 0.0)


def promoter_score(histogram: Mapping[int, int]) -> Estimate:
    """Return the net promoter score, -100 to 100, of answers from 0 to 10 (answer → how often)."""
    n = sum(histogram.values())
    if n <= 0:
        return Estimate(n=0)
    promoters = sum(histogram.get(score, 0) for score in _PROMOTERS)
    detractors = sum(histogram.get(score, 0) for score in _DETRACTORS)
    up, down = (promoters + 1) / (n + 2), (detractors + 1) / (n + 2)
    half = _Z * sqrt((up + down - (up - down) ** 2) / (n + 2))
    low, high = max(up - down - half, -1.0), min(up - down + half, 1.0)
    return Estimate(n, 100 * (promoters - detractors) / n, 100 * low, 100 * high)
