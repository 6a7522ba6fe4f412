"""The inner product of exported vectors is the score of the model, also for blends of factors."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

import triptych
from exporting.models_to_export import N_ITEMS, N_USERS, WITH_VECTORS, all_scores, fitted, model_of, same_lists
from triptych.errors import InputError
from triptych.exporting.vectors import has_inner_product, vectors_of
from triptych.ranking.scorer import Blend, Factors


@pytest.mark.parametrize("name", WITH_VECTORS)
def test_the_inner_product_of_the_vectors_of_every_trained_model_is_its_score(name: str) -> None:
    model = fitted(name)
    vectors = vectors_of(model)
    assert vectors.user_vectors.dtype == vectors.item_vectors.dtype == np.float32
    scores = vectors.user_vectors @ vectors.item_vectors.T
    np.testing.assert_allclose(scores, all_scores(model)[vectors.user_rows], rtol=1e-4, atol=1e-5)
    assert vectors.item_ids.to_list() == model.dataset.items.ids.to_list()
    assert vectors.user_ids.to_list() == model.dataset.users.names(vectors.user_rows).to_list()


def test_a_blend_of_factors_is_one_inner_product_with_the_same_scores_and_lists() -> None:
    model = model_of("blend")
    vectors = vectors_of(model)
    expected = all_scores(model)[vectors.user_rows]
    scores = vectors.user_vectors @ vectors.item_vectors.T
    np.testing.assert_allclose(scores, expected, rtol=1e-4, atol=1e-4)
    assert same_lists(np.argsort(-scores, axis=1)[:, :50], expected, 50)
    assert vectors.dimensions == 8 + 5 + 1


@given(seed=st.integers(0, 10_000), scale=st.floats(1e-3, 1e3), shift=st.floats(-5, 5), weight=st.floats(0.01, 10))
def test_the_scale_and_the_mean_of_a_blended_models_scores_do_not_matter(
    seed: int, scale: float, shift: float, weight: float
) -> None:
    generator = np.random.default_rng(seed)
    one, other = (
        Factors(torch.from_numpy(users), torch.from_numpy(items))
        for users, items in (
            (generator.standard_normal((n, d)).astype(np.float32) for n in (N_USERS, N_ITEMS)) for d in (4, 6)
        )
    )
    changed = Factors(one.users * scale, one.items + shift)  # a user's scores are scaled, and moved by a constant
    model = replace(model_of("factors"), scorer=Blend((changed, other), (weight, 1.0)))
    vectors = vectors_of(model)
    scores = vectors.user_vectors @ vectors.item_vectors.T
    np.testing.assert_allclose(scores, all_scores(model)[vectors.user_rows], atol=2e-3 * (1 + weight))


def test_equal_scores_add_nothing_to_a_blend() -> None:
    model = model_of("factors")
    assert isinstance(model.scorer, Factors)
    equal = Factors(torch.ones(N_USERS, 3), torch.full((N_ITEMS, 3), 0.1))
    blend = replace(model, scorer=Blend((equal, model.scorer), (5.0, 1.0)))
    vectors = vectors_of(blend)
    assert same_lists(
        np.argsort(-(vectors.user_vectors @ vectors.item_vectors.T), axis=1)[:, :50],
        all_scores(model)[vectors.user_rows],
        50,
    )


def test_users_of_whom_nothing_is_known_get_no_vector() -> None:
    model = model_of("factors")
    vectors = vectors_of(model)
    assert vectors.left_out == 1
    assert vectors.user_rows.tolist() == list(range(N_USERS - 1))
    nameless = replace(model, about={})  # may have seen anything
    assert len(vectors_of(nameless).user_rows) == N_USERS


@pytest.mark.parametrize("kind", ["weights", "dense", "mixed"])
def test_models_without_user_vectors_are_refused_with_a_way_out(kind: str) -> None:
    model = model_of(kind)
    assert not has_inner_product(model.scorer)
    with pytest.raises(InputError, match="has no user vectors") as caught:
        vectors_of(model)
    assert "onnx:FILE" in str(caught.value.hint) or "vectors only" in str(caught.value.hint)


def test_a_scorer_of_ones_own_is_refused(tmp_path: Path) -> None:
    class Own:
        n_users, n_items = N_USERS, N_ITEMS

        def score(self, users: NDArray[np.int64]) -> NDArray[np.float32]:
            return np.zeros((len(users), N_ITEMS), dtype=np.float32)

    model = triptych.Recommender(cast(Any, Own()), model_of("factors").dataset)
    for target in ("v.parquet", "onnx:m.onnx", "faiss:i.faiss"):
        kind, _, name = target.rpartition(":")
        with pytest.raises(InputError, match=r"a scorer of your own cannot be exported"):
            triptych.export(model, f"{kind}:{tmp_path / name}".lstrip(":"))
