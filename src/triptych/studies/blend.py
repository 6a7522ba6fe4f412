"""Several fitted models as one: their standardised scores, weighed; the weights are chosen on validation.

Coordinate ascent: the best of them has weight 1; then one weight after the other is tried on a grid, and kept if it
makes the list better, until none does.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from triptych.data.interactions import Interactions
from triptych.errors import InputError
from triptych.progress import Listener, Progress, silent, told
from triptych.ranking.evaluate import hits_of, users_that_count
from triptych.ranking.metrics import Metric, metric_of
from triptych.ranking.recommender import Recommender
from triptych.ranking.scorer import Blend, Factors, ItemWeights, standardised
from triptych.ranking.topk import top_k_of

GRID = (0.0, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0)
ROUNDS = 3  # over all weights, at most
CHUNK_SCORES = 16_000_000  # scores of one model held at a time

Weights = tuple[float, ...]


def blend(
    recommenders: Sequence[Recommender],
    *,
    metric: str = "ndcg@50",
    n_users: int = 10_000,
    seed: int = 0,
    listener: Listener = silent,
) -> Recommender:
    """Blend models of one data set and split; n_users: so many are looked at to choose the weights, drawn by chance.

    Only the training and the validation part are looked at. Raises InputError if the models are not of one data set,
    are blends themselves, or nothing is held out for validation.
    """
    first, scorers = recommenders[0], []
    for each in recommenders:
        if isinstance(each.scorer, Blend):
            raise InputError("a blend cannot be blended again", mend="name the runs that it was made of")
        if not np.array_equal(each.split.train.interactions.keys, first.split.train.interactions.keys):
            raise InputError("the runs are not of one data set and split", mend="fit all of them to the same folder")
        scorers.append(each.scorer)
    _, relevant, seen, _ = first.question("validation", "train")
    users = users_that_count(relevant)
    if len(users) > n_users:
        users = np.sort(np.random.default_rng(seed).choice(users, n_users, replace=False))
    asked = metric_of(metric)

    def values(candidates: Sequence[Weights], stage: str) -> list[float]:
        return _values(scorers, candidates, users, relevant, seen, asked, listener, stage)

    n = len(scorers)
    alone = [tuple(float(place == one) for place in range(n)) for one in range(n)]
    worth = values(alone, "each alone")
    best = alone[int(np.argmax(worth))]
    value, base = max(worth), int(np.argmax(worth))
    for turn in range(ROUNDS):
        before = best
        for place in (place for place in range(n) if place != base):
            candidates = [(*best[:place], weight, *best[place + 1 :]) for weight in GRID if weight != best[place]]
            found = values(candidates, f"weight {place + 1} of {n}, round {turn + 1}")
            if max(found) > value:
                best, value = candidates[int(np.argmax(found))], max(found)
        listener(Progress("blending", turn + 1, ROUNDS, f"{metric} {value:.4f} with {best}"))
        if best == before:
            break
    about = {
        "model": "blend",
        "of": [dict(each.about) for each in recommenders],
        "weights": list(best),
        "data": first.about.get("data"),
        "split": first.about.get("split"),
        "weights chosen": f"by {metric} on validation, {len(users)} users: {value:.6f}",
        "alone": worth,
    }
    parameters = {
        f"{n}.{name}": value for n, each in enumerate(recommenders) for name, value in each.parameters.items()
    }
    return Recommender(Blend(tuple(scorers), best), first.dataset, parameters, about)


def _values(
    scorers: Sequence[Factors | ItemWeights],
    candidates: Sequence[Weights],
    users: NDArray[np.int64],
    relevant: Interactions,
    seen: Interactions,
    metric: Metric,
    listener: Listener,
    stage: str,
) -> list[float]:
    """The mean metric of every candidate: every model's scores are computed once for all of them."""
    size = max(1, min(2048, CHUNK_SCORES // scorers[0].n_items))
    totals = np.zeros(len(candidates))
    needed = [place for place in range(len(scorers)) if any(weights[place] for weights in candidates)]
    for begin in told(stage, range(0, len(users), size), listener):
        chunk = users[begin : begin + size]
        parts = {place: standardised(scorers[place].score(chunk)) for place in needed}
        for number, weights in enumerate(candidates):
            scores = torch.stack([weights[place] * part for place, part in parts.items()]).sum(dim=0)
            items, _ = top_k_of(scores, chunk, metric.k, seen)
            totals[number] += metric.values(hits_of(chunk, items, relevant)).sum()
    return [float(total) / len(users) for total in totals]
