"""Read CSV, TSV and Parquet files as tables that know the row numbers of their files, for error messages."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import polars as pl
from polars.exceptions import NoDataError, PanicException, PolarsError

from triptych.data.formats.compressed import decompressed
from triptych.data.parquet import polars_source, read_given_parquet
from triptych.errors import InputError, did_you_mean, location

SEPARATORS = {".csv": ",", ".tsv": "\t", ".txt": "\t", ".inter": "\t", ".item": "\t"}
ITEM_IDS = ("item_id", "itemid", "item", "movieid", "product_id", "productid", "asin", "article_id", "sku", "id")


@dataclass(frozen=True)
class Table:
    """The rows of one file. All CSV columns are text; Parquet columns keep their types.

    first_row: the number of the frame's first row in the file; 2 if a header comes before it.
    notes: what the owner of the file should know about how it was read; see `InputWarning`.
    """

    frame: pl.DataFrame
    path: Path
    first_row: int = 1
    notes: tuple[str, ...] = ()

    def row(self, position: int) -> int:
        """Return the row number in the file for a position in the frame."""
        return position + self.first_row

    def location(self, position: int | None = None, column: str | None = None) -> str:
        """Return the location of a value (or of the file, or of a column), for an error."""
        return location(self.path, row=None if position is None else self.row(position), column=column)

    def require(self, column: str) -> str:
        """Return the column name if the table has it. Raises InputError that suggests the closest name."""
        if column not in self.frame.columns:
            hint = did_you_mean(column, self.frame.columns)
            raise InputError(f'has no column "{column}"', where=self.location(), hint=hint)
        return column

    def text(self, column: str) -> pl.Series:
        """Return a column of ids as text: "007" stays "007"; 7 and 7.0 become "7"; empty text becomes null.

        Raises InputError for fractions, and for values that are not text or numbers.
        """
        values = self.frame[self.require(column)]
        if values.dtype.is_float():
            whole = values.cast(pl.Int64, strict=False)
            bad = (whole.cast(values.dtype) != values).fill_null(value=True) & values.is_not_null()
            if bad.any():
                position = int(bad.arg_true()[0])
                raise InputError(
                    f"{values[position]} is not an id: ids are text or whole numbers",
                    where=self.location(position, column),
                    hint="store the ids as text",
                )
            values = whole
        try:
            text = values.cast(pl.String)
        except PolarsError:
            raise InputError(
                f"has type {values.dtype}, which cannot be read as text",
                where=self.location(column=column),
                hint="store text",
            ) from None
        return pl.select(pl.when(text.str.strip_chars() != "").then(text)).to_series()

    def labels(self, column: str) -> pl.Series:
        """Return a column of category labels as text: like `text`, but fractions are allowed. Raises InputError."""
        values = self.frame[self.require(column)]
        if values.dtype.is_float() and (values.drop_nulls() % 1 != 0).any():
            return values.cast(pl.String)
        return self.text(column)

    def numbers(self, column: str) -> pl.Series:
        """Return a column as float64, null where it is empty. Raises InputError for a value that is not a number."""
        values = self.frame[self.require(column)]
        text = values if values.dtype.is_numeric() else self.text(column).str.strip_chars()
        numbers = text.cast(pl.Float64, strict=False)
        bad = (numbers.is_null() | ~numbers.is_finite()).fill_null(value=True) & text.is_not_null()
        if bad.any():
            position = int(bad.arg_true()[0])
            raise InputError(
                f'"{text[position]}" is not a number',
                where=self.location(position, column),
                hint="write a plain number such as 4.5, or leave the field empty",
            )
        return numbers


def check_item_ids(ids: pl.Series, locate: Callable[[int], str], hint: str = "give each row its own id") -> pl.Series:
    """Return the ids if none is empty, repeated or broken over lines. locate: position -> location, for the error.

    Raises InputError.
    """
    line_breaks = ids.str.contains(r"[\r\n]").fill_null(value=False)
    for bad, problem in (
        (ids.is_null(), "is empty"),
        (~ids.is_first_distinct(), "appears twice"),
        (line_breaks, "contains a line break"),
    ):
        if bad.any():
            position = int(bad.arg_true()[0])
            raise InputError(f'item id "{ids[position] or ""}" {problem}', where=locate(position), hint=hint)
    return ids


def read_item_ids(table: Table, column: str = "") -> pl.Series:
    """Return the item ids of an item table, one per row. column: their column; "" guesses it. Raises InputError."""
    lowered = {name.lower(): name for name in reversed(table.frame.columns)}
    found = column or next((lowered[name] for name in ITEM_IDS if name in lowered), None)
    if found is None:
        raise InputError(
            f"no column looks like item ids (columns: {', '.join(table.frame.columns[:20])})",
            where=table.location(),
            hint="name it with --item-id-column",
        )
    return check_item_ids(table.text(found), lambda position: table.location(position, found), "keep one row per item")


def path_not_found(path: Path, noun: str = "file") -> InputError:
    """Return the error for a path that does not exist; the hint is the closest name in its folder."""
    near = did_you_mean(path.name, [entry.name for entry in path.parent.iterdir()]) if path.parent.is_dir() else ""
    return InputError(f"no such {noun}", where=location(path), hint=near or "check the path")


def read_table(path: Path, *, header: Sequence[str] | None = None, separator: str | None = None) -> Table:
    """Read a .csv, .tsv, .txt, .inter or .parquet file.

    header: the column names, for files without a header. separator: between fields; by default it is found from the
    extension and the first line. Raises InputError if the file does not exist, has another extension, is empty, is not
    UTF-8, has a row longer than its header, or is damaged Parquet.
    """
    if not path.exists():
        raise path_not_found(path)
    if path.is_dir():
        raise InputError("is a folder, not a file", where=location(path), hint="name a file")
    if path.stat().st_size == 0:
        raise InputError("is empty", where=location(path), hint="check how it was written")
    if path.suffix == ".parquet":
        table = Table(read_given_parquet(path), path)
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
    text = _Text(path, decompressed(path))
    separator = separator or text.separator()
    first_row = 1 if header is not None else 2
    try:
        frame = pl.read_csv(
            text.source,
            glob=False,
            separator=separator,
            infer_schema=False,
            has_header=header is None,
            new_columns=header and list(header),
        )
    except NoDataError:
        raise InputError("is empty", where=location(path), hint="check how it was written") from None
    except (PolarsError, PanicException) as error:
        raise text.parse_error(separator, header, str(error)) from None
    if header is None:
        text.check_distinct_columns(separator)
    plain = {name: name.strip().lstrip("\ufeff") for name in frame.columns}
    return Table(frame.rename(plain), path, first_row)


def first_repeated(names: Sequence[str]) -> str | None:
    """Return the first name that appeared before, or None. The time grows with the number of names, not its square."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            return name
        seen.add(name)
    return None


