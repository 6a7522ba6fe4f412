"""Files of nearest neighbours -> Neighbours aligned with the items."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from triptych.data.formats.features import open_npy
from triptych.data.formats.tables import no_such
from triptych.data.neighbours import Neighbours
from triptych.errors import InputError, location


@dataclass(frozen=True)
class NeighbourSource:
    """Two .npy files: neighbours' rows [n_rows, k] and their cosines; rows are in the order of the item table."""

    modality: str
    rows: Path
    cosines: Path


def read_neighbours(source: NeighbourSource, order: NDArray[np.int64], n_items: int) -> Neighbours:
    """The neighbours of items 0 … n_items − 1; order: int64 [n_rows], which item a row of the files is (-1: none).

    Raises InputError that names file and row: shapes that differ, rows that are out of range, cosines that are none.
    """
    rows, cosines = _matrix(source.rows), _matrix(source.cosines)
    if not np.issubdtype(rows.dtype, np.integer):
        raise InputError(f"neighbours are {rows.dtype}", where=location(source.rows), hint="store rows as integers")
    if not np.issubdtype(cosines.dtype, np.floating):
        raise InputError(f"cosines are {cosines.dtype}", where=location(source.cosines), hint="store them as floats")
    for path, matrix in ((source.rows, rows), (source.cosines, cosines)):
        if matrix.shape != (len(order), rows.shape[1]):
            raise InputError(
                f"is {matrix.shape}, expected {(len(order), rows.shape[1])}",
                where=location(path),
                hint="give one row per row of the item table, as many cosines as neighbours",
            )
    items = np.asarray(rows, dtype=np.int64)
    near = np.asarray(cosines, dtype=np.float32)
    _refuse((items < -1) | (items >= len(order)), items, source.rows, f"rows must be in [-1, {len(order) - 1}]")
    _refuse(~(np.abs(near) <= 1.01), near, source.cosines, "cosines must be in [-1, 1]")
    found = Neighbours(
        np.full((n_items, rows.shape[1]), -1, dtype=np.int64), np.zeros((n_items, rows.shape[1]), dtype=np.float32)
    )
    kept = order >= 0
    named = np.where(items >= 0, order[items], -1)
    found.items[order[kept]] = named[kept]
    found.cosines[order[kept]] = np.where(named >= 0, near, 0)[kept]
    return found


def _matrix(path: Path) -> NDArray[Any]:
    if not path.exists():
        raise no_such(path)
    values = open_npy(path)
    if values.ndim != 2:
        raise InputError(
            f"neighbours must be a matrix [items, k], got shape {values.shape}",
            where=location(path),
            hint="store one row per item",
        )
    return values


def _refuse(bad: NDArray[np.bool_], values: NDArray[Any], path: Path, rule: str) -> None:
    if bad.any():
        row, column = np.unravel_index(int(np.argmax(bad)), bad.shape)
        raise InputError(
            f"holds {values[row, column]}", where=location(path, row=int(row), column=str(column)), hint=rule
        )
