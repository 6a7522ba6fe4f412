"""Random order, the baseline that uses no data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from annotated_types import Interval
from typing_extensions import Doc

from triptych.data.dataset import Dataset
from triptych.models.model import ClosedFormModel
from triptych.progress import Listener, ignore_progress
from triptych.ranking.scorer import Factors
from triptych.settings import SearchSpace, checked

WIDTH = 16  # of the random vectors; with more than one column, users get different orders


class RandomOrder(ClosedFormModel):
    """Random order: lists by chance, the lower bound of quality, also where popularity cannot rank, as with new items.

    s(u, i) = x_u · y_i        x, y drawn from a standard normal distribution
    """

    @dataclass(frozen=True)
    @checked
    class Settings:
        """Random order's settings."""

        draw: Annotated[int, Interval(ge=0), Doc("seed of the random order")] = 0

    paper = ""
    needs_features = False
    search: ClassVar[SearchSpace] = {}

    def __init__(self, settings: RandomOrder.Settings) -> None:
        self.settings = settings

    def solve(self, dataset: Dataset, listener: Listener = ignore_progress) -> Factors:
        generator = torch.Generator().manual_seed(self.settings.draw)
        users, items = (torch.randn(n, WIDTH, generator=generator) for n in (dataset.n_users, dataset.n_items))
        return Factors(users, items)
