"""Groups of items that lists are balanced over: the values of a column of the item table, or bands of popularity."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from triptych import forks
from triptych.data.formats.tables import Table
from triptych.data.formats.value_lists import value_lists
from triptych.data.interactions import Interactions
from triptych.data.item_conditions import require_item_table
from triptych.errors import SettingsError, did_you_mean

POPULARITY = "popularity"  # the name of the bands of popularity, where a column may be named too
BANDS = ("head", "middle", "tail")  # items of the most popular 20 %, the next 60 %, the last 20 % of the interactions
HEAD, TAIL = 0.2, 0.2


@dataclass(frozen=True)
class ItemGroups:
    """Groups of items; an item may be in none, one or several.

    names: of the groups. slots: int64 [n_items, m], the groups of each item, then `len(names)` in the slots that are
    left over.
    """

    names: tuple[str, ...]
    slots: NDArray[np.int64]

    @property
    def n_groups(self) -> int:
        return len(self.names)

    @cached_property
    def is_group(self) -> NDArray[np.bool_]:
        """bool [n_items, m]: the slots that hold a group."""
        return np.asarray(self.slots < self.n_groups)

    @cached_property
    def shares(self) -> NDArray[np.float32]:
        """float32 [n_items, m]: the share of an item that each of its groups gets: 1 / their number."""
        counts = np.maximum(self.is_group.sum(axis=1, keepdims=True), 1)
        return np.asarray(self.is_group / counts, dtype=np.float32)

    def distributions(self, users: NDArray[np.int64], history: Interactions) -> NDArray[np.float32]:
        """float32 [n, n_groups + 1]: how the history of each user, int64 [n], is divided over the groups; the sum is 1.

        A row of a user without history, as -1 for an unknown one, or whose items are in no group, is zeros. So is the
        last column.
        """
        known = np.flatnonzero(users >= 0)
        positions, items = history.items_of(users[known])
        counts = self.counts_of(known[positions], items, len(users))
        totals = counts.sum(axis=1, keepdims=True)
        return np.asarray(counts / np.where(totals > 0, totals, 1), dtype=np.float32)

    def counts_of(self, rows: NDArray[np.int64], items: NDArray[np.int64], n: int) -> NDArray[np.float64]:
        """float64 [n, n_groups + 1]: the items of each group in lists; an item counts 1 in all.

        rows, items: int64 [m], the lists as (row in [0, n), item) pairs.
        """
        width = self.n_groups + 1
        keys = (rows[:, None] * width + self.slots[items]).reshape(-1)
        return np.asarray(np.bincount(keys, self.shares[items].reshape(-1), n * width), dtype=np.float64).reshape(
            n, width
        )


def groups_by_column(table: pl.DataFrame | None, column: str, separator: str = "|") -> ItemGroups:
    """Group items by the values of a column: lists, or texts whose values stand between separators.

    An item without a value is in no group. Raises InputError if there is no item table; SettingsError for an unknown
    column, ForkError in a forked process that lacks the threads of polars.
    """
    table = require_item_table(table)
    if column not in table.columns:
        hint = did_you_mean(column, [name for name in table.columns if name != "item_id"])
        raise SettingsError(f'the item table has no column "{column}"', hint=hint)
    forks.require_polars("groups by a column of the item table")
    lists, _ = value_lists(Table(table, Path("item table")), column, separator)
    rows = lists.to_frame("value").with_row_index("item").explode("value").drop_nulls().unique()
    names = rows["value"].unique().sort()
    codes = rows.join(pl.DataFrame({"value": names}).with_row_index("group"), on="value").sort("item", "group")
    items, groups = codes["item"].to_numpy().astype(np.int64), codes["group"].to_numpy().astype(np.int64)
    slot = np.arange(len(items)) - np.searchsorted(items, items)
    slots = np.full((len(table), int(slot.max(initial=0)) + 1), len(names), dtype=np.int64)
    slots[items, slot] = groups
    return ItemGroups(tuple(names.to_list()), slots)


def groups_by_popularity(item_degrees: NDArray[np.int64]) -> ItemGroups:
    """Group items by their number of interactions, int64 [n_items], into bands (Abdollahpouri et al., 2021).

    Head: the most popular items that have 20 % of all interactions together. Tail: the least popular ones that have
    20 %. Middle: the others.
    """
    order = np.argsort(-item_degrees, kind="stable")
    before = np.cumsum(item_degrees[order]) - item_degrees[order]
    total = max(1, int(item_degrees.sum()))
    bands = np.empty((len(order), 1), dtype=np.int64)
    bands[order, 0] = np.where(before < HEAD * total, 0, np.where(before < (1 - TAIL) * total, 1, 2))
    return ItemGroups(BANDS, bands)
