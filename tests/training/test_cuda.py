"""Every model trains on a CUDA GPU as it does on the CPU. Skipped, with the reason, where there is no GPU.

The initial parameters, the batches and the negatives are those of the CPU. What is drawn on the device itself (dropout,
the edges that FREEDOM keeps) is not, so these models are compared without it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import triptych
from triptych import kernels
from triptych.data.split import Split
from triptych.models.model import TrainedModel
from triptych.models.registry import MODELS
from triptych.progress import Progress
from triptych.ranking.scorer import Factors
from triptych.ranking.topk import top_k
from triptych.seeds import Purpose
from triptych.settings import describe, parse
from triptych.training.batches import Batches, torch_generator
from triptych.training.fit import fit
from triptych.training.settings import TrainingSettings
from worlds import random_dataset, random_split

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA GPU, or a torch without CUDA")

ALL = sorted(MODELS)
TRAINED = [name for name in ALL if issubclass(MODELS[name], TrainedModel)]
TRAINING = TrainingSettings(epochs=2, batch_size=64, learning_rate=0.01, precision="float32", device="cuda")
CUDA = torch.device("cuda")
every_trained_model = pytest.mark.parametrize("name", TRAINED)


@pytest.fixture(autouse=True)
def _full_float32() -> Iterator[None]:
    """Products in float32, not in TF32, so that both devices can be compared."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    yield
    torch.set_float32_matmul_precision(before)


def settings_of(name: str) -> dict[str, object]:
    """Return the settings of a small model that draws nothing on the device."""
    known = {setting.name for setting in describe(MODELS[name].Settings)}
    wanted = {"embedding_size": 8, "latent_width": 8, "dropout": 0.0, "edge_dropout": 0.0}
    return {key: value for key, value in wanted.items() if key in known}


def model_on(name: str, split: Split, device: torch.device) -> TrainedModel:
    kind = MODELS[name]
    assert issubclass(kind, TrainedModel)
    generator = torch_generator(torch.device("cpu"), 0, Purpose.INITIALISATION)
    return kind(split.train, parse(kind.Settings, settings_of(name)), generator).to(device)


def test_auto_is_the_gpu_and_fit_says_its_name() -> None:
    heard: list[Progress] = []
    model = fit("bpr", random_split(), {}, replace(TRAINING, device="auto"), listener=heard.append)
    name = torch.cuda.get_device_name(CUDA)
    assert any(name in each.note for each in heard if each.stage == "device")
    assert model.about["gpu"] == name
    assert model.about["computed_with"]["device"] == "cuda"


def test_every_gpu_can_be_named() -> None:
    for index in range(torch.cuda.device_count()):
        about = fit("bpr", random_split(), {}, replace(TRAINING, device=f"cuda:{index}")).about
        assert about["computed_with"]["device"] == f"cuda:{index}"


@every_trained_model
def test_two_epochs_give_the_losses_and_scores_of_the_cpu(name: str, tmp_path: Path) -> None:
    split = random_split()
    runs = {}
    for device in ("cpu", "cuda"):
        training = replace(TRAINING, device=device)
        runs[device] = fit(name, split, settings_of(name), training, run=tmp_path / device)
    lines = [
        [json.loads(line) for line in (tmp_path / device / "metrics.jsonl").read_text().splitlines()] for device in runs
    ]
    for cpu, cuda in zip(*lines, strict=True):
        for key in (key for key in cpu if key.startswith("loss/")):
            assert cuda[key] == pytest.approx(cpu[key], rel=1e-3, abs=1e-5), key
    scores = {device: run.scorer.score(np.arange(30)) for device, run in runs.items()}
    torch.testing.assert_close(scores["cuda"], scores["cpu"], rtol=2e-2, atol=2e-3)  # Adam enlarges rounding


@every_trained_model
def test_the_result_is_on_the_cpu_in_float32_and_can_be_saved(name: str, tmp_path: Path) -> None:
    model = fit(name, random_split(), settings_of(name), TRAINING)
    tensors = [*model.parameters.values(), model.factors.users, model.factors.items]
    assert {each.device.type for each in tensors} == {"cpu"}
    assert {each.dtype for each in tensors} == {torch.float32}
    model.save(tmp_path / "model")
    opened = triptych.open_recommender(tmp_path / "model")
    assert np.array_equal(opened.recommend(k=5).items, model.recommend(k=5).items)


@every_trained_model
def test_loss_and_gradients_of_one_batch_are_those_of_the_cpu(name: str) -> None:
    """One step from the same parameters, so that no rounding is enlarged by Adam."""
    split, results = random_split(), {}
    for device in (torch.device("cpu"), CUDA):
        model = model_on(name, split, device)
        batches = Batches(split.train.interactions, 64, 0, negatives=model.needs_negatives)
        batch = batches.batch(batches.order(0), 0, 0, device)
        model.train()
        model.start_epoch(torch_generator(device, 0, Purpose.EPOCH, 0))
        terms = model.loss(batch, torch_generator(device, 0, Purpose.LOSS, 0, 0))
        torch.stack(list(terms.values())).sum().backward()  # type: ignore[no-untyped-call]
        results[device.type] = model, terms
    (cpu, cpu_terms), (cuda, cuda_terms) = results["cpu"], results["cuda"]
    for key, value in cpu_terms.items():
        torch.testing.assert_close(cuda_terms[key].cpu(), value, rtol=1e-4, atol=1e-6)
    others = dict(cuda.named_parameters())
    for key, parameter in cpu.named_parameters():
        assert others[key].device.type == "cuda"
        if parameter.grad is None:
            assert others[key].grad is None
            continue
        gradient = others[key].grad
        assert gradient is not None
        torch.testing.assert_close(gradient.cpu(), parameter.grad, rtol=1e-3, atol=1e-5)


