"""BM3, of Zhou et al., WWW 2023."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
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
from triptych.models.building_blocks import (
    cosine_distances,
    dropout,
    ridge_predictions,
    weighted_mean,
    xavier_linear,
    xavier_table,
)
from triptych.models.decomposition import (
    BIAS,
    COLLABORATIVE,
    CONTENT,
    USER_FEATURES,
    FactorBlock,
    UserDecomposition,
    lightgcn_block,
)
from triptych.models.feature_rows import FeatureRows, feature_tensor, random_projection
from triptych.models.model import Batch, TrainedModel
from triptych.ranking.scorer import Factors
from triptych.settings import Choices, SearchSpace, checked


class BM3(TrainedModel):
    """BM3: bootstrapped representations of the graph and of every modality, trained without negative samples.

        H = LightGCN's mean of layers        h_u = H_u        h_i = H_i + e_i
        h_i^m = W_m f_i^m + b_m (+ r_i^m)    for every modality m
        q(x) = W_p x + b_p                   one predictor for all
        t_u, t_i, t_i^m = dropout(h_u), dropout(h_i), dropout(h_i^m)          targets: no gradient

        L_rec   = (1 − cos(q(h_u), t_i)) + (1 − cos(q(h_i), t_u))             reconstructs the edges of the graph
        L_align = Σ_m (1 − cos(q(h_i^m), t_i))                                aligns a modality with the graph
        L_mask  = Σ_m (1 − cos(q(h_i^m), t_i^m))                              aligns a modality with its masked view
        loss    = L_rec + λ_cl (L_align + L_mask) + λ_reg (‖h of all users‖ + ‖h of all items‖) / n_items
        s(u, i) = q(h_u) · q(h_i)

    Means are over the batch, weighted if the interactions have weights. An item that lacks a modality adds nothing to
    the terms of that modality. Any number of modalities will do, none included. A step reads only the batch's rows of
    the features.

    Features of users are used alike: h_u^m = W_m f_u^m + b_m (+ r_u^m) for every modality m of the users, with the same
    two terms, (1 − cos(q(h_u^m), t_u)) in L_align and (1 − cos(q(h_u^m), t_u^m)) in L_mask. They give users without
    interactions their h_u; see `embed_cold_users`.

    The setting `features` says which part of the features is trained:

        frozen    none
        residual  r^m, a table [n_items, d] that starts at zero and has its own learning rate. Training f_i would move
                  W f_i; r_i moves it as freely, with a 64th of the parameters.
        trained   the feature tables themselves, as in the published code of the paper

    The setting `start` says how the embeddings are initialised: `random` is Xavier, as in the paper. With `content`,
    an item starts at a random projection of its features, so that similar items start close to each other, and a user
    starts at the mean of the items of the history. The equations are the same. It helps if most users and items have
    only a few interactions.
    """

    @dataclass(frozen=True)
    @checked
    class Settings:
        """BM3's settings."""

        embedding_size: Annotated[int, Interval(ge=1), Doc("width d of the embeddings")] = 64
        n_layers: Annotated[int, Interval(ge=0, le=16), Doc("propagation layers L")] = 1
        dropout: Annotated[float, Interval(ge=0, lt=1), Doc("share of a target's entries that are masked")] = 0.3
        reg_weight: Annotated[float, Interval(ge=0), Doc("weight λ_reg of the norm penalty")] = 0.1
        cl_weight: Annotated[float, Interval(ge=0), Doc("weight λ_cl of the modality terms")] = 2.0
        features: Annotated[Literal["frozen", "residual", "trained"], Doc("which part of the features is trained")] = (
            "residual"
        )
        start: Annotated[Literal["random", "content"], Doc("how the embeddings are initialised")] = "random"
        residual_learning_rate: Annotated[float, Interval(gt=0), Doc("learning rate of the residual tables")] = 1e-2

    paper = 'X. Zhou et al., "Bootstrap Latent Representations for Multi-modal Recommendation", WWW 2023'
    needs_negatives = False
    needs_features = True
    uses_user_features = True
    search: ClassVar[SearchSpace] = {
        "n_layers": Choices((1, 2)),
        "dropout": Choices((0.3, 0.5)),
        "reg_weight": Choices((0.1, 0.01)),
    }

    item_degrees: Tensor
    user_degrees: Tensor

    def __init__(self, dataset: Dataset, settings: BM3.Settings, generator: Generator) -> None:
        super().__init__(dataset, settings, generator)
        self.settings = settings
        self.graph = BipartiteGraph(dataset.interactions)
        self.user_embedding = xavier_table(dataset.n_users, settings.embedding_size, generator)
        self.item_embedding = xavier_table(dataset.n_items, settings.embedding_size, generator)
        self.predictor = xavier_linear(settings.embedding_size, settings.embedding_size, generator)
        self.register_buffer("item_degrees", torch.from_numpy(dataset.interactions.item_degrees), persistent=False)
        self.register_buffer("user_degrees", torch.from_numpy(dataset.interactions.user_degrees), persistent=False)
        self.modalities, self.user_modalities = nn.ModuleDict(), nn.ModuleDict()
        for modalities, given in ((self.modalities, dataset.features), (self.user_modalities, dataset.user_features)):
            for name, features in given.items():
                modalities[name] = Modality(features, settings, generator)
        if settings.start == "content":
            self._start_from_content(dataset, generator)

    def loss(self, batch: Batch, generator: Generator) -> dict[str, Tensor]:
        u, i, q = batch.users, batch.positives, self.predictor
        tables, n_layers = (self.user_embedding, self.item_embedding), self.settings.n_layers
        # h_u = H_u, h_i = H_i + e_i (item_residual: how many times e_i is added to H_i), and ‖h of all users, items‖
        h_u, h_i, *norms = self.graph.mean_and_norms(*tables, n_layers, u, i, item_residual=1)
        t_u, t_i = self._target(h_u, generator), self._target(h_i, generator)
        mean = partial(weighted_mean, weights=batch.weights)
        align = mask = h_u.new_zeros(())
        of_items, of_users = self.modalities.values(), self.user_modalities.values()
        for modality, rows, t in [*((each, i, t_i) for each in of_items), *((each, u, t_u) for each in of_users)]:
            h_m, present = modality(rows)
            t_m = self._target(h_m, generator)
            q_m = q(h_m)
            align = align + mean(cosine_distances(q_m, t) * present)
            mask = mask + mean(cosine_distances(q_m, t_m) * present)
        return {
            "reconstruction": mean(cosine_distances(q(h_u), t_i)) + mean(cosine_distances(q(h_i), t_u)),
            "alignment": self.settings.cl_weight * align,
            "masking": self.settings.cl_weight * mask,
            "penalty": self.settings.reg_weight * torch.stack(norms).sum() / len(self.item_embedding),
        }

    def representations(self) -> tuple[Tensor, Tensor]:
        """Return h of all users, h_u = H_u, and of all items, h_i = H_i + e_i: [n_users, d] and [n_items, d]."""
        tables, n_layers = (self.user_embedding, self.item_embedding), self.settings.n_layers
        return self.graph.mean_of_layers(*tables, n_layers, item_residual=1)

    @torch.no_grad()
    def factors(self) -> Factors:
        h_users, h_items = self.representations()
        return Factors(self.predictor(h_users), self.predictor(h_items))

    @torch.no_grad()
    def user_decomposition(self) -> UserDecomposition:
        """See TrainedModel. q is affine: W_p applies to every term of h_u, and b_p is a residual."""
        W, b = self.predictor.weight.detach(), self.predictor.bias.detach()
        tables = self.user_embedding.detach(), self.item_embedding.detach()
        of_features = {USER_FEATURES: tables[0] * (self.user_degrees == 0)[:, None]}  # e_u of users without history
        content = of_features if self.user_modalities else None
        h = lightgcn_block(self.graph, *tables, self.settings.n_layers, content)
        residual = {name: table @ W.T for name, table in h.residual.items()}
        block = FactorBlock(h.weights, h.items @ W.T, {**residual, BIAS: b[None]})
        return UserDecomposition([block], remark="Features trained the embeddings; ranking itself does not use them.")

    @torch.no_grad()
    def item_components(self, items: Tensor) -> dict[str, Tensor]:
        """See TrainedModel. The components are W_p h_i and b_p; h_i of an item without interactions is its content."""
        q, b = self.factors().items[items], self.predictor.bias.detach()
        cold = (self.item_degrees == 0)[items, None]
        content = {CONTENT: (q - b) * cold} if self.modalities and cold.any() else {}
        return {COLLABORATIVE: (q - b) * ~cold if content else q - b, **content, BIAS: b.expand_as(q)}

    @torch.no_grad()
    def embed_cold_items(self, cold: Tensor) -> None:
        """Predict h_i of items without interactions by a ridge regression of h_i on q(W_m f_i^m + b_m).

        L_align turns q(h_i^m) towards h_i. The regression learns from the other items, weighted by their interactions,
        how long h_i is and how reliable each modality is. e_i is then set so that it gives this h_i: without
        neighbours, h_i = e_i + e_i / (L + 1).
        """
        if not self.modalities:
            super().embed_cold_items(cold)
            return
        _, h = self.representations()
        predicted = self._predict_by_content(self.modalities, h, self.item_degrees)
        self.item_embedding[cold] = predicted[cold] / (1 + 1 / (self.settings.n_layers + 1))

    @torch.no_grad()
    def embed_cold_users(self, cold: Tensor) -> None:
        """Predict h_u of users without interactions from q(W_m f_u^m + b_m), as `embed_cold_items` predicts h_i.

        e_u is then set so that it gives this h_u: without neighbours, h_u = e_u / (L + 1).
        """
        if not self.user_modalities:
            super().embed_cold_users(cold)
            return
        h, _ = self.representations()
        predicted = self._predict_by_content(self.user_modalities, h, self.user_degrees)
        self.user_embedding[cold] = predicted[cold] * (self.settings.n_layers + 1)

    def _predict_by_content(self, modalities: nn.ModuleDict, h: Tensor, degrees: Tensor) -> Tensor:
        """Return the prediction of h, for all items or all users, by a ridge regression on their content."""
        rows, columns = torch.arange(len(h), device=h.device), []
        for modality in modalities.values():
            assert isinstance(modality, Modality)
            h_m, present = modality.projected(rows)
            columns += [functional.normalize(self.predictor(h_m), dim=1) * present[:, None], present[:, None]]
        return ridge_predictions(torch.cat(columns, dim=1), h, degrees)

    def parameter_learning_rates(self) -> dict[str, float]:
        residuals = [name for name, _ in self.named_parameters() if name.endswith(".residual")]
        return dict.fromkeys(residuals, self.settings.residual_learning_rate)

    @torch.no_grad()
    def _start_from_content(self, dataset: Dataset, generator: Generator) -> None:
        """Initialise the embeddings from content, with Xavier's mean length. Items without features stay unchanged."""
        users, items, interactions = self.user_embedding, self.item_embedding, dataset.interactions
        content = torch.zeros_like(items)
        for features in dataset.features.values():
            content += random_projection(features, items.shape[1], generator)
        length, present = items.norm(dim=1).mean(), content.norm(dim=1) > 0
        items[present] = length * functional.normalize(content[present], dim=1)
        rows = torch.from_numpy(interactions.users)
        sums = torch.zeros_like(users).index_add_(0, rows, items[torch.from_numpy(interactions.items)])
        users[rows] = users.norm(dim=1).mean() * functional.normalize(sums, dim=1)[rows]

    def _target(self, x: Tensor, generator: Generator) -> Tensor:
        return dropout(x.detach(), self.settings.dropout, generator)


class Modality(nn.Module):
    """One modality of items or users: h^m of those of a batch, with the parameters that `features` asks for."""

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
        """Return h^m [n, d] for item rows int64 [n], and [n]: 1 where the item has the modality, else 0."""
        h, present = self.projected(items)
        return (h, present) if self.residual is None else (h + gather_rows(self.residual, items), present)

    def projected(self, items: Tensor) -> tuple[Tensor, Tensor]:
        """Return the same without r: W f + b, and whether the item has the modality."""
        if self.features is not None:
            return self.projection(gather_rows(self.features, items)), self.rows.present[items].to(self.features.dtype)
        h, present = self.rows.project(self.projection.weight, self.projection.bias, items)
        return h, present[:, 0]
