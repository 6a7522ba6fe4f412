"""VBPR: item i is [e_i ‖ W f_i + b], with f_i the concatenation of all modalities. Users have twice the width."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from benchmarks.textbook.model import TextbookModel, bpr_loss, feature_table, norms, xavier
from triptych.data.dataset import Dataset
from triptych.models import vbpr


class VBPR(TextbookModel):
    """The whole feature table is projected at every step."""

    features: Tensor

    def __init__(self, dataset: Dataset, settings: vbpr.VBPR.Settings) -> None:
        super().__init__(dataset, settings)
        d = settings.embedding_size
        self.reg_weight = settings.reg_weight
        tables = [feature_table(dataset.features[name]) for name in sorted(dataset.features, reverse=True)]
        self.register_buffer("features", torch.cat(tables, dim=1))
        self.user_embedding = xavier(self.n_users, 2 * d)
        self.item_embedding = xavier(self.n_items, d)
        self.feature_projection = nn.Linear(self.features.shape[1], d)

    def representations(self) -> tuple[Tensor, Tensor]:
        return self.user_embedding, torch.cat([self.item_embedding, self.feature_projection(self.features)], dim=1)

    def loss(self, users: Tensor, positives: Tensor, negatives: Tensor | None) -> Tensor:
        assert negatives is not None
        h_users, h_items = self.representations()
        h_u, h_i, h_j = h_users[users], h_items[positives], h_items[negatives]
        return bpr_loss((h_u * h_i).sum(1), (h_u * h_j).sum(1)) + self.reg_weight * norms(h_u, h_i, h_j)
