"""Open feature files: a matrix, memory-mapped where possible, and the item ids of its rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from triptych.artefacts import map_tensors
from triptych.data.formats.encoded import FEATURES, ROWS, open_encoded
from triptych.data.formats.read_table import path_not_found, read_table
from triptych.data.formats.tables import Table, check_item_ids
from triptych.data.npy import map_npy
from triptych.errors import ArtefactError, InputError, location

NAMES = ("table", "features", "embeddings")  # the tensor to read if a safetensors file has several


@dataclass(frozen=True)
class FeatureSource:
    """The feature file of a modality: .npy, .safetensors or .parquet; or a folder of `triptych encode`.

    ids: a file with the item id of each row, if the feature file does not have the ids itself.
    """

    modality: str
    path: Path
    ids: Path | None = None


@dataclass(frozen=True)
class FeatureFile:
    """An open feature file.

    values: [n_rows, width], memory-mapped if the file type allows it. ids: String [n_rows], the item of each row, or
    None. first_row: the number of the first row in error messages: 0 for matrices, 1 for tables. first_id: the same for
    the file of ids. present: bool [n_rows], false for rows without features, or None. provenance, encoder: as in
    `Features`. notes: what the owner of the file should know about how it was read; see `InputWarning`.
    """

    source: FeatureSource
    values: NDArray[Any]
    ids: pl.Series | None
    first_row: int = 0
    first_id: int = 1
    present: NDArray[np.bool_] | None = None
    provenance: Mapping[str, Any] = field(default_factory=dict)
    encoder: Mapping[str, Any] | None = None
    notes: tuple[str, ...] = ()

    def location(self, row: int, column: int | None = None) -> str:
        """Return the location of a row of the matrix, or of one value, for an error."""
        return location(self.source.path, row=row + self.first_row, column=None if column is None else str(column))


def open_features(source: FeatureSource) -> FeatureFile:
    """Open a feature file; the values of .npy and .safetensors files are not read yet.

    Raises InputError if the file does not exist, has another extension, is not a matrix of floats, is pickled or
    truncated; or if the ids are empty, repeated or not as many as the rows.
    """
    path = source.path
    if not path.exists():
        raise path_not_found(path)
    if path.is_dir():
        return _open_folder(source)
    first_row, first_id, ids = 0, 1, None
    if path.suffix == ".npy":
        values = open_npy(path)
    elif path.suffix == ".safetensors":
        values = _open_safetensors(path)
    elif path.suffix == ".parquet":
        values, ids = matrix_and_ids(read_table(path))
        first_row = 1
    else:
        raise InputError(
            f'cannot read features from "{path.suffix or path.name}"',
            where=location(path),
            hint="give .npy, .safetensors or .parquet, or a folder of triptych encode",
        )
    if values.ndim != 2 or 0 in values.shape:
        raise InputError(
            f"features must be a matrix [items, width], got shape {values.shape}",
            where=location(path),
            hint="store one row per item",
        )
    if not np.issubdtype(values.dtype, np.floating):
        raise InputError(
            f"features are {values.dtype}, not floats", where=location(path), hint="store float16, float32 or float64"
        )
    if source.ids is not None:
        ids, first_id = _read_ids(source.ids, len(values), path)
    return FeatureFile(source, values, ids, first_row, first_id)


def open_npy(path: Path) -> NDArray[Any]:
    """Open a .npy file as a memory map. Raises InputError if it is pickled, truncated or not a .npy file."""
    try:
        values = map_npy(path)
    except (ValueError, OSError) as error:
        pickled = "pickle" in str(error).lower() or "object" in str(error).lower()
        problem = (
            "contains pickled objects, which are never loaded" if pickled else "is not a .npy file, or is truncated"
        )
        raise InputError(problem, where=location(path), hint="save a float array with numpy.save") from None
    return values


def _open_folder(source: FeatureSource) -> FeatureFile:
    if source.ids is not None:
        raise InputError("contains its own ids", where=location(source.path), hint="leave the id file out")
    encoded = open_encoded(source.path)
    files = FeatureSource(source.modality, source.path / FEATURES, source.path / ROWS)
    fitted = encoded.manifest.about.get("fitted")
    return FeatureFile(files, encoded.values, encoded.ids, 0, 2, encoded.present, encoded.provenance, fitted)


def _open_safetensors(path: Path) -> NDArray[Any]:
    try:
        tensors = map_tensors(path)
    except ArtefactError as error:
        raise InputError(error.what, where=error.where, hint="save one matrix with safetensors") from None
    if len(tensors) == 1:
        return next(iter(tensors.values()))
    for name in NAMES:
        if name in tensors:
            return tensors[name]
    raise InputError(
        f"contains several tensors ({', '.join(sorted(tensors)[:10])})",
        where=location(path),
        hint='name the matrix "table"',
    )


def matrix_and_ids(table: Table) -> tuple[NDArray[Any], pl.Series | None]:
    """Return the matrix of a column of lists, or of all float columns; and the ids in the first other column.

    Raises InputError if there is no matrix, or if ids are empty or repeated.
    """
    frame = table.frame
    lists = [name for name, kind in frame.schema.items() if isinstance(kind, pl.List | pl.Array)]
    floats = [name for name, kind in frame.schema.items() if kind.is_float()]
    rest = [name for name in frame.columns if name not in lists and name not in floats]
    ids = None
    if rest:
        ids = check_item_ids(table.ids(rest[0], "item")[0], table.location)
    if len(lists) == 1:
        return _matrix(table, lists[0]), ids
    if not floats or lists:
        raise InputError(
            "has no features",
            where=table.location(),
            hint="give an id column and one column of lists, or columns of floats",
        )
    return frame.select(floats).to_numpy(), ids


def _matrix(table: Table, column: str) -> NDArray[Any]:
    """Return a column of lists of one length as a matrix."""
    values = table.frame[column]
    if isinstance(values.dtype, pl.List):
        lengths = values.list.len()
        differs = (lengths != lengths[0]).fill_null(value=True)
        if differs.any():
            position = int(differs.arg_true()[0])
            raise InputError(
                f"{lengths[position]} values where the first row has {lengths[0]}",
                where=table.location(position, column),
                hint="give all vectors one length; leave out the rows of items that have none",
            )
        values = values.list.to_array(int(lengths[0]))
    return values.to_numpy()


def _read_ids(path: Path, n_rows: int, features: Path) -> tuple[pl.Series, int]:
    """Read a file of ids: one per line, with or without a header; or the first column of a Parquet file.

    Returns the ids, and the row number of the first id.
    """
    if path.suffix == ".parquet":
        table = read_table(path)
    else:
        table = read_table(path, header=["id"], separator="\x1f")
        lines = table.frame["id"].str.strip_chars().str.strip_chars('"')
        if len(lines) == n_rows + 1:
            lines, table = lines[1:], Table(table.frame, path, 2)  # the first line is a header
        table = Table(lines.to_frame("id"), path, table.first_row)
    ids, _ = table.ids(table.frame.columns[0], "item")
    if len(ids) != n_rows:
        raise InputError(
            f"{len(ids)} ids for the {n_rows} rows of {features.name}", where=location(path), hint="give one id per row"
        )
    return check_item_ids(ids, table.location), table.first_row
