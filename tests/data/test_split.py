"""Splits leave every user training interactions, and a split by time never trains on the future."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from triptych.data.dataset import Dataset
from triptych.data.interactions import Interactions
from triptych.data.row_splits import How
from triptych.data.split import Split, assign_split, split
from triptych.data.vocabulary import Vocabulary
from triptych.errors import InputError, SettingsError

N_USERS, N_ITEMS = 6, 30


@st.composite
def datasets(draw: st.DrawFn, *, times: bool = True) -> Dataset:
    """Data sets of six users with any number of interactions, also none or all."""
    pair = st.tuples(st.integers(0, N_USERS - 1), st.integers(0, N_ITEMS - 1))
    columns = np.array(sorted(draw(st.sets(pair, min_size=1, max_size=90))), dtype=np.int64)
    moments = draw(st.lists(st.integers(0, 40), min_size=len(columns), max_size=len(columns))) if times else None
    return Dataset(
        users=Vocabulary([f"u{row}" for row in range(N_USERS)], noun="user"),
        items=Vocabulary([f"i{row}" for row in range(N_ITEMS)]),
        interactions=Interactions(columns[:, 0], columns[:, 1], N_USERS, N_ITEMS),
        times=np.array(moments, dtype=np.float64) if moments is not None else None,
    )


PERCENT = st.integers(0, 40)
RATIOS = st.tuples(PERCENT, PERCENT).map(lambda p: ((100 - p[0] - p[1]) / 100, p[0] / 100, p[1] / 100))


def keys_of(result: Split) -> list[set[int]]:
    """The pairs of train, validation and test, as keys."""
    return [set(each.keys.tolist()) for each in (result.train.interactions, result.validation, result.test)]


@given(datasets(), RATIOS, st.sampled_from(["ratio", "leave-one-out"]), st.integers(0, 3))
def test_train_validation_and_test_are_disjoint_and_complete(
    dataset: Dataset, ratios: tuple[float, float, float], how: How, seed: int
) -> None:
    train, validation, test = keys_of(split(dataset, how, ratios=ratios, seed=seed))
    assert train | validation | test == set(dataset.interactions.keys.tolist())
    assert len(train) + len(validation) + len(test) == len(dataset.interactions)


@given(datasets(), RATIOS, st.sampled_from(["ratio", "leave-one-out"]), st.integers(0, 3))
def test_every_user_with_interactions_keeps_a_training_interaction(
    dataset: Dataset, ratios: tuple[float, float, float], how: How, seed: int
) -> None:
    train = split(dataset, how, ratios=ratios, seed=seed).train.interactions
    assert (train.user_degrees[dataset.interactions.user_degrees > 0] > 0).all()


@given(datasets(times=False), st.sampled_from(["ratio", "leave-one-out"]), st.integers(0, 5))
def test_the_same_seed_gives_the_same_split(dataset: Dataset, how: How, seed: int) -> None:
    assert keys_of(split(dataset, how, seed=seed)) == keys_of(split(dataset, how, seed=seed))


def test_another_seed_gives_another_split() -> None:
    users, items = np.repeat(np.arange(N_USERS), N_ITEMS), np.tile(np.arange(N_ITEMS), N_USERS)
    dataset = Dataset(
        Vocabulary([f"u{row}" for row in range(N_USERS)], noun="user"),
        Vocabulary([f"i{row}" for row in range(N_ITEMS)]),
        Interactions(users, items, N_USERS, N_ITEMS),
    )
    for how in ("ratio", "leave-one-out"):
        assert keys_of(split(dataset, how, seed=0)) != keys_of(split(dataset, how, seed=1))
    train, validation, test = keys_of(split(dataset, "ratio"))
    assert (len(train), len(validation), len(test)) == (24 * N_USERS, 3 * N_USERS, 3 * N_USERS)


@given(datasets(), RATIOS)
def test_shares_are_rounded_down_but_users_with_three_interactions_give_at_least_one(
    dataset: Dataset, ratios: tuple[float, float, float]
) -> None:
    result = split(dataset, "ratio", ratios=ratios)
    counts = dataset.interactions.user_degrees
    for held_out, share in ((result.validation, ratios[1]), (result.test, ratios[2])):
        exact = np.floor(counts * share + 1e-9)
        expected = np.where((exact == 0) & (counts >= 3) & (share > 0), 1, exact)
        np.testing.assert_array_equal(held_out.user_degrees, expected)


@given(datasets())
def test_leave_one_out_holds_out_the_last_two_interactions_by_time(dataset: Dataset) -> None:
    assert dataset.times is not None
    codes = assign_split(dataset, "leave-one-out").split_codes
    assert codes is not None
    for user in range(N_USERS):
        rows = dataset.interactions.users == user
        by_time = sorted(zip(dataset.times[rows], dataset.interactions.items[rows], codes[rows], strict=True))
        expected = [0] * len(by_time)
        if len(by_time) >= 3:
            expected[-2:] = [1, 2]
        assert [int(code) for _, _, code in by_time] == expected


@given(datasets(), RATIOS)
def test_a_split_by_time_never_trains_on_the_future(dataset: Dataset, ratios: tuple[float, float, float]) -> None:
    assert dataset.times is not None
    codes = assign_split(dataset, "time", ratios=ratios).split_codes
    assert codes is not None
    for earlier, later in ((0, 1), (0, 2), (1, 2)):
        before, after = dataset.times[codes == earlier], dataset.times[codes == later]
        if len(before) and len(after):
            assert before.max() < after.min()
    if not ratios[2]:
        assert (codes < 2).all()


def test_a_split_by_time_has_the_requested_shares() -> None:
    times = np.arange(100.0)
    dataset = Dataset(
        Vocabulary(["u"], noun="user"),
        Vocabulary([f"i{row}" for row in range(100)]),
        Interactions(np.zeros(100, np.int64), np.arange(100), 1, 100),
        times=times,
    )
    result = split(dataset, "time", ratios=(0.7, 0.2, 0.1))
    assert [len(keys) for keys in keys_of(result)] == [70, 20, 10]
    assert result.train.times is not None
    assert result.train.times.tolist() == times[:70].tolist()
    for ratios in ((0.9, 0.1, 0.0), (0.9, 0.0, 0.1), (1.0, 0.0, 0.0)):
        sizes = [round(100 * share) for share in ratios]
        assert [len(keys) for keys in keys_of(split(dataset, "time", ratios=ratios))] == sizes


@given(datasets(), st.sampled_from(["ratio", "leave-one-out"]))
def test_a_split_that_the_data_set_has_is_used_unchanged(dataset: Dataset, how: How) -> None:
    with_split = assign_split(dataset, how, seed=3)
    result = split(with_split)
    assert keys_of(result) == keys_of(split(dataset, how, seed=3))
    assert result.how == with_split.about["split"]
    assert result.train.split_codes is None


def test_splits_that_are_impossible_are_refused() -> None:
    dataset = Dataset(
        Vocabulary(["u"], noun="user"), Vocabulary(["a", "b"]), Interactions(np.array([0, 0]), np.array([0, 1]), 1, 2)
    )
    for how in ("time", "given"):
        assert how in get_args(How)
        with pytest.raises(InputError):
            split(dataset, how)
    with pytest.raises(InputError, match="has no split"):
        Split.from_dataset(dataset)
    with pytest.raises(InputError, match="no training interactions"):
        Split.from_dataset(
            assign_split(
                Dataset(dataset.users, dataset.items, dataset.interactions, split_codes=np.full(2, 2, np.int8))
            )
        )
    for ratios in ((0.5, 0.5, 0.5), (1.2, -0.1, -0.1), (0.0, 0.5, 0.5)):
        with pytest.raises(SettingsError, match="three shares"):
            split(dataset, "ratio", ratios=ratios)
