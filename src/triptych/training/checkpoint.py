"""Checkpoints, to resume bit for bit: parameters, Adam's moments, the best parameters, and the training state."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from triptych.artefacts import map_tensors, tensor_metadata, write_tensors
from triptych.errors import TrainingError, location
from triptych.models.model import TrainedModel
from triptych.training.adam import Adam, Moments

ADAM = tuple(each.name for each in fields(Moments))  # what Adam keeps per parameter
FORMAT_1 = {"to_beat": "best_for_patience", "without_better": "epochs_without_improvement"}  # names before format 2


@dataclass
class TrainingState:
    """Where training is: the next step to take, and what early stopping knows.

    terms: loss terms, summed over the steps of this epoch. seconds: spent in this epoch. best: the best validation
    metric. best_for_patience: the metric that the next evaluation must exceed. lines: lines of metrics.jsonl so far.
    """

    epoch: int = 0
    step: int = 0
    terms: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    best: float | None = None
    best_epoch: int = -1
    best_for_patience: float | None = None
    epochs_without_improvement: int = 0
    lines: int = 0
    finished: bool = False


def save_checkpoint(
    path: Path, model: TrainedModel, adam: Adam, best: dict[str, Tensor] | None, state: TrainingState
) -> None:
    """Write everything that the next step depends on into one file, whole or not at all.

    Raises TrainingError if a parameter is not finite: a good checkpoint is never replaced by a bad one.
    """
    tensors: dict[str, NDArray[np.generic]] = {}
    for name, parameter in model.named_parameters():
        if not bool(torch.isfinite(parameter).all()):
            raise TrainingError(
                f'parameter "{name}" is not finite at epoch {state.epoch + 1}, batch {state.step}',
                where=location(path),
                hint="lower the learning rate; the checkpoint before is kept",
            )
        tensors[f"parameter/{name}"] = _array(parameter)
        tensors.update({f"adam/{key}/{name}": _array(getattr(adam.moments[name], key)) for key in ADAM})
    for name, value in (best or {}).items():
        tensors[f"best/{name}"] = _array(value)
    write_tensors(path, tensors, {"state": json.dumps(asdict(state))})


def load_checkpoint(path: Path, model: TrainedModel, adam: Adam) -> tuple[dict[str, Tensor] | None, TrainingState]:
    """Restore model and Adam from a checkpoint; returns the best parameters and the state.

    Raises TrainingError if the checkpoint is of another model.
    """
    tensors = {name: torch.from_numpy(np.array(array)) for name, array in map_tensors(path).items()}
    parameters = dict(model.named_parameters())
    saved = {name.removeprefix("parameter/") for name in tensors if name.startswith("parameter/")}
    if saved != set(parameters):
        raise TrainingError(
            "the checkpoint is of another model", where=location(path), hint="choose another run folder, or restart it"
        )
    with torch.no_grad():
        for name, parameter in parameters.items():
            parameter.copy_(tensors[f"parameter/{name}"])
            for key in ADAM:
                if (moment := tensors.get(f"adam/{key}/{name}")) is not None:
                    current: Tensor = getattr(adam.moments[name], key)
                    current.copy_(moment.view_as(current))  # a number is stored as an array of one
    best = {name.removeprefix("best/"): value for name, value in tensors.items() if name.startswith("best/")}
    return best or None, _read_state(tensor_metadata(path))


def _read_state(metadata: Mapping[str, str]) -> TrainingState:
    if "state" in metadata:
        return TrainingState(**json.loads(metadata["state"]))
    values = json.loads(metadata["standing"])  # a checkpoint of format 1
    return TrainingState(**{FORMAT_1.get(name, name): value for name, value in values.items()})


def _array(tensor: Tensor) -> NDArray[np.generic]:
    array: NDArray[np.generic] = tensor.detach().cpu().numpy()
    return array
