"""How to train, whatever the model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Interval
from typing_extensions import Doc


@dataclass(frozen=True)
class TrainingSettings:
    """Adam with early stopping on a validation metric."""

    epochs: Annotated[int, Interval(ge=1), Doc("at most this many passes over the training interactions")] = 1000
    batch_size: Annotated[int, Interval(ge=1), Doc("interactions per step")] = 2048
    learning_rate: Annotated[float, Interval(gt=0), Doc("Adam's learning rate")] = 1e-3
    metric: Annotated[str, Doc("what early stopping looks at, on the validation interactions")] = "ndcg@50"
    patience: Annotated[int, Interval(ge=1), Doc("stop after this many evaluations without a better one")] = 20
    min_gain: Annotated[
        float, Interval(ge=0), Doc("share by which an evaluation must be better for patience; the best is kept anyway")
    ] = 0.0
    evaluate_every: Annotated[int, Interval(ge=1), Doc("epochs between evaluations")] = 1
    checkpoint_seconds: Annotated[
        float, Interval(ge=0), Doc("seconds between checkpoints; 0 writes one every step")
    ] = 60.0
    seed: Annotated[int, Interval(ge=0), Doc("the one number that decides everything random")] = 0
    device: Annotated[Literal["auto", "cpu", "cuda", "mps"], Doc("where to train; auto: a GPU where there is one")] = (
        "auto"
    )
    precision: Annotated[
        Literal["auto", "float32", "bfloat16"],
        Doc("products of features, sums over neighbours; auto: bfloat16 where the processor has such products"),
    ] = "auto"
