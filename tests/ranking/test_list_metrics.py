"""Measures of lists agree with their definitions, computed pair by pair."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import sparse

from triptych.data.interactions import Interactions
from triptych.ranking.item_groups import groups_by_popularity
from triptych.ranking.item_vectors import users_of_items
from triptych.ranking.list_metrics import coverage, divergence, gini, intra_list_similarity, mean_popularity, novelty
from triptych.ranking.unit_vectors import unit_rows

LISTS = np.array([[0, 3, 5, 1], [2, 4, -1, -1], [7, -1, -1, -1], [-1, -1, -1, -1], [9, 8, 0, -1]])


def interactions() -> Interactions:
    pairs = np.argwhere(np.random.default_rng(0).random((20, 10)) < 0.3)
    return Interactions.from_pairs(pairs[:, 0], pairs[:, 1], 20, 10)


def test_intra_list_similarity_is_the_mean_cosine_of_all_pairs() -> None:
    vectors = unit_rows(np.random.default_rng(0).standard_normal((10, 4)).astype(np.float32))
    vectors[3] = 0
    found = intra_list_similarity(LISTS, vectors)
    for row, items in enumerate(LISTS):
        pairs = list(itertools.combinations(items[items >= 0], 2))
        if pairs:
            assert found[row] == pytest.approx(np.mean([vectors[a] @ vectors[b] for a, b in pairs]), abs=1e-6)
        else:
            assert np.isnan(found[row])
    assert np.allclose(intra_list_similarity(LISTS, sparse.csr_array(vectors)), found, equal_nan=True, atol=1e-6)


def test_items_are_alike_by_the_users_they_have_in_common() -> None:
    given = interactions()
    X = given.to_csr().toarray()
    lengths = np.linalg.norm(X, axis=0)
    expected = X[:, 0] @ X[:, 3] / (lengths[0] * lengths[3])
    assert intra_list_similarity(np.array([[0, 3]]), users_of_items(given)) == pytest.approx(expected, abs=1e-6)


def test_measures_of_the_catalogue_agree_with_their_definitions() -> None:
    given, listed = interactions(), LISTS[LISTS >= 0]
    active = (given.user_degrees > 0).sum()
    assert coverage(LISTS, 10) == len(set(listed.tolist())) / 10
    assert mean_popularity(LISTS, given) == pytest.approx(given.item_degrees[listed].mean())
    assert novelty(LISTS, given) == pytest.approx(np.mean(-np.log2(given.item_degrees[listed] / active)))
    counts = np.bincount(listed, minlength=10)
    differences = np.abs(counts[:, None] - counts[None]).mean()
    assert gini(LISTS, 10) == pytest.approx(differences / (2 * counts.mean()))
    assert gini(np.arange(10)[None], 10) == pytest.approx(0)
    assert gini(np.full((1, 3), -1), 10) == 0


def test_a_list_that_is_divided_as_the_history_has_no_divergence() -> None:
    given = interactions()
    groups = groups_by_popularity(given.item_degrees)
    users = np.arange(20)
    lists = np.full((20, int(given.user_degrees.max())), -1)
    for user in range(20):
        history = given.history(user)
        lists[user, : len(history)] = history
    assert np.nanmax(np.abs(divergence(users, lists, groups, given))) < 1e-6
    other = np.tile(np.flatnonzero(groups.slots[:, 0] == 2)[:1], (20, 1))
    assert (divergence(users, other, groups, given)[given.user_degrees > 0] > -1e-9).all()
    assert np.isnan(divergence(np.array([-1]), LISTS[:1], groups, given)).all()
