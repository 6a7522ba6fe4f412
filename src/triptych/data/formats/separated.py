"""Text files of rows: CSV, TSV and their dialects -> columns of text.

Most files go through polars. Files that leave room for doubt (quotes in the middle of a field, fields over several
lines, other line ends) go through Python's csv module, which knows the line of every row.

Tab-separated files have no quotes, unless their header has them: a quote is a character of the text. In other files a
field that begins with a quote ends with one. Blank lines are no rows. A row with fewer fields than the header has empty
fields at its end, and a note says so; a row with more is an error.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from polars.exceptions import PanicException, PolarsError

from triptych.data.formats.reading import Quotes
from triptych.data.formats.row_notes import several_note, short_note, too_many_fields, trailing_note
from triptych.data.formats.text_file import TextFile, first_row_not_utf8, look_through, not_utf8, reported
from triptych.data.ids import WHITE_SPACE
from triptych.errors import InputError, argument, location
from triptych.progress import Listener, ignore_progress

SEPARATORS = {".csv": ",", ".tsv": "\t", ".txt": "\t", ".inter": "\t", ".item": "\t", ".user": "\t", ".data": "\t"}
OTHER_SEPARATORS = (",", "\t", ";", "|")
BLOCK = 100_000  # rows that Python's lists hold at a time
INVISIBLE = WHITE_SPACE + "\u200b\u200c\u200d\u2060\ufeff"  # around the names of columns
LONGEST_FIELD = 1 << 30


@dataclass(frozen=True)
class Rows:
    """The rows of a text file: columns of text; the line where each row begins, from 1; and notes."""

    frame: pl.DataFrame
    lines: NDArray[np.int64]
    notes: tuple[str, ...] = ()


def read_rows(
    text: TextFile,
    separator: str,
    header: Sequence[str] = (),
    quotes: Quotes = "auto",
    listener: Listener = ignore_progress,
) -> Rows:
    """Read a text file. header: the names of the columns if the file has no header. Raises InputError."""
    contents = look_through(text)
    dialect = _Dialect(separator, contents.has_quotes and _quotes_enclose(text, separator, quotes))
    names = _column_names(text, dialect, header)
    careful = contents.has_lone_returns or contents.begins_blank or (len(names) == 1 and _has(text, separator))
    if not careful and not (dialect.has_quotes and not _is_regular(text, separator)):
        try:
            return _read_quickly(text, dialect, names, has_header=not header)
        except (PolarsError, PanicException):
            row = first_row_not_utf8(text)
            if row is not None:
                raise not_utf8(text, row) from None
    try:
        return _read_carefully(text, dialect, names, listener, has_header=not header)  # it finds a row that is at fault
    except UnicodeDecodeError:
        raise not_utf8(text) from None


def guess_separator(text: TextFile, suffix: str) -> str:
    """Return the separator that a line `sep=;` names; else the usual one of the extension if the first line has it.

    Else the most frequent known one.
    """
    if text.separator:
        return text.separator
    usual, first = SEPARATORS.get(suffix, ","), text.first_line()
    if usual in first:
        return usual
    best = max((usual, *OTHER_SEPARATORS), key=first.count)
    return " " if best not in first and " " in first.strip() else best


def first_repeated(names: Sequence[str]) -> str | None:
    """Return the first name that appeared before, or None. The time grows with the number of names, not its square."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            return name
        seen.add(name)
    return None


@dataclass(frozen=True)
class _Dialect:
    separator: str
    has_quotes: bool

    def reader(self, lines: Iterable[str], *, strict: bool = False) -> Any:
        if self.has_quotes:
            return csv.reader(lines, delimiter=self.separator, strict=strict)
        return csv.reader(lines, delimiter=self.separator, quoting=csv.QUOTE_NONE)


def _quotes_enclose(text: TextFile, separator: str, quotes: Quotes) -> bool:
    if quotes == "auto":
        return separator != "\t" or text.first_line().startswith('"')
    return quotes == "csv"


def _column_names(text: TextFile, dialect: _Dialect, header: Sequence[str]) -> list[str]:
    """Return the names of the columns: those of the header, or the given ones, which must be as many as the fields."""
    with text.lines(errors="replace") as lines, _long_fields():
        reader = dialect.reader(lines)
        first: list[str] = next((fields for fields in reader if not _is_blank(fields)), [])
    if not first:
        raise InputError("is empty", where=location(text.path), hint="check how it was written")
    if header and len(header) != len(first):
        raise InputError(
            f"{len(header)} column names for {len(first)} fields: {', '.join(first)}"[:200],
            where=location(text.path, row=reader.line_num),
            hint="name every column, in the order of the file",
        )
    names = [
        name.strip(INVISIBLE) if name.strip(INVISIBLE) not in ("", "-") else f"column_{number}"
        for number, name in enumerate(header or first, start=1)
    ]
    repeated = first_repeated(names)
    if repeated is not None:
        raise InputError(
            f'names a column twice: "{repeated}"',
            where=location(text.path, row=reader.line_num),
            hint=f"give each column its own name (if the file has no header: {argument(no_header=True)})",
        )
    return names


def _has(text: TextFile, separator: str) -> bool:
    """Whether a line has the separator: polars does not see that a row has too many fields if there is one column."""
    try:
        return bool(_line_texts(text).str.contains(separator, literal=True).any())
    except (PolarsError, PanicException):
        return True


def _is_regular(text: TextFile, separator: str) -> bool:
    """Whether quotes stand around whole fields only, and every line is a row: then all parsers agree."""
    s = re.escape(separator)
    one = rf'("([^"]|"")*"|[^"{s}]*)'
    try:
        return bool(_line_texts(text).str.contains(rf"^{one}({s}{one})*$").fill_null(value=True).all())
    except (PolarsError, PanicException):
        return False


