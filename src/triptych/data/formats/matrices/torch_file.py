"""The .pt files of torch: a tensor, named tensors, or item id -> vector. Only weights are loaded, never objects."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from triptych.data.formats.matrices.matrix import Matrix, MatrixFormat
from triptych.data.formats.matrices.named import choose_matrix
from triptych.errors import InputError, location

HINT = "save a tensor, a dictionary of tensors, or item id -> vector, by torch.save"


def read_torch(path: Path) -> Matrix:
    """Read the tensor of a file, or the one among named tensors. Raises InputError."""
    loaded = _load(path)
    if isinstance(loaded, Mapping):
        arrays = {str(name): _array(each, path) for name, each in loaded.items()}
        if len(arrays) < len(loaded):
            raise InputError("has two names that are one as text", where=location(path), hint=HINT)
        return choose_matrix({name: each.shape for name, each in arrays.items()}, arrays.__getitem__, path, "tensor")
    return Matrix(_array(loaded, path))


def _load(path: Path) -> Any:
    # the one use of torch on this floor: only torch reads its files, and only for them it is imported
    import torch

    try:
        # indices that point out of a sparse tensor would end the process
        with torch.sparse.check_sparse_tensor_invariants(enable=True):  # type: ignore[no-untyped-call]
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds for damaged files
        objects = "weights_only" in str(error).lower() or "weights only" in str(error).lower()
        problem = "is damaged, or holds objects, which are never loaded" if objects else "is damaged, or no torch file"
        raise InputError(problem, where=location(path), hint=HINT) from None


def _array(value: Any, path: Path) -> NDArray[Any]:
    """Return a tensor, or a list of tensors, texts or numbers, as an array. Raises InputError."""
    try:
        if hasattr(value, "detach"):
            value = value.detach()
            value = value.to_dense() if value.layout != _strided() else value
            value = value.float() if str(value.dtype) == "torch.bfloat16" else value  # NumPy has no bfloat16
            return np.asarray(value.numpy())
        if isinstance(value, list | tuple) and value:
            if all(hasattr(each, "detach") for each in value):
                return np.stack([_array(each, path) for each in value])
            if all(isinstance(each, str) for each in value):
                return np.array(value, dtype=object)
            return np.asarray(value)
    except (TypeError, ValueError, RuntimeError):
        raise InputError("has a tensor that is not one of numbers", where=location(path), hint=HINT) from None
    raise InputError(f"holds a {type(value).__name__}, not tensors", where=location(path), hint=HINT)


def _strided() -> Any:
    import torch

    return torch.strided


TORCH = MatrixFormat(
    (".pt", ".pth"), "a tensor, several by name, or item id -> vector; weights only", lambda path, _: read_torch(path)
)
