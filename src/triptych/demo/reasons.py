"""Because you took this, you may like that: what a list says to a person."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from triptych.ranking.recommender import Recommender


@dataclass(frozen=True)
class Reason:
    """One recommended item, and the item of the user's own that the model holds most alike."""

    taken: str
    recommended: str


def reasons(recommender: Recommender, user_id: str, titles: pl.Series, k: int = 3) -> list[Reason]:
    """The user's best k items, each with the taken item nearest to it by the cosine of the model's representations.

    titles: one a row of the items. Raises UnknownIdError.
    """
    recommended = recommender.recommend([user_id], k).items[0]
    row = recommender.dataset.users.rows([user_id])
    _, taken = recommender.split.train.interactions.of(row)
    items = recommender.factors.items.numpy()
    unit = items / np.maximum(np.linalg.norm(items, axis=1, keepdims=True), 1e-12)
    nearest = taken[(unit[recommended] @ unit[taken].T).argmax(axis=1)]
    return [Reason(str(titles[int(a)]), str(titles[int(b)])) for a, b in zip(nearest, recommended, strict=True)]
