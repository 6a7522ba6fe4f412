"""Types of ids: inside they are text; lists and frames that go out have them in the type in which they came.

Only true types count. A text file has texts, so its ids stay texts, and "007" never becomes 7. Floats that are whole
numbers, as pandas writes integers with gaps, count as int64.
"""

from __future__ import annotations

import numbers
from collections.abc import Iterable, Mapping
from typing import Any, Literal, get_args
from uuid import UUID

import polars as pl

IdType = Literal[
    "string", "categorical", "uuid", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"
]
INTEGERS: dict[IdType, Any] = {
    "int8": pl.Int8,
    "int16": pl.Int16,
    "int32": pl.Int32,
    "int64": pl.Int64,
    "uint8": pl.UInt8,
    "uint16": pl.UInt16,
    "uint32": pl.UInt32,
    "uint64": pl.UInt64,
}
WIDEST: tuple[IdType, ...] = ("int64", "uint64")
UUID_TEXT = r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"
DESCRIPTIONS: dict[IdType, str] = {"uuid": "UUIDs"}  # others: whole numbers


def type_of_column(dtype: Any) -> IdType:
    """Return the type of the ids in a column of this polars type; what has no type of its own is text."""
    for id_type, integer in INTEGERS.items():
        if dtype == integer:
            return id_type
    if isinstance(dtype, pl.Categorical | pl.Enum):
        return "categorical"
    return "int64" if dtype.is_float() or dtype.is_decimal() else "string"


def type_of_values(values: Iterable[object]) -> IdType:
    """Return the type of ids given in Python: int64 (or uint64) if all are whole numbers, uuid if all are UUIDs."""
    given = list(values)
    if given and all(isinstance(each, UUID) for each in given):
        return "uuid"
    if not given or not all(isinstance(each, numbers.Integral) and not isinstance(each, bool) for each in given):
        return "string"
    integers = [int(each) for each in given]  # type: ignore[call-overload]
    if min(integers) >= -(2**63) and max(integers) < 2**63:
        return "int64"
    return "uint64" if min(integers) >= 0 and max(integers) < 2**64 else "string"


def common_type(types: Iterable[IdType]) -> IdType:
    """Return the type of ids from several columns: theirs if they agree, the widest of integers, otherwise text."""
    distinct = set(types)
    if len(distinct) == 1:
        return distinct.pop()
    if distinct and distinct <= set(INTEGERS):
        return "uint64" if all(each.startswith("u") for each in distinct) else "int64"
    return "string"


def with_type(texts: pl.Series, id_type: IdType) -> pl.Series:
    """Return ids as text in their type; UUIDs stay text, because polars and Arrow have no UUIDs to join by.

    The texts must have the type; see `first_without_type`.
    """
    if id_type in INTEGERS:
        return texts.cast(INTEGERS[id_type])
    return texts.cast(pl.Categorical) if id_type == "categorical" else texts


def arrow_type(id_type: IdType) -> Any:
    """Return the type of ids in Arrow tables and Parquet files: of integers their own, of others text."""
    import pyarrow as pa

    return getattr(pa, id_type)() if id_type in INTEGERS else pa.string()


def first_without_type(texts: pl.Series, id_type: IdType) -> str | None:
    """Return the first id, String [n], that cannot be given in this type and read back; None if all can."""
    if id_type in INTEGERS:
        bad = (texts.cast(INTEGERS[id_type], strict=False).cast(pl.String) != texts).fill_null(value=True)
    elif id_type == "uuid":
        bad = ~texts.str.contains(UUID_TEXT)
    else:
        return None
    return str(texts[int(bad.arg_true()[0])]) if bad.any() else None


def fitting_type(texts: pl.Series, wanted: IdType) -> IdType:
    """Return the wanted type if all ids, String [n], have it; a wider one of integers if they have that; or text."""
    tried = (wanted, *WIDEST) if wanted in INTEGERS else (wanted,)
    return next((each for each in tried if first_without_type(texts, each) is None), "string")


def description(id_type: IdType) -> str:
    """Return what ids of this type are, for messages."""
    return DESCRIPTIONS.get(id_type, f"whole numbers ({id_type})")


def stored_types(types: Mapping[str, IdType]) -> dict[str, IdType]:
    """Return noun -> type as a manifest keeps it: nothing if all ids are text."""
    return dict(types) if any(each != "string" for each in types.values()) else {}


def check_type(value: object) -> IdType:
    """Return a stored type. Raises ValueError if it is unknown."""
    if value not in get_args(IdType):
        raise ValueError(f'the type of ids "{value}" is unknown')
    return value  # type: ignore[return-value]
