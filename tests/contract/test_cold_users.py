"""Users without history: models that use features of users make their lists from these, and say what they used."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from triptych.data.dataset import Dataset, open_dataset
from triptych.data.features import Features
from triptych.data.interactions import Interactions
from triptych.data.split import Split, assign_split
from triptych.data.vocabulary import Vocabulary
from triptych.errors import InputWarning
from triptych.explaining.explainer import Explainer
from triptych.models.registry import MODELS
from triptych.preparing import FeatureSource, extend_dataset
from triptych.ranking.recommender import Recommender
from triptych.ranking.recommender_folder import open_recommender
from triptych.studies.blend import weighted_blend
from triptych.training.cold_items import add_items
from triptych.training.fit import fit
from triptych.training.settings import TrainingSettings
from worlds import random_split

N_USERS, N_ITEMS, THEMES = 160, 100, 5
USE_FEATURES = sorted(name for name in MODELS if MODELS[name].uses_user_features)
OTHERS = sorted(set(MODELS) - set(USE_FEATURES))
TRAINING = TrainingSettings(epochs=20, batch_size=512, learning_rate=2e-2, evaluate_every=20, precision="float32")
METRIC = "ndcg@20"


def themed_shop(seed: int, *, permuted: bool = False) -> Dataset:
    """Return a shop where features of a user tell the theme that the user prefers; permuted: of another user."""
    generator = np.random.default_rng(seed)
    of_item, of_user = generator.integers(THEMES, size=N_ITEMS), generator.integers(THEMES, size=N_USERS)
    popularity = 0.4 + 1.2 * generator.permutation(N_ITEMS) / N_ITEMS
    chances = np.where(of_user[:, None] == of_item, 0.35, 0.02) * popularity
    users, items = np.nonzero(generator.random((N_USERS, N_ITEMS)) < chances)
    tables = [
        generator.standard_normal((THEMES, 8))[themes] + 0.5 * generator.standard_normal((len(themes), 8))
        for themes in (of_item, of_user)
    ]
    if permuted:
        tables[1] = tables[1][generator.permutation(N_USERS)]
    image, age = (
        Features(name, table.astype(np.float32), np.ones(len(table), np.bool_))
        for name, table in zip(("image", "age"), tables, strict=True)
    )
    return Dataset(
        Vocabulary([f"u{n}" for n in range(N_USERS)], noun="user"),
        Vocabulary([f"i{n}" for n in range(N_ITEMS)]),
        Interactions.from_pairs(users.astype(np.int64), items.astype(np.int64), N_USERS, N_ITEMS),
        {"image": image},
        user_features={"age": age},
    )


@cache
def cold_split(seed: int, *, permuted: bool = False) -> Split:
    return Split.from_dataset(cold_data(seed, permuted=permuted))


def cold_data(seed: int, *, permuted: bool = False) -> Dataset:
    return assign_split(themed_shop(seed, permuted=permuted), "cold-users", ratios=(0.7, 0.15, 0.15), seed=seed)


@cache
def fitted(name: str, seed: int = 0, *, permuted: bool = False) -> Recommender:
    return fit(name, cold_split(seed, permuted=permuted), training=replace(TRAINING, seed=seed))


def ndcg_of_cold_users(recommender: Recommender) -> float:
    return recommender.evaluate(users="cold", metrics=[METRIC])[METRIC]


@cache
def by_popularity(seed: int) -> float:
    with pytest.warns(InputWarning, match="popularity does not use features of users"):
        return ndcg_of_cold_users(fit("popularity", cold_split(seed)))


def test_the_split_holds_out_whole_users_and_splits_the_others() -> None:
    cold = cold_split(0)
    held_out = cold.train.interactions.user_degrees == 0
    assert held_out.sum() == round(0.15 * N_USERS)
    assert not held_out[cold.validation.users].any()
    assert 0 < held_out[cold.test.users].sum() < len(cold.test)


def test_cold_and_warm_users_are_measured_apart() -> None:
    recommender, cold = fitted("lightgcn"), cold_split(0)
    held_out = cold.train.interactions.user_degrees == 0
    assert held_out[recommender.evaluate(users="cold").users].all()
    assert not held_out[recommender.evaluate(users="warm").users].any()
    assert len(recommender.evaluate().users) > held_out.sum()


@pytest.mark.parametrize("name", USE_FEATURES)
def test_lists_of_users_without_history_beat_popularity_if_features_tell_taste_and_only_then(name: str) -> None:
    seeds = range(2)
    ours = np.mean([ndcg_of_cold_users(fitted(name, seed)) for seed in seeds])
    permuted = np.mean([ndcg_of_cold_users(fitted(name, seed, permuted=True)) for seed in seeds])
    popular = np.mean([by_popularity(seed) for seed in seeds])
    assert ours > 1.5 * popular, f"{ours:.3f}, by popularity {popular:.3f}"
    assert permuted < 1.2 * popular, f"{permuted:.3f} with permuted features, by popularity {popular:.3f}"


@pytest.mark.parametrize("name", USE_FEATURES)
def test_explanations_of_users_with_features_add_up_and_name_their_part(name: str) -> None:
    recommender, cold = fitted(name), cold_split(0)
    explainer = Explainer(recommender, cold_data(0))
    without_history = np.flatnonzero(cold.train.interactions.user_degrees == 0)[0]
    for user in (f"u{without_history}", f"u{cold.train.interactions.users[0]}"):
        for each in explainer.explain(user, k=3):
            total = sum(reason.contribution for reason in each.reasons) + sum(each.rest.values())
            assert total == pytest.approx(each.score, rel=1e-4, abs=1e-5)
            parts = {"user age", "user features"} & set(each.rest)
            assert parts
            if not each.reasons:
                assert abs(sum(each.rest[part] for part in parts)) > 0


@pytest.mark.parametrize("name", USE_FEATURES)
def test_a_user_without_history_gets_lists_from_features_and_popular_items_where_nothing_is_known(name: str) -> None:
    cold = cold_split(0)
    first, second = np.flatnonzero(cold.train.interactions.user_degrees == 0)[:2]
    age = cold.train.user_features["age"]
    present = age.present.copy()
    present[second] = False
    train = replace(cold.train, user_features={"age": replace(age, present=present)})
    recommender = fit(name, replace(cold, train=train), training=replace(TRAINING, epochs=2))
    lists = recommender.recommend([f"u{first}", f"u{second}"], k=10, include_seen=True)
    popular = np.argsort(-recommender.dataset.interactions.item_degrees, kind="stable")[:10]
    assert list(lists.items[1]) == list(popular) != list(lists.items[0])


@pytest.mark.parametrize("name", sorted(set(MODELS) - {"random"}))
def test_a_user_of_whom_a_model_knows_nothing_gets_the_popular_items(name: str) -> None:
    data = random_split()
    lonely = replace(
        data.train,
        users=Vocabulary([*data.train.users.ids, "lonely"], noun="user"),
        interactions=replace(data.train.interactions, n_users=31),
    )
    held_out = [replace(each, n_users=31) for each in (data.validation, data.test)]
    recommender = fit(name, Split(lonely, held_out[0], held_out[1]), training=replace(TRAINING, epochs=1))
    popular = np.argsort(-recommender.dataset.interactions.item_degrees, kind="stable")[:5]
    assert list(recommender.recommend(["lonely"], k=5).items[0]) == list(popular)


@pytest.mark.parametrize("name", OTHERS)
def test_a_model_that_cannot_use_features_of_users_says_so(name: str) -> None:
    with pytest.warns(InputWarning, match=rf"{name} does not use features of users \(age\); bm3, .* do"):
        recommender = fit(name, cold_split(0), training=replace(TRAINING, epochs=1))
    assert "user_modalities" not in recommender.about


@pytest.mark.parametrize("name", USE_FEATURES)
def test_without_features_of_users_no_parameter_and_no_score_of_a_model_is_another(name: str) -> None:
    plain = random_split()
    before = fit(name, plain, training=replace(TRAINING, epochs=2))
    assert not [each for each in before.parameters if "user_modalities" in each or "content" in each]
    assert "user_modalities" not in before.about
    table = pl.DataFrame({"user_id": plain.train.users.ids, "age": np.arange(30.0)})
    after = fit(
        name, replace(plain, train=replace(plain.train, user_table=table)), training=replace(TRAINING, epochs=2)
    )
    assert torch.equal(before.factors.users, after.factors.users)
    assert after.dataset.user_table is None  # what is known about people is not copied into models


@pytest.mark.parametrize("name", sorted(name for name in USE_FEATURES if MODELS[name].needs_features))
def test_new_items_are_added_to_models_that_use_features_of_users(name: str, tmp_path: Path) -> None:
    cold_data(0).save(tmp_path / "data")
    dataset = open_dataset(tmp_path / "data")
    recommender = fit(name, dataset, training=replace(TRAINING, epochs=2))
    (tmp_path / "new.csv").write_text("item_id\nnew\n", encoding="utf-8")
    np.save(tmp_path / "image.npy", dataset.features["image"].table[:1])
    image = FeatureSource("image", tmp_path / "image.npy")
    extended = extend_dataset(dataset, tmp_path / "new.csv", tmp_path / "extended", features=[image])
    added = add_items(recommender, extended)
    added.save(tmp_path / "model")
    reopened = open_recommender(tmp_path / "model")
    assert torch.equal(reopened.factors.users, recommender.factors.users)
    assert torch.equal(reopened.factors.items[:-1], recommender.factors.items)
    user = f"u{np.flatnonzero(cold_split(0).train.interactions.user_degrees == 0)[0]}"
    for each in Explainer(reopened, extended).explain(user, ["new"]):
        assert sum(each.rest.values()) == pytest.approx(each.score, rel=1e-4, abs=1e-5)


def test_a_blend_knows_the_users_that_one_of_its_models_knows() -> None:
    with pytest.warns(InputWarning, match="ease does not use"):
        ease = fit("ease", cold_split(0))
    blended = weighted_blend([ease, fitted("lightgcn")], (1.0, 1.0))
    user = f"u{np.flatnonzero(cold_split(0).train.interactions.user_degrees == 0)[0]}"
    alone = fitted("lightgcn").recommend([user], k=10)
    assert list(blended.recommend([user], k=10).items[0]) == list(alone.items[0])
