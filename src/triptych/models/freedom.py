"""FREEDOM, of Zhou and Shen, MM 2023."""

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
from triptych.devices import largest_float
from triptych.graph.bipartite import BipartiteGraph
from triptych.graph.item_graph import ItemGraph, modality_weights
from triptych.graph.neighbours import modality_neighbours, neighbour_matrix
from triptych.graph.sparse_rows import gather_rows
from triptych.models.building_blocks import bpr, weighted_mean, xavier_linear, xavier_table
from triptych.models.decomposition import COLLABORATIVE, UserDecomposition, lightgcn_block
from triptych.models.feature_rows import FeatureRows
from triptych.models.model import Batch, TrainedModel
from triptych.ranking.scorer import Factors
from triptych.settings import Choices, SearchSpace, checked

COUNT_OFFSET = 1e-7  # added to every row count, as in published code; the reference vectors have it too


class FREEDOM(TrainedModel):
    """FREEDOM: a frozen item graph from content, and a user-item graph that loses edges at random every epoch.

        H = LightGCN's mean of layers        h_u = H_u        h_i = H_i + (Sⁿ E_items)_i
        s(u, i) = h_u · h_i
        loss = BPR + λ Σ_m BPR(h_u, W_m f_i⁺ + b_m, W_m f_i⁻ + b_m)

    Item graph, frozen: S = Σ_m w_m S_m. S_m connects every item to its k nearest neighbours by cosine of modality m,
    itself included, with weights 1/√(count_i count_j). The weights w_m sum to 1.
    User-item graph, denoised: every epoch keeps a share of the edges. They are drawn without replacement, with
    probability proportional to 1/√(d_u d_i), and the graph of these edges is normalised again. Ranking uses all edges.

    An item that lacks a modality has no neighbours by it and adds nothing to its loss. Any number of modalities will
    do; without any, this is LightGCN on a graph with fewer edges.
    """

    @dataclass(frozen=True)
    @checked
    class Settings:
        """FREEDOM's settings."""

        embedding_size: Annotated[int, Interval(ge=1), Doc("width d of the embeddings")] = 64
        n_layers: Annotated[int, Interval(ge=0, le=16), Doc("propagation layers on the user-item graph")] = 2
        n_item_layers: Annotated[int, Interval(ge=0, le=16), Doc("propagation layers n on the item graph")] = 1
        n_neighbours: Annotated[int, Interval(ge=1), Doc("neighbours k of an item, the item itself included")] = 10
        image_weight: Annotated[
            float, Interval(ge=0, le=1), Doc('weight of modality "image" in the item graph; the others share the rest')
        ] = 0.1
        edge_dropout: Annotated[float, Interval(ge=0, lt=1), Doc("share of the edges that an epoch leaves out")] = 0.8
        reg_weight: Annotated[float, Interval(ge=0), Doc("weight λ of the losses of the modalities")] = 1e-3

    paper = (
        "X. Zhou and Z. Shen, "
        '"A Tale of Two Graphs: Freezing and Denoising Graph Structures for Multimodal Recommendation", MM 2023'
    )
    needs_negatives = True
    needs_features = True
    search: ClassVar[SearchSpace] = {
        "edge_dropout": Choices((0.8, 0.9)),
        "reg_weight": Choices((0.0, 1e-5, 1e-4, 1e-3)),
    }

    def __init__(self, dataset: Dataset, settings: FREEDOM.Settings, generator: Generator) -> None:
        super().__init__(dataset, settings, generator)
        self.settings = settings
        self.interactions = dataset.interactions
        self.graph = BipartiteGraph(dataset.interactions)
        self.thinned = self.graph
        self.item_graphs = item_graphs(dataset, settings)
        self.item_graph = ItemGraph(_sum_of_graphs(self.item_graphs, dataset.n_items))
        self.user_embedding = xavier_table(dataset.n_users, settings.embedding_size, generator)
        self.item_embedding = xavier_table(dataset.n_items, settings.embedding_size, generator)
        self.modalities = nn.ModuleDict()
        for name, features in dataset.features.items():
            self.modalities[name] = ModalityLoss(features, settings.embedding_size, generator)

    def start_epoch(self, generator: Generator) -> None:
        """Draw the edges of this epoch."""
        if self.settings.edge_dropout == 0:
            return
        edges = self.interactions
        n_kept = max(1, round(len(edges) * (1 - self.settings.edge_dropout)))
        degrees = edges.user_degrees[edges.users] * edges.item_degrees[edges.items]
        # the largest values of log weight + Gumbel noise are a sample without replacement
        noise = torch.empty(len(edges), dtype=largest_float(generator.device), device=generator.device)
        noise.exponential_(generator=generator)
        keys = -0.5 * np.log(degrees) - np.log(noise.cpu().numpy())
        kept = np.zeros(len(edges), dtype=np.bool_)
        kept[np.argpartition(-keys, n_kept - 1)[:n_kept]] = True
        self.thinned = BipartiteGraph(edges.select(kept)).to(self.user_embedding.device)
        self.thinned.compute_dtype, self.thinned.buffer_pool = self.graph.compute_dtype, self.graph.buffer_pool

    def item_neighbourhoods(self) -> Tensor:
        """Return Sⁿ E_items, [n_items, d]."""
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
            content = content + modality(h_u, ij, batch.weights)
        return {
            "bpr": bpr((h_u * h_i).sum(-1), (h_u * h_j).sum(-1), weights=batch.weights),
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
        """See TrainedModel. The components are LightGCN's h_i and, by modality, the sum over the neighbours in S.

        An item is not a neighbour of its own here. With D the diagonal of S, and S_m the term of a modality without
        its diagonal: SⁿE = Σ_m S_m Sⁿ⁻¹E + D Sⁿ⁻¹E.
        """
        E, h = self.item_embedding.detach(), [self.item_embedding.detach()]
        for _ in range(self.settings.n_item_layers):
            h.append(self.item_graph.propagate(h[-1]))
        graphs, diagonals = {}, np.zeros(len(E))
        for name, matrix in self.item_graphs.items():
            diagonal = matrix.diagonal()
            graphs[name] = ItemGraph(sparse.csr_array(matrix - sparse.diags_array(diagonal)))
            diagonals = diagonals + diagonal
        D = torch.from_numpy(diagonals).to(E.dtype)[:, None]
        components = {COLLABORATIVE: E, **dict.fromkeys(graphs, torch.zeros_like(E))}
        for step in range(self.settings.n_item_layers):
            components = {name: D * component for name, component in components.items()}
            for name, graph in graphs.items():
                components[name] = components[name] + graph.propagate(h[step])
        _, H_items = self.graph.mean_of_layers(self.user_embedding.detach(), E, self.settings.n_layers)
        components[COLLABORATIVE] = components[COLLABORATIVE] + H_items
        return {name: component[items] for name, component in components.items()}


class ModalityLoss(nn.Module):
    """BPR(h_u, W f_i⁺ + b, W f_i⁻ + b) of one modality, over the pairs whose items both have it."""

    def __init__(self, features: Features, embedding_size: int, generator: Generator) -> None:
        super().__init__()
        self.rows = FeatureRows(features)
        self.projection = xavier_linear(features.width, embedding_size, generator)

    def forward(self, h_u: Tensor, ij: Tensor, weights: Tensor | None = None) -> Tensor:
        """Return the mean loss for h_u [n, d] and item rows ij int64 [2 n], the positives followed by the negatives.

        weights: of the pairs [n], see `Batch`.
        """
        W, b = self.projection.weight, self.projection.bias
        h, present = self.rows.project(W, b, ij)
        (h_i, h_j), (present_i, present_j) = h.chunk(2), present.chunk(2)
        difference = (h_u * (h_i - h_j)).sum(-1)
        losses: Tensor = -logsigmoid(difference) * (present_i * present_j)[:, 0]
        return weighted_mean(losses, weights)


def item_graphs(dataset: Dataset, settings: FREEDOM.Settings) -> dict[str, sparse.csr_array]:
    """Return the weighted term of every modality in S, float64 [n_items, n_items]."""
    graphs = {}
    for name, weight in modality_weights(list(dataset.features), settings.image_weight).items():
        nearest = modality_neighbours(dataset, name, settings.n_neighbours)
        counts = (nearest.items >= 0).sum(axis=1) + COUNT_OFFSET
        values = weight / np.sqrt(counts[:, None] * counts[nearest.items])
        graphs[name] = neighbour_matrix(nearest, values)
    return graphs


def item_graph(dataset: Dataset, settings: FREEDOM.Settings) -> sparse.csr_array:
    """Return S, float64 [n_items, n_items]."""
    return _sum_of_graphs(item_graphs(dataset, settings), dataset.n_items)


def _sum_of_graphs(graphs: Mapping[str, sparse.csr_array], n_items: int) -> sparse.csr_array:
    total = sparse.csr_array((n_items, n_items), dtype=np.float64)
    for graph in graphs.values():
        total = total + graph
    return total
