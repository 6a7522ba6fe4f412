"""One modality's matrix, memory-mapped, aligned with the items, with its missing rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from triptych.errors import InputError

CHUNK_BYTES = 32 << 20  # how much of a table is looked at or copied at a time


@dataclass(frozen=True)
class Features:
    """What one modality ("image", "text", "metadata", …) says of every item.

    table: float16, float32 or float64 [n_items, width], row i = item i; may be a memory map. Rows of items that lack
    the modality hold zeros and mean nothing.
    present: bool [n_items], false where the item lacks the modality.
    provenance: where the table came from, for the manifest.
    encoder: for modalities made by this package, what encodes a new item the same way (plain JSON values).
    """

    modality: str
    table: NDArray[Any]
    present: NDArray[np.bool_]
    provenance: Mapping[str, Any] = field(default_factory=dict)
    encoder: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        where = f'modality "{self.modality}"'
        if self.table.ndim != 2 or self.table.shape[1] == 0:
            raise InputError(f"features must be [n_items, width], got {self.table.shape}", where=where)
        if self.table.dtype not in (np.float16, np.float32, np.float64):
            raise InputError(
                f"features are {self.table.dtype}", where=where, mend="store them as float16, float32 or float64"
            )
        if self.present.shape != (len(self.table),):
            raise InputError(f"{len(self.table)} rows of features, {len(self.present)} of presence", where=where)

    @property
    def n_items(self) -> int:
        return int(self.table.shape[0])

    @property
    def width(self) -> int:
        return int(self.table.shape[1])

    @property
    def n_missing(self) -> int:
        return int((~self.present).sum())


def row_chunks(table: NDArray[Any]) -> Iterator[slice]:
    """Slices over the rows of a table, each of about `CHUNK_BYTES`."""
    rows = max(1, CHUNK_BYTES // max(1, table.shape[1] * table.dtype.itemsize))
    for begin in range(0, len(table), rows):
        yield slice(begin, min(begin + rows, len(table)))


def first_bad_value(rows: NDArray[Any]) -> tuple[int, int, str] | None:
    """(row, column, "NaN" | "infinity") of the first value that is not finite, or None."""
    if np.isfinite(rows.sum(dtype=np.float64)):  # one pass without a mask; any NaN or infinity reaches the sum
        return None
    bad = ~np.isfinite(rows)
    if not bad.any():
        return None
    row, column = np.unravel_index(int(np.argmax(bad)), bad.shape)
    return int(row), int(column), "NaN" if np.isnan(rows[row, column]) else "infinity"
