"""Users that training never saw, from the items they took: a scorer for them, at once.

Item weights speak of any history. For factors, the known users' vectors are regressed on what they took:

    a_u = [Σ_{i ∈ N(u)} h_i / √(d_u d_i) ; mean of h_i over N(u)]        every column of mean 0 and deviation 1
    M = argmin Σ_u ‖a_u M − (h_u − mean h)‖² + λ n ‖M‖²                   over known users
    a new user's vector = a_u M + mean h

So it serves every model that ranks by an inner product, whatever made the vectors; it is linear in the user's items,
and says what each of them adds.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from triptych.data.interactions import Interactions
from triptych.ranking.scorer import Blend, Factors, ItemWeights

RIDGE = 1e-2  # λ
USERS = 50_000  # known users that the regression looks at


def new_user_scorer(
    scorer: Factors | ItemWeights | Blend, train: Interactions, histories: Interactions
) -> Factors | ItemWeights | Blend:
    """The scorer of users who took `histories`, rows of its own users, over the same items.

    train: what the scorer's own users took in training.
    """
    if isinstance(scorer, ItemWeights):
        return replace(scorer, history=histories)
    if isinstance(scorer, Blend):
        scorers = []
        for each in scorer.scorers:
            one = new_user_scorer(each, train, histories)
            assert not isinstance(one, Blend)  # a blend's parts are none themselves
            scorers.append(one)
        return Blend(tuple(scorers), scorer.weights)
    return Factors(history_map(scorer, train).vectors(histories), scorer.items)


@dataclass(frozen=True)
class HistoryMap:
    """M of the module's equations, the scales undone: what a history says of its user's vector.

    propagated, averaged: float64 [n_items, d], what item i adds to a user of n items: propagated_i / √n + averaged_i / n.
    constant: float64 [d]. accounts_for: the share of Σ‖h_u − mean h‖² over known users that it gives.
    """

    propagated: NDArray[np.float64]
    averaged: NDArray[np.float64]
    constant: NDArray[np.float64]
    accounts_for: float

    def vectors(self, histories: Interactions) -> Tensor:
        """float32 [n_users, d]: the vector of each user of `histories`."""
        X: Any = histories.to_csr(dtype=np.float64)
        n = np.maximum(histories.user_degrees, 1)[:, None]
        vectors = X @ self.propagated / np.sqrt(n) + X @ self.averaged / n + self.constant
        return torch.from_numpy(vectors.astype(np.float32))

    def item_parts(self, history: NDArray[np.int64]) -> NDArray[np.float64]:
        """float64 [n, d]: what each item of one user's history, int64 [n], adds to the user's vector."""
        n = max(1, len(history))
        return np.asarray(self.propagated[history] / n**0.5 + self.averaged[history] / n)


def history_map(factors: Factors, train: Interactions) -> HistoryMap:
    """Fit M to the known users of `train`, or to `USERS` of them."""
    items = factors.items.cpu().numpy().astype(np.float64)
    hops = items / np.sqrt(np.maximum(train.item_degrees, 1))[:, None]
    known = np.flatnonzero(train.user_degrees)
    known = known[np.unique(np.linspace(0, len(known) - 1, USERS).astype(np.int64))]
    X: Any = train.to_csr(known, dtype=np.float64)
    n = train.user_degrees[known][:, None]
    design_matrix = np.concatenate([X @ hops / np.sqrt(n), X @ items / n], axis=1)
    mean, h = design_matrix.mean(axis=0), factors.users[torch.from_numpy(known)].cpu().numpy().astype(np.float64)
    scale = design_matrix.std(axis=0)
    scale[scale < 1e-12] = 1.0
    a = (design_matrix - mean) / scale
    gram = a.T @ a + RIDGE * len(a) * np.eye(a.shape[1])
    M = np.linalg.solve(gram, a.T @ (h - h.mean(axis=0))) / scale[:, None]
    constant = h.mean(axis=0) - mean @ M
    left = float(np.square(h - design_matrix @ M - constant).sum())
    apart, d = float(np.square(h - h.mean(axis=0)).sum()) or 1.0, items.shape[1]
    return HistoryMap(hops @ M[:d], items @ M[d:], constant, 1 - left / apart)
