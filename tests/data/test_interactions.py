"""Interactions agree with Python sets of pairs."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from triptych.data.interactions import Interactions

N_USERS, N_ITEMS = 6, 7
Pair = tuple[int, int]
PAIR = st.tuples(st.integers(0, N_USERS - 1), st.integers(0, N_ITEMS - 1))
LISTS = st.lists(PAIR, max_size=30)


def from_pairs(pairs: list[Pair]) -> Interactions:
    columns = np.array(pairs, dtype=np.int64).reshape(-1, 2)
    return Interactions.from_pairs(columns[:, 0], columns[:, 1], N_USERS, N_ITEMS)


def pairs_of(interactions: Interactions) -> list[Pair]:
    return [(int(user), int(item)) for user, item in zip(interactions.users, interactions.items, strict=True)]


@given(LISTS)
def test_pairs_become_sorted_and_distinct(pairs: list[Pair]) -> None:
    interactions = from_pairs(pairs)
    assert pairs_of(interactions) == sorted(set(pairs))
    assert len(interactions) == len(set(pairs))


@given(LISTS, st.lists(st.integers(0, N_USERS - 1), max_size=10))
def test_items_of_returns_the_items_of_each_given_user(pairs: list[Pair], users: list[int]) -> None:
    positions, items = from_pairs(pairs).items_of(np.array(users, dtype=np.int64))
    expected = [(position, item) for position, user in enumerate(users) for u, item in sorted(set(pairs)) if u == user]
    assert list(zip(positions.tolist(), items.tolist(), strict=True)) == expected


@given(LISTS, LISTS)
def test_contain_is_true_exactly_for_the_pairs(pairs: list[Pair], candidates: list[Pair]) -> None:
    columns = np.array(candidates, dtype=np.int64).reshape(-1, 2)
    assert from_pairs(pairs).contain(columns[:, 0], columns[:, 1]).tolist() == [
        pair in set(pairs) for pair in candidates
    ]


@given(LISTS, LISTS)
def test_union_is_the_union_of_sets(one: list[Pair], other: list[Pair]) -> None:
    assert pairs_of(from_pairs(one).union(from_pairs(other))) == sorted(set(one) | set(other))


@given(LISTS)
def test_degrees_and_starts_count_each_user(pairs: list[Pair]) -> None:
    interactions = from_pairs(pairs)
    counts = [sum(1 for user, _ in set(pairs) if user == each) for each in range(N_USERS)]
    assert interactions.user_degrees.tolist() == counts
    assert np.diff(interactions.starts).tolist() == counts
    items = [sum(1 for _, item in set(pairs) if item == each) for each in range(N_ITEMS)]
    assert interactions.item_degrees.tolist() == items


@given(LISTS)
def test_select_keeps_the_chosen_pairs(pairs: list[Pair]) -> None:
    interactions = from_pairs(pairs)
    chosen = np.arange(len(interactions)) % 2 == 0
    assert pairs_of(interactions.select(chosen)) == sorted(set(pairs))[::2]


@pytest.mark.parametrize(
    ("users", "items", "message"),
    [
        ([0, 0], [1], "one length"),
        ([6], [0], "user rows must be in"),
        ([-1], [0], "user rows must be in"),
        ([0], [7], "item rows must be in"),
        ([1, 0], [0, 0], "sorted"),
        ([0, 0], [1, 1], "sorted"),
    ],
)
def test_pairs_that_are_unsorted_repeated_or_out_of_range_are_refused(
    users: list[int], items: list[int], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        Interactions(np.array(users), np.array(items), N_USERS, N_ITEMS)


def test_from_pairs_refuses_pairs_out_of_range() -> None:
    with pytest.raises(ValueError, match="must be in"):
        from_pairs([(0, N_ITEMS)])
