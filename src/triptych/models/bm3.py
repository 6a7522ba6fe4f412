"""BM3: every modality, and the graph itself, learn from dropped-out targets of their own; no negatives.

    H = LightGCN's mean of layers        h_u = H_u        h_i = H_i + e_i
    h_i^m = W_m f_i^m + b_m (+ r_i^m)    for every modality m
    q(x) = W_p x + b_p                   one predictor for all
    t_u, t_i, t_i^m = dropout(h_u), dropout(h_i), dropout(h_i^m)          targets: no gradient

    L_rec   = (1 − cos(q(h_u), t_i)) + (1 − cos(q(h_i), t_u))             the graph's edges, reconstructed
    L_align = Σ_m (1 − cos(q(h_i^m), t_i))                                a modality to the ID
    L_mask  = Σ_m (1 − cos(q(h_i^m), t_i^m))                              a modality to its own masked view
    loss    = L_rec + λ_cl (L_align + L_mask) + λ_reg (‖h over all users‖ + ‖h over all items‖) / n_items
    s(u, i) = q(h_u) · q(h_i)

Means are over the batch; an item that lacks a modality adds nothing to that modality's terms. Only the batch's rows of
the features are looked at. What may change about the features is a setting:

    frozen    nothing
    residual  r^m, a free table [n_items, d] that starts at zero with its own learning rate. Training f_i moves W f_i;
              r_i moves it as freely for a 64th of the parameters.
    trained   the feature tables themselves, as the paper's released code does

Where the embeddings start is a setting too: `random` is the paper's Xavier; with `content` an item starts at a random
projection of its features, so that items alike start alike, and a user at the mean of the items taken. It changes no
equation, and helps where most users and items have a handful of interactions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import torch
from annotated_types import Interval
from torch import Generator, Tensor, nn
from torch.nn import functional
from typing_extensions import Doc

from triptych.data.dataset import Dataset
from triptych.data.features import Features
from triptych.graph.bipartite import BipartiteGraph
from triptych.graph.sparse_rows import gather_rows
from triptych.models.decomposition import BIAS, COLLABORATIVE, CONTENT, FactorBlock, UserDecomposition, lightgcn_block
from triptych.models.feature_rows import FeatureRows, feature_tensor, random_projection
from triptych.models.model import Batch, TrainedModel
from triptych.models.parts import cosine_distances, dropout, ridge_map, xavier_linear, xavier_table
from triptych.ranking.scorer import Factors
from triptych.settings import Choices, Search


class BM3(TrainedModel):
    """See the module: the equations. Takes any number of modalities, none included."""

    @dataclass(frozen=True)
    class Settings:
        """BM3's settings."""

        embedding_size: Annotated[int, Interval(ge=1), Doc("width d of the embeddings")] = 64
        n_layers: Annotated[int, Interval(ge=0, le=16), Doc("propagation layers L")] = 1
        dropout: Annotated[float, Interval(ge=0, lt=1), Doc("share of a target that is masked")] = 0.3
        reg_weight: Annotated[float, Interval(ge=0), Doc("weight λ_reg of the norm penalty")] = 0.1
        cl_weight: Annotated[float, Interval(ge=0), Doc("weight λ_cl of the modality terms")] = 2.0
        features: Annotated[
            Literal["frozen", "residual", "trained"], Doc("what training may change about the features")
        ] = "residual"
        start: Annotated[Literal["random", "content"], Doc("where the embeddings start")] = "random"
        residual_learning_rate: Annotated[float, Interval(gt=0), Doc("learning rate of the residual tables")] = 1e-2

    paper = 'X. Zhou et al., "Bootstrap Latent Representations for Multi-modal Recommendation", WWW 2023'
    needs_negatives = False
    needs_features = True
    search: ClassVar[Search] = {
        "n_layers": Choices((1, 2)),
        "dropout": Choices((0.3, 0.5)),
        "reg_weight": Choices((0.1, 0.01)),
    }

    item_degrees: Tensor

    def __init__(self, dataset: Dataset, settings: BM3.Settings, generator: Generator) -> None:
        super().__init__(dataset, settings, generator)
        self.settings = settings
        self.graph = BipartiteGraph(dataset.interactions)
        self.user_embedding = xavier_table(dataset.n_users, settings.embedding_size, generator)
        self.item_embedding = xavier_table(dataset.n_items, settings.embedding_size, generator)
        self.predictor = xavier_linear(settings.embedding_size, settings.embedding_size, generator)
        self.register_buffer("taken_by", torch.from_numpy(dataset.interactions.item_degrees), persistent=False)
        self.modalities = nn.ModuleDict()
        for name, features in dataset.features.items():
            self.modalities[name] = ItemModality(features, settings, generator)
        if settings.start == "content":
            self._start_from_content(dataset, generator)

    def loss(self, batch: Batch, generator: Generator) -> dict[str, Tensor]:
        u, i, q = batch.users, batch.positives, self.predictor
        tables, n_layers = (self.user_embedding, self.item_embedding), self.settings.n_layers
        h_u, h_i, *norms = self.graph.mean_and_norms(*tables, n_layers, u, i, item_residual=1)
        t_u, t_i = self._target(h_u, generator), self._target(h_i, generator)
        align = mask = h_u.new_zeros(())
        for modality in self.modalities.values():
            h_m, present = modality(i)
            t_m = self._target(h_m, generator)
            q_m = q(h_m)
            align = align + (cosine_distances(q_m, t_i) * present).mean()
            mask = mask + (cosine_distances(q_m, t_m) * present).mean()
        return {
            "reconstruction": cosine_distances(q(h_u), t_i).mean() + cosine_distances(q(h_i), t_u).mean(),
            "alignment": self.settings.cl_weight * align,
            "masking": self.settings.cl_weight * mask,
            "penalty": self.settings.reg_weight * torch.stack(norms).sum() / len(self.item_embedding),
        }

    @torch.no_grad()
    def factors(self) -> Factors:
        tables, n_layers = (self.user_embedding, self.item_embedding), self.settings.n_layers
        h_users, h_items = self.graph.mean_of_layers(*tables, n_layers, item_residual=1)
        return Factors(self.predictor(h_users), self.predictor(h_items))

    @torch.no_grad()
    def user_decomposition(self) -> UserDecomposition:
        """q is affine: every item's part of h_u goes through W_p, and b_p is nobody's."""
        W, b = self.predictor.weight.detach(), self.predictor.bias.detach()
        tables = self.user_embedding.detach(), self.item_embedding.detach()
        h = lightgcn_block(self.graph, *tables, self.settings.n_layers)
        own = {name: part @ W.T for name, part in h.own.items()}
        part = FactorBlock(h.weights, h.items @ W.T, {**own, BIAS: b[None]})
        return UserDecomposition([part], note="Features taught the embeddings; ranking itself does not look at them.")

    @torch.no_grad()
    def item_components(self, items: Tensor) -> dict[str, Tensor]:
        """W_p h_i and b_p; h_i of an item that nobody took is what its content says."""
        q, b = self.factors().items[items], self.predictor.bias.detach()
        new = (self.graph.items_starts.diff() == 0)[items, None]
        content = {CONTENT: (q - b) * new} if self.modalities and new.any() else {}
        return {COLLABORATIVE: (q - b) * ~new if content else q - b, **content, BIAS: b.expand_as(q)}

    @torch.no_grad()
    def embed_cold_items(self, cold: Tensor) -> None:
        """h_i of an item that nobody took := what a ridge regression on its q(W_m f_i^m + b_m) says, over interactions.

        L_align turns q(h_i^m) towards h_i; how long h_i is, and how far each modality can be believed, the others tell.
        Without neighbours h_i is e_i + e_i / (L + 1).
        """
        if not self.modalities:
            super().embed_cold_items(cold)
            return
        tables, n_layers = (self.user_embedding, self.item_embedding), self.settings.n_layers
        rows, columns = torch.arange(len(cold), device=cold.device), []
        for modality in self.modalities.values():
            assert isinstance(modality, ItemModality)
            h_m, present = modality.projected(rows)
            columns += [functional.normalize(self.predictor(h_m), dim=1) * present[:, None], present[:, None]]
        h = self.graph.mean_of_layers(*tables, n_layers, item_residual=1)[1]
        predicted = ridge_map(torch.cat(columns, dim=1), h, self.item_degrees)
        self.item_embedding[cold] = predicted[cold] / (1 + 1 / (n_layers + 1))

    def own_learning_rates(self) -> dict[str, float]:
        residuals = [name for name, _ in self.named_parameters() if name.endswith(".residual")]
        return dict.fromkeys(residuals, self.settings.residual_learning_rate)

    @torch.no_grad()
    def _start_from_content(self, dataset: Dataset, generator: Generator) -> None:
        """Move the embeddings, keeping Xavier's lengths; items without any modality stay where they are."""
        users, items, taken = self.user_embedding, self.item_embedding, dataset.interactions
        content = torch.zeros_like(items)
        for features in dataset.features.values():
            content += random_projection(features, items.shape[1], generator)
        length, has = items.norm(dim=1).mean(), content.norm(dim=1) > 0
        items[has] = length * functional.normalize(content[has], dim=1)
        rows = torch.from_numpy(taken.users)
        sums = torch.zeros_like(users).index_add_(0, rows, items[torch.from_numpy(taken.items)])
        users[rows] = users.norm(dim=1).mean() * functional.normalize(sums, dim=1)[rows]

    def _target(self, x: Tensor, generator: Generator) -> Tensor:
        return dropout(x.detach(), self.settings.dropout, generator)


