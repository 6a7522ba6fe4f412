"""Frames in memory as tables: of pandas, polars or Arrow."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any
from uuid import UUID

import narwhals as nw
import numpy as np
import polars as pl

from triptych.data.formats.tables import Table
from triptych.errors import InputError

LIBRARY_ERRORS = (nw.exceptions.NarwhalsError, pl.exceptions.PolarsError)
ARROW_UUID = "extension<arrow.uuid>"
KNOWN_NESTED = (list, tuple, dict, np.ndarray)


def table_from_frame(native: Any, name: str) -> Table:
    """Return a pandas, polars or Arrow frame as a table.

    name: for errors. A named index of a pandas frame is a column too. Raises InputError.
    """
    if nw.dependencies.is_pandas_dataframe(native):
        names = [each for each in native.index.names if each is not None and each not in native.columns]
        native = native.reset_index(names) if names else native
    frame = frame_as_polars(native, name)
    if frame is None:
        raise InputError(
            f"cannot read a {type(native).__name__}", where=name, hint="give a pandas, polars or Arrow frame"
        )
    if not len(frame):
        raise InputError("has no rows", where=name, hint="give at least one row")
    return Table(frame, Path(name), 0, uuids=uuid_columns(native))


def frame_as_polars(native: Any, where: str) -> pl.DataFrame | None:
    """Return a frame of any library as a polars frame; None if it is no frame. Raises InputError."""
    if nw.dependencies.is_pandas_dataframe(native):
        native = native.set_axis([str(name) for name in native.columns], axis=1)
        if not native.columns.is_unique:
            repeated = native.columns[native.columns.duplicated()][0]
            raise InputError(f'names a column twice: "{repeated}"', where=where, hint="give each column its own name")
        native = native.assign(**{name: _plain(native[name]) for name in native.columns})
    elif nw.dependencies.is_polars_dataframe(native):
        objects = [each for each in native if each.dtype == pl.Object]
        native = native.with_columns(pl.Series(each.name, _texts(each), dtype=pl.String) for each in objects)
    elif nw.dependencies.is_pyarrow_table(native):
        for position, field in enumerate(native.schema):
            if str(field.type) == ARROW_UUID:  # polars would read bytes
                native = native.set_column(position, field.name, [_texts(native[field.name].to_pylist())])
    try:
        frame: nw.DataFrame[Any] = nw.from_native(native, eager_only=True)
    except TypeError:
        return None
    except (ValueError, nw.exceptions.NarwhalsError) as error:
        raise unreadable(error, where) from None
    try:
        return frame.to_polars()
    except (TypeError, ValueError, ArithmeticError, NotImplementedError, *LIBRARY_ERRORS) as error:
        raise unreadable(error, where) from None  # Arrow's errors are ValueError or TypeError


def uuid_columns(native: Any) -> frozenset[str]:
    """Return the columns of a pandas, polars or Arrow frame that hold UUIDs; `frame_as_polars` makes them text."""
    if nw.dependencies.is_polars_dataframe(native):
        objects = [each for each in native if each.dtype == pl.Object]
        return frozenset(each.name for each in objects if _are_uuids(each.drop_nulls()))
    if nw.dependencies.is_pandas_dataframe(native):
        names = [position for position, each in enumerate(native.dtypes) if each == np.object_]
        columns = [native.iloc[:, position] for position in names]
        return frozenset(str(each.name) for each in columns if _are_uuids(each[each.notna()]))
    if nw.dependencies.is_pyarrow_table(native):
        return frozenset(each.name for each in native.schema if str(each.type) == ARROW_UUID)
    return frozenset()


def _are_uuids(values: Any) -> bool:
    return len(values) > 0 and all(isinstance(each, UUID) for each in values)


def _plain(column: Any) -> Any:
    """Return a pandas column in types that Arrow knows: periods as their begin, mixed and unknown objects as text."""
    if str(column.dtype).startswith("period"):
        return column.dt.to_timestamp()
    if str(column.dtype).startswith("Sparse"):
        return column.sparse.to_dense()
    if column.dtype != object:
        return column
    values = [None if missing else value for value, missing in zip(column, column.isna(), strict=True)]
    kinds = {type(value) for value in values if value is not None}
    if kinds == {int} and any(abs(value) >= 2**63 for value in values if value is not None):
        return column.__class__(_texts(values), index=column.index)  # larger than any integer of Arrow
    nested = [kind for kind in kinds if issubclass(kind, KNOWN_NESTED)]
    unknown = any(kind.__module__ not in ("builtins", "datetime", "decimal", "numpy", "uuid") for kind in kinds)
    if (len(kinds) > 1 and len(nested) < len(kinds)) or unknown or kinds == {object}:
        return column.__class__(_texts(values), index=column.index)
    if any(issubclass(kind, UUID) for kind in kinds):
        return column.map(str, na_action="ignore")
    return column


def _texts(values: Iterable[object]) -> list[str | None]:
    return [None if value is None else _text(value) for value in values]


def _text(value: object) -> str:
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def unreadable(error: Exception, where: str) -> InputError:
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
    return InputError(
        f"cannot be read: {reason}",
        where=where,
        hint="give a matrix of floats with one row per item, or a frame of plain columns",
    )
