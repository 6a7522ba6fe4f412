"""GRCN. Y. Wei et al., "Graph-Refined Convolutional Network for Multimedia Recommendation …", MM 2020.

The graph is refined by content before ID embeddings travel on it. For every modality m, with user preferences P_m:

    f_i = normalise(leaky_relu(W f_i^m + b))        p_u = normalise(row u of P_m)
    routing, T times:  α_ui = softmax over i ∈ N(u) of p_u · f_i        p_u ← normalise(p_u + Σ_i α_ui f_i)
    affinities:        a_{i→u} = softmax over N(u) of p_u · f_i         a_{u→i} = softmax over N(i) of f_i · p_u
    content of m:      [p_u + Σ_i a_{i→u} f_i ; f_i + Σ_u a_{u→i} p_u]

    edge weight j→k  = relu(max_m a^m_{j→k} c_j^m)            c: every node's confidence in a modality; relu prunes
    x = normalise(ID embedding)     x₁, x₂ = one and two weighted sums over the refined edges     ID = x + x₁ + x₂
    representation   = [ID ‖ content of every modality]       s(u, i) = inner product

    loss = BPR + λ (mean square of the batch's ID rows + mean square of P of the first modality
                    + Σ_m mean square of the batch's rows of P_m)

`form = released` is what a widely used code computes: its routing messages run from users to items, so p_u never
changes and T means nothing. It is here to reproduce runs of that code. An item without a modality has f_i = 0; without
any modality edges weigh one over the number of neighbours.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from annotated_types import Interval
from torch import Generator, Tensor, nn
from torch.nn.functional import leaky_relu, normalize
from typing_extensions import Doc

from triptych.data.dataset import Dataset
from triptych.data.features import Features
from triptych.graph.edges import Edges
from triptych.models.model import Batch, LearntModel
from triptych.models.parts import FeatureRows, bpr, id_penalty, xavier_linear, xavier_table
from triptych.ranking.scorer import Factors


class GRCN(LearntModel):
    """See the module: the equations. Takes any number of modalities."""

    @dataclass(frozen=True)
    class Settings:
        """GRCN's settings."""

        embedding_size: Annotated[int, Interval(ge=1), Doc("width d of the ID embeddings and of content")] = 64
        n_routing: Annotated[int, Interval(ge=0, le=16), Doc("routing iterations T")] = 3
        form: Annotated[Literal["paper", "released"], Doc("the paper's routing, or the released code's")] = "paper"
        reg_weight: Annotated[float, Interval(ge=0), Doc("weight λ of the penalty")] = 1e-3

    needs_negatives = True
    needs_features = True

    def __init__(self, dataset: Dataset, settings: GRCN.Settings, generator: Generator) -> None:
        super().__init__(dataset, settings, generator)
        self.settings = settings
        self.n_users = dataset.n_users
        self.edges = Edges(dataset.interactions)
        n_nodes, n_modalities = dataset.n_users + dataset.n_items, len(dataset.features)
        self.id_embedding = xavier_table(n_nodes, settings.embedding_size, generator)
        self.modality_confidence: nn.Parameter | None = None
        if n_modalities:
            self.modality_confidence = xavier_table(n_nodes, n_modalities, generator)
        self.modalities = nn.ModuleDict()
        for name, features in dataset.features.items():
            self.modalities[name] = ModalityContent(features, dataset.n_users, settings, generator)

    def representations(self) -> tuple[Tensor, Tensor]:
        """[ID ‖ content of every modality], as users [n_users, d (1 + modalities)] and items."""
        edges, users, items = self.edges, slice(self.n_users), slice(self.n_users, None)
        content = [modality(edges) for modality in self.modalities.values()]
        if self.modality_confidence is None:
            even = self.id_embedding.new_zeros(len(edges))
            to_users, to_items = edges.softmax_over_items(even), edges.softmax_over_users(even)
        else:
            c_users, c_items = self.modality_confidence[users], self.modality_confidence[items]
            to_users = _strongest([a * c_items[edges.items, m] for m, (a, _, _, _) in enumerate(content)])
            to_items = _strongest([a * c_users[edges.users, m] for m, (_, a, _, _) in enumerate(content)])
        x = normalize(self.id_embedding, dim=1)
        total_users, total_items = x_users, x_items = x[users], x[items]
        for _ in range(2):
            x_users, x_items = edges.to_users(to_users, x_items), edges.to_items(to_items, x_users)
            total_users, total_items = total_users + x_users, total_items + x_items
        return (
            torch.cat([total_users, *(each[2] for each in content)], dim=1),
            torch.cat([total_items, *(each[3] for each in content)], dim=1),
        )

    def loss(self, batch: Batch, generator: Generator) -> dict[str, Tensor]:
        u, i, j = batch.users, batch.positives, batch.negatives
        assert j is not None
        users, items = self.representations()
        h_u = users[u]
        penalty = id_penalty(self.id_embedding, self.n_users, u, i, j)
        preferences = [part.preference for part in self.modalities.values() if isinstance(part, ModalityContent)]
        for preference in preferences:
            penalty = penalty + preference[u].square().mean()
        for preference in preferences[:1]:
            penalty = penalty + preference.square().mean()
        return {
            "bpr": bpr((h_u * items[i]).sum(-1), (h_u * items[j]).sum(-1)),
            "penalty": self.settings.reg_weight * penalty,
        }

    @torch.no_grad()
    def factors(self) -> Factors:
        return Factors(*self.representations())


class ModalityContent(nn.Module):
    """Routing and affinities of one modality."""

    def __init__(self, features: Features, n_users: int, settings: GRCN.Settings, generator: Generator) -> None:
        super().__init__()
        self.rows = FeatureRows(features)
        self.n_routing = settings.n_routing if settings.form == "paper" else 0
        self.preference = xavier_table(n_users, settings.embedding_size, generator)
        self.projection = xavier_linear(features.width, settings.embedding_size, generator)

    def forward(self, edges: Edges) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """a_{i→u} and a_{u→i} of every edge, content of the users and of the items."""
        features, has = self.rows(None, self.preference.dtype)
        f = normalize(leaky_relu(self.projection(features)), dim=1) * has
        p = normalize(self.preference, dim=1)
        for _ in range(self.n_routing):
            alpha = edges.softmax_over_items(edges.dots(p, f))
            p = normalize(p + edges.to_users(alpha, f), dim=1)
        affinity = edges.dots(p, f)
        to_users, to_items = edges.softmax_over_items(affinity), edges.softmax_over_users(affinity)
        return to_users, to_items, p + edges.to_users(to_users, f), f + edges.to_items(to_items, p)


def _strongest(weights: list[Tensor]) -> Tensor:
    return torch.stack(weights).amax(dim=0).relu()
