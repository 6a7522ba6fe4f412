"""GRCN, of Wei et al., MM 2020."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import torch
from annotated_types import Interval
from torch import Generator, Tensor, nn
from torch.nn.functional import leaky_relu
from typing_extensions import Doc

from triptych.data.dataset import Dataset
from triptych.data.features import Features
from triptych.graph.edges import Edges, unit_rows
from triptych.graph.sparse_rows import gather_rows
from triptych.models.building_blocks import bpr, xavier_linear, xavier_table
from triptych.models.decomposition import COLLABORATIVE, USER_EMBEDDING, FactorBlock, UserDecomposition
from triptych.models.feature_rows import FeatureRows
from triptych.models.model import Batch, TrainedModel
from triptych.ranking.scorer import Factors
from triptych.settings import Choices, SearchSpace, checked


class GRCN(TrainedModel):
    """GRCN: ID embeddings on a user-item graph whose edges are weighted and pruned by content.

    For every modality m, with user preferences P_m:

        f_i = normalise(leaky_relu(W f_i^m + b))        p_u = normalise(row u of P_m)
        routing, T times:  α_ui = softmax over i ∈ N(u) of p_u · f_i        p_u ← normalise(p_u + Σ_i α_ui f_i)
        affinities:        a_{i→u} = softmax over N(u) of p_u · f_i         a_{u→i} = softmax over N(i) of f_i · p_u
        content of m:      [p_u + Σ_i a_{i→u} f_i ; f_i + Σ_u a_{u→i} p_u]

    Refined graph:

        edge weight j→k  = relu(max_m a^m_{j→k} c_j^m)     c: the confidence of every node in a modality; relu prunes
        x = normalise(ID embedding)     x₁, x₂ = one and two weighted sums over the refined edges     ID = x + x₁ + x₂
        representation   = [ID ‖ content of every modality]       s(u, i) = inner product

        loss = BPR + λ (mean square of the batch's ID rows + mean square of P of the first modality
                        + Σ_m mean square of the batch's rows of P_m)

    `form = released` computes what a widely used published code does: its routing messages run from users to items, so
    p_u never changes and T has no effect. Use it to reproduce results of that code.

    An item without a modality has f_i = 0. Any number of modalities will do; without any, an edge weighs one over the
    number of neighbours.
    """

    @dataclass(frozen=True)
    @checked
    class Settings:
        """GRCN's settings."""

        embedding_size: Annotated[int, Interval(ge=1), Doc("width d of the ID embeddings and of content")] = 64
        n_routing: Annotated[int, Interval(ge=0, le=16), Doc("routing iterations T")] = 3
        form: Annotated[Literal["paper", "released"], Doc("the paper's routing, or the released code's")] = "paper"
        reg_weight: Annotated[float, Interval(ge=0), Doc("weight λ of the penalty")] = 1e-3

    paper = (
        "Y. Wei et al., "
        '"Graph-Refined Convolutional Network for Multimedia Recommendation with Implicit Feedback", MM 2020'
    )
    needs_negatives = True
    needs_features = True
    search: ClassVar[SearchSpace] = {
        "reg_weight": Choices((1e-1, 1e-2, 1e-3, 1e-4, 1e-5)),
        "learning_rate": Choices((1.0, 1e-1, 1e-2, 1e-3, 1e-4)),
    }

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

    def representations(self, at_users: Tensor, at_items: Tensor) -> Representations:
        """Return [ID ‖ content of every modality] of some users and items, rows int64 [n] and [m]."""
        edges = self.edges
        content = [modality(edges, at_users, at_items) for modality in self.modalities.values()]
        to_users, to_items = self.edge_weights(content)
        E = self.id_embedding
        id_users, id_items, e_users, e_items = edges.two_layers_at(to_users, to_items, E, at_users, at_items)
        return Representations(
            torch.cat([id_users, *(each.users for each in content)], dim=1),
            torch.cat([id_items, *(each.items for each in content)], dim=1),
            (e_users, e_items),
            [each.preferences for each in content],
            content[0].mean_square if content else e_users.new_zeros(()),
        )

    def edge_weights(self, content: Sequence[Content]) -> tuple[Tensor, Tensor]:
        """Return the weights of the refined edges towards users and towards items, [n_edges] each."""
        edges = self.edges
        if self.modality_confidence is None:
            equal_scores = self.id_embedding.new_zeros(len(edges))
            return edges.softmax_over_items(equal_scores), edges.softmax_over_users(equal_scores)
        c_users, c_items = self.modality_confidence[: self.n_users], self.modality_confidence[self.n_users :]
        return (
            edges.max_over_modalities_from_items([each.to_users for each in content], c_items),
            edges.max_over_modalities_from_users([each.to_items for each in content], c_users),
        )

    def loss(self, batch: Batch, generator: Generator) -> dict[str, Tensor]:
        u, i, j = batch.users, batch.positives, batch.negatives
        assert j is not None
        h = self.representations(u, torch.cat([i, j]))
        h_i, h_j = h.items.chunk(2)
        penalty = h.mean_square
        for rows in (*h.ids, *h.preferences):
            penalty = penalty + rows.square().mean()
        return {
            "bpr": bpr((h.users * h_i).sum(-1), (h.users * h_j).sum(-1), weights=batch.weights),
            "penalty": self.settings.reg_weight * penalty,
        }

    @torch.no_grad()
    def factors(self) -> Factors:
        n_items = len(self.id_embedding) - self.n_users
        all_users, all_items = (torch.arange(n, device=self.id_embedding.device) for n in (self.n_users, n_items))
        h = self.representations(all_users, all_items)
        return Factors(h.users, h.items)

    @torch.no_grad()
    def user_decomposition(self) -> UserDecomposition:
        """See TrainedModel. If attention and lengths are constants, all terms are sums over N(u).

        ID = x_u + Σ_i w_{i→u} (x + x₁)_i. The content of every modality is a block of its own.
        """
        edges, n, E = self.edges, self.n_users, self.id_embedding.detach()
        no_rows = torch.zeros(0, dtype=torch.int64, device=E.device)
        content = [modality(edges, no_rows, no_rows) for modality in self.modalities.values()]
        to_users, to_items = self.edge_weights(content)
        x_users, x_items = unit_rows(E[:n]), unit_rows(E[n:])
        blocks = [FactorBlock(to_users, x_items + edges.to_items(to_items, x_users), {USER_EMBEDDING: x_users})]
        for name, modality in self.modalities.items():
            assert isinstance(modality, ModalityContent)
            blocks.append(modality.user_decomposition(edges, f"user preference by {name}"))
        return UserDecomposition(blocks, "attention and the lengths that routing divides by")

    @torch.no_grad()
    def item_components(self, items: Tensor) -> dict[str, Tensor]:
        """See TrainedModel. The components are [ID ‖ 0] and, for every modality, [0 ‖ its content ‖ 0]."""
        h, d = self.factors().items[items], self.settings.embedding_size
        components = {}
        for position, name in enumerate((COLLABORATIVE, *self.modalities)):
            block = slice(position * d, (position + 1) * d)
            components[name] = torch.zeros_like(h)
            components[name][:, block] = h[:, block]
        return components


@dataclass(frozen=True)
class Representations:
    """Representations of the requested users [n, ·] and items [m, ·].

    ids: their rows of the ID embeddings, [n, d] and [m, d]. preferences: the users' rows of P_m, [n, d] per modality.
    mean_square: the mean square of P of the first modality, 0 without any.
    """

    users: Tensor
    items: Tensor
    ids: tuple[Tensor, Tensor]
    preferences: list[Tensor]
    mean_square: Tensor


@dataclass(frozen=True)
class Content:
    """The result of one modality.

    to_users, to_items: the affinities a_{i→u} and a_{u→i}, [n_edges] each. users, items: the content of the requested
    users and items, [n, d] and [m, d]. preferences: the users' rows of P, [n, d]. mean_square: of the whole of P.
    """

    to_users: Tensor
    to_items: Tensor
    users: Tensor
    items: Tensor
    preferences: Tensor
    mean_square: Tensor


class ModalityContent(nn.Module):
    """Routing, affinities and content of one modality."""

    def __init__(self, features: Features, n_users: int, settings: GRCN.Settings, generator: Generator) -> None:
        super().__init__()
        self.rows = FeatureRows(features)
        self.n_routing = settings.n_routing if settings.form == "paper" else 0
        self.preference = xavier_table(n_users, settings.embedding_size, generator)
        self.projection = xavier_linear(features.width, settings.embedding_size, generator)

    def forward(self, edges: Edges, at_users: Tensor, at_items: Tensor) -> Content:
        """Return the affinities of all edges, and the content of the rows at_users int64 [n] and at_items int64 [m]."""
        projected, _ = self.rows.project(self.projection.weight, self.projection.bias, None)
        f = unit_rows(leaky_relu(projected))
        p, scores, p_u, preferences, sum_of_squares = edges.route(self.preference, f, self.n_routing, at_users)
        to_users, to_items = edges.softmax_over_items(scores), edges.softmax_over_users(scores)
        content_users = p_u + edges.to_users(to_users, f, at_users)
        content_items = gather_rows(f, at_items) + edges.to_items(to_items, p, at_items)
        mean_square = sum_of_squares / self.preference.numel()
        return Content(to_users, to_items, content_users, content_items, preferences, mean_square)

    def user_decomposition(self, edges: Edges, residual: str) -> FactorBlock:
        """Return p_u + Σ_i a_{i→u} f_i as a block. After routing, p_u is a scaled row of P plus a weighted sum of f_i.

        residual: the name of the term that comes from P.
        """
        f = unit_rows(leaky_relu(self.rows.project(self.projection.weight, self.projection.bias, None)[0]))
        p = from_P = unit_rows(self.preference.detach())
        weights = f.new_zeros(len(edges))
        for _ in range(self.n_routing):
            alpha = edges.softmax_over_items(edges.dots(p, f))
            moved = p + edges.to_users(alpha, f)
            length = moved.norm(dim=1, keepdim=True).clamp_min(1e-12)
            p, from_P, weights = moved / length, from_P / length, (weights + alpha) / length[edges.users, 0]
        return FactorBlock(weights + edges.softmax_over_items(edges.dots(p, f)), f, {residual: from_P})
