"""Measures of the lists themselves, not of their hits: how alike their items are, how popular, and how many are shown.

Lists are item rows, int64 [n, k], -1 at the end where a list is shorter.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from triptych.data.interactions import Interactions
from triptych.ranking.greedy import SMOOTHING
from triptych.ranking.item_groups import ItemGroups

CHUNK = 4096  # lists at a time

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]


def intra_list_similarity(items: IntArray, vectors: NDArray[np.float32] | sparse.csr_array) -> FloatArray:
    """float64 [n]: the mean cosine of all pairs of items in each list; NaN for a list of fewer than two.

    vectors: [n_items, d], dense or sparse, of length 1; zeros for items of which nothing is known.
    """
    lengths = _squares(vectors)
    pieces = [np.zeros(0)]
    for begin in range(0, len(items), CHUNK):
        chunk = items[begin : begin + CHUNK]
        rows, _ = np.nonzero(chunk >= 0)
        listed, n = chunk[chunk >= 0], (chunk >= 0).sum(axis=1)
        members: Any = sparse.csr_array((np.ones(len(listed)), (rows, listed)), shape=(len(chunk), vectors.shape[0]))
        # ‖Σ v‖² = Σ ‖v‖² + Σ over pairs i ≠ j of v_i · v_j
        pairs = _squares(members @ vectors) - members @ lengths
        pieces.append(np.where(n > 1, pairs, np.nan) / np.maximum(n * (n - 1), 1))
    return np.concatenate(pieces)


def _squares(rows: Any) -> FloatArray:
    """float64 [n]: the squared length of each row."""
    if isinstance(rows, np.ndarray):
        return np.asarray(np.einsum("ij,ij->i", rows, rows, dtype=np.float64))
    return np.asarray(rows.astype(np.float64).power(2).sum(axis=1)).reshape(-1)


def coverage(items: IntArray, n_items: int) -> float:
    """The share of the catalogue that is in at least one list."""
    return len(np.unique(items[items >= 0])) / n_items


def novelty(items: IntArray, train: Interactions) -> float:
    """The mean over the listed items of -log2(share of the users with a training interaction with the item).

    An item without interactions counts as if it had one.
    """
    recommended = items[items >= 0]
    popularity = np.maximum(train.item_degrees, 1) / max(1, int((train.user_degrees > 0).sum()))
    return float(-np.log2(popularity[recommended]).mean()) if len(recommended) else 0.0


def mean_popularity(items: IntArray, train: Interactions) -> float:
    """The mean over the listed items of the number of users with a training interaction with the item."""
    recommended = items[items >= 0]
    return float(train.item_degrees[recommended].mean()) if len(recommended) else 0.0


def gini(items: IntArray, n_items: int) -> float:
    """The Gini index of how often each item of the catalogue is in a list: 0 if all equally, towards 1 if only few."""
    counts = np.sort(np.bincount(items[items >= 0], minlength=n_items))
    if not counts.sum():
        return 0.0
    ranks = np.arange(1, n_items + 1)
    return float(((2 * ranks - n_items - 1) * counts).sum() / (n_items * counts.sum()))


def divergence(users: IntArray, items: IntArray, groups: ItemGroups, history: Interactions) -> FloatArray:
    """float64 [n]: KL(p ‖ q): how a user's history is divided over groups against how the list is, smoothed by p.

    users: int64 [n], rows of `history`. NaN for users whose history is in no group, and for empty lists.
    See `ranking/greedy.py`.
    """
    p = groups.distributions(users, history).astype(np.float64)
    rows, _ = np.nonzero(items >= 0)
    shares = groups.counts_of(rows, items[items >= 0], len(items))
    n = (items >= 0).sum(axis=1)
    q = (1 - SMOOTHING) * shares / np.maximum(n, 1)[:, None] + SMOOTHING * p
    terms = p * np.log(np.where(p > 0, p, 1) / np.where(q > 0, q, 1))
    return np.where((p.sum(axis=1) > 0) & (n > 0), terms.sum(axis=1), np.nan)
