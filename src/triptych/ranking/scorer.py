"""Scorer: all that ranking ever asks of a model. Factors: an inner product. ItemWeights: history times weights.

Blend: several of them, weighed. Among: one of them, of some items only.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Iterable
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

    history: what the users took. weights: float32 [n_items, n_items], dense (may be a memory map) or sparse. A model
    whose weights are products of sparse matrices keeps them as such, as the product would be large: with x the 0/1 row
    of what the user took, s(u) = (x + x spread) weights + x direct.
    """

    history: Interactions
    weights: NDArray[np.float32] | sparse.csr_array
    spread: sparse.csr_array | None = None
    direct: sparse.csr_array | None = None

    @property
    def n_users(self) -> int:
        return self.history.n_users

    @property
    def n_items(self) -> int:
        return self.history.n_items

    def score(self, users: NDArray[np.int64]) -> Tensor:
        """float32 [n, n_items]; see Scorer."""
        return torch.from_numpy(self._scores_of(self.history.to_csr(users)))

    def similarity(self, item: int) -> Tensor:
        """What taking the item says of the others; see Scorer."""
        one = sparse.csr_array((np.ones(1, dtype=np.float32), ([0], [item])), shape=(1, self.n_items))
        return torch.from_numpy(self._scores_of(one)[0])

    def item_attributions(self, item: int) -> NDArray[np.float64]:
        """float64 [n_items]: what having taken each item adds to the score of one. A user's score is the sum."""
        attributions = _column(self.weights, item)
        if self.spread is not None:
            attributions = attributions + self.spread @ attributions
        return attributions if self.direct is None else attributions + _column(self.direct, item)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The matrices as named arrays, for a file; `ItemWeights.from_arrays` reads them."""
        if isinstance(self.weights, np.ndarray):
            return {"weights": self.weights}
        matrices = {"": self.weights, "spread_": self.spread, "direct_": self.direct}
        return {
            f"{prefix}{name}": getattr(matrix, name)
            for prefix, matrix in matrices.items()
            if matrix is not None
            for name in ("indptr", "indices", "data")
        }

    @classmethod
    def from_arrays(cls, history: Interactions, arrays: dict[str, NDArray[Any]]) -> ItemWeights:
        """The inverse of `arrays`. Maps stay maps."""
        if "weights" in arrays:
            return cls(history, arrays["weights"])

        def matrix(prefix: str) -> sparse.csr_array:
            parts = tuple(np.array(arrays[f"{prefix}{name}"]) for name in ("data", "indices", "indptr"))
            return sparse.csr_array(parts, shape=(history.n_items, history.n_items))

        others = [matrix(prefix) if f"{prefix}data" in arrays else None for prefix in ("spread_", "direct_")]
        return cls(history, matrix(""), *others)

    def _scores_of(self, histories: sparse.csr_array) -> NDArray[np.float32]:
        """float32 [n, n_items]: the scores of histories, 0/1 [n, n_items]."""
        spread: Any = histories if self.spread is None else histories + histories @ self.spread
        scores: Any = spread @ self.weights
        if self.direct is not None:
            scores = scores + histories @ self.direct
        return np.ascontiguousarray(scores if isinstance(scores, np.ndarray) else scores.toarray(), dtype=np.float32)


def _column(matrix: NDArray[np.float32] | sparse.csr_array, item: int) -> NDArray[np.float64]:
    one = matrix[:, item] if isinstance(matrix, np.ndarray) else matrix[:, [item]].toarray()[:, 0]
    return np.asarray(one, dtype=np.float64)


@dataclass(frozen=True)
class Blend:
    """s(u, i) = Σ over scorers of weight · (its score − the mean of u's scores) / their standard deviation.

    So that every scorer has the same say a unit of weight, whatever its scores are measured in.
    """

    scorers: tuple[Factors | ItemWeights, ...]
    weights: tuple[float, ...]

    @property
    def n_users(self) -> int:
        return self.scorers[0].n_users

    @property
    def n_items(self) -> int:
        return self.scorers[0].n_items

    def score(self, users: NDArray[np.int64]) -> Tensor:
        """float32 [n, n_items]; see Scorer."""
        return _added(weight * standardised(each.score(users)) for each, weight in self._weighed())

    def similarity(self, item: int) -> Tensor:
        """The scorers' similarities, blended as their scores are; see Scorer."""
        return _added(weight * standardised(each.similarity(item)[None])[0] for each, weight in self._weighed())

    def _weighed(self) -> list[tuple[Factors | ItemWeights, float]]:
        return list(zip(self.scorers, self.weights, strict=True))


def _added(parts: Iterable[Tensor]) -> Tensor:
    """Their sum, two of them in memory at a time."""
    return functools.reduce(operator.iadd, parts)


@dataclass(frozen=True)
class RestrictedScorer:
    """Another scorer's scores of some items, bool [n_items]; the others have -inf and are never ranked.

    Where it gives all of them the same score, as popularity does items that nobody took, they stand in a random order,
    the same for everybody: the order of their rows may tell what the scorer does not know.
    """

    scorer: Scorer
    items: NDArray[np.bool_]

    @property
    def n_users(self) -> int:
        return self.scorer.n_users

    @property
    def n_items(self) -> int:
        return self.scorer.n_items

    def score(self, users: NDArray[np.int64]) -> Tensor:
        """float32 [n, n_items]; see Scorer."""
        scores = self.scorer.score(users)
        chosen = torch.from_numpy(self.items).to(scores.device)
        theirs = scores[:, chosen]
        by_chance = torch.from_numpy(np.random.default_rng(0).random(theirs.shape[1])).to(theirs)
        differ = theirs.amax(dim=1, keepdim=True) > theirs.amin(dim=1, keepdim=True)
        scores[:, chosen] = torch.where(differ, theirs, by_chance)
        return scores.masked_fill_(~chosen, -torch.inf)

    def similarity(self, item: int) -> Tensor:
        """The other scorer's; see Scorer."""
        return self.scorer.similarity(item)


def standardised(scores: Tensor) -> Tensor:
    """Rows of scores [n, n_items] brought to mean 0 and standard deviation 1; a row of equal scores to zeros."""
    centred = scores - scores.mean(dim=1, keepdim=True)
    return centred / centred.square().mean(dim=1, keepdim=True).sqrt().clamp_min(1e-12)
