"""Assign rows of (user, item, time) to train, validation and test: the methods of splitting."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from triptych.data.split_codes import TEST, VALIDATION
from triptych.errors import InputError, SettingsError, did_you_mean
from triptych.seeds import Purpose, numpy_generator

Shares = tuple[Fraction, Fraction, Fraction]  # of train, validation and test
How = Literal["ratio", "leave-one-out", "time", "cold-items", "cold-users", "given"]


@dataclass(frozen=True)
class Rows:
    """What is split: distinct pairs of a user and an item, or all rows of a log, where a pair may come again.

    users, items: int64 [n] rows in the vocabularies, in any order. times: float64 [n] or None. n_items: of all items.
    """

    users: NDArray[np.int64]
    items: NDArray[np.int64]
    n_items: int
    times: NDArray[np.float64] | None = None

    def __len__(self) -> int:
        return len(self.users)

    @cached_property
    def counts(self) -> NDArray[np.int64]:
        """int64 [n]: the number of rows of each row's user."""
        return np.bincount(self.users)[self.users].astype(np.int64)

    def select(self, chosen: NDArray[np.bool_]) -> Rows:
        """Return the rows where `chosen`, bool [n], is true."""
        times = None if self.times is None else self.times[chosen]
        return Rows(self.users[chosen], self.items[chosen], self.n_items, times)


def split_rows(rows: Rows, how: How, shares: Shares, seed: int) -> NDArray[np.int8]:
    """Return int8 [n]: the split of each row. The methods are described at `triptych.split`; "given" is none of them.

    Raises SettingsError for an unknown method, or if no item or user is held out; InputError if times are needed but
    absent.
    """
    if how == "ratio":
        return _by_ratio(rows, shares, seed)
    if how == "cold-items":
        codes = _by_ratio(rows, shares, seed)
        held_out = _draw_items(rows.n_items, shares[2], seed)
        if not held_out.any():
            raise SettingsError("no item is held out", hint="leave a share for test, for example 0.8,0.1,0.1")
        codes[held_out[rows.items]] = TEST
        return codes
    if how == "cold-users":
        codes = _by_ratio(rows, shares, seed)
        held_out = _draw_users(rows.users, shares[2], seed)
        if not held_out.any():
            raise SettingsError("no user is held out", hint="leave a share for test, for example 0.8,0.1,0.1")
        codes[held_out[rows.users]] = TEST
        return codes
    if how == "leave-one-out":
        return _leave_one_out(rows, shares, seed)
    if how == "time":
        return _by_time(rows, shares)
    raise SettingsError(f'unknown split "{how}"', hint=did_you_mean(how, get_args(How)))


def describe_split(how: How, shares: Shares, seed: int, *, has_times: bool) -> str:
    """Return a split as text."""
    text = ":".join(f"{float(share):g}" for share in shares)
    if how == "ratio":
        return f"{text} per user, seed {seed}"
    if how in ("cold-items", "cold-users"):
        noun = how.removeprefix("cold-")
        return f"{float(shares[2]):g} of the {noun} held out whole, the others {text} per user, seed {seed}"
    if how == "leave-one-out":
        return "leave one out, by time" if has_times else f"leave one out at random, seed {seed}"
    return f"{text} by global time" if how == "time" else "as given"


def exact_share(share: float) -> Fraction:
    """Return a share as the fraction that is meant: 0.1 is a tenth, and 5.55e-17, an error of rounding, is 0."""
    return Fraction(share).limit_denominator(10**9)


def exact_shares(ratios: Sequence[float]) -> Shares:
    """Return the shares of train, validation and test as fractions. Raises SettingsError."""
    if len(ratios) == 3 and all(math.isfinite(each) for each in ratios):
        train, validation, test = map(exact_share, ratios)
        if train > 0 and validation >= 0 and test >= 0 and abs(train + validation + test - 1) <= 1e-6:
            return train, validation, test
    raise SettingsError(f"split ratios {ratios} must be three shares that add up to 1", hint="for example 0.8,0.1,0.1")


