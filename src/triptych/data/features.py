"""Features of one modality: a matrix aligned with the items, possibly memory-mapped, and which rows are missing."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from triptych.data.cards import card_of_features
from triptych.display import displayed
from triptych.errors import InputError

CHUNK_BYTES = 4 << 20  # size of the blocks in which a table is read and copied
BLOCK = 1 << 17  # number of values that are checked at a time, so that they stay in the cache
MODALITY_NAME = r"[A-Za-z][A-Za-z0-9_-]*"  # pattern; the name becomes a file name and a parameter name


@displayed(card_of_features)
@dataclass(frozen=True)
class Features:
    """The features of all items in one modality ("image", "text", "metadata", …).

    table: float16, float32 or float64 [n_items, width], row i = item i; may be a memory map. Rows of items that lack
    the modality are zeros and carry no information.
    present: bool [n_items], false for items that lack the modality.
    provenance: where the table came from, for the manifest.
    encoder: for modalities that this package encodes, the fitted encoder as plain JSON values; it encodes new items.
    Raises InputError if the name, the shape or the dtype is not valid.
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
    """The features of one modality, read chunk by chunk: aligned with the items, checked and converted.

    rows: a slice of items -> (values [n, width] of `dtype`, present bool [n]); it raises InputError for bad values.
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

    @classmethod
    def from_features(cls, features: Features) -> FeatureStream:
        """Return a stream over features that exist already."""

        def rows(items: slice) -> tuple[NDArray[Any], NDArray[np.bool_]]:
            return features.table[items], features.present[items]

        return cls(
            modality=features.modality,
            n_items=features.n_items,
            width=features.width,
            dtype=features.table.dtype,
            rows=rows,
            provenance=features.provenance,
            encoder=features.encoder,
        )

    def chunks(self) -> list[slice]:
        """Return slices that cover all items, each of about `CHUNK_BYTES`."""
        size = max(1, CHUNK_BYTES // max(1, self.width * self.dtype.itemsize))
        return [slice(begin, min(begin + size, self.n_items)) for begin in range(0, self.n_items, size)]

    def collect(self) -> Features:
        """Read the whole stream into memory."""
        table = np.zeros((self.n_items, self.width), self.dtype)
        present = np.zeros(self.n_items, dtype=np.bool_)
        for items in self.chunks():
            table[items], present[items] = self.rows(items)
        table[~present] = 0
        return Features(self.modality, table, present, self.provenance, self.encoder)


def _check_name(modality: str) -> None:
    if not isinstance(modality, str) or not re.fullmatch(MODALITY_NAME, modality):
        raise InputError(
            f'"{modality}" is not a valid modality name', hint="use letters, digits, - and _, starting with a letter"
        )


def first_non_finite(rows: NDArray[Any]) -> tuple[int, int, str] | None:
    """Return (row, column, "NaN" or "infinity") for the first value that is not finite, or None if there is none."""
    if rows.dtype == np.float16:  # numpy's float16 arithmetic is slow; comparing the bits as integers is vectorised
        bits, step = rows.view(np.uint16), max(1, BLOCK // max(1, rows.shape[1]))
        blocks = (bits[begin : begin + step] for begin in range(0, len(bits), step))
        if all((block & 0x7FFF).max(initial=0) < 0x7C00 for block in blocks):
            return None
    else:
        # a NaN or an infinity makes the sum non-finite: one pass, no mask
        with np.errstate(over="ignore", invalid="ignore"):
            if np.isfinite(rows.sum(dtype=np.float64)):
                return None
    bad = ~np.isfinite(rows)
    if not bad.any():
        return None
    row, column = np.unravel_index(int(np.argmax(bad)), bad.shape)
    return int(row), int(column), "NaN" if np.isnan(rows[row, column]) else "infinity"
