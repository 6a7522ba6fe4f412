"""Batches contain every pair once per epoch, and negatives are never seen items."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from triptych.data.interactions import Interactions
from triptych.training.batches import Batches, draw_negatives

CPU = torch.device("cpu")


@settings(max_examples=80, deadline=None)
@given(seed=st.integers(0, 10_000), density=st.floats(0.05, 0.98), n_items=st.integers(2, 30))
def test_a_negative_is_never_a_seen_item(seed: int, density: float, n_items: int) -> None:
    generator = np.random.default_rng(seed)
    interacted = generator.random((9, n_items)) < density
    interacted[:8, 0], interacted[8, 0] = False, True  # all but one have at least one item left
    users, items = np.nonzero(interacted)
    interactions = Interactions.from_pairs(users.astype(np.int64), items.astype(np.int64), 9, n_items)
    users_of_negatives = generator.integers(0, 8, 64)
    negatives = draw_negatives(interactions, users_of_negatives, generator)
    assert not interactions.contain(users_of_negatives, negatives).any()
    assert (interactions.item_degrees[negatives] > 0).all()  # an item without interactions is not a negative


def test_negatives_are_uniform_over_the_unseen_items() -> None:
    users = np.repeat([0, 1], [9, 3])
    interactions = Interactions.from_pairs(users, np.arange(12), 2, 13)
    negatives = draw_negatives(interactions, np.zeros(9000, np.int64), np.random.default_rng(0))
    counts = np.bincount(negatives, minlength=13)
    assert counts[:9].sum() == counts[12] == 0
    assert np.abs(counts[9:12] - 3000).max() < 200


def test_a_user_with_every_item_has_no_negative_and_is_left_out_of_batches() -> None:
    interactions = Interactions.from_pairs(np.array([0, 0, 1]), np.array([0, 1, 0]), 2, 2)
    with pytest.raises(ValueError, match="every item"):
        draw_negatives(interactions, np.array([0]), np.random.default_rng(0))
    batches = Batches(interactions, 10, 0, negatives=True)
    batch = batches.batch(batches.order(0), 0, 0, CPU)
    assert batch.users.tolist() == [1]


def test_an_epoch_goes_through_every_pair_once_and_epochs_differ() -> None:
    interactions = Interactions.from_pairs(np.repeat(np.arange(7), 5), np.tile(np.arange(5), 7), 7, 9)
    batches = Batches(interactions, 8, 3, negatives=False)
    orders = [batches.order(epoch) for epoch in range(2)]
    seen = [batches.batch(orders[0], 0, step, CPU) for step in range(batches.n_steps)]
    pairs = {(int(u), int(i)) for batch in seen for u, i in zip(batch.users, batch.positives, strict=True)}
    assert sum(len(batch) for batch in seen) == len(pairs) == 35
    assert not np.array_equal(orders[0], orders[1])
    assert np.array_equal(orders[0], Batches(interactions, 8, 3, negatives=False).order(0))
