"""LightGCN, of He et al., SIGIR 2020."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from annotated_types import Interval
from torch import Generator, Tensor
from typing_extensions import Doc

from triptych.data.dataset import Dataset
from triptych.graph.bipartite import BipartiteGraph
from triptych.models.building_blocks import BPR_FLOOR, bpr, norm_penalty, xavier_table
from triptych.models.decomposition import UserDecomposition, lightgcn_block
from triptych.models.model import Batch, TrainedModel
from triptych.models.user_content import UserContent
from triptych.ranking.scorer import Factors
from triptych.settings import Choices, SearchSpace, checked


class LightGCN(TrainedModel):
    """LightGCN: embeddings that are averaged over the user-item graph, without weights or activations.

        E⁽⁰⁾ = [e_u; e_i]        E⁽ˡ⁺¹⁾ = Â E⁽ˡ⁾        H = mean of E⁽⁰⁾ … E⁽ᴸ⁾
        s(u, i) = h_u · h_i
        loss = −mean log σ(s(u, i⁺) − s(u, i⁻)) + λ (‖e_u‖ + ‖e_i⁺‖ + ‖e_i⁻‖) / |B|

    It ignores features of items. With features of users, e_u + Σ_m (V_m f_u^m + c_m) takes the place of e_u, with V and
    c trained from zero. A user without interactions has e_u = 0: h_u comes from the features alone.
    """

    @dataclass(frozen=True)
    @checked
    class Settings:
        """LightGCN's settings."""

        embedding_size: Annotated[int, Interval(ge=1), Doc("width d of the embeddings")] = 64
        n_layers: Annotated[int, Interval(ge=0, le=16), Doc("propagation layers L")] = 3
        reg_weight: Annotated[float, Interval(ge=0), Doc("weight λ of the norm penalty")] = 1e-3

    paper = (
        'X. He et al., "LightGCN: Simplifying and Powering Graph Convolution Network for Recommendation", SIGIR 2020'
    )
    needs_negatives = True
    needs_features = False
    uses_user_features = True
    search: ClassVar[SearchSpace] = {
        "n_layers": Choices((1, 2, 3, 4)),
        "reg_weight": Choices((1e-2, 1e-3, 1e-4, 1e-5, 1e-6)),
    }

    def __init__(self, dataset: Dataset, settings: LightGCN.Settings, generator: Generator) -> None:
        super().__init__(dataset, settings, generator)
        self.settings = settings
        self.graph = BipartiteGraph(dataset.interactions)
        self.user_embedding = xavier_table(dataset.n_users, settings.embedding_size, generator)
        self.item_embedding = xavier_table(dataset.n_items, settings.embedding_size, generator)
        features = dataset.user_features
        self.content = UserContent(features, settings.embedding_size) if features else None

    def users(self) -> Tensor:
        """Return the users' rows of E⁽⁰⁾, [n_users, d]."""
        return self.user_embedding if self.content is None else self.user_embedding + self.content()

    def representations(self) -> tuple[Tensor, Tensor]:
        """Return H as users [n_users, d] and items [n_items, d]."""
        return self.graph.mean_of_layers(self.users(), self.item_embedding, self.settings.n_layers)

    def loss(self, batch: Batch, generator: Generator) -> dict[str, Tensor]:
        u, i, j = batch.users, batch.positives, batch.negatives
        assert j is not None
        tables, ij = (self.users(), self.item_embedding), torch.cat([i, j])
        h_u, h_ij, e_u, e_ij = self.graph.mean_of_layers_at(*tables, self.settings.n_layers, u, ij)
        h_i, h_j = h_ij.chunk(2)
        return {
            "bpr": bpr((h_u * h_i).sum(-1), (h_u * h_j).sum(-1), BPR_FLOOR, weights=batch.weights),
            "penalty": self.settings.reg_weight * norm_penalty(e_u, *e_ij.chunk(2)),
        }

    @torch.no_grad()
    def factors(self) -> Factors:
        return Factors(*self.representations())

    @torch.no_grad()
    def user_decomposition(self) -> UserDecomposition:
        tables = self.users().detach(), self.item_embedding.detach()
        content = self.content.parts() if self.content is not None else None
        return UserDecomposition([lightgcn_block(self.graph, *tables, self.settings.n_layers, content)])
