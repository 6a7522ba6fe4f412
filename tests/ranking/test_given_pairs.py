"""Scores of given pairs, users for an item and similar users are those of a brute force over all users and items."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch
from numpy.typing import NDArray
from scipy import sparse

import triptych
from triptych import kernels
from triptych.data.interactions import Interactions
from triptych.data.vocabulary import Vocabulary
from triptych.errors import InputError, SettingsError, UnknownIdError
from triptych.ranking import pairs as module
from triptych.ranking.pairs import pair_scores, scores_of_item
from triptych.ranking.recommender import Recommender
from triptych.ranking.scorer import Blend, Factors, ItemWeights, Scorer
from triptych.ranking.topk import top_k
from worlds import random_dataset

DATASET = random_dataset(n_users=30, n_items=25)
ALL_USERS, ALL_ITEMS = (rows.reshape(-1).astype(np.int64) for rows in np.indices((30, 25)))


def factors(d: int = 64, dtype: torch.dtype = torch.float32) -> Factors:
    generator = torch.Generator().manual_seed(d)
    return Factors(
        torch.randn(30, d, generator=generator, dtype=dtype), torch.randn(25, d, generator=generator, dtype=dtype)
    )


def weights(seed: int, *, density: float = 0.4) -> sparse.csr_array:
    generator = np.random.default_rng(seed)
    dense = generator.standard_normal((25, 25)) * (generator.random((25, 25)) < density)
    return sparse.csr_array(dense.astype(np.float32))


def item_weights(**parts: Any) -> ItemWeights:
    return ItemWeights(DATASET.interactions, **parts)


SCORERS: dict[str, Any] = {
    "factors": factors(),
    "narrow factors": factors(3),
    "factors of float64": factors(8, torch.float64),
    "dense weights": item_weights(weights=weights(1, density=1).toarray()),
    "sparse weights": item_weights(weights=weights(1)),
    "with direct": item_weights(weights=weights(1), direct=weights(2)),
    "with spread": item_weights(weights=weights(1), spread=weights(3), direct=weights(2)),
    "blend": Blend(
        (factors(), item_weights(weights=weights(1)), item_weights(weights=weights(4).toarray())), (1, 2.5, -1)
    ),
}
each_scorer = pytest.mark.parametrize("scorer", SCORERS.values(), ids=SCORERS)


def by_hand(scorer: Any) -> NDArray[np.float64]:
    """float64 [n_users, n_items]: all scores by the definitions, without the package's scorers."""
    if isinstance(scorer, Factors):
        return np.asarray(scorer.users.double().numpy() @ scorer.items.double().numpy().T)
    if isinstance(scorer, Blend):
        total = np.zeros((30, 25))
        for each, weight in zip(scorer.scorers, scorer.weights, strict=True):
            scores = by_hand(each)
            total += weight * (scores - scores.mean(axis=1, keepdims=True)) / scores.std(axis=1, keepdims=True)
        return total
    x = np.zeros((30, 25))
    x[DATASET.interactions.users, DATASET.interactions.items] = 1
    w, spread, direct = (
        np.zeros((25, 25))
        if each is None
        else np.asarray(each.toarray() if isinstance(each, sparse.csr_array) else each)
        for each in (scorer.weights, scorer.spread, scorer.direct)
    )
    return np.asarray((x + x @ spread) @ w + x @ direct)


