"""Every model trains on a pretended GPU: nothing mixes devices, nothing has 64 bits, and the numbers are the CPU's."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import pretended
import triptych
from pretended import DEVICE, OnDevice, pretended_gpu
from triptych.data.dataset import Dataset
from triptych.data.features import Features
from triptych.data.split import Split
from triptych.models.model import TrainedModel
from triptych.models.registry import MODELS
from triptych.ranking.scorer import Factors
from triptych.ranking.topk import top_k
from triptych.training import loop
from triptych.training.batches import torch_generator
from triptych.training.fit import fit
from triptych.training.settings import TrainingSettings
from worlds import random_dataset, random_split

TRAINED = sorted(name for name, kind in MODELS.items() if issubclass(kind, TrainedModel))
TRAINING = TrainingSettings(epochs=2, batch_size=64, learning_rate=0.01, precision="float32")
SETTINGS = {"embedding_size": 8}
every_trained_model = pytest.mark.parametrize("name", TRAINED)
pytestmark = [
    pytest.mark.skipif(torch.backends.mps.is_available(), reason="this machine has the GPU that is pretended here"),
    pytest.mark.filterwarnings("ignore:at..frobenius_norm is deprecated"),  # by torch itself, for such tensors
]


@pytest.fixture(autouse=True)
def _generators(monkeypatch: pytest.MonkeyPatch) -> None:
    """Generators of the pretended GPU draw the numbers of the CPU."""

    def generator(device: torch.device, *purpose: Any) -> torch.Generator:
        on_cpu = torch_generator(torch.device("cpu"), *purpose)
        return on_cpu if device.type == "cpu" else pretended.Generator().manual_seed(on_cpu.initial_seed())

    monkeypatch.setattr(loop, "torch_generator", generator)


def require_the_same_on_the_gpu(
    name: str, split: Split, training: TrainingSettings, monkeypatch: pytest.MonkeyPatch, **arguments: Any
) -> None:
    with monkeypatch.context() as patch:
        patch.setenv("TRIPTYCH_KERNELS", "torch")  # the code that GPUs have
        on_cpu = fit(name, split, SETTINGS, replace(training, device="cpu"))
    with pretended_gpu() as gpu:
        on_gpu = fit(name, split, SETTINGS, replace(training, device="mps"), **arguments)
    assert gpu.refused == set()
    assert gpu.n_operations > 100
    assert on_gpu.about["computed_with"]["device"] == "mps"
    assert on_gpu.about["gpu"] == "Apple GPU"
    for one, other in ((on_gpu.factors.users, on_cpu.factors.users), (on_gpu.factors.items, on_cpu.factors.items)):
        assert type(one) is torch.Tensor
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)
    for key, parameter in on_cpu.parameters.items():
        assert type(on_gpu.parameters[key]) is torch.Tensor
        torch.testing.assert_close(on_gpu.parameters[key], parameter, rtol=1e-4, atol=1e-5)


@every_trained_model
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_training_on_a_gpu_is_that_of_the_cpu(name: str, precision: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    require_the_same_on_the_gpu(name, random_split(), replace(TRAINING, precision=precision), monkeypatch)


@every_trained_model
def test_cold_items_are_embedded_there(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    split = triptych.split(random_dataset(density=0.3), "cold-items", seed=0)
    require_the_same_on_the_gpu(name, split, TRAINING, monkeypatch)


@pytest.mark.parametrize("name", [name for name in TRAINED if MODELS[name].uses_user_features])
def test_cold_users_and_features_of_users_are_there(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    split = triptych.split(with_user_features(random_dataset()), "cold-users", seed=0)
    require_the_same_on_the_gpu(name, split, TRAINING, monkeypatch)


def with_user_features(dataset: Dataset) -> Dataset:
    table = np.random.default_rng(0).standard_normal((dataset.n_users, 5)).astype(np.float32)
    return replace(dataset, user_features={"age": Features("age", table, np.ones(dataset.n_users, dtype=np.bool_))})


def test_a_run_is_interrupted_and_goes_on_there(tmp_path: Path) -> None:
    training = replace(TRAINING, device="mps")
    with pretended_gpu() as gpu:
        fit("bm3", random_split(), SETTINGS, replace(training, epochs=1), run=tmp_path / "run")
        model = fit("bm3", random_split(), SETTINGS, training, run=tmp_path / "run")
        whole = fit("bm3", random_split(), SETTINGS, training, run=tmp_path / "whole")
    assert gpu.refused == set()
    assert torch.equal(model.factors.items, whole.factors.items)


def test_a_callback_and_a_validation_get_factors_on_the_cpu() -> None:
    kinds: list[type] = []

    def look(epoch: triptych.Epoch) -> None:
        kinds.append(type(epoch.factors().items))

    def validate(model: triptych.Recommender) -> float:
        kinds.append(type(model.factors.items))
        return model.evaluate("validation", metrics=["ndcg@5"])["ndcg@5"]

    with pretended_gpu() as gpu:
        fit("lightgcn", random_split(), SETTINGS, replace(TRAINING, device="mps"), on_epoch=look, validate=validate)
    assert gpu.refused == set()
    assert kinds == [torch.Tensor] * 4


def test_lists_from_factors_of_a_gpu_are_those_of_the_cpu() -> None:
    split = random_split()
    model = fit("bpr", split, SETTINGS, replace(TRAINING, device="cpu"))
    for k in (3, 25, 40):
        expected, expected_scores = top_k(model.factors, np.arange(30), k, split.train.interactions)
        with pretended_gpu() as gpu:
            factors = Factors(model.factors.users.to(DEVICE), model.factors.items.to(DEVICE))
            items, scores = top_k(factors, np.arange(30), k, split.train.interactions)
        assert gpu.refused == set()
        assert np.array_equal(items, expected)
        np.testing.assert_allclose(scores, expected_scores, rtol=1e-5)


def test_planted_mistakes_are_seen() -> None:
    with pretended_gpu() as gpu:
        table = torch.ones(3, 2).to(DEVICE)
        assert isinstance(table, OnDevice)
        assert table.device == DEVICE
        _ = table + 1.0
        _ = table[torch.tensor([0, 2])]  # indices of the CPU are fine for torch
        _ = table * torch.tensor(2.0)  # and so are numbers
        assert gpu.refused == set()
        _ = table + torch.ones(3, 2)
        assert gpu.refused == {"aten.add.Tensor mixes devices"}
        _ = table.double()
        _ = torch.zeros(2, dtype=torch.float64, device=DEVICE)
        assert {each for each in gpu.refused if "float64" in each} == {
            "aten._to_copy.default makes torch.float64",
            "aten.zeros.default makes torch.float64",
        }
        assert torch.equal((table @ table.T).cpu(), torch.full((3, 3), 2.0))
