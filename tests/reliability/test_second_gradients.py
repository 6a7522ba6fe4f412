"""A gradient of a gradient is an error where there is none: before, parts of it were silently left out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from triptych import kernels
from triptych.graph import edge_sums
from triptych.graph.bipartite import BipartiteGraph
from triptych.graph.edges import Edges, unit_rows
from triptych.graph.mmgcn_layers import LayerWeights, graph_layers
from triptych.graph.neighbour_sums import sum_of_neighbours
from triptych.models.feature_rows import FeatureRows
from worlds import random_dataset

DATASET = random_dataset()
EDGES, GRAPH = Edges(DATASET.interactions), BipartiteGraph(DATASET.interactions)
USERS, ITEMS, N = DATASET.n_users, DATASET.n_items, len(DATASET.interactions)
AT_USERS, AT_ITEMS = torch.tensor([0, 3, 3]), torch.tensor([1, 2, 5])


def drawn(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(len(shape) + sum(shape)))


def mmgcn(x: Tensor) -> Tensor:
    layer = LayerWeights(drawn(4, 4), drawn(4, 4), drawn(4), drawn(4, 8), drawn(4))
    return graph_layers(EDGES, (x, drawn(ITEMS, 4)), drawn(USERS + ITEMS, 4), [layer], torch.float32)[0]


def bipartite_sum(x: Tensor) -> Tensor:
    adjacency = (EDGES.user_adjacency, drawn(N), EDGES.item_adjacency, drawn(N))
    return sum_of_neighbours(*adjacency, x)


# each: a function of one tensor, and the shape of that tensor
FUNCTIONS: dict[str, tuple[Callable[[Tensor], Any], tuple[int, ...]]] = {
    "sum of neighbours": (bipartite_sum, (ITEMS, 4)),
    "weighted sum": (
        lambda w: edge_sums.weighted_sum(EDGES.user_adjacency, EDGES.item_adjacency, w, drawn(ITEMS, 4)),
        (N,),
    ),
    "dots": (lambda x: EDGES.dots(x, x[:ITEMS]), (USERS, 4)),
    "projection": (
        lambda w: FeatureRows(DATASET.features["text"]).project(w, torch.zeros(4), None)[0],
        (4, DATASET.features["text"].width),
    ),
}
WITH_KERNELS: dict[str, tuple[Callable[[Tensor], Any], tuple[int, ...]]] = {
    "mean of layers at": (
        lambda x: GRAPH.mean_of_layers_at(x, x[:ITEMS], 2, AT_USERS, AT_ITEMS)[0],
        (USERS, 4),
    ),
    "mean and norms": (
        lambda x: GRAPH.mean_and_norms(x, drawn(ITEMS, 4), 2, AT_USERS, AT_ITEMS, 0.5)[2],
        (USERS, 4),
    ),
    "route": (lambda x: EDGES.route(x, drawn(ITEMS, 4), 2, AT_USERS)[0], (USERS, 4)),
    "softmax": (EDGES.softmax_over_items, (N,)),
    "unit rows": (unit_rows, (USERS, 4)),
    "max over modalities": (lambda x: EDGES.max_over_modalities_from_items([x], drawn(ITEMS, 1)), (N,)),
    "weighted sum at": (lambda w: EDGES.to_users(w, drawn(ITEMS, 4), AT_USERS), (N,)),
    "two layers at": (
        lambda w: EDGES.two_layers_at(w, w, drawn(USERS + ITEMS, 4), AT_USERS, AT_ITEMS)[0],
        (N,),
    ),
    "mmgcn": (mmgcn, (USERS, 4)),
}


LINEAR = {"sum of neighbours", "weighted sum", "projection", "mean of layers at", "weighted sum at"}  # in the tensor


@pytest.mark.parametrize("name", [*FUNCTIONS, *WITH_KERNELS])
def test_a_gradient_of_a_gradient_is_refused(name: str) -> None:
    function, shape = {**FUNCTIONS, **WITH_KERNELS}[name]
    if name in WITH_KERNELS and not kernels.available():
        pytest.skip("torch's own form has second gradients")
    x = drawn(*shape).requires_grad_()
    for value in (function(x).square().sum(), *([] if name in LINEAR else [function(x).sum()])):
        # the other term has a second gradient: without an error, only a part of the sum would be missing
        (gradient,) = torch.autograd.grad(value + x.square().sum(), x, create_graph=True)
        with pytest.raises(RuntimeError, match="has a first gradient only"):
            torch.autograd.grad(gradient.sum(), x, retain_graph=True)
        with pytest.raises(RuntimeError, match="has a first gradient only"):
            gradient.sum().backward()  # type: ignore[no-untyped-call]


def test_the_first_gradient_is_the_same_with_a_graph_of_it() -> None:
    for function, shape in {**FUNCTIONS, **WITH_KERNELS}.values():
        x = drawn(*shape).requires_grad_()
        (plain,) = torch.autograd.grad(function(x).square().sum(), x)
        (with_graph,) = torch.autograd.grad(function(x).square().sum(), x, create_graph=True)
        assert torch.equal(plain, with_graph.detach())
