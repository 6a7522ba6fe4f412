"""What accompanies a training run: its files, a progress listener, a request to stop, and loggers of metrics."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from triptych.progress import Listener, ignore_progress
from triptych.training.callbacks import OnEpoch
from triptych.training.validation import Validation

MetricsLogger = Callable[[Mapping[str, Any]], None]  # takes one line of metrics.jsonl


@dataclass(frozen=True)
class RunFiles:
    """The files of a run folder."""

    folder: Path

    @property
    def about(self) -> Path:
        return self.folder / "run.json"

    @property
    def checkpoint(self) -> Path:
        return self.folder / "checkpoint.safetensors"

    @property
    def cost(self) -> Path:
        return self.folder / "cost.json"

    @property
    def metrics(self) -> Path:
        return self.folder / "metrics.jsonl"

    @property
    def model(self) -> Path:
        return self.folder / "model"


@dataclass(frozen=True)
class RunContext:
    """Everything around a training run.

    files: the run folder, None for a run in memory. listener: called with the progress. should_stop: called after each
    step; on True, training writes a checkpoint and raises KeyboardInterrupt. loggers: each gets one line per epoch.
    on_epoch: called after each epoch; True ends the training there. validation: replaces the metric of early stopping.
    keeps_interrupted: if it is interrupted, the training ends with its best epoch, if one was validated.
    """

    files: RunFiles | None = None
    listener: Listener = ignore_progress
    should_stop: Callable[[], bool] | None = None
    loggers: Sequence[MetricsLogger] = ()
    on_epoch: OnEpoch | None = None
    validation: Validation | None = None
    keeps_interrupted: bool = False
