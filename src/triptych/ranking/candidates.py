"""Candidates: the items that may be ranked, for all users or per user.

They are given by ids, by frames of users and items, or by a condition over the item table (`data/item_conditions.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from triptych.data.formats.frames import frame_as_polars
from triptych.data.formats.tables import ITEM_IDS, USER_IDS, Table, usual_column
from triptych.data.ids import Ids, id_series
from triptych.data.interactions import Interactions
from triptych.data.item_conditions import items_where
from triptych.data.vocabulary import Vocabulary
from triptych.errors import InputError, warn_of

# item ids, or a frame of pandas, polars or Arrow with a column of items and perhaps one of users
GivenItems = Ids | Any
UnknownUsers = Mapping[str, NDArray[np.int64]]  # items of users that the model does not know


@dataclass(frozen=True)
class Candidates:
    """The items that may be ranked. Seen items are left out beside that.

    items: int64 [m], ascending: those of all users; None: all items. excluded: per user, what is left out. only: per
    user, what may be ranked, a user without pairs gets nothing; None: all items. excluded_of_unknown, only_of_unknown:
    the same for users that the model does not know, who get popular items.
    """

    items: NDArray[np.int64] | None = None
    excluded: Interactions | None = None
    only: Interactions | None = None
    excluded_of_unknown: UnknownUsers = field(default_factory=dict)
    only_of_unknown: UnknownUsers | None = None

    def contain(self, users: NDArray[np.int64], items: NDArray[np.int64]) -> NDArray[np.bool_]:
        """bool [n]: which (user, item) pairs may be ranked."""
        allowed = np.ones(len(items), dtype=np.bool_)
        if self.items is not None:
            allowed &= np.isin(items, self.items)
        if self.excluded is not None:
            allowed &= ~self.excluded.contain(users, items)
        if self.only is not None:
            allowed &= self.only.contain(users, items)
        return allowed

    @property
    def is_per_user(self) -> bool:
        """Whether the candidates differ between users."""
        return self.only is not None or self.excluded is not None

    def of_unknown(self, user: str, n_items: int) -> NDArray[np.int64]:
        """int64 [m], ascending: what may be in the list of a user that the model does not know."""
        nothing = np.zeros(0, dtype=np.int64)
        allowed = np.ones(n_items, dtype=np.bool_)
        for chosen in (self.items, None if self.only_of_unknown is None else self.only_of_unknown.get(user, nothing)):
            if chosen is not None:
                allowed &= np.isin(np.arange(n_items), chosen)
        allowed[self.excluded_of_unknown.get(user, nothing)] = False
        return np.flatnonzero(allowed)


ALL_ITEMS = Candidates()


def candidates(
    users: Vocabulary,
    catalogue: Vocabulary,
    item_table: pl.DataFrame | None,
    *,
    items: GivenItems | None = None,
    exclude_items: GivenItems | None = None,
    where: str | pl.Expr | None = None,
) -> Candidates:
    """Find the items that may be ranked: only `items`, without `exclude_items`, that satisfy `where`.

    items, exclude_items: ids, or a frame; a frame with a column of users counts per user. Unknown items are passed over
    with an InputWarning. Raises InputError if `items` has no known item, or for what is no list and no frame of ids;
    SettingsError for `where`, see `items_where`.
    """
    allowed: NDArray[np.bool_] | None = None
    if where is not None:
        allowed = items_where(item_table, where)
    chosen = None if items is None else _given(items, "items", users, catalogue)
    left_out = None if exclude_items is None else _given(exclude_items, "exclude_items", users, catalogue)
    if chosen is not None and not len(chosen.items):
        raise InputError("none of these items is known", where="items", hint="give items of the data set")
    for given, of_all in ((chosen, True), (left_out, False)):
        if given is not None and given.users is None:
            mask = np.full(len(catalogue), not of_all)
            mask[given.items] = of_all
            allowed = mask if allowed is None else allowed & mask
    result: dict[str, Any] = {}
    if chosen is not None and chosen.users is not None:
        result |= {"only": chosen.pairs(users, catalogue), "only_of_unknown": chosen.of_unknown(users)}
    if left_out is not None and left_out.users is not None:
        result |= {"excluded": left_out.pairs(users, catalogue), "excluded_of_unknown": left_out.of_unknown(users)}
    return Candidates(None if allowed is None else np.flatnonzero(allowed), **result)


@dataclass(frozen=True)
class _Given:
    """Given rows of items, int64 [n], and the ids of their users, String [n], or None if they hold for all users."""

    items: NDArray[np.int64]
    users: pl.Series | None

    def pairs(self, users: Vocabulary, catalogue: Vocabulary) -> Interactions:
        assert self.users is not None
        rows = users.find(self.users)
        return Interactions.from_pairs(rows[rows >= 0], self.items[rows >= 0], len(users), len(catalogue))

    def of_unknown(self, users: Vocabulary) -> UnknownUsers:
        assert self.users is not None
        unknown: dict[str, list[int]] = {}
        names = self.users.to_list()
        for position in np.flatnonzero(users.find(self.users) < 0):
            unknown.setdefault(names[position], []).append(int(self.items[position]))
        return {name: np.array(rows, dtype=np.int64) for name, rows in unknown.items()}


def _given(given: GivenItems, name: str, users: Vocabulary, catalogue: Vocabulary) -> _Given:
    """Read ids or a frame. name: of the argument, for errors."""
    table, notes = _table(given, name), list[str]()
    user_ids: pl.Series | None = None
    if table is None:
        try:
            ids = id_series(given)
        except InputError as error:
            raise InputError(error.what, where=name, hint=error.hint) from None
    else:
        item_column = _item_column(table)
        ids, notes = table.required_ids(item_column, "item")
        user_column = usual_column(table.frame.columns, USER_IDS)
        if user_column is not None:
            user_ids, user_notes = table.required_ids(user_column, "user")
            notes += user_notes
    rows = catalogue.find(ids)
    unknown = ids.filter(pl.Series(rows < 0)).unique(maintain_order=True)
    if len(unknown):
        shown = ", ".join(unknown.head(5).to_list()) + (", …" if len(unknown) > 5 else "")
        notes.append(f"{name}: {len(unknown):,} unknown item{'s' * (len(unknown) > 1)} passed over: {shown}")
    warn_of(notes)
    known = rows >= 0
    return _Given(rows[known], None if user_ids is None else user_ids.filter(pl.Series(known)))


def _table(given: GivenItems, name: str) -> Table | None:
    """Return a frame as a table, which may be empty; None for what is no frame."""
    if isinstance(given, Table):
        return given
    if isinstance(given, pl.Series) or not hasattr(given, "columns"):
        return None
    frame = frame_as_polars(given, name)
    return None if frame is None else Table(frame, Path(name), 0)


def _item_column(table: Table) -> str:
    found = usual_column(table.frame.columns, ITEM_IDS)
    if found is None and table.frame.width == 1:
        found = table.frame.columns[0]
    if found is None:
        raise table.no_column("item ids", "call it item_id")
    return found
