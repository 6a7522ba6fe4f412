"""Find the columns of an interaction log in a table: user, item, and rating, time and split if there are any."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from triptych.data.formats.tables import Table
from triptych.errors import InputError, did_you_mean

USUAL_NAMES = {
    "user": ("user_id", "userid", "user", "uid", "reviewerid", "customer_id", "customer", "visitorid", "session_id"),
    "item": ("item_id", "itemid", "item", "iid", "movieid", "product_id", "productid", "asin", "article_id", "sku"),
    "rating": ("rating", "ratings", "score", "stars", "overall"),
    "time": ("timestamp", "time", "date", "datetime", "unixreviewtime", "t_dat", "created_at"),
    "split": ("x_label", "split", "part", "fold"),
}
SPLIT_NAMES = {
    "train": 0,
    "training": 0,
    "0": 0,
    "valid": 1,
    "validation": 1,
    "val": 1,
    "dev": 1,
    "1": 1,
    "test": 2,
    "2": 2,
}


@dataclass(frozen=True)
class Columns:
    """The column names of the log. "": guess by the usual names; "-": there is no such column."""

    user: str = ""
    item: str = ""
    rating: str = ""
    time: str = ""
    split: str = ""


@dataclass(frozen=True)
class Log:
    """Interactions as they are in a file, before cleaning.

    frame: user_id and item_id (String, null if the field is empty), row (the row number in the file); and if the file
    has them: rating (float64), time (float64; dates become seconds since 1970), split (int8, an index into SPLITS).
    notes: what the owner of the file should know about how it was read; see `InputWarning`.
    """

    frame: pl.DataFrame
    path: Path
    notes: tuple[str, ...] = ()

    def has(self, column: str) -> bool:
        """Return whether the log has a column, such as rating, time or split."""
        return column in self.frame.columns


def log_from_table(table: Table, columns: Columns) -> Log:
    """Read a log from a table. Raises InputError for a missing column, or a bad rating, time or split value."""
    user, item = _column(table, "user", columns.user), _column(table, "item", columns.item)
    if user is None or item is None:
        noun = "user" if user is None else "item"
        raise InputError(
            f"no column looks like {noun} ids (columns: {', '.join(table.frame.columns[:20])})",
            where=table.location(),
            hint=f"name it with --{noun}-column",
        )
    frame = pl.DataFrame({"user_id": table.text(user), "item_id": table.text(item)})
    frame = frame.with_row_index("row", offset=table.first_row).with_columns(pl.col("row").cast(pl.Int64))
    rating, time, split = (
        _column(table, kind, name)
        for kind, name in (("rating", columns.rating), ("time", columns.time), ("split", columns.split))
    )
    if rating is not None:
        frame = frame.with_columns(table.numbers(rating).alias("rating"))
    if time is not None:
        frame = frame.with_columns(_times(table, time).alias("time"))
    if split is not None:
        frame = frame.with_columns(_split_codes(table, split).alias("split"))
    return Log(frame, table.path, table.notes)


def _column(table: Table, kind: str, name: str) -> str | None:
    """Return the column of this kind: the given name, or a guess if the name is "", or None."""
    if name == "-":
        return None
    if name:
        return table.require(name)
    lowered = {column.lower(): column for column in reversed(table.frame.columns)}
    return next((lowered[usual] for usual in USUAL_NAMES[kind] if usual in lowered), None)


def _times(table: Table, column: str) -> pl.Series:
    """Return times as float64 seconds. A text column counts as numbers if at least half of it are, else as dates."""
    values = table.frame[column]
    if values.dtype.is_numeric():
        return _check_times(table, column, values.cast(pl.Float64), values)
    if values.dtype in (pl.Datetime, pl.Date):
        return values.cast(pl.Datetime("us")).dt.epoch("us").cast(pl.Float64) / 1e6
    text = table.text(column).str.strip_chars()
    numbers = text.cast(pl.Float64, strict=False)
    if 2 * numbers.count() >= text.count():
        return _check_times(table, column, numbers, text)
    plain = text.str.replace("T", " ").str.replace(r"(Z|\+00:?00)$", "")
    dates = plain.str.to_datetime("%Y-%m-%d %H:%M:%S%.f", strict=False, time_unit="us")
    days = plain.str.to_datetime("%Y-%m-%d", strict=False, time_unit="us")
    seconds = dates.fill_null(days).dt.epoch("us").cast(pl.Float64) / 1e6
    return _check_times(table, column, seconds, text)


def _check_times(table: Table, column: str, seconds: pl.Series, values: pl.Series) -> pl.Series:
    """Return the seconds if every value could be converted. Raises InputError."""
    bad = (seconds.is_null() | ~seconds.is_finite()).fill_null(value=True) & values.is_not_null()
    if bad.any():
        position = int(bad.arg_true()[0])
        raise InputError(
            f'"{values[position]}" is not a time',
            where=table.location(position, column),
            hint="write seconds, or 2026-01-31, or 2026-01-31 12:00:00",
        )
    return seconds


def _split_codes(table: Table, column: str) -> pl.Series:
    text = table.text(column).str.strip_chars().str.to_lowercase()
    codes = text.replace_strict(SPLIT_NAMES, default=None, return_dtype=pl.Int8)
    if codes.null_count():
        position = int(codes.is_null().arg_true()[0])
        value = text[position]
        near = did_you_mean(value, SPLIT_NAMES) if value else ""
        hint = near if near.startswith("did") else "write train, validation or test (or 0, 1, 2)"
        raise InputError(f'"{value or ""}" is not a split', where=table.location(position, column), hint=hint)
    return codes
