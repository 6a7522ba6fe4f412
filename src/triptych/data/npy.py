"""Open .npy files as memory maps, after a check of their header."""

from __future__ import annotations

import math
import os
from pathlib import Path
from tokenize import TokenError
from typing import Any

import numpy as np
from numpy.typing import NDArray


def map_npy(path: Path) -> NDArray[Any]:
    """Return the array in a .npy file as a read-only memory map.

    Raises ValueError if it is not one, is truncated or holds objects; OSError if it cannot be read.
    """
    try:
        with path.open("rb") as file:
            version = np.lib.format.read_magic(file)
            if version == (1, 0):
                shape, is_fortran, dtype = np.lib.format.read_array_header_1_0(file)
            else:
                shape, is_fortran, dtype = np.lib.format.read_array_header_2_0(file)
            begin, size = file.tell(), os.fstat(file.fileno()).st_size
            _check(shape, dtype, size - begin)
            if 0 in shape:
                return np.zeros(shape, dtype)
            return np.memmap(file, dtype, "r", begin, shape, "F" if is_fortran else "C")
    except (EOFError, OverflowError, TypeError, SyntaxError, TokenError, MemoryError, RecursionError) as error:
        raise ValueError(str(error)) from None


def _check(shape: tuple[int, ...], dtype: np.dtype[Any], n_bytes: int) -> None:
    if dtype.hasobject:
        raise ValueError("holds objects")
    if any(type(n) is not int or n < 0 for n in shape) or len(shape) > 32:
        raise ValueError("a shape is not one")
    if math.prod(shape) * dtype.itemsize > n_bytes or (dtype.itemsize == 0 and shape):
        raise ValueError("is truncated")
