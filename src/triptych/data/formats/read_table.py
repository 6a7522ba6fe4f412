"""Read one table: a text file of rows, JSON, Parquet or Feather, or a folder with the parts of one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import polars as pl
from numpy.typing import NDArray

from triptych.data.formats.compressed import plain_suffix
from triptych.data.formats.json_tables import read_json_rows
from triptych.data.formats.reading import GUESS, Reading
from triptych.data.formats.separated import SEPARATORS, first_repeated, guess_separator, read_rows
from triptych.data.formats.tables import Origin, Table, concatenate
from triptych.data.formats.text_file import open_text
from triptych.data.parquet import read_given_arrow, read_given_parquet
from triptych.errors import InputError, argument, did_you_mean, location

JSON_SUFFIXES = (".jsonl", ".ndjson", ".json")
ARROW_SUFFIXES = (".feather", ".arrow", ".ipc")
TEXT_SUFFIXES = (".csv", ".tsv", ".txt")
TABLE_SUFFIXES = (*TEXT_SUFFIXES, ".parquet", *JSON_SUFFIXES, *ARROW_SUFFIXES)
TABLE_NAMES = ".csv, .tsv, .txt, .parquet, .feather or .jsonl file; texts also compressed (.gz, .zst, .zip)"
TYPED_SUFFIXES = (".inter", ".item", ".user")  # RecBole: the names of the header have types, as item_id:token
SEQUENCES = ("token_seq", "float_seq")  # types of columns with several values, separated by spaces
HIVE_NULL = "__HIVE_DEFAULT_PARTITION__"  # the name of a folder for rows without a value
TEXTS = ("title", "name", "text", "description", "summary", "review")  # sequences of words that are texts, no lists


def path_not_found(path: Path, noun: str = "file") -> InputError:
    """Return the error for a path that does not exist; the hint is the closest name in its folder."""
    near = did_you_mean(path.name, [entry.name for entry in path.parent.iterdir()]) if path.parent.is_dir() else ""
    return InputError(f"no such {noun}", where=location(path), hint=near or "check the path")


def read_table(
    path: Path,
    reading: Reading = GUESS,
    *,
    header: Sequence[str] = (),
    separator: str | None = None,
    may_be_empty: bool = False,
) -> Table:
    """Read a table: a text file of rows, Parquet, Feather or JSON; or a folder of such files, its parts.

    header: the column names of a text file without a header, besides those of `reading`. separator: between fields; by
    default it is found from the extension and the first line. Raises InputError if the file does not exist, has another
    extension, is empty, cannot be decoded, has a row longer than its header, or is damaged.
    """
    if not path.exists():
        raise path_not_found(path)
    if path.is_dir():
        return _read_parts(path, reading)
    if path.stat().st_size == 0:
        raise InputError("is empty", where=location(path), hint="check how it was written")
    suffix, header = plain_suffix(path), header or reading.header
    if suffix == ".parquet":
        table = Table(read_given_parquet(path), path)
    elif suffix in ARROW_SUFFIXES:
        table = Table(read_given_arrow(path), path)
    elif suffix in JSON_SUFFIXES or suffix in SEPARATORS or header:
        text = open_text(path, reading.encoding)
        if suffix in JSON_SUFFIXES:
            rows, first_row = read_json_rows(text, reading.listener), 1
        else:
            rows, first_row = (
                read_rows(
                    text,
                    separator or guess_separator(text, suffix),
                    header,
                    reading.quotes,
                    reading.listener,
                ),
                1 if header else 2,
            )
        table = Table(rows.frame, path, first_row, rows.notes, _lines_of(path, rows.lines, first_row))
        table = _without_types(table) if suffix in TYPED_SUFFIXES else table
    else:
        raise InputError(
            f'cannot read "{suffix or path.name}" files', where=location(path), hint=f"give a {TABLE_NAMES}"
        )
    if not len(table.frame) and not may_be_empty:
        raise InputError("has no rows", where=location(path), hint="give at least one row below the header")
    return table


def _without_types(table: Table) -> Table:
    """Return a RecBole table with plain column names; columns of sequences become lists. Raises InputError."""
    typed = [name.partition(":") for name in table.frame.columns]
    names = [name for name, _, _ in typed]
    if first_repeated(names) is not None:
        raise InputError(
            "names a column twice", where=location(table.path, row=1), hint="give each column its own name"
        )
    lists = [name for name, _, kind in typed if kind in SEQUENCES and not any(each in name.lower() for each in TEXTS)]
    words = pl.col(lists).str.split(" ").list.eval(pl.element().filter(pl.element() != ""))
    frame = table.frame.rename(dict(zip(table.frame.columns, names, strict=True)))
    return replace(table, frame=frame.with_columns(words) if lists else frame)


def _lines_of(path: Path, lines: NDArray[np.int64], first_row: int) -> Origin | None:
    """Return where rows are, None if they are one after the other from `first_row`."""
    if not len(lines) or (lines[0] == first_row and lines[-1] == first_row + len(lines) - 1):
        return None
    return lambda position: (path, int(lines[position]))


def table_parts(folder: Path) -> list[Path]:
    """Return the table files of a folder and of its subfolders, in alphabetical order; hidden files do not count."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file() and path.stat().st_size)
    shown = (path for path in files if not any(name[0] in "._" for name in path.relative_to(folder).parts))
    return [path for path in shown if plain_suffix(path) in TABLE_SUFFIXES]


def _read_parts(folder: Path, reading: Reading) -> Table:
    parts = table_parts(folder)
    kinds = sorted({plain_suffix(path) for path in parts})
    if len(kinds) != 1:
        problem = f"has files of several kinds ({', '.join(kinds)})" if kinds else "is a folder without tables"
        raise InputError(problem, where=location(folder), hint="name a file, or a folder of parts of one table")
    tables = [_with_folder_names(read_table(path, reading, may_be_empty=True), folder) for path in parts]
    tables = [each for each in tables if len(each.frame)]
    if not tables:
        raise InputError("has no rows", where=location(folder), hint="give a folder of parts with rows")
    for each in tables[1:]:
        if not set(each.frame.columns) & set(tables[0].frame.columns):
            raise InputError(
                f"has none of the columns of {tables[0].path.name}: its first row is {', '.join(each.frame.columns)}"[
                    :300
                ],
                where=location(each.path),
                hint="give each part a header, or remove the header of all and pass "
                f"{argument(no_header=True)} with `columns`",
            )
    return concatenate(tables, folder) if len(tables) > 1 else tables[0]


def _with_folder_names(table: Table, folder: Path) -> Table:
    """Return a part of a table with the columns that its folders name, as day=2026-01-31/part-0.parquet does."""
    names = [name.partition("=") for name in table.path.relative_to(folder).parts[:-1]]
    columns = {
        name: None if value == HIVE_NULL else unquote(value)
        for name, equals, value in names
        if equals and name not in table.frame.columns
    }
    return replace(
        table,
        frame=table.frame.with_columns(pl.lit(value, dtype=pl.String).alias(name) for name, value in columns.items()),
    )
