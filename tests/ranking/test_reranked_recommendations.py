"""Re-ranking where people ask for it: recommend, histories of new users, evaluate, and beside chosen items."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from triptych.data.split import Split
from triptych.errors import SettingsError
from triptych.ranking.item_vectors import item_vectors
from triptych.ranking.list_metrics import intra_list_similarity
from triptych.ranking.recommender import Recommender
from triptych.ranking.reranking import Calibration, Diversity, Quota
from triptych.ranking.scorer import Blend, Factors, ItemWeights
from triptych.training.fit import fit
from worlds import random_split

K = 6


@pytest.fixture(scope="module")
def model() -> Recommender:
    return with_categories(random_split(0))


def with_categories(split: Split, name: str = "ease") -> Recommender:
    """Return a model whose items have one of three categories, in the order of the rows."""
    fitted = fit(name, split)
    n = fitted.dataset.n_items
    table = pl.DataFrame({"item_id": fitted.dataset.items.ids, "category": [f"c{row % 3}" for row in range(n)]})
    return replace(fitted, dataset=replace(fitted.dataset, item_table=table, features=split.train.features))


def categories(model: Recommender, items: list[str]) -> list[str]:
    table = model.dataset.item_table
    assert table is not None
    of_item = dict(zip(table["item_id"], table["category"], strict=True))
    return [of_item[item] for item in items]


def test_without_weight_lists_are_the_plain_ones_to_the_bit(model: Recommender) -> None:
    plain = model.recommend(k=K)
    for steps in ((), Diversity(0.0), (Diversity(0.0), Calibration(weight=0.0))):
        again = model.recommend(k=K, rerank=steps)
        assert np.array_equal(again.items, plain.items)
        assert np.array_equal(again.scores, plain.scores)


def test_scores_are_those_of_the_model(model: Recommender) -> None:
    plain = model.recommend(k=model.dataset.n_items).to_polars()
    reranked = model.recommend(k=K, rerank=(Diversity(0.6), Quota("category", 3))).to_polars()
    both = reranked.join(plain, on=["user_id", "item_id"])
    assert len(both) == len(reranked)
    assert both["score"].to_list() == pytest.approx(both["score_right"].to_list(), abs=1e-6)


@pytest.mark.parametrize("similarity", ["model", "interactions", "image", "text"])
def test_diversity_makes_items_less_alike(model: Recommender, similarity: str) -> None:
    plain = model.recommend(k=K)
    varied = model.recommend(k=K, rerank=Diversity(0.8, similarity))
    assert (varied.items >= 0).all()
    dataset = model.dataset
    vectors = item_vectors(similarity, model.scorer, dataset.interactions, dataset.features)
    before, after = (intra_list_similarity(lists.items, vectors).mean() for lists in (plain, varied))
    assert after < before - 0.02


def test_users_whose_lists_are_popular_items_have_quotas_too(model: Recommender) -> None:
    lists = model.recommend(["u00", "nobody"], k=4, unknown="popular", rerank=Quota("category", 2)).to_lists()
    for items in lists["item_ids"].to_list():
        assert len(items) == 4
        assert max(categories(model, items).count(each) for each in ("c0", "c1", "c2")) <= 2
    new = model.recommend_from_history(
        {"new": ["i03", "i07"], "empty": []}, k=4, rerank=Quota("category", 2)
    ).to_lists()
    for items in new["item_ids"].to_list():
        assert max(categories(model, items).count(each) for each in ("c0", "c1", "c2")) <= 2


def test_chosen_items_and_lengths_per_user_hold_beside_a_quota(model: Recommender) -> None:
    allowed = [f"i{row:02d}" for row in range(12)]
    lists = model.recommend(
        k={"u01": 2, "u02": 5}, items=allowed, rerank=(Quota("category", 2), Diversity(0.2))
    ).to_lists()
    lengths = [len(items) for items in lists["item_ids"].to_list()]
    assert lengths[0] == 2
    assert lengths[1] <= 5
    assert {item for items in lists["item_ids"].to_list() for item in items} <= set(allowed)


def test_a_quota_that_cannot_be_filled_leaves_a_list_short(model: Recommender) -> None:
    lists = model.recommend(["u03"], k=10, rerank=Quota("category", 1))
    assert (lists.items[0] >= 0).sum() == 3
    assert (lists.items[0, 3:] == -1).all()
    assert np.isneginf(lists.scores[0, 3:]).all()
    assert len(lists.to_polars()) == 3


def test_evaluate_measures_the_lists_that_recommend_writes(model: Recommender) -> None:
    steps = (Diversity(0.5), Quota("category", 3))
    report = model.evaluate(metrics=["hit_rate@6"], rerank=steps)
    lists = model.recommend(k=K, exclude="train", rerank=steps)
    split = model.split
    train, test = split.train.interactions, split.test
    expected = [
        float(np.isin(lists.items[user], np.setdiff1d(test.history(user), train.history(user))).any())
        for user in report.users.tolist()
    ]
    assert report.per_user["hit_rate@6"].tolist() == expected


@pytest.mark.parametrize("name", ["ease", "item-knn", "content-ease", "bpr", "popularity"])
def test_every_kind_of_scorer_has_vectors_of_items(name: str) -> None:
    model = with_categories(random_split(1), name)
    assert isinstance(model.scorer, Factors | ItemWeights)
    vectors = model.scorer.item_vectors
    lengths = np.linalg.norm(vectors, axis=1)
    assert np.isin(np.round(lengths, 4), [0, 1]).all()
    blend = Blend((model.scorer, model.scorer), (0.5, -0.5)).item_vectors
    assert np.allclose(blend @ blend.T, vectors @ vectors.T, atol=1e-5)
    model.recommend(k=3, rerank=Diversity(0.5))


def test_vectors_of_item_weights_have_the_cosines_of_the_columns(model: Recommender) -> None:
    assert isinstance(model.scorer, ItemWeights)
    assert isinstance(model.scorer.weights, np.ndarray)
    columns = model.scorer.weights / np.linalg.norm(model.scorer.weights, axis=0)
    vectors = model.scorer.item_vectors
    assert np.allclose(vectors @ vectors.T, columns.T @ columns, atol=1e-4)


def test_what_is_wrong_is_said(model: Recommender) -> None:
    with pytest.raises(SettingsError, match='did you mean "category"'):
        model.recommend(rerank=Quota("categories", 2))
    with pytest.raises(SettingsError, match='did you mean "image"'):
        model.recommend(rerank=Diversity(0.3, "images"))
    with pytest.raises(SettingsError, match='no column "brand"'):
        model.evaluate(rerank=Calibration("brand"))
