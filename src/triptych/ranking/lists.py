"""Lists for users: ranked by the scorer, popular items where nothing is known, cut to the length that was asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from triptych.data.ids import id_text
from triptych.data.interactions import Interactions
from triptych.data.recommendations import Recommendations
from triptych.data.vocabulary import Vocabulary
from triptych.errors import SettingsError
from triptych.progress import Listener
from triptych.ranking.candidates import Candidates
from triptych.ranking.fallback import most_popular, with_popular_items
from triptych.ranking.greedy import ListRules
from triptych.ranking.requested_users import RequestedUsers
from triptych.ranking.reranking import pool_size, rerank
from triptych.ranking.scorer import Scorer
from triptych.ranking.topk import check_k, empty_lists, rank_all, top_k

Lengths = Mapping[str, int]  # user id -> k
K = int | Mapping[Any, int]  # of all users, or user id -> k


@dataclass(frozen=True)
class ListRequest:
    """What lists should be: their length, what may be in them, and what is left out of them.

    k: the number of items. lengths: user id -> a smaller number, if they differ. seen: per user, what is left out, or
    None. item_degrees: int64 [n_items], the number of interactions: what popular items are. unknown: bool [n_users],
    the users of whom the scorer knows nothing. rules: what the lists are re-ranked by.
    """

    k: int
    lengths: Lengths | None
    seen: Interactions | None
    candidates: Candidates
    item_degrees: NDArray[np.int64]
    unknown: NDArray[np.bool_]
    rules: ListRules | None = None


def lengths_of(k: K) -> tuple[int, Lengths | None]:
    """Return the largest k, and the k of each user if they differ. Raises SettingsError if a k is less than 1."""
    if not isinstance(k, Mapping):
        check_k(k)
        return k, None
    if not k:
        raise SettingsError("k has no users", hint="give user id -> k, or one number")
    for each in k.values():
        check_k(each)
    return max(k.values()), {id_text(user, "user"): each for user, each in k.items()}


def rank_lists(
    scorer: Scorer, requested: RequestedUsers, catalogue: Vocabulary, request: ListRequest, listener: Listener
) -> Iterator[Recommendations]:
    """Yield the lists of the requested users in their order, a chunk at a time, in bounded memory."""
    candidates, rules = request.candidates, request.rules
    size = request.k if rules is None else pool_size(request.k, scorer.n_items)
    ranked = rank_all(scorer, requested.known, size, request.seen, listener, "recommending", candidates)
    ranked = with_popular_items(ranked, request.unknown, request.item_degrees, request.seen, candidates)
    begin = 0
    for ids, items, scores in requested.in_order(ranked, most_popular(request.item_degrees, size, candidates.items)):
        rows = requested.rows[begin : begin + len(ids)]
        begin += len(ids)
        if candidates.is_per_user:
            _fill_unknown(ids, rows, items, scores, request)
        if rules is not None:
            items, scores = rerank(
                rows, (items, scores), request.k, rules, partial(_rank_some, scorer, ids, rows, request)
            )
        if request.lengths is not None:
            _cut(ids, items, scores, request.lengths)
        yield Recommendations(ids, items, scores, catalogue, requested.id_type)


def _fill_unknown(
    ids: pl.Series, rows: NDArray[np.int64], items: NDArray[np.int64], scores: NDArray[np.float32], request: ListRequest
) -> None:
    """Put the popular items among their candidates into the lists of unknown users, whose row is -1."""
    degrees = request.item_degrees
    for position in np.flatnonzero(rows < 0):
        allowed = request.candidates.of_unknown(str(ids[int(position)]), len(degrees))
        items[position], scores[position] = most_popular(degrees, items.shape[1], allowed)


def _rank_some(
    scorer: Scorer,
    ids: pl.Series,
    rows: NDArray[np.int64],
    request: ListRequest,
    positions: NDArray[np.int64],
    k: int,
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Rank k items for some users of a chunk, by their positions in it."""
    items, scores = empty_lists(len(positions), k)
    known = rows[positions] >= 0
    users = rows[positions][known]
    ranked = [(users, *top_k(scorer, users, k, request.seen, request.candidates))]
    for lists in with_popular_items(ranked, request.unknown, request.item_degrees, request.seen, request.candidates):
        items[known], scores[known] = lists[1:]
    _fill_unknown(ids.gather(pl.Series(positions)), rows[positions], items, scores, request)
    return items, scores


def _cut(ids: pl.Series, items: NDArray[np.int64], scores: NDArray[np.float32], lengths: Lengths) -> None:
    """Empty the ranks after the length of each list."""
    unknown = next((user for user in ids.to_list() if user not in lengths), None)
    if unknown is not None:
        raise SettingsError(f'k has no number for user "{unknown}"', hint="give one per user")
    too_long = np.arange(items.shape[1]) >= np.array([lengths[user] for user in ids.to_list()])[:, None]
    items[too_long], scores[too_long] = -1, -np.inf


def joined(chunks: Sequence[Recommendations], k: int, catalogue: Vocabulary) -> Recommendations:
    """Return the lists of all chunks as one, [n, k]."""
    return Recommendations(
        pl.concat([chunk.user_ids for chunk in chunks]) if chunks else pl.Series("id", [], dtype=pl.String),
        np.concatenate([chunk.items for chunk in chunks]) if chunks else np.zeros((0, k), np.int64),
        np.concatenate([chunk.scores for chunk in chunks]) if chunks else np.zeros((0, k), np.float32),
        catalogue,
        chunks[0].user_type if chunks else "string",
    )
