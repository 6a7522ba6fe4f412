"""Statistics of a comparison: intervals over users, and paired tests with correction for their number.

Intervals: percentile bootstrap over users (B. Efron and R. Tibshirani, "An Introduction to the Bootstrap", 1993).
Tests: paired t tests over the users' differences. With as many users as our data sets have, they agree with
randomisation tests (M. Smucker et al., "A Comparison of Statistical Significance Tests for Information Retrieval
Evaluation", CIKM 2007). Correction: S. Holm, "A Simple Sequentially Rejective Multiple Test Procedure", 1979.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

LEVEL, RESAMPLES = 0.95, 1000
CHUNK_VALUES = 8_000_000  # values of resamples that are in memory at a time


@dataclass(frozen=True)
class Interval:
    """A mean over users and its 95 % confidence interval by the bootstrap."""

    mean: float
    low: float
    high: float


def interval(values: FloatArray, generator: np.random.Generator) -> Interval:
    """The interval of the mean of values, float64 [n], one per user."""
    n = len(values)
    chunks = np.array_split(np.arange(RESAMPLES), -(-RESAMPLES * n // CHUNK_VALUES))
    means = [values[generator.integers(0, n, (len(chunk), n))].mean(axis=1) for chunk in chunks]
    low, high = np.quantile(np.concatenate(means), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(values.mean()), float(low), float(high))


def paired_p(one: FloatArray, other: FloatArray) -> float:
    """The two-sided p value of the users' differences, float64 [n], having mean 0; 1 if n < 2 or no user differs."""
    from scipy import stats

    difference = one - other
    if len(difference) < 2 or not difference.any():
        return 1.0
    return float(stats.ttest_1samp(difference, 0.0).pvalue)


def holm(p: Sequence[float]) -> list[float]:
    """Correct p values for their number, in the given order. A corrected value is never smaller, and at most 1."""
    order = np.argsort(p, kind="stable")
    corrected = np.maximum.accumulate([(len(p) - rank) * p[position] for rank, position in enumerate(order)])
    result = np.empty(len(p))
    result[order] = np.minimum(corrected, 1.0)
    return [float(each) for each in result]
