"""One modality's matrix, memory-mapped, aligned with the items, with its missing rows."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from triptych.errors import InputError

CHUNK_BYTES = 4 << 20  # how much of a table is looked at or copied at a time
BLOCK = 1 << 17  # numbers looked at at a time: what is made of them stays in the cache
NAME = r"[A-Za-z][A-Za-z0-9_-]*"  # of a modality: it becomes a file name and a parameter name


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
        _check_name(self.modality)
        if self.table.ndim != 2 or self.table.shape[1] == 0:
            raise InputError(f"features must be [n_items, width], got {self.table.shape}", where=where)
        if self.table.dtype not in (np.float16, np.float32, np.float64):
            raise InputError(
                f"features are {self.table.dtype}", where=where, hint="store them as float16, float32 or float64"
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


@dataclass(frozen=True)
class FeatureStream:
    """One modality on its way from a file to a data set: aligned, checked and converted a chunk of items at a time.

    rows: a slice of items -> (values [n, width] of `dtype`, present bool [n]); raises InputError on bad values.
    """

    modality: str
    n_items: int
    width: int
    dtype: np.dtype[Any]
    rows: Callable[[slice], tuple[NDArray[Any], NDArray[np.bool_]]]
    provenance: Mapping[str, Any] = field(default_factory=dict)
    encoder: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        _check_name(self.modality)

    def chunks(self) -> list[slice]:
        """Slices over the items, each of about `CHUNK_BYTES`."""
        size = max(1, CHUNK_BYTES // max(1, self.width * self.dtype.itemsize))
        return [slice(begin, min(begin + size, self.n_items)) for begin in range(0, self.n_items, size)]


def streamed(features: Features) -> FeatureStream:
    """Features as a stream of themselves."""

    def rows(items: slice) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        return features.table[items], features.present[items]

    return FeatureStream(
        features.modality,
        features.n_items,
        features.width,
        features.table.dtype,
        rows,
        features.provenance,
        features.encoder,
    )


def collected(stream: FeatureStream) -> Features:
    """A stream as features in memory."""
    table = np.zeros((stream.n_items, stream.width), stream.dtype)
    present = np.zeros(stream.n_items, dtype=np.bool_)
    for items in stream.chunks():
        table[items], present[items] = stream.rows(items)
    table[~present] = 0
    return Features(stream.modality, table, present, stream.provenance, stream.encoder)


def _check_name(modality: str) -> None:
    if not re.fullmatch(NAME, modality):
        raise InputError(f'"{modality}" cannot name a modality', hint="use letters, digits, - and _, a letter first")


def first_bad_value(rows: NDArray[Any]) -> tuple[int, int, str] | None:
    """(row, column, "NaN" | "infinity") of the first value that is not finite, or None."""
    if rows.dtype == np.float16:  # numpy computes with these one at a time; their bits it compares by the dozen
        bits, step = rows.view(np.uint16), max(1, BLOCK // max(1, rows.shape[1]))
        blocks = (bits[begin : begin + step] for begin in range(0, len(bits), step))
        if all((block & 0x7FFF).max(initial=0) < 0x7C00 for block in blocks):
            return None
    else:
        # one pass without a mask: what is not finite reaches the sum
        with np.errstate(over="ignore", invalid="ignore"):
            if np.isfinite(rows.sum(dtype=np.float64)):
                return None
    bad = ~np.isfinite(rows)
    if not bad.any():
        return None
    row, column = np.unravel_index(int(np.argmax(bad)), bad.shape)
    return int(row), int(column), "NaN" if np.isnan(rows[row, column]) else "infinity"
