"""BPR-MF, of Rendle et al., UAI 2009."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from annotated_types import Interval
from torch import Generator, Tensor
from typing_extensions import Doc

from triptych.data.dataset import Dataset
from triptych.graph.sparse_rows import gather_rows
from triptych.models.building_blocks import BPR_FLOOR, bpr, norm_penalty, xavier_table
from triptych.models.model import Batch, TrainedModel
from triptych.ranking.scorer import Factors
from triptych.settings import Choices, SearchSpace, checked


class BPR(TrainedModel):
    """BPR-MF: matrix factorisation, trained to rank a user's items above the other items.

        s(u, i) = e_u · e_i
        loss = −mean log σ(s(u, i⁺) − s(u, i⁻)) + λ (‖e_u‖ + ‖e_i⁺‖ + ‖e_i⁻‖) / |B|

    It learns from interactions only and ignores features.
    """

    @dataclass(frozen=True)
    @checked
    class Settings:
        """BPR-MF's settings."""

        embedding_size: Annotated[int, Interval(ge=1), Doc("width d of the embeddings")] = 64
        reg_weight: Annotated[float, Interval(ge=0), Doc("weight λ of the norm penalty")] = 1e-1

    paper = 'S. Rendle et al., "BPR: Bayesian Personalized Ranking from Implicit Feedback", UAI 2009'
    needs_negatives = True
    needs_features = False
    search: ClassVar[SearchSpace] = {"reg_weight": Choices((2.0, 1.0, 1e-1, 1e-2, 1e-3, 1e-4, 1e-5))}

    def __init__(self, dataset: Dataset, settings: BPR.Settings, generator: Generator) -> None:
        super().__init__(dataset, settings, generator)
        self.settings = settings
        self.user_embedding = xavier_table(dataset.n_users, settings.embedding_size, generator)
        self.item_embedding = xavier_table(dataset.n_items, settings.embedding_size, generator)

    def loss(self, batch: Batch, generator: Generator) -> dict[str, Tensor]:
        assert batch.negatives is not None
        e_u = gather_rows(self.user_embedding, batch.users)
        e_i, e_j = gather_rows(self.item_embedding, torch.cat([batch.positives, batch.negatives])).chunk(2)
        return {
            "bpr": bpr((e_u * e_i).sum(-1), (e_u * e_j).sum(-1), BPR_FLOOR, weights=batch.weights),
            "penalty": self.settings.reg_weight * norm_penalty(e_u, e_i, e_j),
        }

    @torch.no_grad()
    def factors(self) -> Factors:
        return Factors(self.user_embedding.detach(), self.item_embedding.detach())
