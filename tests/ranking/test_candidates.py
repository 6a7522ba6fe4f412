"""Lists of chosen items are those of a ranking by hand: of all scores, without what may not be ranked."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from triptych.data.interactions import Interactions
from triptych.data.split import Split, split
from triptych.errors import InputError, InputWarning, SettingsError
from triptych.ranking.candidates import Candidates
from triptych.ranking.pairs import pair_scores
from triptych.ranking.protocol import EvaluationProtocol
from triptych.ranking.recommender import Recommender
from triptych.ranking.scorer import Blend, Factors, ItemWeights
from triptych.ranking.topk import rank_all
from triptych.training.fit import fit
from triptych.training.settings import TrainingSettings
from worlds import random_dataset

PRICES = pl.Series("price", [str(5 * row) for row in range(25)])


@pytest.fixture(scope="module")
def priced() -> Split:
    dataset = random_dataset()
    return split(replace(dataset, item_table=pl.DataFrame({"item_id": dataset.items.ids, "price": PRICES})), "ratio")


@pytest.fixture(scope="module")
def models(priced: Split) -> list[Recommender]:
    """One model per kind of scorer: inner products, dense and sparse item weights, and a blend."""
    short = TrainingSettings(epochs=2)
    found = [fit(name, priced, training=short) for name in ("lightgcn", "ease", "item-knn")]
    scorers: Any = tuple(model.scorer for model in found)
    assert [type(each) for each in scorers] == [Factors, ItemWeights, ItemWeights]
    return [*found, replace(found[0], scorer=Blend(scorers, (1.0, 0.5, 0.7)))]


def by_hand(
    scores: NDArray[np.float32], k: int, allowed: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return the best k of the allowed items per row, of equal scores the lower item first."""
    scores = np.where(allowed, scores, -np.inf)
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    best = np.take_along_axis(scores, order, axis=1)
    padding = ((0, 0), (0, k - order.shape[1]))
    items = np.pad(np.where(best > -np.inf, order, -1), padding, constant_values=-1)
    return items, np.pad(best, padding, constant_values=-np.inf)


@given(
    seed=st.integers(0, 1000),
    share=st.sampled_from([0.0, 0.1, 0.6, 1.0]),
    k=st.integers(1, 30),
    number=st.integers(0, 3),
    uses=st.tuples(st.booleans(), st.booleans(), st.booleans()),
)
def test_chosen_items_are_ranked_as_by_hand(
    models: list[Recommender], seed: int, share: float, k: int, number: int, uses: tuple[bool, bool, bool]
) -> None:
    model, generator = models[number], np.random.default_rng(seed)
    n_users, n_items = model.dataset.n_users, model.dataset.n_items

    def pairs(share: float) -> Interactions:
        users, items = np.nonzero(generator.random((n_users, n_items)) < share)
        return Interactions(users.astype(np.int64), items.astype(np.int64), n_users, n_items)

    chosen = Candidates(
        items=np.flatnonzero(generator.random(n_items) < share),
        excluded=pairs(0.3) if uses[0] else None,
        only=pairs(0.4) if uses[1] else None,
    )
    seen = model.dataset.interactions if uses[2] else None
    users = generator.permutation(n_users)[:20].astype(np.int64)
    allowed = np.zeros((n_users, n_items), dtype=np.bool_)
    allowed[:, chosen.items] = True
    for kept, left_out in ((True, chosen.only), (False, chosen.excluded), (False, seen)):
        if left_out is not None:
            mask = left_out.to_csr().toarray() > 0
            allowed &= mask if kept else ~mask
    expected_items, expected_scores = by_hand(model.scorer.score(users).numpy(), k, allowed[users])
    [(_, items, scores)] = rank_all(model.scorer, users, k, seen, candidates=chosen)
    np.testing.assert_allclose(scores, expected_scores, rtol=1e-5, atol=1e-5)
    different = items != expected_items  # only where scores agree up to rounding
    np.testing.assert_allclose(scores[different], expected_scores[different], rtol=1e-5, atol=1e-5)
    assert ((items >= 0) == (expected_items >= 0)).all()
    assert allowed[np.repeat(users, k)[items.ravel() >= 0], items[items >= 0]].all()


def test_scores_of_pairs_are_those_of_the_ranking(models: list[Recommender]) -> None:
    generator = np.random.default_rng(0)
    for model in models:
        users, items = (generator.integers(0, n, 300) for n in (model.dataset.n_users, model.dataset.n_items))
        expected = model.scorer.score(np.arange(model.dataset.n_users)).numpy()[users, items]
        np.testing.assert_allclose(pair_scores(model.scorer, users, items), expected, rtol=1e-5, atol=1e-5)
        assert len(pair_scores(model.scorer, users[:0], items[:0])) == 0


def test_all_items_as_candidates_give_the_plain_lists(models: list[Recommender]) -> None:
    for model in models:
        plain = model.recommend(k=10)
        choices: list[dict[str, Any]] = [
            {"items": model.dataset.items.ids},
            {"where": "price >= 0"},
            {"exclude_items": []},
        ]
        for options in choices:
            chosen = model.recommend(k=10, **options)
            assert np.array_equal(plain.items, chosen.items)
            np.testing.assert_array_equal(plain.scores, chosen.scores)


