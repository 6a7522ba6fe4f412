"""Values of a database as columns of a frame: numbers stay exact, times are in UTC, columns of mixed types are text."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import polars as pl
from polars.exceptions import PolarsError

PLAIN: dict[frozenset[type], Any] = {
    frozenset({bool}): pl.Boolean,
    frozenset({int}): pl.Int64,
    frozenset({int, bool}): pl.Int64,
    frozenset({float}): pl.Float64,
    frozenset({int, float}): pl.Float64,
    frozenset({str}): pl.String,
    frozenset({date}): pl.Date,
}


def column_of(name: str, values: Sequence[Any]) -> pl.Series:
    """Return some values of one column; None is null. Its type is pl.Null if all are."""
    kinds = frozenset(map(type, values)) - {type(None)}
    if not kinds:
        return pl.Series(name, values, dtype=pl.Null)
    if kinds in PLAIN:
        try:
            return pl.Series(name, values, dtype=PLAIN[kinds], strict=len(kinds) == 1)
        except (OverflowError, TypeError, PolarsError):
            pass  # whole numbers of more than 64 bits
    elif kinds <= {date, datetime}:
        return pl.Series(name, [_in_utc(each) for each in values], dtype=pl.Datetime("us"))
    elif kinds <= {list, dict, tuple}:
        try:
            return pl.Series(name, values, strict=False)
        except (TypeError, ValueError, PolarsError):
            pass  # nested values without one type
    return pl.Series(name, [None if each is None else _text(each) for each in values], dtype=pl.String)


def joined(parts: Sequence[pl.Series]) -> pl.Series:
    """Return the parts of a column as one: numbers in a type that has room for all, otherwise mixed types as text."""
    known = [each for each in parts if each.dtype != pl.Null]
    types = list(dict.fromkeys(each.dtype for each in known))
    if not types:
        return pl.concat([each.cast(pl.String) for each in parts])
    if len(types) == 1:
        target: Any = types[0]
    elif all(each.is_numeric() for each in types):
        target = pl.Float64
    else:
        target = pl.String
    return pl.concat([_cast(each, target) for each in parts])


def _cast(part: pl.Series, target: Any) -> pl.Series:
    if target == pl.String and part.dtype.is_nested():
        return pl.Series(part.name, [None if each is None else _text(each) for each in part.to_list()], dtype=pl.String)
    return part if part.dtype == target else part.cast(target)


def _in_utc(moment: date | None) -> datetime | None:
    if moment is None:
        return None
    if not isinstance(moment, datetime):
        return datetime(moment.year, moment.month, moment.day)
    return moment if moment.tzinfo is None else moment.astimezone(UTC).replace(tzinfo=None)


def _text(value: Any) -> str:
    if isinstance(value, Decimal):
        return str(int(value)) if value.is_finite() and value == value.to_integral_value() else format(value, "f")
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, bytes | memoryview):
        return bytes(value).decode("utf-8", errors="replace")
    if isinstance(value, list | tuple | dict):
        return json.dumps(value, ensure_ascii=False, default=_text)
    if isinstance(value, datetime):
        return (_in_utc(value) or value).isoformat(" ")
    return str(value)
