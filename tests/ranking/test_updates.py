"""New interactions of users change their lists at once, without training."""

from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch

from triptych.data.dataset import Dataset
from triptych.data.split import Split, assign_split
from triptych.errors import InputError, SettingsError, UnknownIdError
from triptych.explaining.explainer import explain
from triptych.ranking.new_users import HistoryMap, history_map
from triptych.ranking.recommender import Recommender
from triptych.ranking.recommender_folder import open_recommender
from triptych.ranking.scorer import ItemWeights
from triptych.ranking.updates import NEW_WEIGHT
from triptych.studies.blend import weighted_blend
from triptych.training.fit import fit
from triptych.training.settings import TrainingSettings
from worlds import random_dataset

MODELS = ("ease", "lightgcn", "bm3", "blend")
TRAINING = TrainingSettings(epochs=3, batch_size=64, learning_rate=0.02, precision="float32")
CLICKS = [("u03", "i07"), ("u03", "i11"), ("u10", "i07"), ("u03", "i07")]


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return assign_split(random_dataset(density=0.3), "ratio", seed=0)


@pytest.fixture(scope="module")
def recommenders(dataset: Dataset) -> dict[str, Recommender]:
    made = {name: fit(name, dataset, training=TRAINING) for name in MODELS[:-1]}
    return {**made, "blend": weighted_blend([made["ease"], made["lightgcn"]], (1.0, 0.7))}


def scores(recommender: Recommender, user: str) -> torch.Tensor:
    return recommender.scorer.score(recommender.dataset.users.rows([user]))[0]


def history_of(recommender: Recommender, user: str) -> list[str]:
    row = int(recommender.dataset.users.rows([user])[0])
    return recommender.dataset.items.names(recommender.split.train.interactions.history(row)).to_list()


@pytest.mark.parametrize("name", MODELS)
def test_a_new_user_gets_the_lists_of_recommend_from_history(name: str, recommenders: dict[str, Recommender]) -> None:
    recommender = recommenders[name]
    updated = recommender.update([("anna", "i03"), ("anna", "i08"), ("ben", "i01")])
    lists, expected = (
        updated.recommend(["anna", "ben"], 6),
        recommender.recommend_from_history({"anna": ["i03", "i08"], "ben": ["i01"]}, 6),
    )
    assert (lists.items == expected.items).all()
    np.testing.assert_allclose(lists.scores, expected.scores, rtol=1e-5, atol=1e-6)
    assert updated.about["new_users"] == 2
    assert "anna" not in recommender.dataset.users.ids.to_list()


def test_item_weights_score_the_longer_history(recommenders: dict[str, Recommender]) -> None:
    recommender = recommenders["ease"]
    updated = recommender.update(CLICKS)
    assert isinstance(recommender.scorer, ItemWeights)
    history = {*history_of(recommender, "u03"), "i07", "i11"}
    expected = recommender.recommend_from_history({"u03": sorted(history)}, 10)
    lists = updated.recommend(["u03"], 10)
    np.testing.assert_allclose(scores(updated, "u03")[expected.items[0]], expected.scores[0], rtol=1e-5)
    assert not set(history) & set(lists.to_polars()["item_id"].to_list())  # seen now


@pytest.mark.parametrize("name", ["lightgcn", "bm3"])
def test_vectors_move_by_what_the_map_gives_for_the_new_items(name: str, recommenders: dict[str, Recommender]) -> None:
    """Brute force, from the equations of the module."""
    recommender, train = recommenders[name], recommenders[name].split.train.interactions
    one = history_map(recommender.factors, train)
    updated = recommender.update(CLICKS)
    for user, items in (("u03", ["i07", "i11"]), ("u10", ["i07"])):
        row = int(recommender.dataset.users.rows([user])[0])
        before = train.history(row)
        now = np.union1d(before, recommender.dataset.items.rows(items))
        weights = np.where(np.isin(now, before), 1.0, NEW_WEIGHT)
        parts = one.item_parts(now) * (weights / weights.mean())[:, None]
        moved = parts.sum(axis=0) - one.item_parts(before).sum(axis=0)
        expected = recommender.factors.users[row] + torch.from_numpy(moved).float()
        torch.testing.assert_close(updated.factors.users[row], expected, rtol=1e-4, atol=1e-5)
    others = np.setdiff1d(np.arange(30), recommender.dataset.users.rows(["u03", "u10"]))
    assert updated.factors.users[others].equal(recommender.factors.users[others])
    assert updated.factors.items is recommender.factors.items


@pytest.mark.parametrize("name", MODELS)
def test_updates_one_after_another_are_one_update(name: str, recommenders: dict[str, Recommender]) -> None:
    clicks = [*CLICKS, ("anna", "i03"), ("u11", "i05"), ("anna", "i09")]
    at_once, step_by_step = recommenders[name].update(clicks), recommenders[name]
    for click in clicks:
        step_by_step = step_by_step.update([click])
    assert np.array_equal(step_by_step.dataset.interactions.keys, at_once.dataset.interactions.keys)
    assert step_by_step.about == at_once.about
    users = np.arange(at_once.dataset.n_users)
    assert step_by_step.scorer.score(users).equal(at_once.scorer.score(users))
    assert at_once.update([]).scorer.score(users).equal(at_once.scorer.score(users))


@pytest.mark.parametrize("name", MODELS)
def test_an_updated_recommender_is_saved_and_opened(
    name: str, recommenders: dict[str, Recommender], tmp_path: Path
) -> None:
    updated = recommenders[name].update([*CLICKS, ("anna", "i03")])
    updated.save(tmp_path / "model")
    opened = open_recommender(tmp_path / "model")
    users = np.arange(updated.dataset.n_users)
    torch.testing.assert_close(opened.scorer.score(users), updated.scorer.score(users))
    assert opened.recommend(["u03", "anna"], 5).to_polars().equals(updated.recommend(["u03", "anna"], 5).to_polars())
    assert "i12" not in opened.update([("u03", "i12")]).recommend(["u03"], 25).to_polars()["item_id"].to_list()


