"""BM3: cosine losses of interactions, of modality alignment and of masked modality views, with one predictor.

Representations of all users and items are computed, and the rows of the batch are looked up. With `features = trained`
the feature tables are parameters, as in the released research code. With `frozen` they are constant.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity, dropout

from benchmarks.textbook.graph import mean_of_layers, normalised_adjacency
from benchmarks.textbook.model import TextbookModel, feature_table, norms, xavier
from triptych.data.dataset import Dataset
from triptych.data.features import Features
from triptych.models import bm3


class BM3(TextbookModel):
    """No negatives. Features are trained or frozen; only Triptych's model has the residual form."""

    needs_negatives = False
    adjacency: Tensor

    def __init__(self, dataset: Dataset, settings: bm3.BM3.Settings) -> None:
        super().__init__(dataset, settings)
        if settings.features == "residual":
            raise ValueError("the textbook version has trained or frozen features only")
        self.settings = settings
        d, interactions = settings.embedding_size, dataset.interactions
        self.register_buffer(
            "adjacency",
            normalised_adjacency(interactions.users, interactions.items, self.n_users, self.n_items),
            persistent=False,
        )
        self.user_embedding, self.item_embedding = xavier(self.n_users, d), xavier(self.n_items, d)
        self.predictor = nn.Linear(d, d)
        self.modalities = nn.ModuleDict(
            {name: Modality(one, d, settings.features == "trained") for name, one in dataset.features.items()}
        )

    def graph_representations(self) -> tuple[Tensor, Tensor]:
        """h of the users [n_users, d] and of the items [n_items, d]."""
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
        """Return x with random elements masked, without a gradient."""
        return dropout(x.detach(), self.settings.dropout, self.training)


class Modality(nn.Module):
    """W f_i + b for all items i."""

    features: Tensor

    def __init__(self, features: Features, width: int, trained: bool) -> None:
        super().__init__()
        self.features = nn.Parameter(feature_table(features), requires_grad=trained)
        self.projection = nn.Linear(features.width, width)

    def forward(self) -> Tensor:
        projected: Tensor = self.projection(self.features)
        return projected


def distance(x: Tensor, y: Tensor) -> Tensor:
    """The mean of 1 − cos over the rows."""
    return (1 - cosine_similarity(x, y, dim=1)).mean()
