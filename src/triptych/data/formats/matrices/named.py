"""Choose among the arrays of a file that has several: one matrix, the ids of its rows, or one vector per item."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from triptych.data.formats.matrices.matrix import ID_NAMES, MATRIX_NAMES, Matrix
from triptych.data.formats.tables import Table, check_item_ids
from triptych.errors import InputError, location
from triptych.texts import is_utf8

SHOWN = 10


def choose_matrix(
    shapes: Mapping[str, tuple[int, ...]], load: Callable[[str], NDArray[Any]], path: Path, noun: str = "array"
) -> Matrix:
    """Return the matrix among named arrays, with the ids that another array has.

    shapes: name -> shape. load: name -> the array. Vectors of one width, each named by its item, are a matrix too.
    Raises InputError if there is no matrix, or if several could be it.
    """
    if not shapes:
        raise InputError(f"has no {noun}s", where=location(path), hint="store one matrix")
    names = [name for name in shapes if name.lower() not in ID_NAMES] or list(shapes)
    id_name = next((name for name in shapes if name not in names), None)
    if id_name is None and len(names) > 1 and {len(shapes[name]) for name in names} == {1}:
        return _of_vectors(shapes, load, path)
    matrices = names if len(names) == 1 else [name for name in names if len(shapes[name]) == 2]
    known = [name for wanted in MATRIX_NAMES for name in matrices if name.lower() == wanted]
    chosen = matrices[0] if len(matrices) == 1 else known[0] if known else None
    if chosen is None:
        shown = ", ".join(sorted(names)[:SHOWN])
        problem = f"contains several {noun}s ({shown})" if matrices else f"contains no matrix, but {noun}s ({shown})"
        raise InputError(problem, where=location(path), hint='name the matrix "table"')
    values = load(chosen)
    unused = [name for name in names if name != chosen]
    notes = (f'{path.name}: "{chosen}" is the matrix; not used: {", ".join(unused[:SHOWN])}',) if unused else ()
    if id_name is None:
        return Matrix(values, None, None, notes)
    ids, id_notes = ids_of_array(load(id_name), path)
    n_rows = len(values) if values.ndim else 0
    if len(ids) != n_rows:
        raise InputError(
            f'has {len(ids)} ids in "{id_name}" for {n_rows} rows in "{chosen}"',
            where=location(path),
            hint="store one id per row",
        )
    return Matrix(values, check_item_ids(ids, lambda row: location(path, row=row)), None, (*notes, *id_notes))


def _of_vectors(shapes: Mapping[str, tuple[int, ...]], load: Callable[[str], NDArray[Any]], path: Path) -> Matrix:
    """Return vectors, each named by its item, as a matrix. Raises InputError for vectors of other widths."""
    names = list(shapes)
    width = shapes[names[0]][0]
    for name in names:
        if shapes[name][0] != width:
            raise InputError(
                f'the vector of "{name}" has {shapes[name][0]} values, that of "{names[0]}" {width}',
                where=location(path),
                hint="give all vectors one length",
            )
    ids = ids_of_names(names, path)
    return Matrix(np.stack([load(name) for name in names]), ids)


def ids_of_names(names: Sequence[str], path: Path) -> pl.Series:
    """Return names as item ids. Raises InputError for empty or repeated ones, and for those that are not UTF-8."""
    ids, _ = ids_of_array(np.array(names, dtype=object), path)
    return check_item_ids(ids, lambda row: location(path, row=row))


def ids_of_array(values: NDArray[Any], path: Path) -> tuple[pl.Series, list[str]]:
    """Return an array of texts or whole numbers as item ids, and notes about them. Raises InputError."""
    values = np.asarray(values)
    if values.ndim == 2 and 1 in values.shape:
        values = values.reshape(-1)
    given = values.tolist()
    if values.ndim != 1:
        raise InputError(
            f"ids have shape {values.shape}", where=location(path), hint="store one id per row: a list of texts"
        )
    texts: list[Any] = [each.decode("utf-8", "surrogateescape") if isinstance(each, bytes) else each for each in given]
    kinds = {type(each) for each in texts}
    if not (kinds <= {str} or kinds <= {int} or kinds <= {float, int}):
        raise InputError("ids are neither texts nor whole numbers", where=location(path), hint="store texts")
    bad = next((row for row, each in enumerate(texts) if isinstance(each, str) and not is_utf8(each)), None)
    if bad is not None:
        raise InputError("the item id is not UTF-8", where=location(path, row=bad), hint="decode it first")
    if kinds <= {int} and any(not -(2**63) <= each < 2**63 for each in texts):
        texts = [str(each) for each in texts]
    return Table(pl.DataFrame({"id": texts}, strict=False), path, 0).ids("id", "item")
