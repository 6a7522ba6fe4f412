"""VBPR, of He and McAuley, AAAI 2016."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from annotated_types import Interval
from torch import Generator, Tensor, nn
from typing_extensions import Doc

from triptych.data.dataset import Dataset
from triptych.graph.sparse_rows import gather_rows
from triptych.models.building_blocks import BPR_FLOOR, bpr, norm_penalty, xavier_linear, xavier_table
from triptych.models.decomposition import BIAS, COLLABORATIVE
from triptych.models.feature_rows import FeatureRows
from triptych.models.model import Batch, TrainedModel
from triptych.models.user_content import UserContent
from triptych.ranking.scorer import Factors
from triptych.settings import Choices, SearchSpace, checked

CHUNK = 4096  # items projected at a time in `factors`


class VBPR(TrainedModel):
    """VBPR: matrix factorisation with the item embeddings extended by projected features.

        f_i = the features of item i, all modalities concatenated
        user u: e_u [2 d]        item i: x_i = [e_i ‖ W f_i + b] [2 d]
        s(u, i) = e_u · x_i
        loss = −mean log σ(s(u, i⁺) − s(u, i⁻)) + λ (‖e_u‖ + ‖x_i⁺‖ + ‖x_i⁻‖) / |B|

    With features of users, e_u + Σ_m (V_m f_u^m + c_m) takes the place of e_u, with V and c trained from zero. A user
    without interactions has e_u = 0: the scores come from the features alone.

    A modality that an item lacks is zeros in f_i. Any number of modalities will do; without any, this is BPR-MF. A step
    projects only the features of the batch's items.
    """

    @dataclass(frozen=True)
    @checked
    class Settings:
        """VBPR's settings."""

        embedding_size: Annotated[int, Interval(ge=1), Doc("width d of an item's embedding; a user's is twice it")] = 64
        reg_weight: Annotated[float, Interval(ge=0), Doc("weight λ of the norm penalty")] = 1e-1

    paper = 'R. He and J. McAuley, "VBPR: Visual Bayesian Personalized Ranking from Implicit Feedback", AAAI 2016'
    needs_negatives = True
    needs_features = True
    uses_user_features = True
    search: ClassVar[SearchSpace] = {"reg_weight": Choices((2.0, 1.0, 1e-1, 1e-2, 1e-3, 1e-4, 1e-5))}

    def __init__(self, dataset: Dataset, settings: VBPR.Settings, generator: Generator) -> None:
        super().__init__(dataset, settings, generator)
        self.settings = settings
        d = settings.embedding_size
        # in reverse order of their names: text before image, as in published code; any fixed order would do
        modalities = sorted(dataset.features, reverse=True)
        self.modality_names = modalities
        self.features: list[FeatureRows] = [FeatureRows(dataset.features[modality]) for modality in modalities]
        self.rows = nn.ModuleList(self.features)
        self.user_embedding = xavier_table(dataset.n_users, 2 * d if modalities else d, generator)
        self.item_embedding = xavier_table(dataset.n_items, d, generator)
        self.feature_projection: nn.Linear | None = None
        if modalities:
            width = sum(dataset.features[modality].width for modality in modalities)
            self.feature_projection = xavier_linear(width, d, generator)

        features = dataset.user_features
        self.content = UserContent(features, self.user_embedding.shape[1]) if features else None

    def users(self, rows: Tensor) -> Tensor:
        """Return e_u + Σ_m (V_m f_u^m + c_m) for user rows int64 [n]: [n, 2 d], or [n, d] without modalities."""
        e_u = gather_rows(self.user_embedding, rows)
        return e_u if self.content is None else e_u + self.content(rows)

    def items(self, rows: Tensor) -> Tensor:
        """Return x = [e_i ‖ W f_i + b] for item rows int64 [n]: [n, 2 d], or [n, d] without modalities."""
        e_i = gather_rows(self.item_embedding, rows)
        if self.feature_projection is None:
            return e_i
        b = self.feature_projection.bias
        content = b.expand(len(rows), -1)
        for projected in self.projected(rows):
            content = content + projected
        return torch.cat([e_i, content], dim=1)

    def projected(self, rows: Tensor) -> Iterator[Tensor]:
        """Yield the term of every modality in W f_i for item rows int64 [n], [n, d] each."""
        assert self.feature_projection is not None
        W, begin = self.feature_projection.weight, 0
        no_bias = torch.zeros_like(self.feature_projection.bias)
        for features in self.features:
            columns = W[:, begin : begin + features.width]
            begin += features.width
            yield features.project(columns, no_bias, rows)[0]

    def loss(self, batch: Batch, generator: Generator) -> dict[str, Tensor]:
        assert batch.negatives is not None
        e_u = self.users(batch.users)
        x_i, x_j = self.items(torch.cat([batch.positives, batch.negatives])).chunk(2)
        return {
            "bpr": bpr((e_u * x_i).sum(-1), (e_u * x_j).sum(-1), BPR_FLOOR, weights=batch.weights),
            "penalty": self.settings.reg_weight * norm_penalty(e_u, x_i, x_j),
        }

    @torch.no_grad()
    def factors(self) -> Factors:
        rows = torch.arange(len(self.item_embedding), device=self.item_embedding.device)
        users = self.user_embedding.detach()
        users = users if self.content is None else users + self.content()
        return Factors(users, torch.cat([self.items(chunk) for chunk in rows.split(CHUNK)]))  # type: ignore[no-untyped-call]

    @torch.no_grad()
    def user_content(self) -> dict[str, Tensor]:
        """See TrainedModel."""
        return {} if self.content is None else self.content.parts()

    @torch.no_grad()
    def item_components(self, items: Tensor) -> dict[str, Tensor]:
        """See TrainedModel. The components are [e_i ‖ 0], [0 ‖ W f_i] of every modality, and [0 ‖ b]."""
        e_i = self.item_embedding[items]
        if self.feature_projection is None:
            return {COLLABORATIVE: e_i}
        zeros, b = torch.zeros_like(e_i), self.feature_projection.bias.expand_as(e_i)
        modalities = zip(self.modality_names, self.projected(items), strict=True)
        content = {name: torch.cat([zeros, projected], dim=1) for name, projected in modalities}
        return {COLLABORATIVE: torch.cat([e_i, zeros], dim=1), **content, BIAS: torch.cat([zeros, b], dim=1)}
