"""How to train, whatever the model."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Literal

from annotated_types import Interval
from typing_extensions import Doc

from triptych.devices import check_device_name
from triptych.errors import SettingsError
from triptych.settings import checked

MAX_EPOCHS = 1000  # if not given; early stopping ends nearly all trainings before


@dataclass(frozen=True)
@checked
class TrainingSettings:
    """Adam with early stopping on a validation metric; without validation interactions, for a number of epochs."""

    epochs: Annotated[
        int | None,
        Interval(ge=1),
        Doc(
            f"passes over the training interactions; with validation at most so many ({MAX_EPOCHS} if not given), "
            "without it exactly so many"
        ),
    ] = None
    batch_size: Annotated[int, Interval(ge=1), Doc("interactions per step")] = 2048
    learning_rate: Annotated[float, Interval(gt=0), Doc("Adam's learning rate")] = 1e-3
    metric: Annotated[str, Doc("validation metric for early stopping")] = "ndcg@50"
    patience: Annotated[int, Interval(ge=1), Doc("stop after this many evaluations without an improvement")] = 20
    min_gain: Annotated[
        float, Interval(ge=0), Doc("relative gain that resets patience; the best epoch is kept in any case")
    ] = 0.0
    evaluate_every: Annotated[int, Interval(ge=1), Doc("epochs between evaluations")] = 1
    checkpoint_seconds: Annotated[
        float, Interval(ge=0), Doc("seconds between checkpoints; 0 writes one every step")
    ] = 60.0
    seed: Annotated[int, Interval(ge=0), Doc("seed of all randomness")] = 0
    device: Annotated[
        str, Doc("where to train: cpu, cuda, cuda:1 (the second GPU), mps (Apple), or auto: cuda if there is a GPU")
    ] = "auto"
    precision: Annotated[
        Literal["auto", "float32", "bfloat16"],
        Doc("of products with features and sums over neighbours; auto: bfloat16 if it is clearly faster here"),
    ] = "auto"

    def __post_init__(self) -> None:
        check_device_name(self.device)

    @property
    def max_epochs(self) -> int:
        """The number of epochs, if validation does not end the training before."""
        return MAX_EPOCHS if self.epochs is None else self.epochs


def require_epochs(training: TrainingSettings) -> None:
    """Raise SettingsError unless the number of epochs is given, for a training without validation interactions."""
    if training.epochs is None:
        raise SettingsError(
            "there are no validation interactions to stop by, and no number of epochs",
            hint="pass `epochs=N`, the number that an earlier training found best; or split with a validation share",
        )


def with_epochs(training: TrainingSettings, epochs: int | None) -> TrainingSettings:
    """Return the settings with a number of epochs. Raises SettingsError if they have another one already."""
    if epochs is not None and training.epochs not in (None, epochs):
        raise SettingsError(f"epochs is {epochs}, but {training.epochs} in training", hint="give one of them")
    return training if epochs is None else replace(training, epochs=epochs)
