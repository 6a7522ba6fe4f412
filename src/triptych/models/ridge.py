"""Ridge regression of every item on the others: EASE's weights, dense or by neighbourhoods."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse
from scipy.linalg import lapack

from triptych.data.interactions import Interactions
from triptych.errors import TrainingError
from triptych.memory import free_bytes
from triptych.progress import Listener, ignore_progress, track

BATCH_CELLS = 8_000_000  # of the small systems solved at a time: 32 MB
DENSE_UP_TO = 20_000  # items: 1.6 GB


def dense_weights(interactions: Interactions, penalty: float) -> NDArray[np.float32]:
    """B = −P / diag(P) by columns with a zero diagonal, P = (XᵀX + λI)⁻¹: float32 [n_items, n_items].

    In place, by Cholesky: one n_items² matrix of float32 is all that is ever held. Raises TrainingError, with the
    memory it would need, where that does not fit.
    """
    n = interactions.n_items
    require(n * n * 4, f"the dense weights of {n:,} items", "use form=sparse")
    X = interactions.to_csr()
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
    for begin in range(0, n, 1024):  # the upper triangle after the lower, which is what LAPACK leaves
        rows = slice(begin, min(begin + 1024, n))
        gram[rows, rows.stop :] = gram[rows.stop :, rows].T
        block = np.tril(gram[rows, rows])
        gram[rows, rows] = block + np.tril(block, -1).T
    weights: NDArray[np.float32] = gram.T  # P is symmetric: rows of `weights` are contiguous
    weights /= -np.diag(weights).copy()
    weights[np.diag_indices(n)] = 0
    return weights


def sparse_weights(
    interactions: Interactions, penalty: float, n_neighbours: int, listener: Listener = ignore_progress
) -> sparse.csr_array:
    """The same by neighbourhoods: item j is regressed on the `n_neighbours` items N that tell most of it alone.

    ‖x_j − X_N b‖² + λ ‖b‖² is solved for every j; items that nobody took together with j are never in N. With all
    others in N this is EASE's column exactly. float32 [n_items, n_items], at most n_neighbours entries a column.
    """
    X = interactions.to_csr()
    gram = (X.T @ X).tocsr()
    gram.sort_indices()
    n, degrees = interactions.n_items, interactions.item_degrees.astype(np.float32)
    k = min(n_neighbours, n - 1)
    chosen = _most_telling(gram, degrees, penalty, k)
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
        solved = torch.cholesky_solve(torch.from_numpy(right)[..., None], factor)[..., 0].numpy()
        values[begin : items.stop] = solved
    rows, cols = columns.reshape(-1), np.repeat(np.arange(n), k)
    there = values.reshape(-1) != 0
    return sparse.csr_array((values.reshape(-1)[there], (rows[there], cols[there])), shape=(n, n))


def require(n_bytes: int, what: str, hint: str) -> None:
    """Raises TrainingError if so much memory is not free now."""
    free = free_bytes()
    if n_bytes > free:
        raise TrainingError(f"{what} need {n_bytes / 1e9:.1f} GB, and {free / 1e9:.1f} GB are free", hint=hint)


def _most_telling(
    gram: sparse.csr_array, degrees: NDArray[np.float32], penalty: float, k: int
) -> list[NDArray[np.int64]]:
    """For every item the k others whose weight would be largest if each stood alone: G_ij / (G_ii + λ)."""
    chosen = []
    for j in range(gram.shape[0]):
        entries = slice(gram.indptr[j], gram.indptr[j + 1])
        items = gram.indices[entries].astype(np.int64)
        alone = gram.data[entries] / (degrees[items] + np.float32(penalty))
        others = items != j
        items, alone = items[others], alone[others]
        if len(items) > k:
            items = items[np.argsort(-alone, kind="stable")[:k]]
        chosen.append(items)
    return chosen


def _ranges(begins: NDArray[np.int32], ends: NDArray[np.int32]) -> NDArray[np.int64]:
    """Every begin … end − 1, one after another."""
    lengths = (ends - begins).astype(np.int64)
    offsets = np.arange(int(lengths.sum())) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    return np.repeat(begins.astype(np.int64), lengths) + offsets


def item_weights(
    interactions: Interactions, penalty: float, form: str, n_neighbours: int, listener: Listener = ignore_progress
) -> NDArray[np.float32] | sparse.csr_array:
    """EASE's B in the form asked for: "dense", "sparse", or "auto": dense for catalogues of up to `DENSE_UP_TO`."""
    if form == "dense" or (form == "auto" and interactions.n_items <= DENSE_UP_TO):
        return dense_weights(interactions, penalty)
    return sparse_weights(interactions, penalty, n_neighbours, listener)
