"""What a run's lists are worth: metrics a user, kinds of users and items apart, and what of the catalogue they show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from triptych.data.interactions import Interactions
from triptych.progress import Listener, ignore_progress
from triptych.ranking.evaluate import hits_of, users_that_count
from triptych.ranking.metrics import Hits, Metric, parse_metric
from triptych.ranking.scorer import Scorer
from triptych.ranking.topk import rank_all

ACTIVITY = (0, 5, 10, 20, 50)  # training interactions that a band of users begins with
HEAD = 0.2  # of the items that anybody took: the most popular ones; the others are the long tail

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]


@dataclass(frozen=True)
class Stratum:
    """Some users' metric, or all users' on some items: what, in words; how many users count, and a value each."""

    what: str
    users: IntArray
    values: FloatArray


@dataclass(frozen=True)
class Measured:
    """users int64 [n]: those with held-out items; per_user: metric -> float64 [n].

    Of the lists at the largest cutoff, of these users: coverage, the share of the catalogue that is in any list;
    novelty, the mean of -log2 of the share of the users that took an item (in training; an item that nobody took counts
    as taken by one); long_tail, the share of the recommendations that are not among the most popular items.
    strata: the first metric by users' activity and by items' popularity.
    """

    users: IntArray
    per_user: Mapping[str, FloatArray]
    coverage: float
    novelty: float
    long_tail: float
    strata: Sequence[Stratum]


def measure(
    scorer: Scorer,
    relevant: Interactions,
    seen: Interactions,
    train: Interactions,
    metrics: Sequence[str],
    listener: Listener = ignore_progress,
) -> Measured:
    """Rank everything but the seen items for every user who has relevant ones, once, and measure all of it.

    Raises SettingsError on an unknown metric, InputError if no user has a relevant item.
    """
    asked = [parse_metric(metric) for metric in metrics]
    users = users_that_count(relevant)
    k = max(metric.k for metric in asked)
    items = np.concatenate([some for _, some, _ in rank_all(scorer, users, k, seen, listener, "measuring")])
    real = items >= 0
    hits = hits_of(users, items, relevant)
    degrees, listed = train.item_degrees, items[real]
    taken_by = np.maximum(degrees, 1) / max(1, int((train.user_degrees > 0).sum()))
    return Measured(
        users,
        {str(metric): metric.values(hits) for metric in asked},
        coverage=len(np.unique(listed)) / train.n_items,
        novelty=float(-np.log2(taken_by[listed]).mean()) if len(listed) else 0.0,
        long_tail=float((~_head(degrees))[listed].mean()) if len(listed) else 0.0,
        strata=[
            *_by_activity(users, asked[0].values(hits), train.user_degrees[users]),
            *_by_popularity(asked[0], users, items, hits, relevant, degrees),
        ],
    )


def _by_activity(users: IntArray, values: FloatArray, activity: IntArray) -> list[Stratum]:
    """Users with so many training interactions, and nobody else."""
    strata = []
    for low, high in zip(ACTIVITY, [*ACTIVITY[1:], None], strict=True):
        chosen = (activity >= low) & (activity < high if high is not None else True)
        words = f"users with {low} or more" if high is None else f"users with {low} to {high - 1}"
        if chosen.any():
            strata.append(Stratum(words, users[chosen], values[chosen]))
    return strata


def _by_popularity(
    metric: Metric, users: IntArray, items: IntArray, hits: Hits, relevant: Interactions, degrees: IntArray
) -> list[Stratum]:
    """Everybody's relevant items of one kind alone, in the same lists."""
    head, cold = _head(degrees), degrees == 0
    strata = []
    for words, kind in (("popular items", head), ("long-tail items", ~head & ~cold), ("cold items", cold)):
        n_relevant = relevant.select(kind[relevant.items]).user_degrees[users]
        some = n_relevant > 0
        if some.any():
            found = Hits((hits.hits & kind[np.maximum(items, 0)])[some], n_relevant[some])
            strata.append(Stratum(words, users[some], metric.values(found)))
    return strata


def _head(degrees: IntArray) -> BoolArray:
    """bool [n_items]: the most popular of the items that anybody took."""
    head = np.zeros(len(degrees), dtype=np.bool_)
    n_head = int(np.ceil(HEAD * (degrees > 0).sum()))
    head[np.argsort(-degrees, kind="stable")[:n_head]] = True
    return head
