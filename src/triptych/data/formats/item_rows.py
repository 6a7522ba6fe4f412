"""Item tables with several rows of an item: repetitions, or the long form with one row per item and value."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from triptych.data.formats.tables import Table, find_id_column, noun_of, select_rows
from triptych.data.formats.value_lists import lists_in
from triptych.errors import InputError, SettingsError

DuplicateItems = Literal["error", "first", "last", "lists"]
CHOICES: tuple[DuplicateItems, ...] = ("error", "first", "last", "lists")
SHOWN = 5  # columns that a note names


def parse_duplicate_items(text: str) -> DuplicateItems:
    """Return a choice that is given as text. Raises SettingsError."""
    for each in CHOICES:
        if text == each:
            return each
    raise SettingsError(f'"{text}" is not a choice of `duplicate_items`', hint=f"write {', '.join(CHOICES)}")


def merge_item_rows(table: Table, id_column: str = "", duplicates: DuplicateItems = "error") -> Table:
    """Return an item table with one row per item, in the order of the first rows; a note says what was merged.

    Rows that repeat another are left out. duplicates: what to do with rows of one item that differ: raise InputError,
    keep the first or the last, or collect the distinct values of each column that differs as lists of texts.
    """
    noun = noun_of(table, id_column)
    column = find_id_column(table, id_column, noun)
    ids = table.ids(column, noun)[0]
    repeated = ids.is_duplicated() & ids.is_not_null()
    if not repeated.any():
        return table
    firsts = np.flatnonzero((ids.is_first_distinct() | ids.is_null()).to_numpy()).astype(np.int64)
    n_merged = len(ids) - len(firsts)
    differing = _differing_columns(table, ids, repeated, column)
    if not differing:
        note = f"{table.path.name}: {n_merged:,} rows repeat the row of an item that is there already: left out"
        return _selected(table, firsts, note)
    position = _first_that_differs(table, ids, firsts, differing)
    names = ", ".join(differing[:SHOWN])
    if duplicates == "error":
        raise InputError(
            f'{noun} id "{ids[position]}" appears twice, with other values of {names}',
            where=table.location(position, column),
            hint="keep one row per item, or let `duplicate_items` be first, last or lists (all values of a column)",
        )
    step = {
        "first": "the first row of each is kept",
        "last": "the last row of each is kept",
        "lists": "the values of these columns are collected as lists",
    }[duplicates]
    note = (
        f"{table.path.name}: {n_merged:,} rows of items that are there already, "
        f'with other values of {names}, as of item "{ids[position]}": {step}'
    )
    if duplicates == "last":
        return _selected(table, _lasts(ids, firsts), note)
    merged = _selected(table, firsts, note)
    if duplicates == "first":
        return merged
    lists = [_collected(table, ids, firsts, name) for name in differing]
    return select_rows(merged, np.arange(len(firsts)), merged.frame.with_columns(lists))


def _selected(table: Table, rows: NDArray[np.int64], note: str) -> Table:
    selected = select_rows(table, rows, table.frame[rows])
    return replace(selected, notes=(*table.notes, note))


def _comparable(values: pl.Series) -> pl.Series:
    """Return a column that can be compared: nested values as text."""
    if values.dtype.is_nested():
        return pl.Series(values.name, [None if each is None else repr(each) for each in values.to_list()], pl.String)
    return values


def _differing_columns(table: Table, ids: pl.Series, repeated: pl.Series, column: str) -> list[str]:
    """Return the columns that have several values for an item."""
    names = [name for name in table.frame.columns if name != column]
    rows, group = table.frame.filter(repeated), ids.filter(repeated)
    return [
        name
        for name in names
        if pl.DataFrame({"id": group, "value": _comparable(rows[name])}).n_unique() > group.n_unique()
    ]


def _first_that_differs(table: Table, ids: pl.Series, firsts: NDArray[np.int64], differing: list[str]) -> int:
    """Return the position of the first row that differs from the first row of its item."""
    first = _first_of_each(ids, firsts)
    differs = np.zeros(len(ids), dtype=np.bool_)
    for name in differing:
        values = _comparable(table.frame[name])
        differs |= ~values.eq_missing(values[first]).to_numpy()
    return int(np.argmax(differs))


def _first_of_each(ids: pl.Series, firsts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return int64 [n]: for each row, the position of the first row of its item; rows without an id are their own."""
    known = pl.DataFrame({"id": ids[firsts], "first": firsts}).drop_nulls("id")
    found = pl.DataFrame({"id": ids, "row": np.arange(len(ids))}).join(
        known, on="id", how="left", maintain_order="left"
    )
    return found.select(pl.coalesce("first", "row")).to_series().to_numpy().astype(np.int64)


def _lasts(ids: pl.Series, firsts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the last row of each item, in the order of the first rows."""
    last = np.arange(len(ids), dtype=np.int64)
    last[_first_of_each(ids, firsts)] = np.arange(len(ids))  # later rows overwrite earlier ones
    return last[firsts]


def _collected(table: Table, ids: pl.Series, firsts: NDArray[np.int64], name: str) -> pl.Series:
    """Return the distinct values of each item in a column, List(String) [n_items]."""
    in_lists = lists_in(table, name)
    values = table.text(name) if in_lists is None else in_lists
    rows = pl.DataFrame({"first": _first_of_each(ids, firsts), name: values})
    rows = rows.explode(name) if isinstance(values.dtype, pl.List) else rows
    rows = rows.drop_nulls(name).unique(maintain_order=True)
    lists = rows.group_by("first", maintain_order=True).agg(name)
    every = pl.DataFrame({"first": firsts})
    return every.join(lists, on="first", how="left", maintain_order="left")[name]
