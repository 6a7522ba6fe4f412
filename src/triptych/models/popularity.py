"""Popularity, the baseline without personalisation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch

from triptych.data.dataset import Dataset
from triptych.models.model import ClosedFormModel
from triptych.progress import Listener, ignore_progress
from triptych.ranking.scorer import Factors
from triptych.settings import SearchSpace


class Popularity(ClosedFormModel):
    """Popularity: the same list for all users, by the number of interactions; the first baseline to beat.

        s(u, i) = |N(i)|

    |N(i)| is the number of users who interacted with item i in training, or the sum of the weights of these
    interactions.
    """

    @dataclass(frozen=True)
    class Settings:
        """Popularity has no settings."""

    paper = ""
    needs_features = False
    search: ClassVar[SearchSpace] = {}

    def __init__(self, settings: Popularity.Settings) -> None:
        pass

    def solve(self, dataset: Dataset, listener: Listener = ignore_progress) -> Factors:
        interactions, weights = dataset.interactions, dataset.weights
        sums = interactions.item_degrees
        if weights is not None:
            sums = np.bincount(interactions.items, weights, dataset.n_items)
        degrees = torch.from_numpy(sums).float()
        return Factors(torch.ones(dataset.n_users, 1), degrees[:, None])
