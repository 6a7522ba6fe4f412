"""Read files of nearest neighbours and align them with the items."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from triptych.data.formats.matrices.npy import open_npy
from triptych.data.formats.read_table import path_not_found
from triptych.data.neighbours import Neighbours
from triptych.errors import InputError, location


@dataclass(frozen=True)
class NeighbourSource:
    """The nearest neighbours in one modality, as two .npy files in the order of the item table.

    rows: [n_rows, k] the neighbours of each item, as rows of the item table, -1 for none. cosines: [n_rows, k].
    """

    modality: str
    rows: Path
    cosines: Path


def read_neighbours(source: NeighbourSource, order: NDArray[np.int64], n_items: int) -> Neighbours:
    """Read the neighbours of items 0 … n_items − 1. order: int64 [n_rows], the item of each row of the files, -1: none.

    Raises InputError, with file and row, if the shapes differ, a row is out of range or a cosine is not in [-1, 1].
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
    values = np.asarray(cosines, dtype=np.float32)
    _check((items < -1) | (items >= len(order)), items, source.rows, f"rows must be in [-1, {len(order) - 1}]")
    _check(~(np.abs(values) <= 1.01), values, source.cosines, "cosines must be in [-1, 1]")
    aligned = Neighbours(
        np.full((n_items, rows.shape[1]), -1, dtype=np.int64), np.zeros((n_items, rows.shape[1]), dtype=np.float32)
    )
    kept = order >= 0
    neighbour_items = np.where(items >= 0, order[items], -1)
    aligned.items[order[kept]] = neighbour_items[kept]
    aligned.cosines[order[kept]] = np.where(neighbour_items >= 0, values, 0)[kept]
    return aligned


def _matrix(path: Path) -> NDArray[Any]:
    if not path.exists():
        raise path_not_found(path)
    values = open_npy(path)
    if values.ndim != 2:
        raise InputError(
            f"neighbours must be a matrix [items, k], got shape {values.shape}",
            where=location(path),
            hint="store one row per item",
        )
    return values


def _check(bad: NDArray[np.bool_], values: NDArray[Any], path: Path, rule: str) -> None:
    """Raise InputError for the first bad value, if there is one."""
    if bad.any():
        row, column = np.unravel_index(int(np.argmax(bad)), bad.shape)
        raise InputError(
            f"has the value {values[row, column]}", where=location(path, row=int(row), column=str(column)), hint=rule
        )
