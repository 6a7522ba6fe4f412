"""Align the rows of feature files with the items (or the users); values are checked and converted chunk by chunk."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from triptych.data.features import FeatureStream, first_non_finite
from triptych.data.formats.features import FeatureFile
from triptych.data.formats.row_reader import row_reader
from triptych.data.vocabulary import Vocabulary
from triptych.errors import InputError, argument, location

Store = Literal["float16", "float32"]
ZeroRows = Literal["missing", "keep"]


def match_rows(
    file: FeatureFile,
    items: Vocabulary,
    row_ids: pl.Series | None,
    known: Vocabulary,
    *,
    unknown: Literal["error", "drop"] = "error",
) -> NDArray[np.int64]:
    """Return int64 [n_items]: the file's row for each item, -1 for none. Features of users are aligned with the users.

    row_ids: the ids of the file's rows, used if the file has no ids itself. known: all ids that the file may contain,
    also those that cleaning dropped. Raises InputError for unknown ids (unless `unknown` is "drop"), or if the numbers
    of rows and ids differ.
    """
    ids, noun = file.ids, file.source.noun
    if ids is None:
        if row_ids is None:
            article = "an" if noun == "item" else "a"
            raise InputError(
                f"has {len(file.values)} rows and no {noun} ids",
                where=location(file.source.path),
                hint=f"give an id file (one id per line), or {article} {noun} table whose rows are in the same order",
            )
        if len(row_ids) != len(file.values):
            raise InputError(
                f"has {len(file.values)} rows, but there are {len(row_ids)} {noun}s",
                where=location(file.source.path),
                hint=f"give one row per {noun} in the same order, or an id file",
            )
        ids = row_ids
    elif unknown == "error":
        is_unknown = known.find(ids) < 0
        if is_unknown.any():
            row, count = int(np.argmax(is_unknown)), int(is_unknown.sum())
            raise InputError(
                f'{noun} "{ids[row]}" is in neither the {noun} table nor the interactions ({count} such rows)',
                where=file.id_location(row),
                hint=f"add it to the {noun} table"
                + (f", or pass {argument(unknown_items='drop')}" if noun == "item" else ""),
            )
    rows = Vocabulary(ids, noun=noun).find(items.ids)
    if file.present is not None:
        rows[(rows >= 0) & ~file.present[rows]] = -1
    return rows


def stream_features(
    file: FeatureFile, order: NDArray[np.int64], *, store: Store | None = None, zero_rows: ZeroRows = "missing"
) -> FeatureStream:
    """Stream the rows of a file in the order of the items.

    order: int64 [n_items], the file's row for each item, -1 for none. store: the stored precision; None keeps float16
    and float32, and converts float64 and whole numbers to float32 (those of 8 bits to float16, which has them all).
    zero_rows: whether a row of zeros means that the modality is missing. Reading a chunk raises InputError, with file
    and row, for NaN, infinity, values too large for `store`, and whole numbers that are not exact in it.
    """
    dtype = np.dtype(store or _stored_dtype(file.values.dtype))
    read = row_reader(file.values)

    def rows(items: slice) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        wanted = order[items]
        present = wanted >= 0
        chunk = read(np.maximum(wanted, 0))
        chunk[~present] = 0
        _check(file, chunk, wanted, dtype)
        chunk = chunk.astype(dtype, copy=False)
        if zero_rows == "missing":
            candidates = np.flatnonzero(chunk[:, 0] == 0)
            present[candidates] &= chunk[candidates].any(axis=1)
        return chunk, present

    return FeatureStream(
        modality=file.source.modality,
        n_items=len(order),
        width=int(file.values.shape[1]),
        dtype=dtype,
        rows=rows,
        provenance={
            "file": file.source.path.name,
            "rows": len(file.values),
            "dtype": str(file.values.dtype),
            **file.provenance,
        },
        encoder=file.encoder,
    )


def _stored_dtype(given: np.dtype[Any]) -> str:
    """Return the precision that keeps the values of a matrix, without a wish of the user; float64 becomes float32."""
    is_small = given == np.float16 or (given.kind in "iub" and given.itemsize == 1)
    return "float16" if is_small else "float32"


def _check(file: FeatureFile, chunk: NDArray[Any], wanted: NDArray[np.int64], dtype: np.dtype[Any]) -> None:
    """Raise InputError for a value that is not finite or does not fit `dtype`. wanted: the file's rows of the chunk."""
    if chunk.dtype.kind in "iub":
        _check_whole(file, chunk, wanted, dtype)
        return
    bad = first_non_finite(chunk)
    if bad is not None:
        row, column, value = bad
        raise InputError(
            f"{value} in the features",
            where=file.location(int(wanted[row]), column),
            hint="encode that item again; if it lacks the modality, leave its row out or fill it with zeros",
        )
    if dtype.itemsize < chunk.dtype.itemsize:
        too_large = np.abs(chunk) > np.finfo(dtype).max
        if too_large.any():
            row, column = (int(index) for index in np.unravel_index(int(np.argmax(too_large)), too_large.shape))
            raise InputError(
                f"{chunk[row, column]:g} does not fit {8 * dtype.itemsize} bits",
                where=file.location(int(wanted[row]), column),
                hint="store float32, or scale the features" if dtype == np.float16 else "scale the features",
            )


def _check_whole(file: FeatureFile, chunk: NDArray[Any], wanted: NDArray[np.int64], dtype: np.dtype[Any]) -> None:
    """Raise InputError for a whole number that `dtype` cannot hold exactly."""
    largest = 2 ** (np.finfo(dtype).nmant + 1)
    if chunk.dtype.kind == "b" or np.iinfo(chunk.dtype).max <= largest:
        return
    inexact = (chunk > largest) | (chunk < -largest) if chunk.dtype.kind == "i" else chunk > largest
    if inexact.any():
        row, column = (int(index) for index in np.unravel_index(int(np.argmax(inexact)), inexact.shape))
        raise InputError(
            f"{chunk[row, column]} is not exact in {8 * dtype.itemsize} bits",
            where=file.location(int(wanted[row]), column),
            hint="features are vectors or counts: leave out columns of ids, or scale the features",
        )
