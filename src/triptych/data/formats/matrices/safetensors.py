"""The .safetensors files of machine learning: named tensors, memory-mapped."""

from __future__ import annotations

from pathlib import Path

from triptych.artefacts import map_tensors
from triptych.data.formats.matrices.matrix import Matrix, MatrixFormat
from triptych.data.formats.matrices.named import choose_matrix
from triptych.errors import ArtefactError, InputError


def read_safetensors(path: Path) -> Matrix:
    """Open the only tensor, or the one that is named as a matrix. Raises InputError."""
    try:
        tensors = map_tensors(path)
    except ArtefactError as error:
        raise InputError(error.what, where=error.where, hint="save one matrix with safetensors") from None
    return choose_matrix({name: each.shape for name, each in tensors.items()}, tensors.__getitem__, path, "tensor")


SAFETENSORS = MatrixFormat((".safetensors",), "one tensor, or several by name", lambda path, _: read_safetensors(path))
