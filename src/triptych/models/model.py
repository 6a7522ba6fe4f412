"""ClosedFormModel and TrainedModel, the two kinds of model, and Batch, the training pairs of one step."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor, nn

from triptych.data.dataset import Dataset
from triptych.graph.bipartite import BipartiteGraph
from triptych.models.decomposition import COLLABORATIVE, UserDecomposition
from triptych.models.feature_rows import FeatureRows
from triptych.progress import Listener, ignore_progress
from triptych.ranking.scorer import Factors, ItemWeights
from triptych.settings import SearchSpace


@dataclass(frozen=True)
class Batch:
    """Training pairs as int64 rows [n]. negatives: items outside the users' histories, if the model needs them.

    weights: float32 [n], how much each pair counts, with mean 1 over all training pairs; None if all count the same.
    """

    users: Tensor
    positives: Tensor
    negatives: Tensor | None = None
    weights: Tensor | None = None

    def __len__(self) -> int:
        return len(self.users)


@dataclass(frozen=True)
class NoSettings:
    """The settings of a model that has none."""


Owner = Literal["users", "items"]
ItemAttributions = Callable[[int], dict[str, NDArray[np.float64]]]  # see `ClosedFormModel.item_components`
ITEM_TABLES = ("item_embedding", "id_embedding")  # parameters whose last n_items rows belong to the items
USER_TABLES = ("user_embedding", "id_embedding")  # parameters whose first n_users rows belong to the users
OTHER_ITEM_TABLES = ("modality_confidence", "residual", "features")  # last parts of the names of further tables
OTHER_USER_TABLES = ("modality_confidence", "preference")
OF_USERS = "user_modalities."  # parameters below it belong to the features of users


class ClosedFormModel(ABC):
    """A model that is computed in one go, without training. It is made from its settings; `solve` does the work.

    The class docstring of every model has its equations; its first line is the model's summary.
    Settings: a frozen dataclass. paper: its citation, or "". search: the settings that are worth tuning, with their
    values or ranges. needs_features: whether the model learns from features. uses_user_features: whether it learns from
    those of users.
    """

    Settings: ClassVar[type[Any]] = NoSettings
    paper: ClassVar[str] = ""
    search: ClassVar[SearchSpace] = {}
    needs_features: ClassVar[bool] = False
    uses_user_features: ClassVar[bool] = False

    def __init__(self, settings: Any) -> None:
        self.settings = settings

    @abstractmethod
    def solve(self, dataset: Dataset, listener: Listener = ignore_progress) -> Factors | ItemWeights:
        """Return the scorer for a data set, which has the training interactions only."""

    def item_components(self, scorer: ItemWeights, dataset: Dataset) -> ItemAttributions:
        """Return a function: item row -> the weights of all items on its score, by component, float64 [n_items] each.

        The components add up to the item's column of weights. Their names are those of `decomposition`.
        scorer: the result of `solve` on `dataset`. A model with `needs_features` uses the features of `dataset`.
        """
        return lambda item: {COLLABORATIVE: scorer.item_attributions(item)}

    def extend_scorer(self, scorer: ItemWeights, dataset: Dataset) -> ItemWeights:
        """Extend the scorer that `solve` returned to a data set with new items, which follow the known ones.

        Only models of content can. Raises NotImplementedError for the others.
        """
        raise NotImplementedError(f"{type(self).__name__} does not use content")


class TrainedModel(nn.Module, ABC):
    """A model that Adam trains. It is made from a data set (training interactions only), settings and a generator.

    The class docstring of every model has its equations; its first line is the model's summary.
    Settings: a frozen dataclass. paper: its citation. search: the settings of the model or of training that are worth
    tuning, with their values or ranges. needs_negatives: whether batches have negatives. needs_features: whether the
    model learns from features of items. uses_user_features: whether it learns from those of users, if there are any.
    """

    Settings: ClassVar[type[Any]] = NoSettings
    paper: ClassVar[str] = ""
    search: ClassVar[SearchSpace] = {}
    needs_negatives: ClassVar[bool] = True
    needs_features: ClassVar[bool] = False
    uses_user_features: ClassVar[bool] = False

    @abstractmethod
    def __init__(self, dataset: Dataset, settings: Any, generator: Generator) -> None:
        super().__init__()

    @abstractmethod
    def loss(self, batch: Batch, generator: Generator) -> dict[str, Tensor]:
        """Return the loss of a batch as named scalar terms; their sum is minimised.

        A mean over the pairs of the batch is the mean of w times the pair's value, if the batch has weights w. All
        random numbers come from `generator`.
        """

    @abstractmethod
    def factors(self) -> Factors:
        """Return the representations of all users and items; their inner products are the scores."""

    def user_decomposition(self) -> UserDecomposition | None:
        """Return the users' representations as sums over their items; None if the equations are not linear in those."""
        return None

    def user_content(self) -> dict[str, Tensor]:
        """Return the terms of the users' representations that come from their features alone, [n_users, d], by name.

        For explanations of a model without `user_decomposition`.
        """
        return {}

    def item_components(self, items: Tensor) -> dict[str, Tensor]:
        """Return the representations of some items, int64 [n], by component: float32 [n, d] each; they add up."""
        return {COLLABORATIVE: self.factors().items[items]}

    @torch.no_grad()
    def embed_cold_items(self, cold: Tensor) -> None:
        """Set the embeddings of items without interactions, bool [n_items]: to zero, so that only content counts.

        Called before `factors`. It overwrites the rows of those items in the tables of item (or user and item)
        embeddings. A model may have a better way.
        """
        for name, table in self.named_parameters():
            if name in ITEM_TABLES:
                table[-len(cold) :][cold] = 0

    @torch.no_grad()
    def embed_cold_users(self, cold: Tensor) -> None:
        """Set the embeddings of users without interactions, bool [n_users]: to zero, so that only content counts.

        Called before `factors` if the data set has features of users. A model may have a better way.
        """
        for name, table in self.named_parameters():
            if name in USER_TABLES:
                table[: len(cold)][cold] = 0

    def rows_of(self, name: str) -> tuple[Owner, ...]:
        """Return whose rows a parameter has, in their order; () for a parameter that does not depend on ids.

        A warm start carries rows over by id. Override it for tables that have other names than those above.
        """
        last = name.removesuffix(".weight").rpartition(".")[2]
        items, users = last in ITEM_TABLES + OTHER_ITEM_TABLES, last in USER_TABLES + OTHER_USER_TABLES
        if items and name.startswith(OF_USERS):
            return ("users",)
        of_users: tuple[Owner, ...] = ("users",) if users else ()
        return (*of_users, "items") if items else of_users

    def start_epoch(self, generator: Generator) -> None:
        """Prepare an epoch. Called again, with the same generator, when an interrupted epoch is resumed."""

    def parameter_learning_rates(self) -> dict[str, float]:
        """Return the parameters that need another learning rate than the others: name -> rate."""
        return {}

    def set_compute_dtype(self, dtype: torch.dtype) -> None:
        """Compute products of features and sums over neighbours from tables in `dtype`, float32 or bfloat16.

        Sums are kept in float32, parameters too.
        """
        for module in self.modules():
            if isinstance(module, FeatureRows | BipartiteGraph):
                module.compute_dtype = dtype
