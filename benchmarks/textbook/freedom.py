"""FREEDOM: a frozen item graph, and a user-item graph whose edges are sampled again in every epoch.

The item graph is built once, by Triptych's code, because it is not part of a step.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import logsigmoid

from benchmarks.textbook.graph import mean_of_layers, normalised_adjacency
from benchmarks.textbook.model import TextbookModel, feature_table, xavier
from triptych.data.dataset import Dataset
from triptych.models import freedom
from triptych.models.freedom import item_graph


class FREEDOM(TextbookModel):
    """The whole feature tables are projected at every step."""

    adjacency: Tensor
    items_to_items: Tensor

    def __init__(self, dataset: Dataset, settings: freedom.FREEDOM.Settings) -> None:
        super().__init__(dataset, settings)
        self.settings, self.interactions = settings, dataset.interactions
        interactions = dataset.interactions
        self.register_buffer(
            "adjacency",
            normalised_adjacency(interactions.users, interactions.items, self.n_users, self.n_items),
            persistent=False,
        )
        self.sampled_adjacency = self.adjacency
        graph = item_graph(dataset, settings).tocoo()
        values = torch.from_numpy(graph.data).to(torch.get_default_dtype())
        positions = torch.from_numpy(np.stack([graph.row, graph.col]).astype(np.int64))
        self.register_buffer(
            "items_to_items",
            torch.sparse_coo_tensor(positions, values, graph.shape, check_invariants=True).coalesce(),
            persistent=False,
        )
        self.user_embedding = xavier(self.n_users, settings.embedding_size)
        self.item_embedding = xavier(self.n_items, settings.embedding_size)
        self.modalities = nn.ModuleDict()
        self.features = {name: feature_table(features) for name, features in dataset.features.items()}
        for name, features in dataset.features.items():
            self.modalities[name] = nn.ModuleDict({"projection": nn.Linear(features.width, settings.embedding_size)})

    def start_epoch(self) -> None:
        interactions = self.interactions
        n_kept = max(1, round(len(interactions) * (1 - self.settings.edge_dropout)))
        products = interactions.user_degrees[interactions.users] * interactions.item_degrees[interactions.items]
        weights = torch.from_numpy(products).double().pow(-0.5)
        kept = torch.multinomial(weights, n_kept, replacement=False).numpy()
        self.sampled_adjacency = normalised_adjacency(
            interactions.users[kept], interactions.items[kept], self.n_users, self.n_items
        )

    def propagate(self, adjacency: Tensor) -> tuple[Tensor, Tensor]:
        """h of the users [n_users, d] and of the items [n_items, d]."""
        h_content: Tensor = self.item_embedding
        for _ in range(self.settings.n_item_layers):
            h_content = torch.sparse.mm(self.items_to_items, h_content)
        embeddings = torch.cat([self.user_embedding, self.item_embedding])
        h = mean_of_layers(adjacency, embeddings, self.settings.n_layers)
        return h[: self.n_users], h[self.n_users :] + h_content

    def representations(self) -> tuple[Tensor, Tensor]:
        return self.propagate(self.adjacency)

    def loss(self, users: Tensor, positives: Tensor, negatives: Tensor | None) -> Tensor:
        assert negatives is not None
        h_users, h_items = self.propagate(self.sampled_adjacency)
        h_u = h_users[users]
        loss = bpr_loss(h_u, h_items[positives], h_items[negatives])
        for name, modality in self.modalities.items():
            assert isinstance(modality, nn.ModuleDict)
            projected = modality["projection"](self.features[name])
            loss = loss + self.settings.reg_weight * bpr_loss(h_u, projected[positives], projected[negatives])
        return loss


def bpr_loss(user: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
    """BPR of the rows of users, positive and negative items, [n, d] each."""
    return -logsigmoid((user * positive).sum(1) - (user * negative).sum(1)).mean()
