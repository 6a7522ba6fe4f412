"""Ranking and its metrics say what independent implementations say."""

from __future__ import annotations

import numpy as np
import pytest
import pytrec_eval
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from triptych.data.interactions import Interactions
from triptych.errors import InputError, SettingsError
from triptych.ranking.evaluate import evaluate
from triptych.ranking.metrics import parse_metric
from triptych.ranking.scorer import Factors
from triptych.ranking.topk import top_k

CUTOFFS = (1, 3, 10, 50)
THEIRS = {
    "ndcg": "ndcg_cut",
    "recall": "recall",
    "precision": "P",
    "hit_rate": "success",
    "map": "map_cut",
}


def random_case(seed: int) -> tuple[Factors, Interactions, Interactions]:
    generator = np.random.default_rng(seed)
    n_users, n_items = 12, int(generator.integers(4, 60))
    scores = torch.from_numpy(generator.standard_normal((n_users, n_items)).astype(np.float32))
    role = generator.choice(3, p=[0.6, 0.2, 0.2], size=(n_users, n_items))  # nothing, seen, relevant
    role[0, role[0] == 2] = 0  # a user without relevant items
    return Factors(torch.eye(n_users), scores.T.contiguous()), pairs(role == 1), pairs(role == 2)


def pairs(chosen: NDArray[np.bool_]) -> Interactions:
    users, items = np.nonzero(chosen)
    return Interactions.from_pairs(users.astype(np.int64), items.astype(np.int64), *chosen.shape)


@pytest.mark.parametrize("seed", range(20))
def test_every_metric_equals_pytrec_eval(seed: int) -> None:
    factors, seen, relevant = random_case(seed)
    names = [f"{name}@{k}" for name in THEIRS for k in CUTOFFS] + [f"mrr@{max(CUTOFFS)}"]
    report = evaluate(factors, relevant, seen, names)
    qrels = {
        str(user): {str(item): 1 for item in relevant.items[relevant.users == user]}
        for user in np.unique(relevant.users)
    }
    items, scores = top_k(factors, np.arange(factors.n_users), max(CUTOFFS), seen)
    run = {
        str(user): {str(item): float(score) for item, score in zip(items[user], scores[user], strict=True) if item >= 0}
        for user in range(factors.n_users)
    }
    cuts = ",".join(str(k) for k in CUTOFFS)
    theirs = pytrec_eval.RelevanceEvaluator(qrels, {f"{name}.{cuts}" for name in THEIRS.values()} | {"recip_rank"})
    expected = theirs.evaluate(run)
    for position, user in enumerate(report.users):
        expected_values = expected[str(user)]
        for name, their_name in THEIRS.items():
            for k in CUTOFFS:
                ours = report.per_user[f"{name}@{k}"][position]
                assert abs(ours - expected_values[f"{their_name}_{k}"]) < 1e-8, f"{name}@{k} of user {user}"
        assert abs(report.per_user[f"mrr@{max(CUTOFFS)}"][position] - expected_values["recip_rank"]) < 1e-8


def test_users_without_relevant_items_do_not_count_and_are_reported() -> None:
    factors, seen, relevant = random_case(1)
    report = evaluate(factors, relevant, seen, ["recall@3"])
    assert 0 not in report.users
    assert report.n_without == factors.n_users - len(report.users) >= 1


def test_nothing_held_out_is_an_error_not_a_nan() -> None:
    factors, seen, _ = random_case(1)
    empty = Interactions.from_pairs(np.zeros(0, np.int64), np.zeros(0, np.int64), seen.n_users, seen.n_items)
    with pytest.raises(InputError, match="nothing to measure"):
        evaluate(factors, empty, seen)


@pytest.mark.parametrize("text", ["ndgc@50", "ndcg", "ndcg@0", "ndcg@x", "@5", ""])
def test_a_bad_metric_is_refused_with_a_mend(text: str) -> None:
    with pytest.raises(SettingsError) as caught:
        parse_metric(text)
    assert caught.value.hint


@settings(max_examples=60, deadline=None)
@given(
    scores=st.lists(st.lists(st.integers(-2, 2), min_size=7, max_size=7), min_size=1, max_size=5),
    k=st.integers(1, 9),
    seed=st.integers(0, 1000),
)
def test_ties_go_to_the_lower_item_and_seen_items_never_appear(scores: list[list[int]], k: int, seed: int) -> None:
    n_users, n_items = len(scores), 7
    taken = np.random.default_rng(seed).random((n_users, n_items)) < 0.3
    users, items = (rows.astype(np.int64) for rows in np.nonzero(taken))
    seen = Interactions(users, items, n_users, n_items)
    table = torch.tensor(scores, dtype=torch.float32)
    ranked, values = top_k(Factors(torch.eye(n_users), table.T.contiguous()), np.arange(n_users), k, seen)
    for user in range(n_users):
        expected = sorted(
            (item for item in range(n_items) if not taken[user, item]), key=lambda i: (-scores[user][i], i)
        )
        expected = expected[:k]
        assert ranked[user].tolist() == expected + [-1] * (k - len(expected))
        assert values[user, : len(expected)].tolist() == [scores[user][item] for item in expected]


def test_a_batch_of_users_gets_what_each_gets_alone() -> None:
    factors, seen, _ = random_case(3)
    users: NDArray[np.int64] = np.arange(factors.n_users)
    together, _ = top_k(factors, users, 5, seen)
    alone = np.concatenate([top_k(factors, users[user : user + 1], 5, seen)[0] for user in users])
    assert (together == alone).all()


def test_a_score_that_is_not_a_number_is_never_ranked() -> None:
    table = torch.tensor([[1.0, float("nan"), 3.0]])
    ranked, _ = top_k(Factors(torch.ones(1, 1), table.T.contiguous()), np.zeros(1, np.int64), 3, None)
    assert ranked.tolist() == [[2, 0, -1]]
