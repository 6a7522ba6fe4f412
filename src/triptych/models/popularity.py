"""Popularity, the baseline without personalisation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch

from triptych.data.dataset import Dataset
from triptych.models.model import ClosedFormModel
from triptych.progress import Listener, ignore_progress
from triptych.ranking.scorer import Factors
from triptych.settings import SearchSpace


class Popularity(ClosedFormModel):
    """Popularity: the same list for all users, by the number of interactions; the first baseline to beat.

        s(u, i) = |N(i)|

    |N(i)| is the number of users who interacted with item i in training.
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
        degrees = torch.from_numpy(dataset.interactions.item_degrees).float()
        return Factors(torch.ones(dataset.n_users, 1), degrees[:, None])
