"""Weights of interactions in every model: equal ones change nothing, a heavier pair counts for more."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from triptych.data.dataset import Dataset
from triptych.data.split import Split, split
from triptych.models.model import Batch, TrainedModel
from triptych.models.registry import MODELS
from triptych.settings import describe, parse
from triptych.training.batches import Batches
from triptych.training.fit import fit
from triptych.training.settings import TrainingSettings
from worlds import random_dataset

ALL = sorted(MODELS)
TRAINED = [name for name in ALL if issubclass(MODELS[name], TrainedModel)]
CLOSED = [name for name in ALL if name not in TRAINED and name != "random"]
QUICK = TrainingSettings(epochs=3, batch_size=32, learning_rate=0.01, patience=3)


def small(name: str, **others: object) -> dict[str, object]:
    known = {setting.name for setting in describe(MODELS[name].Settings)}
    return {key: value for key, value in {"embedding_size": 8, "latent_width": 8, **others}.items() if key in known}


def weighted(weights: Any) -> Split:
    dataset = random_dataset()
    return split(replace(dataset, weights=np.broadcast_to(weights, len(dataset.interactions)).astype(float)), seed=0)


def scores(name: str, data: Split, **settings: object) -> np.ndarray[Any, Any]:
    scorer = fit(name, data, small(name, **settings), QUICK).scorer
    return np.asarray(scorer.score(np.arange(data.train.n_users)).cpu())


@pytest.mark.parametrize("name", ALL)
def test_equal_weights_give_the_same_model_as_none(name: str) -> None:
    unweighted = split(random_dataset(), seed=0)
    np.testing.assert_allclose(scores(name, weighted(3.0)), scores(name, unweighted), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", TRAINED)
def test_the_loss_of_a_batch_is_the_weighted_mean_of_the_losses_of_its_pairs(name: str) -> None:
    train: Dataset = weighted(1.0).train
    settings = parse(MODELS[name].Settings, small(name, dropout=0))
    torch.manual_seed(0)
    model_class: Any = MODELS[name]
    model: TrainedModel = model_class(train, settings, torch.Generator().manual_seed(0))
    batches = Batches(train.interactions, 6, 0, negatives=model.needs_negatives)
    batch = batches.batch(batches.order(0), 0, 0, torch.device("cpu"))
    weights = torch.tensor([0.0, 0.5, 1.0, 2.0, 0.25, 2.25])

    def terms(given: Batch) -> dict[str, float]:
        values = model.loss(given, torch.Generator().manual_seed(1))
        return {term: float(value.detach()) for term, value in values.items() if term != "penalty"}

    def pair(k: int) -> Batch:
        negatives = None if batch.negatives is None else batch.negatives[k : k + 1]
        return Batch(batch.users[k : k + 1], batch.positives[k : k + 1], negatives)

    singles = [terms(pair(k)) for k in range(len(batch))]
    for term, value in terms(replace(batch, weights=weights)).items():
        expected = np.mean([float(weight) * single[term] for weight, single in zip(weights, singles, strict=True)])
        assert value == pytest.approx(expected, rel=1e-4, abs=1e-6), term


@pytest.mark.parametrize("name", CLOSED)
def test_a_group_of_heavy_items_gains_over_a_group_of_light_items(name: str) -> None:
    """Without weights the two halves of the items are alike; with them, the scores of the heavy half must gain."""
    dataset = random_dataset(seed=3, n_users=200, n_items=20, density=0.4)
    heavy = dataset.interactions.items % 2 == 1

    def advantage(weights: np.ndarray[Any, Any] | None) -> float:
        data = split(replace(dataset, weights=weights), seed=0)
        table = scores(name, data, reg_weight=20.0)[:, 1:]  # every user has item 0
        return float(table[:, ::2].mean() - table[:, 1::2].mean()) / float(np.abs(table).mean())

    assert advantage(np.where(heavy, 9.0, 1.0)) > advantage(None) + 0.2
