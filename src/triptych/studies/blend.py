"""Several fitted models as one: their standardised scores, weighed; the weights are chosen on validation.

Coordinate ascent: the best of them has weight 1 and the others 0; then one weight after the other is tried on a grid,
and kept if it makes the list better, until none does, at most five times over.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from triptych.errors import InputError
from triptych.progress import Listener, Progress, ignore_progress, track
from triptych.ranking.evaluate import evaluate, users_that_count
from triptych.ranking.metrics import Metric, parse_metric
from triptych.ranking.protocol import EvaluationProtocol
from triptych.ranking.recommender import Recommender
from triptych.ranking.scorer import Blend, Factors, ItemWeights
from triptych.studies.shortlists import Shortlists, most_users, shortlists

GRID = (0.0, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0)
ROUNDS = 5  # over all weights, at most

Weights = tuple[float, ...]


def blend(
    recommenders: Sequence[Recommender],
    *,
    metric: str = "ndcg@50",
    n_users: int = 10_000,
    seed: int = 0,
    listener: Listener = ignore_progress,
) -> Recommender:
    """Blend models of one data set and split; n_users: so many are looked at to choose the weights, drawn by chance.

    Fewer where their shortlists would take over 2 GB. Its `about` tells what it is made `of` and, of every model that
    was `tried`, its weight and what it is worth alone; one of weight 0 is no part of it. Only the training and the
    validation part are looked at. Raises InputError if the models are not of one data set, are blends themselves, or
    nothing is held out for validation.
    """
    first = recommenders[0]
    for each in recommenders:
        if not np.array_equal(each.split.train.interactions.keys, first.split.train.interactions.keys):
            raise InputError("the runs are not of one data set and split", hint="fit all of them to the same folder")
    scorers, n = _scorers(recommenders), len(recommenders)
    task = first.evaluation_task(EvaluationProtocol("validation"))
    relevant, seen = task.relevant, task.seen
    asked, users = parse_metric(metric), users_that_count(relevant)
    n_users = min(n_users, most_users(n, first.dataset.n_items, asked.k))
    if len(users) > n_users:
        users = np.sort(np.random.default_rng(seed).choice(users, n_users, replace=False))
    lists = shortlists(scorers, users, relevant, seen, asked.k, listener)
    alone = [_mean(lists, [each.scores[position] for each in lists], asked) for position in range(n)]
    base = int(np.argmax(alone))
    only_base: Weights = tuple(float(position == base) for position in range(n))
    best, value = only_base, alone[base]
    for turn in range(ROUNDS):
        before = best
        for position in track("weights", [position for position in range(n) if position != base], listener):
            best, value = _climb(lists, best, value, position, asked)
        listener(Progress("blending", turn + 1, ROUNDS, f"{metric} {value:.4f} with {best}"))
        if best == before:
            break
    whole, some = weighed(recommenders, best), relevant.select(np.isin(relevant.users, users))
    value = evaluate(whole.scorer, some, seen, [metric], listener=listener)[metric]  # of all items, not shortlists
    if value < alone[base]:
        best, value = only_base, alone[base]
        whole = weighed(recommenders, best)
    candidates = [
        {**each.about, "weight": weight, "alone": worth}
        for each, weight, worth in zip(recommenders, best, alone, strict=True)
    ]
    chosen = f"by {metric} on validation, {len(users)} users: {value:.6f}"
    return replace(whole, about={**whole.about, "candidates": candidates, "weights_chosen": chosen})


def weighed(recommenders: Sequence[Recommender], weights: Weights) -> Recommender:
    """The blend with these weights, one of them not 0 at least; what has weight 0 is no part of it.

    Raises InputError if one of the models is a blend.
    """
    first = recommenders[0]
    parts = [(each, weight) for each, weight in zip(recommenders, weights, strict=True) if weight]
    assert parts
    scorers, used = _scorers([each for each, _ in parts]), tuple(weight for _, weight in parts)
    about = {
        "model": "blend",
        "models": [dict(each.about) for each, _ in parts],
        "weights": list(used),
        "data": first.about.get("data"),
        "split": first.about.get("split"),
    }
    parameters = {f"{n}.{name}": value for n, (each, _) in enumerate(parts) for name, value in each.parameters.items()}
    return Recommender(Blend(scorers, used), first.dataset, parameters, about)


def _scorers(recommenders: Sequence[Recommender]) -> tuple[Factors | ItemWeights, ...]:
    scorers = []
    for each in recommenders:
        if isinstance(each.scorer, Blend):
            raise InputError("a blend cannot be blended again", hint="name the runs that it was made of")
        scorers.append(each.scorer)
    return tuple(scorers)


def _climb(
    lists: Sequence[Shortlists], best: Weights, value: float, position: int, metric: Metric
) -> tuple[Weights, float]:
    """Weights and value with the best weight at one place, the others as they are."""
    others = [each.weighed([*best[:position], 0.0, *best[position + 1 :]]) for each in lists]
    for weight in GRID:
        if weight != best[position]:
            scores = [
                torch.add(rest, each.scores[position], alpha=weight) for rest, each in zip(others, lists, strict=True)
            ]
            if (found := _mean(lists, scores, metric)) > value:
                best, value = (*best[:position], weight, *best[position + 1 :]), found
    return best, value


def _mean(lists: Sequence[Shortlists], scores: Sequence[torch.Tensor], metric: Metric) -> float:
    return float(np.concatenate([each.values(one, metric) for each, one in zip(lists, scores, strict=True)]).mean())
