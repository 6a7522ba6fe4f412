"""Train, validation and test: as given, by ratio per user, by time, leave-one-out, or with whole items held out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from triptych.data.dataset import SPLITS, Dataset
from triptych.data.interactions import Interactions
from triptych.errors import InputError, SettingsError, did_you_mean
from triptych.seeds import Purpose, numpy_generator

Shares = tuple[Fraction, Fraction, Fraction]  # of train, validation and test
How = Literal["ratio", "leave-one-out", "time", "cold-items", "given"]
TRAIN, VALIDATION, TEST = range(len(SPLITS))  # the values of `Dataset.split_codes`


@dataclass(frozen=True)
class Split:
    """Training data, and the held-out interactions that select (validation) and judge (test) a model.

    train: the data set with the training interactions only. validation, test: interactions over the same rows.
    how: a description of the split.
    """

    train: Dataset
    validation: Interactions
    test: Interactions
    how: str = ""

    @classmethod
    def from_dataset(cls, dataset: Dataset) -> Split:
        """Return the split that a data set carries. Raises InputError if it has none, or no training interactions."""
        if dataset.split_codes is None:
            raise InputError("the data set has no split", hint="split it first")
        train, validation, test = (dataset.split_codes == code for code in range(len(SPLITS)))
        if not train.any():
            raise InputError("the split has no training interactions", hint="give more interactions or another split")
        times = dataset.times[train] if dataset.times is not None else None
        return cls(
            train=replace(dataset, interactions=dataset.interactions.select(train), times=times, split_codes=None),
            validation=dataset.interactions.select(validation),
            test=dataset.interactions.select(test),
            how=str(dataset.about.get("split", "as given")),
        )


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
    shares = _exact_shares(ratios)
    if how == "given":
        if dataset.split_codes is None:
            raise InputError("the data set has no split", hint="name the split column, or split by ratio")
        return dataset if "split" in dataset.about else _with_codes(dataset, dataset.split_codes, "as given")
    if how == "ratio":
        codes = _by_ratio(dataset.interactions, shares, seed)
        description = f"{_shares_text(shares)} per user, seed {seed}"
    elif how == "cold-items":
        codes = _by_ratio(dataset.interactions, shares, seed)
        held_out = _draw_items(dataset.n_items, shares[2], seed)
        if not held_out.any():
            raise SettingsError("no item is held out", hint="leave a share for test, for example 0.8,0.1,0.1")
        codes[held_out[dataset.interactions.items]] = TEST
        description = (
            f"{float(shares[2]):g} of the items held out whole, the others {_shares_text(shares)} per user, seed {seed}"
        )
    elif how == "leave-one-out":
        codes = _leave_one_out(dataset, seed)
        description = "leave one out, by time" if dataset.times is not None else f"leave one out at random, seed {seed}"
    else:
        codes = _by_time(dataset, shares)
        description = f"{_shares_text(shares)} by global time"
    return _with_codes(dataset, codes, description)


def exact_share(share: float) -> Fraction:
    """Return a share as the fraction that is meant: 0.1 is a tenth, and 5.55e-17, an error of rounding, is 0."""
    return Fraction(share).limit_denominator(10**9)


def rank_within_user(interactions: Interactions, order: NDArray[np.float64]) -> NDArray[np.int64]:
    """int64 [n]: the rank of each interaction among those of its user, by `order`, from 0; ties by item."""
    sorted_rows = np.lexsort((interactions.items, order, interactions.users))
    rank = np.empty(len(interactions), dtype=np.int64)
    rank[sorted_rows] = np.arange(len(interactions)) - interactions.starts[interactions.users[sorted_rows]]
    return rank


def _with_codes(dataset: Dataset, codes: NDArray[np.int8], description: str) -> Dataset:
    return replace(dataset, split_codes=codes, about={**dataset.about, "split": description})


def _exact_shares(ratios: Sequence[float]) -> Shares:
    """Return the shares of train, validation and test as fractions. Raises SettingsError."""
    if len(ratios) == 3 and all(math.isfinite(each) for each in ratios):
        train, validation, test = map(exact_share, ratios)
        if train > 0 and validation >= 0 and test >= 0 and abs(train + validation + test - 1) <= 1e-6:
            return train, validation, test
    raise SettingsError(f"split ratios {ratios} must be three shares that add up to 1", hint="for example 0.8,0.1,0.1")


def _shares_text(shares: Shares) -> str:
    return ":".join(f"{float(share):g}" for share in shares)


def _draw_items(n_items: int, share: Fraction, seed: int) -> NDArray[np.bool_]:
    """bool [n_items]: a random share of the items."""
    drawn = np.zeros(n_items, dtype=np.bool_)
    generator = numpy_generator(seed, Purpose.COLD_ITEMS)
    drawn[generator.permutation(n_items)[: round(n_items * share)]] = True
    return drawn


def _by_ratio(interactions: Interactions, shares: Shares, seed: int) -> NDArray[np.int8]:
    generator = numpy_generator(seed, Purpose.RATIO_SPLIT)
    rank = rank_within_user(interactions, generator.random(len(interactions)))
    counts = interactions.user_degrees[interactions.users]
    # from the end: the last share is test, the share before it validation, rounded down; the rest is train
    n_test, n_validation = _rounded_down(counts, shares[2]), _rounded_down(counts, shares[1])
    # short histories: at 8:1:1 a user with five interactions would give none; one each is held out
    needs_test = (shares[2] > 0) & (n_test == 0) & (counts >= 3)
    needs_validation = (shares[1] > 0) & (n_validation == 0) & (counts >= 3)
    n_test, n_validation = n_test + needs_test, n_validation + needs_validation
    codes = np.zeros(len(interactions), dtype=np.int8)
    codes[rank >= counts - n_test - n_validation] = VALIDATION
    codes[rank >= counts - n_test] = TEST
    return codes


def _rounded_down(counts: NDArray[np.int64], share: Fraction) -> NDArray[np.int64]:
    """int64 [n]: the share of each count, rounded down, in whole numbers of any size."""
    distinct, where = np.unique(counts, return_inverse=True)
    return np.array([math.floor(int(count) * share) for count in distinct], dtype=np.int64)[where]


def _leave_one_out(dataset: Dataset, seed: int) -> NDArray[np.int8]:
    interactions = dataset.interactions
    if dataset.times is not None:
        order = dataset.times
    else:
        order = numpy_generator(seed, Purpose.LEAVE_ONE_OUT).random(len(interactions))
    rank = rank_within_user(interactions, order)
    counts = interactions.user_degrees[interactions.users]
    codes = np.zeros(len(interactions), dtype=np.int8)
    codes[(rank == counts - 2) & (counts >= 3)] = VALIDATION
    codes[(rank == counts - 1) & (counts >= 3)] = TEST
    return codes


def _by_time(dataset: Dataset, shares: Shares) -> NDArray[np.int8]:
    if dataset.times is None:
        raise InputError("a split by time needs times", hint="name the time column, or choose another split")
    moments = np.sort(dataset.times)
    n = len(moments)
    first, second = (min(n - 1, round(n * share)) for share in (shares[0], shares[0] + shares[1]))
    codes = np.zeros(n, dtype=np.int8)
    if shares[0] < 1:
        codes[dataset.times >= moments[first]] = VALIDATION  # all interactions of one moment stay on one side
    if shares[2] > 0:
        codes[dataset.times >= moments[second]] = TEST
    return codes
