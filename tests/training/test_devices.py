"""Devices are named as in torch; what is not there is refused with what is, and fit says where it trains."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from triptych.devices import check_device_name, choose_device, describe_device, largest_float
from triptych.errors import SettingsError
from triptych.progress import Progress
from triptych.training.computed_with import choose_computed_with
from triptych.training.fit import fit
from triptych.training.settings import TrainingSettings
from worlds import random_split


def with_gpus(monkeypatch: pytest.MonkeyPatch, n: int) -> None:
    """Let torch say that it has some CUDA GPUs, or none."""
    empty = torch.empty

    def empty_with_gpus(*size: int, device: str = "cpu") -> torch.Tensor:
        if device.startswith("cuda") and int(device[5:] or 0) >= n:
            raise RuntimeError("invalid device ordinal")
        return empty(*size)

    monkeypatch.setattr(torch, "empty", empty_with_gpus)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: n > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: n)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: f"GPU number {device.index or 0}")
    monkeypatch.setattr(torch.version, "cuda", "13.0" if n else None)


@pytest.mark.parametrize("name", ["auto", "cpu", "cuda", "cuda:0", "cuda:7", "mps"])
def test_names_of_devices_are_accepted_whether_they_are_there_or_not(name: str) -> None:
    assert TrainingSettings(device=name).device == name


@pytest.mark.parametrize("name", ["gpu", "Cuda", "cuda:", "cuda:x", "cuda:-1", "cpu:1", "mps:0", "", "cuda 1"])
def test_other_names_are_refused_before_anything_is_opened(name: str) -> None:
    with pytest.raises(SettingsError, match=r"unknown device .*\n.*cuda:1"):
        TrainingSettings(device=name)
    with pytest.raises(SettingsError):
        check_device_name(name)


def test_auto_is_a_gpu_if_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    with_gpus(monkeypatch, 0)
    assert str(choose_device("auto")) == "cpu"
    with_gpus(monkeypatch, 2)
    assert str(choose_device("auto")) == "cuda"
    assert describe_device(choose_device("cuda:1")) == "cuda:1 (GPU number 1)"


def test_a_run_records_which_of_several_gpus_it_uses(monkeypatch: pytest.MonkeyPatch) -> None:
    with_gpus(monkeypatch, 2)
    training = TrainingSettings(device="cuda:1")
    recorded = choose_computed_with(training)
    assert recorded.device == "cuda:1"
    values = {"device": "cuda:1", "precision": "float32", "threads": 1}
    assert choose_computed_with(replace(training, device="auto"), values).device == "cuda:1"


@pytest.mark.parametrize(
    ("n", "name", "message"),
    [
        (0, "cuda", r'no device "cuda"\n  hint: here are: cpu\. torch .* was built without CUDA'),
        (2, "cuda:2", r'no device "cuda:2"\n  hint: here are: cpu, cuda:0, cuda:1\. use one of these, or auto'),
        (0, "nonsense", r'no device "nonsense"\n  hint: here are: cpu'),
    ],
)
def test_a_device_that_is_not_there_is_refused_with_those_that_are(
    n: int, name: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if torch.cuda.is_available() or torch.backends.mps.is_available():
        pytest.skip("this machine has a GPU, whose name would be listed too")
    if name != "nonsense":
        with_gpus(monkeypatch, n)
    with pytest.raises(SettingsError, match=message):
        choose_device(name)


def test_fit_says_where_it_trains() -> None:
    heard: list[Progress] = []
    training = TrainingSettings(epochs=1, device="cpu", precision="float32")
    model = fit("bpr", random_split(), {}, training, listener=heard.append)
    notes = [each.note for each in heard if each.stage == "device"]
    assert notes == [f"cpu, float32, {torch.get_num_threads()} threads"]
    assert "gpu" not in model.about


def test_apples_gpus_have_no_float64() -> None:
    assert [largest_float(torch.device(name)) for name in ("cpu", "mps")] == [torch.float64, torch.float32]
