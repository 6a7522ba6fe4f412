"""Scorers: everything that ranking needs from a model.

Factors: an inner product. ItemWeights: history times weights. Blend: a weighted sum of several scorers, also of
scores that were made elsewhere (`given_scores.py`).
RestrictedScorer: another scorer for some of the items only.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse
from torch import Tensor

from triptych.data.interactions import Interactions
from triptych.display import card_with_shapes, displayed
from triptych.ranking.given_scores import GivenScores
from triptych.ranking.unit_vectors import table_vectors, unit_rows, weight_vectors


class Scorer(Protocol):
    """Scores all items for some users. One of your own may be any object that has these; see `own_scorer.py`."""

    @property
    def n_users(self) -> int: ...

    @property
    def n_items(self) -> int: ...

    def score(self, users: NDArray[np.int64]) -> Tensor:
        """float32 [n, n_items]: the scores of all items for user rows int64 [n]; seen items not masked."""
        ...


@displayed(card_with_shapes)
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
        """float32 [n_items]: the cosine of each representation to one item's."""
        unit = torch.nn.functional.normalize(self.items, dim=1)
        return unit @ unit[item]

    @cached_property
    def item_vectors(self) -> NDArray[np.float32]:
        """float32 [n_items, d]: unit vectors; see `ranking/item_vectors.py`."""
        return table_vectors(self.items.detach().cpu().numpy().astype(np.float32, copy=False))


SPARSE = {"": "weights", "spread_": "spread", "direct_": "direct"}  # prefix of stored arrays -> matrix of ItemWeights
SPARSE_PARTS = ("data", "indices", "indptr")  # the arrays of a sparse matrix, in the order of csr_array


@displayed(card_with_shapes)
@dataclass(frozen=True)
class ItemWeights:
    """s(u, i) = Σ over j ∈ N(u) of weights[j, i]: each item of the user's history adds its weight.

    history: the interactions of the users. weights: float32 [n_items, n_items], dense (may be a memory map) or sparse.
    Some models have weights that are products of sparse matrices. They keep the factors, since the product would be
    large: with x the 0/1 row of a user's history, s(u) = (x + x spread) weights + x direct.
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
        """float32 [n_items]: the scores of a user whose history is this one item."""
        one = sparse.csr_array((np.ones(1, dtype=np.float32), ([0], [item])), shape=(1, self.n_items))
        return torch.from_numpy(self._scores_of(one)[0])

    def item_attributions(self, item: int) -> NDArray[np.float64]:
        """float64 [n_items]: what each item of a history adds to the score of `item`; the score is the sum."""
        attributions = _column(self.weights, item)
        if self.spread is not None:
            attributions = attributions + self.spread @ attributions
        return attributions if self.direct is None else attributions + _column(self.direct, item)

    @cached_property
    def item_vectors(self) -> NDArray[np.float32]:
        """float32 [n_items, d]: unit vectors; see `ranking/item_vectors.py`."""
        return weight_vectors(self.weights, self.spread, self.direct)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the matrices as named arrays, to be stored; `ItemWeights.from_arrays` reads them."""
        if isinstance(self.weights, np.ndarray):
            return {"weights": self.weights}
        return {
            f"{prefix}{part}": getattr(matrix, part)
            for prefix, name in SPARSE.items()
            if (matrix := getattr(self, name)) is not None
            for part in SPARSE_PARTS
        }

    @classmethod
    def from_arrays(cls, history: Interactions, arrays: dict[str, NDArray[Any]]) -> ItemWeights:
        """Create item weights from the result of `arrays`. Memory maps are not copied."""
        if "weights" in arrays:
            return cls(history, arrays["weights"])

        def matrix(prefix: str) -> sparse.csr_array:
            parts = tuple(np.array(arrays[f"{prefix}{part}"]) for part in SPARSE_PARTS)
            return sparse.csr_array(parts, shape=(history.n_items, history.n_items))

        matrices = {name: matrix(prefix) for prefix, name in SPARSE.items() if not prefix or f"{prefix}data" in arrays}
        return cls(history, **matrices)

    def _scores_of(self, histories: sparse.csr_array) -> NDArray[np.float32]:
        """float32 [n, n_items]: the scores for histories, 0/1 [n, n_items]."""
        spread: Any = histories if self.spread is None else histories + histories @ self.spread
        scores: Any = spread @ self.weights
        if self.direct is not None:
            scores = scores + histories @ self.direct
        return np.ascontiguousarray(scores if isinstance(scores, np.ndarray) else scores.toarray(), dtype=np.float32)


