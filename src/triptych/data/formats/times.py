"""Times as seconds: numbers, ISO 8601 in all the ways that programs write it, or a given format."""

from __future__ import annotations

import re

import polars as pl

from triptych.data.formats.reading import MissingTimes
from triptych.data.formats.tables import Table
from triptych.data.ids import MISSING, SCIENTIFIC
from triptych.errors import InputError, argument

ISO = (
    r"^(?<date>\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{8})"
    r"(?:[T ]+(?<hour>\d{1,2}):?(?<minute>\d{2})(?::?(?<second>\d{2})(?:[.,](?<fraction>\d{1,9}))?)?)?"
    r"\s*(?<zone>[Zz]|UTC|GMT|[+-]\d{2}(?::?\d{2})?)?(?:\[[\w/+-]+\])?$"
)
DAYS = (19_000_101, 21_001_231)  # numbers in this range are days such as 20260131
SECONDS = (19_000_101_000_000, 21_001_231_235_959)  # and in this one, moments such as 20260131235959
UNITS = ((1e17, 1e9, "nanoseconds"), (1e14, 1e6, "microseconds"), (1e11, 1e3, "milliseconds"))
CLOCK = r"%[-_0]?[HIklTRrscX+]"  # codes of the time of a day
BLOCK = 200_000  # texts that are taken apart at a time
HINT = "write seconds, or 2026-01-31, or 2026-01-31 12:00:00+09:00, or name the format: " + argument(
    time_format="%d/%m/%Y"
)


def read_times(table: Table, column: str, time_format: str = "") -> tuple[pl.Series, list[str]]:
    """Return times as float64 seconds since 1970, null where they are missing, and notes about how they were read.

    Numbers are seconds; numbers as large as milliseconds, microseconds or nanoseconds since 1970 are divided, and
    numbers such as 20260131 are days. Texts without a time zone are in UTC. A text column counts as numbers if at least
    half of its values are. Raises InputError for a value that is not a time.
    """
    values = table.frame[column]
    if values.dtype in (pl.Datetime, pl.Date):
        return values.cast(pl.Datetime("us")).dt.epoch("us").cast(pl.Float64) / 1e6, []
    if values.dtype.is_numeric():
        if values.dtype.is_float():
            values = values.fill_nan(None)
        if not time_format:
            return _scaled(table, column, _checked(table, column, values.cast(pl.Float64), values))
        values = values.cast(pl.Int64, strict=False).cast(pl.String)
    text = values.str.strip_chars() if values.dtype == pl.String else table.text(column)
    text = text.set((text == "") | text.is_in(MISSING), None)
    if time_format:
        hint = f'correct it, or `time_format`: it does not fit "{time_format}"'
        return _checked(table, column, _by_format(table, column, text, time_format), text, hint), []
    numbers = text.cast(pl.Float64, strict=False)
    if 2 * numbers.count() >= text.count():
        _check_digits(table, column, text)
        return _scaled(table, column, _checked(table, column, numbers, text))
    return _checked(table, column, _iso_seconds(text), text), []


def without_missing(frame: pl.DataFrame, table: Table, column: str, choice: MissingTimes) -> tuple[pl.DataFrame, str]:
    """Return the rows with a time, or all rows without their times if that was chosen, and a note.

    frame: with a column `time`. Raises InputError that names the first row without a time.
    """
    missing = frame["time"].is_null()
    count = int(missing.sum())
    if not count:
        return frame, ""
    if choice == "error":
        raise InputError(
            f"the time is empty ({count:,} such rows of {len(frame):,})",
            where=table.location(int(frame["row"][int(missing.arg_true()[0])]), column),
            hint=f"fill it in, or pass {argument(missing_times='drop')} (those rows) or ignore (all times)",
        )
    if choice == "drop":
        return frame.filter(~missing), f"{table.path.name}: {count:,} rows without a time were left out"
    return frame.drop("time"), f"{table.path.name}: {count:,} rows have no time, so no times are used"


