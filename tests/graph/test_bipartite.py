"""Propagation is the product with Â, in the forward and the backward pass."""

from __future__ import annotations

import numpy as np
import torch

from triptych.data.interactions import Interactions
from triptych.graph.bipartite import BipartiteGraph
from worlds import random_dataset


def dense_adjacency(interactions: Interactions) -> torch.Tensor:
    n_users, n = interactions.n_users, interactions.n_users + interactions.n_items
    adjacency = torch.zeros(n, n, dtype=torch.float64)
    adjacency[interactions.users, n_users + interactions.items] = 1
    adjacency = adjacency + adjacency.T
    scale = (adjacency.sum(1) + 1e-7) ** -0.5
    return scale[:, None] * adjacency * scale


def split_rows(graph: BipartiteGraph, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    return x[: graph.n_users], x[graph.n_users :]


def test_propagation_and_its_gradient_equal_those_of_the_dense_product() -> None:
    interactions = random_dataset().interactions
    graph, matrix = BipartiteGraph(interactions).double(), dense_adjacency(interactions)
    x = torch.randn(len(matrix), 5, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    actual, expected = x.clone().requires_grad_(), x.clone().requires_grad_()
    weight = torch.arange(5, dtype=torch.float64)
    (torch.cat(graph.propagate(*split_rows(graph, actual))) * weight).sum().backward()  # type: ignore[no-untyped-call]
    ((matrix @ expected) * weight).sum().backward()  # type: ignore[no-untyped-call]
    assert torch.allclose(torch.cat(graph.propagate(*split_rows(graph, x))), matrix @ x, atol=1e-12)
    assert actual.grad is not None
    assert expected.grad is not None
    assert torch.allclose(actual.grad, expected.grad, atol=1e-12)


def test_the_mean_of_layers_is_the_mean_of_the_powers_of_the_adjacency() -> None:
    interactions = random_dataset(2).interactions
    graph, matrix = BipartiteGraph(interactions).double(), dense_adjacency(interactions)
    x = torch.randn(len(matrix), 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    n_users = interactions.n_users
    users, items = graph.mean_of_layers(x[:n_users], x[n_users:], 3)
    expected = (x + matrix @ x + matrix @ matrix @ x + matrix @ matrix @ matrix @ x) / 4
    assert torch.allclose(torch.cat([users, items]), expected, atol=1e-12)


def test_users_and_items_without_interactions_have_finite_representations() -> None:
    row = np.zeros(1, np.int64)
    graph = BipartiteGraph(Interactions(row, row, 3, 4))
    users, items = graph.mean_of_layers(torch.ones(3, 2), torch.ones(4, 2), 2)
    assert torch.isfinite(users).all()
    assert torch.isfinite(items).all()
    assert torch.equal(users[1], torch.full((2,), 1 / 3))


def test_a_graph_without_edges_propagates_zeros() -> None:
    no_rows = np.zeros(0, np.int64)
    graph = BipartiteGraph(Interactions(no_rows, no_rows, 2, 2))
    assert torch.equal(torch.cat(graph.propagate(torch.ones(2, 3), torch.ones(2, 3))), torch.zeros(4, 3))
