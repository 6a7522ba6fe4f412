"""Evaluation by full ranking: a scorer and held-out interactions -> Report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from triptych.data.interactions import Interactions
from triptych.display import displayed
from triptych.errors import InputError, SettingsError
from triptych.progress import Listener, ignore_progress
from triptych.ranking.candidates import ALL_ITEMS, Candidates
from triptych.ranking.cards import card_of_report
from triptych.ranking.greedy import ListRules
from triptych.ranking.metrics import Hits, Metric, parse_metric
from triptych.ranking.protocol import EvaluationTask
from triptych.ranking.reranking import rank_all_by_rules
from triptych.ranking.scorer import Scorer

STANDARD = (
    "ndcg@10",
    "ndcg@20",
    "ndcg@50",
    "recall@10",
    "recall@20",
    "recall@50",
    "precision@50",
    "hit_rate@50",
    "map@50",
    "mrr@50",
)


@displayed(card_of_report)
@dataclass(frozen=True)
class Report:
    """The metrics of a ranking.

    users: int64 [n] rows of the users with relevant items; only they count.
    per_user: metric, as "ndcg@50" -> float64 [n].
    n_without: the number of users without a relevant item.
    excluded: which items were left out of the ranking, as text.
    """

    users: NDArray[np.int64]
    per_user: dict[str, NDArray[np.float64]]
    n_without: int
    excluded: str

    @property
    def means(self) -> dict[str, float]:
        """metric -> mean over the users with relevant items."""
        return {name: float(values.mean()) for name, values in self.per_user.items()}

    def __getitem__(self, metric: str | Metric) -> float:
        name = str(metric).strip().lower()
        if name not in self.per_user:
            name = str(parse_metric(metric))
        return float(self.per_user[name].mean())

    def subset(self, chosen: NDArray[np.bool_]) -> Report:
        """Return the report for some of the users. chosen: bool [n], aligned with `users`."""
        per_user = {name: values[chosen] for name, values in self.per_user.items()}
        return Report(self.users[chosen], per_user, self.n_without, self.excluded)


def evaluate(
    scorer: Scorer,
    relevant: Interactions,
    seen: Interactions | None,
    metrics: Sequence[str | Metric] = STANDARD,
    *,
    excluded: str = "training items",
    candidates: Candidates = ALL_ITEMS,
    rules: ListRules | None = None,
    listener: Listener = ignore_progress,
) -> Report:
    """Rank all candidates except the seen items for each user with relevant items, and compute the metrics.

    rules: what the lists are re-ranked by, see `ranking/reranking.py`.
    Raises SettingsError for an unknown metric, InputError if no user has a relevant item.
    """
    requested = parse_metrics(metrics)
    users = users_with_relevant_items(relevant)
    k = max(metric.k for metric in requested.values())
    pieces: dict[str, list[NDArray[np.float64]]] = {name: [] for name in requested}
    for chunk, items, _ in rank_all_by_rules(scorer, users, k, seen, rules, listener, "evaluating", candidates):
        hits = hits_of(chunk, items, relevant)
        for name, metric in requested.items():
            pieces[name].append(metric.values(hits))
    per_user = {name: np.concatenate(values) for name, values in pieces.items()}
    return Report(users, per_user, relevant.n_users - len(users), excluded)


def evaluate_task(
    task: EvaluationTask, metrics: Sequence[str | Metric], rules: ListRules | None, listener: Listener
) -> Report:
    """Measure what a protocol asks for; see `evaluate`."""
    return evaluate(
        task.scorer,
        task.relevant,
        task.seen,
        metrics,
        excluded=task.excluded,
        candidates=task.candidates,
        rules=rules,
        listener=listener,
    )


def parse_metrics(metrics: Sequence[str | Metric]) -> dict[str, Metric]:
    """Return metrics by name. Raises SettingsError for an unknown one, and if two functions have the same name."""
    parsed: dict[str, Metric] = {}
    for metric in map(parse_metric, metrics):
        if parsed.setdefault(str(metric), metric).function is not metric.function:
            raise SettingsError(f'two metrics are called "{metric}"', hint="give them different names")
    return parsed


def users_with_relevant_items(relevant: Interactions) -> NDArray[np.int64]:
    """Return the rows of the users with relevant items, ascending. Raises InputError if there are none."""
    users = np.flatnonzero(relevant.user_degrees)
    if not len(users):
        raise InputError(
            "no user has a held-out item, so there is nothing to measure", hint="split the data in another way"
        )
    return users


def hits_of(users: NDArray[np.int64], items: NDArray[np.int64], relevant: Interactions) -> Hits:
    """Find the relevant items in ranked lists: items int64 [n, k] (-1: no item) of users int64 [n]."""
    real = items >= 0
    found = relevant.contain(np.repeat(users, items.shape[1]), np.where(real, items, 0).reshape(-1))
    return Hits(found.reshape(items.shape) & real, relevant.user_degrees[users], users, items)
