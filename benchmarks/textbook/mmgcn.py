"""MMGCN: one graph network per modality. The message of every edge is computed."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu, logsigmoid, normalize

from benchmarks.textbook.graph import edges_both_ways, gather, sum_of_messages
from benchmarks.textbook.model import TextbookModel, feature_table, xavier
from triptych.data.dataset import Dataset
from triptych.data.features import Features
from triptych.models import mmgcn


class MMGCN(TextbookModel):
    """Representation: the mean of the last layers over the modalities."""

    edges: Tensor

    def __init__(self, dataset: Dataset, settings: mmgcn.MMGCN.Settings) -> None:
        super().__init__(dataset, settings)
        self.reg_weight = settings.reg_weight
        interactions = dataset.interactions
        self.register_buffer("edges", edges_both_ways(interactions.users, interactions.items, self.n_users))
        self.id_embedding = xavier(self.n_users + self.n_items, settings.embedding_size)
        projected = mmgcn.projected_modalities(settings.projected, dataset.features)
        self.modalities = nn.ModuleDict(
            {
                name: Network(one, self.n_users, settings, projected=name in projected)
                for name, one in dataset.features.items()
            }
        )

    def representations(self) -> tuple[Tensor, Tensor]:
        layers = [network(self.edges, self.id_embedding) for network in self.modalities.values()]
        h = torch.stack(layers).mean(dim=0)
        return h[: self.n_users], h[self.n_users :]

    def loss(self, users: Tensor, positives: Tensor, negatives: Tensor | None) -> Tensor:
        assert negatives is not None
        h_users, h_items = self.representations()
        h_u, h_i, h_j = h_users[users], h_items[positives], h_items[negatives]
        bpr = -logsigmoid((h_u * h_i).sum(1) - (h_u * h_j).sum(1)).mean()
        items = torch.cat([positives, negatives]) + self.n_users
        penalty = self.id_embedding[users].pow(2).mean() + self.id_embedding[items].pow(2).mean()
        first = next(iter(self.modalities.values()))
        assert isinstance(first, Network)
        return bpr + self.reg_weight * (penalty + first.preference.pow(2).mean())


class Network(nn.Module):
    """The three-layer graph network of one modality."""

    def __init__(self, features: Features, n_users: int, settings: mmgcn.MMGCN.Settings, *, projected: bool) -> None:
        super().__init__()
        d = settings.embedding_size
        self.features = feature_table(features)
        width = settings.latent_width if projected else features.width
        self.projection = nn.Linear(features.width, width) if projected else None
        self.preference = xavier(n_users, width)
        for k in (1, 2, 3):
            self.add_module(f"aggregate{k}", nn.ParameterDict({"weight": xavier(width, width)}))
            self.add_module(f"self{k}", nn.Linear(width, d))
            self.add_module(f"combine{k}", nn.Linear(width + d, d))
            width = d

    def forward(self, edges: Tensor, e: Tensor) -> Tensor:
        """Edges [2, n] and ID embeddings [n_nodes, d] -> X of the last layer, [n_nodes, d]."""
        source, target = edges
        degrees = torch.bincount(target, minlength=e.shape[0]).clamp(min=1)[:, None]
        g = self.features if self.projection is None else self.projection(self.features)
        x = normalize(torch.cat([self.preference, g]), dim=1)
        for k in (1, 2, 3):
            aggregate = self.get_parameter(f"aggregate{k}.weight")
            messages = gather(source, x @ aggregate)
            h = leaky_relu(sum_of_messages(messages, target, e.shape[0]) / degrees)
            x_hat = leaky_relu(self.get_submodule(f"self{k}")(x)) + e
            x = leaky_relu(self.get_submodule(f"combine{k}")(torch.cat([h, x_hat], dim=1)))
        return x
