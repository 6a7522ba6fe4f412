"""A function of the caller that gets every finished epoch of a training, and may end it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from triptych.models.model import TrainedModel
from triptych.ranking.scorer import Factors


@dataclass(frozen=True)
class Epoch:
    """A finished epoch, for `fit(…, on_epoch=function)`.

    number: from 1. losses: the mean terms of the loss by name. metrics: of validation, as "ndcg@50"; empty if the epoch
    was not evaluated. seconds: of training. model: for reading; changes of it change the result.
    """

    number: int
    losses: Mapping[str, float]
    metrics: Mapping[str, float]
    seconds: float
    model: TrainedModel

    @classmethod
    def from_line(cls, line: Mapping[str, Any], model: TrainedModel) -> Epoch:
        """Return the epoch of a line of metrics.jsonl."""
        losses, metrics = (
            {name.removeprefix(prefix): float(value) for name, value in line.items() if name.startswith(prefix)}
            for prefix in ("loss/", "validation/")
        )
        return cls(int(line["epoch"]), losses, metrics, float(line["seconds"]), model)

    @torch.no_grad()
    def factors(self) -> Factors:
        """Return the representations of all users and items now: copies, float32 on the CPU."""
        was_training = self.model.training
        self.model.eval()
        factors = self.model.factors()
        self.model.train(was_training)
        return Factors(
            *(table.detach().to("cpu", torch.float32, copy=True) for table in (factors.users, factors.items))
        )


OnEpoch = Callable[[Epoch], object]  # True ends the training


def asks_to_stop(on_epoch: OnEpoch | None, line: Mapping[str, Any], model: TrainedModel) -> bool:
    """Report an epoch, by its line of metrics.jsonl. Only True stops: many functions return something by accident."""
    if on_epoch is None:
        return False
    answer = on_epoch(Epoch.from_line(line, model))
    return answer is True or (isinstance(answer, np.bool_) and bool(answer))
