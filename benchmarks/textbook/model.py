"""What a textbook version is, and the few lines that several of them share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from triptych.data.dataset import Dataset
from triptych.data.features import Features

LOG_FLOOR = 1e-10  # inside the logarithm of BPR, where the literature's codes have it


class TextbookModel(nn.Module, ABC):
    """Made from a data set without missing features and our model's settings. Numbers have torch's default dtype."""

    needs_negatives = True

    @abstractmethod
    def __init__(self, dataset: Dataset, settings: Any) -> None:
        super().__init__()
        self.n_users, self.n_items = dataset.n_users, dataset.n_items

    @abstractmethod
    def loss(self, users: Tensor, positives: Tensor, negatives: Tensor | None) -> Tensor:
        """The loss of a batch, a scalar; item and user rows are int64 [n] each."""

    @abstractmethod
    def representations(self) -> tuple[Tensor, Tensor]:
        """Users [n_users, d] and items [n_items, d]; their inner product ranks."""

    def start_epoch(self) -> None:
        """Called before every epoch."""


def xavier(rows: int, width: int) -> nn.Parameter:
    """A table [rows, width] of embeddings."""
    return nn.Parameter(nn.init.xavier_uniform_(torch.empty(rows, width)))


def feature_table(features: Features) -> Tensor:
    """All features of a modality in memory, [n_items, width]."""
    return torch.from_numpy(np.array(features.table)).to(torch.get_default_dtype())


def bpr(positive_scores: Tensor, negative_scores: Tensor) -> Tensor:
    """−mean log(σ(s(u, i⁺) − s(u, i⁻)) + a floor), for scores [n] each."""
    return -torch.log(torch.sigmoid(positive_scores - negative_scores) + LOG_FLOOR).mean()


def norms(*matrices: Tensor) -> Tensor:
    """(Σ of Frobenius norms) / rows of the last matrix."""
    total = matrices[0].new_zeros(())
    for matrix in matrices:
        total = total + torch.norm(matrix)
    return total / matrices[-1].shape[0]
