"""Scores of given pairs of users and items."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from triptych.ranking.scorer import Factors, Scorer

CHUNK_PAIRS = 1_000_000  # of inner products at a time
CHUNK_SCORES = 16_000_000  # of all items for some users at a time: 64 MB of float32


def pair_scores(scorer: Scorer, users: NDArray[np.int64], items: NDArray[np.int64]) -> NDArray[np.float32]:
    """float32 [n]: the score of each pair of rows, int64 [n] each, in bounded memory.

    The scores are those of a ranking up to the rounding of float32.
    """
    scores = np.empty(len(users), dtype=np.float32)
    with torch.inference_mode():
        if isinstance(scorer, Factors):
            for begin in range(0, len(users), CHUNK_PAIRS):
                chunk = slice(begin, begin + CHUNK_PAIRS)
                rows, columns = (torch.from_numpy(each[chunk]).to(scorer.users.device) for each in (users, items))
                products = (scorer.users[rows] * scorer.items[columns]).sum(dim=1)
                scores[chunk] = products.float().cpu().numpy()
            return scores
        order = np.argsort(users, kind="stable")
        distinct, begins = np.unique(users[order], return_index=True)
        ends = np.append(begins[1:], len(users))
        step = max(1, CHUNK_SCORES // max(1, scorer.n_items))
        for first in range(0, len(distinct), step):
            chunk_users = distinct[first : first + step]
            pairs = order[begins[first] : ends[first + len(chunk_users) - 1]]
            all_scores = scorer.score(chunk_users).cpu().numpy()
            scores[pairs] = all_scores[np.searchsorted(chunk_users, users[pairs]), items[pairs]]
    return scores