class ItemModality(nn.Module):
    """h^m for the items of a batch: the projection of their features, and what may change about them."""

    def __init__(self, features: Features, settings: BM3.Settings, generator: Generator) -> None:
        super().__init__()
        self.projection = xavier_linear(features.width, settings.embedding_size, generator)
        self.rows = FeatureRows(features)
        self.features: nn.Parameter | None = None
        self.residual: nn.Parameter | None = None
        if settings.features == "trained":
            self.features = nn.Parameter(feature_tensor(features).float().clone())
        if settings.features == "residual":
            self.residual = nn.Parameter(torch.zeros(features.n_items, settings.embedding_size))

    def forward(self, items: Tensor) -> tuple[Tensor, Tensor]:
        """Item rows int64 [n] -> h^m [n, d], and 1 where the item has the modality, else 0, [n]."""
        h, has = self.projected(items)
        return (h, has) if self.residual is None else (h + gather_rows(self.residual, items), has)

    def projected(self, items: Tensor) -> tuple[Tensor, Tensor]:
        """The same without r."""
        if self.features is not None:
            return self.projection(gather_rows(self.features, items)), self.rows.present[items].to(self.features.dtype)
        h, has = self.rows.project(self.projection.weight, self.projection.bias, items)
        return h, has[:, 0]
