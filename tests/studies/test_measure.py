"""Measurements by groups of users and items, and of the catalogue, agree with direct computations."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from triptych.data.interactions import Interactions
from triptych.ranking.evaluate import evaluate
from triptych.ranking.scorer import Factors
from triptych.studies.measure import Measurement, measure


def world() -> tuple[Factors, Interactions, Interactions]:
    """40 users with very different activity, and 30 items, of which the last three have no training interactions."""
    generator = np.random.default_rng(0)
    train = np.zeros((40, 30), dtype=bool)
    for user in range(40):
        chances = 1 / np.arange(1, 28)
        chosen = generator.choice(27, size=min(27, 1 + user * 2 // 3), replace=False, p=chances / chances.sum())
        train[user, chosen] = True
    held_out = (generator.random((40, 30)) < 0.15) & ~train
    held_out[5] = False
    scorer = Factors(*(torch.from_numpy(generator.standard_normal((n, 4)).astype(np.float32)) for n in (40, 30)))
    interactions = []
    for each in (train, held_out):
        users, items = np.nonzero(each)
        interactions.append(Interactions.from_pairs(users.astype(np.int64), items.astype(np.int64), 40, 30))
    return scorer, interactions[0], interactions[1]


@pytest.fixture(scope="module")
def measured() -> Measurement:
    scorer, train, held_out = world()
    return measure(scorer, held_out, train, train, ["ndcg@5", "recall@10"])


def test_metrics_agree_with_evaluate(measured: Measurement) -> None:
    scorer, train, held_out = world()
    report = evaluate(scorer, held_out, train, ["ndcg@5", "recall@10"])
    assert np.array_equal(measured.users, report.users)
    for name, values in report.per_user.items():
        assert np.array_equal(measured.per_user[name], values)


def test_groups_by_activity_partition_the_users_and_keep_their_values(measured: Measurement) -> None:
    _, train, _ = world()
    groups = [each for each in measured.groups if each.label.startswith("users")]
    assert np.array_equal(np.sort(np.concatenate([each.users for each in groups])), measured.users)
    assert groups[0].label == "users with 0 to 4"
    assert (train.user_degrees[groups[0].users] < 5).all()
    whole = dict(zip(measured.users, measured.per_user["ndcg@5"], strict=True))
    for group in groups:
        assert [whole[user] for user in group.users] == list(group.values)


def test_groups_of_items_count_only_their_own_relevant_items(measured: Measurement) -> None:
    scorer, train, held_out = world()
    degrees = train.item_degrees
    head = np.argsort(-degrees, kind="stable")[: int(np.ceil(0.2 * (degrees > 0).sum()))]
    kinds = {
        "popular items": head,
        "long-tail items": np.setdiff1d(np.flatnonzero(degrees), head),
        "cold items": np.flatnonzero(degrees == 0),
    }
    for label, items in kinds.items():
        (group,) = (each for each in measured.groups if each.label == label)
        expected = evaluate(scorer, held_out.select(np.isin(held_out.items, items)), train, ["ndcg@5"])
        assert np.array_equal(group.users, expected.users)
        assert np.allclose(group.values, expected.per_user["ndcg@5"])


def test_coverage_novelty_and_long_tail_agree_with_the_lists(measured: Measurement) -> None:
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
