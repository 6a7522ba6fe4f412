"""BPR-MF: s(u, i) = e_u · e_i."""

from __future__ import annotations

from torch import Tensor

from benchmarks.textbook.model import TextbookModel, bpr_loss, norms, xavier
from triptych.data.dataset import Dataset
from triptych.models import bpr


class BPR(TextbookModel):
    """Loss: BPR + λ · norms of the embeddings of the batch."""

    def __init__(self, dataset: Dataset, settings: bpr.BPR.Settings) -> None:
        super().__init__(dataset, settings)
        self.reg_weight = settings.reg_weight
        self.user_embedding = xavier(self.n_users, settings.embedding_size)
        self.item_embedding = xavier(self.n_items, settings.embedding_size)

    def representations(self) -> tuple[Tensor, Tensor]:
        return self.user_embedding, self.item_embedding

    def loss(self, users: Tensor, positives: Tensor, negatives: Tensor | None) -> Tensor:
        assert negatives is not None
        e_u, e_i, e_j = self.user_embedding[users], self.item_embedding[positives], self.item_embedding[negatives]
        return bpr_loss((e_u * e_i).sum(1), (e_u * e_j).sum(1)) + self.reg_weight * norms(e_u, e_i, e_j)
