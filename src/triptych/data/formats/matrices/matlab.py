"""MATLAB's .mat files: named matrices, full or sparse; ids may be a cell array of texts."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from triptych.data.formats.matrices.hdf5 import MAGIC, read_hdf5
from triptych.data.formats.matrices.matlab_tags import check_tags
from triptych.data.formats.matrices.matrix import Matrix, MatrixFormat
from triptych.data.formats.matrices.named import choose_matrix
from triptych.data.formats.matrices.npz import dense
from triptych.errors import InputError, location

HINT = "save one matrix [items, width], in format -v7"


def read_matlab(path: Path) -> Matrix:
    """Read the only matrix, or the one that is named as a matrix, and its ids. Raises InputError."""
    content = path.read_bytes()
    if MAGIC in content[:1024]:
        return read_hdf5(path, transposed=True)
    from scipy.io import loadmat
    from scipy.sparse import issparse

    try:
        check_tags(content)
        stream: Any = BytesIO(content)
        variables: dict[str, Any] = loadmat(stream, chars_as_strings=True)
        shown = {name: each for name, each in variables.items() if not name.startswith("__")}
        arrays = {name: dense(each, path) if issparse(each) else _array(each) for name, each in shown.items()}
    except InputError:
        raise
    except Exception:  # SciPy raises many kinds for damaged files
        raise InputError("is damaged, or is not a .mat file", where=location(path), hint=HINT) from None
    return choose_matrix({name: each.shape for name, each in arrays.items()}, arrays.__getitem__, path, "matrix")


def _array(values: NDArray[Any]) -> NDArray[Any]:
    """Return an array; cells of one text each become their texts, and padded rows of characters lose the padding."""
    if values.dtype == object:
        cells = [each.item() if isinstance(each, np.ndarray) and each.size == 1 else each for each in values.ravel()]
        return np.array([str(each) for each in cells], dtype=object)
    return np.char.rstrip(values) if values.dtype.kind == "U" else values


MATLAB = MatrixFormat((".mat",), "one matrix, or several by name", lambda path, _: read_matlab(path))
