"""NumPy's .npy: one array, memory-mapped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from triptych.data.formats.matrices.matrix import Matrix, MatrixFormat
from triptych.data.npy import map_npy
from triptych.errors import InputError, location


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


NPY = MatrixFormat((".npy",), "one array", lambda path, _: Matrix(open_npy(path)))
