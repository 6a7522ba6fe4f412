"""Checkpoints, to resume bit for bit: parameters, Adam's moments, the best parameters, and the training state."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xxhash
from numpy.typing import NDArray
from torch import Tensor

from triptych.artefacts import damaged, map_tensors, parse_json, tensor_metadata, write_tensors
from triptych.errors import ArtefactError, SettingsError, TrainingError, location
from triptych.models.model import TrainedModel
from triptych.settings import parse
from triptych.training.adam import Adam, Moments

ADAM = tuple(each.name for each in fields(Moments))  # what Adam keeps per parameter
CHECKSUM = "xxh3_128"  # of all content, in the metadata; earlier checkpoints have none and are read without it
DAMAGED = "delete this checkpoint and run the same command again: training then starts from the beginning"
FORMAT_1 = {"to_beat": "best_for_patience", "without_better": "epochs_without_improvement"}  # names before format 2


@dataclass
class TrainingState:
    """Where training is: the next step to take, and what early stopping knows.

    terms: loss terms, summed over the steps of this epoch. seconds: spent in this epoch. best: the best validation
    metric. best_for_patience: the metric that the next evaluation must exceed. lines: lines of metrics.jsonl so far,
    with their checksum.
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
    lines_checksum: str = ""
    finished: bool = False


def save_checkpoint(
    path: Path, model: TrainedModel, adam: Adam, best: dict[str, Tensor] | None, state: TrainingState
) -> None:
    """Write everything that the next step depends on into one file, whole or not at all.

    Raises TrainingError if a parameter is not finite: a good checkpoint is never replaced by a bad one.
    """
    tensors: dict[str, NDArray[Any]] = {}
    for name, parameter in model.named_parameters():
        if not is_finite(parameter):
            raise TrainingError(
                f'parameter "{name}" is not finite at epoch {state.epoch + 1}, batch {state.step}',
                where=location(path),
                hint="lower the learning rate; the checkpoint before is kept",
            )
        tensors[f"parameter/{name}"] = _array(parameter)
        tensors.update({f"adam/{key}/{name}": _array(getattr(adam.moments[name], key)) for key in ADAM})
    for name, value in (best or {}).items():
        tensors[f"best/{name}"] = _array(value)
    text = json.dumps(asdict(state))
    write_tensors(path, tensors, {"state": text, CHECKSUM: _checksum(text, tensors)})


def load_checkpoint(path: Path, model: TrainedModel, adam: Adam) -> tuple[dict[str, Tensor] | None, TrainingState]:
    """Restore model and Adam from a checkpoint; returns the best parameters and the state.

    Raises ArtefactError if the checkpoint is damaged, TrainingError if it is of another model.
    """
    state, arrays = read_state(path), {name: np.array(array) for name, array in _arrays(path).items()}
    metadata = tensor_metadata(path)
    if CHECKSUM in metadata and metadata[CHECKSUM] != _checksum(metadata.get("state", ""), arrays):
        raise damaged(path, DAMAGED)
    tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
    parameters = dict(model.named_parameters())
    best = {name.removeprefix("best/"): value for name, value in tensors.items() if name.startswith("best/")}
    saved = {name.removeprefix("parameter/") for name in tensors if name.startswith("parameter/")}
    if saved != set(parameters) or (best and set(best) != saved):
        raise _of_another_model(path)
    with torch.no_grad():
        for name, parameter in parameters.items():
            for prefix in ("parameter", "best") if best else ("parameter",):
                stored = tensors[f"{prefix}/{name}"]
                if not has_shape_of(parameter, stored):
                    raise _of_another_model(path)
                tensors[f"{prefix}/{name}"] = stored.view_as(parameter)
            parameter.copy_(tensors[f"parameter/{name}"])
            for key in ADAM:
                current: Tensor = getattr(adam.moments[name], key)
                moment = tensors.get(f"adam/{key}/{name}")
                if moment is None or moment.numel() != current.numel():
                    raise damaged(path, DAMAGED)
                current.copy_(moment.view_as(current))
    return {name: tensors[f"best/{name}"] for name in best} or None, state


def has_shape_of(parameter: Tensor, stored: Tensor) -> bool:
    """Return whether a stored tensor has the shape of a parameter; a number is stored as an array of one."""
    return stored.shape in (parameter.shape, parameter.shape or (1,))


def read_state(path: Path) -> TrainingState:
    """Return the state in a checkpoint; the tensors are not read. Raises ArtefactError if it is damaged."""
    try:
        metadata = tensor_metadata(path)
        values = parse_json((metadata["state"] if "state" in metadata else metadata["standing"]).encode())  # format 1
        return parse(TrainingState, {FORMAT_1.get(name, name): value for name, value in values.items()})
    except (ArtefactError, SettingsError, ValueError, KeyError, TypeError, AttributeError):
        raise damaged(path, DAMAGED) from None


def is_finite(tensor: Tensor) -> bool:
    """Return whether a tensor has neither NaN nor infinity; no memory is allocated for it."""
    if not tensor.numel():
        return True
    low, high = torch.aminmax(tensor.detach())
    return bool(torch.isfinite(low) and torch.isfinite(high))


def _arrays(path: Path) -> dict[str, NDArray[Any]]:
    try:
        return map_tensors(path)
    except ArtefactError:
        raise damaged(path, DAMAGED) from None


def _checksum(state: str, arrays: Mapping[str, NDArray[Any]]) -> str:
    """A checksum of everything in a checkpoint: the state, and name, dtype, shape and bytes of every array."""
    digest = xxhash.xxh3_128(state.encode())
    for name, array in sorted(arrays.items()):
        digest.update(f"{name} {array.dtype.str} {array.size}".encode())
        digest.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return str(digest.hexdigest())


def _of_another_model(path: Path) -> TrainingError:
    return TrainingError(
        "the checkpoint is of another model", where=location(path), hint="choose another run folder, or restart it"
    )


def _array(tensor: Tensor) -> NDArray[Any]:
    array: NDArray[Any] = tensor.detach().cpu().numpy()
    return array