@each_scorer
@pytest.mark.parametrize("n", [1, 7, 400])
def test_scores_of_pairs_are_those_of_all_items(scorer: Scorer, n: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CHUNK_TERMS", 20)
    monkeypatch.setattr(module, "CHUNK_PAIRS", 11)
    monkeypatch.setattr(module, "CHUNK_SCORES", 60)
    chosen = np.random.default_rng(n).integers(0, len(ALL_USERS), n)
    users, items = ALL_USERS[chosen], ALL_ITEMS[chosen]
    scores = pair_scores(scorer, users, items)
    assert scores.dtype == np.float32
    np.testing.assert_allclose(scores, by_hand(scorer)[users, items], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(scores, scorer.score(users).numpy()[np.arange(n), items], rtol=1e-6, atol=2e-5)


@each_scorer
def test_scores_of_pairs_are_those_of_lists(scorer: Scorer) -> None:
    users = np.arange(30)
    items, scores = top_k(scorer, users, 25, None)
    again = pair_scores(scorer, np.repeat(users, 25), items.reshape(-1)).reshape(30, 25)
    np.testing.assert_allclose(again, scores, rtol=1e-6, atol=2e-5)
    same_sums = kernels.instructions() == "v4_bf16" if isinstance(scorer, Factors) else True
    if same_sums and scorer is not SCORERS["factors of float64"]:
        assert (again == scores).all()


@pytest.mark.parametrize("name", [name for name in SCORERS if "weights" in name or name == "with direct"])
def test_weights_that_are_added_for_few_pairs_give_the_same_bits_as_all_items(name: str) -> None:
    scorer = SCORERS[name]
    users, items = np.arange(30), np.arange(30) % 25
    assert len(users) * module.GATHERED < 30 * 25
    assert (pair_scores(scorer, users, items) == scorer.score(users).numpy()[users, items]).all()


@each_scorer
def test_the_scores_of_one_item_are_those_of_its_pairs(scorer: Scorer) -> None:
    for item in (0, 7, 24):
        expected = pair_scores(scorer, np.arange(30), np.full(30, item))
        np.testing.assert_allclose(scores_of_item(scorer, item), expected, rtol=1e-6, atol=2e-5)


@each_scorer
def test_users_for_an_item_are_those_with_the_highest_scores(scorer: Scorer) -> None:
    model, scores = Recommender(scorer, DATASET), by_hand(scorer)
    for item in (1, 13):
        owners = DATASET.interactions.users[DATASET.interactions.items == item]
        others = np.setdiff1d(np.arange(30), owners)
        best = others[np.argsort(-scores[others, item], kind="stable")]
        found = model.recommend_users(f"i{item:02}", k=50)
        assert found["user_id"].to_list() == [f"u{row:02}" for row in best]
        assert found["rank"].to_list() == list(range(1, len(best) + 1))
        np.testing.assert_allclose(found["score"], scores[best, item], rtol=1e-4, atol=1e-5)
        pairs = model.score(found["user_id"], [f"i{item:02}"] * len(found))
        np.testing.assert_allclose(found["score"], pairs, rtol=1e-6, atol=2e-5)
        everyone = model.recommend_users(f"i{item:02}", k=4, include_seen=True)
        assert everyone["user_id"].to_list() == [
            f"u{row:02}" for row in np.argsort(-scores[:, item], kind="stable")[:4]
        ]


def user_similarities(scorer: Any, user: int) -> NDArray[np.float64]:
    if isinstance(scorer, Factors):
        unit = scorer.users.double().numpy() / np.linalg.norm(scorer.users.double().numpy(), axis=1, keepdims=True)
        return np.asarray(unit @ unit[user])
    if isinstance(scorer, Blend):
        parts = [user_similarities(each, user) for each in scorer.scorers]
        return np.asarray(
            sum(w * (each - each.mean()) / each.std() for each, w in zip(parts, scorer.weights, strict=True))
        )
    x = np.zeros((30, 25))
    x[DATASET.interactions.users, DATASET.interactions.items] = 1
    scores = by_hand(scorer)[user]
    return np.asarray(x @ scores / np.linalg.norm(x, axis=1) / np.linalg.norm(scores))


@each_scorer
def test_similar_users_are_those_of_the_equations(scorer: Scorer) -> None:
    model, expected = Recommender(scorer, DATASET), user_similarities(scorer, 5)
    found = model.similar_users("u05", k=10)
    order = [row for row in np.argsort(-expected, kind="stable") if row != 5][:10]
    assert found["user_id"].to_list() == [f"u{row:02}" for row in order]
    np.testing.assert_allclose(found["similarity"], expected[order], rtol=1e-4, atol=1e-5)


@each_scorer
def test_similar_items_of_several_are_by_the_mean_of_their_similarities(scorer: Any) -> None:
    model = Recommender(scorer, DATASET)
    rows = [3, 8, 20]
    expected = np.mean([scorer.similarity(row).numpy() for row in rows], axis=0)
    found = model.similar_items(["i03", "i20", "i08", "i03"], k=30)
    order = [row for row in np.argsort(-expected, kind="stable") if row not in rows]
    assert found["item_id"].to_list() == [f"i{row:02}" for row in order]
    np.testing.assert_allclose(found["similarity"], expected[order], rtol=1e-4, atol=1e-5)
    assert model.similar_items(["i03"], k=5).equals(model.similar_items("i03", k=5))


def test_the_column_is_added_to_the_same_kind_of_frame() -> None:
    model = Recommender(SCORERS["factors"], DATASET)
    frame = pd.DataFrame({"n": [1, 2], "item": ["i01", "i24"], "User ID": ["u03", "u00"]}, index=[7, 7])
    expected = model.score(["u03", "u00"], ["i01", "i24"])
    assert expected.dtype == np.float32
    scored = model.score(frame)
    assert scored.columns.to_list() == [*frame.columns, "score"]
    assert scored.index.to_list() == [7, 7]
    assert "score" not in frame
    assert scored["score"].to_numpy().tolist() == expected.tolist()
    by_polars = model.score(pl.from_pandas(frame), column="mine")
    assert by_polars.schema["mine"] == pl.Float32
    assert by_polars["mine"].to_list() == expected.tolist()
    by_arrow = model.score(pa.Table.from_pandas(frame, preserve_index=False))
    assert by_arrow.column("score").to_pylist() == expected.tolist()
    assert len(model.score(frame.iloc[:0])) == 0
    with pytest.raises(InputError, match='has a column "score" already'):
        model.score(scored)


def test_unknown_and_missing_ids_are_refused_or_nan() -> None:
    model = Recommender(SCORERS["sparse weights"], DATASET)
    frame = pl.DataFrame({"user_id": ["u03", "u99", "u01", None], "item_id": ["i01", "i01", "x", "i02"]})
    with pytest.raises(InputError, match=r"the user id is empty"):
        model.score(frame)
    with pytest.raises(UnknownIdError, match='unknown user "u99"'):
        model.score(frame[:3])
    with pytest.raises(UnknownIdError, match='unknown item "x"'):
        model.score(["u03"], ["x"])
    scores = model.score(frame, unknown="nan")["score"]
    assert scores.is_nan().to_list() == [False, True, True, True]
    assert scores[0] == model.score(["u03"], ["i01"])[0]
    bad: list[Any] = [7, "u01", ["u01"], {"user_id": ["u01"]}, pl.Series(["u01"])]
    for pairs in bad:
        with pytest.raises(InputError, match="cannot read pairs"):
            model.score(pairs)
    with pytest.raises(InputError, match="2 users and 1 items"):
        model.score(["u01", "u02"], ["i01"])
    with pytest.raises(InputError, match="no column looks like item ids"):
        model.score(frame[:1].select("user_id"))
    with pytest.raises(SettingsError, match='unknown choice "drop"'):
        model.score(frame, unknown="drop")  # type: ignore[arg-type]


def test_ids_of_every_type_are_scored_and_come_back() -> None:
    users, items = np.repeat(np.arange(1, 31), 5), np.arange(150) * 7 % 25 + 100
    ids = [UUID(int=int(each)) for each in items]
    log = pd.DataFrame({"user_id": users.astype("int32"), "item_id": ids})
    model = triptych.fit("item-knn", triptych.split(triptych.dataset_from_frames(log), "ratio"))
    lists = model.recommend(k=5)
    for frame in (lists.to_pandas(), lists.to_polars(), lists.to_arrow()):
        scored = model.score(frame, column="again")
        assert np.asarray(scored["again"]).tolist() == lists.to_polars()["score"].to_list()
    assert model.similar_users(3, k=2).schema["user_id"] == pl.Int32
    assert model.recommend_users(ids[0], k=2).schema["user_id"] == pl.Int32


def test_users_of_whom_nothing_is_known_have_the_scores_of_their_lists() -> None:
    interactions = DATASET.interactions
    lonely = Interactions.from_pairs(interactions.users, interactions.items, 31, 25)
    users = Vocabulary([*DATASET.users.ids, "lonely"], noun="user")
    dataset = triptych.Dataset(users, DATASET.items, lonely, split_codes=np.zeros(len(lonely), dtype=np.int8))
    model = Recommender(ItemWeights(lonely, weights(1)), dataset, about={"model": "item-knn"})
    lists = model.recommend(["lonely", "u01"], k=25).to_polars()
    assert model.score(lists, column="again")["again"].to_list() == lists["score"].to_list()
    assert "lonely" not in model.recommend_users("i01", k=50)["user_id"]
    assert "lonely" not in model.similar_users("u01", k=50)["user_id"]
    with pytest.raises(InputError, match='item-knn knows nothing of user "lonely"'):
        model.similar_users("lonely")


def test_popularity_says_that_it_knows_no_similar_users() -> None:
    model = triptych.fit("popularity", triptych.split(DATASET, "ratio"))
    with pytest.raises(InputError, match="does not know which users are similar"):
        model.similar_users("u01")
    with pytest.raises(InputError, match='similar to "i01" and 1 others'):
        model.similar_items(["i01", "i02"])
    with pytest.raises(InputError, match="no item is given"):
        model.similar_items([])
    assert len(model.recommend_users("i03", k=3)) <= 3
