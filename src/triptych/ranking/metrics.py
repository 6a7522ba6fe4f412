"""METRICS: the quality of ranked lists, one function per metric.

Every metric gets the same `Hits`: which ranks hold a relevant item, `hits` bool [n, k], and the number of relevant
items per user, `n_relevant` int64 [n] (at least 1). It returns float64 [n]. Relevance is 0 or 1. Ideal lists count all
relevant items, not only the retrieved ones. A metric of the list itself, such as novelty, reads `users` and `items`.

Metrics from outside the package are given as `Metric(name, k, function)`, or found by name among the plug-ins.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from triptych.display import card_with_shapes, displayed
from triptych.errors import SettingsError, did_you_mean
from triptych.plugins import NAME, find_plugins

FloatArray = NDArray[np.float64]


@displayed(card_with_shapes)
@dataclass(frozen=True)
class Hits:
    """The ranks of the relevant items: hits bool [n, k], and their number per user, n_relevant int64 [n].

    users: int64 [n] rows of the users. items: int64 [n, k] rows of the ranked items, -1 after the end of a list.
    """

    hits: NDArray[np.bool_]
    n_relevant: NDArray[np.int64]
    users: NDArray[np.int64]
    items: NDArray[np.int64]

    @property
    def k(self) -> int:
        return int(self.hits.shape[1])

    @cached_property
    def found(self) -> NDArray[np.int64]:
        """int64 [n, k]: the number of relevant items up to each rank."""
        return np.cumsum(self.hits, axis=1, dtype=np.int64)

    def at(self, k: int) -> Hits:
        """Return the hits at the first k ranks."""
        return Hits(self.hits[:, :k], self.n_relevant, self.users, self.items[:, :k])


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


MetricFunction = Callable[[Hits], FloatArray]
METRICS: dict[str, MetricFunction] = {
    "ndcg": ndcg,
    "recall": recall,
    "precision": precision,
    "hit_rate": hit_rate,
    "map": mean_average_precision,
    "mrr": mean_reciprocal_rank,
}


@dataclass(frozen=True)
class Metric:
    """A metric at a cutoff, written `ndcg@50`; with a function of your own: `Metric("first", 10, function)`.

    function: Hits of the first k ranks -> float64 [n], one finite number per user; the mean over the users is reported.
    Raises SettingsError for an unknown name, a name of ours with another function, or a bad cutoff.
    """

    name: str
    k: int
    function: MetricFunction | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if isinstance(self.k, bool) or not isinstance(self.k, int) or self.k < 1:
            raise _bad_cutoff(f"{self.name}@{self.k}", self.name)
        if self.function is None:
            object.__setattr__(self, "function", _function_of(self.name, self.name))
        elif METRICS.get(self.name, self.function) is not self.function:
            raise SettingsError(f'"{self.name}" is a metric of ours', hint="give yours another name")
        if not callable(self.function):
            raise SettingsError(f'metric "{self.name}" is not a function', hint="give a function: Hits -> float64 [n]")
        if not NAME.fullmatch(self.name):
            raise SettingsError(f'"{self.name}" cannot be the name of a metric', hint="use a-z, 0-9, - and _")

    def __str__(self) -> str:
        return f"{self.name}@{self.k}"

    def values(self, hits: Hits) -> FloatArray:
        """float64 [n]: the metric per user, from hits at this cutoff or a larger one.

        Raises SettingsError if the function does not return one finite number per user.
        """
        assert self.function is not None
        values: object = self.function(hits.at(self.k))
        if METRICS.get(self.name) is self.function:
            return np.asarray(values)
        return _one_per_user(values, len(hits.users), str(self))


def parse_metric(metric: str | Metric) -> Metric:
    """Parse `"ndcg@50"`. Raises SettingsError for an unknown name, with a suggestion, or a bad cutoff."""
    given: object = metric
    if isinstance(metric, Metric):
        return metric
    if not isinstance(given, str):
        hint = 'write "ndcg@50", or triptych.Metric("first", 10, function) for a function of your own'
        raise SettingsError(f"{given!r} is not a metric", hint=hint)
    name, at, cutoff = metric.strip().lower().partition("@")
    function = _function_of(name, metric)
    if not at or not cutoff.isdigit() or int(cutoff) < 1:
        raise _bad_cutoff(metric, name)
    return Metric(name, int(cutoff), function)


def _function_of(name: str, text: str) -> MetricFunction:
    """Return the function of a metric, one of ours or a plug-in. Raises SettingsError. text: as it was written."""
    if name in METRICS:
        return METRICS[name]
    plugins = find_plugins("metric", METRICS)
    plugin = plugins.get(name)
    if plugin is None:
        hint = did_you_mean(name, [*METRICS, *plugins.usable]) + " Write it as ndcg@50."
        raise SettingsError(f'unknown metric "{text}"', hint=hint)
    function: object = plugin.load()
    if not callable(function):
        raise plugin.error("is not a function", "register a function: Hits -> float64 [n]")
    return function


def _one_per_user(values: object, n: int, metric: str) -> FloatArray:
    """Return what a function from outside returned as float64 [n]."""
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        array = np.empty(0)
    if array.shape != (n,) or not np.isfinite(array).all():
        found = "values that are not finite" if array.shape == (n,) else f"the shape {list(array.shape)}"
        raise SettingsError(f'metric "{metric}" returned {found}', hint=f"one number per user is expected: [{n}]")
    return array


def _bad_cutoff(text: str, name: str) -> SettingsError:
    return SettingsError(f'metric "{text}" needs a cutoff of 1 or more', hint=f"write for example {name}@50")
