"""The trade-off of diversity: what a larger weight costs in the metric, and what it gains in variety of the lists."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from typing import Any

import numpy as np

from triptych.data.features import Features
from triptych.data.interactions import Interactions
from triptych.errors import SettingsError, did_you_mean
from triptych.progress import Listener, ignore_progress
from triptych.ranking.evaluate import hits_of, users_with_relevant_items
from triptych.ranking.greedy import fill_lists
from triptych.ranking.item_vectors import INTERACTIONS, MODEL, item_vectors, users_of_items
from triptych.ranking.list_metrics import coverage, gini, intra_list_similarity, novelty
from triptych.ranking.metrics import Metric
from triptych.ranking.protocol import EvaluationTask
from triptych.ranking.reranking import Diversity, ItemKnowledge, list_rules, pool_size
from triptych.ranking.topk import rank_all


@dataclass(frozen=True)
class TradeOffPoint:
    """Lists with one weight of diversity. metric: the mean of the first metric; the lists have its cutoff as length.

    similarity: the mean over users of the intra-list similarity. coverage, novelty: as in `Measurement`. gini: of how
    often each item is in a list.
    """

    weight: float
    metric: float
    similarity: float
    coverage: float
    novelty: float
    gini: float


def check_similarity(similarity: str, features: Mapping[str, Features]) -> None:
    """Raise SettingsError unless items can be compared in this way."""
    if similarity not in (known := (MODEL, INTERACTIONS, *features)):
        raise SettingsError(f'unknown similarity "{similarity}"', hint=did_you_mean(similarity, known))


def trade_off(
    task: EvaluationTask,
    train: Interactions,
    features: Mapping[str, Features],
    weights: Sequence[float],
    metric: Metric,
    similarity: str = MODEL,
    listener: Listener = ignore_progress,
) -> list[TradeOffPoint]:
    """Measure lists with each weight of diversity; the pools that they are chosen from are ranked once.

    similarity: of the items, as in `Diversity`. The intra-list similarity that is measured is the same, but for "model"
    it is "interactions", so that all models are measured alike.
    """
    users, k = users_with_relevant_items(task.relevant), metric.k
    known = ItemKnowledge(task.scorer, train, train, None, features)
    rules = [list_rules(Diversity(weight, similarity), known) for weight in weights]
    lists: list[list[Any]] = [[] for _ in weights]
    ranked = rank_all(
        task.scorer, users, pool_size(k, task.scorer.n_items), task.seen, listener, "diversifying", task.candidates
    )
    for chunk, items, scores in ranked:
        for rule, of_weight in zip(rules, lists, strict=True):
            chosen = items[:, :k] if rule is None else fill_lists(chunk, items, scores, k, rule)[0]
            of_weight.append(chosen.astype(np.int32))
    alike = similarity not in (MODEL, INTERACTIONS)
    vectors = item_vectors(similarity, task.scorer, train, features) if alike else users_of_items(train)
    points = []
    for weight, of_weight in zip(weights, lists, strict=True):
        items = np.concatenate(of_weight).astype(np.int64)
        cosines = intra_list_similarity(items, vectors)
        points.append(
            TradeOffPoint(
                weight,
                float(metric.values(hits_of(users, items, task.relevant)).mean()),
                float(np.nanmean(cosines)) if np.isfinite(cosines).any() else 0.0,
                coverage(items, train.n_items),
                novelty(items, train),
                gini(items, train.n_items),
            )
        )
    return points


def mean_trade_off(runs: Sequence[Sequence[TradeOffPoint]]) -> list[TradeOffPoint]:
    """Return the means over runs with the same weights."""
    return [
        TradeOffPoint(*np.mean([astuple(each) for each in same], axis=0).tolist()) for same in zip(*runs, strict=True)
    ]
