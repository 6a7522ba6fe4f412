"""Scorer: all that ranking ever asks of a model. Factors: two matrices whose inner product ranks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


class Scorer(Protocol):
    """Whatever gives every item a score for some users."""

    @property
    def n_users(self) -> int: ...

    @property
    def n_items(self) -> int: ...

    def score(self, users: NDArray[np.int64]) -> Tensor:
        """float32 [n, n_items]: the scores of all items for user rows int64 [n]; seen items not masked."""
        ...


@dataclass(frozen=True)
class Factors:
    """Inner products: float32 users [n_users, d] and items [n_items, d], on one device."""

    users: Tensor
    items: Tensor

    @property
    def n_users(self) -> int:
        return int(self.users.shape[0])

    @property
    def n_items(self) -> int:
        return int(self.items.shape[0])

    def score(self, users: NDArray[np.int64]) -> Tensor:
        """float32 [n, n_items] on the factors' device; see Scorer."""
        return self.users[torch.from_numpy(users).to(self.users.device)] @ self.items.T
