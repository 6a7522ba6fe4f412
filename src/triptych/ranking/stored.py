"""Write and read the scorer of a recommender. What ranking and its native code rely on is checked once, at opening."""

from __future__ import annotations

import mmap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse
from torch import Tensor

from triptych.artefacts import OpenFolder, map_tensors, write_tensors
from triptych.data.interactions import Interactions
from triptych.data.stored import INDEX_TYPES, checked_file, in_range, is_finite, require
from triptych.ranking.given_scores import GivenScores
from triptych.ranking.scorer import SPARSE, SPARSE_PARTS, Blend, Factors, ItemWeights, OurScorer, SimpleScorer

FACTORS, WEIGHTS = "factors.safetensors", "weights.safetensors"  # one or the other, by the kind of scorer
SCORES = "scores.safetensors"  # given ones, a sparse matrix
BLEND = "blend.safetensors"  # the weights of a blend; its scorers are in numbered files
PARAMETERS = "parameters.safetensors"
FLOATS = (np.dtype(np.float32), np.dtype(np.float64))
CHUNK = 32 << 20  # bytes of a dense matrix that are checked at a time
LARGEST_BLEND = 1000


def write_scorer(scorer: OurScorer, folder: Path) -> None:
    """Write the files of a scorer into a folder."""
    if isinstance(scorer, Blend):
        for number, each in enumerate(scorer.scorers):
            _write_simple(each, folder, f"{number}-")
        write_tensors(folder / BLEND, {"weights": np.array(scorer.weights, dtype=np.float64)})
    else:
        _write_simple(scorer, folder)


def read_scorer(folder: OpenFolder, train: Interactions) -> OurScorer:
    """Read a scorer for the users and items of `train`. Raises ArtefactError if its files are damaged."""
    if not folder.has(BLEND):
        return _read_simple(folder, train)
    arrays = map_tensors(folder.file(BLEND))
    with checked_file(folder, BLEND):
        weights = arrays["weights"]
        require(weights.dtype == np.float64 and weights.ndim == 1 and is_finite(weights), "weights are not numbers")
        require(1 <= len(weights) <= LARGEST_BLEND, f"{len(weights)} models in a blend")
    scorers = tuple(_read_simple(folder, train, f"{number}-") for number in range(len(weights)))
    return Blend(scorers, tuple(float(weight) for weight in weights))


def read_parameters(folder: OpenFolder) -> dict[str, Tensor]:
    """Read the trained parameters by name. Raises ArtefactError if one is not finite."""
    parameters = {}
    for name, value in map_tensors(folder.file(PARAMETERS)).items():
        array = np.array(value)
        with checked_file(folder, PARAMETERS):
            require(array.dtype.kind != "f" or is_finite(array), f'parameter "{name}" is not finite')
        parameters[name] = torch.from_numpy(array)
    return parameters


def _write_simple(scorer: SimpleScorer, folder: Path, prefix: str = "") -> None:
    if isinstance(scorer, ItemWeights):
        write_tensors(folder / f"{prefix}{WEIGHTS}", scorer.arrays())
    elif isinstance(scorer, GivenScores):
        arrays: dict[str, NDArray[Any]] = {part: getattr(scorer.scores, part) for part in SPARSE_PARTS}
        write_tensors(folder / f"{prefix}{SCORES}", arrays)
    else:
        factors = {"users": scorer.users.cpu().numpy(), "items": scorer.items.cpu().numpy()}
        write_tensors(folder / f"{prefix}{FACTORS}", factors)


