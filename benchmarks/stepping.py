"""One step of training, textbook's or ours: the same batches, the same negatives, everything else as each does it."""

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
from triptych.models.model import LearntModel
from triptych.models.registry import model_class
from triptych.settings import parse
from triptych.training import loop
from triptych.training.batches import EPOCH, Batches, torch_generator
from triptych.training.checkpoint import Standing
from triptych.training.fit import chosen_precision
from triptych.training.settings import TrainingSettings

SEED = 0
CPU = torch.device("cpu")


class Trainer(ABC):
    """Takes steps: `start_epoch` once, then `step` as often as one likes. After an epoch its batches come again."""

    precision: str | None = None  # the setting's value where there is one

    def __init__(self, dataset: Dataset, batch_size: int, *, negatives: bool) -> None:
        self.batches = Batches(dataset.interactions, batch_size, SEED, negatives=negatives)
        self.order = self.batches.order(0)
        self.place = 0

    def next_place(self) -> int:
        """Which batch comes next; the last, smaller one is left out where there are others."""
        place = self.place
        self.place = (place + 1) % max(1, self.batches.n_steps - 1)
        return place

    @abstractmethod
    def start_epoch(self) -> None:
        """What happens before every epoch."""

    @abstractmethod
    def step(self) -> float:
        """Take one step; returns the loss."""


class TextbookTrainer(Trainer):
    """A textbook version with torch's default Adam, in float32 whatever `precision` says."""

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
        batch = self.batches.batch(self.order, 0, self.next_place(), CPU)
        loss = self.model.loss(batch.users, batch.positives, batch.negatives)
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        return loss.item()


class OurTrainer(Trainer):
    """Our model, stepped by the training loop's own pieces.

    values: settings of the model and of training together; each goes where it is known.
    """

    def __init__(
        self, name: str, dataset: Dataset, values: Mapping[str, object], batch_size: int, precision: str | None = None
    ) -> None:
        kind = model_class(name)
        if not issubclass(kind, LearntModel):
            raise TypeError(f"{name} takes no steps")
        of_training = {field.name for field in fields(TrainingSettings)}
        if precision is not None:
            values = {**values, "precision": precision}
        training = {key: value for key, value in values.items() if key in of_training}
        settings = {key: value for key, value in values.items() if key not in of_training}
        generator = torch_generator(CPU, SEED, 0)
        self.training = parse(TrainingSettings, {**training, "batch_size": batch_size, "device": "cpu"})
        parsed = parse(kind.Settings, settings, of=name)
        self.precision = self.training.precision
        self.model = kind(dataset, parsed, generator)
        super().__init__(dataset, batch_size, negatives=self.model.needs_negatives)
        self.model.compute_products_in(chosen_precision(self.training.precision, CPU))
        self.optimizer = loop._adam(self.model, self.training)
        self.memory = ExitStack()
        self.memory.enter_context(kernels.kept_memory())  # as the training loop does

    def start_epoch(self) -> None:
        self.model.train()
        self.model.start_epoch(torch_generator(CPU, SEED, EPOCH, 0))

    def step(self) -> float:
        standing = Standing()
        standing.step = self.next_place()
        terms = loop._step(self.model, self.optimizer, self.batches, self.order, standing, SEED, CPU, None)
        return sum(terms.values())


TRAINERS: dict[str, type[TextbookTrainer] | type[OurTrainer]] = {"textbook": TextbookTrainer, "ours": OurTrainer}
