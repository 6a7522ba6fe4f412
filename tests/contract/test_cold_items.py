"""Cold items in every model: models of content rank them by content, the others give all the same score."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from triptych.data.dataset import Dataset
from triptych.data.features import Features
from triptych.data.interactions import Interactions
from triptych.data.split import Split, split
from triptych.data.vocabulary import Vocabulary
from triptych.models.registry import MODELS, model_class
from triptych.ranking.protocol import EvaluationProtocol, Items
from triptych.ranking.recommender import Recommender
from triptych.ranking.scorer import Factors
from triptych.ranking.topk import top_k
from triptych.training.fit import fit
from triptych.training.settings import TrainingSettings

N_USERS, N_ITEMS, THEMES = 120, 90, 3
CONTENT_MODELS = sorted(name for name in MODELS if model_class(name).needs_features)


def themed_shop() -> Dataset:
    """Return a shop whose users prefer items of one theme each. Features separate the themes."""
    generator = np.random.default_rng(5)
    theme_of_item, theme_of_user = np.arange(N_ITEMS) % THEMES, np.arange(N_USERS) % THEMES
    likes = theme_of_user[:, None] == theme_of_item
    users, items = np.nonzero(generator.random((N_USERS, N_ITEMS)) < np.where(likes, 0.35, 0.01))
    centres = generator.standard_normal((THEMES, 16))
    features = {}
    for modality in ("image", "text"):
        table = centres[theme_of_item] + 0.5 * generator.standard_normal((N_ITEMS, 16))
        features[modality] = Features(modality, table.astype(np.float32), np.ones(N_ITEMS, np.bool_))
    return Dataset(
        Vocabulary([f"u{n}" for n in range(N_USERS)], noun="user"),
        Vocabulary([f"i{n}" for n in range(N_ITEMS)]),
        Interactions.from_pairs(users.astype(np.int64), items.astype(np.int64), N_USERS, N_ITEMS),
        features,
    )


@pytest.fixture(scope="module")
def cold() -> Split:
    return split(themed_shop(), "cold-items", ratios=(0.7, 0.15, 0.15), seed=0)


def fitted(name: str, cold: Split) -> Recommender:
    return fit(name, cold, training=TrainingSettings(epochs=60, batch_size=256, learning_rate=1e-2, evaluate_every=20))


def test_the_split_holds_out_whole_items_and_splits_the_others(cold: Split) -> None:
    held_out = cold.train.interactions.item_degrees == 0
    assert held_out.sum() == round(0.15 * N_ITEMS)
    assert not held_out[cold.validation.items].any()
    assert held_out[cold.test.items].any()
    assert not held_out[cold.test.items].all()


@pytest.mark.parametrize("name", CONTENT_MODELS)
def test_a_model_of_content_ranks_cold_items_by_their_content(name: str, cold: Split) -> None:
    recommender = fitted(name, cold)
    ndcg = recommender.evaluate(items="cold", metrics=["ndcg@4"])["ndcg@4"]
    by_chance = ndcg_by_chance(recommender)
    assert ndcg > 1.5 * by_chance, f"{ndcg:.3f}, by chance {by_chance:.3f}"


@pytest.mark.parametrize("name", [name for name in MODELS if not MODELS[name].needs_features and name != "random"])
def test_a_model_without_content_scores_cold_items_zero(name: str, cold: Split) -> None:
    recommender = fitted(name, cold)
    cold_items = cold.train.interactions.item_degrees == 0
    assert (recommender.scorer.score(np.arange(N_USERS))[:, cold_items] == 0).all()


def test_cold_and_warm_items_are_evaluated_separately(cold: Split) -> None:
    recommender = fitted("content-ease", cold)
    cold_items = cold.train.interactions.item_degrees == 0
    cases: tuple[tuple[Items, NDArray[np.bool_]], ...] = (("cold", cold_items), ("warm", ~cold_items))
    for items, chosen in cases:
        task = recommender.evaluation_task(EvaluationProtocol(items=items))
        assert chosen[task.relevant.items].all()
        scores = task.scorer.score(np.arange(N_USERS))
        assert (scores[:, ~chosen] == -np.inf).all()
        assert scores[:, chosen].isfinite().all()


def test_a_model_without_content_ranks_cold_items_in_random_order_and_not_by_row(cold: Split) -> None:
    recommender = fitted("popularity", cold)
    cold_items = np.flatnonzero(cold.train.interactions.item_degrees == 0)
    task = recommender.evaluation_task(EvaluationProtocol(items="cold"))
    items, _ = top_k(task.scorer, np.arange(3), len(cold_items), task.seen)
    assert sorted(items[0]) == list(cold_items)
    assert list(items[0]) == list(items[1]) != list(cold_items)


def test_cold_items_get_finite_scores_if_no_warm_item_has_features(cold: Split) -> None:
    warm = cold.train.interactions.item_degrees > 0
    features = {name: replace(each, present=each.present & ~warm) for name, each in cold.train.features.items()}
    bare = replace(cold, train=replace(cold.train, features=features))
    scores = fit("bm3", bare, training=TrainingSettings(epochs=2)).scorer.score(np.arange(N_USERS))
    assert scores.isfinite().all()


def ndcg_by_chance(recommender: Recommender) -> float:
    """Return NDCG@4 among cold items when they are in a random order: all scores are equal."""
    same = Factors(torch.zeros(N_USERS, 1), torch.zeros(N_ITEMS, 1))
    return replace(recommender, scorer=same).evaluate(items="cold", metrics=["ndcg@4"])["ndcg@4"]
