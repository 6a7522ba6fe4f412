"""Held-out users: how good a list is at once, from a few items, and how near to the one that retraining would give.

Some users are held out whole. One model is trained without them; what ranks for them is made from `clicks` of their
training items (`Recommender.recommend_from_history`). Another is trained with those clicks among its interactions. Both lists,
and the popular items, are measured on all other items that these users took.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from triptych.data.dataset import Dataset
from triptych.data.interactions import Interactions
from triptych.data.split import Split, rank_within_user
from triptych.errors import InputError
from triptych.progress import Listener, ignore_progress
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
    """users: how many are held out. overlap: the share of the retrained model's list that the list at once has.

    values: "at once", "retrained", "popularity" -> NDCG@k of those lists.
    """

    users: int
    overlap: Interval
    values: Mapping[str, Interval]


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
    listener: Listener = ignore_progress,
) -> NewUsersResult:
    """Hold a share of the users out, who have more than `clicks` training items; see the module.

    folder: where both trainings go on from if they were interrupted. Raises InputError if no user has enough items.
    """
    split = Split.from_dataset(dataset)
    taken = split.train.interactions
    generator = numpy_generator(seed, Purpose.NEW_USERS)
    able = np.flatnonzero(taken.user_degrees > clicks)
    held_out = np.sort(generator.permutation(able)[: round(share * dataset.n_users)])
    if not len(able):
        raise InputError(f"no user has more than {clicks} training items", hint="ask for fewer clicks")
    if not len(held_out):
        raise InputError(f"{share:g} of {dataset.n_users} users is nobody", hint="hold out a larger share")
    theirs = np.isin(taken.users, held_out)
    chosen = taken.select(theirs & (rank_within_user(taken, generator.random(len(taken))) < clicks))
    others = taken.select(~theirs)
    if not len(others):
        raise InputError("nobody is left to train on", hint="hold out a smaller share of the users")
    question = f"{dataset.fingerprint}, {share:g} of the users held out, {clicks} clicks, seed {seed}"
    without, with_clicks = (
        _training_on(split, some, held_out, f"{question}: {part}")
        for part, some in (("without", others), ("with clicks", others.union(chosen)))
    )
    at_once_model, retrained = (
        fit(name, each, settings, training, run=folder / part if folder else None, listener=listener)
        for part, each in (("without", without), ("with-clicks", with_clicks))
    )
    histories = _of_new_rows(chosen, held_out)
    at_once = new_user_scorer(at_once_model.scorer, without.train.interactions, histories)
    popular = fit("popularity", without).scorer
    everything = dataset.interactions
    rest = everything.select(np.isin(everything.users, held_out) & ~chosen.contain(everything.users, everything.items))
    metric = f"ndcg@{k}"
    rankings: dict[str, tuple[Scorer, Interactions, Interactions]] = {
        "at once": (at_once, _of_new_rows(rest, held_out), histories),
        "retrained": (retrained.scorer, rest, chosen),
        "popularity": (popular, rest, chosen),
    }
    values = {}
    for whose, (scorer, relevant, seen) in rankings.items():
        per_user = evaluate(scorer, relevant, seen, [metric], listener=listener).per_user[metric]
        values[whose] = interval(per_user, generator)
    shares = _shared(
        _lists(at_once, np.arange(len(held_out)), k, histories), _lists(retrained.scorer, held_out, k, chosen)
    )
    return NewUsersResult(len(held_out), interval(shares, generator), values)


def _training_on(split: Split, taken: Interactions, held_out: NDArray[np.int64], name: str) -> Split:
    """The same split with other training interactions, by name; held-out users do not say when to stop."""
    validation = split.validation
    return replace(
        split,
        train=replace(split.train, interactions=taken, times=None, fingerprint=name),
        validation=validation.select(~np.isin(validation.users, held_out)),
    )


def _of_new_rows(taken: Interactions, users: NDArray[np.int64]) -> Interactions:
    """The interactions of some users, ascending rows, who are counted from 0 now."""
    return Interactions(np.searchsorted(users, taken.users), taken.items, len(users), taken.n_items)


def _lists(scorer: Scorer, users: NDArray[np.int64], k: int, seen: Interactions) -> NDArray[np.int64]:
    return np.concatenate([items for _, items, _ in rank_all(scorer, users, k, seen)])


def _shared(one: NDArray[np.int64], other: NDArray[np.int64]) -> NDArray[np.float64]:
    """float64 [n]: the share of the other's items in each row that stand in the one's too; -1 is no item."""
    pairs = [(a[a >= 0], b[b >= 0]) for a, b in zip(one, other, strict=True)]
    return np.array([len(np.intersect1d(a, b)) / max(1, len(b)) for a, b in pairs])
