"""Vocabularies: external ids <-> row numbers."""

from __future__ import annotations

import copy
from functools import cached_property

import numpy as np
import polars as pl
from numpy.typing import NDArray

from triptych import forks
from triptych.data.cards import card_of_vocabulary
from triptych.data.id_types import IdType, fitting_type, with_type
from triptych.data.ids import WHITE_SPACE, Ids, id_series
from triptych.display import displayed
from triptych.errors import InputError, UnknownIdError, did_you_mean


@displayed(card_of_vocabulary)
class Vocabulary:
    """The ids of all users, or of all items: id <-> row. Ids are always strings, so "007" stays "007".

    ids: String series of distinct, non-null ids; the id at position r belongs to row r. noun: "user" or "item", for
    messages. id_type: how ids are given back, see `as_given`. Raises InputError if an id is null or appears twice.
    """

    id_type: IdType = "string"

    def __init__(self, ids: Ids, *, noun: str = "item") -> None:
        self.ids = id_series(ids, noun)
        self.noun = noun
        if self.ids.null_count():
            row = int(self.ids.is_null().arg_true()[0])
            raise InputError(f"{noun} id number {row + 1} is empty", hint=f"give every {noun} an id")
        if _n_distinct(self.ids) != len(self.ids):
            repeated = str(self.ids.filter(self.ids.is_duplicated())[0])
            raise InputError(f'{noun} id "{repeated}" appears twice', hint=f"keep one row per {noun}")

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def _row_of(self) -> dict[str, int]:
        return dict(zip(self.ids.to_list(), range(len(self.ids)), strict=True))

    def find(self, ids: Ids) -> NDArray[np.int64]:
        """Return int64 [n]: the row of each id, -1 if it is unknown. White space around an id does not count."""
        requested = id_series(ids, self.noun)
        rows = self._find(requested)
        unknown = np.flatnonzero(rows < 0)
        if len(unknown):
            names = requested.to_list()
            rows[unknown] = [self._row_of.get(str(names[position]).strip(WHITE_SPACE), -1) for position in unknown]
        return rows

    def _find(self, requested: pl.Series) -> NDArray[np.int64]:
        if len(requested) < 1000 or not forks.polars_works():
            return np.array([self._row_of.get(name, -1) for name in requested.to_list()], dtype=np.int64)
        known = pl.DataFrame({"id": self.ids, "row": np.arange(len(self.ids), dtype=np.int64)})
        found = requested.to_frame().join(known, on="id", how="left", maintain_order="left")
        return found["row"].fill_null(-1).to_numpy().astype(np.int64)

    def rows(self, ids: Ids) -> NDArray[np.int64]:
        """Return int64 [n]: the row of each id. Raises UnknownIdError that names the first unknown id."""
        rows = self.find(ids)
        if (rows < 0).any():
            first = str(id_series(ids, self.noun)[int(np.argmax(rows < 0))])
            count = int((rows < 0).sum())
            more = f" (and {count - 1} more)" if count > 1 else ""
            near = did_you_mean(first, self.ids.head(20_000).to_list()) if len(self.ids) <= 20_000 else ""
            article = "an" if self.noun == "item" else "a"
            hint = near if near.startswith("did") else f"give {article} {self.noun} of the data set"
            raise UnknownIdError(f'unknown {self.noun} "{first}"{more}', hint=hint)
        return rows

    def names(self, rows: NDArray[np.integer]) -> pl.Series:
        """Return String series [n]: the ids of these rows."""
        return self.ids.gather(pl.Series(np.asarray(rows, dtype=np.int64)))

    def as_given(self, rows: NDArray[np.integer]) -> pl.Series:
        """Return series [n]: the ids of these rows in the type in which they came, see `data/id_types.py`."""
        return with_type(self.names(rows), self.id_type)

    def with_type(self, id_type: IdType) -> Vocabulary:
        """Return the same ids with this type, or the closest that all of them have: wider integers, or text."""
        typed = copy.copy(self)
        typed.id_type = fitting_type(self.ids, id_type)
        return typed

    def extended_by(self, ids: pl.Series) -> Vocabulary:
        """Return the ids followed by others, String [n]. Raises InputError if one is known already."""
        everything = pl.concat([self.ids.alias("id"), ids.alias("id")])
        return Vocabulary(everything, noun=self.noun).with_type(self.id_type)


def _n_distinct(ids: pl.Series) -> int:
    return ids.n_unique() if forks.polars_works() else len(set(ids.to_list()))


def known_rows(vocabulary: Vocabulary, ids: pl.Series) -> tuple[NDArray[np.int64], pl.Series]:
    """Return int64 [n]: the rows of ids that repeat, -1 for unknown ones; and the distinct unknown ids."""
    distinct = ids.unique(maintain_order=True)
    found = vocabulary.find(distinct)
    rows = ids.replace_strict(distinct, pl.Series(found), return_dtype=pl.Int64).to_numpy()
    return rows, distinct.filter(pl.Series(found < 0))


def unknown_note(unknown: pl.Series, noun: str, effect: str) -> list[str]:
    """Return a note about distinct unknown ids, if there are any. effect: what becomes of them."""
    if not len(unknown):
        return []
    shown = ", ".join(f'"{each}"' for each in unknown.head(3).to_list()) + (", …" if len(unknown) > 3 else "")
    return [f"{len(unknown):,} unknown {noun}{'s' * (len(unknown) > 1)}, as {shown}: {effect}"]
