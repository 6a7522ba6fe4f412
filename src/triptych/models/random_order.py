"""Random order: what a list is worth that knows nothing; the floor where popularity cannot tell, as among new items."""

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
from triptych.settings import Search

WIDTH = 16  # directions that users and items are drawn in: every user has an order of their own


class RandomOrder(ClosedFormModel):
    """s(u, i) = x_u · y_i with x and y drawn from normal distributions."""

    @dataclass(frozen=True)
    class Settings:
        """Random order's settings."""

        draw: Annotated[int, Interval(ge=0), Doc("which of the random orders")] = 0

    paper = ""
    needs_features = False
    search: ClassVar[Search] = {}

    def __init__(self, settings: RandomOrder.Settings) -> None:
        self.settings = settings

    def solve(self, dataset: Dataset, listener: Listener = ignore_progress) -> Factors:
        generator = torch.Generator().manual_seed(self.settings.draw)
        users, items = (torch.randn(n, WIDTH, generator=generator) for n in (dataset.n_users, dataset.n_items))
        return Factors(users, items)
