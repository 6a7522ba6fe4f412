"""Shortlists contain the exact top k of every model, and blends of shortlists rank like blends of all items."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from triptych.data.interactions import Interactions
from triptych.progress import ignore_progress
from triptych.ranking.evaluate import evaluate, users_with_relevant_items
from triptych.ranking.metrics import parse_metric
from triptych.ranking.scorer import Blend, Factors
from triptych.studies import shortlists as shortlists_module
from triptych.studies.shortlists import shortlists

N_USERS, N_ITEMS = 30, 60


def random_interactions(seed: int, n: int) -> Interactions:
    generator = np.random.default_rng(seed)
    return Interactions.from_pairs(
        generator.integers(N_USERS, size=n), generator.integers(N_ITEMS, size=n), N_USERS, N_ITEMS
    )


def factors(seed: int) -> Factors:
    generator = torch.Generator().manual_seed(seed)
    return Factors(torch.randn(N_USERS, 8, generator=generator), torch.randn(N_ITEMS, 8, generator=generator))


@pytest.mark.parametrize("metric", ["ndcg@5", "recall@20", "ndcg@50"])
@given(seed=st.integers(0, 1000), weights=st.lists(st.sampled_from([0.1, 0.5, 1.0, 3.0]), min_size=3, max_size=3))
@settings(max_examples=20, deadline=None)
def test_values_from_shortlists_are_exact_for_single_models_and_for_blends_with_long_lists(
    metric: str, seed: int, weights: list[float]
) -> None:
    scorers, relevant, seen = (
        tuple(factors(seed + n) for n in range(3)),
        random_interactions(seed, 150),
        random_interactions(seed + 1, 300),
    )
    users, parsed = users_with_relevant_items(relevant), parse_metric(metric)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            shortlists_module, "CHUNK_SCORES", 3 * N_ITEMS * 7
        )  # several chunks of users, the last one smaller
        lists = shortlists(scorers, users, relevant, seen, parsed.k, ignore_progress)
    for n, scorer in enumerate(scorers):
        values = np.concatenate([each.values(each.scores[n], parsed) for each in lists])
        assert np.allclose(values, evaluate(scorer, relevant, seen, [metric]).per_user[metric])
    values = np.concatenate([each.values(each.weighted_sum(weights), parsed) for each in lists])
    expected = evaluate(Blend(scorers, tuple(weights)), relevant, seen, [metric]).per_user[metric]
    if parsed.k >= 20:  # lists of this length contain the top k of the blend
        assert np.allclose(values, expected)


@given(seed=st.integers(0, 1000))
@settings(max_examples=20, deadline=None)
def test_equal_scores_are_ordered_by_item_row(seed: int) -> None:
    relevant, seen = random_interactions(seed, 150), random_interactions(seed + 1, 300)
    few_levels = torch.randint(0, 3, (N_ITEMS, 1), generator=torch.Generator().manual_seed(seed)).float()
    users = torch.ones(N_USERS, 1)
    users[::3] = 0  # every third user has equal scores for all items
    scorers = (Factors(users, few_levels), factors(seed))
    lists = shortlists(scorers, users_with_relevant_items(relevant), relevant, seen, 5, ignore_progress)
    values = np.concatenate([each.values(each.scores[0], parse_metric("ndcg@5")) for each in lists])
    assert np.allclose(values, evaluate(scorers[0], relevant, seen, ["ndcg@5"]).per_user["ndcg@5"])


def test_scores_of_nan_do_not_affect_other_models() -> None:
    broken, good, relevant, seen = factors(1), factors(2), random_interactions(3, 150), random_interactions(4, 300)
    broken.items[7] = torch.nan
    (lists,) = shortlists([broken, good], users_with_relevant_items(relevant), relevant, seen, 5, ignore_progress)
    values = lists.values(lists.weighted_sum([0.0, 1.0]), parse_metric("ndcg@5"))
    assert np.allclose(values, evaluate(good, relevant, seen, ["ndcg@5"]).per_user["ndcg@5"])
    assert not lists.scores.isnan().any()


def test_empty_positions_and_seen_items_are_never_in_the_top_k() -> None:
    everything = Interactions.from_pairs(
        np.repeat(np.arange(2), N_ITEMS - 3), np.tile(np.arange(N_ITEMS - 3), 2), N_USERS, N_ITEMS
    )
    relevant = Interactions.from_pairs(np.array([0, 1]), np.array([N_ITEMS - 1, 0]), N_USERS, N_ITEMS)
    (lists,) = shortlists([factors(1), factors(2)], np.arange(2), relevant, everything, 10, ignore_progress)
    assert lists.scores.shape == (2, 2, 3)  # three items are left for each of the two users
    hits = lists.values(lists.weighted_sum([1.0, 1.0]), parse_metric("recall@10"))
    assert hits.tolist() == [1.0, 0.0]  # the held-out item of the second user is a seen item, so it is not ranked
