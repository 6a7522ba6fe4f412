"""Reference vectors: parameters, loss, gradients and scores of small worlds, by independent implementations."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from triptych.data.dataset import Dataset
from triptych.data.features import Features
from triptych.data.interactions import Interactions
from triptych.data.vocabulary import Vocabulary
from triptych.models.model import Batch, TrainedModel

DEFAULT = Path(__file__).parents[3] / "shared" / "reference"
TOLERANCE = {torch.float64: 1e-9, torch.float32: 1e-5}


@dataclass(frozen=True)
class World:
    """One recorded world: a data set, a batch and the expected results.

    arrays: everything that was recorded, by key.
    """

    arrays: dict[str, NDArray[Any]]
    dataset: Dataset
    batch: Batch

    def config(self, name: str) -> Any:
        """Return a recorded setting."""
        return self.arrays[f"config/{name}"].item()

    def under(self, prefix: str) -> dict[str, NDArray[Any]]:
        """Return the arrays whose key has this prefix, without it."""
        return {key.removeprefix(prefix): value for key, value in self.arrays.items() if key.startswith(prefix)}


def read_world(name: str) -> World:
    """Return a world from the folder of TRIPTYCH_REFERENCE; skip the test if it is not there."""
    folder = Path(os.environ.get("TRIPTYCH_REFERENCE", DEFAULT))
    if "TRIPTYCH_REFERENCE" in os.environ and not folder.is_dir():
        pytest.fail(f"TRIPTYCH_REFERENCE is {folder}, which is not a folder")
    path = folder / f"{name}.npz"
    if not path.is_file():
        pytest.skip(f"no reference vectors at {path}: set TRIPTYCH_REFERENCE to their folder")
    with np.load(path) as file:
        arrays = {key: file[key] for key in file.files}
    n_users, n_items = int(arrays["n_users"]), int(arrays["n_items"])
    present = np.ones(n_items, dtype=np.bool_)
    dataset = Dataset(
        users=Vocabulary([f"u{row}" for row in range(n_users)], noun="user"),
        items=Vocabulary([f"i{row}" for row in range(n_items)]),
        interactions=Interactions.from_pairs(arrays["edge_user"], arrays["edge_item"], n_users, n_items),
        features={m: Features(m, arrays[m], present) for m in ("image", "text") if m in arrays},
    )
    batch = Batch(*(torch.from_numpy(arrays[f"batch_{name}"]) for name in ("user", "positive", "negative")))
    return World(arrays, dataset, batch)


def set_parameters(model: nn.Module, recorded: dict[str, NDArray[Any]], dtype: torch.dtype) -> None:
    """Set the recorded parameters. The model must have the same ones, except for features and residuals."""
    parameters = {_key(name): parameter for name, parameter in model.named_parameters()}
    for name, values in recorded.items():
        parameters.pop(name).data = torch.from_numpy(values).to(dtype)
    assert not [name for name in parameters if name.rpartition(".")[2] not in ("features", "residual")]


def assert_reproduces(model: TrainedModel, world: World, dtype: torch.dtype) -> None:
    """Compare the loss, every gradient and every score with the recorded ones.

    Errors are relative to the loss, to the largest entry of all gradients, and to the largest score.
    """
    tolerance = TOLERANCE[dtype]
    terms = model.loss(world.batch, torch.Generator().manual_seed(0))
    loss = torch.stack(list(terms.values())).sum()
    loss.backward()  # type: ignore[no-untyped-call]
    recorded = world.under("grad/")
    largest = max(float(np.abs(values).max()) for values in recorded.values())
    assert abs(loss.item() - float(world.arrays["loss"])) <= tolerance * abs(float(world.arrays["loss"]))
    for name, parameter in model.named_parameters():
        if name.endswith(".residual"):
            continue
        assert parameter.grad is not None, name
        error = np.abs(parameter.grad.double().numpy() - recorded[_key(name)]).max() / largest
        assert error <= tolerance, f"gradient of {name} is off by {error:.1e}"
    scores = model.eval().factors().score(np.arange(world.dataset.n_users)).double().numpy()
    error = np.abs(scores - world.arrays["scores"]).max() / np.abs(world.arrays["scores"]).max()
    assert error <= tolerance, f"scores are off by {error:.1e}"


def _key(name: str) -> str:
    return name.removeprefix("modalities.")
