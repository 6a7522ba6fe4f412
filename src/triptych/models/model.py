"""ClosedFormModel and TrainedModel: the two shapes a model can have, and Batch, what a learnt one sees at a step."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

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
from triptych.settings import Search


@dataclass(frozen=True)
class Batch:
    """Training pairs: int64 rows [n]. negatives: items that the users did not take, where the model asks for them."""

    users: Tensor
    positives: Tensor
    negatives: Tensor | None = None

    def __len__(self) -> int:
        return len(self.users)


ItemAttributions = Callable[[int], dict[str, NDArray[np.float64]]]  # see `ClosedFormModel.item_components`
ITEM_TABLES = ("item_embedding", "id_embedding")  # parameters whose last n_items rows are the items'


class ClosedFormModel(ABC):
    """A model that is computed at once. Made from its settings; `solve` does the work.

    paper: its citation, or "". search: the settings that are worth tuning, and what they may be.
    """

    Settings: ClassVar[type[Any]]
    paper: ClassVar[str]
    search: ClassVar[Search]
    needs_features: ClassVar[bool]

    @abstractmethod
    def __init__(self, settings: Any) -> None: ...

    @abstractmethod
    def solve(self, dataset: Dataset, listener: Listener = ignore_progress) -> Factors | ItemWeights:
        """The scorer for a data set (training interactions only)."""

    def item_components(self, scorer: ItemWeights, dataset: Dataset) -> ItemAttributions:
        """Item row -> what every item says of it, by what it says it through: float64 [n_items] each; they add up.

        scorer: what `solve` made of `dataset`, whose features are looked at where `needs_features` says so.
        """
        return lambda item: {COLLABORATIVE: scorer.item_attributions(item)}

    def extend_scorer(self, scorer: ItemWeights, dataset: Dataset) -> ItemWeights:
        """Extend the scorer that `solve` returned to a data set with new items, which follow the known ones.

        Only models of content can. Raises NotImplementedError for the others.
        """
        raise NotImplementedError(f"{type(self).__name__} does not use content")


class TrainedModel(nn.Module, ABC):
    """A model that Adam trains. Made from a data set (training interactions only), its settings and a generator.

    paper: its citation. search: the settings, of its own or of training, that are worth tuning, and what they may be.
    """

    Settings: ClassVar[type[Any]]
    paper: ClassVar[str]
    search: ClassVar[Search]
    needs_negatives: ClassVar[bool]
    needs_features: ClassVar[bool]

    @abstractmethod
    def __init__(self, dataset: Dataset, settings: Any, generator: Generator) -> None:
        super().__init__()

    @abstractmethod
    def loss(self, batch: Batch, generator: Generator) -> dict[str, Tensor]:
        """The loss of a batch as named scalar terms; their sum is what is minimised. All randomness by `generator`."""

    @abstractmethod
    def factors(self) -> Factors:
        """What ranks: every user's and every item's representation."""

    def user_decomposition(self) -> UserDecomposition | None:
        """The users' representations as sums over what they took; None where the equations are not linear in that."""
        return None

    def item_components(self, items: Tensor) -> dict[str, Tensor]:
        """The representations of some items, int64 [n], by what they are made of: float32 [n, d] each; they add up."""
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

    def start_epoch(self, generator: Generator) -> None:
        """Called before every epoch, and again when an epoch is gone on with: the same generator, the same outcome."""

    def own_learning_rates(self) -> dict[str, float]:
        """Parameters with a learning rate of their own: name -> rate."""
        return {}

    def set_compute_dtype(self, dtype: torch.dtype) -> None:
        """Compute products of features and sums over neighbours from tables in `dtype`, float32 or bfloat16.

        Sums are kept in float32, parameters too.
        """
        for module in self.modules():
            if isinstance(module, FeatureRows | BipartiteGraph):
                module.compute_dtype = dtype