def _read_simple(folder: OpenFolder, train: Interactions, prefix: str = "") -> SimpleScorer:
    if folder.has(f"{prefix}{WEIGHTS}"):
        name = f"{prefix}{WEIGHTS}"
        arrays = map_tensors(folder.file(name))
        with checked_file(folder, name):
            _check_weights(arrays, train.n_items)
            return ItemWeights.from_arrays(train, arrays)
    if folder.has(f"{prefix}{SCORES}"):
        return _read_given_scores(folder, f"{prefix}{SCORES}", (train.n_users, train.n_items))
    name = f"{prefix}{FACTORS}"
    arrays = map_tensors(folder.file(name))
    with checked_file(folder, name):
        users, items = np.array(arrays["users"]), np.array(arrays["items"])
        for matrix, n_rows in ((users, train.n_users), (items, train.n_items)):
            require(matrix.dtype in FLOATS, f"factors are {matrix.dtype}, not float32 or float64")
            require(matrix.ndim == 2 and len(matrix) == n_rows, f"factors {matrix.shape} for {n_rows} rows")
            require(is_finite(matrix), "a factor is not finite")
        require(users.shape[1] == items.shape[1], f"factors of widths {users.shape[1]} and {items.shape[1]}")
        return Factors(torch.from_numpy(users), torch.from_numpy(items))


def _read_given_scores(folder: OpenFolder, name: str, shape: tuple[int, int]) -> GivenScores:
    arrays = map_tensors(folder.file(name))
    with checked_file(folder, name):
        data, indices, indptr = (np.array(arrays[part]) for part in SPARSE_PARTS)
        require(data.dtype == np.float32, f"scores are {data.dtype}, not float32")
        check_sparse(data, indices, indptr, shape)
        rising = indices[1:] > indices[:-1]
        rising[indptr[1:-1][(indptr[1:-1] > 0) & (indptr[1:-1] < len(indices))] - 1] = True  # a user's first item
        require(rising.all(), "the items of a user are not in order")
        return GivenScores(sparse.csr_array((data, indices, indptr), shape=shape))


def _check_weights(arrays: Mapping[str, NDArray[Any]], n_items: int) -> None:
    if "weights" in arrays:
        weights = arrays["weights"]
        require(weights.dtype in FLOATS, f"weights are {weights.dtype}, not float32 or float64")
        require(weights.shape == (n_items, n_items), f"weights {weights.shape} for {n_items} items")
        require(_is_finite_in_chunks(weights), "a weight is not finite")
        return
    for prefix in SPARSE:
        if not prefix or f"{prefix}data" in arrays:
            data, indices, indptr = (arrays[f"{prefix}{part}"] for part in SPARSE_PARTS)
            require(data.dtype in FLOATS, f"weights are {data.dtype}, not float32 or float64")
            check_sparse(data, indices, indptr, (n_items, n_items))


def check_sparse(data: NDArray[Any], indices: NDArray[Any], indptr: NDArray[Any], shape: tuple[int, int]) -> None:
    """Raise ValueError unless these arrays describe a sparse matrix of this shape."""
    require(indices.dtype in INDEX_TYPES and indptr.dtype in INDEX_TYPES, "indices are not int32 or int64")
    require(data.ndim == indices.ndim == indptr.ndim == 1, "arrays of a sparse matrix are lists")
    require(len(indptr) == shape[0] + 1, f"{len(indptr)} starts for {shape[0]} rows")
    require(len(data) == len(indices), f"{len(data)} values and {len(indices)} indices")
    require(indptr[0] == 0 and indptr[-1] == len(data), "starts do not cover the values")
    require((indptr[1:] >= indptr[:-1]).all(), "starts are not in order")
    require(in_range(indices, 0, shape[1]), f"an index is not in [0, {shape[1]})")
    require(is_finite(data), "a weight is not finite")


def _is_finite_in_chunks(matrix: NDArray[Any]) -> bool:
    """Whether a dense matrix is finite. If it is mapped, its pages do not stay in this process's memory."""
    step = max(1, CHUNK // max(1, matrix[:1].nbytes))
    mapped = getattr(matrix, "_mmap", None)
    for begin in range(0, len(matrix), step):
        if not is_finite(matrix[begin : begin + step]):
            return False
        if mapped is not None and hasattr(mmap, "MADV_DONTNEED"):
            mapped.madvise(mmap.MADV_DONTNEED)
    return True
