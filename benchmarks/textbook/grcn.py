"""GRCN: content refines the graph on which ID embeddings propagate. The message of every edge is computed."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu, logsigmoid, normalize, relu

from benchmarks.textbook.graph import edges_both_ways, gather, softmax_at_targets, sum_of_messages
from benchmarks.textbook.model import TextbookModel, feature_table, xavier
from triptych.data.dataset import Dataset
from triptych.data.features import Features
from triptych.models import grcn


class GRCN(TextbookModel):
    """GRCN with the routing of the paper."""

    edges: Tensor

    def __init__(self, dataset: Dataset, settings: grcn.GRCN.Settings) -> None:
        super().__init__(dataset, settings)
        self.reg_weight = settings.reg_weight
        interactions = dataset.interactions
        self.register_buffer("edges", edges_both_ways(interactions.users, interactions.items, self.n_users))
        n_nodes = self.n_users + self.n_items
        self.id_embedding = xavier(n_nodes, settings.embedding_size)
        self.modality_confidence = xavier(n_nodes, len(dataset.features))
        self.modalities = nn.ModuleDict(
            {name: Content(one, self.n_users, settings) for name, one in dataset.features.items()}
        )

    def representations(self) -> tuple[Tensor, Tensor]:
        source, target = self.edges
        n_nodes = self.n_users + self.n_items
        contents, weights = [], []
        for position, modality in enumerate(self.modalities.values()):
            content, affinity = modality(self.edges)
            contents.append(content)
            weights.append(affinity * self.modality_confidence[source, position])
        weight = relu(torch.stack(weights, dim=1).amax(dim=1))
        x = normalize(self.id_embedding, dim=1)
        x_1 = sum_of_messages(gather(source, x) * weight[:, None], target, n_nodes)
        x_2 = sum_of_messages(gather(source, x_1) * weight[:, None], target, n_nodes)
        h = torch.cat([x + x_1 + x_2, *contents], dim=1)
        return h[: self.n_users], h[self.n_users :]

    def loss(self, users: Tensor, positives: Tensor, negatives: Tensor | None) -> Tensor:
        assert negatives is not None
        h_users, h_items = self.representations()
        h_u, h_i, h_j = h_users[users], h_items[positives], h_items[negatives]
        bpr = -logsigmoid((h_u * h_i).sum(1) - (h_u * h_j).sum(1)).mean()
        items = torch.cat([positives, negatives]) + self.n_users
        penalty = self.id_embedding[users].pow(2).mean() + self.id_embedding[items].pow(2).mean()
        preferences = [content.preference for content in self.modalities.values() if isinstance(content, Content)]
        penalty = penalty + preferences[0].pow(2).mean()
        for preference in preferences:
            penalty = penalty + preference[users].pow(2).mean()
        return bpr + self.reg_weight * penalty


class Content(nn.Module):
    """The routing and the edge affinities of one modality."""

    def __init__(self, features: Features, n_users: int, settings: grcn.GRCN.Settings) -> None:
        super().__init__()
        self.n_routing = settings.n_routing
        self.features = feature_table(features)
        self.preference = xavier(n_users, settings.embedding_size)
        self.projection = nn.Linear(features.width, settings.embedding_size)

    def forward(self, edges: Tensor) -> tuple[Tensor, Tensor]:
        """Edges [2, 2 n] -> content representations [n_users + n_items, d] and the affinity of every edge [2 n]."""
        source, target = edges
        f = normalize(leaky_relu(self.projection(self.features)), dim=1)
        p = normalize(self.preference, dim=1)
        n_users, n_pairs = p.shape[0], len(source) // 2
        items, users = target[:n_pairs] - n_users, source[:n_pairs]
        for _ in range(self.n_routing):
            alpha = softmax_at_targets((gather(users, p) * gather(items, f)).sum(1), users, n_users)
            p = normalize(p + sum_of_messages(gather(items, f) * alpha[:, None], users, n_users), dim=1)
        x = torch.cat([p, f])
        affinity = softmax_at_targets((gather(target, x) * gather(source, x)).sum(1), target, x.shape[0])
        return x + sum_of_messages(gather(source, x) * affinity[:, None], target, x.shape[0]), affinity
