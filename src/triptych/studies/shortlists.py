"""Shortlists: several models' scores of the items that can be in the top k of a blend, to try many weights quickly.

A shortlist has the items that are among the best 2 k of at least one model. So the top k of a single model is exact,
also for equal scores, which are ordered by item row. The top k of a blend is nearly always exact, and costs much less
than ranking all items.
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
from triptych.ranking.scorer import SimpleScorer, standardised_scores
from triptych.ranking.topk import best_of, top_k_of

CHUNK_SCORES = 48_000_000  # scores of all models held at a time: 192 MB of float32
MEMORY = 2_000_000_000  # bytes that all shortlists may take
LOWEST = -1e9  # the score of an empty position, or in place of NaN: lower than any standardised score


@dataclass(frozen=True)
class Shortlists:
    """The shortlists of some users, c positions each.

    users: int64 [n] rows. items: int32 [n, c] rows, ascending, -1 for none. scores: float32 [n_models, n, c],
    standardised. relevant: bool [n, c], whether the item was held out. n_relevant: int64 [n], the number of held-out
    items per user.
    """

    users: NDArray[np.int64]
    items: Tensor
    scores: Tensor
    relevant: Tensor
    n_relevant: NDArray[np.int64]

    def weighted_sum(self, weights: Sequence[float]) -> Tensor:
        """float32 [n, c]: Σ over models of weight · score."""
        return torch.einsum("m,mnc->nc", torch.tensor(weights, dtype=torch.float32), self.scores)

    def values(self, scores: Tensor, metric: Metric) -> NDArray[np.float64]:
        """float64 [n]: the metric per user, if the items are ranked by scores [n, c]."""
        _, best = best_of(scores, min(metric.k, scores.shape[1]))
        padding = (0, metric.k - best.shape[1])
        hits = torch.nn.functional.pad(self.relevant.gather(1, best), padding)
        items = torch.nn.functional.pad(self.items.gather(1, best).long(), padding, value=-1)
        return metric.values(Hits(hits.numpy(), self.n_relevant, self.users, items.numpy()))


def max_users(n_models: int, n_items: int, k: int) -> int:
    """The number of users whose shortlists fit into `MEMORY`."""
    return max(1, MEMORY // (4 * n_models * min(n_models * 2 * k, n_items)))


def shortlists(
    scorers: Sequence[SimpleScorer],
    users: NDArray[np.int64],
    relevant: Interactions,
    seen: Interactions | None,
    k: int,
    listener: Listener,
) -> list[Shortlists]:
    """Return the shortlists for user rows int64 [n], without seen items, in chunks of users."""
    size = max(1, min(2048, CHUNK_SCORES // (len(scorers) * scorers[0].n_items)))
    chunks = [users[begin : begin + size] for begin in range(0, len(users), size)]
    return [_shortlists(scorers, chunk, relevant, seen, 2 * k) for chunk in track("shortlists", chunks, listener)]


@torch.inference_mode()
def _shortlists(
    scorers: Sequence[SimpleScorer],
    users: NDArray[np.int64],
    relevant: Interactions,
    seen: Interactions | None,
    n: int,
) -> Shortlists:
    """The shortlists of one chunk of users, from the best n items of every scorer."""
    all_scores = torch.empty(len(scorers), len(users), scorers[0].n_items)
    for scores, scorer in zip(all_scores, scorers, strict=True):
        scores.copy_(standardised_scores(scorer, users))
    best = [top_k_of(scores.clone(), users, n, seen)[0] for scores in all_scores]
    items = _distinct(np.concatenate(best, axis=1))
    hits = hits_of(users, items, relevant)
    shortlisted = all_scores.gather(2, torch.from_numpy(np.maximum(items, 0)).expand(len(scorers), -1, -1))
    empty = torch.from_numpy(items < 0) | shortlisted.isnan()
    scores, relevant_items = shortlisted.masked_fill_(empty, LOWEST), torch.from_numpy(hits.hits)
    return Shortlists(users, torch.from_numpy(items).int(), scores, relevant_items, hits.n_relevant)


def _distinct(items: NDArray[np.int64]) -> NDArray[np.int64]:
    """Sort each row of items, int64 [n, c], and drop repeated items; shorter rows are filled with -1."""
    empty = np.iinfo(np.int64).max
    ordered = np.sort(np.where(items < 0, empty, items), axis=1)
    ordered[:, 1:][ordered[:, 1:] == ordered[:, :-1]] = empty
    ordered = np.sort(ordered, axis=1)
    kept = ordered[:, : max(1, int((ordered < empty).sum(axis=1).max()))]
    return np.where(kept == empty, -1, kept)
