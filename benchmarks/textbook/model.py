"""The base class of the textbook versions, and functions that several of them share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from triptych.data.dataset import Dataset
from triptych.data.features import Features

LOG_FLOOR = 1e-10  # added inside the logarithm of BPR, as in public research code


class TextbookModel(nn.Module, ABC):
    """Built from a data set without missing features and the settings of Triptych's model, in torch's default dtype."""

    needs_negatives = True

    @abstractmethod
    def __init__(self, dataset: Dataset, settings: Any) -> None:
        super().__init__()
        self.n_users, self.n_items = dataset.n_users, dataset.n_items

    @abstractmethod
    def loss(self, users: Tensor, positives: Tensor, negatives: Tensor | None) -> Tensor:
        """The loss of a batch, a scalar. The rows of users and items are int64 [n] each."""

    @abstractmethod
    def representations(self) -> tuple[Tensor, Tensor]:
        """Users [n_users, d] and items [n_items, d]. Items are ranked by their inner products."""

    def start_epoch(self) -> None:
        """Do the work at the start of an epoch."""


def xavier(rows: int, width: int) -> nn.Parameter:
    """A table of embeddings [rows, width] with Xavier initialisation."""
    return nn.Parameter(nn.init.xavier_uniform_(torch.empty(rows, width)))


def feature_table(features: Features) -> Tensor:
    """All features of a modality in memory, [n_items, width]."""
    return torch.from_numpy(np.array(features.table)).to(torch.get_default_dtype())


def bpr_loss(positive_scores: Tensor, negative_scores: Tensor) -> Tensor:
    """−mean log(σ(s(u, i⁺) − s(u, i⁻)) + LOG_FLOOR), for scores [n] each."""
    return -torch.log(torch.sigmoid(positive_scores - negative_scores) + LOG_FLOOR).mean()


def norms(*matrices: Tensor) -> Tensor:
    """(Σ of Frobenius norms) / (number of rows of the last matrix)."""
    total = matrices[0].new_zeros(())
    for matrix in matrices:
        total = total + torch.norm(matrix)
    return total / matrices[-1].shape[0]
