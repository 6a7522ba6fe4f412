"""Shortlists hold every model's own best, exactly, and a blend of theirs ranks as the blend of all items does."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from triptych.data.interactions import Interactions
from triptych.progress import silent
from triptych.ranking.evaluate import evaluate, users_that_count
from triptych.ranking.metrics import metric_of
from triptych.ranking.scorer import Blend, Factors
from triptych.studies import shortlists as room
from triptych.studies.shortlists import shortlists

N_USERS, N_ITEMS = 30, 60


def drawn(seed: int, n: int) -> Interactions:
    generator = np.random.default_rng(seed)
    return Interactions.of_pairs(
        generator.integers(N_USERS, size=n), generator.integers(N_ITEMS, size=n), N_USERS, N_ITEMS
    )


def factors(seed: int) -> Factors:
    generator = torch.Generator().manual_seed(seed)
    return Factors(torch.randn(N_USERS, 8, generator=generator), torch.randn(N_ITEMS, 8, generator=generator))


@pytest.mark.parametrize("metric", ["ndcg@5", "recall@20", "ndcg@50"])
@given(seed=st.integers(0, 1000), weights=st.lists(st.sampled_from([0.1, 0.5, 1.0, 3.0]), min_size=3, max_size=3))
@settings(max_examples=20, deadline=None)
def test_a_model_alone_has_its_value_and_a_blend_nearly(metric: str, seed: int, weights: list[float]) -> None:
    scorers, relevant, seen = tuple(factors(seed + n) for n in range(3)), drawn(seed, 150), drawn(seed + 1, 300)
    users, asked = users_that_count(relevant), metric_of(metric)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(room, "CHUNK_SCORES", 3 * N_ITEMS * 7)  # users in chunks, the last of them smaller
        lists = shortlists(scorers, users, relevant, seen, asked.k, silent)
    for n, scorer in enumerate(scorers):
        ours = np.concatenate([each.values(each.scores[n], asked) for each in lists])
        assert np.allclose(ours, evaluate(scorer, relevant, seen, [metric]).per_user[metric])
    ours = np.concatenate([each.values(each.weighed(weights), asked) for each in lists])
    theirs = evaluate(Blend(scorers, tuple(weights)), relevant, seen, [metric]).per_user[metric]
    assert abs(ours.mean() - theirs.mean()) <= (0.05 if asked.k == 5 else 1e-9)  # from 20 on, they hold all items


def test_places_that_hold_no_item_are_never_among_the_best() -> None:
    everything = Interactions.of_pairs(
        np.repeat(np.arange(2), N_ITEMS - 3), np.tile(np.arange(N_ITEMS - 3), 2), N_USERS, N_ITEMS
    )
    relevant = Interactions.of_pairs(np.array([0, 1]), np.array([N_ITEMS - 1, 0]), N_USERS, N_ITEMS)
    (lists,) = shortlists([factors(1), factors(2)], np.arange(2), relevant, everything, 10, silent)
    assert lists.scores.shape == (2, 2, 3)  # three items are left to each of the two
    hits = lists.values(lists.weighed([1.0, 1.0]), metric_of("recall@10"))
    assert hits.tolist() == [1.0, 0.0]  # what the second user is known to have taken is not ranked
