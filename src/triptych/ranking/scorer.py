"""Scorer: all that ranking ever asks of a model. Factors: an inner product. ItemWeights: history times weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse
from torch import Tensor

from triptych.data.interactions import Interactions


class Scorer(Protocol):
    """Whatever gives every item a score for some users."""

    @property
    def n_users(self) -> int: ...

    @property
    def n_items(self) -> int: ...

    def score(self, users: NDArray[np.int64]) -> Tensor:
        """float32 [n, n_items]: the scores of all items for user rows int64 [n]; seen items not masked."""
        ...

    def similarity(self, item: int) -> Tensor:
        """float32 [n_items]: how near every item is to one item row."""
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

    def similarity(self, item: int) -> Tensor:
        """Cosines of the representations; see Scorer."""
        unit = torch.nn.functional.normalize(self.items, dim=1)
        return unit @ unit[item]


@dataclass(frozen=True)
class ItemWeights:
    """s(u, i) = Σ over j ∈ N(u) of weights[j, i]: what every item taken says of every other.

    history: what the users took. weights: float32 [n_items, n_items], dense (may be a memory map) or sparse.
    """

    history: Interactions
    weights: NDArray[np.float32] | sparse.csr_array

    @property
    def n_users(self) -> int:
        return self.history.n_users

    @property
    def n_items(self) -> int:
        return self.history.n_items

    def score(self, users: NDArray[np.int64]) -> Tensor:
        """float32 [n, n_items]; see Scorer."""
        positions, items = self.history.of(users)
        ones, shape = np.ones(len(items), dtype=np.float32), (len(users), self.n_items)
        product: Any = sparse.csr_array((ones, (positions, items)), shape=shape) @ self.weights
        return torch.from_numpy(np.ascontiguousarray(product if isinstance(product, np.ndarray) else product.toarray()))

    def similarity(self, item: int) -> Tensor:
        """What taking the item says of the others; see Scorer."""
        row: Any = self.weights[[item]]
        return torch.from_numpy(np.array(row if isinstance(row, np.ndarray) else row.toarray(), dtype=np.float32)[0])

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The weights as named arrays, for a file; `ItemWeights.of_arrays` reads them."""
        if isinstance(self.weights, np.ndarray):
            return {"weights": self.weights}
        return {name: getattr(self.weights, name) for name in ("indptr", "indices", "data")}

    @classmethod
    def of_arrays(cls, history: Interactions, arrays: dict[str, NDArray[Any]]) -> ItemWeights:
        """The inverse of `arrays`. Maps stay maps."""
        if "weights" in arrays:
            return cls(history, arrays["weights"])
        parts = tuple(np.array(arrays[name]) for name in ("data", "indices", "indptr"))
        return cls(history, sparse.csr_array(parts, shape=(history.n_items, history.n_items)))
