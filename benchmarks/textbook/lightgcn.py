"""LightGCN: H = mean(E, ÂE, …, Â^L E), s(u, i) = h_u · h_i."""

from __future__ import annotations

import torch
from torch import Tensor

from benchmarks.textbook.graph import mean_of_layers, normalised_adjacency
from benchmarks.textbook.model import TextbookModel, bpr_loss, norms, xavier
from triptych.data.dataset import Dataset
from triptych.models import lightgcn


class LightGCN(TextbookModel):
    """Loss: BPR on H + λ · norms of the rows of E in the batch."""

    adjacency: Tensor

    def __init__(self, dataset: Dataset, settings: lightgcn.LightGCN.Settings) -> None:
        super().__init__(dataset, settings)
        self.n_layers, self.reg_weight = settings.n_layers, settings.reg_weight
        interactions = dataset.interactions
        self.register_buffer(
            "adjacency",
            normalised_adjacency(interactions.users, interactions.items, self.n_users, self.n_items),
            persistent=False,
        )
        self.user_embedding = xavier(self.n_users, settings.embedding_size)
        self.item_embedding = xavier(self.n_items, settings.embedding_size)

    def representations(self) -> tuple[Tensor, Tensor]:
        h = mean_of_layers(self.adjacency, torch.cat([self.user_embedding, self.item_embedding]), self.n_layers)
        return h[: self.n_users], h[self.n_users :]

    def loss(self, users: Tensor, positives: Tensor, negatives: Tensor | None) -> Tensor:
        assert negatives is not None
        h_users, h_items = self.representations()
        h_u, h_i, h_j = h_users[users], h_items[positives], h_items[negatives]
        rows = self.user_embedding[users], self.item_embedding[positives], self.item_embedding[negatives]
        return bpr_loss((h_u * h_i).sum(1), (h_u * h_j).sum(1)) + self.reg_weight * norms(*rows)
