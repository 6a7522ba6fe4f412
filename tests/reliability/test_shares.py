"""Shares of a split are exact: a share of 0 gets nothing, and no interaction is lost to a rounding error."""

from __future__ import annotations

import hashlib
from fractions import Fraction
from math import floor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from triptych.data.dataset import Dataset
from triptych.data.interactions import Interactions
from triptych.data.row_splits import How, exact_share
from triptych.data.split import split
from triptych.data.vocabulary import Vocabulary
from triptych.errors import SettingsError
from triptych.preparing.settings import PrepareSettings

SHARED: tuple[How, ...] = ("ratio", "time", "cold-items")


def dataset(degrees: list[int], n_items: int = 60) -> Dataset:
    """A data set whose users have these numbers of interactions, each at a time of its own."""
    users = np.repeat(np.arange(len(degrees)), degrees)
    items = np.concatenate([np.sort(np.random.default_rng(n).permutation(n_items)[:n]) for n in degrees])
    return Dataset(
        users=Vocabulary([f"u{row}" for row in range(len(degrees))], noun="user"),
        items=Vocabulary([f"i{row}" for row in range(n_items)]),
        interactions=Interactions(users, items, len(degrees), n_items),
        times=np.random.default_rng(1).permutation(len(users)).astype(np.float64),
    )


@pytest.mark.parametrize(("train", "validation"), [(0.7, 0.3), (0.99, 0.01), (0.9, 0.1), (0.6, 0.4), (0.1, 0.9)])
def test_shares_that_add_up_to_one_leave_no_test_part(train: float, validation: float) -> None:
    shares = PrepareSettings(train=train, validation=validation).shares
    assert shares[2] == 0
    world = dataset([3, 5, 8, 20])
    for ratios in (shares, (train, validation, 1 - train - validation)):  # the last share may be 5.55e-17
        for how in ("ratio", "time"):
            assert not len(split(world, how, ratios=ratios).test)


def test_what_is_left_of_one_is_exact() -> None:
    assert PrepareSettings(train=0.8, validation=0.1).shares == (0.8, 0.1, 0.1)
    assert PrepareSettings(train=1.0, validation=0.0).shares == (1.0, 0.0, 0.0)
    assert exact_share(1 / 3) == Fraction(1, 3)
    with pytest.raises(SettingsError, match="more than 1"):
        PrepareSettings(train=0.8, validation=0.3)


HUNDREDTHS = st.integers(0, 99).flatmap(lambda v: st.tuples(st.just(v), st.integers(0, 99 - v)))


@given(st.lists(st.integers(0, 60), min_size=1, max_size=8), HUNDREDTHS, st.sampled_from(SHARED), st.integers(0, 3))
def test_parts_add_up_and_a_share_of_zero_gets_nothing(
    degrees: list[int], held_out: tuple[int, int], how: How, seed: int
) -> None:
    world, (n_validation, n_test) = dataset([*degrees, 60]), held_out
    ratios = (1 - n_validation / 100 - n_test / 100, n_validation / 100, n_test / 100)
    try:
        parts = split(world, how, ratios=ratios, seed=seed)
    except SettingsError:
        assert how == "cold-items"  # no item is held out
        return
    assert len(parts.train.interactions) + len(parts.validation) + len(parts.test) == len(world.interactions)
    assert n_validation or not len(parts.validation)
    assert n_test or not len(parts.test)
    if how == "ratio":
        for row, degree in enumerate([*degrees, 60]):
            for part, hundredths in ((parts.validation, n_validation), (parts.test, n_test)):
                least = int(degree >= 3 and hundredths > 0)
                assert part.user_degrees[row] == max(least, floor(Fraction(hundredths * degree, 100)))


@pytest.mark.parametrize(
    ("how", "ratios", "digest"),
    [
        ("ratio", (0.8, 0.1, 0.1), "148cd35c8a120da3"),
        ("ratio", (0.7, 0.15, 0.15), "ae6259837dd40595"),
        ("ratio", (1 / 3, 1 / 3, 1 / 3), "4c7a8fd8c224c434"),
        ("time", (0.8, 0.1, 0.1), "50c0bc8c4ce01c7e"),
        ("cold-items", (0.8, 0.1, 0.1), "b48ac9a781914d2e"),
    ],
)
def test_splits_that_were_right_before_have_the_same_rows(how: How, ratios: tuple[float, ...], digest: str) -> None:
    """The digests are of the version before shares were fractions."""
    world = dataset(list(range(1, 60)))
    parts = split(world, how, ratios=(ratios[0], ratios[1], ratios[2]), seed=7)
    keys = [each.keys.astype("<i8").tobytes() for each in (parts.train.interactions, parts.validation, parts.test)]
    assert hashlib.sha256(b"|".join(keys)).hexdigest()[:16] == digest
