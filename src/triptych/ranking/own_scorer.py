"""Scorers from outside the package: any object with n_users, n_items and score(users). They are checked at the door."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from triptych.data.dataset import Dataset
from triptych.data.split import Split
from triptych.errors import InputError
from triptych.progress import Listener, ignore_progress
from triptych.ranking.evaluate import STANDARD, Report, evaluate_task
from triptych.ranking.metrics import Metric
from triptych.ranking.protocol import EvaluationProtocol, evaluation_task
from triptych.ranking.scorer import OurScorer, Scorer

HINT = "give an object with n_users, n_items and score(users): int64 [n] rows -> float32 [n, n_items]"


@dataclass(frozen=True)
class OwnScorer:
    """A scorer from outside, whose scores are checked and copied: ranking changes them in place."""

    scorer: Any

    @property
    def n_users(self) -> int:
        return int(self.scorer.n_users)

    @property
    def n_items(self) -> int:
        return int(self.scorer.n_items)

    def score(self, users: NDArray[np.int64]) -> Tensor:
        """float32 [n, n_items]; see Scorer. Raises InputError if these are not the scores."""
        return _numbers(self.scorer.score(users), (len(users), self.n_items), f"score of {_name(self.scorer)}")

    def similarity(self, item: int) -> Tensor:
        """float32 [n_items]: the similarity of each item to one. Raises InputError if the scorer has no such method."""
        method = getattr(self.scorer, "similarity", None)
        if not callable(method):
            raise InputError(
                f"{_name(self.scorer)} does not say which items are similar",
                hint="give it a method similarity(item): a row -> float32 [n_items]",
            )
        return _numbers(method(item), (self.n_items,), f"similarity of {_name(self.scorer)}")


def checked_scorer(scorer: object, dataset: Dataset) -> OurScorer | OwnScorer:
    """Return a scorer as ranking can use it: one of ours as it is, others as OwnScorer.

    Raises InputError if it lacks something, or is for another number of users or items than the data set has.
    """
    if isinstance(scorer, OurScorer | OwnScorer):
        return scorer
    missing = [name for name in ("n_users", "n_items", "score") if not hasattr(scorer, name)]
    if missing or isinstance(scorer, type) or not callable(getattr(scorer, "score", None)):
        lacks = f" lacks {', '.join(missing)}" if missing else " is not a scorer"
        raise InputError(_name(scorer) + lacks, hint=HINT)
    own = OwnScorer(scorer)
    expected = (dataset.n_users, dataset.n_items)
    if (own.n_users, own.n_items) != expected:
        raise InputError(
            f"{_name(scorer)} scores {own.n_items} items for {own.n_users} users, but the data set has "
            f"{expected[1]} items and {expected[0]} users",
            hint="its rows are those of dataset.users and dataset.items",
        )
    return own


def require_ours(scorer: Scorer, action: str) -> OurScorer:
    """Return a scorer of the package. Raises InputError for one from outside: it is code that only scores.

    action: what is to be done with it, for the message, as "saved".
    """
    if not isinstance(scorer, OurScorer):
        hint = "give its scores as triptych.Factors or triptych.ItemWeights, or write its lists: write_recommendations"
        raise InputError(f"a scorer of your own cannot be {action}", hint=hint)
    return scorer


def evaluate(
    scorer: Scorer,
    data: Split | Dataset,
    protocol: EvaluationProtocol = EvaluationProtocol(),
    *,
    metrics: Sequence[str | Metric] = STANDARD,
    listener: Listener = ignore_progress,
) -> Report:
    """Measure any scorer by full ranking against held-out interactions, as `Recommender.evaluate` measures a model.

    data: a Split, or a data set that carries one; its rows are those that are scored. What was held out must not have
    been used to make the scorer. Raises InputError, SettingsError.
    """
    split = data if isinstance(data, Split) else Split.from_dataset(data)
    task = evaluation_task(checked_scorer(scorer, split.train), split, protocol)
    return evaluate_task(task, metrics, None, listener)


def similarity_of(scorer: Scorer, item: int) -> Tensor:
    """float32 [n_items]: the similarity of each item to one item row, by a scorer of ours or from outside."""
    assert isinstance(scorer, OurScorer | OwnScorer)
    return scorer.similarity(item).cpu()


def _numbers(values: Any, shape: tuple[int, ...], what: str) -> Tensor:
    """Return float32 numbers of a shape, in memory of their own."""
    try:
        tensor = values.detach() if isinstance(values, Tensor) else torch.from_numpy(np.array(values, dtype=np.float32))
    except (TypeError, ValueError):
        raise InputError(f"{what} is not an array of numbers", hint=f"{list(shape)} is expected") from None
    if tuple(tensor.shape) != shape:
        raise InputError(f"{what} has the shape {list(tensor.shape)}", hint=f"{list(shape)} is expected")
    return tensor.to(torch.float32, copy=True)


def _name(scorer: object) -> str:
    return scorer.__qualname__ if isinstance(scorer, type) else type(scorer).__qualname__