def _scaled(table: Table, column: str, seconds: pl.Series) -> tuple[pl.Series, list[str]]:
    """Return seconds for numbers that may be days (20260131) or smaller units."""
    known = seconds.drop_nulls()
    if not len(known):
        return seconds, []
    low, high = float(known.min()), float(known.max())  # type: ignore[arg-type]
    if low >= DAYS[0] and high <= DAYS[1]:
        days = _iso_seconds(seconds.cast(pl.Int64, strict=False).cast(pl.String))
        if days.null_count() == seconds.null_count():
            return days, [f'{table.path.name}: numbers of "{column}" such as {low:.0f} are read as days']
    if low >= SECONDS[0] and high <= SECONDS[1]:
        digits = seconds.cast(pl.Int64, strict=False).cast(pl.String)
        moments = _iso_seconds(digits.str.replace(r"^(\d{8})(\d{6})$", "$1 $2"))
        if moments.null_count() == seconds.null_count():
            return moments, [f'{table.path.name}: numbers of "{column}" such as {low:.0f} are read as date and time']
    for least, factor, unit in UNITS:
        if low >= least:
            return seconds / factor, [f'{table.path.name}: times of "{column}" are read as {unit} since 1970']
        if high >= least:
            position = int((seconds < least).fill_null(value=False).arg_true()[0])
            raise InputError(
                f"times are in several units: {seconds[position]:g}, and {high:.0f}, which is in {unit}",
                where=table.location(position, column),
                hint="write all times in one unit, and leave the field empty where there is no time",
            )
    return seconds, []


def _iso_seconds(text: pl.Series) -> pl.Series:
    """Return seconds since 1970 for texts in ISO 8601, null for others."""
    if len(text) > BLOCK:  # the parts of a text need ten times its memory
        return pl.concat([_iso_seconds(text.slice(begin, BLOCK)) for begin in range(0, len(text), BLOCK)])
    parts = text.str.extract_groups(ISO).struct.unnest()
    date, hour, minute, second, fraction, zone = (pl.col(name) for name in parts.columns)
    plain = date.str.replace(r"^(\d{4})(\d{2})(\d{2})$", "$1-$2-$3").str.replace_all(r"[/.]", "-")
    day = plain.str.to_date("%Y-%m-%d", strict=False)
    clock = [(hour, 23, 3600), (minute, 59, 60), (second, 60, 1)]
    whole = sum((each.fill_null("0").cast(pl.Int64) * factor for each, _, factor in clock), pl.lit(0))
    valid = pl.all_horizontal(each.fill_null("0").cast(pl.Int64) <= most for each, most, _ in clock)
    digits = zone.str.replace_all(r"[^0-9]", "").fill_null("").str.pad_end(4, "0")
    east = (digits.str.slice(0, 2).cast(pl.Int64) * 3600 + digits.str.slice(2, 2).cast(pl.Int64) * 60) * pl.when(
        zone.str.starts_with("-")
    ).then(-1).otherwise(1)
    micro = fraction.fill_null("0").str.pad_end(6, "0").str.slice(0, 6).cast(pl.Float64) / 1e6
    seconds = day.cast(pl.Datetime("us")).dt.epoch("s") + whole - east.fill_null(0)
    return parts.select(pl.when(valid).then(seconds.cast(pl.Float64) + micro).alias(text.name)).to_series()


def _by_format(table: Table, column: str, text: pl.Series, time_format: str) -> pl.Series:
    time_format = time_format.replace(".%f", "%.f")  # as Python writes fractions of a second
    try:
        if "%z" in time_format or "%:z" in time_format:
            moments = text.str.to_datetime(time_format, strict=False, time_unit="us", time_zone="UTC")
        elif re.search(CLOCK, time_format):
            moments = text.str.to_datetime(time_format, strict=False, time_unit="us")
        else:
            moments = text.str.to_date(time_format, strict=False).cast(pl.Datetime("us"))
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException):
        raise InputError(
            f'"{time_format}" is not a time format', where=table.location(column=column), hint="for example %d/%m/%Y"
        ) from None
    return moments.dt.epoch("us").cast(pl.Float64) / 1e6


def _checked(table: Table, column: str, seconds: pl.Series, values: pl.Series, hint: str = HINT) -> pl.Series:
    """Return the seconds if every value could be converted. Raises InputError."""
    bad = (seconds.is_null() | ~seconds.is_finite()).fill_null(value=True) & values.is_not_null()
    if bad.any():
        position = int(bad.arg_true()[0])
        raise InputError(f'"{values[position]}" is not a time', where=table.location(position, column), hint=hint)
    return seconds


def _check_digits(table: Table, column: str, text: pl.Series) -> None:
    """Raise InputError for numbers in scientific notation, as spreadsheets write them without their last digits."""
    short = text.str.contains(SCIENTIFIC).fill_null(value=False) & (text.str.len_bytes() < len("1.700000000e+09"))
    if short.any():
        position = int(short.arg_true()[0])
        raise InputError(
            f'"{text[position]}" is a number without its last digits',
            where=table.location(position, column),
            hint="write the times out (in a spreadsheet: format the column as text before opening the file)",
        )
