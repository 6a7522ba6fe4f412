"""The nearest neighbours of each item in one modality: given with the data, or computed from its features."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from triptych.display import card_with_shapes, displayed


@displayed(card_with_shapes)
@dataclass(frozen=True)
class Neighbours:
    """The nearest neighbours of each item, nearest first.

    items: int64 [n_items, k] item rows, -1 where an item has fewer than k. cosines: float32 [n_items, k], 0 there.
    """

    items: NDArray[np.int64]
    cosines: NDArray[np.float32]

    def filter(self, kept: NDArray[np.bool_]) -> Neighbours:
        """Return only the neighbours where `kept`, bool [n_items, k], is true; the order stays nearest first."""
        order = np.argsort(~kept, axis=1, kind="stable")
        items = np.take_along_axis(np.where(kept, self.items, -1), order, axis=1)
        return Neighbours(items, np.take_along_axis(np.where(kept, self.cosines, np.float32(0)), order, axis=1))

    @property
    def k(self) -> int:
        """The largest number of neighbours per item."""
        return int(self.items.shape[1])
