"""Full ranking: the best k of all items, without seen items, for one chunk of users at a time.

Inner products are ranked by the compiled kernel if it supports them: exactly, in float32, without storing the scores.
Everything else is ranked by torch.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import TypeGuard

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from triptych import kernels
from triptych.data.interactions import Interactions
from triptych.errors import SettingsError
from triptych.progress import Listener, ignore_progress, track
from triptych.ranking.candidates import ALL_ITEMS, Candidates
from triptych.ranking.pairs import pair_scores
from triptych.ranking.scorer import Factors, Scorer, scorer_of_items

Pairs = tuple[NDArray[np.int64], NDArray[np.int64]]
USERS_PER_CALL = 16_384  # for the compiled kernel: it packs the items once per call
GIVEN_ITEMS = 1_000_000  # of some users, ranked at a time, if items are given per user
CHUNK_SCORES = 16_000_000  # scores in memory at a time: 64 MB of float32


def check_k(k: int) -> None:
    """Raise SettingsError unless k is at least 1."""
    if k < 1:
        raise SettingsError(f"k must be at least 1, got {k}", hint="use 1 or more")


def top_k(
    scorer: Scorer, users: NDArray[np.int64], k: int, seen: Interactions | None, candidates: Candidates = ALL_ITEMS
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return the best items int64 [n, k], best first, and their scores float32 [n, k], for user rows int64 [n].

    The items of a user in `seen` are left out, and those that are not among the candidates. If fewer than k are left,
    the rest of the row is -1 (score -inf). Equal scores are ranked by item row, the lower first. A score that is NaN is
    never ranked. Raises SettingsError if k < 1.
    """
    check_k(k)
    items, scores = next(_ranked(scorer, [users], k, seen, candidates))[1:]
    return items, scores


