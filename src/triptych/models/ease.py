"""EASE, of Steck, WWW 2019."""

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
from triptych.settings import LogRange, SearchSpace, checked


class EASE(ClosedFormModel):
    """EASE: ridge regression of every item on all other items, in closed form.

        P = (XᵀX + λI)⁻¹        B = −P / diag(P) by columns, zero diagonal        scores = X B

    `form = sparse` regresses every item only on the `n_neighbours` items that predict it best on their own. Memory then
    grows with n_items · n_neighbours instead of n_items². Only items that share a user with it are considered. If those
    are all the other items, and `n_neighbours` is large enough for them, the result is the same B.

    If the interactions have weights w, X has √w in place of 1 in XᵀX. A history counts each of its items once.

    It learns from interactions only and ignores features.
    """

    @dataclass(frozen=True)
    @checked
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
    search: ClassVar[SearchSpace] = {"reg_weight": LogRange(10.0, 3000.0)}

    def __init__(self, settings: EASE.Settings) -> None:
        self.settings = settings

    def solve(self, dataset: Dataset, listener: Listener = ignore_progress) -> ItemWeights:
        settings = self.settings
        weights = item_weights(dataset, settings.reg_weight, settings.form, settings.n_neighbours, listener)
        return ItemWeights(dataset.interactions, weights)