def test_interactions_come_as_frames_of_any_library_or_as_pairs(recommenders: dict[str, Recommender]) -> None:
    users, items = [user for user, _ in CLICKS], [item for _, item in CLICKS]
    columns: dict[str, Any] = {"user_id": users, "item_id": items, "time": [1, 2, 3, 4]}
    expected = recommenders["ease"].update(CLICKS)
    arrow = pl.DataFrame(columns).to_arrow()
    for given in (pd.DataFrame(columns), pl.DataFrame(columns), arrow, np.array(CLICKS), tuple(CLICKS)):
        updated = recommenders["ease"].update(given)
        assert np.array_equal(updated.dataset.interactions.keys, expected.dataset.interactions.keys)
        assert updated.about == expected.about


def test_held_out_interactions_that_became_known_are_no_longer_measured(recommenders: dict[str, Recommender]) -> None:
    recommender = recommenders["ease"]
    test = recommender.split.test
    user, item = recommender.dataset.users.ids[int(test.users[0])], recommender.dataset.items.ids[int(test.items[0])]
    updated = recommender.update([(user, item)])
    assert len(updated.split.test) == len(test) - 1
    assert updated.about["new_interactions"] == 1
    assert "new_interactions" not in recommender.update([(user, history_of(recommender, user)[0])]).about
    again = replace(recommender, dataset=replace(recommender.dataset, about={"seen": "keep"}))
    assert len(again.update([(user, item)]).split.test) == len(test)  # where people buy again, it still counts


def test_unknown_items_and_bad_interactions_are_refused(recommenders: dict[str, Recommender]) -> None:
    recommender = recommenders["ease"]
    with pytest.raises(UnknownIdError, match="no such item"):
        recommender.update([("u03", "no such item")])
    ignoring = recommender.update([("u03", "no such item"), ("carl", "nor this")], unknown_items="ignore")
    assert ignoring.about == recommender.about
    assert ignoring.dataset.users.ids.equals(recommender.dataset.users.ids)  # nothing is known of carl
    with pytest.raises(SettingsError, match="unknown choice"):
        recommender.update([], unknown_items="drop")  # type: ignore[arg-type]
    for bad in ([("u03",)], ["u03"], [3], "u03"):
        with pytest.raises(InputError):
            recommender.update(bad)
    with pytest.raises(InputError, match="have no column of items"):
        recommender.update(pl.DataFrame({"user_id": ["u03"], "thing": ["i07"]}))
    with pytest.raises(InputError, match="user id is empty"):
        recommender.update(pl.DataFrame({"user_id": ["u03", None], "item_id": ["i07", "i08"]}))


def test_a_user_of_whom_nothing_was_known_gets_the_vector_of_the_history(dataset: Dataset) -> None:
    split = Split.from_dataset(dataset)
    without = split.train.interactions.select(split.train.interactions.users != 5)
    recommender = fit("bpr", replace(split, train=replace(split.train, interactions=without)), training=TRAINING)
    updated = recommender.update([("u05", "i04"), ("u05", "i06")])
    expected = recommender.recommend_from_history({"u05": ["i04", "i06"]}, 8)
    torch.testing.assert_close(scores(updated, "u05")[expected.items[0]], torch.from_numpy(expected.scores[0]))


def test_an_explanation_of_lists_after_an_update_is_refused_where_it_would_explain_others(
    recommenders: dict[str, Recommender], dataset: Dataset
) -> None:
    with pytest.raises(InputError, match="new interactions"):
        explain(recommenders["lightgcn"].update(CLICKS), "u03", "i12")
    with pytest.raises(InputError, match="new interactions"):
        explain(recommenders["blend"].update(CLICKS), "u03", "i12")
    explanation = explain(recommenders["ease"].update(CLICKS), "u03", "i12")
    assert {"i07", "i11"} <= {each.item for each in explanation.reasons}


def test_the_ridge_is_solved_once_per_model(
    recommenders: dict[str, Recommender], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also by many threads that each ask again, by updates, and in a copy that was pickled."""
    recommender = replace(recommenders["lightgcn"])  # nothing cached yet
    calls = []

    def counted(*given: Any) -> HistoryMap:
        calls.append(given)
        return history_map(*given)

    monkeypatch.setattr("triptych.ranking.new_users.history_map", counted)
    first = recommender.recommend_from_history({"a": ["i03"]}, 5)
    with ThreadPoolExecutor(4) as pool:
        lists = list(pool.map(lambda _: recommender.recommend_from_history({"a": ["i03"]}, 5), range(16)))
    copied = pickle.loads(pickle.dumps(recommender.update(CLICKS).update([("anna", "i03")])))
    lists.append(copied.recommend_from_history({"a": ["i03"]}, 5))
    assert all((each.scores == first.scores).all() for each in lists)
    assert len(calls) == 1


def test_ids_are_given_back_as_they_came(dataset: Dataset) -> None:
    numbers = [100 + row for row in range(dataset.n_users)]
    users = type(dataset.users)(pl.Series([str(each) for each in numbers]), noun="user").with_type("int64")
    recommender = fit("ease", replace(dataset, users=users))
    lists = recommender.update([(103, "i07"), (900, "i03")]).recommend([103, 900], 2).to_polars()
    assert lists["user_id"].to_list() == [103, 103, 900, 900]
