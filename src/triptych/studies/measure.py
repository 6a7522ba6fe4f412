"""Measurements of one run: metrics per user, in groups of users and items, and how much of the catalogue is shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from triptych.data.interactions import Interactions
from triptych.progress import Listener, ignore_progress
from triptych.ranking.evaluate import hits_of, users_with_relevant_items
from triptych.ranking.list_metrics import coverage, novelty
from triptych.ranking.metrics import Hits, Metric, parse_metric
from triptych.ranking.scorer import Scorer
from triptych.ranking.topk import rank_all

ACTIVITY = (0, 5, 10, 20, 50)  # lower bounds of the groups of users, in training interactions
HEAD = 0.2  # the share of the items with interactions that are popular; the others are the long tail

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]


@dataclass(frozen=True)
class Group:
    """A metric for some users, or for all users on some items.

    label: a description. users: int64 [n], the users who count; values: float64 [n], one per user.
    """

    label: str
    users: IntArray
    values: FloatArray


@dataclass(frozen=True)
class Measurement:
    """Metrics of one run. users: int64 [n], those with held-out items. per_user: metric -> float64 [n].

    The other values are about the lists of these users at the largest cutoff.
    coverage: the share of the catalogue that is in at least one list.
    novelty: the mean of -log2(share of the users with a training interaction with the item); an item without
    interactions counts as if it had one.
    long_tail: the share of the recommended items that are not popular.
    groups: the first metric by activity of the users, and by popularity of the items.
    """

    users: IntArray
    per_user: Mapping[str, FloatArray]
    coverage: float
    novelty: float
    long_tail: float
    groups: Sequence[Group]


def measure(
    scorer: Scorer,
    relevant: Interactions,
    seen: Interactions | None,
    train: Interactions,
    metrics: Sequence[str],
    listener: Listener = ignore_progress,
) -> Measurement:
    """Rank all items but the seen ones, once per user with relevant items, and compute all measurements.

    Raises SettingsError for an unknown metric, InputError if no user has a relevant item.
    """
    parsed = [parse_metric(metric) for metric in metrics]
    users = users_with_relevant_items(relevant)
    k = max(metric.k for metric in parsed)
    items = np.concatenate([chunk for _, chunk, _ in rank_all(scorer, users, k, seen, listener, "measuring")])
    hits = hits_of(users, items, relevant)
    degrees, recommended = train.item_degrees, items[items >= 0]
    return Measurement(
        users,
        {str(metric): metric.values(hits) for metric in parsed},
        coverage=coverage(items, train.n_items),
        novelty=novelty(items, train),
        long_tail=float((~_popular(degrees))[recommended].mean()) if len(recommended) else 0.0,
        groups=[
            *_by_activity(users, parsed[0].values(hits), train.user_degrees[users]),
            *_by_popularity(parsed[0], users, items, hits, relevant, degrees),
        ],
    )


def _by_activity(users: IntArray, values: FloatArray, activity: IntArray) -> list[Group]:
    """Group users by their number of training interactions. activity: int64 [n], that number per user."""
    groups = []
    for low, high in zip(ACTIVITY, [*ACTIVITY[1:], None], strict=True):
        chosen = (activity >= low) & (activity < high if high is not None else True)
        label = f"users with {low} or more" if high is None else f"users with {low} to {high - 1}"
        if chosen.any():
            groups.append(Group(label, users[chosen], values[chosen]))
    return groups


def _by_popularity(
    metric: Metric, users: IntArray, items: IntArray, hits: Hits, relevant: Interactions, degrees: IntArray
) -> list[Group]:
    """Measure the same lists with only the relevant items of one kind: popular, long-tail or cold."""
    popular, cold = _popular(degrees), degrees == 0
    groups = []
    for label, kind in (("popular items", popular), ("long-tail items", ~popular & ~cold), ("cold items", cold)):
        n_relevant = relevant.select(kind[relevant.items]).user_degrees[users]
        chosen = n_relevant > 0
        if chosen.any():
            found = hits.hits & kind[np.maximum(items, 0)]
            hits_of_kind = Hits(found[chosen], n_relevant[chosen], users[chosen], items[chosen])
            groups.append(Group(label, users[chosen], metric.values(hits_of_kind)))
    return groups


def _popular(degrees: IntArray) -> BoolArray:
    """bool [n_items]: the most popular `HEAD` of the items that have interactions."""
    popular = np.zeros(len(degrees), dtype=np.bool_)
    n_popular = int(np.ceil(HEAD * (degrees > 0).sum()))
    popular[np.argsort(-degrees, kind="stable")[:n_popular]] = True
    return popular
