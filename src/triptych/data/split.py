"""train | validation | test: as given, by ratio per user, by time, leave the last out, or with items held out whole."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from triptych.data.dataset import PARTS, Dataset
from triptych.data.interactions import Interactions
from triptych.errors import InputError, SettingsError, did_you_mean

How = Literal["ratio", "leave-one-out", "time", "cold-items", "given"]


@dataclass(frozen=True)
class Split:
    """What a model learns from, what chooses between models, and what judges the chosen one.

    train: the data set with the training interactions only. validation, test: interactions over the same rows.
    how: the split in words.
    """

    train: Dataset
    validation: Interactions
    test: Interactions
    how: str = ""


def split(
    dataset: Dataset,
    how: How | None = None,
    *,
    ratios: tuple[float, float, float] = (0.8, 0.1, 0.1),
    seed: int = 0,
) -> Split:
    """Split a data set; `how=None` takes the split that the data set carries, or `ratio` where it carries none.

    ratio: every user's interactions at random, `ratios` of them to train, validation and test; whoever has too few
    keeps at least one in train, and validation and test are filled by rounding down.
    leave-one-out: each user's last interaction to test, the one before to validation (by time where times are known,
    at random otherwise); users with fewer than three stay in train.
    time: one moment for all: the first 80 % of all interactions in time to train, and so on by `ratios`.
    cold-items: the last share of the items are held out whole, all their interactions to test; those of the others are
    split as by `ratio`, so that validation, and what is chosen by it, knows warm items alone. Nothing learns from a
    held-out item but its content, and none is drawn as a negative.
    given: by the column that was read with the interactions.
    Raises SettingsError on an unknown `how` or bad ratios, InputError where the data lack what `how` needs.
    """
    return of_parts(with_parts(dataset, how, ratios=ratios, seed=seed))


def with_parts(
    dataset: Dataset,
    how: How | None = None,
    *,
    ratios: tuple[float, float, float] = (0.8, 0.1, 0.1),
    seed: int = 0,
) -> Dataset:
    """The data set carrying its split (`parts`), as `split` would make it."""
    if how is None:
        how = "given" if dataset.parts is not None else "ratio"
    if how not in get_args(How):
        raise SettingsError(f'unknown split "{how}"', mend=did_you_mean(how, get_args(How)))
    if len(ratios) != 3 or min(ratios) < 0 or ratios[0] <= 0 or abs(sum(ratios) - 1) > 1e-6:
        raise SettingsError(
            f"split ratios {ratios} must be three shares that add up to 1", mend="for example 0.8,0.1,0.1"
        )
    if how == "given":
        if dataset.parts is None:
            raise InputError("the data set carries no split", mend="name the split column, or split by ratio")
        return dataset if "split" in dataset.about else _carrying(dataset, dataset.parts, "as given")
    if how == "ratio":
        parts = _by_ratio(dataset.interactions, ratios, seed)
        words = f"{_in_words(ratios)} per user, seed {seed}"
    elif how == "cold-items":
        parts = _by_ratio(dataset.interactions, ratios, seed)
        held_out = _drawn(dataset.n_items, ratios[2], seed)
        if not held_out.any():
            raise SettingsError("no item is held out", mend="leave a share for test, for example 0.8,0.1,0.1")
        parts[held_out[dataset.interactions.items]] = 2
        words = f"{ratios[2]:g} of the items held out whole, the others {_in_words(ratios)} per user, seed {seed}"
    elif how == "leave-one-out":
        parts = _leave_one_out(dataset, seed)
        words = "leave one out, by time" if dataset.times is not None else f"leave one out at random, seed {seed}"
    else:
        parts = _by_time(dataset, ratios)
        words = f"{_in_words(ratios)} by global time"
    return _carrying(dataset, parts, words)


def of_parts(dataset: Dataset) -> Split:
    """The split that a data set carries. Raises InputError if it carries none or nothing is left to train on."""
    if dataset.parts is None:
        raise InputError("the data set carries no split", mend="split it first")
    train, validation, test = (dataset.parts == part for part in range(len(PARTS)))
    if not train.any():
        raise InputError("the split leaves nothing to train on", mend="give more interactions or another split")
    times = dataset.times[train] if dataset.times is not None else None
    return Split(
        train=replace(dataset, interactions=dataset.interactions.select(train), times=times, parts=None),
        validation=dataset.interactions.select(validation),
        test=dataset.interactions.select(test),
        how=str(dataset.about.get("split", "as given")),
    )


def _carrying(dataset: Dataset, parts: NDArray[np.int8], words: str) -> Dataset:
    return replace(dataset, parts=parts, about={**dataset.about, "split": words})


def _in_words(ratios: tuple[float, float, float]) -> str:
    return ":".join(f"{share:g}" for share in ratios)


def _drawn(n_items: int, share: float, seed: int) -> NDArray[np.bool_]:
    """bool [n_items]: a share of the items, drawn at random."""
    drawn = np.zeros(n_items, dtype=np.bool_)
    drawn[np.random.default_rng([seed, 3]).permutation(n_items)[: round(n_items * share)]] = True
    return drawn


def _by_ratio(interactions: Interactions, ratios: tuple[float, float, float], seed: int) -> NDArray[np.int8]:
    generator = np.random.default_rng([seed, 1])
    place = place_in_user(interactions, generator.random(len(interactions)))
    counts = interactions.user_degrees[interactions.users]
    # from the end: the last share is test, the share before it validation, rounded down; what is left is train
    n_test = np.floor(counts * ratios[2] + 1e-9).astype(np.int64)
    n_validation = np.floor(counts * ratios[1] + 1e-9).astype(np.int64)
    # short histories: at 8:1:1 a user of five would give nothing; one each goes out while train keeps the larger half
    wanted_test = (ratios[2] > 0) & (n_test == 0) & (counts >= 3)
    wanted_validation = (ratios[1] > 0) & (n_validation == 0) & (counts >= 3)
    n_test, n_validation = n_test + wanted_test, n_validation + wanted_validation
    parts = np.zeros(len(interactions), dtype=np.int8)
    parts[place >= counts - n_test - n_validation] = 1
    parts[place >= counts - n_test] = 2
    return parts


def _leave_one_out(dataset: Dataset, seed: int) -> NDArray[np.int8]:
    interactions = dataset.interactions
    order = dataset.times if dataset.times is not None else np.random.default_rng([seed, 2]).random(len(interactions))
    place = place_in_user(interactions, order)
    counts = interactions.user_degrees[interactions.users]
    parts = np.zeros(len(interactions), dtype=np.int8)
    parts[(place == counts - 2) & (counts >= 3)] = 1
    parts[(place == counts - 1) & (counts >= 3)] = 2
    return parts


def _by_time(dataset: Dataset, ratios: tuple[float, float, float]) -> NDArray[np.int8]:
    if dataset.times is None:
        raise InputError("a split by time needs times", mend="name the time column, or choose another split")
    moments = np.sort(dataset.times)
    n = len(moments)
    first, second = (min(n - 1, round(n * share)) for share in (ratios[0], ratios[0] + ratios[1]))
    parts = np.zeros(n, dtype=np.int8)
    if ratios[0] < 1:
        parts[dataset.times >= moments[first]] = 1  # all interactions of one moment stay on one side
    if ratios[2] > 0:
        parts[dataset.times >= moments[second]] = 2
    return parts


def place_in_user(interactions: Interactions, order: NDArray[np.float64]) -> NDArray[np.int64]:
    """int64 [n]: each interaction's place among its user's, by `order`, ties by item."""
    sorted_rows = np.lexsort((interactions.items, order, interactions.users))
    place = np.empty(len(interactions), dtype=np.int64)
    place[sorted_rows] = np.arange(len(interactions)) - interactions.starts[interactions.users[sorted_rows]]
    return place
