"""Users of whom a model knows nothing, neither training interactions nor features that it uses: popular items."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray

from triptych.data.interactions import Interactions
from triptych.data.stored import require
from triptych.ranking.requested_users import Ranked
from triptych.ranking.scorer import Factors
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


def with_popular_items(
    ranked: Iterable[Ranked], unknown: NDArray[np.bool_], interactions: Interactions, seen: Interactions | None
) -> Iterator[Ranked]:
    """Yield the lists again, with the items of most interactions in those of unknown users, bool [n_users].

    seen: the items that are left out of the list of a user, or None.
    """
    degrees = torch.from_numpy(interactions.item_degrees.astype(np.float32))
    popularity = Factors(torch.ones(interactions.n_users, 1), degrees[:, None])
    for users, items, scores in ranked:
        lacking = unknown[users]
        if lacking.any():
            items[lacking], scores[lacking] = top_k(popularity, users[lacking], items.shape[1], seen)
        yield users, items, scores
