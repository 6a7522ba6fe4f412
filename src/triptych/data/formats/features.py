"""Feature files -> rows aligned with the items: memory-mapped, checked and converted a chunk at a time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from triptych.artefacts import map_tensors
from triptych.data.features import FeatureStream, first_bad_value
from triptych.data.formats.encoded import FEATURES, ROWS, open_encoded
from triptych.data.formats.tables import Table, good_ids, no_such, read_table
from triptych.data.vocabulary import Vocabulary
from triptych.errors import ArtefactError, InputError, location

Store = Literal["float16", "float32"]
ZeroRows = Literal["missing", "keep"]
NAMES = ("table", "features", "embeddings")  # which tensor of a safetensors file, where there are several


@dataclass(frozen=True)
class FeatureSource:
    """A modality's feature file: .npy, .safetensors or .parquet, and the file of its item ids where they are apart.

    Or a folder of `triptych encode`, which brings its ids along.
    """

    modality: str
    path: Path
    ids: Path | None = None


@dataclass(frozen=True)
class FeatureFile:
    """A feature file, opened: values [n_rows, width] (mapped where the format allows), ids String [n_rows] or None.

    first_row: what the file calls its first row: 0 for matrices, 1 for tables. first_id: the same of the ids' file.
    present: bool [n_rows] where the file says which rows mean something. provenance, encoder: as of `Features`.
    """

    source: FeatureSource
    values: NDArray[Any]
    ids: pl.Series | None
    first_row: int = 0
    first_id: int = 1
    present: NDArray[np.bool_] | None = None
    provenance: Mapping[str, Any] = field(default_factory=dict)
    encoder: Mapping[str, Any] | None = None

    def where(self, row: int, column: int | None = None) -> str:
        """The place of a row of the matrix, for an error."""
        return location(self.source.path, row=row + self.first_row, column=None if column is None else str(column))


def open_features(source: FeatureSource) -> FeatureFile:
    """Open a feature file; of .npy and .safetensors nothing is read yet.

    Raises InputError: no such file, another ending, not a matrix of floats, pickled, cut short; ids of another number
    than rows, empty or twice.
    """
    path = source.path
    if not path.exists():
        raise no_such(path)
    if path.is_dir():
        return _open_folder(source)
    first_row, first_id, ids = 0, 1, None
    if path.suffix == ".npy":
        values = open_npy(path)
    elif path.suffix == ".safetensors":
        values = _open_safetensors(path)
    elif path.suffix == ".parquet":
        values, ids = _open_parquet(path)
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


def stream_features(
    file: FeatureFile, order: NDArray[np.int64], *, store: Store | None = None, zero_rows: ZeroRows = "missing"
) -> FeatureStream:
    """The rows of a file in the order of the items.

    order: int64 [n_items], the file's row of every item, -1 where it has none. store: the precision; None keeps
    float16 and float32 and makes float64 float32. zero_rows: whether zeros mean that an item lacks the modality.
    Reading a chunk raises InputError on NaN, infinity and what `store` cannot hold, naming file and row.
    """
    dtype = np.dtype(store or ("float16" if file.values.dtype == np.float16 else "float32"))

    def rows(items: slice) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        wanted = order[items]
        present = wanted >= 0
        begin = int(wanted[0]) if len(wanted) else 0
        if len(wanted) and begin >= 0 and np.array_equal(wanted, np.arange(begin, begin + len(wanted))):
            chunk = np.asarray(file.values[begin : begin + len(wanted)])  # in order: read, not gathered
        else:
            chunk = np.take(np.asarray(file.values), np.maximum(wanted, 0), axis=0)
            chunk[~present] = 0
        _check(file, chunk, wanted, dtype)
        chunk = chunk.astype(dtype, copy=False)
        if zero_rows == "missing":
            perhaps = np.flatnonzero(chunk[:, 0] == 0)
            present[perhaps] &= chunk[perhaps].any(axis=1)
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


def order_of(
    file: FeatureFile,
    items: Vocabulary,
    row_ids: pl.Series | None,
    known: Vocabulary,
    *,
    unknown: Literal["error", "drop"] = "error",
) -> NDArray[np.int64]:
    """int64 [n_items]: the file's row of every item, -1 for none.

    row_ids: the ids that rows stand for where the file has none of its own. known: all ids that may stand in the file,
    those that cleaning dropped included. Raises InputError: rows of another number, unknown ids (unless dropped).
    """
    ids = file.ids
    if ids is None:
        if row_ids is None:
            raise InputError(
                f"has {len(file.values)} rows and no item ids",
                where=location(file.source.path),
                hint="give an id file (one id a line), or an item table whose rows are in the same order",
            )
        if len(row_ids) != len(file.values):
            raise InputError(
                f"has {len(file.values)} rows, but there are {len(row_ids)} items",
                where=location(file.source.path),
                hint="give one row per item in the same order, or an id file",
            )
        ids = row_ids
    elif unknown == "error":
        strange = known.find(ids) < 0
        if strange.any():
            row = int(np.argmax(strange))
            raise InputError(
                f'item "{ids[row]}" is in neither the item table nor the interactions ({int(strange.sum())} such rows)',
                where=location(file.source.ids or file.source.path, row=row + file.first_id),
                hint="add it to the item table, or pass --unknown-items drop",
            )
    rows = Vocabulary(ids).find(items.ids)
    if file.present is not None:
        rows[(rows >= 0) & ~file.present[rows]] = -1
    return rows


def _check(file: FeatureFile, chunk: NDArray[Any], wanted: NDArray[np.int64], dtype: np.dtype[Any]) -> None:
    bad = first_bad_value(chunk)
    if bad is not None:
        row, column, what = bad
        raise InputError(
            f"{what} among the features",
            where=file.where(int(wanted[row]), column),
            hint="encode that item again; if it lacks the modality, leave its row out or fill it with zeros",
        )
    if dtype.itemsize < chunk.dtype.itemsize:
        large = np.abs(chunk) > np.finfo(dtype).max
        if large.any():
            row, column = (int(position) for position in np.unravel_index(int(np.argmax(large)), large.shape))
            raise InputError(
                f"{chunk[row, column]:g} does not fit {8 * dtype.itemsize} bits",
                where=file.where(int(wanted[row]), column),
                hint="store float32, or scale the features" if dtype == np.float16 else "scale the features",
            )


def open_npy(path: Path) -> NDArray[Any]:
    """The array of a .npy file as a memory map. Raises InputError: pickled, cut short, something else."""
    try:
        values: NDArray[Any] = np.lib.format.open_memmap(path, mode="r")
    except (ValueError, OSError, EOFError) as error:
        pickled = "pickle" in str(error).lower() or "object" in str(error).lower()
        what = "holds pickled objects, which are never loaded" if pickled else "is not a .npy file, or is cut short"
        raise InputError(what, where=location(path), hint="save a float array with numpy.save") from None
    return values


def _open_folder(source: FeatureSource) -> FeatureFile:
    if source.ids is not None:
        raise InputError("has its own ids", where=location(source.path), hint="leave the id file out")
    found = open_encoded(source.path)
    opened = FeatureSource(source.modality, source.path / FEATURES, source.path / ROWS)
    about, fitted = found.provenance, found.manifest.about.get("fitted")
    return FeatureFile(opened, found.values, found.ids, 0, 2, found.present, about, fitted)


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
        f"holds several tensors ({', '.join(sorted(tensors)[:10])})",
        where=location(path),
        hint='name the matrix "table"',
    )


def _open_parquet(path: Path) -> tuple[NDArray[Any], pl.Series | None]:
    table = read_table(path)
    frame = table.frame
    lists = [name for name, kind in frame.schema.items() if isinstance(kind, pl.List | pl.Array)]
    floats = [name for name, kind in frame.schema.items() if kind.is_float()]
    rest = [name for name in frame.columns if name not in lists and name not in floats]
    ids = table.text(rest[0]) if rest else None
    if ids is not None:
        ids = good_ids(ids, table.where)
    if len(lists) == 1:
        return _matrix(table, lists[0]), ids
    if not floats or lists:
        raise InputError(
            "has no features",
            where=location(path),
            hint="give an id column and one column of lists, or columns of floats",
        )
    return frame.select(floats).to_numpy(), ids


def _matrix(table: Table, column: str) -> NDArray[Any]:
    values = table.frame[column]
    if isinstance(values.dtype, pl.List):
        lengths = values.list.len()
        odd = (lengths != lengths[0]).fill_null(value=True)
        if odd.any():
            position = int(odd.arg_true()[0])
            raise InputError(
                f"{lengths[position]} values where the first row has {lengths[0]}",
                where=table.where(position, column),
                hint="give every item a vector of one length; leave out the rows of items without",
            )
        values = values.list.to_array(int(lengths[0]))
    return values.to_numpy()


def _read_ids(path: Path, n_rows: int, features: Path) -> tuple[pl.Series, int]:
    """The ids of a file (one a line, with or without a header, or a table's first column), and its first id's row."""
    if path.suffix == ".parquet":
        table = read_table(path)
    else:
        table = read_table(path, header=["id"], separator="\x1f")
        lines = table.frame["id"].str.strip_chars().str.strip_chars('"')
        if len(lines) == n_rows + 1:
            lines, table = lines[1:], Table(table.frame, path, 2)  # the first line is a header
        table = Table(lines.to_frame("id"), path, table.first_row)
    ids = table.text(table.frame.columns[0])
    if len(ids) != n_rows:
        raise InputError(
            f"{len(ids)} ids for the {n_rows} rows of {features.name}", where=location(path), hint="give one id per row"
        )
    return good_ids(ids, table.where), table.first_row
