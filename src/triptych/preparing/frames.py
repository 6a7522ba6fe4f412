"""Frames and arrays in memory as feature files. Rows belong to the ids that come with them.

The ids of features, in this order: those of (ids, matrix); the index of a pandas frame; the first column of a frame
that is not of floats. Without any of these, rows are in the order of the item table. An index that pandas made itself
(`RangeIndex` from 0) has no ids.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import narwhals as nw
import numpy as np
import polars as pl
from numpy.typing import NDArray

from triptych.data.formats.features import FeatureFile, FeatureSource
from triptych.data.formats.frames import frame_as_polars, unreadable
from triptych.data.formats.matrices.matrix import Matrix, check_values
from triptych.data.formats.matrices.npz import dense
from triptych.data.formats.matrices.table import matrix_of_table
from triptych.data.formats.tables import Table, check_item_ids
from triptych.errors import InputError, location
from triptych.texts import is_utf8


def features_from_memory(modality: str, features: Any, noun: str = "item") -> FeatureFile:
    """Return features, given as a matrix, a frame, (item ids, matrix) or item id -> vector, as an open feature file.

    noun: "item", or "user" for features of the users.
    A matrix is a NumPy array, a torch tensor, a sparse matrix of SciPy, lists, or a frame of pandas, polars or Arrow.
    Raises InputError if it is no matrix of numbers, if ids are empty, repeated or not as many as the rows, or if two
    sets of ids come with it.
    """
    name = "features" if noun == "item" else "user_features"
    source = FeatureSource(modality, Path(f"{name}[{modality!r}]"), noun=noun)
    where = str(source.path)
    given, matrix = features if isinstance(features, tuple) and len(features) == 2 else (None, features)
    found = _matrix_and_ids(matrix, source.path)
    values, ids = found.values, found.ids
    check_values(values, where)
    if given is not None:
        own, ids = ids, _ids(list(given), where)
        if len(ids) != len(values):
            raise InputError(f"{len(ids)} ids for {len(values)} rows", where=where, hint="give one id per row")
        if own is not None and own.to_list() != ids.to_list():
            raise InputError(
                "the given ids are not those of the frame",
                where=where,
                hint="give the frame alone, or its values with the ids",
            )
    if ids is not None:
        ids = check_item_ids(ids, lambda row: location(source.path, row=row))
    return FeatureFile(source, values, ids, notes=found.notes)


def _matrix_and_ids(matrix: Any, path: Path) -> Matrix:
    """Return the values, and the ids that come with them, if any."""
    where = str(path)
    if isinstance(matrix, Mapping):
        return _of_vectors(matrix, path)
    if hasattr(matrix, "toarray") and hasattr(matrix, "nnz"):
        return Matrix(dense(matrix, path))
    index = _index_ids(matrix, where) if nw.dependencies.is_pandas_dataframe(matrix) else None
    frame = frame_as_polars(matrix, where)
    if frame is None:
        return Matrix(_array(matrix, where))
    found = matrix_of_table(Table(frame, path, 0))
    if index is None:
        return found
    if found.ids is not None:
        raise InputError(
            "has an index and a column that may both be item ids",
            where=where,
            hint="drop the column, or the index by reset_index(drop=True)",
        )
    return Matrix(found.values, index)


def _of_vectors(vectors: Mapping[Any, Any], path: Path) -> Matrix:
    """Return item id -> vector as a matrix with ids. Raises InputError for vectors of other shapes."""
    where = str(path)
    if not vectors:
        raise InputError("has no vectors", where=where, hint="give item id -> vector")
    ids = _ids(list(vectors), where)
    rows = [_array(each, where) for each in vectors.values()]
    for item, row in zip(ids, rows, strict=True):
        if row.ndim != 1 or row.shape != rows[0].shape:
            raise InputError(
                f'the vector of "{item}" has shape {row.shape}, that of "{ids[0]}" {rows[0].shape}',
                where=where,
                hint="give all vectors one length",
            )
    return Matrix(np.stack(rows), ids)


def _index_ids(frame: Any, where: str) -> pl.Series | None:
    """Return the index of a pandas frame as ids; None for the one that pandas made itself."""
    index = frame.index
    if index.nlevels > 1:
        raise InputError("has an index of several levels", where=where, hint="make the item ids the index")
    is_default = isinstance(index, type(frame.iloc[:0].reset_index(drop=True).index))
    if is_default and (index.start, index.step) == (0, 1) and index.name is None:
        return None
    return _ids(index.tolist(), where)


def _ids(values: Sequence[Any], where: str) -> pl.Series:
    """Return ids as text: 7, 7.0 and "7" are "7". Raises InputError for what is no id."""
    missing = [each is None or each != each for each in values]  # NaN differs from itself
    if any(missing):
        raise InputError("the item id is empty", where=location(where, row=missing.index(True)), hint="fill it in")
    plain = [each.item() if isinstance(each, np.generic) else each for each in values]
    if all(isinstance(each, int | float) for each in plain):
        return Table(pl.Series("id", plain, strict=False).to_frame(), Path(where), 0).ids("id", "item")[0]
    texts = [str(each) for each in plain]
    try:
        return pl.Series("id", texts, dtype=pl.String)
    except UnicodeEncodeError:
        row = [is_utf8(each) for each in texts].index(False)
        raise InputError("the item id is not UTF-8", where=location(where, row=row), hint="decode it first") from None


def _array(matrix: Any, where: str) -> NDArray[Any]:
    """Return an array or a torch tensor as a NumPy array; torch itself is not needed."""
    try:
        if hasattr(matrix, "detach") and hasattr(matrix, "cpu"):
            matrix = matrix.detach().cpu()
            matrix = matrix.float() if str(matrix.dtype) == "torch.bfloat16" else matrix  # NumPy has no bfloat16
            matrix = matrix.to_dense() if getattr(matrix, "is_sparse", False) else matrix
        if isinstance(matrix, np.ma.MaskedArray) and np.ma.getmaskarray(matrix).any():
            raise InputError("has masked values", where=where, hint="leave out the rows of items without features")
        return np.asarray(matrix)
    except (TypeError, ValueError, RuntimeError) as error:
        raise unreadable(error, where) from None
