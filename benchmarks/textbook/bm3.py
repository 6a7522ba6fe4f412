"""BM3: the graph's edges, the modalities' alignment and their masked views, all by cosine with one predictor.

Everything is computed for all users and items and then looked up for the batch. With `features = trained` the feature
tables are parameters, as in the released research code; with `frozen` they are not.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity, dropout

from benchmarks.textbook.graph import mean_of_layers, normalised_adjacency
from benchmarks.textbook.model import TextbookModel, feature_table, norms, xavier
from triptych.data.dataset import Dataset
from triptych.data.features import Features
from triptych.models import bm3 as ours


class BM3(TextbookModel):
    """No negatives. The residual form is ours alone: here features are trained or frozen."""

    needs_negatives = False
    adjacency: Tensor

    def __init__(self, dataset: Dataset, settings: ours.BM3.Settings) -> None:
        super().__init__(dataset, settings)
        if settings.features == "residual":
            raise ValueError("the textbook version trains the feature tables, or leaves them")
        self.settings = settings
        d, taken = settings.embedding_size, dataset.interactions
        self.register_buffer(
            "adjacency", normalised_adjacency(taken.users, taken.items, self.n_users, self.n_items), persistent=False
        )
        self.user_embedding, self.item_embedding = xavier(self.n_users, d), xavier(self.n_items, d)
        self.predictor = nn.Linear(d, d)
        self.modalities = nn.ModuleDict(
            {name: Modality(one, d, settings.features == "trained") for name, one in dataset.features.items()}
        )

    def graph_representations(self) -> tuple[Tensor, Tensor]:
        """h, as users [n_users, d] and items [n_items, d]."""
        embeddings = torch.cat([self.user_embedding, self.item_embedding])
        h = mean_of_layers(self.adjacency, embeddings, self.settings.n_layers)
        return h[: self.n_users], h[self.n_users :] + self.item_embedding

    def representations(self) -> tuple[Tensor, Tensor]:
        h_users, h_items = self.graph_representations()
        return self.predictor(h_users), self.predictor(h_items)

    def loss(self, users: Tensor, positives: Tensor, negatives: Tensor | None) -> Tensor:
        h_users, h_items = self.graph_representations()
        t_users, t_items = self.target(h_users), self.target(h_items)
        q_users, q_items = self.predictor(h_users), self.predictor(h_items)
        loss = distance(q_users[users], t_items[positives]) + distance(q_items[positives], t_users[users])
        for modality in self.modalities.values():
            h_modality = modality()
            t_modality, q_modality = self.target(h_modality), self.predictor(h_modality)
            aligned = distance(q_modality[positives], t_items[positives])
            masked = distance(q_modality[positives], t_modality[positives])
            loss = loss + self.settings.cl_weight * (aligned + masked)
        return loss + self.settings.reg_weight * norms(h_users, h_items)

    def target(self, x: Tensor) -> Tensor:
        """x masked at random, without a gradient."""
        return dropout(x.detach(), self.settings.dropout, self.training)


class Modality(nn.Module):
    """W f + b for all items."""

    features: Tensor

    def __init__(self, features: Features, width: int, trained: bool) -> None:
        super().__init__()
        self.features = nn.Parameter(feature_table(features), requires_grad=trained)
        self.projection = nn.Linear(features.width, width)

    def forward(self) -> Tensor:
        projected: Tensor = self.projection(self.features)
        return projected


def distance(x: Tensor, y: Tensor) -> Tensor:
    """Mean of 1 − cos over the rows."""
    return (1 - cosine_similarity(x, y, dim=1)).mean()
