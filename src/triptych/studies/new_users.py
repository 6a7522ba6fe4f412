"""Evaluate recommendations for new users: how good they are without retraining, and how close to those with retraining.

Some users are held out completely, and two models are trained. The first one is trained without these users. Their
lists are made from some of their training items, here called clicks, as `Recommender.recommend_from_history` does. The
second model is trained with the clicks as well. The lists of both models, and the popular items, are measured on all
other items of these users.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from triptych.bars import shows_progress
from triptych.data.dataset import Dataset
from triptych.data.interactions import Interactions
from triptych.data.row_splits import rank_within_user
from triptych.data.split import Split
from triptych.data.weights import normalised
from triptych.errors import InputError
from triptych.progress import Listener, automatic_progress
from triptych.ranking.evaluate import evaluate
from triptych.ranking.new_users import new_user_scorer
from triptych.ranking.scorer import Scorer
from triptych.ranking.topk import rank_all
from triptych.seeds import Purpose, numpy_generator
from triptych.studies.statistics import Interval, interval
from triptych.training.fit import fit
from triptych.training.settings import TrainingSettings


@dataclass(frozen=True)
class NewUsersResult:
    """users: the number of held-out users. overlap: the share of the retrained model's items that both lists have.

    values: "from_history", "retrained" and "popularity" -> NDCG@k of these lists.
    """

    users: int
    overlap: Interval
    values: Mapping[str, Interval]


@shows_progress
def evaluate_new_users(
    name: str,
    dataset: Dataset,
    settings: Mapping[str, object] | None = None,
    training: TrainingSettings | None = None,
    *,
    folder: Path | None = None,
    share: float = 0.1,
    clicks: int = 5,
    k: int = 50,
    seed: int = 0,
    listener: Listener = automatic_progress,
    should_stop: Callable[[], bool] | None = None,
) -> NewUsersResult:
    """Hold out a share of the users, all with more than `clicks` training items, and compare lists; see the module.

    folder: for the run folders of the two trainings, which are resumed after an interruption. should_stop: see `fit`.
    Raises InputError if no user has enough items, or if no user would be held out or left to train on.
    """
    split = Split.from_dataset(dataset)
    train = split.train.interactions
    generator = numpy_generator(seed, Purpose.NEW_USERS)
    held_out = _draw_users(train, share, clicks, generator)
    of_held_out = np.isin(train.users, held_out)
    clicked = train.select(
        of_held_out & (rank_within_user(train.users, train.items, generator.random(len(train))) < clicks)
    )
    others = train.select(~of_held_out)
    if not len(others):
        raise InputError("no user is left to train on", hint="hold out a smaller share of the users")
    setup = f"{dataset.fingerprint}, {share:g} of the users held out, {clicks} clicks, seed {seed}"
    without = _training_split(split, others, held_out, f"{setup}: without")
    with_clicks = _training_split(split, others.union(clicked), held_out, f"{setup}: with clicks")
    model, retrained = (
        fit(
            name,
            each,
            settings,
            training,
            run=folder / run if folder else None,
            listener=listener,
            should_stop=should_stop,
        )
        for run, each in (("without", without), ("with-clicks", with_clicks))
    )
    histories = _renumber_users(clicked, held_out)
    from_history = new_user_scorer(model.scorer, without.train.interactions, histories)
    popular = fit("popularity", without).scorer
    everything = dataset.interactions
    relevant = everything.select(
        np.isin(everything.users, held_out) & ~clicked.contain(everything.users, everything.items)
    )
    metric = f"ndcg@{k}"
    rankings: dict[str, tuple[Scorer, Interactions, Interactions]] = {
        "from_history": (from_history, _renumber_users(relevant, held_out), histories),
        "retrained": (retrained.scorer, relevant, clicked),
        "popularity": (popular, relevant, clicked),
    }
    values = {}
    for kind, (scorer, relevant_items, seen) in rankings.items():
        per_user = evaluate(scorer, relevant_items, seen, [metric], listener=listener).per_user[metric]
        values[kind] = interval(per_user, generator)
    overlap = _overlap(
        _lists(from_history, np.arange(len(held_out)), k, histories), _lists(retrained.scorer, held_out, k, clicked)
    )
    return NewUsersResult(len(held_out), interval(overlap, generator), values)


def _draw_users(train: Interactions, share: float, clicks: int, generator: np.random.Generator) -> NDArray[np.int64]:
    """int64 [n], ascending: a random share of all users, from those with more than `clicks` training items."""
    candidates = np.flatnonzero(train.user_degrees > clicks)
    held_out = np.sort(generator.permutation(candidates)[: round(share * train.n_users)])
    if not len(candidates):
        raise InputError(f"no user has more than {clicks} training items", hint="ask for fewer clicks")
    if not len(held_out):
        raise InputError(f"{share:g} of {train.n_users} users is no user", hint="hold out a larger share")
    return held_out


def _training_split(split: Split, train: Interactions, held_out: NDArray[np.int64], fingerprint: str) -> Split:
    """Return the split with some of its training interactions only, and without held-out users in validation."""
    validation, before = split.validation, split.train
    weights = before.weights
    if weights is not None:
        weights = normalised(weights[train.contain(before.interactions.users, before.interactions.items)])
    return replace(
        split,
        train=replace(before, interactions=train, times=None, weights=weights, fingerprint=fingerprint),
        validation=validation.select(~np.isin(validation.users, held_out)),
    )


def _renumber_users(interactions: Interactions, users: NDArray[np.int64]) -> Interactions:
    """Return the interactions with row n for users[n]. users: int64 [n], ascending, all users of the interactions."""
    rows = np.searchsorted(users, interactions.users)
    return Interactions(rows, interactions.items, len(users), interactions.n_items)


def _lists(scorer: Scorer, users: NDArray[np.int64], k: int, seen: Interactions) -> NDArray[np.int64]:
    return np.concatenate([items for _, items, _ in rank_all(scorer, users, k, seen)])


def _overlap(one: NDArray[np.int64], other: NDArray[np.int64]) -> NDArray[np.float64]:
    """float64 [n]: the share of the items in each row of `other` that are also in the row of `one`; -1 is no item."""
    pairs = [(a[a >= 0], b[b >= 0]) for a, b in zip(one, other, strict=True)]
    return np.array([len(np.intersect1d(a, b)) / max(1, len(b)) for a, b in pairs])
