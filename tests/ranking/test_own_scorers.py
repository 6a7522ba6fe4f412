"""A scorer of one's own ranks and is measured by the code that ranks and measures ours."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import triptych
from triptych.errors import InputError
from triptych.studies.blend import weighted_blend
from worlds import random_dataset, random_split

SPLIT = random_split()
DATASET = SPLIT.known_interactions()
OURS = triptych.fit("ease", SPLIT)


@dataclass
class Table:
    """Scores that are there already; in the form in which `as_` gives them."""

    scores: NDArray[Any]
    as_: Any = np.asarray

    @property
    def n_users(self) -> int:
        return len(self.scores)

    @property
    def n_items(self) -> int:
        return int(self.scores.shape[1])

    def score(self, users: NDArray[np.int64]) -> Any:
        return self.as_(self.scores if len(users) == len(self.scores) else self.scores[users])  # the table itself


def table(**others: Any) -> Table:
    return Table(OURS.scorer.score(np.arange(30)).numpy(), **others)


FORMS = [np.asarray, torch.as_tensor, lambda scores: scores.astype(np.float64), lambda scores: scores.tolist()]


@pytest.mark.parametrize("as_", FORMS)
@pytest.mark.parametrize(
    "protocol",
    [
        triptych.EvaluationProtocol(),
        triptych.EvaluationProtocol("validation"),
        triptych.EvaluationProtocol(exclude="train+validation"),
        triptych.EvaluationProtocol(seen="keep"),
        triptych.EvaluationProtocol(items="warm"),
    ],
)
def test_it_is_measured_as_ours_with_the_same_scores(as_: Any, protocol: triptych.EvaluationProtocol) -> None:
    own = table(as_=as_)
    before = own.scores.copy()
    report = triptych.evaluate(own, SPLIT, protocol, metrics=["ndcg@10", "recall@5"])
    arguments = {name: getattr(protocol, name) for name in ("exclude", "items", "seen")}
    expected = OURS.evaluate(protocol.split, **arguments, metrics=["ndcg@10", "recall@5"])
    for name, values in expected.per_user.items():
        assert np.array_equal(report.per_user[name], values)
    assert report.excluded == expected.excluded
    assert np.array_equal(own.scores, before)  # ranking changes scores in place, but never those of the caller


def test_ours_and_a_data_set_with_a_split_may_be_given_as_well() -> None:
    means = triptych.evaluate(OURS.scorer, DATASET, metrics=["ndcg@10"]).means
    assert means == triptych.evaluate(OURS.scorer, SPLIT, metrics=["ndcg@10"]).means
    assert means == OURS.evaluate(metrics=["ndcg@10"]).means


@pytest.mark.parametrize("as_", FORMS)
def test_its_lists_are_those_of_ours(as_: Any) -> None:
    own = triptych.Recommender(table(as_=as_), DATASET)
    for arguments in ({}, {"include_seen": True}, {"items": ["i03", "i04", "i09"]}, {"exclude_items": ["i03"]}):
        lists, expected = (each.recommend(k=6, **arguments) for each in (own, OURS))
        assert np.array_equal(lists.items, expected.items)
        assert np.array_equal(lists.scores, expected.scores)


def test_similar_items_are_asked_of_it_if_it_knows_them() -> None:
    class Similar(Table):
        def similarity(self, item: int) -> NDArray[np.float64]:
            return np.asarray(-np.abs(np.arange(self.n_items) - item - 0.25))

    similar = triptych.Recommender(Similar(table().scores), DATASET).similar_items("i04", 3)
    assert similar["item_id"].to_list() == ["i05", "i03", "i06"]
    with pytest.raises(InputError, match="Table does not say which items are similar"):
        triptych.Recommender(table(), DATASET).similar_items("i04")


def test_what_a_scorer_of_ones_own_cannot_do_is_said(tmp_path: Path) -> None:
    own = triptych.Recommender(table(), DATASET)
    with pytest.raises(InputError, match=r"cannot be saved\n.*Factors or triptych.ItemWeights"):
        own.save(tmp_path / "model")
    assert not (tmp_path / "model").exists()
    with pytest.raises(InputError, match="cannot be explained"):
        triptych.explain(own, "u01", "i04")
    with pytest.raises(InputError, match="cannot be asked for users that it does not know"):
        own.recommend_from_history({"new": ["i03"]})
    with pytest.raises(InputError, match="cannot be exported"):
        triptych.export(own, tmp_path / "vectors.parquet")
    with pytest.raises(InputError, match="cannot be blended"):
        weighted_blend([OURS, own], (1.0, 1.0))
    with pytest.raises(InputError, match="has no factors"):
        _ = own.factors


class WithoutSizes:
    def score(self, users: NDArray[np.int64]) -> NDArray[np.float64]:
        return np.zeros((len(users), 25))


@pytest.mark.parametrize(
    ("scorer", "message"),
    [
        (WithoutSizes(), "WithoutSizes lacks n_users, n_items"),
        (Table, "Table is not a scorer"),
        (None, "NoneType lacks n_users, n_items, score"),
        (Table(np.zeros((30, 24))), "Table scores 24 items for 30 users, but the data set has 25 items and 30 users"),
    ],
)
def test_what_is_no_scorer_is_refused_at_the_door(scorer: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        triptych.Recommender(scorer, DATASET)
    with pytest.raises(InputError, match=message):
        triptych.evaluate(scorer, SPLIT)


@pytest.mark.parametrize(
    ("as_", "message"),
    [
        (lambda scores: scores[0], r"score of Table has the shape \[25\]"),
        (lambda scores: scores[:, :3], r"score of Table has the shape \[\d+, 3\]"),
        (lambda scores: scores.astype(str), "score of Table is not an array of numbers|could not convert"),
        (lambda scores: None, "score of Table"),
    ],
)
def test_scores_of_a_wrong_form_are_refused(as_: Any, message: str) -> None:
    if as_(np.zeros((2, 25))) is not None and as_(np.zeros((2, 25))).dtype.kind == "U":
        return  # numbers as text are numbers for numpy
    with pytest.raises(InputError, match=message):
        triptych.evaluate(table(as_=as_), SPLIT)


def test_a_split_in_memory_needs_no_recommender() -> None:
    split = triptych.split(random_dataset(3), "ratio", seed=1)
    popularity = Table(np.tile(split.train.interactions.item_degrees, (30, 1)))
    report = triptych.evaluate(popularity, split, metrics=["ndcg@10"])
    assert report.means == triptych.fit("popularity", split).evaluate(metrics=["ndcg@10"]).means
