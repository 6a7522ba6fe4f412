"""The recall of a search index, measured against the exact lists of the model."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

from triptych.exporting.vectors import Vectors
from triptych.progress import Listener, ignore_progress
from triptych.ranking.scorer import Factors
from triptych.ranking.topk import rank_all

USERS = 1000  # whose lists are compared, evenly chosen
TIED = 1e-5  # scores that differ by less, relative to the largest, are equal: sums of float32 depend on their order

Search = Callable[[NDArray[np.float32], int], NDArray[np.int64]]  # vectors [n, d], k -> item rows [n, k], -1: none


def recall(
    search: Search, vectors: Vectors, k: int, *, n_users: int = USERS, listener: Listener = ignore_progress
) -> tuple[float, int]:
    """Return the mean recall of an index among the k best items, and the number of users that were compared.

    Seen items count as any other: an index does not know them. An item that is tied with the last one of a list is as
    good as that one. The recall of no users is 1.
    """
    k = min(k, len(vectors.item_ids))
    n = len(vectors.user_ids)
    chosen = np.unique(np.linspace(0, n - 1, min(n, n_users)).astype(np.int64))
    if not len(chosen) or not k:
        return 1.0, 0
    factors = Factors(*(torch.from_numpy(each) for each in (vectors.user_vectors, vectors.item_vectors)))
    shares = []
    for users, _, scores in rank_all(factors, chosen, k, None, listener, "comparing with exact lists"):
        queries = vectors.user_vectors[users]
        found = search(queries, k)
        values = np.einsum("nd,nkd->nk", queries, vectors.item_vectors[np.maximum(found, 0)])
        tolerance = TIED * np.abs(scores).max(axis=1, keepdims=True)
        good = (values >= scores[:, -1:] - tolerance) & (found >= 0)
        shares.append(good.mean(axis=1))
    return float(np.concatenate(shares).mean()), len(chosen)
