"""Several models' scores of the few items that could be among a blend's best, so that many weights can be tried.

An item that no model has among its best `2 k` is left out. So a single model's first k places are exact, equal scores
by item row included; a blend's nearly always are, at a fraction of the work of ranking all items.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from triptych.data.interactions import Interactions
from triptych.progress import Listener, track
from triptych.ranking.evaluate import hits_of
from triptych.ranking.metrics import Hits, Metric
from triptych.ranking.scorer import Factors, ItemWeights, standardised
from triptych.ranking.topk import best_of, top_k_of

CHUNK_SCORES = 48_000_000  # scores of all models held at a time: 192 MB of float32
MEMORY = 2_000_000_000  # bytes that all shortlists may take
NOBODY = -1e9  # the score of a place that holds no item, or of no number: lower than any standardised one


@dataclass(frozen=True)
class Shortlists:
    """Some users' shortlists of c places.

    scores: float32 [n_models, n, c], standardised, items in the order of their rows; relevant: bool [n, c], whether the
    item there was held out; n_relevant: int64 [n], of each user in all.
    """

    scores: Tensor
    relevant: Tensor
    n_relevant: NDArray[np.int64]

    def weighed(self, weights: Sequence[float]) -> Tensor:
        """float32 [n, c]: Σ over models of weight · score."""
        return torch.einsum("m,mnc->nc", torch.tensor(weights, dtype=torch.float32), self.scores)

    def values(self, scores: Tensor, metric: Metric) -> NDArray[np.float64]:
        """float64 [n]: the metric of every user, ranked by scores [n, c]."""
        _, best = best_of(scores, min(metric.k, scores.shape[1]))
        hits = torch.nn.functional.pad(self.relevant.gather(1, best), (0, metric.k - best.shape[1]))
        return metric.values(Hits(hits.numpy(), self.n_relevant))


def most_users(n_models: int, n_items: int, k: int) -> int:
    """How many users' shortlists may be held at a time."""
    return max(1, MEMORY // (4 * n_models * min(n_models * 2 * k, n_items)))


def shortlists(
    scorers: Sequence[Factors | ItemWeights],
    users: NDArray[np.int64],
    relevant: Interactions,
    seen: Interactions,
    k: int,
    listener: Listener,
) -> list[Shortlists]:
    """What every scorer has among its best 2 k for user rows int64 [n], seen items left out, in chunks of the users."""
    size = max(1, min(2048, CHUNK_SCORES // (len(scorers) * scorers[0].n_items)))
    chunks = [users[begin : begin + size] for begin in range(0, len(users), size)]
    return [_shortlists(scorers, chunk, relevant, seen, 2 * k) for chunk in track("shortlists", chunks, listener)]


@torch.inference_mode()
def _shortlists(
    scorers: Sequence[Factors | ItemWeights],
    users: NDArray[np.int64],
    relevant: Interactions,
    seen: Interactions,
    n: int,
) -> Shortlists:
    """Of the best n of every scorer."""
    scores = torch.empty(len(scorers), len(users), scorers[0].n_items)
    for own, each in zip(scores, scorers, strict=True):
        own.copy_(standardised(each.score(users)))
    items = _once(np.concatenate([top_k_of(each.clone(), users, n, seen)[0] for each in scores], axis=1))
    found = hits_of(users, items, relevant)
    theirs = scores.gather(2, torch.from_numpy(np.maximum(items, 0)).expand(len(scorers), -1, -1))
    nobody = torch.from_numpy(items < 0) | theirs.isnan()
    return Shortlists(theirs.masked_fill_(nobody, NOBODY), torch.from_numpy(found.hits), found.n_relevant)


def _once(items: NDArray[np.int64]) -> NDArray[np.int64]:
    """Rows of items int64 [n, c], ascending, every item once; -1 behind them in shorter rows."""
    nobody = np.iinfo(np.int64).max
    ordered = np.sort(np.where(items < 0, nobody, items), axis=1)
    ordered[:, 1:][ordered[:, 1:] == ordered[:, :-1]] = nobody
    ordered = np.sort(ordered, axis=1)
    kept = ordered[:, : max(1, int((ordered < nobody).sum(axis=1).max()))]
    return np.where(kept == nobody, -1, kept)
