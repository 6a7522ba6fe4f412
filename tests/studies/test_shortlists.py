"""Shortlists hold every model's own best, exactly, and a blend of theirs ranks as the blend of all items does."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from triptych.data.interactions import Interactions
from triptych.progress import ignore_progress
from triptych.ranking.evaluate import evaluate, users_that_count
from triptych.ranking.metrics import parse_metric
from triptych.ranking.scorer import Blend, Factors
from triptych.studies import shortlists as room
from triptych.studies.shortlists import shortlists

N_USERS, N_ITEMS = 30, 60


def drawn(seed: int, n: int) -> Interactions:
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
def test_a_model_alone_has_its_value_and_so_has_a_blend_of_long_lists(
    metric: str, seed: int, weights: list[float]
) -> None:
    scorers, relevant, seen = tuple(factors(seed + n) for n in range(3)), drawn(seed, 150), drawn(seed + 1, 300)
    users, asked = users_that_count(relevant), parse_metric(metric)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(room, "CHUNK_SCORES", 3 * N_ITEMS * 7)  # users in chunks, the last of them smaller
        lists = shortlists(scorers, users, relevant, seen, asked.k, ignore_progress)
    for n, scorer in enumerate(scorers):
        ours = np.concatenate([each.values(each.scores[n], asked) for each in lists])
        assert np.allclose(ours, evaluate(scorer, relevant, seen, [metric]).per_user[metric])
    ours = np.concatenate([each.values(each.weighed(weights), asked) for each in lists])
    theirs = evaluate(Blend(scorers, tuple(weights)), relevant, seen, [metric]).per_user[metric]
    if asked.k >= 20:  # so many of each hold whatever could be among the blend's best
        assert np.allclose(ours, theirs)


@given(seed=st.integers(0, 1000))
@settings(max_examples=20, deadline=None)
def test_equal_scores_rank_by_item_row_as_everywhere(seed: int) -> None:
    relevant, seen = drawn(seed, 150), drawn(seed + 1, 300)
    few = torch.randint(0, 3, (N_ITEMS, 1), generator=torch.Generator().manual_seed(seed)).float()
    users = torch.ones(N_USERS, 1)
    users[::3] = 0  # nothing is known of every third
    scorers = (Factors(users, few), factors(seed))
    lists = shortlists(scorers, users_that_count(relevant), relevant, seen, 5, ignore_progress)
    ours = np.concatenate([each.values(each.scores[0], parse_metric("ndcg@5")) for each in lists])
    assert np.allclose(ours, evaluate(scorers[0], relevant, seen, ["ndcg@5"]).per_user["ndcg@5"])


def test_scores_that_are_no_numbers_spoil_nothing_but_their_own_model() -> None:
    broken, good, relevant, seen = factors(1), factors(2), drawn(3, 150), drawn(4, 300)
    broken.items[7] = torch.nan
    (lists,) = shortlists([broken, good], users_that_count(relevant), relevant, seen, 5, ignore_progress)
    ours = lists.values(lists.weighed([0.0, 1.0]), parse_metric("ndcg@5"))
    assert np.allclose(ours, evaluate(good, relevant, seen, ["ndcg@5"]).per_user["ndcg@5"])
    assert not lists.scores.isnan().any()


def test_places_that_hold_no_item_are_never_among_the_best() -> None:
    everything = Interactions.from_pairs(
        np.repeat(np.arange(2), N_ITEMS - 3), np.tile(np.arange(N_ITEMS - 3), 2), N_USERS, N_ITEMS
    )
    relevant = Interactions.from_pairs(np.array([0, 1]), np.array([N_ITEMS - 1, 0]), N_USERS, N_ITEMS)
    (lists,) = shortlists([factors(1), factors(2)], np.arange(2), relevant, everything, 10, ignore_progress)
    assert lists.scores.shape == (2, 2, 3)  # three items are left to each of the two
    hits = lists.values(lists.weighed([1.0, 1.0]), parse_metric("recall@10"))
    assert hits.tolist() == [1.0, 0.0]  # what the second user is known to have taken is not ranked
