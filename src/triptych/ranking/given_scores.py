"""Scores that were made elsewhere, of some pairs of users and items, as a scorer: alone, or as a member of a blend.

Alone, a pair without a score is never ranked. In a blend it ranks below all pairs of its user with one:

    z(u, i) = (score − mean of u's given scores) / their standard deviation          for given pairs
    z(u, i) = lowest z of u − 1                                                      for the others
    z(u, i) = 0                                                                      for users without scores

So a weight means the same for ten scores per user as for ten thousand, and scores of all pairs are standardised as
those of every model.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse
from torch import Tensor

from triptych.display import card_with_shapes, displayed

GIVEN = "given-scores"  # the name in the place of a model's
SMALLEST = 1e-12  # a standard deviation below this one is that of equal scores


@displayed(card_with_shapes)
@dataclass(frozen=True)
class GivenScores:
    """Given scores. scores: float32 [n_users, n_items], sparse: what is stored is given, zeros too."""

    scores: sparse.csr_array

    @classmethod
    def from_pairs(
        cls, users: NDArray[np.int64], items: NDArray[np.int64], scores: NDArray[np.float64], shape: tuple[int, int]
    ) -> GivenScores:
        """Create the scorer from distinct pairs of rows, int64 [n] each, and their scores, float64 [n]."""
        order = np.lexsort((items, users))
        starts = np.searchsorted(users[order], np.arange(shape[0] + 1))
        data = scores[order].astype(np.float32)
        return cls(sparse.csr_array((data, items[order], starts), shape=shape))

    def with_users(self, n_users: int) -> GivenScores:
        """Return the same scores for more users; those added at the end have none."""
        starts = np.pad(self.scores.indptr, (0, n_users - self.n_users), mode="edge")
        shape = (n_users, self.n_items)
        return GivenScores(sparse.csr_array((self.scores.data, self.scores.indices, starts), shape=shape))

    @property
    def n_users(self) -> int:
        return int(self.scores.shape[0])

    @property
    def n_items(self) -> int:
        return int(self.scores.shape[1])

    @property
    def has_scores(self) -> NDArray[np.bool_]:
        """bool [n_users]: who has a given score."""
        return np.asarray(np.diff(self.scores.indptr) > 0)

    def score(self, users: NDArray[np.int64]) -> Tensor:
        """float32 [n, n_items]; -inf, which is never ranked, for pairs without a score."""
        positions, items, values = self._given(users)
        result = np.full((len(users), self.n_items), -np.inf, dtype=np.float32)
        result[positions, items] = values
        return torch.from_numpy(result)

    def standardised(self, users: NDArray[np.int64]) -> Tensor:
        """float32 [n, n_items]: z of the equations above."""
        positions, items, values = self._given(users)
        n = np.maximum(np.bincount(positions, minlength=len(users)), 1)
        centred = values - (np.bincount(positions, values, len(users)) / n)[positions]
        deviation = np.sqrt(np.bincount(positions, np.square(centred), len(users)) / n)
        z = centred / np.maximum(deviation, SMALLEST)[positions]
        lowest = np.full(len(users), np.inf)
        np.minimum.at(lowest, positions, z)
        others = np.where(np.isfinite(lowest), lowest - 1, 0).astype(np.float32)
        result = np.repeat(others[:, None], self.n_items, axis=1)
        result[positions, items] = z
        return torch.from_numpy(result)

    def similarity(self, item: int) -> Tensor:
        """float32 [n_items]: zeros, because given scores do not say which items are similar."""
        return torch.zeros(self.n_items)

    @property
    def item_vectors(self) -> NDArray[np.float32]:
        """float32 [n_items, 1]: zeros; see `similarity`."""
        return np.zeros((self.n_items, 1), dtype=np.float32)

    def _given(self, users: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
        """Return the given scores of users: positions in `users`, item rows and scores."""
        indptr = self.scores.indptr.astype(np.int64)
        begins, lengths = indptr[users], np.diff(indptr)[users]
        positions = np.repeat(np.arange(len(users)), lengths)
        offsets = np.arange(len(positions)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        at = np.repeat(begins, lengths) + offsets
        return positions, self.scores.indices[at].astype(np.int64), self.scores.data[at].astype(np.float64)
