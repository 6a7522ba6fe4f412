"""Ridge regression of every item on the others: EASE's weights, dense or by neighbourhoods."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse
from scipy.linalg import lapack

from triptych.data.dataset import Dataset
from triptych.data.interactions import Interactions
from triptych.errors import TrainingError
from triptych.memory import free_bytes
from triptych.progress import Listener, ignore_progress, track

BATCH_CELLS = 8_000_000  # cells of the small systems that are solved together: 32 MB
DENSE_UP_TO = 20_000  # items; their dense weights take 1.6 GB


Weights = NDArray[np.float64] | None  # of the interactions: X then has √w in place of 1


def dense_weights(interactions: Interactions, penalty: float, pair_weights: Weights = None) -> NDArray[np.float32]:
    """Return B = −P / diag(P) by columns with a zero diagonal, P = (XᵀX + λI)⁻¹: float32 [n_items, n_items].

    It is computed in place, by Cholesky, with a single n_items² matrix of float32 in memory. Raises TrainingError, with
    the memory that is needed, if that does not fit.
    """
    n = interactions.n_items
    _require_memory(n * n * 4, f"the dense weights of {n:,} items", "use form=sparse")
    X = interactions.to_csr(weights=pair_weights)
    gram = np.zeros((n, n), dtype=np.float32, order="F")
    products = (X.T @ X).tocoo()
    gram[products.row, products.col] = products.data
    del products
    gram[np.diag_indices(n)] += penalty
    gram, failed = lapack.spotrf(gram, lower=1, overwrite_a=1, clean=0)
    if not failed:
        gram, failed = lapack.spotri(gram, lower=1, overwrite_c=1)
    if failed:
        raise TrainingError("the system is not positive definite in float32", hint="raise reg_weight")
    for begin in range(0, n, 1024):  # copy the lower triangle, the result of LAPACK, to the upper
        rows = slice(begin, min(begin + 1024, n))
        gram[rows, rows.stop :] = gram[rows.stop :, rows].T
        block = np.tril(gram[rows, rows])
        gram[rows, rows] = block + np.tril(block, -1).T
    weights: NDArray[np.float32] = gram.T  # P is symmetric: rows of `weights` are contiguous
    weights /= -np.diag(weights).copy()
    weights[np.diag_indices(n)] = 0
    return weights


def sparse_weights(
    interactions: Interactions,
    penalty: float,
    n_neighbours: int,
    listener: Listener = ignore_progress,
    pair_weights: Weights = None,
) -> sparse.csr_array:
    """Return B by neighbourhoods: item j is regressed on the `n_neighbours` items N that predict it best on their own.

    float32 [n_items, n_items], at most n_neighbours entries per column. ‖x_j − X_N b‖² + λ ‖b‖² is minimised for every
    j. Items that share no user with j are never in N. With all other items in N, this is exactly EASE's column.
    """
    X = interactions.to_csr(weights=pair_weights)
    gram = (X.T @ X).tocsr()
    gram.sort_indices()
    n, degrees = interactions.n_items, gram.diagonal()
    k = min(n_neighbours, n - 1)
    chosen = _best_predictors(gram, degrees, penalty, k)
    columns, values = np.zeros((n, k), dtype=np.int64), np.zeros((n, k), dtype=np.float32)
    size = max(1, BATCH_CELLS // max(1, k * k))
    position = np.full(n, -1, dtype=np.int64)
    for begin in track("solving", list(range(0, n, size)), listener):
        items = range(begin, min(begin + size, n))
        systems = np.zeros((len(items), k, k), dtype=np.float32)
        right = np.zeros((len(items), k), dtype=np.float32)
        for row, j in enumerate(items):
            neighbours = chosen[j][:k]
            m = len(neighbours)
            position[neighbours] = np.arange(m)
            rows = np.repeat(np.arange(m), gram.indptr[neighbours + 1] - gram.indptr[neighbours])
            entries = _ranges(gram.indptr[neighbours], gram.indptr[neighbours + 1])
            at = position[gram.indices[entries]]
            kept = at >= 0
            systems[row, rows[kept], at[kept]] = gram.data[entries[kept]]
            systems[row, np.arange(k), np.arange(k)] += penalty
            at = position[gram.indices[gram.indptr[j] : gram.indptr[j + 1]]]
            kept = at >= 0
            right[row, at[kept]] = gram.data[gram.indptr[j] : gram.indptr[j + 1]][kept]
            position[neighbours] = -1
            columns[j, :m] = neighbours
        factor = torch.linalg.cholesky(torch.from_numpy(systems))
        solution = torch.cholesky_solve(torch.from_numpy(right)[..., None], factor)[..., 0].numpy()
        values[begin : items.stop] = solution
    rows, cols = columns.reshape(-1), np.repeat(np.arange(n), k)
    nonzero = values.reshape(-1) != 0
    return sparse.csr_array((values.reshape(-1)[nonzero], (rows[nonzero], cols[nonzero])), shape=(n, n))


def _require_memory(n_bytes: int, purpose: str, hint: str) -> None:
    """Raise TrainingError if less memory than this is free now."""
    free = free_bytes()
    if n_bytes > free:
        raise TrainingError(f"{purpose} need {n_bytes / 1e9:.1f} GB, and {free / 1e9:.1f} GB are free", hint=hint)


def _best_predictors(
    gram: sparse.csr_array, degrees: NDArray[np.float32], penalty: float, k: int
) -> list[NDArray[np.int64]]:
    """Return for every item the k others with the largest weight if each were alone: G_ij / (G_ii + λ)."""
    chosen = []
    for j in range(gram.shape[0]):
        entries = slice(gram.indptr[j], gram.indptr[j + 1])
        items = gram.indices[entries].astype(np.int64)
        single_weights = gram.data[entries] / (degrees[items] + np.float32(penalty))
        others = items != j
        items, single_weights = items[others], single_weights[others]
        if len(items) > k:
            items = items[np.argsort(-single_weights, kind="stable")[:k]]
        chosen.append(items)
    return chosen


def _ranges(begins: NDArray[np.int32], ends: NDArray[np.int32]) -> NDArray[np.int64]:
    """Return the ranges begin … end − 1, concatenated."""
    lengths = (ends - begins).astype(np.int64)
    offsets = np.arange(int(lengths.sum())) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    return np.repeat(begins.astype(np.int64), lengths) + offsets


def item_weights(
    dataset: Dataset, penalty: float, form: str, n_neighbours: int, listener: Listener = ignore_progress
) -> NDArray[np.float32] | sparse.csr_array:
    """Return EASE's B in a form: "dense", "sparse", or "auto", which is dense for up to `DENSE_UP_TO` items."""
    interactions, weights = dataset.interactions, dataset.weights
    if form == "dense" or (form == "auto" and interactions.n_items <= DENSE_UP_TO):
        return dense_weights(interactions, penalty, weights)
    return sparse_weights(interactions, penalty, n_neighbours, listener, weights)
