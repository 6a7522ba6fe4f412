"""Users' representations as a linear function of their items', where the model itself is not linear in them.

x_u = 1/√|N(u)| Σ over j ∈ N(u) of h_j        h_u ≈ x_u M        M = (XᵀX + λI)⁻¹ XᵀH

λ is a thousandth of the mean of XᵀX's diagonal.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse
from torch import Tensor

from triptych.data.interactions import Interactions
from triptych.ranking.scorer import Factors

RIDGE = 1e-3


@dataclass(frozen=True)
class Regressed:
    """M float64 [d, d]; items: the items' representations [n_items, d]; accounts_for: the share of Σ‖h_u‖² that it
    gives, over users with items."""

    M: Tensor
    items: Tensor
    accounts_for: float

    def rows(self, taken: NDArray[np.int64]) -> Tensor:
        """Each item's part of the user who took `taken`, int64 [n]: float64 [n, d]."""
        x: Tensor = self.items[torch.from_numpy(taken)].double() / max(1, len(taken)) ** 0.5
        return x @ self.M


def regressed(known: Interactions, factors: Factors) -> Regressed:
    """Fit M over the users who took anything."""
    degrees = known.user_degrees
    weights = (1 / np.sqrt(np.maximum(degrees, 1)))[known.users]
    taken = sparse.csr_array((weights, (known.users, known.items)), shape=(known.n_users, known.n_items))
    has = degrees > 0
    x = torch.from_numpy((taken @ factors.items.double().numpy())[has])
    h = factors.users.double()[torch.from_numpy(has)]
    gram = x.T @ x
    ridge = RIDGE * float(gram.diagonal().mean()) or 1.0
    M = torch.linalg.solve(gram + ridge * torch.eye(len(gram), dtype=torch.float64), x.T @ h)
    whole = float(h.square().sum()) or 1.0
    return Regressed(M, factors.items, 1 - float((h - x @ M).square().sum()) / whole)
