"""FREEDOM: a frozen item graph from content, and a user-item graph thinned every epoch.

Item graph, frozen: for every modality m the k nearest neighbours by cosine (a row keeps itself), 1/√(count_i count_j)
each; S = Σ_m w_m S_m, the weights w_m summing to 1.
User-item graph, denoised: every epoch a share of the edges is dropped; those kept are drawn without replacement with
probability proportional to 1/√(d_u d_i), and renormalised. Ranking uses the full graph.

H = LightGCN's mean of layers        h_u = H_u        h_i = H_i + (Sⁿ E_items)_i
s(u, i) = h_u · h_i
loss = BPR + λ Σ_m BPR(h_u, W_m f_i⁺ + b_m, W_m f_i⁻ + b_m)

An item that lacks a modality has no neighbours by it and takes no part in its loss; without any modality this is
LightGCN on a thinned graph.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
import torch
from annotated_types import Interval
from scipy import sparse
from torch import Generator, Tensor, nn
from torch.nn.functional import logsigmoid
from typing_extensions import Doc

from triptych.data.dataset import Dataset
from triptych.data.features import Features
from triptych.graph.bipartite import BipartiteGraph
from triptych.graph.item_graph import ItemGraph, modality_weights
from triptych.graph.neighbours import neighbour_matrix, neighbours_of
from triptych.graph.sparse_rows import gather_rows
from triptych.models.decomposition import COLLABORATIVE, UserDecomposition, lightgcn_block
from triptych.models.feature_rows import FeatureRows
from triptych.models.model import Batch, TrainedModel
from triptych.models.parts import bpr, xavier_linear, xavier_table
from triptych.ranking.scorer import Factors
from triptych.settings import Choices, Search

COUNT_OFFSET = 1e-7  # added to every row count, as the literature's codes do; the reference vectors have it too


class FREEDOM(TrainedModel):
    """See the module: the equations. Takes any number of modalities."""

    @dataclass(frozen=True)
    class Settings:
        """FREEDOM's settings."""

        embedding_size: Annotated[int, Interval(ge=1), Doc("width d of the embeddings")] = 64
        n_layers: Annotated[int, Interval(ge=0, le=16), Doc("propagation layers on the user-item graph")] = 2
        n_item_layers: Annotated[int, Interval(ge=0, le=16), Doc("propagation layers n on the item graph")] = 1
        n_neighbours: Annotated[int, Interval(ge=1), Doc("neighbours k of an item, itself included")] = 10
        image_weight: Annotated[
            float, Interval(ge=0, le=1), Doc('weight of modality "image" in the item graph; the others share the rest')
        ] = 0.1
        edge_dropout: Annotated[float, Interval(ge=0, lt=1), Doc("share of edges left out of every epoch")] = 0.8
        reg_weight: Annotated[float, Interval(ge=0), Doc("weight λ of the modalities' losses")] = 1e-3

    paper = (
        "X. Zhou and Z. Shen, "
        '"A Tale of Two Graphs: Freezing and Denoising Graph Structures for Multimodal Recommendation", MM 2023'
    )
    needs_negatives = True
    needs_features = True
    search: ClassVar[Search] = {"edge_dropout": Choices((0.8, 0.9)), "reg_weight": Choices((0.0, 1e-5, 1e-4, 1e-3))}

    def __init__(self, dataset: Dataset, settings: FREEDOM.Settings, generator: Generator) -> None:
        super().__init__(dataset, settings, generator)
        self.settings = settings
        self.interactions = dataset.interactions
        self.graph = BipartiteGraph(dataset.interactions)
        self.thinned = self.graph
        self.by_modality = item_graphs(dataset, settings)
        self.item_graph = ItemGraph(summed(self.by_modality, dataset.n_items))
        self.user_embedding = xavier_table(dataset.n_users, settings.embedding_size, generator)
        self.item_embedding = xavier_table(dataset.n_items, settings.embedding_size, generator)
        self.modalities = nn.ModuleDict()
        for name, features in dataset.features.items():
            self.modalities[name] = ModalityLoss(features, settings.embedding_size, generator)

    def start_epoch(self, generator: Generator) -> None:
        """Draw the edges that this epoch keeps."""
        if self.settings.edge_dropout == 0:
            return
        taken = self.interactions
        n_kept = max(1, round(len(taken) * (1 - self.settings.edge_dropout)))
        degrees = taken.user_degrees[taken.users] * taken.item_degrees[taken.items]
        # the largest of log weight + Gumbel noise are a draw without replacement
        noise = torch.empty(len(taken), dtype=torch.float64, device=generator.device).exponential_(generator=generator)
        keys = -0.5 * np.log(degrees) - np.log(noise.cpu().numpy())
        kept = np.zeros(len(taken), dtype=np.bool_)
        kept[np.argpartition(-keys, n_kept - 1)[:n_kept]] = True
        self.thinned = BipartiteGraph(taken.select(kept)).to(self.user_embedding.device)
        self.thinned.compute_dtype, self.thinned.buffer_pool = self.graph.compute_dtype, self.graph.buffer_pool

    def item_neighbourhoods(self) -> Tensor:
        """Sⁿ E_items, [n_items, d]."""
        h: Tensor = self.item_embedding
        for _ in range(self.settings.n_item_layers):
            h = self.item_graph.propagate(h)
        return h

    def loss(self, batch: Batch, generator: Generator) -> dict[str, Tensor]:
        u, i, j = batch.users, batch.positives, batch.negatives
        assert j is not None
        tables, n_layers, ij = (self.user_embedding, self.item_embedding), self.settings.n_layers, torch.cat([i, j])
        h_u, H_ij, _, _ = self.thinned.mean_of_layers_at(*tables, n_layers, u, ij)
        h_i, h_j = (H_ij + gather_rows(self.item_neighbourhoods(), ij)).chunk(2)
        content = h_u.new_zeros(())
        for modality in self.modalities.values():
            content = content + modality(h_u, ij)
        return {
            "bpr": bpr((h_u * h_i).sum(-1), (h_u * h_j).sum(-1)),
            "content": self.settings.reg_weight * content,
        }

    @torch.no_grad()
    def factors(self) -> Factors:
        tables, n_layers = (self.user_embedding, self.item_embedding), self.settings.n_layers
        users, items = self.graph.mean_of_layers(*tables, n_layers)
        return Factors(users, items + self.item_neighbourhoods())

    @torch.no_grad()
    def user_decomposition(self) -> UserDecomposition:
        tables = self.user_embedding.detach(), self.item_embedding.detach()
        return UserDecomposition([lightgcn_block(self.graph, *tables, self.settings.n_layers)])

    @torch.no_grad()
    def item_components(self, items: Tensor) -> dict[str, Tensor]:
        """LightGCN's h_i, and by modality what the item's neighbours in S add; the item is none of its own.

        With D the diagonal of S, and S_m a modality's part without it: SⁿE = Σ_m S_m Sⁿ⁻¹E + D Sⁿ⁻¹E.
        """
        E, h = self.item_embedding.detach(), [self.item_embedding.detach()]
        for _ in range(self.settings.n_item_layers):
            h.append(self.item_graph.propagate(h[-1]))
        others, itself = {}, np.zeros(len(E))
        for name, matrix in self.by_modality.items():
            diagonal = matrix.diagonal()
            others[name], itself = ItemGraph(sparse.csr_array(matrix - sparse.diags_array(diagonal))), itself + diagonal
        D = torch.from_numpy(itself).to(E.dtype)[:, None]
        parts = {COLLABORATIVE: E, **dict.fromkeys(others, torch.zeros_like(E))}
        for step in range(self.settings.n_item_layers):
            parts = {name: D * part for name, part in parts.items()}
            for name, graph in others.items():
                parts[name] = parts[name] + graph.propagate(h[step])
        tables = self.user_embedding.detach(), E
        parts[COLLABORATIVE] = parts[COLLABORATIVE] + self.graph.mean_of_layers(*tables, self.settings.n_layers)[1]
        return {name: part[items] for name, part in parts.items()}


