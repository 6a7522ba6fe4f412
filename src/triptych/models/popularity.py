"""Popularity: the same list for everyone. The first thing any model must beat."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch

from triptych.data.dataset import Dataset
from triptych.models.model import ClosedFormModel
from triptych.progress import Listener, ignore_progress
from triptych.ranking.scorer import Factors
from triptych.settings import Search


class Popularity(ClosedFormModel):
    """s(u, i) = |N(i)|: how many users took the item."""

    @dataclass(frozen=True)
    class Settings:
        """Popularity has none."""

    paper = ""
    needs_features = False
    search: ClassVar[Search] = {}

    def __init__(self, settings: Popularity.Settings) -> None:
        pass

    def solve(self, dataset: Dataset, listener: Listener = ignore_progress) -> Factors:
        degrees = torch.from_numpy(dataset.interactions.item_degrees).float()
        return Factors(torch.ones(dataset.n_users, 1), degrees[:, None])
