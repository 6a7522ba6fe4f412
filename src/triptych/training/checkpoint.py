"""Save and resume, bit for bit: parameters, Adam's moments, the best so far, and where training stands."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from triptych.artefacts import map_tensors, tensor_metadata, write_tensors
from triptych.errors import TrainingError, place
from triptych.models.model import LearntModel
from triptych.training.adam import Adam, Moments

ADAM = tuple(each.name for each in fields(Moments))  # what Adam remembers of a parameter


@dataclass
class Standing:
    """Where training stands: the next step to take, and what was seen so far."""

    epoch: int = 0
    step: int = 0
    terms: dict[str, float] = field(default_factory=dict)  # summed over the steps of this epoch
    seconds: float = 0.0  # spent in this epoch
    best: float | None = None
    best_epoch: int = -1
    to_beat: float | None = None  # the best, as far as patience is concerned
    without_better: int = 0
    lines: int = 0  # of metrics.jsonl that belong to this standing
    finished: bool = False


def save_checkpoint(
    path: Path, model: LearntModel, adam: Adam, best: dict[str, Tensor] | None, standing: Standing
) -> None:
    """Write everything that the next step depends on, as one file that is whole or absent.

    Raises TrainingError rather than replace a good checkpoint by one whose parameters are not finite.
    """
    tensors: dict[str, NDArray[np.generic]] = {}
    for name, parameter in model.named_parameters():
        if not bool(torch.isfinite(parameter).all()):
            raise TrainingError(
                f'parameter "{name}" is not finite at epoch {standing.epoch + 1}, batch {standing.step}',
                where=place(path),
                mend="lower the learning rate; the checkpoint before is kept",
            )
        tensors[f"parameter/{name}"] = _array(parameter)
        tensors.update({f"adam/{key}/{name}": _array(getattr(adam.moments[name], key)) for key in ADAM})
    for name, value in (best or {}).items():
        tensors[f"best/{name}"] = _array(value)
    write_tensors(path, tensors, {"standing": json.dumps(asdict(standing))})


def load_checkpoint(path: Path, model: LearntModel, adam: Adam) -> tuple[dict[str, Tensor] | None, Standing]:
    """Put model and Adam back where the checkpoint left them; returns (best parameters, standing).

    Raises TrainingError if the checkpoint is of another model.
    """
    tensors = {name: torch.from_numpy(np.array(array)) for name, array in map_tensors(path).items()}
    parameters = dict(model.named_parameters())
    saved = {name.removeprefix("parameter/") for name in tensors if name.startswith("parameter/")}
    if saved != set(parameters):
        raise TrainingError(
            "the checkpoint is of another model", where=place(path), mend="choose another run folder, or restart it"
        )
    with torch.no_grad():
        for name, parameter in parameters.items():
            parameter.copy_(tensors[f"parameter/{name}"])
            for key in ADAM:
                if (then := tensors.get(f"adam/{key}/{name}")) is not None:
                    now: Tensor = getattr(adam.moments[name], key)
                    now.copy_(then.view_as(now))  # a number is stored as an array of one
    best = {name.removeprefix("best/"): value for name, value in tensors.items() if name.startswith("best/")}
    return best or None, Standing(**json.loads(tensor_metadata(path)["standing"]))


def _array(tensor: Tensor) -> NDArray[np.generic]:
    array: NDArray[np.generic] = tensor.detach().cpu().numpy()
    return array
