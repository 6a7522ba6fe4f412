"""What is told of kinds of users and items, and of the catalogue, is what a count by hand gives."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from triptych.data.interactions import Interactions
from triptych.ranking.evaluate import evaluate
from triptych.ranking.scorer import Factors
from triptych.studies.measure import Measured, measure


def world() -> tuple[Factors, Interactions, Interactions]:
    """40 users of very different activity, 30 items of which the last three were never taken in training."""
    generator = np.random.default_rng(0)
    train = np.zeros((40, 30), dtype=bool)
    for user in range(40):
        chances = 1 / np.arange(1, 28)
        chosen = generator.choice(27, size=min(27, 1 + user * 2 // 3), replace=False, p=chances / chances.sum())
        train[user, chosen] = True
    held_out = (generator.random((40, 30)) < 0.15) & ~train
    held_out[5] = False
    scorer = Factors(*(torch.from_numpy(generator.standard_normal((n, 4)).astype(np.float32)) for n in (40, 30)))
    made = []
    for each in (train, held_out):
        users, items = np.nonzero(each)
        made.append(Interactions.from_pairs(users.astype(np.int64), items.astype(np.int64), 40, 30))
    return scorer, made[0], made[1]


@pytest.fixture(scope="module")
def measured() -> Measured:
    scorer, train, held_out = world()
    return measure(scorer, held_out, train, train, ["ndcg@5", "recall@10"])


def test_metrics_are_those_of_evaluate(measured: Measured) -> None:
    scorer, train, held_out = world()
    report = evaluate(scorer, held_out, train, ["ndcg@5", "recall@10"])
    assert np.array_equal(measured.users, report.users)
    for name, values in report.per_user.items():
        assert np.array_equal(measured.per_user[name], values)


def test_bands_of_activity_part_the_users_and_keep_their_values(measured: Measured) -> None:
    _, train, _ = world()
    bands = [each for each in measured.strata if each.what.startswith("users")]
    assert np.array_equal(np.sort(np.concatenate([each.users for each in bands])), measured.users)
    assert bands[0].what == "users with 0 to 4"
    assert (train.user_degrees[bands[0].users] < 5).all()
    whole = dict(zip(measured.users, measured.per_user["ndcg@5"], strict=True))
    for band in bands:
        assert [whole[user] for user in band.users] == list(band.values)


def test_kinds_of_items_count_their_own_relevant_items_alone(measured: Measured) -> None:
    scorer, train, held_out = world()
    degrees = train.item_degrees
    head = np.argsort(-degrees, kind="stable")[: int(np.ceil(0.2 * (degrees > 0).sum()))]
    kinds = {
        "popular items": head,
        "long-tail items": np.setdiff1d(np.flatnonzero(degrees), head),
        "cold items": np.flatnonzero(degrees == 0),
    }
    for what, items in kinds.items():
        (stratum,) = (each for each in measured.strata if each.what == what)
        expected = evaluate(scorer, held_out.select(np.isin(held_out.items, items)), train, ["ndcg@5"])
        assert np.array_equal(stratum.users, expected.users)
        assert np.allclose(stratum.values, expected.per_user["ndcg@5"])


def test_coverage_novelty_and_the_long_tail_are_those_of_the_lists(measured: Measured) -> None:
    scorer, train, held_out = world()
    scores = (scorer.users @ scorer.items.T).numpy()
    scores[train.users, train.items] = -np.inf
    lists = [
        [item for item in np.argsort(-scores[user], kind="stable")[:10] if scores[user, item] > -np.inf]
        for user in np.flatnonzero(held_out.user_degrees)
    ]
    flat = np.concatenate(lists)
    degrees = train.item_degrees
    head = np.argsort(-degrees, kind="stable")[: int(np.ceil(0.2 * (degrees > 0).sum()))]
    assert measured.coverage == len(set(flat)) / 30
    assert measured.novelty == pytest.approx(np.mean(-np.log2(np.maximum(degrees[flat], 1) / 40)))
    assert measured.long_tail == pytest.approx(np.mean(~np.isin(flat, head)))
