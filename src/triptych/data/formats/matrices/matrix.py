"""What the readers of feature files give: a matrix, and the ids of its rows if the file has them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from triptych.data.formats.reading import Reading
from triptych.data.formats.tables import ITEM_IDS, Table
from triptych.errors import InputError

ID_NAMES = (*ITEM_IDS, "ids", "item_ids", "itemids", "asins", "keys")  # of columns and arrays, in small letters
MATRIX_NAMES = ("table", "features", "feature", "embeddings", "embedding", "vectors", "vector", "values", "weight")


@dataclass(frozen=True)
class Matrix:
    """The contents of a feature file.

    values: the matrix, memory-mapped if the kind of file allows it; its shape and dtype are not checked yet.
    ids: String [n_rows], the item of each row, or None. table: the rows of a table, for the locations in errors.
    notes: see `InputWarning`.
    """

    values: NDArray[Any]
    ids: pl.Series | None = None
    table: Table | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class MatrixFormat:
    """A kind of feature file.

    suffixes: its extensions. layout: what such a file holds, for help pages. read: raises InputError; how a file is
    read matters for text files only.
    """

    suffixes: tuple[str, ...]
    layout: str
    read: Callable[[Path, Reading], Matrix]


def check_values(values: NDArray[Any], where: str) -> None:
    """Raise InputError unless values are a matrix of numbers: floats, whole numbers or bools."""
    if values.ndim != 2 or 0 in values.shape:
        raise InputError(
            f"features must be a matrix [items, width], got shape {values.shape}",
            where=where,
            hint="store one row per item",
        )
    if not (np.issubdtype(values.dtype, np.floating) or values.dtype.kind in "iub"):
        raise InputError(
            f"features are {values.dtype}, not numbers", where=where, hint="store float16, float32 or float64"
        )
