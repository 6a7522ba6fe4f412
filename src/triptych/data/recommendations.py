"""Recommendation lists: the best k items per user, in memory. `recommendation_files.py` writes them.

Frames have ids in the type in which they came to the data set: whole numbers in, whole numbers out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import numpy as np
import polars as pl
from numpy.typing import NDArray

from triptych.data.cards import card_of_recommendations
from triptych.data.id_types import IdType, with_type
from triptych.data.vocabulary import Vocabulary
from triptych.display import displayed


@displayed(card_of_recommendations)
@dataclass(frozen=True)
class Recommendations:
    """The best items of some users, best first.

    user_ids: String series [n]. items: int64 [n, k] item rows, -1 where a user has fewer than k candidates.
    scores: float32 [n, k]. catalogue: the ids of all items. user_type: the type of the user ids in frames; item
    ids have that of the catalogue.
    """

    user_ids: pl.Series
    items: NDArray[np.int64]
    scores: NDArray[np.float32]
    catalogue: Vocabulary
    user_type: IdType = "string"

    def to_polars(self) -> pl.DataFrame:
        """Return a frame with one row per recommendation: user_id, item_id, rank (from 1), score."""
        n, k = self.items.shape
        is_item = self.items.reshape(-1) >= 0
        positions = np.repeat(np.arange(n, dtype=np.int64), k)[is_item]
        return pl.DataFrame(
            {
                "user_id": with_type(self.user_ids.gather(pl.Series(positions)), self.user_type),
                "item_id": self.catalogue.as_given(self.items.reshape(-1)[is_item]),
                "rank": np.tile(np.arange(1, k + 1, dtype=np.int32), n)[is_item],
                "score": self.scores.reshape(-1)[is_item],
            }
        )

    def to_lists(self) -> pl.DataFrame:
        """Return a frame with one row per user: user_id, item_ids (a list, best first)."""
        k = self.items.shape[1]
        items = self.catalogue.as_given(np.maximum(self.items, 0).reshape(-1))
        names = items.to_list()
        counts = (self.items >= 0).sum(axis=1)  # -1 comes last
        lists = [names[row * k : row * k + int(count)] for row, count in enumerate(counts)]
        users = with_type(self.user_ids, self.user_type)
        return pl.DataFrame({"user_id": users, "item_ids": pl.Series(lists, dtype=pl.List(items.dtype))})

    def to_pandas(self) -> Any:
        """Return the same rows as a pandas DataFrame; ids that came as UUIDs are UUIDs."""
        frame = self.to_arrow().to_pandas()
        for column, id_type in (("user_id", self.user_type), ("item_id", self.catalogue.id_type)):
            if id_type == "uuid":
                frame[column] = frame[column].map(UUID).astype(object)
        return frame

    def to_arrow(self) -> Any:
        """Return the same rows as an Arrow table."""
        import pyarrow as pa

        # column by column: this way polars needs none of its threads, which a forked process lacks
        return pa.table({column.name: column.to_arrow() for column in self.to_polars()})
