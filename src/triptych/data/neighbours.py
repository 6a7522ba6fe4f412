"""Which items are nearest to which, by one modality: given with the data, or found from its features."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Neighbours:
    """items: int64 [n_items, k], nearest first, -1 where there are fewer; cosines: float32 [n_items, k], 0 there."""

    items: NDArray[np.int64]
    cosines: NDArray[np.float32]

    def where(self, kept: NDArray[np.bool_]) -> Neighbours:
        """Those neighbours that are kept, bool [n_items, k], nearest first still."""
        order = np.argsort(~kept, axis=1, kind="stable")
        items = np.take_along_axis(np.where(kept, self.items, -1), order, axis=1)
        return Neighbours(items, np.take_along_axis(np.where(kept, self.cosines, np.float32(0)), order, axis=1))

    @property
    def k(self) -> int:
        """How many neighbours an item has at most."""
        return int(self.items.shape[1])
