"""MMGCN's layers: h and x̂ of every node, combined.

h = leaky_relu(mean over neighbours of X W)        x̂ = leaky_relu(S X + s) + e        leaky_relu(C [h ‖ x̂] + c)

The mean and the product with W may change places: both directions multiply the rows of the smaller side, before the
mean or after it.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import leaky_relu, linear

from triptych import kernels
from triptych.graph.edges import Edges, unit_rows
from triptych.graph.mmgcn_kernels import Layers
from triptych.graph.mmgcn_tables import LayerWeights
from triptych.graph.sparse_rows import gather_rows

__all__ = ["LayerWeights", "graph_layers"]


def graph_layers(
    edges: Edges,
    x: tuple[Tensor, Tensor],
    e: Tensor,
    layers: Sequence[LayerWeights],
    compute_dtype: torch.dtype,
    at: tuple[Tensor, Tensor] | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """The last layer's rows for all users and items, or those `at` alone, int64 [n_u] and [n_i]: [n_u, d], [n_i, d].

    And the sum of the squares of the users' table, which a penalty may need: so the table has one gradient, not two.
    x: the users' and items' tables [n_users, w] and [n_items, w], whose rows are brought to length 1 first; e
    [n_users + n_items, d]. products: the dtype of products and of what is kept for the gradient, where the kernels
    serve; else e's own.
    """
    if kernels.supports(x[0], e):
        flat = [each for layer in layers for each in (layer.W, layer.S, layer.s, layer.C, layer.c)]
        result: tuple[Tensor, Tensor, Tensor] = Layers.apply(edges, compute_dtype, at, *x, e, *flat)  # type: ignore[no-untyped-call]
        return result
    users, items = unit_rows(x[0]), unit_rows(x[1].to(e.dtype))
    for layer in layers:
        users, items = _layer(edges, users, items, e, layer)
    if at is not None:
        users, items = gather_rows(users, at[0]), gather_rows(items, at[1])
    return users, items, x[0].square().sum()


def _layer(edges: Edges, users: Tensor, items: Tensor, e: Tensor, p: LayerWeights) -> tuple[Tensor, Tensor]:
    if edges.n_items <= edges.n_users:
        h = edges.mean_to_users(items @ p.W), edges.mean_to_items(users) @ p.W
    else:
        h = edges.mean_to_users(items) @ p.W, edges.mean_to_items(users @ p.W)
    combined = []
    for one, x, own in zip(h, (users, items), (e[: edges.n_users], e[edges.n_users :]), strict=True):
        x_hat = leaky_relu(linear(x, p.S, p.s)) + own
        combined.append(leaky_relu(linear(torch.cat([leaky_relu(one), x_hat], dim=1), p.C, p.c)))
    return combined[0], combined[1]
