"""Who took what, sorted; the seen items of some users."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class Interactions:
    """Distinct (user row, item row) pairs, sorted by user, then item.

    users, items: int64 [n] rows in [0, n_users) and [0, n_items). Use `Interactions.of_pairs` for pairs in any order.
    Raises ValueError when a row is out of range or the pairs are not sorted and distinct.
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
            raise ValueError("pairs must be sorted by user, then item, and distinct; use Interactions.of_pairs")

    @classmethod
    def of_pairs(cls, users: IntArray, items: IntArray, n_users: int, n_items: int) -> Interactions:
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
        """int64 [n]: user * n_items + item, ascending: one number a pair."""
        return self.users * self.n_items + self.items

    @cached_property
    def starts(self) -> IntArray:
        """int64 [n_users + 1]: the items of user u are items[starts[u] : starts[u + 1]]."""
        return np.searchsorted(self.users, np.arange(self.n_users + 1)).astype(np.int64)

    @cached_property
    def user_degrees(self) -> IntArray:
        """int64 [n_users]: how many items each user took."""
        return np.bincount(self.users, minlength=self.n_users).astype(np.int64)

    @cached_property
    def item_degrees(self) -> IntArray:
        """int64 [n_items]: how many users took each item."""
        return np.bincount(self.items, minlength=self.n_items).astype(np.int64)

    @cached_property
    def taken_items(self) -> IntArray:
        """int64 [n]: the items that anybody took, ascending."""
        return np.flatnonzero(self.item_degrees)

    def of(self, users: IntArray) -> tuple[IntArray, IntArray]:
        """The items of some users as (position in `users`, item) pairs, sorted by both; int64 [m] each."""
        begins, lengths = self.starts[users], self.user_degrees[users]
        positions = np.repeat(np.arange(len(users), dtype=np.int64), lengths)
        offsets = np.arange(len(positions), dtype=np.int64) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        return positions, self.items[np.repeat(begins, lengths) + offsets]

    def contain(self, users: IntArray, items: IntArray) -> NDArray[np.bool_]:
        """bool [n]: which of these pairs are among the interactions."""
        if not len(self):
            return np.zeros(len(users), dtype=np.bool_)
        asked = users * self.n_items + items
        places = np.minimum(np.searchsorted(self.keys, asked), len(self) - 1)
        return np.asarray(self.keys[places] == asked)

    def union(self, other: Interactions) -> Interactions:
        """The pairs of both."""
        return Interactions.of_pairs(
            np.concatenate([self.users, other.users]),
            np.concatenate([self.items, other.items]),
            self.n_users,
            self.n_items,
        )

    def select(self, chosen: NDArray[np.bool_]) -> Interactions:
        """The pairs where `chosen`, bool [n], is true."""
        return Interactions(self.users[chosen], self.items[chosen], self.n_users, self.n_items)
