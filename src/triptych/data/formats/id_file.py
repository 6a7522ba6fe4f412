"""Files of ids: one id per line, or a column of a table, as of a sample submission of a competition."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import polars as pl

from triptych.data.formats.compressed import plain_suffix
from triptych.data.formats.log import USUAL_NAMES
from triptych.data.formats.read_table import ARROW_SUFFIXES, JSON_SUFFIXES, path_not_found, read_table
from triptych.data.formats.reading import GUESS, Reading
from triptych.data.formats.separated import SEPARATORS
from triptych.data.formats.tables import Table, usual_column
from triptych.data.formats.text_file import not_utf8, open_text
from triptych.errors import InputError, location

HEADERS = ("id", "ids")  # of a file of one column, besides the usual names
TABLES = (".parquet", *JSON_SUFFIXES, *ARROW_SUFFIXES)  # files that are tables whatever is in them


def read_id_file(
    path: Path, noun: Literal["user", "item"], *, column: str = "", reading: Reading = GUESS
) -> tuple[pl.Series, tuple[str, ...]]:
    """Return the ids in a file, String [n], none empty, in its order; and notes about them.

    A text file has an id on each line, below a header if its first line is a usual name (`user_id`, `customer_id`,
    `id`). A table has them in the column of a usual name, or in its only column. column: another name.
    Raises InputError if there is no file, no id, an empty id in a table, or no column of ids.
    """
    names = (*((column,) if column else ()), *USUAL_NAMES[noun])
    table = read_id_table(path, names, reading)
    found = usual_column(table.frame.columns, names)
    if found is None and len(table.frame.columns) == 1:
        found = table.frame.columns[0]
    if found is None:
        raise table.no_column(f"{noun} ids", f"call it {noun}_id, or write one id per line")
    ids, notes = table.required_ids(found, noun)
    return ids, (*table.notes, *notes)


def read_id_table(path: Path, names: tuple[str, ...], reading: Reading = GUESS) -> Table:
    """Return a file of ids as a table: with one column `id` if it has an id on each line, else as it is.

    names: the columns that make a text file a table. Raises InputError if there is no file or no id.
    """
    if not path.is_file():
        raise (
            path_not_found(path)
            if not path.exists()
            else InputError("is a folder, not a file", where=location(path), hint="name a file")
        )
    suffix = plain_suffix(path)
    return read_table(path, reading) if suffix in TABLES else _read_text(path, suffix, names, reading)


def _read_text(path: Path, suffix: str, names: tuple[str, ...], reading: Reading) -> Table:
    """Read a table if the first line has one of the names among others, else one id per line. Blank lines are left out.

    An id may contain the separators of tables: without such a header, a line is an id.
    """
    text = open_text(path, reading.encoding)
    try:
        with text.lines() as file:
            lines = [line.strip() for line in file.read().split("\n")]
    except UnicodeDecodeError:
        raise not_utf8(text) from None
    ids = [(number, line) for number, line in enumerate(lines, start=1) if line]
    if not ids:
        raise InputError("has no ids", where=location(path), hint="write one id per line")
    usual, first = {name.lower() for name in names}, ids[0][1]
    fields = [field.strip().strip('"').lower() for field in _fields(first, suffix)]
    if len(fields) > 1 and usual & set(fields):
        return read_table(path, reading) if suffix in SEPARATORS else read_table(path, reading, separator="\t")
    if len(fields) == 1 and fields[0] in usual | set(HEADERS):
        ids = ids[1:]
        if not ids:
            raise InputError("has no ids below its header", where=location(path), hint="write one id per line")
    quoted = [(number, line[1:-1].replace('""', '"') if _is_quoted(line, suffix) else line) for number, line in ids]
    numbers = [number for number, _ in quoted]
    frame = pl.DataFrame({"id": pl.Series([line for _, line in quoted], dtype=pl.String)})
    return Table(frame, path, 1, (), lambda position: (path, numbers[position]))


def _fields(line: str, suffix: str) -> list[str]:
    separators = (SEPARATORS.get(suffix, "\t"), ",", "\t", ";", "|")
    return max((line.split(each) for each in separators), key=len)


def _is_quoted(line: str, suffix: str) -> bool:
    return suffix == ".csv" and len(line) > 1 and line[0] == line[-1] == '"'
