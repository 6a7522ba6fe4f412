"""The textbook versions are the same models as Triptych's: loss, every gradient and every score are equal."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch

from benchmarks.textbook import TEXTBOOK
from triptych.data.dataset import Dataset
from triptych.models.model import Batch, TrainedModel
from triptych.models.registry import MODELS
from triptych.settings import parse
from worlds import random_dataset

TOLERANCE = 1e-8
CASES: list[tuple[str, dict[str, object]]] = [
    ("bpr", {}),
    ("vbpr", {}),
    ("lightgcn", {"n_layers": 3}),
    ("bm3", {"features": "frozen", "dropout": 0, "n_layers": 1}),
    ("bm3", {"features": "trained", "dropout": 0, "n_layers": 2}),
    ("freedom", {"edge_dropout": 0, "n_neighbours": 4}),
    ("grcn", {}),
    ("mmgcn", {"latent_width": 5, "projected": "image"}),
]


@pytest.fixture
def float64() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def complete_dataset() -> Dataset:
    """A small data set in which every item has every modality."""
    dataset = random_dataset(3)
    generator = np.random.default_rng(4)
    features = {}
    for name, each in dataset.features.items():
        table = generator.standard_normal(each.table.shape).astype(np.float32)
        features[name] = replace(each, table=table, present=np.ones_like(each.present))
    return replace(dataset, features=features)


def draw_batch(dataset: Dataset) -> Batch:
    generator = np.random.default_rng(5)
    chosen = generator.integers(0, len(dataset.interactions), 40)
    users, positives = dataset.interactions.users[chosen], dataset.interactions.items[chosen]
    negatives = generator.integers(0, dataset.n_items, 40)
    return Batch(torch.from_numpy(users), torch.from_numpy(positives), torch.from_numpy(negatives))


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize(("name", "values"), CASES, ids=[f"{name}-{values}" for name, values in CASES])
def test_the_textbook_version_is_the_same_model(name: str, values: dict[str, object]) -> None:
    dataset = complete_dataset()
    kind = MODELS[name]
    assert issubclass(kind, TrainedModel)
    settings = parse(kind.Settings, {"embedding_size": 8, **values})
    model = kind(dataset, settings, torch.Generator().manual_seed(1)).double()
    textbook = TEXTBOOK[name](dataset, settings)
    textbook_parameters = {key: each for key, each in textbook.named_parameters() if each.requires_grad}
    parameters = dict(model.named_parameters())
    assert parameters.keys() == textbook_parameters.keys()
    with torch.no_grad():
        for key, parameter in parameters.items():
            textbook_parameters[key].copy_(parameter)
    batch = draw_batch(dataset)
    expected = torch.stack(list(model.loss(batch, torch.Generator().manual_seed(2)).values())).sum()
    loss = textbook.loss(batch.users, batch.positives, batch.negatives)
    assert abs(loss.item() - expected.item()) <= TOLERANCE * abs(expected.item())
    for each in (expected, loss):
        each.backward()  # type: ignore[no-untyped-call]
    largest = max(float(each.grad.abs().max()) for each in parameters.values() if each.grad is not None)
    for key, parameter in parameters.items():
        gradient, textbook_gradient = parameter.grad, textbook_parameters[key].grad
        assert gradient is not None
        assert textbook_gradient is not None
        assert float((gradient - textbook_gradient).abs().max()) <= TOLERANCE * largest, key
    users, items = textbook.representations()
    scores = model.eval().factors().score(np.arange(dataset.n_users))
    assert float((users @ items.T - scores).detach().abs().max()) <= TOLERANCE * float(scores.abs().max())


def test_every_trained_model_has_a_textbook_version() -> None:
    assert TEXTBOOK.keys() == {name for name, kind in MODELS.items() if issubclass(kind, TrainedModel)}


def test_the_textbook_version_of_freedom_samples_edges_in_every_epoch() -> None:
    dataset = complete_dataset()
    kind = MODELS["freedom"]
    model = TEXTBOOK["freedom"](dataset, parse(kind.Settings, {"edge_dropout": 0.5}))
    model.start_epoch()
    batch = draw_batch(dataset)
    loss = model.loss(batch.users, batch.positives, batch.negatives)
    assert torch.isfinite(loss)
