"""VBPR: matrix factorisation with projected features beside the item embeddings.

f_i = all modalities of item i, concatenated      item i = [e_i ‖ W f_i + b]      user u: e_u, of twice the width
s(u, i) = e_u · item i
loss = −mean log σ(s(u, i⁺) − s(u, i⁻)) + λ (‖user‖ + ‖item⁺‖ + ‖item⁻‖) / |B|

A modality that an item lacks stands as zeros in f_i; without any modality this is BPR-MF. Only the features of the
batch's items are projected.
"""

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
from triptych.models.decomposition import BIAS, COLLABORATIVE
from triptych.models.feature_rows import FeatureRows
from triptych.models.model import Batch, TrainedModel
from triptych.models.parts import BPR_FLOOR, bpr, norm_penalty, xavier_linear, xavier_table
from triptych.ranking.scorer import Factors
from triptych.settings import Choices, Search

CHUNK = 4096  # items projected at a time when all of them are


class VBPR(TrainedModel):
    """See the module: the equations. Takes any number of modalities."""

    @dataclass(frozen=True)
    class Settings:
        """VBPR's settings."""

        embedding_size: Annotated[int, Interval(ge=1), Doc("width d of an item's embedding; a user's is twice it")] = 64
        reg_weight: Annotated[float, Interval(ge=0), Doc("weight λ of the norm penalty")] = 1e-1

    paper = 'R. He and J. McAuley, "VBPR: Visual Bayesian Personalized Ranking from Implicit Feedback", AAAI 2016'
    needs_negatives = True
    needs_features = True
    search: ClassVar[Search] = {"reg_weight": Choices((2.0, 1.0, 1e-1, 1e-2, 1e-3, 1e-4, 1e-5))}

    def __init__(self, dataset: Dataset, settings: VBPR.Settings, generator: Generator) -> None:
        super().__init__(dataset, settings, generator)
        self.settings = settings
        d = settings.embedding_size
        # by name, the last first: text stands before image, as in the released codes; any fixed order would do
        modalities = sorted(dataset.features, reverse=True)
        self.names = modalities
        self.features: list[FeatureRows] = [FeatureRows(dataset.features[modality]) for modality in modalities]
        self.rows = nn.ModuleList(self.features)
        self.user_embedding = xavier_table(dataset.n_users, 2 * d if modalities else d, generator)
        self.item_embedding = xavier_table(dataset.n_items, d, generator)
        self.feature_projection: nn.Linear | None = None
        if modalities:
            width = sum(dataset.features[modality].width for modality in modalities)
            self.feature_projection = xavier_linear(width, d, generator)

    def items(self, rows: Tensor) -> Tensor:
        """[e_i ‖ W f_i + b] for item rows int64 [n]."""
        e_i = gather_rows(self.item_embedding, rows)
        if self.feature_projection is None:
            return e_i
        b = self.feature_projection.bias
        content = b.expand(len(rows), -1)
        for projected in self.projected(rows):
            content = content + projected
        return torch.cat([e_i, content], dim=1)

    def projected(self, rows: Tensor) -> Iterator[Tensor]:
        """W f_i of item rows int64 [n], a modality at a time, [n, d] each."""
        assert self.feature_projection is not None
        W, begin = self.feature_projection.weight, 0
        none = torch.zeros_like(self.feature_projection.bias)
        for features in self.features:
            own = W[:, begin : begin + features.width]
            begin += features.width
            yield features.project(own, none, rows)[0]

    def loss(self, batch: Batch, generator: Generator) -> dict[str, Tensor]:
        assert batch.negatives is not None
        user = gather_rows(self.user_embedding, batch.users)
        positive, negative = self.items(torch.cat([batch.positives, batch.negatives])).chunk(2)
        return {
            "bpr": bpr((user * positive).sum(-1), (user * negative).sum(-1), BPR_FLOOR),
            "penalty": self.settings.reg_weight * norm_penalty(user, positive, negative),
        }

    @torch.no_grad()
    def factors(self) -> Factors:
        rows = torch.arange(len(self.item_embedding), device=self.item_embedding.device)
        return Factors(self.user_embedding.detach(), torch.cat([self.items(some) for some in rows.split(CHUNK)]))  # type: ignore[no-untyped-call]

    @torch.no_grad()
    def item_components(self, items: Tensor) -> dict[str, Tensor]:
        """[e_i ‖ 0], and [0 ‖ W f_i] of every modality."""
        e_i = self.item_embedding[items]
        if self.feature_projection is None:
            return {COLLABORATIVE: e_i}
        none, b = torch.zeros_like(e_i), self.feature_projection.bias.expand_as(e_i)
        parts = zip(self.names, self.projected(items), strict=True)
        content = {name: torch.cat([none, projected], dim=1) for name, projected in parts}
        return {COLLABORATIVE: torch.cat([e_i, none], dim=1), **content, BIAS: torch.cat([none, b], dim=1)}
