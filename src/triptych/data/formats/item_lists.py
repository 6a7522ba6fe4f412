"""Logs with several items per row: lists in one field, or a list of objects with an item each -> one item per row."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl

from triptych.data.formats.reading import Columns
from triptych.data.formats.tables import ITEM_IDS, Table, select_rows, usual_column
from triptych.errors import argument

SAMPLE = 1000  # distinct item ids that are looked at
MOST = 0.8  # of them, if they look like lists
SEPARATORS = (" ", "|", ",", ";")


def with_one_item_per_row(table: Table, columns: Columns, separator: str) -> Table:
    """Return a table with one item per row; the other fields of a row are repeated.

    Lists of a column of items are taken apart always, texts if a separator is given. If no column has items, but a
    column of lists of objects has them (as the events of a session), its fields become columns.
    """
    table = _with_fields_of_objects(table, columns)
    column = columns.item or usual_column(table.frame.columns, ITEM_IDS) or ""
    if column not in table.frame.columns:
        return table
    items = table.frame[column]
    if isinstance(items.dtype, pl.Array):
        items = items.arr.to_list()
    elif separator and items.dtype == pl.String:
        items = items.str.split(separator).list.eval(pl.element().filter(pl.element().str.strip_chars() != ""))
    if not isinstance(items.dtype, pl.List) or isinstance(items.dtype.inner, pl.Struct | pl.List):
        return table
    return _exploded(table, table.frame.with_columns(items.alias(column)), column)


def list_notes(items: pl.Series, path: Path) -> list[str]:
    """Return a note if most item ids look like lists of ids, with the option that takes them apart."""
    sample = items.drop_nulls().head(20 * SAMPLE).unique(maintain_order=True).head(SAMPLE).to_list()
    for separator in SEPARATORS:
        lists = [each for each in sample if separator in each.strip(separator)]
        words = [word for each in lists for word in each.split(separator) if word]
        ids = [word for word in words if re.fullmatch(r"[\w:-]*\d[\w:-]*", word)]
        if len(sample) > 1 and len(lists) >= MOST * len(sample) and len(ids) >= MOST * len(words):
            return [
                f'{path.name}: item ids such as "{lists[0][:60]}" look like lists; to read each as several items, pass '
                f"{argument(item_separator=separator)}"
            ]
    return []


def _with_fields_of_objects(table: Table, columns: Columns) -> Table:
    """Return the table with the fields of a column of objects as columns, if the items are there only."""
    if any(name.lower() in ITEM_IDS[:-1] or name == columns.item for name in table.frame.columns):
        return table
    for name, kind in table.frame.schema.items():
        if isinstance(kind, pl.List) and isinstance(kind.inner, pl.Struct):
            fields = [each.name for each in kind.inner.fields]
            if columns.item in fields or any(each.lower() in ITEM_IDS for each in fields):
                exploded = _exploded(table, table.frame, name)
                kept = exploded.frame.drop([each for each in fields if each in exploded.frame.columns and each != name])
                frame = kept.unnest(name)
                dropped = sorted(set(exploded.frame.columns) & set(fields) - {name})
                note = f'{table.path.name}: the items are those of the lists in "{name}"'
                note += f"; its {', '.join(dropped)} replaces the field of the row" if dropped else ""
                return replace(exploded, frame=frame, notes=(*exploded.notes, note))
    return table


def _exploded(table: Table, frame: pl.DataFrame, column: str) -> Table:
    lengths = frame[column].list.len().fill_null(0).to_numpy().astype(np.int64)
    positions = np.repeat(np.arange(len(lengths), dtype=np.int64), np.maximum(lengths, 1))
    return select_rows(table, positions, frame.explode(column))