def rank_all(
    scorer: Scorer,
    users: NDArray[np.int64],
    k: int,
    seen: Interactions | None,
    listener: Listener = ignore_progress,
    stage: str = "ranking",
    candidates: Candidates = ALL_ITEMS,
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]]:
    """Yield (users, items, scores) chunk by chunk, in the order of `users`, in bounded memory; see `top_k`."""
    size = USERS_PER_CALL if _uses_kernel(scorer, k) else max(1, min(4096, CHUNK_SCORES // max(1, scorer.n_items)))
    chunks = [users[begin : begin + size] for begin in range(0, len(users), size)]
    yield from _ranked(scorer, track(stage, chunks, listener), k, seen, candidates)


def top_k_of(
    scores: Tensor, users: NDArray[np.int64], k: int, seen: Interactions | None
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return the same as `top_k` from given scores [n, n_items], which are changed in place."""
    return _best_without(scores, k, None if seen is None else seen.items_of(users))


def _ranked(
    scorer: Scorer,
    chunks: Iterable[NDArray[np.int64]],
    k: int,
    seen: Interactions | None,
    candidates: Candidates,
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]]:
    if candidates.only is not None:
        for users in chunks:
            items, scores = empty_lists(len(users), k)
            for few in _of_similar_numbers(candidates.only.user_degrees[users]):
                items[few], scores[few] = _best_of_given(scorer, users[few], k, seen, candidates)
            yield users, items, scores
        return
    rows = candidates.items
    ranked = scorer if rows is None else scorer_of_items(scorer, rows)
    for users in chunks:
        if not ranked.n_items:
            yield users, *empty_lists(len(users), k)
            continue
        left_out = _left_out(users, seen, candidates)
        if _uses_kernel(ranked, k):
            items, scores = kernels.top_k(
                ranked.users[torch.from_numpy(users)], ranked.items, k, _starts_and_items(left_out, len(users))
            )
        else:
            with torch.inference_mode():
                items, scores = _best_without(ranked.score(users), k, left_out)
        if rows is not None:
            items = np.where(items >= 0, rows[items], -1)
        yield users, items, scores


def _of_similar_numbers(numbers: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    """Yield positions of users with similar numbers of items, so that a table of them has few empty fields."""
    order = np.argsort(-numbers, kind="stable")
    begin, end = 0, int((numbers > 0).sum())  # users without items keep their empty lists
    while begin < end:
        n = max(1, GIVEN_ITEMS // int(numbers[order[begin]]))
        yield order[begin : min(begin + n, end)]
        begin += n


def _best_of_given(
    scorer: Scorer, users: NDArray[np.int64], k: int, seen: Interactions | None, candidates: Candidates
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Rank the items that are given per user: their number decides about the cost, not that of all items."""
    assert candidates.only is not None
    positions, items = candidates.only.items_of(users)
    allowed = replace(candidates, only=None).contain(users[positions], items)
    if seen is not None:
        allowed &= ~seen.contain(users[positions], items)
    positions, items = positions[allowed], items[allowed]
    if not len(items):
        return empty_lists(len(users), k)
    scores = torch.from_numpy(pair_scores(scorer, users[positions], items))
    counts = np.bincount(positions, minlength=len(users))
    begins = np.cumsum(counts) - counts
    # one row per user, filled up to the most items that any user has; they are in the order of their rows
    table = torch.full((len(users), int(counts.max())), -torch.inf)
    table[positions, np.arange(len(positions)) - begins[positions]] = scores
    best, best_scores = _best_without(table, k, None)
    return np.where(best >= 0, items[np.minimum(begins[:, None] + best, len(items) - 1)], -1), best_scores


def empty_lists(n: int, k: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return lists without items: -1, with scores of -inf, [n, k] each."""
    return np.full((n, k), -1, dtype=np.int64), np.full((n, k), -np.inf, dtype=np.float32)


def _best_without(scores: Tensor, k: int, left_out: Pairs | None) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return the best items and their scores. left_out: (position, item) pairs. The scores are changed in place."""
    with torch.inference_mode():
        if left_out is not None:
            positions, items = (torch.from_numpy(rows).to(scores.device) for rows in left_out)
            scores[positions, items] = -torch.inf
        best, items_best = best_of(scores.nan_to_num_(nan=-torch.inf, posinf=torch.inf, neginf=-torch.inf), k)
        items_best[best == -torch.inf] = -1
    missing = k - best.shape[1]
    if missing > 0:
        best = torch.nn.functional.pad(best, (0, missing), value=-torch.inf)
        items_best = torch.nn.functional.pad(items_best, (0, missing), value=-1)
    return items_best.cpu().numpy(), best.cpu().numpy()


def _left_out(users: NDArray[np.int64], seen: Interactions | None, candidates: Candidates) -> Pairs | None:
    """Return what is left out of the lists of some users, as (position, item) pairs, sorted by both.

    An item is a position in `candidates.items`, if these are given.
    """
    parts = [each.items_of(users) for each in (seen, candidates.excluded) if each is not None]
    if not parts:
        return None
    positions, items = parts[0]
    if candidates.items is not None:
        parts = [_among(candidates.items, *each) for each in parts]
        positions, items = parts[0]
    if len(parts) > 1:
        size = 1 + max(int(part[1].max()) if len(part[1]) else 0 for part in parts)
        keys = np.unique(np.concatenate([part[0] * size + part[1] for part in parts]))
        positions, items = keys // size, keys % size
    return positions, items


def _among(rows: NDArray[np.int64], positions: NDArray[np.int64], items: NDArray[np.int64]) -> Pairs:
    """Return the pairs of items among `rows`, ascending, with the item's place among them."""
    places = np.searchsorted(rows, items)
    among = places < len(rows)
    among[among] = rows[places[among]] == items[among]
    return positions[among], places[among]


def _uses_kernel(scorer: Scorer, k: int) -> TypeGuard[Factors]:
    return isinstance(scorer, Factors) and k <= kernels.LARGEST_K and kernels.supports(scorer.users, scorer.items)


def _starts_and_items(left_out: Pairs | None, n_users: int) -> Pairs | None:
    if left_out is None:
        return None
    positions, items = left_out
    return np.searchsorted(positions, np.arange(n_users + 1)).astype(np.int64), np.ascontiguousarray(items)


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
