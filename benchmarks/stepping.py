"""One training step of a textbook version or of Triptych, with the same batches and the same negatives."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import fields

import torch
from torch.optim import Adam

from benchmarks.textbook import TEXTBOOK
from triptych import kernels
from triptych.data.dataset import Dataset
from triptych.data.split import Split
from triptych.models.model import TrainedModel
from triptych.models.registry import model_class
from triptych.seeds import Purpose
from triptych.settings import parse
from triptych.training.batches import Batches, torch_generator
from triptych.training.checkpoint import TrainingState
from triptych.training.loop import start_run, train_step
from triptych.training.precision import choose_precision, dtype_of
from triptych.training.run_context import RunContext
from triptych.training.settings import TrainingSettings

SEED = 0
CPU = torch.device("cpu")


class Trainer(ABC):
    """Takes steps: `start_epoch` once, then `step` any number of times. After an epoch the batches repeat."""

    precision: str | None = None  # the value of this setting, if there is one

    def __init__(self, dataset: Dataset, batch_size: int, *, negatives: bool) -> None:
        self.batches = Batches(dataset.interactions, batch_size, SEED, negatives=negatives)
        self.order = self.batches.order(0)
        self.position = 0

    def next_batch(self) -> int:
        """Return the position of the next batch. The last, smaller batch is left out if there are others."""
        position = self.position
        self.position = (position + 1) % max(1, self.batches.n_steps - 1)
        return position

    @abstractmethod
    def start_epoch(self) -> None:
        """Do the work at the start of an epoch."""

    @abstractmethod
    def step(self) -> float:
        """Take one step and return the loss."""


class TextbookTrainer(Trainer):
    """A textbook version with torch's default Adam, always in float32."""

    def __init__(
        self, name: str, dataset: Dataset, values: Mapping[str, object], batch_size: int, precision: str | None = None
    ) -> None:
        self.model = TEXTBOOK[name](dataset, parse(model_class(name).Settings, values, of=name))
        super().__init__(dataset, batch_size, negatives=self.model.needs_negatives)
        self.optimizer = Adam(self.model.parameters(), lr=TrainingSettings().learning_rate)

    def start_epoch(self) -> None:
        self.model.train()
        self.model.start_epoch()

    def step(self) -> float:
        batch = self.batches.batch(self.order, 0, self.next_batch(), CPU)
        loss = self.model.loss(batch.users, batch.positives, batch.negatives)
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        return loss.item()


class TriptychTrainer(Trainer):
    """A model of Triptych, with the step of the training loop.

    values: settings of the model and of training together; they are separated by name.
    """

    def __init__(
        self, name: str, dataset: Dataset, values: Mapping[str, object], batch_size: int, precision: str | None = None
    ) -> None:
        kind = model_class(name)
        if not issubclass(kind, TrainedModel):
            raise TypeError(f"{name} is not trained in steps")
        training_names = {field.name for field in fields(TrainingSettings)}
        if precision is not None:
            values = {**values, "precision": precision}
        training = {key: value for key, value in values.items() if key in training_names}
        settings = {key: value for key, value in values.items() if key not in training_names}
        generator = torch_generator(CPU, SEED, Purpose.RESTORE)
        self.training = parse(TrainingSettings, {**training, "batch_size": batch_size, "device": "cpu"})
        parsed = parse(kind.Settings, settings, of=name)
        self.precision = self.training.precision
        self.model = kind(dataset, parsed, generator)
        super().__init__(dataset, batch_size, negatives=self.model.needs_negatives)
        self.model.set_compute_dtype(dtype_of(choose_precision(self.training.precision, CPU)))
        split = Split(dataset, dataset.interactions, dataset.interactions)
        self.run = start_run(self.model, split, self.training, CPU, RunContext())
        self.batches = self.run.batches  # the same batches as in a textbook version: SEED is the default seed
        self.memory = ExitStack()
        self.memory.enter_context(kernels.retain_freed_memory())  # as the training loop does

    def start_epoch(self) -> None:
        self.model.train()
        self.model.start_epoch(torch_generator(CPU, SEED, Purpose.EPOCH, 0))

    def step(self) -> float:
        self.run.state = TrainingState(step=self.next_batch())
        return sum(train_step(self.run, self.order).values())


TRAINERS: dict[str, type[TextbookTrainer] | type[TriptychTrainer]] = {
    "textbook": TextbookTrainer,
    "triptych": TriptychTrainer,
}
