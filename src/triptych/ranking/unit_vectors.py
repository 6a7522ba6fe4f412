"""Unit vectors of items, and how wide ones are compressed.

Wide vectors v are compressed to WIDTH values: to Qᵀv with an orthonormal Q that a seeded randomised range finder takes
from all of them (Halko et al., 2011).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

WIDTH = 128
OVERSAMPLING = 16  # more columns while the range is sought, as the method wants

FloatArray = NDArray[np.float32]
Product = Callable[[FloatArray], FloatArray]


def unit_rows(rows: FloatArray) -> FloatArray:
    """float32 [n, d]: rows of length 1. A row of zeros stays zero."""
    lengths = np.linalg.norm(rows.astype(np.float64), axis=1, keepdims=True)
    return (rows / np.where(lengths > 0, lengths, 1)).astype(np.float32)


def table_vectors(table: FloatArray) -> FloatArray:
    """float32 [n, d]: the rows of a table as unit vectors, compressed if they are wide."""
    rows = unit_rows(table)
    if rows.shape[1] <= 2 * WIDTH:
        return rows
    return unit_rows(_compressed_columns(lambda x: rows.T @ x, lambda x: rows @ x, len(rows)))


def weight_vectors(
    weights: NDArray[np.float32] | sparse.csr_array, spread: sparse.csr_array | None, direct: sparse.csr_array | None
) -> FloatArray:
    """float32 [n_items, d]: unit vectors from the columns of W = (I + spread) weights + direct, see `ItemWeights`."""

    def times(x: FloatArray) -> FloatArray:
        """W x."""
        result = _dense(weights @ x)
        result = result if spread is None else result + _dense(spread @ result)
        return result if direct is None else result + _dense(direct @ x)

    def transposed(x: FloatArray) -> FloatArray:
        """Wᵀ x."""
        result = _dense(weights.T @ (x if spread is None else x + _dense(spread.T @ x)))
        return result if direct is None else result + _dense(direct.T @ x)

    return unit_rows(_compressed_columns(times, transposed, int(weights.shape[1])))


def matrix_vectors(matrix: Any) -> FloatArray:
    """float32 [n, d]: unit vectors from the columns of a sparse matrix."""
    transpose = sparse.csr_array(matrix.T)
    return unit_rows(
        _compressed_columns(lambda x: _dense(matrix @ x), lambda x: _dense(transpose @ x), matrix.shape[1])
    )


def _compressed_columns(times: Product, transposed: Product, n: int) -> FloatArray:
    """float32 [n, at most WIDTH]: the n columns of a matrix A in the basis of its largest singular vectors.

    times, transposed: x -> A x and Aᵀ x.
    """
    width = min(WIDTH + OVERSAMPLING, n)
    start = np.random.default_rng(0).standard_normal((n, width)).astype(np.float32)
    basis = np.linalg.qr(times(transposed(np.linalg.qr(times(start))[0])))[0]
    vectors = transposed(np.ascontiguousarray(basis))  # (Qᵀ A)ᵀ
    _, axes = np.linalg.eigh(vectors.T.astype(np.float64) @ vectors)
    return np.ascontiguousarray(vectors @ axes[:, ::-1][:, :WIDTH].astype(np.float32))


def _dense(matrix: Any) -> FloatArray:
    return np.asarray(matrix if isinstance(matrix, np.ndarray) else matrix.toarray(), dtype=np.float32)