@every_trained_model
def test_nothing_of_a_model_is_left_on_the_cpu(name: str) -> None:
    model = model_on(name, random_split(), CUDA)
    named = [*model.named_parameters(), *model.named_buffers()]
    assert {key for key, each in named if each.device.type != "cuda"} == set()


@every_trained_model
def test_dropout_and_drawn_edges_use_the_generator_of_the_gpu(name: str) -> None:
    """The default settings, with all that is drawn; two trainings with one seed draw the same."""
    one, other = (fit(name, random_split(), {"embedding_size": 8}, TRAINING) for _ in range(2))
    torch.testing.assert_close(one.factors.items, other.factors.items, rtol=1e-3, atol=1e-4)
    assert one.factors.items.isfinite().all()


@pytest.mark.parametrize("name", ["bm3", "mmgcn", "vbpr", "freedom"])
def test_bfloat16_trains_on_the_gpu(name: str) -> None:
    model = fit(name, random_split(), settings_of(name), replace(TRAINING, precision="bfloat16"))
    assert model.about["computed_with"]["precision"] == "bfloat16"
    assert model.factors.items.isfinite().all()


@every_trained_model
def test_an_interrupted_run_goes_on_on_the_gpu(name: str, tmp_path: Path) -> None:
    fit(name, random_split(), settings_of(name), replace(TRAINING, epochs=1), run=tmp_path / "run")
    model = fit(name, random_split(), settings_of(name), TRAINING, run=tmp_path / "run")
    whole = fit(name, random_split(), settings_of(name), TRAINING)
    assert model.about["epochs"] == 2
    torch.testing.assert_close(model.factors.items, whole.factors.items, rtol=1e-2, atol=1e-3)


def test_kernels_refuse_tensors_of_the_gpu() -> None:
    assert not kernels.supports(torch.zeros(2, device=CUDA))
    assert not kernels.supports(torch.zeros(2), torch.zeros(2, device=CUDA))
    table = torch.rand(4, 3, dtype=torch.float16, device=CUDA)
    assert torch.equal(kernels.bfloat16(table), table.to(torch.bfloat16))
    assert kernels.huge_pages(table) is table


@pytest.mark.parametrize("k", [1, 10, 25, 40])
def test_factors_on_the_gpu_rank_as_on_the_cpu(k: int) -> None:
    split = random_split()
    model = fit("bpr", split, {"embedding_size": 8}, replace(TRAINING, device="cpu"))
    on_gpu = Factors(model.factors.users.to(CUDA), model.factors.items.to(CUDA))
    users = np.arange(30)
    items, scores = top_k(on_gpu, users, k, split.train.interactions)
    expected, expected_scores = top_k(model.factors, users, k, split.train.interactions)
    assert np.array_equal(items, expected)
    np.testing.assert_allclose(scores, expected_scores, rtol=1e-4, atol=1e-5)


def test_a_callback_gets_factors_on_the_cpu() -> None:
    devices = []
    fit("lightgcn", random_split(), {}, TRAINING, on_epoch=lambda e: devices.append(e.factors().items.device.type))
    assert devices == ["cpu", "cpu"]


def test_cold_items_and_cold_users_are_embedded_on_the_gpu() -> None:
    split = triptych.split(random_dataset(density=0.3), "cold-items", seed=0)
    for name in ("bm3", "vbpr", "mmgcn", "grcn", "freedom"):
        model = fit(name, split, settings_of(name), TRAINING)
        assert model.evaluate(items="cold", metrics=["recall@5"])["recall@5"] >= 0


def test_the_peak_memory_is_that_of_the_gpu(tmp_path: Path) -> None:
    fit("bpr", random_split(), {}, TRAINING, run=tmp_path / "run")
    line = json.loads((tmp_path / "run" / "metrics.jsonl").read_text().splitlines()[-1])
    assert 0 < line["peak_megabytes"] <= torch.cuda.max_memory_allocated(CUDA) / 1e6 + 0.1


@every_trained_model
@pytest.mark.filterwarnings("ignore")  # the compiler's own
def test_a_compiled_loss_is_the_same(name: str) -> None:
    """`torch.compile` may break the graph at Python code, but must not change values."""
    split = random_split()
    model = model_on(name, split, CUDA)
    batches = Batches(split.train.interactions, 64, 0, negatives=model.needs_negatives)
    batch = batches.batch(batches.order(0), 0, 0, CUDA)
    model.eval()
    plain = model.loss(batch, torch_generator(CUDA, 0, Purpose.LOSS, 0, 0))
    compiled = torch.compile(model.loss)(batch, torch_generator(CUDA, 0, Purpose.LOSS, 0, 0))
    for key, value in plain.items():
        torch.testing.assert_close(compiled[key], value, rtol=1e-3, atol=1e-5)
