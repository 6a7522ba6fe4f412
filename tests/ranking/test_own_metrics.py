"""A metric of one's own gets what ours get, and its values are those of a plain loop over users."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import triptych
from triptych.errors import SettingsError
from triptych.ranking.metrics import METRICS, parse_metric
from worlds import random_split

SPLIT = random_split()
MODEL = triptych.fit("ease", SPLIT)


def first_rank(at: triptych.Hits) -> NDArray[np.float64]:
    """The rank of the first relevant item, k + 1 if there is none."""
    return np.where(at.hits.any(axis=1), at.hits.argmax(axis=1) + 1.0, at.k + 1.0)


def novelty(at: triptych.Hits) -> NDArray[np.float64]:
    degrees = SPLIT.train.interactions.item_degrees
    bits = -np.log2(np.maximum(degrees, 1) / SPLIT.train.n_users)
    listed = at.items >= 0
    return np.asarray(np.where(listed, bits[at.items], 0).sum(axis=1) / np.maximum(listed.sum(axis=1), 1))


def test_own_metrics_stand_beside_ours_and_equal_a_loop_over_the_lists() -> None:
    own = [triptych.Metric("first-rank", 10, first_rank), triptych.Metric("novelty", 5, novelty)]
    report = MODEL.evaluate(metrics=["ndcg@50", *own], exclude="train")
    assert list(report.means) == ["ndcg@50", "first-rank@10", "novelty@5"]
    assert report["ndcg@50"] == MODEL.evaluate(metrics=["ndcg@50"])["ndcg@50"]
    train, test = SPLIT.train.interactions, SPLIT.test
    scores = MODEL.scorer.score(np.arange(SPLIT.train.n_users)).numpy().copy()
    scores[train.users, train.items] = -np.inf
    for position, user in enumerate(report.users):
        order = [item for item in np.argsort(-scores[user], kind="stable") if scores[user, item] > -np.inf]
        relevant = set(test.history(user))
        rank = next((n for n, item in enumerate(order[:10], start=1) if item in relevant), 11)
        assert report.per_user["first-rank@10"][position] == rank
        bits = [-np.log2(max(train.item_degrees[item], 1) / train.n_users) for item in order[:5]]
        assert report.per_user["novelty@5"][position] == pytest.approx(np.mean(bits))
    assert report[own[0]] == report["first-rank@10"] == report["First-Rank@10"]


def test_a_list_that_ends_early_has_minus_one_after_its_end() -> None:
    seen = []

    def look(at: triptych.Hits) -> NDArray[np.float64]:
        seen.append(at)
        return np.zeros(len(at.users))

    MODEL.evaluate(metrics=[triptych.Metric("look", 40, look)])  # there are 25 items
    assert (seen[0].items[:, 25:] == -1).all()
    assert not seen[0].hits[seen[0].items < 0].any()


@pytest.mark.parametrize("name", METRICS)
def test_our_functions_may_be_given_by_themselves(name: str) -> None:
    metric = triptych.Metric(name, 10, METRICS[name])
    assert MODEL.evaluate(metrics=[metric])[name + "@10"] == MODEL.evaluate(metrics=[f"{name}@10"])[f"{name}@10"]


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        (0.5, r"returned the shape \[\]"),
        (np.zeros(3), r"returned the shape \[3\]"),
        (None, "returned the shape"),
        ("high", "returned the shape"),
        (np.nan, "returned values that are not finite"),
    ],
)
def test_what_a_function_returns_is_checked(returned: Any, message: str) -> None:
    with pytest.raises(SettingsError, match=f'metric "odd@5" {message}'):
        MODEL.evaluate(
            metrics=[
                triptych.Metric(
                    "odd", 5, lambda at: returned if returned is not np.nan else np.full(len(at.users), np.nan)
                )
            ]
        )


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: triptych.Metric("ndcg", 5, first_rank), '"ndcg" is a metric of ours'),
        (lambda: triptych.Metric("mine", 0, first_rank), "needs a cutoff of 1 or more"),
        (lambda: triptych.Metric("mine", True, first_rank), "needs a cutoff of 1 or more"),
        (lambda: triptych.Metric("mine@5", 5, first_rank), "cannot be the name of a metric"),
        (lambda: triptych.Metric("Mine", 5, first_rank), "cannot be the name of a metric"),
        (lambda: triptych.Metric("mine", 5, 3), "is not a function"),  # type: ignore[arg-type]
        (lambda: triptych.Metric("mine", 5), 'unknown metric "mine"'),
        (lambda: parse_metric(first_rank), "is not a metric"),  # type: ignore[arg-type]
    ],
)
def test_what_is_no_metric_is_refused(make: Any, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        make()


def test_two_functions_of_one_name_are_refused_and_a_metric_given_twice_is_measured_once() -> None:
    one, other = (triptych.Metric("mine", 5, function) for function in (first_rank, novelty))
    with pytest.raises(SettingsError, match='two metrics are called "mine@5"'):
        MODEL.evaluate(metrics=[one, other])
    report = MODEL.evaluate(metrics=[one, one, "ndcg@5", "ndcg@5"])
    assert [len(values) for values in report.per_user.values()] == [len(report.users)] * 2
