"""The kinds of feature files, and the function that reads a path by its extension."""

from __future__ import annotations

from pathlib import Path

from triptych.data.formats.compressed import plain_suffix
from triptych.data.formats.matrices.hdf5 import HDF5
from triptych.data.formats.matrices.matlab import MATLAB
from triptych.data.formats.matrices.matrix import Matrix, MatrixFormat
from triptych.data.formats.matrices.npy import NPY
from triptych.data.formats.matrices.npz import NPZ
from triptych.data.formats.matrices.safetensors import SAFETENSORS
from triptych.data.formats.matrices.table import TABLE
from triptych.data.formats.matrices.torch_file import TORCH
from triptych.data.formats.reading import GUESS, Reading
from triptych.errors import InputError, location

MATRIX_FORMATS: tuple[MatrixFormat, ...] = (NPY, NPZ, SAFETENSORS, TORCH, HDF5, MATLAB, TABLE)
_SUFFIXES = [suffix for each in MATRIX_FORMATS for suffix in each.suffixes]
FEATURE_SUFFIXES = f"{', '.join(_SUFFIXES[:-1])} or {_SUFFIXES[-1]}"  # for help pages and errors


def read_matrix(path: Path, reading: Reading = GUESS) -> Matrix:
    """Read a feature file. Raises InputError if it has another extension or cannot be read.

    reading: how text files are read.
    """
    suffix = path.suffix.lower()
    for each in MATRIX_FORMATS:
        if suffix in each.suffixes:
            return each.read(path, reading)
    if plain_suffix(path) in TABLE.suffixes:
        return TABLE.read(path, reading)
    raise InputError(
        f'cannot read features from "{path.suffix or path.name}"',
        where=location(path),
        hint=f"give {FEATURE_SUFFIXES}, or a folder of triptych encode",
    )
