"""METRICS: the quality of ranked lists, one function per metric.

Every metric gets the same two arrays: which ranks hold a relevant item, `hits` bool [n, k], and the number of relevant
items per user, `n_relevant` int64 [n] (at least 1). It returns float64 [n]. Relevance is 0 or 1. Ideal lists count all
relevant items, not only the retrieved ones.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from triptych.errors import SettingsError, did_you_mean

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Hits:
    """The ranks of the relevant items: hits bool [n, k], and their number per user, n_relevant int64 [n]."""

    hits: NDArray[np.bool_]
    n_relevant: NDArray[np.int64]

    @property
    def k(self) -> int:
        return int(self.hits.shape[1])

    @cached_property
    def found(self) -> NDArray[np.int64]:
        """int64 [n, k]: the number of relevant items up to each rank."""
        return np.cumsum(self.hits, axis=1, dtype=np.int64)

    def at(self, k: int) -> Hits:
        """Return the hits at the first k ranks."""
        return Hits(self.hits[:, :k], self.n_relevant)


def ndcg(at: Hits) -> FloatArray:
    """Σ hit_r / log2(r + 1), divided by the value of an ideal list of length k."""
    discounts = 1.0 / np.log2(np.arange(2, at.k + 2))
    ideal = np.concatenate([[0.0], np.cumsum(discounts)])[np.minimum(at.n_relevant, at.k)]
    return np.asarray((at.hits * discounts).sum(axis=1) / ideal)


def recall(at: Hits) -> FloatArray:
    """The share of the relevant items that are in the list."""
    return np.asarray(at.found[:, -1] / at.n_relevant)


def precision(at: Hits) -> FloatArray:
    """The share of the k ranks that hold a relevant item."""
    return np.asarray(at.found[:, -1] / at.k)


def hit_rate(at: Hits) -> FloatArray:
    """1 if any relevant item is in the list, else 0."""
    return (at.found[:, -1] > 0).astype(np.float64)


def mean_average_precision(at: Hits) -> FloatArray:
    """The sum of the precisions at the ranks of the relevant items, divided by the number of relevant items."""
    precisions = at.found / np.arange(1, at.k + 1)
    return np.asarray((precisions * at.hits).sum(axis=1) / at.n_relevant)


def mean_reciprocal_rank(at: Hits) -> FloatArray:
    """1 / the rank of the first relevant item; 0 if none is in the list."""
    first = at.hits.argmax(axis=1)
    return np.asarray(at.hits.any(axis=1) / (first + 1.0))


METRICS: dict[str, Callable[[Hits], FloatArray]] = {
    "ndcg": ndcg,
    "recall": recall,
    "precision": precision,
    "hit_rate": hit_rate,
    "map": mean_average_precision,
    "mrr": mean_reciprocal_rank,
}


@dataclass(frozen=True)
class Metric:
    """A metric at a cutoff, written `ndcg@50`."""

    name: str
    k: int

    def __str__(self) -> str:
        return f"{self.name}@{self.k}"

    def values(self, hits: Hits) -> FloatArray:
        """float64 [n]: the metric per user, from hits at this cutoff or a larger one."""
        return METRICS[self.name](hits.at(self.k))


def parse_metric(text: str) -> Metric:
    """Parse `"ndcg@50"`. Raises SettingsError for an unknown name, with a suggestion, or a bad cutoff."""
    name, at, cutoff = text.strip().lower().partition("@")
    if name not in METRICS:
        raise SettingsError(f'unknown metric "{text}"', hint=did_you_mean(name, METRICS) + " Write it as ndcg@50.")
    if not at or not cutoff.isdigit() or int(cutoff) < 1:
        raise SettingsError(f'metric "{text}" needs a cutoff of 1 or more', hint=f"write for example {name}@50")
    return Metric(name, int(cutoff))
