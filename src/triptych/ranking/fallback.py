"""Users of whom a model knows nothing, neither training interactions nor features that it uses: popular items."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray

from triptych.data.interactions import Interactions
from triptych.data.stored import require
from triptych.ranking.candidates import ALL_ITEMS, Candidates
from triptych.ranking.given_scores import GivenScores
from triptych.ranking.requested_users import Popular, Ranked
from triptych.ranking.scorer import Blend, Factors, Scorer
from triptych.ranking.topk import top_k

HAS_FEATURES = "has_features"  # column of a recommender's user table: whether the model knows features of the user


def check_user_table(table: pl.DataFrame | None) -> None:
    """Raise ValueError unless the user table of a stored recommender says who has features, if it says so at all."""
    if table is not None and HAS_FEATURES in table.columns:
        values = table[HAS_FEATURES]
        require(values.dtype == pl.Boolean and not values.null_count(), f"{HAS_FEATURES} are no truth values")


def users_without_knowledge(train: Interactions, user_table: pl.DataFrame | None) -> NDArray[np.bool_]:
    """bool [n_users]: the users about whom a model knows nothing.

    train: its training interactions. user_table: of its recommender; it says who has features that the model uses.
    """
    unknown: NDArray[np.bool_] = train.user_degrees == 0
    if user_table is not None and HAS_FEATURES in user_table.columns:
        unknown &= ~user_table[HAS_FEATURES].to_numpy()
    return unknown


def users_with_given_scores(scorer: Scorer) -> NDArray[np.bool_]:
    """bool [n_users]: the users that a scorer was given scores of, alone or in a blend."""
    members = scorer.scorers if isinstance(scorer, Blend) else (scorer,)
    given = [each.has_scores for each in members if isinstance(each, GivenScores)]
    return np.logical_or.reduce(given) if given else np.zeros(scorer.n_users, dtype=np.bool_)


def with_popular_items(
    ranked: Iterable[Ranked],
    unknown: NDArray[np.bool_],
    item_degrees: NDArray[np.int64],
    seen: Interactions | None,
    candidates: Candidates = ALL_ITEMS,
) -> Iterator[Ranked]:
    """Yield the lists again, with the items of most interactions in those of unknown users, bool [n_users].

    item_degrees: int64 [n_items], the number of interactions. seen: what is left out of the list of a user, or None.
    """
    degrees = torch.from_numpy(item_degrees.astype(np.float32))
    popularity = Factors(torch.ones(len(unknown), 1), degrees[:, None])
    for users, items, scores in ranked:
        lacking = unknown[users]
        if lacking.any():
            items[lacking], scores[lacking] = top_k(popularity, users[lacking], items.shape[1], seen, candidates)
        yield users, items, scores


def most_popular(item_degrees: NDArray[np.int64], k: int, candidates: NDArray[np.int64] | None = None) -> Popular:
    """Return the k items with most interactions, int64 [k], -1 where there are fewer, and their numbers as float32.

    candidates: int64 [m], ascending: the items that may be in the list; None: all.
    """
    rows = np.arange(len(item_degrees)) if candidates is None else candidates
    items = rows[np.argsort(-item_degrees[rows], kind="stable")[:k]]
    padding = max(0, k - len(items))
    return (
        np.pad(items, (0, padding), constant_values=-1),
        np.pad(item_degrees[items].astype(np.float32), (0, padding), constant_values=-np.inf),
    )
