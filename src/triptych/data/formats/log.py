"""A table -> a log: who took what, with rating, time and part where they are known."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from triptych.data.formats.tables import Table
from triptych.errors import InputError, did_you_mean

GUESSES = {
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
    """Which columns of the log hold what; "" is a guess by the usual names, "-" is none."""

    user: str = ""
    item: str = ""
    rating: str = ""
    time: str = ""
    split: str = ""


@dataclass(frozen=True)
class Log:
    """Interactions as they were read.

    frame: user_id, item_id (String, null where the field was empty), row (the row in the file), and rating (float64),
    time (float64, seconds where dates were given), part (int8, 0/1/2) where they are known.
    """

    frame: pl.DataFrame
    path: Path

    def has(self, column: str) -> bool:
        """Whether the log knows ratings, times or parts."""
        return column in self.frame.columns


def log_from_table(table: Table, columns: Columns) -> Log:
    """The log in a table. Raises InputError on a missing column, a rating or time that is none, an unknown part."""
    user, item = _column(table, "user", columns.user), _column(table, "item", columns.item)
    if user is None or item is None:
        noun = "user" if user is None else "item"
        raise InputError(
            f"no column looks like {noun} ids (columns: {', '.join(table.frame.columns[:20])})",
            where=table.where(),
            hint=f"name it with --{noun}-column",
        )
    frame = pl.DataFrame({"user_id": table.text(user), "item_id": table.text(item)})
    frame = frame.with_row_index("row", offset=table.first_row).with_columns(pl.col("row").cast(pl.Int64))
    rating, time, split = (
        _column(table, kind, asked)
        for kind, asked in (("rating", columns.rating), ("time", columns.time), ("split", columns.split))
    )
    if rating is not None:
        frame = frame.with_columns(table.numbers(rating).alias("rating"))
    if time is not None:
        frame = frame.with_columns(_times(table, time).alias("time"))
    if split is not None:
        frame = frame.with_columns(_split_codes(table, split).alias("split"))
    return Log(frame, table.path)


def _column(table: Table, kind: str, asked: str) -> str | None:
    if asked == "-":
        return None
    if asked:
        return table.require(asked)
    lowered = {name.lower(): name for name in reversed(table.frame.columns)}
    return next((lowered[guess] for guess in GUESSES[kind] if guess in lowered), None)


def _times(table: Table, column: str) -> pl.Series:
    values = table.frame[column]
    if values.dtype.is_numeric():
        return _good_times(table, column, values.cast(pl.Float64), values)
    if values.dtype in (pl.Datetime, pl.Date):
        return values.cast(pl.Datetime("us")).dt.epoch("us").cast(pl.Float64) / 1e6
    text = table.text(column).str.strip_chars()
    numbers = text.cast(pl.Float64, strict=False)
    if 2 * numbers.count() >= text.count():
        return _good_times(table, column, numbers, text)  # most are numbers, so all must be
    plain = text.str.replace("T", " ").str.replace(r"(Z|\+00:?00)$", "")
    dates = plain.str.to_datetime("%Y-%m-%d %H:%M:%S%.f", strict=False, time_unit="us")
    days = plain.str.to_datetime("%Y-%m-%d", strict=False, time_unit="us")
    seconds = dates.fill_null(days).dt.epoch("us").cast(pl.Float64) / 1e6
    return _good_times(table, column, seconds, text)


def _good_times(table: Table, column: str, seconds: pl.Series, given: pl.Series) -> pl.Series:
    bad = (seconds.is_null() | ~seconds.is_finite()).fill_null(value=True) & given.is_not_null()
    if bad.any():
        position = int(bad.arg_true()[0])
        raise InputError(
            f'"{given[position]}" is no time',
            where=table.where(position, column),
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
        raise InputError(f'"{value or ""}" is no part of a split', where=table.where(position, column), hint=hint)
    return codes
