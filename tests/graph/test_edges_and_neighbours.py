"""Operations along edges equal their dense forms, gradients included; neighbours equal a full sort."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from triptych.data.neighbours import Neighbours
from triptych.errors import SettingsError
from triptych.graph import edge_sums
from triptych.graph import neighbours as neighbours_module
from triptych.graph.edges import Edges
from triptych.graph.item_graph import ItemGraph, modality_weights
from triptych.graph.neighbours import modality_neighbours, nearest_items, neighbour_matrix
from worlds import random_dataset


@settings(deadline=None, max_examples=15)
@given(seed=st.integers(0, 1000), slice_size=st.sampled_from([1, 7, 1000]))
def test_operations_along_edges_have_the_values_and_gradients_of_the_dense_forms(seed: int, slice_size: int) -> None:
    before, edge_sums.SLICE = edge_sums.SLICE, slice_size
    try:
        interactions = random_dataset(seed, n_users=6, n_items=5, density=0.4).interactions
        edges = Edges(interactions)
        generator = torch.Generator().manual_seed(seed)
        users = torch.randn(6, 3, dtype=torch.float64, generator=generator, requires_grad=True)
        items = torch.randn(5, 3, dtype=torch.float64, generator=generator, requires_grad=True)
        adjacent = torch.zeros(6, 5, dtype=torch.float64)
        adjacent[edges.users, edges.items] = 1
        scores = (users @ items.T).masked_fill(adjacent == 0, -torch.inf)
        dense_alpha = scores.softmax(dim=1).nan_to_num()
        dense_beta = scores.softmax(dim=0).nan_to_num()
        dense = (dense_alpha @ items).square().sum() + (dense_beta.T @ users).sin().sum()
        dots = edges.dots(users, items)
        alpha, beta = edges.softmax_over_items(dots), edges.softmax_over_users(dots)
        actual = edges.to_users(alpha, items).square().sum() + edges.to_items(beta, users).sin().sum()
        assert torch.allclose(actual, dense, atol=1e-10)
        for gradient, expected in zip(
            torch.autograd.grad(actual, [users, items]), torch.autograd.grad(dense, [users, items]), strict=True
        ):
            assert torch.allclose(gradient, expected, atol=1e-9)
    finally:
        edge_sums.SLICE = before


def test_the_mean_over_no_neighbours_is_zero() -> None:
    interactions = random_dataset(n_users=4, n_items=4, density=0.3).interactions
    edges = Edges(replace(interactions, n_items=5))
    means = edges.mean_to_items(torch.ones(4, 2))
    assert torch.equal(means[4], torch.zeros(2))
    assert torch.allclose(edges.mean_to_users(torch.ones(5, 2)), torch.ones(4, 2))


@pytest.mark.parametrize("cells", [1, 10**6])
def test_neighbours_equal_a_full_sort_and_items_without_the_modality_have_none(
    cells: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(neighbours_module, "BLOCK_CELLS", cells)
    features = random_dataset().features["image"]  # the first item lacks it
    nearest = nearest_items(features, 4)
    unit = features.table / np.maximum(np.linalg.norm(features.table, axis=1, keepdims=True), 1e-9)
    cosines = unit @ unit.T
    cosines[:, 0] = -2
    for row in range(1, 25):
        assert nearest.items[row].tolist() == np.argsort(-cosines[row], kind="stable")[:4].tolist()
        assert nearest.items[row, 0] == row
    assert (nearest.items[0] == -1).all()
    assert not (nearest.items == 0).any()
    assert neighbour_matrix(nearest, nearest.cosines).nnz == 24 * 4


def test_neighbours_of_the_data_set_are_preferred_and_too_few_are_an_error() -> None:
    dataset = random_dataset()
    given_neighbours = Neighbours(np.tile(np.arange(3), (25, 1)), np.ones((25, 3), np.float32))
    dataset = replace(dataset, neighbours={"image": given_neighbours})
    assert (modality_neighbours(dataset, "image", 2).items == [0, 1]).all()
    with pytest.raises(SettingsError, match="has 3 neighbours"):
        modality_neighbours(dataset, "image", 4)


def test_the_gradient_of_item_graph_propagation_is_the_transposed_product() -> None:
    nearest = nearest_items(random_dataset().features["text"], 3)
    matrix = neighbour_matrix(nearest, nearest.cosines.astype(np.float64))
    x = torch.randn(25, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0), requires_grad=True)
    product = ItemGraph(matrix).propagate(x)
    dense = torch.from_numpy(matrix.toarray())
    assert torch.allclose(product, dense @ x)
    product.sin().sum().backward()  # type: ignore[no-untyped-call]
    assert x.grad is not None
    assert torch.allclose(x.grad, dense.T @ (dense @ x).cos())


@pytest.mark.parametrize(
    ("modalities", "expected"),
    [
        ([], {}),
        (["image"], {"image": 1.0}),
        (["text", "sound"], {"text": 0.5, "sound": 0.5}),
        (["image", "text", "sound"], {"image": 0.2, "text": 0.4, "sound": 0.4}),
    ],
)
def test_modality_weights_sum_to_one(modalities: list[str], expected: dict[str, float]) -> None:
    assert modality_weights(modalities, 0.2) == pytest.approx(expected)
