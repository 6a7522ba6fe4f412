"""Users that training never saw, from the items they took: a scorer for them, at once.

Item weights speak of any history. For factors, the known users' vectors are regressed on what they took:

    a_u = [Σ_{i ∈ N(u)} h_i / √(d_u d_i) ; mean of h_i over N(u) ; 1]        every column scaled to deviation 1
    M = argmin Σ_u ‖a_u M − h_u‖² + λ n ‖M‖²                                  over known users
    a new user's vector = a_u M

So it serves every model that ranks by an inner product, whatever made the vectors; it is linear in the user's items.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse

from triptych.data.interactions import Interactions
from triptych.ranking.scorer import Blend, Factors, ItemWeights

RIDGE = 1e-2  # λ
USERS = 50_000  # known users that the regression looks at


def scorer_of_new(
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
            one = scorer_of_new(each, train, histories)
            assert not isinstance(one, Blend)  # a blend's parts are none themselves
            scorers.append(one)
        return Blend(tuple(scorers), scorer.weights)
    return Factors(user_vectors(scorer, train, histories), scorer.items)


def user_vectors(factors: Factors, train: Interactions, histories: Interactions) -> torch.Tensor:
    """float32 [n_users of the histories, d] on the factors' device; see the module."""
    items = factors.items.cpu().numpy().astype(np.float64)
    degrees = np.maximum(train.item_degrees, 1)
    known = np.flatnonzero(train.user_degrees)
    known = known[np.unique(np.linspace(0, len(known) - 1, USERS).astype(np.int64))]
    told = _told(train, known, items, degrees)
    scale = told.std(axis=0)
    scale[scale < 1e-12] = 1.0
    told /= scale
    gram = told.T @ told + RIDGE * len(told) * np.eye(told.shape[1])
    M = np.linalg.solve(gram, told.T @ factors.users[torch.from_numpy(known)].cpu().numpy())
    new = _told(histories, np.arange(histories.n_users), items, degrees) / scale @ M
    return torch.from_numpy(new.astype(np.float32)).to(factors.items.device)


def _told(
    taken: Interactions, users: NDArray[np.int64], items: NDArray[np.float64], degrees: NDArray[np.int64]
) -> NDArray[np.float64]:
    """a_u of some users, [n, 2 d + 1]."""
    positions, columns = taken.of(users)
    ones = np.ones(len(columns))
    X = sparse.csr_array((ones, (positions, columns)), shape=(len(users), taken.n_items))
    n_taken = np.maximum(taken.user_degrees[users], 1)[:, None]
    travelled = X @ (items / np.sqrt(degrees)[:, None]) / np.sqrt(n_taken)
    return np.concatenate([travelled, X @ items / n_taken, np.ones((len(users), 1))], axis=1)
