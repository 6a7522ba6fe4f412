"""Blend several fitted models: a weighted sum of their standardised scores, with weights chosen on validation.

The weights are found by coordinate ascent. At first the best model has weight 1 and the others 0. Then one weight after
the other is tried on a grid, and a value that improves the metric is kept. This ends when no weight changes in a round,
or after five rounds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from triptych.bars import shows_progress
from triptych.data.split import FIT_ON
from triptych.errors import InputError, SettingsError, argument
from triptych.progress import Listener, Progress, automatic_progress, track
from triptych.ranking.evaluate import evaluate, users_with_relevant_items
from triptych.ranking.given_scores import GivenScores
from triptych.ranking.metrics import Metric, parse_metric
from triptych.ranking.own_scorer import require_ours
from triptych.ranking.protocol import EvaluationProtocol
from triptych.ranking.recommender import Recommender
from triptych.ranking.scorer import Blend, SimpleScorer
from triptych.studies.shortlists import Shortlists, max_users, shortlists

GRID = (0.0, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0)
ONE_EACH = f"write one weight per run, in their order, for example {argument(weights=(1, 2, 0.5))}"
MAX_ROUNDS = 5  # over all weights

Weights = tuple[float, ...]


@shows_progress
def blend(
    recommenders: Sequence[Recommender],
    *,
    metric: str = "ndcg@50",
    n_users: int = 10_000,
    seed: int = 0,
    listener: Listener = automatic_progress,
) -> Recommender:
    """Blend models that were fitted to one data set and split.

    n_users: the number of random users whose lists decide about the weights; fewer if their shortlists would need more
    than 2 GB. Only the training and validation interactions are used. A model with weight 0 is not in the result.
    The result's `about` has `models`, those in the blend, and `candidates`, all models with their weights and with the
    metric of each model `alone`. Raises InputError if the models were fitted to different data, if one of them is a
    blend, or if there are no validation interactions.
    """
    first = _first_model(recommenders)
    _require_same_data(recommenders)
    scorers, parsed = _scorers(recommenders), parse_metric(metric)
    task = first.evaluation_task(EvaluationProtocol("validation"))
    relevant, seen = task.relevant, task.seen
    n_users = min(n_users, max_users(len(scorers), first.dataset.n_items, parsed.k))
    users = _draw_users(users_with_relevant_items(relevant), n_users, seed)
    lists = shortlists(scorers, users, relevant, seen, parsed.k, listener)
    alone = [_mean(lists, [each.scores[n] for each in lists], parsed) for n in range(len(scorers))]
    weights = _choose_weights(lists, alone, parsed, listener)
    blended = weighted_blend(recommenders, weights)
    subset = relevant.select(np.isin(relevant.users, users))
    value = evaluate(blended.scorer, subset, seen, [metric], listener=listener)[metric]  # of all items, not shortlists
    if value < max(alone):
        weights, value = _only_best(alone), max(alone)
        blended = weighted_blend(recommenders, weights)
    candidates = [
        {**each.about, "weight": weight, "alone": own_value}
        for each, weight, own_value in zip(recommenders, weights, alone, strict=True)
    ]
    chosen = f"by {metric} on validation, {len(users)} users: {value:.6f}"
    return replace(blended, about={**blended.about, "candidates": candidates, "weights_chosen": chosen})


def weighted_blend(recommenders: Sequence[Recommender], weights: Weights) -> Recommender:
    """Return the blend with these weights, in the order of the models. Models with weight 0 are left out.

    Nothing is chosen, so no validation is needed: final fits are blended with the weights that earlier runs had.
    Raises InputError if the models were fitted to different data, or one of them is a blend; SettingsError if there is
    not one weight per model, or none that is not 0.
    """
    first = _first_model(recommenders)
    _require_same_data(recommenders)
    if len(weights) != len(recommenders) or not any(weights) or not np.isfinite(weights).all():
        raise SettingsError(f"{len(weights)} weights for {len(recommenders)} models, not all 0", hint=ONE_EACH)
    models = [(each, weight) for each, weight in zip(recommenders, weights, strict=True) if weight]
    scorers, used = _scorers([each for each, _ in models]), tuple(float(weight) for _, weight in models)
    about = {
        "model": "blend",
        "models": [dict(each.about) for each, _ in models],
        "weights": list(used),
        "data": first.about.get("data"),
        "split": first.about.get("split"),
        **{name: first.about[name] for name in ("seen", FIT_ON) if name in first.about},
    }
    parameters = {f"{n}.{name}": value for n, (each, _) in enumerate(models) for name, value in each.parameters.items()}
    with_features = next((each for each, _ in models if each.dataset.user_table is not None), first)
    return Recommender(Blend(scorers, used), with_features.dataset, parameters, about)


def _first_model(recommenders: Sequence[Recommender]) -> Recommender:
    """Return the first one that was fitted: given scores do not say to what."""
    return next((each for each in recommenders if not isinstance(each.scorer, GivenScores)), recommenders[0])


def _require_same_data(recommenders: Sequence[Recommender]) -> None:
    first = recommenders[0].split.train.interactions
    if not all(np.array_equal(each.split.train.interactions.keys, first.keys) for each in recommenders):
        raise InputError("the runs are not of one data set and split", hint="fit all of them to the same folder")


def _scorers(recommenders: Sequence[Recommender]) -> tuple[SimpleScorer, ...]:
    scorers = []
    for each in recommenders:
        scorer = require_ours(each.scorer, "blended")
        if isinstance(scorer, Blend):
            raise InputError("a blend cannot be blended again", hint="name the runs that it was made of")
        scorers.append(scorer)
    return tuple(scorers)


def _draw_users(users: NDArray[np.int64], n_users: int, seed: int) -> NDArray[np.int64]:
    if len(users) <= n_users:
        return users
    return np.sort(np.random.default_rng(seed).choice(users, n_users, replace=False))


def _only_best(alone: Sequence[float]) -> Weights:
    """Weight 1 for the model that is best alone, 0 for the others."""
    best = int(np.argmax(alone))
    return tuple(float(n == best) for n in range(len(alone)))


def _choose_weights(lists: Sequence[Shortlists], alone: Sequence[float], metric: Metric, listener: Listener) -> Weights:
    """Coordinate ascent; see the module. alone: the metric of each model alone."""
    weights, value = _only_best(alone), max(alone)
    searched = [n for n in range(len(alone)) if n != int(np.argmax(alone))]
    for turn in range(MAX_ROUNDS):
        before = weights
        for n in track("weights", searched, listener):
            weights, value = _best_on_grid(lists, weights, value, n, metric)
        listener(Progress("blending", turn + 1, MAX_ROUNDS, f"{metric} {value:.4f} with {weights}"))
        if weights == before:
            break
    return weights


def _best_on_grid(
    lists: Sequence[Shortlists], best: Weights, value: float, n: int, metric: Metric
) -> tuple[Weights, float]:
    """Try all values of the grid for one weight. Return the best weights and their value of the metric."""
    others = [each.weighted_sum([*best[:n], 0.0, *best[n + 1 :]]) for each in lists]
    for weight in GRID:
        if weight != best[n]:
            scores = [torch.add(rest, each.scores[n], alpha=weight) for rest, each in zip(others, lists, strict=True)]
            new_value = _mean(lists, scores, metric)
            if new_value > value:
                best, value = (*best[:n], weight, *best[n + 1 :]), new_value
    return best, value


def _mean(lists: Sequence[Shortlists], scores: Sequence[torch.Tensor], metric: Metric) -> float:
    return float(np.concatenate([each.values(one, metric) for each, one in zip(lists, scores, strict=True)]).mean())