def test_items_excluded_items_and_conditions_hold_together(models: list[Recommender]) -> None:
    lists = models[0].recommend(
        ["u01", "u02"], 25, items=[f"i{row:02d}" for row in range(20)], exclude_items=["i03", "i04"], where="price < 50"
    )
    found = set(lists.to_polars()["item_id"])
    assert found
    assert found <= {f"i{row:02d}" for row in range(10)} - {"i03", "i04"}


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame, lambda rows: pl.DataFrame(rows).to_arrow()])
def test_frames_of_users_and_items_count_per_user(models: list[Recommender], frame: Any) -> None:
    rows = {"user_id": ["u01", "u01", "u02", "new"], "item_id": ["i05", "i06", "i05", "i07"]}
    for model in models:
        plain = model.recommend(["u01", "u02", "u03"], 25, include_seen=True).to_lists()
        without = model.recommend(["u01", "u02", "u03"], 25, include_seen=True, exclude_items=frame(rows)).to_lists()
        for user, left_out in (("u01", {"i05", "i06"}), ("u02", {"i05"}), ("u03", set())):
            before, after = (lists.filter(user_id=user)["item_ids"][0].to_list() for lists in (plain, without))
            assert after == [item for item in before if item not in left_out]
        only = model.recommend(["u03", "u01", "new"], 5, unknown="popular", include_seen=True, items=frame(rows))
        assert [set(each) for each in only.to_lists()["item_ids"].to_list()] == [set(), {"i05", "i06"}, {"i07"}]


def test_an_unknown_user_with_excluded_items_gets_other_popular_items(models: list[Recommender]) -> None:
    popular = models[0].recommend(["new"], 3, unknown="popular").to_lists()["item_ids"][0].to_list()
    left_out = pl.DataFrame({"user_id": ["new", "other"], "item_id": popular[:2]})
    lists = models[0].recommend(["new", "newer"], 3, unknown="popular", exclude_items=left_out).to_lists()
    assert lists["item_ids"][0].to_list()[:2] == [popular[1], popular[2]]
    assert lists["item_ids"][1].to_list() == popular


def test_new_users_get_chosen_items_only(models: list[Recommender]) -> None:
    for model in models:
        frame = pl.DataFrame({"user_id": ["x"], "item_id": ["i09"]})
        histories = {"x": ["i01", "i02"], "nothing": []}
        lists = model.recommend_from_history(histories, 25, where="price < 50", exclude_items=frame).to_lists()
        known = {f"i{row:02d}" for row in range(10)}
        assert [set(each) for each in lists["item_ids"].to_list()] == [known - {"i01", "i02", "i09"}, known]


def test_each_user_gets_as_many_items_as_asked(models: list[Recommender]) -> None:
    plain = models[0].recommend(["u05", "u01"], 4).to_lists()["item_ids"].to_list()
    cut = models[0].recommend(k={"u05": 2, "u01": 4}).to_lists()
    assert cut["user_id"].to_list() == ["u05", "u01"]
    assert cut["item_ids"].to_list() == [plain[0][:2], plain[1]]
    with pytest.raises(SettingsError, match='no number for user "u02"'):
        models[0].recommend(["u02"], {"u01": 2})
    for bad in ({}, {"u01": 0}):
        with pytest.raises(SettingsError, match="k "):
            models[0].recommend(k=bad)


def test_unknown_items_are_passed_over_with_a_warning(models: list[Recommender]) -> None:
    with pytest.warns(InputWarning, match="items: 1 unknown item passed over: nosuch"):
        lists = models[0].recommend(["u01"], 5, include_seen=True, items=["i01", "nosuch"])
    assert lists.to_polars()["item_id"].to_list() == ["i01"]
    with pytest.warns(InputWarning), pytest.raises(InputError, match="none of these items is known"):
        models[0].recommend(["u01"], 5, items=["nosuch"])


def test_what_is_no_list_of_items_is_refused(models: list[Recommender]) -> None:
    for bad, error in (("i01", "one item id"), (pl.DataFrame({"a": [1], "b": [2]}), "no column looks like item ids")):
        with pytest.raises(InputError, match=error):
            models[0].recommend(["u01"], 5, items=bad)
    with pytest.raises(InputError, match="the user id is empty"):
        models[0].recommend(["u01"], 5, items=pl.DataFrame({"user_id": [None, "u01"], "item_id": ["i01", "i02"]}))


def test_only_candidates_are_ranked_and_count_in_an_evaluation(models: list[Recommender]) -> None:
    chosen = [f"i{row:02d}" for row in range(10)]
    for model in models:
        report = model.evaluate(where="price < 50", metrics=["ndcg@5", "recall@5"])
        assert report.means == model.evaluate(items=chosen, metrics=["ndcg@5", "recall@5"]).means
        task = model.evaluation_task(EvaluationProtocol())
        assert task.seen is not None
        relevant = task.relevant.select(task.relevant.items < 10)
        allowed = (np.arange(model.dataset.n_items) < 10) & (task.seen.to_csr(report.users).toarray() == 0)
        items, _ = by_hand(model.scorer.score(report.users).numpy(), 5, allowed)
        hits = relevant.contain(np.repeat(report.users, 5), np.maximum(items, 0).ravel()).reshape(items.shape)
        found = (hits & (items >= 0)).sum(axis=1) / relevant.user_degrees[report.users]
        np.testing.assert_allclose(report.per_user["recall@5"], found)
