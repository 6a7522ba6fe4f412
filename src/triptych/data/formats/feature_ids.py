"""Files with the item ids of the rows of a matrix: lines, a table, or an array of texts."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from triptych.data.formats.compressed import plain_suffix
from triptych.data.formats.matrices.matrix import ID_NAMES
from triptych.data.formats.matrices.named import ids_of_array
from triptych.data.formats.matrices.npy import open_npy
from triptych.data.formats.matrices.registry import read_matrix
from triptych.data.formats.read_table import TABLE_SUFFIXES, TEXT_SUFFIXES, path_not_found, read_table
from triptych.data.formats.reading import GUESS, Reading
from triptych.data.formats.separated import guess_separator
from triptych.data.formats.tables import Table, check_item_ids
from triptych.data.formats.text_file import open_text
from triptych.data.vocabulary import Vocabulary
from triptych.errors import InputError, location

HEADERS = re.compile(r"^[A-Za-z_ ]+$")


@dataclass(frozen=True)
class IdFile:
    """The ids in a file, one per row of the features.

    table: for the locations of rows. ids: String [n_rows]; None if several columns may be the ids: then `columns` has
    them, by name, until the ids of the data set decide. notes: see `InputWarning`.
    """

    table: Table
    ids: pl.Series | None
    columns: Mapping[str, pl.Series] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def read_feature_ids(path: Path, n_rows: int, features: Path, reading: Reading = GUESS) -> IdFile:
    """Read the ids of `n_rows` rows of the file `features`.

    A text file has one id per line, with or without a header; or it is a table, as every other kind. Raises InputError
    if ids are empty, repeated, or not as many as the rows.
    """
    if not path.exists():
        raise path_not_found(path)
    if path.suffix in (".npy", ".npz"):
        return _of_array(path, n_rows, features)
    table = _table(path, n_rows, reading)
    if len(table.frame) != n_rows:
        raise _wrong_number(path, len(table.frame), n_rows, features)
    names = table.frame.columns
    named = [name for name in names if name.lower() in ID_NAMES]
    if len(names) > 1 and len(named) != 1:
        columns = {name: table.ids(name, "item")[0] for name in names if _may_be_ids(table.frame.schema[name])}
        return IdFile(table, None, columns, table.notes)
    column = named[0] if len(names) > 1 else names[0]
    ids, notes = table.ids(column, "item")
    ids = check_item_ids(ids, table.location)
    _check_row_numbers(table, column)
    others = [f'"{name}"' for name in names if name != column]
    noted = [f'{path.name}: the ids are those of "{column}", not of {", ".join(others)}'] if others else []
    return IdFile(table, ids, {}, (*table.notes, *notes, *noted))


def choose_known_ids(file: IdFile, known: Vocabulary) -> IdFile:
    """Return the file with the ids of the column whose values are all known. Raises InputError if not one has them."""
    if file.ids is not None:
        return file
    found = [name for name, ids in file.columns.items() if ids.null_count() == 0 and (known.find(ids) >= 0).all()]
    shown = ", ".join(f'"{name}"' for name in file.columns)
    if len(found) != 1:
        problem = "all hold ids of the data set" if found else "none holds ids of the data set alone"
        raise InputError(
            f"has several columns ({shown}), and {problem}",
            where=location(file.table.path),
            hint="write one id per line, in the order of the rows",
        )
    _check_row_numbers(file.table, found[0])
    ids = check_item_ids(file.columns[found[0]], file.table.location)
    note = f'{file.table.path.name}: of its columns {shown}, "{found[0]}" has the ids of the data set'
    return IdFile(file.table, ids, {}, (*file.notes, note))


def _of_array(path: Path, n_rows: int, features: Path) -> IdFile:
    array = open_npy(path) if path.suffix == ".npy" else read_matrix(path).values
    ids, notes = ids_of_array(array, path)
    if len(ids) != n_rows:
        raise _wrong_number(path, len(ids), n_rows, features)
    table = Table(ids.to_frame("id"), path, 0)
    return IdFile(table, check_item_ids(ids, table.location), {}, tuple(notes))


def _table(path: Path, n_rows: int, reading: Reading) -> Table:
    """Read a file of ids as a table: with one column, named id, if it has one id per line."""
    suffix = plain_suffix(path)
    if suffix in TABLE_SUFFIXES and suffix not in TEXT_SUFFIXES:
        return read_table(path, reading)
    if path.stat().st_size and suffix in TEXT_SUFFIXES:
        text = open_text(path, reading.encoding)
        first = text.first_line()
        separator = guess_separator(text, suffix)
        if separator in first and (suffix != ".txt" or separator == "\t"):
            fields = [each.strip().strip('"') for each in first.split(separator)]
            if all(HEADERS.match(each) for each in fields):
                return read_table(path, reading)
    table = read_table(path, reading, header=["id"], separator="\x1f")
    lines = table.frame["id"].str.strip_chars().str.strip_chars('"')
    if len(lines) == n_rows + 1:
        return Table(lines[1:].to_frame("id"), path, 2, table.notes)  # the first line is a header
    return Table(lines.to_frame("id"), path, table.first_row, table.notes)


def _check_row_numbers(table: Table, column: str) -> None:
    """Raise InputError if another column numbers the rows of the features in another order than that of the lines."""
    for name in table.frame.columns:
        if name == column:
            continue
        numbers = table.frame[name].cast(pl.String, strict=False).cast(pl.Int64, strict=False)
        count = pl.arange(0, len(numbers), eager=True)
        if numbers.null_count() == 0 and not (numbers == count).all() and (numbers.sort() == count).all():
            raise InputError(
                f'the rows are numbered in "{name}", but not in the order of the lines',
                where=table.location(column=name),
                hint=f'sort the lines by "{name}", so that line k belongs to row k; or leave that column out',
            )


def _may_be_ids(dtype: pl.DataType) -> bool:
    return dtype == pl.String or dtype.is_integer()


def _wrong_number(path: Path, n_ids: int, n_rows: int, features: Path) -> InputError:
    return InputError(
        f"{n_ids} ids for the {n_rows} rows of {features.name}", where=location(path), hint="give one id per row"
    )
