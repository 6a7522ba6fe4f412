"""Features are projected in chunks, in both precisions, and writes to a private memory map are kept."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from triptych.data.features import Features
from triptych.data.split import split
from triptych.models import feature_rows
from triptych.models.feature_rows import FeatureRows
from triptych.training.fit import fit
from triptych.training.settings import TrainingSettings
from worlds import random_dataset


@pytest.mark.parametrize("compute_dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("stored", [np.float16, np.float32])
@pytest.mark.parametrize("keep", [True, False])
@pytest.mark.parametrize("n_rows", [None, 5, 101])
def test_a_projection_in_chunks_equals_that_of_the_whole_table(
    compute_dtype: torch.dtype,
    stored: type[np.floating],
    n_rows: int | None,
    keep: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    generator = np.random.default_rng(0)
    n, width, d = 110, 12, 4
    monkeypatch.setattr(feature_rows, "CHUNK", 50 * width + 3)
    present = generator.random(n) < 0.9
    table = generator.standard_normal((n, width)).astype(stored)
    rows = FeatureRows(Features("image", table.copy(), present))
    table[~present] = 0
    rows.compute_dtype = compute_dtype
    weight = torch.from_numpy(generator.standard_normal((d, width))).float().requires_grad_()
    bias = torch.from_numpy(generator.standard_normal(d)).float().requires_grad_()
    items = None if n_rows is None else torch.from_numpy(generator.integers(0, n, n_rows))
    projected, has_features = rows.project(weight, bias, items, keep=keep)
    features = torch.from_numpy(table.astype(np.float32))
    features = features if items is None else features[items]
    expected_present = torch.from_numpy(present) if items is None else torch.from_numpy(present)[items]
    expected = (features @ weight.T + bias) * expected_present[:, None]
    bound = 1e-5 if compute_dtype == torch.float32 else 1e-2
    assert (projected - expected).norm() <= bound * expected.norm()
    assert torch.equal(has_features[:, 0].bool(), expected_present)
    g = torch.from_numpy(generator.standard_normal(tuple(projected.shape))).float()
    for gradient, expected_gradient in zip(
        torch.autograd.grad((projected * g).sum(), (weight, bias)),
        torch.autograd.grad((expected * g).sum(), (weight, bias)),
        strict=True,
    ):
        assert (gradient - expected_gradient).norm() <= bound * expected_gradient.norm()


@pytest.mark.parametrize("name", ["vbpr", "bm3", "freedom"])
def test_models_that_project_a_batch_work_with_batches_and_catalogues_larger_than_a_chunk(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feature_rows, "CHUNK", 64)
    data = split(random_dataset(n_users=40, n_items=100, density=0.06), "ratio", seed=0)
    training = TrainingSettings(epochs=1, batch_size=65, precision="bfloat16")
    scores = fit(name, data, {"embedding_size": 4}, training).scorer.score(np.arange(40))
    assert torch.isfinite(scores).all()


def test_writes_to_a_private_memory_map_are_kept(tmp_path: Path) -> None:
    np.save(tmp_path / "image.npy", np.ones((4000, 64), dtype=np.float32))
    mapped = np.load(tmp_path / "image.npy", mmap_mode="c")
    mapped *= 3
    rows = FeatureRows(Features("image", mapped, np.ones(4000, dtype=np.bool_)))
    for _ in range(3):
        projected, _ = rows.project(torch.ones(1, 64), torch.zeros(1), torch.arange(4000))
        assert torch.equal(projected, torch.full((4000, 1), 192.0))
