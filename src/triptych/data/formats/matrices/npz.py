"""NumPy's .npz: named arrays; also the sparse matrices of `scipy.sparse.save_npz`."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy_format
from numpy.typing import NDArray

from triptych.data.formats.matrices.matrix import Matrix, MatrixFormat
from triptych.data.formats.matrices.named import choose_matrix
from triptych.errors import InputError, location
from triptych.memory import free_bytes

SPARSE = {"format", "shape", "data"}  # the arrays that every sparse matrix of SciPy has
HINT = "write it by numpy.savez, with texts as str arrays and without objects"


def read_npz(path: Path) -> Matrix:
    """Read the only array, or the one that is named as a matrix, and its ids. Raises InputError."""
    try:
        shapes = _shapes(path)
        if shapes.keys() >= SPARSE:
            return Matrix(_sparse(path))
        return choose_matrix(shapes, lambda name: load_array(path, name), path)
    except InputError:
        raise
    except Exception as error:  # zipfile, zlib and NumPy raise many kinds for damaged files
        pickled = "allow_pickle" in str(error) or "holds objects" in str(error)
        problem = "contains pickled objects, which are never loaded" if pickled else "is damaged, or is not a .npz file"
        raise InputError(problem, where=location(path), hint=HINT) from None


def load_array(path: Path, name: str) -> NDArray[Any]:
    """Return one array of the file."""
    with np.load(path, allow_pickle=False) as file:
        return np.asarray(file[name])


def _shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """Return the shapes of all arrays, from their headers: an array that claims more than its file holds is refused."""
    shapes = {}
    with zipfile.ZipFile(path) as archive:
        for each in archive.infolist():
            with archive.open(each) as member:
                version = npy_format.read_magic(member)
                read = npy_format.read_array_header_1_0 if version == (1, 0) else npy_format.read_array_header_2_0
                shape, _, dtype = read(member)
            if dtype.hasobject:
                raise ValueError("holds objects")
            n_bytes = int(np.prod([float(n) for n in shape])) * dtype.itemsize
            if n_bytes > each.file_size or n_bytes > free_bytes():
                raise ValueError("is truncated, or too large for the memory")
            shapes[each.filename.removesuffix(".npy")] = shape
    return shapes


def _sparse(path: Path) -> NDArray[Any]:
    from scipy import sparse

    return dense(sparse.load_npz(path), path)


def dense(matrix: Any, path: Path) -> NDArray[Any]:
    """Return a sparse matrix of SciPy as an array. Raises InputError if it is damaged, or does not fit in memory."""
    n_rows, width = matrix.shape
    if n_rows * width * matrix.dtype.itemsize > free_bytes():
        raise InputError(
            f"is a sparse matrix of shape {matrix.shape}, too large for the memory when zeros are written out",
            where=location(path),
            hint="reduce its width, for example by sklearn.decomposition.TruncatedSVD",
        )
    if hasattr(matrix, "check_format"):
        try:
            matrix.check_format(full_check=True)  # SciPy itself follows indices that point out of the matrix
        except ValueError:
            raise InputError(
                "is damaged: its indices are not those of a sparse matrix", where=location(path), hint="write it again"
            ) from None
    return np.asarray(matrix.toarray())


NPZ = MatrixFormat((".npz",), "one array, or several by name; a sparse matrix of SciPy", lambda path, _: read_npz(path))
