"""New users get lists from their histories without training, from every kind of scorer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from triptych.cli.app import run
from triptych.data.dataset import Dataset
from triptych.data.interactions import Interactions
from triptych.data.split import assign_split
from triptych.errors import SettingsError, UnknownIdError
from triptych.ranking.new_users import history_map, new_user_scorer
from triptych.ranking.recommender import Recommender
from triptych.ranking.scorer import Blend, Factors, ItemWeights
from triptych.training.fit import fit
from triptych.training.settings import TrainingSettings
from worlds import random_dataset


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return assign_split(random_dataset(), "ratio", ratios=(0.8, 0.1, 0.1), seed=0)


@pytest.fixture(scope="module")
def linear(dataset: Dataset) -> Recommender:
    return fit("ease", dataset)


def test_item_weights_score_a_history_like_a_known_user_with_the_same_history(linear: Recommender) -> None:
    train = linear.split.train.interactions
    histories = {f"new {user}": _ids(linear, train, user) for user in range(5)}
    lists = linear.recommend_from_history(histories, 4, include_seen=True)
    assert isinstance(linear.scorer, ItemWeights)
    scores = linear.scorer.score(np.arange(5)).numpy()
    np.testing.assert_allclose(lists.scores, np.sort(scores, axis=1)[:, ::-1][:, :4], rtol=1e-5)
    assert lists.user_ids.to_list() == list(histories)


def test_user_vectors_that_are_linear_in_the_history_are_recovered() -> None:
    generator = np.random.default_rng(0)
    interacted = generator.random((400, 40)) < 0.2
    users, items = np.nonzero(interacted)
    train = Interactions.from_pairs(users.astype(np.int64), items.astype(np.int64), 400, 40)
    table = generator.standard_normal((40, 6))
    means = interacted @ table / np.maximum(interacted.sum(axis=1, keepdims=True), 1)
    factors = Factors(
        torch.from_numpy(means @ generator.standard_normal((6, 6)) + 1).float(), torch.from_numpy(table).float()
    )
    fitted = history_map(factors, train)
    new = fitted.vectors(train)
    off = (new - factors.users)[torch.from_numpy(train.user_degrees > 0)]
    assert off.square().mean() < 0.01 * factors.users.var()
    assert fitted.explained > 0.99
    history = train.history(7)
    np.testing.assert_allclose(
        fitted.item_parts(history).sum(axis=0) + fitted.constant, new[7].numpy(), rtol=1e-4, atol=1e-5
    )


def test_a_blend_for_new_users_is_the_blend_of_its_scorers_for_new_users(dataset: Dataset, linear: Recommender) -> None:
    factors = fit("bpr", dataset, training=TrainingSettings(epochs=2)).factors
    assert isinstance(linear.scorer, ItemWeights)
    train = linear.split.train.interactions
    blended = new_user_scorer(Blend((linear.scorer, factors), (0.3, 0.7)), train, train)
    assert isinstance(blended, Blend)
    apart = [new_user_scorer(each, train, train) for each in (linear.scorer, factors)]
    torch.testing.assert_close(blended.scorers[1].score(np.arange(3)), apart[1].score(np.arange(3)))
    torch.testing.assert_close(blended.scorers[0].score(np.arange(3)), apart[0].score(np.arange(3)))


def test_a_user_without_known_items_gets_the_popular_items(linear: Recommender) -> None:
    lists = linear.recommend_from_history({"blank": [], "unknown": ["no such item"]}, 3, unknown_items="ignore")
    degrees = linear.dataset.interactions.item_degrees
    assert (lists.items == np.argsort(-degrees, kind="stable")[:3]).all()
    with pytest.raises(UnknownIdError, match="no such item"):
        linear.recommend_from_history({"unknown": ["no such item"]}, 3)
    with pytest.raises(SettingsError, match="unknown choice"):
        linear.recommend_from_history({}, 3, unknown_items="drop")  # type: ignore[arg-type]
    assert linear.recommend_from_history({}, 3).items.shape == (0, 3)


def test_the_history_is_left_out_of_the_list_unless_include_seen(linear: Recommender) -> None:
    history = _ids(linear, linear.split.train.interactions, 0)
    rows = set(linear.dataset.items.rows(history).tolist())
    n = linear.dataset.n_items
    assert not rows & set(linear.recommend_from_history({"new": history}, n).items[0].tolist())
    assert rows <= set(linear.recommend_from_history({"new": history}, n, include_seen=True).items[0].tolist())


def test_the_shell_recommends_from_a_history_or_a_table_of_histories(
    dataset: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fit("ease", dataset, run=tmp_path / "run")
    items = dataset.items.ids[:3].to_list()
    assert (
        run(["recommend", str(tmp_path / "run"), "--history", items[0], "--history", items[1], "-k", "2", "--json"])
        == 0
    )
    assert '"new"' in capsys.readouterr().out
    pl.DataFrame({"user_id": ["a", "a", "b"], "item_id": items}).write_csv(tmp_path / "histories.csv")
    command = ["recommend", str(tmp_path / "run"), "--histories", str(tmp_path / "histories.csv")]
    assert run([*command, "-o", str(tmp_path / "lists.csv"), "-k", "2"]) == 0
    assert pl.read_csv(tmp_path / "lists.csv")["user_id"].unique().sort().to_list() == ["a", "b"]
    assert run([*command, "--user", "u0"]) == 2


def _ids(recommender: Recommender, train: Interactions, user: int) -> list[str]:
    return recommender.dataset.items.names(train.items_of(np.array([user]))[1]).to_list()
