"""The content of users: a linear map of the features of every modality that they have."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from triptych.data.features import Features
from triptych.models.decomposition import of_user
from triptych.models.feature_rows import FeatureRows


class UserContent(nn.Module):
    """Σ_m (V_m f_u^m + c_m): what the features of a user add to the user's embedding.

    V and c start at zero, so that training starts where it would without features of users. A modality that a user
    lacks adds nothing.
    """

    def __init__(self, features: Mapping[str, Features], width: int) -> None:
        super().__init__()
        self.names = list(features)
        self.features = [FeatureRows(each) for each in features.values()]
        self.rows = nn.ModuleList(self.features)
        self.weights = nn.ParameterList([torch.zeros(width, each.width) for each in features.values()])
        self.biases = nn.ParameterList([torch.zeros(width) for _ in features])

    def forward(self, users: Tensor | None = None) -> Tensor:
        """Return the sum for user rows int64 [n], or for all users (None): [n, width]."""
        return torch.stack([part for _, part in self._parts(users)]).sum(dim=0)

    @torch.no_grad()
    def parts(self) -> dict[str, Tensor]:
        """Return the terms of all users by name, [n_users, width] each."""
        return {of_user(name): part for name, part in self._parts(None)}

    def _parts(self, users: Tensor | None) -> list[tuple[str, Tensor]]:
        parameters = zip(self.names, self.features, self.weights, self.biases, strict=True)
        return [(name, rows.project(V, c, users, keep=False)[0]) for name, rows, V, c in parameters]