def _column(matrix: NDArray[np.float32] | sparse.csr_array, item: int) -> NDArray[np.float64]:
    one = matrix[:, item] if isinstance(matrix, np.ndarray) else matrix[:, [item]].toarray()[:, 0]
    return np.asarray(one, dtype=np.float64)


SimpleScorer = Factors | ItemWeights | GivenScores  # what a blend is made of


@displayed(card_with_shapes)
@dataclass(frozen=True)
class Blend:
    """s(u, i) = Σ over scorers of weight · (score − mean of u's scores) / their standard deviation.

    Standardising makes weights comparable, whatever the scale of each scorer's scores. Given scores are standardised
    over the given pairs; see `given_scores.py`.
    """

    scorers: tuple[SimpleScorer, ...]
    weights: tuple[float, ...]

    @property
    def n_users(self) -> int:
        return self.scorers[0].n_users

    @property
    def n_items(self) -> int:
        return self.scorers[0].n_items

    def score(self, users: NDArray[np.int64]) -> Tensor:
        """float32 [n, n_items]; see Scorer."""
        return _sum(weight * standardised_scores(each, users) for each, weight in self._weighted())

    def similarity(self, item: int) -> Tensor:
        """float32 [n_items]: the scorers' similarities to one item, blended as their scores are."""
        return _sum(weight * standardised(each.similarity(item)[None])[0] for each, weight in self._weighted())

    @cached_property
    def item_vectors(self) -> NDArray[np.float32]:
        """float32 [n_items, d]: unit vectors; see `ranking/item_vectors.py`."""
        return unit_rows(
            np.concatenate([each.item_vectors * np.float32(abs(weight) ** 0.5) for each, weight in self._weighted()], 1)
        )

    def _weighted(self) -> list[tuple[SimpleScorer, float]]:
        return list(zip(self.scorers, self.weights, strict=True))


OurScorer = SimpleScorer | Blend  # the scorers that can be stored


def _sum(parts: Iterable[Tensor]) -> Tensor:
    """Return the sum; only two of the tensors are in memory at a time."""
    return functools.reduce(operator.iadd, parts)


@displayed(card_with_shapes)
@dataclass(frozen=True)
class RestrictedScorer:
    """Scores of another scorer for some items, bool [n_items]; the others get -inf and are never ranked.

    If all of these items have the same score, as cold items have by popularity, they are ranked in a random order that
    is the same for all users. The order of the rows must not count: it may carry information that the scorer lacks.
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
        restricted = scores[:, chosen]
        random_order = torch.from_numpy(np.random.default_rng(0).random(restricted.shape[1])).to(restricted)
        differ = restricted.amax(dim=1, keepdim=True) > restricted.amin(dim=1, keepdim=True)
        differ |= restricted.isneginf().all(dim=1, keepdim=True)  # no score is no equal score
        scores[:, chosen] = torch.where(differ, restricted, random_order)
        return scores.masked_fill_(~chosen, -torch.inf)


@displayed(card_with_shapes)
@dataclass(frozen=True)
class _SomeItems:
    """Another scorer for some items only, int64 [m] rows: their scores are the same, item n is rows[n]."""

    scorer: Scorer
    rows: NDArray[np.int64]

    @property
    def n_users(self) -> int:
        return self.scorer.n_users

    @property
    def n_items(self) -> int:
        return len(self.rows)

    def score(self, users: NDArray[np.int64]) -> Tensor:
        """float32 [n, m]; see Scorer."""
        scores = self.scorer.score(users)
        return scores[:, torch.from_numpy(self.rows).to(scores.device)]


def scorer_of_items(scorer: Scorer, rows: NDArray[np.int64]) -> Scorer:
    """Return a scorer that knows only some items, int64 [m] rows: item n of it is rows[n]."""
    if isinstance(scorer, Factors):
        return Factors(scorer.users, scorer.items[torch.from_numpy(rows).to(scorer.items.device)])
    return _SomeItems(scorer, rows)


def standardised_scores(scorer: SimpleScorer, users: NDArray[np.int64]) -> Tensor:
    """float32 [n, n_items]: the standardised scores of users, as a blend adds them up."""
    return scorer.standardised(users) if isinstance(scorer, GivenScores) else standardised(scorer.score(users))


def standardised(scores: Tensor) -> Tensor:
    """Standardise each row of scores [n, n_items] to mean 0 and standard deviation 1; equal scores become zeros."""
    centred = scores - scores.mean(dim=1, keepdim=True)
    return centred / centred.square().mean(dim=1, keepdim=True).sqrt().clamp_min(1e-12)
