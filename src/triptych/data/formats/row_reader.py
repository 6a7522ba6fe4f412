"""Read rows of a matrix that is a memory map of a given file, without touching the map.

Touching a map of a file that another program cuts ends the process by SIGBUS; reading the file raises an error instead.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from triptych.errors import InputError, location

RowReader = Callable[[NDArray[np.int64]], NDArray[Any]]


def row_reader(values: NDArray[Any]) -> RowReader:
    """Return a function: rows int64 [n] of a matrix, each in range -> a new array [n, width].

    It raises InputError if the matrix is a map of a file that has changed since this call.
    """
    base: Any = values.base
    is_whole_map = isinstance(values, np.memmap) and isinstance(base, mmap.mmap) and bool(values.filename)
    if not is_whole_map or values.ndim != 2 or not values.flags.c_contiguous:
        return lambda rows: np.take(np.asarray(values), rows, axis=0)
    assert isinstance(values, np.memmap)
    path, begin = Path(str(values.filename)), int(values.offset)
    dtype, width, opened = values.dtype, values.shape[1], _identity(path.stat())

    def read(rows: NDArray[np.int64]) -> NDArray[Any]:
        chunk = np.empty((len(rows), width), dtype)
        with path.open("rb", buffering=0) as file:
            if _identity(os.fstat(file.fileno())) != opened or not _read_runs(file, begin, rows, chunk):
                raise InputError(
                    "was changed by another program while it was read",
                    where=location(path),
                    hint="run again when the file is complete",
                )
        return chunk

    return read


def _read_runs(file: IO[bytes], begin: int, rows: NDArray[np.int64], chunk: NDArray[Any]) -> bool:
    """Fill `chunk` with rows of the file, each run of consecutive rows at once. Returns whether all could be read."""
    if not len(rows):
        return True
    starts = np.flatnonzero(np.diff(rows, prepend=rows[0] - 2) != 1)
    for start, end in zip(starts, [*starts[1:], len(rows)], strict=True):
        file.seek(begin + int(rows[start]) * chunk[:1].nbytes)
        left = chunk[start:end].data.cast("B")
        while left:
            n = file.readinto(left)  # type: ignore[attr-defined]
            if not n:
                return False
            left = left[n:]
    return True


def _identity(status: os.stat_result) -> tuple[int, ...]:
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
