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

    @property
    def k(self) -> int:
        """How many neighbours an item has at most."""
        return int(self.items.shape[1])
