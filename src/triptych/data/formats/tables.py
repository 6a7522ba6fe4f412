"""CSV, TSV and Parquet as tables that remember where each row stood in its file."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl
from polars.exceptions import ComputeError, NoDataError, PolarsError

from triptych.errors import InputError, did_you_mean, location

SEPARATORS = {".csv": ",", ".tsv": "\t", ".txt": "\t", ".inter": "\t", ".item": "\t"}
ITEM_IDS = ("item_id", "itemid", "item", "movieid", "product_id", "productid", "asin", "article_id", "sku", "id")


@dataclass(frozen=True)
class Table:
    """The rows of one file. CSV columns are all text; Parquet columns keep their types until they are asked for.

    first_row: the number, in the file, of the frame's first row (2 where a header stands before it).
    """

    frame: pl.DataFrame
    path: Path
    first_row: int = 1

    def row(self, position: int) -> int:
        """The row number in the file of a position in the frame."""
        return position + self.first_row

    def where(self, position: int | None = None, column: str | None = None) -> str:
        """The place of a value, for an error."""
        return location(self.path, row=None if position is None else self.row(position), column=column)

    def require(self, column: str) -> str:
        """The column, if the table has it. Raises InputError with the closest name."""
        if column not in self.frame.columns:
            hint = did_you_mean(column, self.frame.columns)
            raise InputError(f'has no column "{column}"', where=self.where(), hint=hint)
        return column

    def text(self, column: str) -> pl.Series:
        """A column as text: "007" stays "007", 7 becomes "7", 7.0 too. Empty text is null. Raises InputError."""
        values = self.frame[self.require(column)]
        if values.dtype.is_float():
            whole = values.cast(pl.Int64, strict=False)
            odd = (whole.cast(values.dtype) != values).fill_null(value=True) & values.is_not_null()
            if odd.any():
                position = int(odd.arg_true()[0])
                raise InputError(
                    f"{values[position]} is no id: ids are text or whole numbers",
                    where=self.where(position, column),
                    hint="store the ids as text",
                )
            values = whole
        try:
            text = values.cast(pl.String)
        except PolarsError:
            raise InputError(
                f"holds {values.dtype}, which cannot be read as text",
                where=self.where(column=column),
                hint="store text",
            ) from None
        return pl.select(pl.when(text.str.strip_chars() != "").then(text)).to_series()

    def labels(self, column: str) -> pl.Series:
        """A column as text where any value will do: as `text`, but 1.5 is "1.5". Raises InputError."""
        values = self.frame[self.require(column)]
        if values.dtype.is_float() and (values.drop_nulls() % 1 != 0).any():
            return values.cast(pl.String)
        return self.text(column)

    def numbers(self, column: str) -> pl.Series:
        """A column as float64, null where it is empty. Raises InputError with the row of what is no number."""
        values = self.frame[self.require(column)]
        text = values if values.dtype.is_numeric() else self.text(column).str.strip_chars()
        numbers = text.cast(pl.Float64, strict=False)
        bad = (numbers.is_null() | ~numbers.is_finite()).fill_null(value=True) & text.is_not_null()
        if bad.any():
            position = int(bad.arg_true()[0])
            raise InputError(
                f'"{text[position]}" is not a number',
                where=self.where(position, column),
                hint="write a plain number such as 4.5, or leave the field empty",
            )
        return numbers


def good_ids(ids: pl.Series, where: Callable[[int], str], hint: str = "give each row its own id") -> pl.Series:
    """The ids of rows, if each has its own; `where` names the place of a position. Raises InputError."""
    broken = ids.str.contains(r"[\r\n]").fill_null(value=False)
    for odd, what in (
        (ids.is_null(), "is empty"),
        (~ids.is_first_distinct(), "stands twice"),
        (broken, "has a line break in it"),
    ):
        if odd.any():
            row = int(odd.arg_true()[0])
            raise InputError(f'item id "{ids[row] or ""}" {what}', where=where(row), hint=hint)
    return ids


def item_ids_of(table: Table, column: str = "") -> pl.Series:
    """The item ids of an item table, one a row; column: where they stand, "" is a guess. Raises InputError."""
    lowered = {name.lower(): name for name in reversed(table.frame.columns)}
    named = column or next((lowered[name] for name in ITEM_IDS if name in lowered), None)
    if named is None:
        raise InputError(
            f"no column looks like item ids (columns: {', '.join(table.frame.columns[:20])})",
            where=table.where(),
            hint="name it with --item-id-column",
        )
    return good_ids(table.text(named), lambda row: table.where(row, named), "keep one row per item")


def no_such(path: Path, what: str = "file") -> InputError:
    """The error for a path where nothing is, with the closest name beside it."""
    near = did_you_mean(path.name, [entry.name for entry in path.parent.iterdir()]) if path.parent.is_dir() else ""
    return InputError(f"no such {what}", where=location(path), hint=near or "check the path")


def read_table(path: Path, *, header: Sequence[str] | None = None, separator: str | None = None) -> Table:
    """A .csv, .tsv, .txt, .inter or .parquet file as a Table.

    header: the column names, for files that have none. Raises InputError: no such file, another ending, empty, not
    UTF-8, a row of another length than the header, damaged Parquet.
    """
    if not path.exists():
        raise no_such(path)
    if path.is_dir():
        raise InputError("is a folder, not a file", where=location(path), hint="name a file")
    if path.stat().st_size == 0:
        raise InputError("is empty", where=location(path), hint="check how it was written")
    if path.suffix == ".parquet":
        try:
            table = Table(pl.read_parquet(path), path)
        except (PolarsError, OSError):
            raise InputError("is not a readable Parquet file", where=location(path), hint="write it again") from None
    elif path.suffix in SEPARATORS or header is not None:
        table = _read_separated(path, header, separator)
    else:
        raise InputError(
            f'cannot read "{path.suffix or path.name}" files', where=location(path), hint="give .csv, .tsv or .parquet"
        )
    if not len(table.frame):
        raise InputError("has no rows", where=location(path), hint="give at least one row below the header")
    return table


def _read_separated(path: Path, header: Sequence[str] | None, separator: str | None) -> Table:
    separator = separator or _separator(path)
    first_row = 1 if header is not None else 2
    try:
        frame = pl.read_csv(
            path,
            separator=separator,
            infer_schema=False,
            has_header=header is None,
            new_columns=header and list(header),
        )
    except NoDataError:
        raise InputError("is empty", where=location(path), hint="check how it was written") from None
    except (ComputeError, PolarsError) as error:
        raise _why(path, separator, header, str(error)) from None
    if header is None:
        _refuse_repeated(path, separator)
    plain = {name: name.strip().lstrip("\ufeff") for name in frame.columns}
    return Table(frame.rename(plain), path, first_row)


def _refuse_repeated(path: Path, separator: str) -> None:
    """Two columns of one name: the parser would rename the second, and nobody would know which was read."""
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as text:
        names = [name.strip() for name in next(csv.reader(text, delimiter=separator), [])]
    twice = [name for position, name in enumerate(names) if name in names[:position]]
    if twice:
        raise InputError(
            f'names a column twice: "{twice[0]}"', where=location(path, row=1), hint="give each column its own name"
        )


def _separator(path: Path) -> str:
    usual = SEPARATORS[path.suffix]
    with path.open("rb") as file:
        first = file.readline(1 << 20).decode("utf-8", errors="replace")
    if usual in first:
        return usual
    return max((usual, ",", "\t", ";", "|"), key=first.count)


def _why(path: Path, separator: str, header: Sequence[str] | None, said: str) -> InputError:
    """What is wrong with a file that would not parse: looked for row by row, since the parser does not tell where."""
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError:
                return InputError("is not UTF-8 text", where=location(path, row=number), hint="save the file as UTF-8")
    with path.open(encoding="utf-8", newline="") as text:
        width = len(header) if header is not None else None
        try:
            for number, fields in enumerate(csv.reader(text, delimiter=separator), start=1):
                width = width or len(fields)
                if len(fields) > width:
                    return InputError(
                        f"{len(fields)} fields where the header has {width}",
                        where=location(path, row=number),
                        hint="quote fields that hold the separator, or mend that row",
                    )
        except csv.Error as error:
            said = str(error)
    return InputError(
        f"cannot be parsed: {said.splitlines()[0]}", where=location(path), hint="check quotes and separators"
    )
