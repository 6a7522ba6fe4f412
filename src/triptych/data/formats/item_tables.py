"""Several tables of items, or of users, as one: joined by id."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl

from triptych.data.formats.item_rows import DuplicateItems, merge_item_rows
from triptych.data.formats.tables import Table, find_id_column, read_row_ids
from triptych.errors import InputError


def join_item_tables(
    tables: Sequence[Table], id_column: str = "", noun: str = "item", duplicates: DuplicateItems = "error"
) -> Table:
    """Return one table with the items of all tables, those of the first one first, and the columns of all.

    id_column: the column of ids; "" guesses it in each table. noun: "item" or "user". duplicates: of items, as in
    `merge_item_rows`. A column in several tables must have the same values where both have one. Raises InputError that
    names the column and the item.
    """
    joined, *others = (merge_item_rows(each, id_column, duplicates) if noun == "item" else each for each in tables)
    for other in others:
        joined = _join(joined, other, id_column, noun)
    return joined


def _join(one: Table, other: Table, id_column: str, noun: str) -> Table:
    column = find_id_column(one, id_column, noun)
    (ids, _), (other_ids, _) = read_row_ids(one, id_column, noun), read_row_ids(other, id_column, noun)
    left = one.frame.with_columns(ids.alias(column)).with_row_index("__left")
    right = other.frame.drop(find_id_column(other, id_column, noun)).with_columns(other_ids.alias(column))
    right = right.with_row_index("__right")
    rows = left.join(right, on=column, how="full", coalesce=True, suffix="__other", maintain_order="left_right")
    for name in [name for name in right.columns if name in one.frame.columns and name != column]:
        rows = rows.with_columns(_coalesced(rows, one, other, (noun, column), name)).drop(f"{name}__other")
    shared = int(rows.select((pl.col("__left").is_not_null() & pl.col("__right").is_not_null()).sum()).item())
    note = (
        f"{one.path.name} and {other.path.name} are joined by {noun} id: {shared:,} {noun}s are in both, "
        f"{len(ids) - shared:,} in the first only, {len(other_ids) - shared:,} in the second only"
    )
    from_left = rows["__left"].fill_null(-1).to_numpy().astype(np.int64)
    from_right = rows["__right"].fill_null(-1).to_numpy().astype(np.int64)

    def origin(position: int) -> tuple[Path, int]:
        table, row = (one, from_left[position]) if from_left[position] >= 0 else (other, from_right[position])
        return table.place(int(row))

    frame = rows.drop("__left", "__right")
    return replace(one, frame=frame, notes=(*one.notes, *other.notes, note), origin=origin)


def _coalesced(rows: pl.DataFrame, one: Table, other: Table, ids: tuple[str, str], name: str) -> pl.Series:
    """Return a column of both tables. ids: the noun, and the column of ids. Raises InputError if they differ."""
    first, second = rows[name], rows[f"{name}__other"]
    if first.dtype != second.dtype:
        first, second = first.cast(pl.String), second.cast(pl.String)
    differs = ((first != second) & first.is_not_null() & second.is_not_null()).fill_null(value=False)
    if differs.any():
        position = int(differs.arg_true()[0])
        raise InputError(
            f'has another value than {one.path.name} for {ids[0]} "{rows[ids[1]][position]}": '
            f'"{second[position]}" and "{first[position]}"',
            where=other.location(column=name),
            hint="keep the column in one of the tables, or give it another name",
        )
    return pl.select(pl.coalesce(first, second)).to_series().alias(name)
