"""Scores of given pairs of users and items."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray

from triptych import kernels
from triptych.progress import Listener, ignore_progress, track
from triptych.ranking.scorer import Factors, ItemWeights, Scorer

INT32_MAX = 2**31 - 1
CHUNK_PAIRS = 200_000  # of inner products at a time
CHUNK_SCORES = 16_000_000  # of all items for some users at a time: 64 MB of float32
CHUNK_TERMS = 4_000_000  # weights that are added up at a time
GATHERED = 8  # times as long as reading all items of a user in order takes one weight read alone


def pair_scores(
    scorer: Scorer, users: NDArray[np.int64], items: NDArray[np.int64], listener: Listener = ignore_progress
) -> NDArray[np.float32]:
    """float32 [n]: the score of each pair of rows, int64 [n] each, in bounded memory.

    Inner products and sums of weights are computed for these pairs alone. Other scorers, and blends, which compare the
    scores of all items, score all items of each user. The scores are those of a ranking up to the rounding of float32.
    """
    order = np.argsort(users, kind="stable")
    distinct, begins = np.unique(users[order], return_index=True)
    starts = np.append(begins, len(users))
    if isinstance(scorer, Factors):
        return _inner_products(scorer, distinct, starts, items[order], order)
    scores = np.empty(len(users), dtype=np.float32)
    if (
        isinstance(scorer, ItemWeights)
        and scorer.spread is None
        and len(users) * GATHERED < len(distinct) * scorer.n_items
    ):
        for chunk in track("scoring", list(_chunks_of_terms(scorer, users)), listener):
            scores[chunk] = _sums_of_weights(scorer, users[chunk], items[chunk])
        return scores
    step = max(1, CHUNK_SCORES // max(1, scorer.n_items))
    for first in track("scoring", range(0, len(distinct), step), listener):
        some = distinct[first : first + step]
        pairs = order[starts[first] : starts[first + len(some)]]
        with torch.inference_mode():
            all_scores = scorer.score(some).cpu().numpy()
        scores[pairs] = all_scores[np.searchsorted(some, users[pairs]), items[pairs]]
    return scores


def scores_of_item(scorer: Scorer, item: int, listener: Listener = ignore_progress) -> NDArray[np.float32]:
    """float32 [n_users]: the score of one item for every user, in bounded memory; see `pair_scores`."""
    if isinstance(scorer, ItemWeights):
        attributions = scorer.item_attributions(item)
        weights = attributions.astype(np.float32) if scorer.spread is None and scorer.direct is None else attributions
        return np.asarray(scorer.history.to_csr(dtype=weights.dtype) @ weights, dtype=np.float32)
    users = np.arange(scorer.n_users)
    return pair_scores(scorer, users, np.full(len(users), item), listener)


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


def _chunks_of_terms(scorer: ItemWeights, users: NDArray[np.int64]) -> Iterator[slice]:
    """Yield the pairs in chunks whose histories have at most CHUNK_TERMS items; a longer one is a chunk of its own."""
    ends = np.cumsum(scorer.history.user_degrees[users])
    begin, done = 0, 0
    while begin < len(users):
        end = max(begin + 1, int(np.searchsorted(ends, done + CHUNK_TERMS, side="right")))
        yield slice(begin, end)
        begin, done = end, int(ends[end - 1])


def _sums_of_weights(scorer: ItemWeights, users: NDArray[np.int64], items: NDArray[np.int64]) -> NDArray[np.float32]:
    """float32 [n]: Σ over the history of a user of the weights to an item, added in the order of a ranking."""
    positions, history = scorer.history.items_of(users)
    scores = np.zeros(len(users), dtype=np.float32)
    np.add.at(scores, positions, scorer.weights[history, items[positions]])
    if scorer.direct is not None:
        direct = np.zeros(len(users), dtype=np.float32)
        np.add.at(direct, positions, scorer.direct[history, items[positions]])
        scores += direct
    return scores
