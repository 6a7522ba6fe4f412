"""EASE: every item regressed on all others. Solved, not trained.

P = (XᵀX + λI)⁻¹        B = −P / diag(P) by columns, zero diagonal        scores = X B

`form = sparse` regresses every item on those `n_neighbours` others that tell most of it alone: memory then grows with
n_items · n_neighbours, not n_items². With all others, were they taken together with it, that is the same B.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from annotated_types import Interval
from typing_extensions import Doc

from triptych.data.dataset import Dataset
from triptych.models.model import ClosedFormModel
from triptych.models.ridge import item_weights
from triptych.progress import Listener, ignore_progress
from triptych.ranking.scorer import ItemWeights
from triptych.settings import LogRange, Search


class EASE(ClosedFormModel):
    """See the module: the equations. Looks at interactions alone."""

    @dataclass(frozen=True)
    class Settings:
        """EASE's settings."""

        reg_weight: Annotated[float, Interval(gt=0), Doc("ridge penalty λ")] = 300.0
        form: Annotated[
            Literal["auto", "dense", "sparse"], Doc("dense: n_items² floats; auto: dense up to 20,000 items")
        ] = "auto"
        n_neighbours: Annotated[int, Interval(ge=1), Doc("items that an item is regressed on, in the sparse form")] = (
            200
        )

    paper = 'H. Steck, "Embarrassingly Shallow Autoencoders for Sparse Data", WWW 2019'
    needs_features = False
    search: ClassVar[Search] = {"reg_weight": LogRange(10.0, 3000.0)}

    def __init__(self, settings: EASE.Settings) -> None:
        self.settings = settings

    def solve(self, dataset: Dataset, listener: Listener = ignore_progress) -> ItemWeights:
        s = self.settings
        weights = item_weights(dataset.interactions, s.reg_weight, s.form, s.n_neighbours, listener)
        return ItemWeights(dataset.interactions, weights)
