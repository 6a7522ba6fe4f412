"""New users without training: a scorer from their histories.

Item weights score any history. For factors, the vectors of the known users are regressed on their histories:

    a_u = [Σ_{i ∈ N(u)} h_i / √(d_u d_i) ; mean of h_i over N(u)]        columns standardised
    M = argmin Σ_u ‖a_u M − (h_u − mean h)‖² + λ n ‖M‖²                   over known users
    a new user's vector = a_u M + mean h

This works for every model that ranks by an inner product. It is linear in the user's items, so the part of each item
is known.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from triptych.data.interactions import Interactions
from triptych.ranking.own_scorer import require_ours
from triptych.ranking.scorer import Blend, Factors, ItemWeights, Scorer

RIDGE = 1e-2  # λ
USERS = 50_000  # at most so many known users are used for the regression


def new_user_scorer(scorer: Scorer, train: Interactions, histories: Interactions) -> Factors | ItemWeights | Blend:
    """Return a scorer for new users. histories: their interactions, with user rows of their own and the same items.

    train: the training interactions of the scorer's users. Raises InputError for a scorer from outside the package.
    """
    scorer = require_ours(scorer, "asked for users that it does not know")
    if isinstance(scorer, ItemWeights):
        return replace(scorer, history=histories)
    if isinstance(scorer, Blend):
        scorers = []
        for each in scorer.scorers:
            one = new_user_scorer(each, train, histories)
            assert not isinstance(one, Blend)  # a blend never contains a blend
            scorers.append(one)
        return Blend(tuple(scorers), scorer.weights)
    return Factors(history_map(scorer, train).vectors(histories), scorer.items)


@dataclass(frozen=True)
class HistoryMap:
    """M of the equations above, without the standardisation: a linear map from histories to user vectors.

    propagated, averaged: float64 [n_items, d]. Item i adds propagated_i / √n + averaged_i / n to a user with n items.
    constant: float64 [d]. explained: the share of Σ‖h_u − mean h‖² over known users that the map explains.
    """

    propagated: NDArray[np.float64]
    averaged: NDArray[np.float64]
    constant: NDArray[np.float64]
    explained: float

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
    """Fit M to the known users of `train`, or to `USERS` of them, evenly chosen."""
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
    residual = float(np.square(h - design_matrix @ M - constant).sum())
    total, d = float(np.square(h - h.mean(axis=0)).sum()) or 1.0, items.shape[1]
    return HistoryMap(hops @ M[:d], items @ M[d:], constant, 1 - residual / total)