def _line_texts(text: TextFile) -> pl.Series:
    """Return the lines of a text, null for empty ones."""
    return pl.read_csv(
        text.source,
        glob=False,
        separator="\x1f",
        quote_char=None,
        has_header=False,
        schema={"line": pl.String},
        truncate_ragged_lines=True,
    )["line"]


def _read_quickly(text: TextFile, dialect: _Dialect, names: list[str], *, has_header: bool) -> Rows:
    """Read a file where every line is a row. Raises the errors of polars."""
    frame = pl.read_csv(
        text.source,
        glob=False,
        separator=dialect.separator,
        quote_char='"' if dialect.has_quotes else None,
        has_header=has_header,
        schema=dict.fromkeys(names, pl.String),
    )
    first = 2 if has_header else 1
    lines = np.arange(first, first + len(frame), dtype=np.int64)
    if dialect.has_quotes:
        frame = _without_empty_texts(frame)  # quotes around nothing; fields of nothing are null already
    suspects = frame[names[-1]].is_null()
    if len(names) == 1:
        suspects |= (frame[names[0]].str.strip_chars() == "").fill_null(value=False)
    if not suspects.any():
        return Rows(frame, lines)
    if len(names) == 1:
        return Rows(frame.filter(~suspects), lines[~suspects.to_numpy()])
    texts = _line_texts(text)[first - 1 :]
    has_separator = texts.str.contains(dialect.separator, literal=True)
    nothing = r'^(\s*|"\s*")$' if dialect.has_quotes else r"^\s*$"
    blank = (texts.str.contains(nothing) & ~has_separator).fill_null(value=True)
    rows = (suspects & ~blank).arg_true().to_numpy()
    short = rows[_n_fields(texts.gather(rows), dialect) < len(names)]
    kept = ~blank.to_numpy()
    return Rows(frame.filter(pl.Series(kept)), lines[kept], short_note(text.path, lines[short], len(names)))


def _n_fields(lines: pl.Series, dialect: _Dialect) -> NDArray[np.int64]:
    if dialect.has_quotes:
        return np.array([len(next(dialect.reader([line]))) for line in lines.to_list()], dtype=np.int64)
    return lines.str.count_matches(dialect.separator, literal=True).to_numpy().astype(np.int64) + 1


def _read_carefully(
    text: TextFile, dialect: _Dialect, names: list[str], listener: Listener, *, has_header: bool
) -> Rows:
    """Read a file by Python's csv module, which knows the line of every row."""
    blocks, lines, rows = [], [], []
    short, several = [], []  # the lines of rows with few fields, and (first, last) of rows over several lines
    trailing: list[int] = []  # the lines of rows with separators after the last field
    begin = end = 0
    with text.lines() as stream, _long_fields():
        reader = dialect.reader(reported(stream, text, listener))
        is_header = has_header
        try:
            for fields in reader:
                begin, end = end + 1, reader.line_num
                if _is_blank(fields):
                    continue
                if is_header:
                    is_header = False
                    continue
                if len(fields) > len(names) and not any(map(str.strip, fields[len(names) :])):
                    trailing.append(begin)
                    fields = fields[: len(names)]
                if len(fields) > len(names):
                    raise too_many_fields(text.path, begin, len(fields), len(names), has_header=has_header)
                if len(fields) < len(names):
                    short.append(begin)
                    fields += [""] * (len(names) - len(fields))
                if end > begin:
                    several.append((begin, end))
                rows.append(fields)
                lines.append(begin)
                if len(rows) == BLOCK:
                    blocks.append(_block(rows, names))
                    rows = []
        except csv.Error as error:
            raise InputError(
                f"cannot be parsed: {error}", where=location(text.path, row=begin), hint="check quotes and separators"
            ) from None
    blocks.append(_block(rows, names))
    if dialect.has_quotes:
        _check_closed(text, dialect, begin)
    notes = (
        *short_note(text.path, np.array(short, dtype=np.int64), len(names)),
        *trailing_note(text.path, trailing),
        *several_note(text.path, several),
    )
    return Rows(pl.concat(blocks), np.array(lines, dtype=np.int64), notes)


def _is_blank(fields: list[str]) -> bool:
    return not fields or (len(fields) == 1 and not fields[0].strip())


def _block(rows: list[list[str]], names: list[str]) -> pl.DataFrame:
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(names)
    frame = pl.DataFrame(
        {name: pl.Series(values, dtype=pl.String) for name, values in zip(names, columns, strict=True)}
    )
    return _without_empty_texts(frame)


def _without_empty_texts(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(pl.when(pl.all() != "").then(pl.all()))


@contextmanager
def _long_fields() -> Iterator[None]:
    """Lift the limit of the csv module to the length of a field, until the block ends."""
    limit = csv.field_size_limit(LONGEST_FIELD)
    try:
        yield
    finally:
        csv.field_size_limit(limit)


def _check_closed(text: TextFile, dialect: _Dialect, begin: int) -> None:
    """Raise InputError if the quote of a field in the last row, which begins at a line, is never closed."""
    with text.lines() as stream, _long_fields():
        last = "".join(islice(stream, begin - 1, None))
        try:
            list(dialect.reader(io.StringIO(last, newline=""), strict=True))
        except csv.Error as error:
            if "unexpected end" in str(error):
                raise InputError(
                    "a quote begins a field here and is never closed",
                    where=location(text.path, row=begin),
                    hint="close it; if quotes are characters of the texts, "
                    f'pass {argument(quotes="none")} or write them as ""',
                ) from None
