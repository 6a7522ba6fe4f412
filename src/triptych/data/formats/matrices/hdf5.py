"""HDF5: named data sets, also in groups; and MATLAB's .mat files of version 7.3, which are HDF5."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from triptych.data.formats.matrices.matrix import Matrix, MatrixFormat
from triptych.data.formats.matrices.named import choose_matrix
from triptych.errors import InputError, location
from triptych.memory import free_bytes

MAGIC = b"\x89HDF\r\n\x1a\n"


def read_hdf5(path: Path, *, transposed: bool = False) -> Matrix:
    """Read the only data set, or the one that is named as a matrix, and its ids.

    transposed: whether the axes lie in reverse order, as MATLAB writes them. Raises InputError, also if h5py is not
    installed.
    """
    try:
        import h5py
    except ImportError:
        raise InputError(
            "is an HDF5 file, which needs h5py", where=location(path), hint='pip install "triptych[hdf5]"'
        ) from None
    try:
        with h5py.File(path, "r") as file:
            shapes: dict[str, tuple[int, ...]] = {}
            names: dict[str, str] = {}

            def visit(name: str, node: Any) -> None:
                if isinstance(node, h5py.Dataset) and node.shape is not None and not name.startswith("#"):
                    short = name.rpartition("/")[2]
                    key = name if short in names else short
                    names[key] = name
                    shapes[key] = tuple(reversed(node.shape)) if transposed else tuple(node.shape)

            def load(key: str) -> NDArray[Any]:
                node = file[names[key]]
                _check_size(node.size * node.dtype.itemsize, path)
                values = np.asarray(node[()])
                return values.T if transposed else values

            file.visititems(visit)
            return choose_matrix(shapes, load, path, "data set")
    except InputError:
        raise
    except Exception:  # h5py raises many kinds for damaged files
        raise InputError(
            "is damaged, or is not an HDF5 file",
            where=location(path),
            hint="write it by h5py: one data set [items, width]",
        ) from None


def _check_size(n_bytes: int, path: Path) -> None:
    if n_bytes > free_bytes():
        raise InputError("does not fit in the memory that is free", where=location(path), hint="store it as .npy")


HDF5 = MatrixFormat((".h5", ".hdf5"), "one data set, or several by name (needs h5py)", lambda path, _: read_hdf5(path))