class ModalityLoss(nn.Module):
    """BPR(h_u, W f_i⁺ + b, W f_i⁻ + b) where both items have the modality."""

    def __init__(self, features: Features, embedding_size: int, generator: Generator) -> None:
        super().__init__()
        self.rows = FeatureRows(features)
        self.projection = xavier_linear(features.width, embedding_size, generator)

    def forward(self, h_u: Tensor, ij: Tensor) -> Tensor:
        """h_u [n, d]; ij int64 [2 n]: the positives, then the negatives."""
        W, b = self.projection.weight, self.projection.bias
        h, has = self.rows.project(W, b, ij)
        (h_i, h_j), (has_i, has_j) = h.chunk(2), has.chunk(2)
        difference = (h_u * (h_i - h_j)).sum(-1)
        losses: Tensor = -logsigmoid(difference) * (has_i * has_j)[:, 0]
        return losses.mean()


def item_graphs(dataset: Dataset, settings: FREEDOM.Settings) -> dict[str, sparse.csr_array]:
    """Every modality's weighed part of S, float64 [n_items, n_items]."""
    graphs = {}
    for name, weight in modality_weights(list(dataset.features), settings.image_weight).items():
        found = neighbours_of(dataset, name, settings.n_neighbours)
        counts = (found.items >= 0).sum(axis=1) + COUNT_OFFSET
        values = weight / np.sqrt(counts[:, None] * counts[found.items])
        graphs[name] = neighbour_matrix(found, values)
    return graphs


def item_graph(dataset: Dataset, settings: FREEDOM.Settings) -> sparse.csr_array:
    """S, float64 [n_items, n_items]."""
    return summed(item_graphs(dataset, settings), dataset.n_items)


def summed(graphs: Mapping[str, sparse.csr_array], n_items: int) -> sparse.csr_array:
    """S, float64 [n_items, n_items]."""
    total = sparse.csr_array((n_items, n_items), dtype=np.float64)
    for graph in graphs.values():
        total = total + graph
    return total
