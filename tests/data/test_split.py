"""Splits leave everyone something to learn from and never show the future."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from triptych.data.dataset import Dataset
from triptych.data.interactions import Interactions
from triptych.data.split import How, Split, assign_split, split
from triptych.data.vocabulary import Vocabulary
from triptych.errors import InputError, SettingsError

N_USERS, N_ITEMS = 6, 30


@st.composite
def datasets(draw: st.DrawFn, *, times: bool = True) -> Dataset:
    """Data sets of six users, who may have nothing at all or everything."""
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


def parts_of(found: Split) -> list[set[int]]:
    return [set(part.keys.tolist()) for part in (found.train.interactions, found.validation, found.test)]


@given(datasets(), RATIOS, st.sampled_from(["ratio", "leave-one-out"]), st.integers(0, 3))
def test_parts_are_disjoint_and_cover_all(
    dataset: Dataset, ratios: tuple[float, float, float], how: How, seed: int
) -> None:
    train, validation, test = parts_of(split(dataset, how, ratios=ratios, seed=seed))
    assert train | validation | test == set(dataset.interactions.keys.tolist())
    assert len(train) + len(validation) + len(test) == len(dataset.interactions)


@given(datasets(), RATIOS, st.sampled_from(["ratio", "leave-one-out"]), st.integers(0, 3))
def test_everyone_keeps_something_to_learn_from(
    dataset: Dataset, ratios: tuple[float, float, float], how: How, seed: int
) -> None:
    train = split(dataset, how, ratios=ratios, seed=seed).train.interactions
    assert (train.user_degrees[dataset.interactions.user_degrees > 0] > 0).all()


@given(datasets(times=False), st.sampled_from(["ratio", "leave-one-out"]), st.integers(0, 5))
def test_the_same_seed_splits_the_same(dataset: Dataset, how: How, seed: int) -> None:
    assert parts_of(split(dataset, how, seed=seed)) == parts_of(split(dataset, how, seed=seed))


def test_another_seed_splits_otherwise() -> None:
    users, items = np.repeat(np.arange(N_USERS), N_ITEMS), np.tile(np.arange(N_ITEMS), N_USERS)
    dataset = Dataset(
        Vocabulary([f"u{row}" for row in range(N_USERS)], noun="user"),
        Vocabulary([f"i{row}" for row in range(N_ITEMS)]),
        Interactions(users, items, N_USERS, N_ITEMS),
    )
    for how in ("ratio", "leave-one-out"):
        assert parts_of(split(dataset, how, seed=0)) != parts_of(split(dataset, how, seed=1))
    train, validation, test = parts_of(split(dataset, "ratio"))
    assert (len(train), len(validation), len(test)) == (24 * N_USERS, 3 * N_USERS, 3 * N_USERS)


@given(datasets(), RATIOS)
def test_shares_are_rounded_down_but_whoever_has_three_gives_one(
    dataset: Dataset, ratios: tuple[float, float, float]
) -> None:
    found = split(dataset, "ratio", ratios=ratios)
    counts = dataset.interactions.user_degrees
    for part, share in ((found.validation, ratios[1]), (found.test, ratios[2])):
        exact = np.floor(counts * share + 1e-9)
        expected = np.where((exact == 0) & (counts >= 3) & (share > 0), 1, exact)
        np.testing.assert_array_equal(part.user_degrees, expected)


@given(datasets())
def test_leave_one_out_takes_the_last_two_by_time(dataset: Dataset) -> None:
    assert dataset.times is not None
    parts = assign_split(dataset, "leave-one-out").split_codes
    assert parts is not None
    for user in range(N_USERS):
        own = dataset.interactions.users == user
        by_time = sorted(zip(dataset.times[own], dataset.interactions.items[own], parts[own], strict=True))
        expected = [0] * len(by_time)
        if len(by_time) >= 3:
            expected[-2:] = [1, 2]
        assert [int(part) for _, _, part in by_time] == expected


@given(datasets(), RATIOS)
def test_a_split_by_time_never_learns_from_the_future(dataset: Dataset, ratios: tuple[float, float, float]) -> None:
    assert dataset.times is not None
    parts = assign_split(dataset, "time", ratios=ratios).split_codes
    assert parts is not None
    for earlier, later in ((0, 1), (0, 2), (1, 2)):
        before, after = dataset.times[parts == earlier], dataset.times[parts == later]
        if len(before) and len(after):
            assert before.max() < after.min()
    if not ratios[2]:
        assert (parts < 2).all()


def test_a_split_by_time_takes_its_shares() -> None:
    times = np.arange(100.0)
    dataset = Dataset(
        Vocabulary(["u"], noun="user"),
        Vocabulary([f"i{row}" for row in range(100)]),
        Interactions(np.zeros(100, np.int64), np.arange(100), 1, 100),
        times=times,
    )
    found = split(dataset, "time", ratios=(0.7, 0.2, 0.1))
    assert [len(part) for part in parts_of(found)] == [70, 20, 10]
    assert found.train.times is not None
    assert found.train.times.tolist() == times[:70].tolist()
    for ratios in ((0.9, 0.1, 0.0), (0.9, 0.0, 0.1), (1.0, 0.0, 0.0)):
        sizes = [round(100 * share) for share in ratios]
        assert [len(part) for part in parts_of(split(dataset, "time", ratios=ratios))] == sizes


@given(datasets(), st.sampled_from(["ratio", "leave-one-out"]))
def test_a_carried_split_is_taken_as_it_is(dataset: Dataset, how: How) -> None:
    carrying = assign_split(dataset, how, seed=3)
    again = split(carrying)
    assert parts_of(again) == parts_of(split(dataset, how, seed=3))
    assert again.how == carrying.about["split"]
    assert again.train.split_codes is None


def test_what_cannot_be_split_is_refused() -> None:
    dataset = Dataset(
        Vocabulary(["u"], noun="user"), Vocabulary(["a", "b"]), Interactions(np.array([0, 0]), np.array([0, 1]), 1, 2)
    )
    for how in ("time", "given"):
        assert how in get_args(How)
        with pytest.raises(InputError):
            split(dataset, how)
    with pytest.raises(InputError, match="carries no split"):
        Split.from_dataset(dataset)
    with pytest.raises(InputError, match="nothing to train on"):
        Split.from_dataset(
            assign_split(
                Dataset(dataset.users, dataset.items, dataset.interactions, split_codes=np.full(2, 2, np.int8))
            )
        )
    for ratios in ((0.5, 0.5, 0.5), (1.2, -0.1, -0.1), (0.0, 0.5, 0.5)):
        with pytest.raises(SettingsError, match="three shares"):
            split(dataset, "ratio", ratios=ratios)
