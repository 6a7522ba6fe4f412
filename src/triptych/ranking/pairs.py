"""Scores of given pairs of users and items."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from triptych import kernels
from triptych.ranking.scorer import Factors, Scorer

INT32_MAX = 2**31 - 1
CHUNK_PAIRS = 200_000  # of inner products at a time
CHUNK_SCORES = 16_000_000  # of all items for some users at a time: 64 MB of float32


def pair_scores(scorer: Scorer, users: NDArray[np.int64], items: NDArray[np.int64]) -> NDArray[np.float32]:
    """float32 [n]: the score of each pair of rows, int64 [n] each, in bounded memory.

    The scores are those of a ranking up to the rounding of float32.
    """
    order = np.argsort(users, kind="stable")
    distinct, begins = np.unique(users[order], return_index=True)
    starts = np.append(begins, len(users))
    if isinstance(scorer, Factors):
        return _inner_products(scorer, distinct, starts, items[order], order)
    scores = np.empty(len(users), dtype=np.float32)
    step = max(1, CHUNK_SCORES // max(1, scorer.n_items))
    for first in range(0, len(distinct), step):
        chunk = distinct[first : first + step]
        pairs = order[starts[first] : starts[first + len(chunk)]]
        with torch.inference_mode():
            all_scores = scorer.score(chunk).cpu().numpy()
        scores[pairs] = all_scores[np.searchsorted(chunk, users[pairs]), items[pairs]]
    return scores


def _inner_products(
    scorer: Factors,
    users: NDArray[np.int64],
    starts: NDArray[np.int64],
    items: NDArray[np.int64],
    positions: NDArray[np.int64],
) -> NDArray[np.float32]:
    """float32 [n]: the products of users, int64 [m], with items[starts[u] : starts[u + 1]], put at positions [n]."""
    if kernels.supports(scorer.users, scorer.items) and len(items) < INT32_MAX:
        at, columns, places = (torch.from_numpy(rows.astype(np.int32)) for rows in (starts, items, positions))
        edges = kernels.Adjacency(at, columns, places)
        return kernels.dots(edges, scorer.users[torch.from_numpy(users)], scorer.items).numpy()
    scores = np.empty(len(items), dtype=np.float32)
    rows = np.repeat(users, np.diff(starts))
    for begin in range(0, len(items), CHUNK_PAIRS):
        chunk = slice(begin, begin + CHUNK_PAIRS)
        u, i = (torch.from_numpy(each[chunk]).to(scorer.users.device) for each in (rows, items))
        scores[positions[chunk]] = (scorer.users[u] * scorer.items[i]).sum(dim=1).float().cpu().numpy()
    return scores
