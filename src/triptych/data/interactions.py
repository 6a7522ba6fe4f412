"""Interactions: distinct (user, item) pairs, sorted, with the items of each user."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from triptych.data.cards import card_of_interactions
from triptych.display import displayed

if TYPE_CHECKING:
    from scipy import sparse

IntArray = NDArray[np.int64]


@displayed(card_of_interactions)
@dataclass(frozen=True)
class Interactions:
    """Distinct (user row, item row) pairs, sorted by user, then item.

    users, items: int64 [n] rows in [0, n_users) and [0, n_items). Use `Interactions.from_pairs` for pairs in any order.
    Raises ValueError if a row is out of range, or if the pairs are not sorted and distinct.
    """

    users: IntArray
    items: IntArray
    n_users: int
    n_items: int

    def __post_init__(self) -> None:
        if self.users.shape != self.items.shape or self.users.ndim != 1:
            raise ValueError(f"users {self.users.shape} and items {self.items.shape} must be two lists of one length")
        for name, rows, limit in (("user", self.users, self.n_users), ("item", self.items, self.n_items)):
            if len(rows) and not 0 <= int(rows.min()) <= int(rows.max()) < limit:
                raise ValueError(f"{name} rows must be in [0, {limit}), got [{rows.min()}, {rows.max()}]")
        if (np.diff(self.keys) <= 0).any():
            raise ValueError("pairs must be sorted by user, then item, and distinct; use Interactions.from_pairs")

    @classmethod
    def from_pairs(cls, users: IntArray, items: IntArray, n_users: int, n_items: int) -> Interactions:
        """Sort pairs and drop repeated ones."""
        users, items = np.asarray(users, dtype=np.int64), np.asarray(items, dtype=np.int64)
        if len(items) and not 0 <= int(items.min()) <= int(items.max()) < n_items:  # else a key means another pair
            raise ValueError(f"item rows must be in [0, {n_items}), got [{items.min()}, {items.max()}]")
        keys = np.unique(users * n_items + items)
        return cls(keys // max(n_items, 1), keys % max(n_items, 1), n_users, n_items)

    def __len__(self) -> int:
        return len(self.users)

    @cached_property
    def keys(self) -> IntArray:
        """int64 [n]: user * n_items + item, ascending: one number per pair."""
        return self.users * self.n_items + self.items

    @cached_property
    def starts(self) -> IntArray:
        """int64 [n_users + 1]: the items of user u are items[starts[u] : starts[u + 1]]."""
        return np.searchsorted(self.users, np.arange(self.n_users + 1)).astype(np.int64)

    @cached_property
    def user_degrees(self) -> IntArray:
        """int64 [n_users]: the number of items per user."""
        return np.bincount(self.users, minlength=self.n_users).astype(np.int64)

    @cached_property
    def item_degrees(self) -> IntArray:
        """int64 [n_items]: the number of users per item."""
        return np.bincount(self.items, minlength=self.n_items).astype(np.int64)

    @cached_property
    def interacted_items(self) -> IntArray:
        """int64 [n]: the items with at least one interaction, ascending."""
        return np.flatnonzero(self.item_degrees)

    def history(self, user: int) -> IntArray:
        """int64 [n]: the items of one user, ascending."""
        return self.items[self.history_slice(user)]

    def history_slice(self, user: int) -> slice:
        """Return where the interactions of one user are in `users` and `items`."""
        return slice(int(self.starts[user]), int(self.starts[user + 1]))

    def items_of(self, users: IntArray) -> tuple[IntArray, IntArray]:
        """The items of some users as (position in `users`, item) pairs, sorted by both; int64 [m] each."""
        positions, places = concatenated_ranges(self.starts[users], self.user_degrees[users])
        return positions, self.items[places]

    def to_csr(
        self,
        users: IntArray | None = None,
        dtype: DTypeLike = np.float32,
        *,
        weights: NDArray[np.float64] | None = None,
    ) -> sparse.csr_array:
        """X as a sparse matrix: 1 where a user has an item. [n_users, n_items], or [n, n_items] for user rows [n].

        weights: float64 [n] of the interactions; the matrix of all users then has √w in place of 1, so that XᵀX counts
        an item w times with itself.
        """
        from scipy import sparse

        items, starts = self.items, self.starts
        if users is not None:
            items = self.items_of(users)[1]
            starts = np.concatenate([[0], np.cumsum(self.user_degrees[users])])
        shape: Any = (len(starts) - 1, self.n_items)
        values = np.ones(len(items), dtype=dtype) if weights is None else np.sqrt(weights).astype(dtype)
        return sparse.csr_array((values, items, starts), shape=shape)

    def contain(self, users: IntArray, items: IntArray) -> NDArray[np.bool_]:
        """bool [n]: which of these pairs are among the interactions."""
        if not len(self):
            return np.zeros(len(users), dtype=np.bool_)
        keys = users * self.n_items + items
        positions = np.minimum(np.searchsorted(self.keys, keys), len(self) - 1)
        return np.asarray(self.keys[positions] == keys)

    def union(self, other: Interactions) -> Interactions:
        """The pairs of both."""
        return Interactions.from_pairs(
            np.concatenate([self.users, other.users]),
            np.concatenate([self.items, other.items]),
            self.n_users,
            self.n_items,
        )

    def select(self, chosen: NDArray[np.bool_]) -> Interactions:
        """The pairs where `chosen`, bool [n], is true."""
        return Interactions(self.users[chosen], self.items[chosen], self.n_users, self.n_items)


def concatenated_ranges(begins: IntArray, lengths: IntArray) -> tuple[IntArray, IntArray]:
    """Return begins[r], begins[r] + 1, … of every range r, one after the other, as (r, number), int64 [Σ lengths]."""
    ranges = np.repeat(np.arange(len(begins), dtype=np.int64), lengths)
    offsets = np.arange(len(ranges), dtype=np.int64) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    return ranges, np.repeat(begins, lengths) + offsets