def rank_within_user(
    users: NDArray[np.int64], items: NDArray[np.int64], order: NDArray[np.float64]
) -> NDArray[np.int64]:
    """int64 [n]: the rank of each row among those of its user, by `order`, from 0; ties by item."""
    sorted_rows = np.lexsort((items, order, users))
    rank, degrees = np.empty(len(users), dtype=np.int64), np.bincount(users)
    begins = np.cumsum(degrees) - degrees
    rank[sorted_rows] = np.arange(len(users)) - begins[users[sorted_rows]]
    return rank


def _draw_items(n_items: int, share: Fraction, seed: int) -> NDArray[np.bool_]:
    """bool [n_items]: a random share of the items."""
    drawn = np.zeros(n_items, dtype=np.bool_)
    generator = numpy_generator(seed, Purpose.COLD_ITEMS)
    drawn[generator.permutation(n_items)[: round(n_items * share)]] = True
    return drawn


def _draw_users(users: NDArray[np.int64], share: Fraction, seed: int) -> NDArray[np.bool_]:
    """bool [n_users]: a random share of the users that have rows."""
    candidates = np.unique(users)
    drawn = np.zeros(int(users.max(initial=-1)) + 1, dtype=np.bool_)
    drawn[numpy_generator(seed, Purpose.COLD_USERS).permutation(candidates)[: round(len(candidates) * share)]] = True
    return drawn


def _by_ratio(rows: Rows, shares: Shares, seed: int) -> NDArray[np.int8]:
    generator = numpy_generator(seed, Purpose.RATIO_SPLIT)
    rank = rank_within_user(rows.users, rows.items, generator.random(len(rows)))
    counts = rows.counts
    # from the end: the last share is test, the share before it validation, rounded down; the rest is train
    n_test, n_validation = _rounded_down(counts, shares[2]), _rounded_down(counts, shares[1])
    # short histories: at 8:1:1 a user with five interactions would give none; one each is held out
    needs_test = (shares[2] > 0) & (n_test == 0) & (counts >= 3)
    needs_validation = (shares[1] > 0) & (n_validation == 0) & (counts >= 3)
    n_test, n_validation = n_test + needs_test, n_validation + needs_validation
    codes = np.zeros(len(rows), dtype=np.int8)
    codes[rank >= counts - n_test - n_validation] = VALIDATION
    codes[rank >= counts - n_test] = TEST
    return codes


def _rounded_down(counts: NDArray[np.int64], share: Fraction) -> NDArray[np.int64]:
    """int64 [n]: the share of each count, rounded down, in whole numbers of any size."""
    distinct, where = np.unique(counts, return_inverse=True)
    return np.array([math.floor(int(count) * share) for count in distinct], dtype=np.int64)[where]


def _leave_one_out(rows: Rows, shares: Shares, seed: int) -> NDArray[np.int8]:
    """The last row of each user is for test, the one before for validation; a split whose share is 0 gets none."""
    order = rows.times
    if order is None:
        order = numpy_generator(seed, Purpose.LEAVE_ONE_OUT).random(len(rows))
    rank = rank_within_user(rows.users, rows.items, order)
    codes = np.zeros(len(rows), dtype=np.int8)
    n_test, n_validation = int(shares[2] > 0), int(shares[1] > 0)
    long = rows.counts >= 3
    codes[(rank >= rows.counts - n_test - n_validation) & long] = VALIDATION
    codes[(rank >= rows.counts - n_test) & long] = TEST
    return codes


def _by_time(rows: Rows, shares: Shares) -> NDArray[np.int8]:
    if rows.times is None:
        raise InputError("a split by time needs times", hint="name the time column, or choose another split")
    n = len(rows)
    codes = np.zeros(n, dtype=np.int8)
    if not n:
        return codes
    moments = np.sort(rows.times)
    first, second = (min(n - 1, round(n * share)) for share in (shares[0], shares[0] + shares[1]))
    if shares[0] < 1:
        codes[rows.times >= moments[first]] = VALIDATION  # all interactions of one moment stay on one side
    if shares[2] > 0:
        codes[rows.times >= moments[second]] = TEST
    return codes
