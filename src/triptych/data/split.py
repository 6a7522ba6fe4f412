"""Train, validation and test: as given, by ratio per user, by time, leave-one-out, or whole items or users held out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, cast, get_args

import numpy as np
from numpy.typing import NDArray

from triptych.data.cards import card_of_split
from triptych.data.dataset import Dataset
from triptych.data.interactions import Interactions
from triptych.data.row_splits import How, Rows, describe_split, exact_shares, split_rows
from triptych.data.split_codes import SPLITS, TEST, TRAIN, VALIDATION, bits_of, codes_of, in_split
from triptych.data.weights import normalised
from triptych.display import displayed
from triptych.errors import InputError, SettingsError, did_you_mean

FIT_ON = "fit_on"  # the key in the description of a run, if it is not "train"
FitOn = Literal["train", "train+validation", "all"]


@displayed(card_of_split)
@dataclass(frozen=True)
class Split:
    """Training data, and the held-out interactions that select (validation) and judge (test) a model.

    train: the data set with the training interactions only. validation, test: interactions over the same rows. Where
    people buy the same again (`train.keeps_seen`), they may have pairs that are in train too.
    how: a description of the split.
    """

    train: Dataset
    validation: Interactions
    test: Interactions
    how: str = ""

    @classmethod
    def from_dataset(cls, dataset: Dataset, fit_on: FitOn = "train") -> Split:
        """Return the split that a data set carries.

        fit_on: what becomes training data: train as it is, or for a final fit with validation, or with all. Validation
        is then empty, and test too for all, which needs no split. Raises InputError if the data set has no split, or
        no training interactions; SettingsError for an unknown `fit_on`.
        """
        if fit_on not in get_args(FitOn):
            raise SettingsError(f'unknown choice "{fit_on}"', hint=did_you_mean(fit_on, get_args(FitOn)))
        codes, how = dataset.split_codes, str(dataset.about.get("split", "as given"))
        if codes is None and fit_on == "all":
            codes, how = np.full(len(dataset.interactions), TRAIN, dtype=np.int8), "none"
        if codes is None:
            raise InputError("the data set has no split", hint='split it first, or fit on all of it: `fit_on="all"`')
        if fit_on != "train":
            codes, how = _merged(codes, fit_on), f"{how}; the model is fitted on {fit_on}"
        train, validation, test = (in_split(codes, each) for each in (TRAIN, VALIDATION, TEST))
        if not train.any():
            raise InputError("the split has no training interactions", hint="give more interactions or another split")
        times = dataset.times[train] if dataset.times is not None else None
        interactions = dataset.interactions.select(train)
        weights = normalised(dataset.weights[train]) if dataset.weights is not None else None
        return cls(
            train=replace(dataset, interactions=interactions, times=times, weights=weights, split_codes=None),
            validation=dataset.interactions.select(validation),
            test=dataset.interactions.select(test),
            how=how,
        )

    def known_interactions(self) -> Dataset:
        """Return the data set of all interactions with their split, without features, times and weights."""
        parts = (self.train.interactions, self.validation, self.test)
        keys, n_items = np.concatenate([each.keys for each in parts]), self.train.n_items
        distinct, position = np.unique(keys, return_inverse=True)
        bits = np.repeat(1 << np.arange(len(SPLITS)), [len(each) for each in parts])
        codes = codes_of(np.bincount(position, bits, len(distinct)).astype(np.int64))
        users, items = distinct // max(n_items, 1), distinct % max(n_items, 1)
        return replace(
            self.train,
            interactions=Interactions(users, items, self.train.n_users, n_items),
            features={},
            neighbours={},
            times=None,
            weights=None,
            split_codes=codes,
        )


def fitted_on(about: Mapping[str, Any]) -> FitOn:
    """Return what a model was fitted on, from the description of its run."""
    return cast(FitOn, about.get(FIT_ON, "train"))


def _merged(codes: NDArray[np.int8], fit_on: FitOn) -> NDArray[np.int8]:
    """Return int8 [n]: the codes with validation, or validation and test, counted as train."""
    merged = 1 << VALIDATION if fit_on == "train+validation" else 1 << VALIDATION | 1 << TEST
    bits = bits_of(codes)
    return codes_of(np.where(bits & merged, bits & ~merged | 1 << TRAIN, bits))


def split(
    dataset: Dataset,
    how: How | None = None,
    *,
    ratios: tuple[float, float, float] = (0.8, 0.1, 0.1),
    seed: int = 0,
) -> Split:
    """Split a data set. how=None uses the split that the data set carries, or `ratio` if it has none.

    ratio: each user's interactions are divided at random by `ratios` into train, validation and test. The numbers for
    validation and test are rounded down, and train has the others. A user with at least three interactions gives at
    least one to each of them whose share is not 0, so that short histories can be measured too; other users keep all of
    theirs in train.
    leave-one-out: each user's last interaction is for test, the one before it for validation. Order is by time, or
    random if there are no times. Users with fewer than three interactions stay in train.
    time: one point in time for all users. The first `ratios[0]` of all interactions are for train, and so on.
    cold-items: the last share of the items is held out: all their interactions are for test. The interactions of the
    other items are split as by `ratio`, so validation has warm items only. A model can learn a held-out item from its
    content only; such an item is never sampled as a negative.
    cold-users: a share of the users with interactions, the last one, is held out: all their interactions are for test.
    Those of the other users are split as by `ratio`. A model can learn a held-out user from user features only.
    given: by the split column that was read with the interactions.
    Shares are exact: 0.1 is a tenth, and what is left of 1 after 0.7 and 0.3 is 0. A share of 0 gets nothing.
    Raises SettingsError for an unknown `how` or bad ratios, InputError if the data set lacks what `how` needs.
    """
    return Split.from_dataset(assign_split(dataset, how, ratios=ratios, seed=seed))


def assign_split(
    dataset: Dataset,
    how: How | None = None,
    *,
    ratios: tuple[float, float, float] = (0.8, 0.1, 0.1),
    seed: int = 0,
) -> Dataset:
    """Return the data set with its split in `split_codes`; the arguments are those of `split`."""
    if how is None:
        how = "given" if dataset.split_codes is not None else "ratio"
    if how not in get_args(How):
        raise SettingsError(f'unknown split "{how}"', hint=did_you_mean(how, get_args(How)))
    shares = exact_shares(ratios)
    if how == "given":
        if dataset.split_codes is None:
            raise InputError("the data set has no split", hint="name the split column, or split by ratio")
        return dataset if "split" in dataset.about else _with_codes(dataset, dataset.split_codes, "as given")
    pairs = dataset.interactions
    codes = split_rows(Rows(pairs.users, pairs.items, dataset.n_items, dataset.times), how, shares, seed)
    return _with_codes(dataset, codes, describe_split(how, shares, seed, has_times=dataset.times is not None))


def _with_codes(dataset: Dataset, codes: NDArray[np.int8], description: str) -> Dataset:
    return replace(dataset, split_codes=codes, about={**dataset.about, "split": description})