@dataclass(frozen=True)
class _Text:
    """A text file. content: its bytes if the file is compressed, otherwise None."""

    path: Path
    content: bytes | None

    @property
    def source(self) -> Path | bytes:
        """What polars reads."""
        return polars_source(self.path) if self.content is None else self.content

    def lines(self, *, errors: str = "strict", encoding: str = "utf-8") -> IO[str]:
        return io.TextIOWrapper(self.open(), encoding=encoding, errors=errors, newline="")

    def open(self) -> IO[bytes]:
        return self.path.open("rb") if self.content is None else io.BytesIO(self.content)

    def check_distinct_columns(self, separator: str) -> None:
        """Raise InputError if two columns have the same name: the parser would rename the second one silently."""
        with self.lines(encoding="utf-8-sig", errors="replace") as text:
            names = [name.strip() for name in next(csv.reader(text, delimiter=separator), [])]
        repeated = first_repeated(names)
        if repeated is not None:
            raise InputError(
                f'names a column twice: "{repeated}"',
                where=location(self.path, row=1),
                hint="give each column its own name",
            )

    def separator(self) -> str:
        """Return the usual separator of the extension if the first line has it, else the most frequent known one."""
        usual = SEPARATORS[self.path.suffix]
        with self.open() as file:
            first = file.readline(1 << 20).decode("utf-8", errors="replace")
        if usual in first:
            return usual
        return max((usual, ",", "\t", ";", "|"), key=first.count)

    def parse_error(self, separator: str, header: Sequence[str] | None, message: str) -> InputError:
        """Return the error for a file that could not be parsed.

        The file is read again row by row to find the bad row, because the parser's message does not name it.
        """
        path = self.path
        with self.open() as file:
            for number, line in enumerate(file, start=1):
                try:
                    line.decode("utf-8")
                except UnicodeDecodeError:
                    where = location(path, row=number)
                    return InputError("is not UTF-8 text", where=where, hint="save the file as UTF-8")
        with self.lines() as text:
            width = len(header) if header is not None else None
            try:
                for number, fields in enumerate(csv.reader(text, delimiter=separator), start=1):
                    width = width or len(fields)
                    if len(fields) > width:
                        return InputError(
                            f"{len(fields)} fields"
                            + (f" where the header has {width}" if header is None else f", expected {width}"),
                            where=location(path, row=number),
                            hint="quote fields that contain the separator, or correct that row",
                        )
            except csv.Error as error:
                message = str(error)
        return InputError(
            f"cannot be parsed: {message.splitlines()[0]}", where=location(path), hint="check quotes and separators"
        )
