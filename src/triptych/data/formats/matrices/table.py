"""Tables of features: an id column, and columns of numbers or one column of lists. Text files may have no header."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
from numpy.typing import NDArray

from triptych.data.formats.compressed import plain_suffix
from triptych.data.formats.matrices.matrix import ID_NAMES, MATRIX_NAMES, Matrix, MatrixFormat
from triptych.data.formats.read_table import ARROW_SUFFIXES, TEXT_SUFFIXES, read_table
from triptych.data.formats.reading import GUESS, Reading
from triptych.data.formats.separated import guess_separator
from triptych.data.formats.tables import Table, check_item_ids
from triptych.data.formats.text_file import open_text
from triptych.errors import InputError

JSON_SUFFIXES = (".jsonl", ".ndjson")
BETWEEN = r"[,;\s]+"  # the numbers of a vector in one field
UNNAMED = "column_1"  # a first column without a name, as pandas writes its index
SHOWN = 10


def read_matrix_table(path: Path, reading: Reading = GUESS) -> Matrix:
    """Read a table of features. Raises InputError."""
    suffix = plain_suffix(path)
    header = _own_header(path, suffix, reading) if suffix in TEXT_SUFFIXES and path.stat().st_size else []
    table = read_table(path, reading, header=header)
    noted = [f"{path.name}: the first line has no names of columns, so it is read as a row"] if header else []
    matrix = matrix_of_table(table)
    return Matrix(matrix.values, matrix.ids, table, (*table.notes, *noted, *matrix.notes))


def matrix_of_table(table: Table) -> Matrix:
    """Return the matrix of a column of lists, or of all columns of numbers; and the ids in a column of their own.

    The ids are in a column with a usual name, else in the first column of texts, else in the first of whole numbers
    beside others. Raises InputError if there is no matrix, or if ids are empty or repeated.
    """
    frame = table.frame
    lists = [name for name in frame.columns if _is_vectors(table, name)]
    numbers = [name for name in frame.columns if name not in lists and _is_numbers(table, name)]
    others = [name for name in frame.columns if name not in lists and name not in numbers]
    notes: list[str] = []
    if frame.columns[0] == UNNAMED and len(frame.columns) > 1 and _counts_rows(frame[UNNAMED]):
        notes.append(f"{table.path.name}: the first column has no name and counts the rows: not used")
        numbers = [name for name in numbers if name != UNNAMED]
    id_column = _id_column(table, lists, numbers, others)
    ids = None
    if id_column is not None:
        ids, id_notes = table.ids(id_column, "item")
        ids = check_item_ids(ids, table.location)
        notes += id_notes
    numbers, lists = ([name for name in names if name != id_column] for names in (numbers, lists))
    chosen = lists if len(lists) < 2 else [name for name in lists if name.lower() in MATRIX_NAMES][:1]
    if not (chosen or (numbers and not lists)):
        raise InputError(
            f"has several columns of lists ({', '.join(lists)})" if lists else "has no features",
            where=table.location(),
            hint='name the vectors "vector"' if lists else "give an id column and one column of lists, or of numbers",
        )
    used = {id_column, *(chosen or numbers), *([UNNAMED] if notes and id_column != UNNAMED else [])}
    unused = [name for name in frame.columns if name not in used]
    if unused:
        notes.append(f"{table.path.name}: columns that are not used as features: {', '.join(unused[:SHOWN])}")
    if id_column is None and not chosen and all(frame.schema[name].is_integer() for name in numbers):
        notes.append(f"{table.path.name}: no column looks like item ids, so its rows are those of the item table")
    values = _vectors(table, chosen[0]) if chosen else _columns(table, numbers)
    return Matrix(values, ids, table, tuple(notes))


def _id_column(table: Table, lists: Sequence[str], numbers: Sequence[str], others: Sequence[str]) -> str | None:
    columns = table.frame.columns
    named = [name for name in columns if name.lower() in ID_NAMES and name not in lists]
    if named:
        return min(named, key=lambda name: ID_NAMES.index(name.lower()))
    if others:
        return others[0]
    if columns[0] == UNNAMED and columns[0] in numbers and len(columns) > 1:
        return UNNAMED
    whole = [name for name in numbers if _is_whole(table.frame[name])]
    beside = len(whole) < len(numbers) or bool(lists)
    return whole[0] if whole and beside else None


def _own_header(path: Path, suffix: str, reading: Reading) -> list[str]:
    """Return names for the columns of a text file whose first line has numbers; [] if it has a header."""
    text = open_text(path, reading.encoding)
    first = text.first_line()
    fields = [each.strip().strip('"') for each in first.split(guess_separator(text, suffix))]
    rest = fields[1:] or fields
    if not all(_is_number(each) for each in rest) or _is_count(rest):
        return []
    width = len(fields)
    return [f"feature_{n}" if n or _is_number(fields[0]) else "item_id" for n in range(width)]


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _is_count(names: Sequence[str]) -> bool:
    """Whether names are 0, 1, 2, … or 1, 2, 3, …, as pandas and others name columns without names."""
    if not all(name.isascii() and name.isdigit() for name in names):
        return False
    return [int(name) for name in names] in (list(range(len(names))), list(range(1, len(names) + 1)))


def _counts_rows(values: pl.Series) -> bool:
    whole = values.cast(pl.Int64, strict=False)
    return bool((whole == pl.arange(0, len(values), eager=True)).fill_null(value=False).all())


def _is_whole(values: pl.Series) -> bool:
    if values.dtype == pl.String:
        return bool(values.str.strip_chars().str.contains(r"^-?\d+$").fill_null(value=False).all())
    return values.dtype.is_integer()


def _is_numbers(table: Table, column: str) -> bool:
    """Whether a column has numbers; a text column has them if most of its texts are numbers."""
    values = table.frame[column]
    if values.dtype != pl.String:
        return values.dtype.is_numeric() or values.dtype == pl.Boolean
    if column.lower() in ID_NAMES:
        return False
    text = values.str.strip_chars()
    known = text.filter((text != "").fill_null(value=False))
    return len(known) > 0 and known.cast(pl.Float64, strict=False).is_not_null().sum() * 2 > len(known)


def _is_vectors(table: Table, column: str) -> bool:
    """Whether the fields of a column are lists, or texts of several numbers."""
    values = table.frame[column]
    if isinstance(values.dtype, pl.List | pl.Array):
        return True
    if values.dtype != pl.String or column.lower() in ID_NAMES:
        return False
    first = next((each for each in values.head(100) if each and each.strip()), "").strip()
    if first.startswith("[") and "..." in first:
        raise InputError(
            "has vectors that NumPy cut when it printed them (…)",
            where=table.location(0, column),
            hint="write whole vectors: vector.tolist() before to_csv, or numpy.save",
        )
    parts = first.strip("[]()").split() if "," not in first else first.strip("[]()").split(",")
    is_list = first[:1] in ("[", "(") and bool(parts)
    return (is_list or len(parts) > 1) and all(_is_number(each.strip()) for each in parts)


def _columns(table: Table, names: Sequence[str]) -> NDArray[Any]:
    """Return columns of numbers as a matrix. Raises InputError for a text that is not a number."""
    series = []
    for name in names:
        values = table.frame[name]
        if values.dtype == pl.String:
            values = table.numbers(name)
        elif values.dtype == pl.Boolean:
            values = values.cast(pl.UInt8)
        elif values.dtype.is_decimal():
            values = values.cast(pl.Float64)
        series.append(values)
    return pl.DataFrame(series).to_numpy()


def _vectors(table: Table, column: str) -> NDArray[Any]:
    """Return a column of lists of one length as a matrix. Raises InputError for others, and for no numbers."""
    values = table.frame[column]
    if values.dtype == pl.String:
        inner = values.str.strip_chars(" \t[]()").str.replace_all(BETWEEN, " ").str.strip_chars()
        values = pl.select(pl.when(inner != "").then(inner.str.split(" "))).to_series()
    if isinstance(values.dtype, pl.List):
        lengths = values.list.len()
        if lengths[0] is None:
            raise InputError("has no vector", where=table.location(0, column), hint="leave out rows without a vector")
        differs = (lengths != lengths[0]).fill_null(value=True)
        if differs.any():
            position = int(differs.arg_true()[0])
            raise InputError(
                f"{lengths[position]} values where the first row has {lengths[0]}",
                where=table.location(position, column),
                hint="give all vectors one length; leave out the rows of items that have none",
            )
        if values.dtype.inner == pl.String:
            values = _numbers_of(values, table, column)
        values = values.list.to_array(int(lengths[0]))
    return values.to_numpy()


def _numbers_of(values: pl.Series, table: Table, column: str) -> pl.Series:
    texts = values.explode()
    numbers = texts.cast(pl.Float64, strict=False)
    bad = numbers.is_null()
    if bad.any():
        row, place = divmod(int(bad.arg_true()[0]), int(values.list.len()[0]))
        raise InputError(
            f'"{texts[row * int(values.list.len()[0]) + place] or ""}" is not a number',
            where=table.location(row, column),
            hint="encode that item again; leave out the rows of items that have no vector",
        )
    return values.cast(pl.List(pl.Float64))


TABLE = MatrixFormat(
    (".parquet", *ARROW_SUFFIXES, *TEXT_SUFFIXES, *JSON_SUFFIXES),
    "an id column, and columns of numbers or one of lists",
    read_matrix_table,
)
