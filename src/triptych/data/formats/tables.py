"""Tables: the rows of given files, which know their files and row numbers, for error messages."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray
from polars.exceptions import PolarsError

from triptych.data.id_types import IdType, type_of_column
from triptych.data.ids import MISSING, BadIdError, id_notes, id_texts
from triptych.errors import InputError, did_you_mean, location

ITEM_IDS = (
    *("item_id", "itemid", "item", "iid", "movieid", "movie_id", "product_id", "productid", "parent_asin", "asin"),
    *(
        "article_id",
        "business_id",
        "sku",
        "book_id",
        "track_id",
        "video_id",
        "news_id",
        "game_id",
        "stockcode",
        "aid",
        "id",
    ),
)

USER_IDS = (
    *("user_id", "userid", "user", "uid", "reviewerid", "customer_id", "customerid", "customer", "visitorid"),
    *("visitor_id", "member_id", "account_id", "client_id", "username", "session_id", "sessionid", "session"),
)

Origin = Callable[[int], tuple[Path, int]]  # a position in a frame -> its file, and its row there


@dataclass(frozen=True)
class Table:
    """The rows of one file, or of several. Columns of text files are text; others keep their types.

    first_row: the number of the frame's first row in the file; 2 if a header comes before it.
    notes: what the owner of the file should know about how it was read; see `InputWarning`.
    origin: the file and row of a position, where rows are not one after the other in `path`. uuids: the columns whose
    texts were UUIDs in memory.
    """

    frame: pl.DataFrame
    path: Path
    first_row: int = 1
    notes: tuple[str, ...] = ()
    origin: Origin | None = None
    uuids: frozenset[str] = frozenset()

    def place(self, position: int) -> tuple[Path, int]:
        """Return the file, and the row number there, of a position in the frame."""
        return (self.path, position + self.first_row) if self.origin is None else self.origin(position)

    def row(self, position: int) -> int:
        """Return the row number in the file for a position in the frame."""
        return self.place(position)[1]

    def location(self, position: int | None = None, column: str | None = None) -> str:
        """Return the location of a value (or of the file, or of a column), for an error."""
        path, row = (self.path, None) if position is None else self.place(position)
        return location(path, row=row, column=column)

    def ids(self, column: str, noun: str) -> tuple[pl.Series, list[str]]:
        """Return a column of ids as text, null where it is empty, and notes about them; see `data/ids.py`.

        noun: "user" or "item". Raises InputError for values that are not ids.
        """
        given = self.frame[self.require(column)]
        try:
            ids, simple = id_texts(given)
        except BadIdError as error:
            raise InputError(error.what, where=self.location(error.position, column), hint=error.hint) from None
        return ids, id_notes(given, ids, noun, self.path.name, simple=simple)

    def id_type(self, column: str) -> IdType:
        """Return the type in which the ids of a column came."""
        return "uuid" if column in self.uuids else type_of_column(self.frame[self.require(column)].dtype)

    def require(self, column: str) -> str:
        """Return the column name if the table has it. Raises InputError that suggests the closest name."""
        if column not in self.frame.columns:
            hint = did_you_mean(column, self.frame.columns)
            raise InputError(f'has no column "{column}"', where=self.location(), hint=hint)
        return column

    def required_ids(self, column: str, noun: str) -> tuple[pl.Series, list[str]]:
        """Return a column of ids as `ids` does. Raises InputError, with the row, for an empty one too."""
        ids, notes = self.ids(column, noun)
        if ids.null_count():
            where = self.location(int(ids.is_null().arg_true()[0]), column)
            raise InputError(f"the {noun} id is empty", where=where, hint="fill it in, or leave that row out")
        return ids, notes

    def no_column(self, what: str, hint: str) -> InputError:
        """Return the error that no column has a usual name for something, as "item ids"."""
        columns = ", ".join(self.frame.columns[:20])
        return InputError(f"no column looks like {what} (columns: {columns})", where=self.location(), hint=hint)

    def text(self, column: str) -> pl.Series:
        """Return a column as text without white space around it: 7 and 7.0 become "7"; empty text becomes null.

        Raises InputError for values that are not text or numbers.
        """
        values = self.frame[self.require(column)]
        if values.dtype.is_float():
            whole = values.cast(pl.Int64, strict=False)
            fractions = (whole.cast(values.dtype) != values).fill_null(value=True) & values.is_not_null()
            values = values if fractions.any() else whole
        try:
            text = values.cast(pl.String).str.strip_chars()
        except PolarsError:
            raise InputError(
                f"has type {values.dtype}, which cannot be read as text",
                where=self.location(column=column),
                hint="store text",
            ) from None
        return text.set(text == "", None) if (text == "").any() else text

    def numbers(self, column: str) -> pl.Series:
        """Return a column as float64, null where it is empty, NaN or NULL.

        Raises InputError for a value that is not a number.
        """
        values = self.frame[self.require(column)]
        if values.dtype.is_numeric() or values.dtype == pl.Boolean:
            text = values.fill_nan(None) if values.dtype.is_float() else values
        else:
            text = self.text(column).str.strip_chars()
            text = text.set(text.is_in(MISSING), None)
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


def check_item_ids(
    ids: pl.Series, locate: Callable[[int], str], hint: str = "give each row its own id", noun: str = "item"
) -> pl.Series:
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
            raise InputError(f'{noun} id "{ids[position] or ""}" {problem}', where=locate(position), hint=hint)
    return ids


def find_id_column(table: Table, column: str = "", noun: str = "item") -> str:
    """Return the column of ids in a table of items or users: the named one, or a guess. Raises InputError."""
    if column:
        return table.require(column)
    found = _usual_id_column(table, noun)
    if found is None:
        raise table.no_column(f"{noun} ids", f"name it with `{noun}_id_column`")
    return found


def read_row_ids(table: Table, column: str = "", noun: str = "item") -> tuple[pl.Series, list[str]]:
    """Return the ids of a table of items or users, one per row, and notes about them; see `find_id_column`."""
    found = find_id_column(table, column, noun)
    ids, notes = table.ids(found, noun)
    hint = f"keep one row per {noun}"
    return check_item_ids(ids, lambda position: table.location(position, found), hint, noun), notes


def read_item_ids(table: Table, column: str = "") -> pl.Series:
    """Return the item ids of an item table, one per row. column: their column; "" guesses it. Raises InputError."""
    return read_row_ids(table, column)[0]


def read_item_or_user_ids(table: Table, column: str = "") -> pl.Series:
    """Return the ids of an item table; of a user table if no column looks like item ids. Raises InputError."""
    return read_row_ids(table, column, noun_of(table, column))[0]


def noun_of(table: Table, column: str = "") -> str:
    """Return "user" if a column looks like user ids and none like item ids, else "item". column: of ids, if named."""
    is_of_users = not column and _usual_id_column(table, "item") is None and _usual_id_column(table, "user") is not None
    return "user" if is_of_users else "item"


def _usual_id_column(table: Table, noun: str) -> str | None:
    return usual_column(table.frame.columns, ITEM_IDS if noun == "item" else (*USER_IDS, "id"))


def usual_column(columns: Sequence[str], usual: Sequence[str]) -> str | None:
    """Return the column with the first of the usual names that any has: in any case, also "User ID" or "user-id"."""
    known = {_simple(name): name for name in reversed(columns)}
    return next((known[_simple(name)] for name in usual if _simple(name) in known), None)


def _simple(name: str) -> str:
    return name.lower().replace(" ", "_").replace("-", "_")


def concatenate(tables: Sequence[Table], path: Path) -> Table:
    """Return the rows of several tables as one. Columns that a table lacks are null. Raises InputError.

    Columns of different types become text.
    """
    begins = np.cumsum([0, *(len(each.frame) for each in tables)])

    def origin(position: int) -> tuple[Path, int]:
        number = int(np.searchsorted(begins, position, side="right")) - 1
        return tables[number].place(position - int(begins[number]))

    frames = [each.frame for each in tables]
    for name in dict.fromkeys(name for frame in frames for name in frame.columns):
        types = {frame.schema[name] for frame in frames if name in frame.columns}
        if len(types) > 1 and not all(each.is_numeric() for each in types):
            try:
                frames = [frame.cast({name: pl.String}) if name in frame.columns else frame for frame in frames]
            except PolarsError:
                raise InputError(
                    f"has different types in its parts: {', '.join(sorted(map(str, types)))}",
                    where=location(path, column=name),
                    hint="write all parts alike",
                ) from None
    frame = pl.concat(frames, how="diagonal_relaxed")
    notes = tuple(dict.fromkeys(note for each in tables for note in each.notes))
    return Table(frame, path, tables[0].first_row, notes, origin)


def select_rows(table: Table, positions: NDArray[np.int64], frame: pl.DataFrame) -> Table:
    """Return a table with other rows. frame: its rows; positions: int64 [n], the row of `table` of each of them."""
    return replace(table, frame=frame, origin=lambda position: table.place(int(positions[position])))
