"""What every model says of items that nobody took: what their content says, and nothing by chance."""

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
OF_CONTENT = sorted(name for name in MODELS if model_class(name).needs_features)


def themed_shop() -> Dataset:
    """Users of one theme each, who take items of their theme; features that tell the themes apart."""
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


@pytest.mark.parametrize("name", OF_CONTENT)
def test_a_model_of_content_ranks_new_items_by_what_their_content_says(name: str, cold: Split) -> None:
    recommender = fitted(name, cold)
    found = recommender.evaluate(items="cold", metrics=["ndcg@4"])["ndcg@4"]
    by_chance = recommender_by_chance(recommender)
    assert found > 1.5 * by_chance, f"{found:.3f}, by chance {by_chance:.3f}"


@pytest.mark.parametrize("name", ["lightgcn", "bpr", "ease", "item-knn", "popularity"])
def test_a_model_without_content_says_nothing_of_them(name: str, cold: Split) -> None:
    recommender = fitted(name, cold)
    new = cold.train.interactions.item_degrees == 0
    assert (recommender.scorer.score(np.arange(N_USERS))[:, new] == 0).all()


def test_cold_and_warm_items_are_measured_apart(cold: Split) -> None:
    recommender = fitted("content-ease", cold)
    new = cold.train.interactions.item_degrees == 0
    cases: tuple[tuple[Items, NDArray[np.bool_]], ...] = (("cold", new), ("warm", ~new))
    for items, chosen in cases:
        task = recommender.evaluation_task(EvaluationProtocol(items=items))
        assert chosen[task.relevant.items].all()
        scores = task.scorer.score(np.arange(N_USERS))
        assert (scores[:, ~chosen] == -np.inf).all()
        assert scores[:, chosen].isfinite().all()


def test_who_says_nothing_of_them_ranks_them_by_chance_and_not_by_their_rows(cold: Split) -> None:
    recommender = fitted("popularity", cold)
    new = np.flatnonzero(cold.train.interactions.item_degrees == 0)
    task = recommender.evaluation_task(EvaluationProtocol(items="cold"))
    items, _ = top_k(task.scorer, np.arange(3), len(new), task.seen)
    assert sorted(items[0]) == list(new)
    assert list(items[0]) == list(items[1]) != list(new)


def test_without_any_features_of_known_items_new_ones_are_welcome_still(cold: Split) -> None:
    known = cold.train.interactions.item_degrees > 0
    features = {name: replace(each, present=each.present & ~known) for name, each in cold.train.features.items()}
    bare = replace(cold, train=replace(cold.train, features=features))
    scores = fit("bm3", bare, training=TrainingSettings(epochs=2)).scorer.score(np.arange(N_USERS))
    assert scores.isfinite().all()


def recommender_by_chance(recommender: Recommender) -> float:
    """NDCG@4 among cold items of items in the order of their rows, which says nothing here."""
    same = Factors(torch.zeros(N_USERS, 1), torch.zeros(N_ITEMS, 1))
    return replace(recommender, scorer=same).evaluate(items="cold", metrics=["ndcg@4"])["ndcg@4"]
