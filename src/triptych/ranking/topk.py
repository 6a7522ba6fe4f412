"""Full ranking: the best k of all items, without seen items, for one chunk of users at a time.

Inner products are ranked by the compiled kernel if it supports them: exactly, in float32, without storing the scores.
Everything else is ranked by torch.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeGuard

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from triptych import kernels
from triptych.data.interactions import Interactions
from triptych.errors import SettingsError
from triptych.progress import Listener, ignore_progress, track
from triptych.ranking.scorer import Factors, Scorer

USERS_PER_CALL = 16_384  # for the compiled kernel: it packs the items once per call
CHUNK_SCORES = 16_000_000  # scores in memory at a time: 64 MB of float32


def check_k(k: int) -> None:
    """Raise SettingsError unless k is at least 1."""
    if k < 1:
        raise SettingsError(f"k must be at least 1, got {k}", hint="use 1 or more")


def top_k(
    scorer: Scorer, users: NDArray[np.int64], k: int, seen: Interactions | None
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return the best items int64 [n, k], best first, and their scores float32 [n, k], for user rows int64 [n].

    The items of a user in `seen` are left out. If fewer than k are left, the rest of the row is -1 (score -inf). Equal
    scores are ranked by item row, the lower first. A score that is NaN is never ranked.
    Raises SettingsError if k < 1.
    """
    check_k(k)
    if _uses_kernel(scorer, k):
        return kernels.top_k(scorer.users[torch.from_numpy(users)], scorer.items, k, _starts_and_items(seen, users))
    with torch.inference_mode():
        return top_k_of(scorer.score(users), users, k, seen)


def top_k_of(
    scores: Tensor, users: NDArray[np.int64], k: int, seen: Interactions | None
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return the same from given scores [n, n_items], which are changed in place."""
    with torch.inference_mode():
        if seen is not None:
            positions, items = (torch.from_numpy(rows).to(scores.device) for rows in seen.items_of(users))
            scores[positions, items] = -torch.inf
        best, items_best = best_of(scores.nan_to_num_(nan=-torch.inf, posinf=torch.inf, neginf=-torch.inf), k)
        items_best[best == -torch.inf] = -1
    missing = k - best.shape[1]
    if missing > 0:
        best = torch.nn.functional.pad(best, (0, missing), value=-torch.inf)
        items_best = torch.nn.functional.pad(items_best, (0, missing), value=-1)
    return items_best.cpu().numpy(), best.cpu().numpy()


def rank_all(
    scorer: Scorer,
    users: NDArray[np.int64],
    k: int,
    seen: Interactions | None,
    listener: Listener = ignore_progress,
    stage: str = "ranking",
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]]:
    """Yield (users, items, scores) chunk by chunk, in the order of `users`, in bounded memory; see `top_k`."""
    size = USERS_PER_CALL if _uses_kernel(scorer, k) else max(1, min(4096, CHUNK_SCORES // max(1, scorer.n_items)))
    chunks = [users[begin : begin + size] for begin in range(0, len(users), size)]
    for chunk in track(stage, chunks, listener):
        items, scores = top_k(scorer, chunk, k, seen)
        yield chunk, items, scores


def _uses_kernel(scorer: Scorer, k: int) -> TypeGuard[Factors]:
    return isinstance(scorer, Factors) and k <= kernels.LARGEST_K and kernels.supports(scorer.users, scorer.items)


def _starts_and_items(
    seen: Interactions | None, users: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]] | None:
    if seen is None:
        return None
    starts = np.concatenate([[0], np.cumsum(seen.user_degrees[users])]).astype(np.int64)
    return starts, seen.items_of(users)[1]


def best_of(scores: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Return the k largest values per row and their columns, ties by column: float and int64 [n, min(k, columns)]."""
    n_columns = scores.shape[1]
    if k >= n_columns:
        ordered, columns = scores.sort(dim=1, descending=True, stable=True)
        return ordered, columns
    best, columns = scores.topk(k + 1, dim=1)  # one more, to detect a tie at the end of the list
    tied = (best[:, k - 1] == best[:, k]) & (best[:, k] > -torch.inf)
    best, columns = best[:, :k], columns[:, :k].clone()
    # topk returns equal scores in any order: sort by column, then stably by score
    columns, by_column = columns.sort(dim=1)
    best, by_score = best.gather(1, by_column).sort(dim=1, descending=True, stable=True)
    columns = columns.gather(1, by_score)
    for row in tied.nonzero()[:, 0].tolist():
        candidates = (scores[row] >= best[row, -1]).nonzero()[:, 0]
        values, order = scores[row, candidates].sort(descending=True, stable=True)
        best[row], columns[row] = values[:k], candidates[order[:k]]
    return best, columns
