"""Fitted models of every kind of scorer for the tests of exports, made without training."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse

from triptych.data.dataset import Dataset
from triptych.data.interactions import Interactions
from triptych.data.split_codes import TEST, TRAIN
from triptych.data.vocabulary import Vocabulary
from triptych.models.model import TrainedModel
from triptych.models.registry import MODELS
from triptych.ranking.recommender import Recommender
from triptych.ranking.scorer import Blend, Factors, ItemWeights
from triptych.settings import describe
from triptych.training.fit import fit
from triptych.training.settings import TrainingSettings
from worlds import random_split

N_USERS, N_ITEMS = 60, 90
WITH_VECTORS = sorted(name for name in MODELS if issubclass(MODELS[name], TrainedModel))


def dataset(seed: int = 0, n_users: int = N_USERS, n_items: int = N_ITEMS) -> Dataset:
    """Random interactions; the last user has none. Ids are text that needs care: quotes, commas, other scripts."""
    generator = np.random.default_rng(seed)
    taken = generator.random((n_users, n_items)) < 0.1
    taken[-1] = False
    users, items = np.nonzero(taken)
    return Dataset(
        users=Vocabulary([f"u'{row}" for row in range(n_users)], noun="user"),
        items=Vocabulary([f'größe "{row}", 品' for row in range(n_items)]),
        interactions=Interactions.from_pairs(users, items, n_users, n_items),
        split_codes=np.where(generator.random(len(users)) < 0.9, TRAIN, TEST).astype(np.int8),
    )


def random_factors(generator: np.random.Generator, d: int = 8, shift: float = 0.0) -> Factors:
    """Factors with vectors of very different lengths, as those of popular and rare items."""
    sides = [
        (generator.standard_normal((n, d)) * generator.gamma(1, 1, (n, 1)) + shift).astype(np.float32)
        for n in (N_USERS, N_ITEMS)
    ]
    return Factors(*map(torch.from_numpy, sides))


def random_weights(generator: np.random.Generator, history: Interactions) -> ItemWeights:
    """Item weights that are products of sparse matrices, as those of content-ease."""
    n = history.n_items

    def matrix() -> sparse.csr_array:
        return sparse.csr_array(sparse.random_array((n, n), density=0.1, rng=generator, dtype=np.float32))

    return ItemWeights(history, matrix(), matrix(), matrix())


def model_of(kind: str, seed: int = 0) -> Recommender:
    """A model that ranks by factors, (sparse) weights, dense weights, a blend of factors, or a mixed blend."""
    generator, data = np.random.default_rng(seed), dataset(seed)
    history = data.interactions
    scorer: Factors | ItemWeights | Blend
    if kind == "factors":
        scorer = random_factors(generator)
    elif kind == "weights":
        scorer = random_weights(generator, history)
    elif kind == "dense":
        scorer = ItemWeights(history, generator.standard_normal((N_ITEMS, N_ITEMS)).astype(np.float32))
    elif kind == "blend":
        parts = (random_factors(generator), random_factors(generator, 5, shift=2.0), random_factors(generator, 1))
        scorer = Blend(parts, (1.0, 0.7, 0.25))
    else:
        scorer = Blend((random_factors(generator), random_weights(generator, history)), (0.5, 1.5))
    about: dict[str, Any] = {"model": kind, "settings": {}, "modalities": {}}
    if isinstance(scorer, Blend):
        about["models"] = [about.copy() for _ in scorer.scorers]
    return Recommender(scorer, data, about=about)


def with_integer_ids(model: Recommender, noun: str = "both") -> Recommender:
    """The same model with ids that came as integers: of "item", "user" or both."""
    data = model.dataset
    users = Vocabulary(np.arange(N_USERS) + 100, noun="user").with_type("int32")
    items = Vocabulary(np.arange(N_ITEMS) * 7 - 20).with_type("int64")
    changed = replace(
        data, users=data.users if noun == "item" else users, items=data.items if noun == "user" else items
    )
    return replace(model, dataset=changed)


@cache
def fitted(name: str) -> Recommender:
    """A small model of the registry."""
    settings = {"embedding_size": 8, "latent_width": 8}
    known = {setting.name for setting in describe(MODELS[name].Settings)}
    training = TrainingSettings(epochs=2, batch_size=32, learning_rate=0.01, patience=3)
    return fit(name, random_split(), {key: value for key, value in settings.items() if key in known}, training)


def all_scores(model: Recommender) -> NDArray[np.float64]:
    """float64 [n_users, n_items]: what the model itself says."""
    scores: Any = model.scorer.score(np.arange(model.dataset.n_users)).numpy()
    return np.asarray(scores, dtype=np.float64)


def same_lists(found: NDArray[np.int64], scores: NDArray[np.float64], k: int) -> bool:
    """Whether lists int64 [n, k] are the k best of scores [n, n_items], ties aside, and hold no item twice."""
    best = -np.sort(-scores, axis=1)[:, :k]
    tolerance = 1e-4 * np.abs(np.where(np.isfinite(scores), scores, 0)).max(axis=1, keepdims=True)
    values = np.where(found >= 0, np.take_along_axis(scores, np.maximum(found, 0), axis=1), -np.inf)
    close = (np.abs(np.where(np.isinf(best), 0, best) - np.where(np.isinf(values), 0, values)) <= tolerance).all()
    distinct = all(len(set(row[row >= 0])) == (row >= 0).sum() for row in found)
    return bool(close) and distinct and np.array_equal(np.isinf(best), np.isinf(values))
