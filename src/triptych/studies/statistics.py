"""What a comparison may claim: intervals over users, and paired tests with correction for their number.

Intervals: percentile bootstrap over users (B. Efron and R. Tibshirani, "An Introduction to the Bootstrap", 1993).
Tests: paired t tests over the users' differences, which for as many users as data sets have agree with randomisation
tests (M. Smucker et al., "A Comparison of Statistical Significance Tests for Information Retrieval Evaluation",
CIKM 2007), corrected by S. Holm, "A Simple Sequentially Rejective Multiple Test Procedure", 1979.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

LEVEL, RESAMPLES = 0.95, 1000
AT_ONCE = 8_000_000  # numbers of resamples that are held at a time


@dataclass(frozen=True)
class Interval:
    """A mean over users, and between what the bootstrap puts it with 95 % confidence."""

    mean: float
    low: float
    high: float


def interval(values: FloatArray, generator: np.random.Generator) -> Interval:
    """The interval of the mean of values [n], one a user."""
    n = len(values)
    pieces = np.array_split(np.arange(RESAMPLES), -(-RESAMPLES * n // AT_ONCE))
    means = [values[generator.integers(0, n, (len(some), n))].mean(axis=1) for some in pieces]
    low, high = np.quantile(np.concatenate(means), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(values.mean()), float(low), float(high))


def paired_p(one: FloatArray, other: FloatArray) -> float:
    """The two-sided p of the users' differences [n] having the mean 0; 1 where none differs or is alone."""
    from scipy import stats

    difference = one - other
    if len(difference) < 2 or not difference.any():
        return 1.0
    return float(stats.ttest_1samp(difference, 0.0).pvalue)


def holm(p: Sequence[float]) -> list[float]:
    """p values corrected for their number, in the order given: each is at least what it was, and 1 at most."""
    order = np.argsort(p, kind="stable")
    corrected = np.maximum.accumulate([(len(p) - rank) * p[position] for rank, position in enumerate(order)])
    result = np.empty(len(p))
    result[order] = np.minimum(corrected, 1.0)
    return [float(each) for each in result]
