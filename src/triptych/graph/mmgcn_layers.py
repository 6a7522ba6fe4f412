"""MMGCN's layers: X ← leaky_relu(C [h ‖ x̂] + c) for every node.

h = leaky_relu(mean over neighbours of X W)        x̂ = leaky_relu(S X + s) + e

The mean and the product with W can be exchanged. So both directions multiply the rows of the smaller of the two sides,
users or items, with W: one before the mean, the other after it.
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
    """Return the last X of users [n_u, d] and items [n_i, d], and the sum of squares of the users' table.

    The sum of squares is for a penalty; computed here, the table gets one gradient instead of two.
    x: the tables of users [n_users, w] and items [n_items, w], whose rows are scaled to length 1 first. e [n_users +
    n_items, d]. compute_dtype: the dtype of products and of the tables that are kept for the gradient, if the kernels
    support the tensors; else the dtype of e. at: the rows of the result, int64 [n_u] and [n_i]; None: all.
    """
    if kernels.supports(x[0], e):
        flat_weights = [weight for p in layers for weight in (p.W, p.S, p.s, p.C, p.c)]
        result: tuple[Tensor, Tensor, Tensor] = Layers.apply(  # type: ignore[no-untyped-call]
            edges, compute_dtype, at, *x, e, *flat_weights
        )
        return result
    users, items = unit_rows(x[0]), unit_rows(x[1].to(e.dtype))
    for layer in layers:
        users, items = _layer(edges, users, items, e, layer)
    if at is not None:
        users, items = gather_rows(users, at[0]), gather_rows(items, at[1])
    return users, items, x[0].square().sum()


def _layer(edges: Edges, users: Tensor, items: Tensor, e: Tensor, p: LayerWeights) -> tuple[Tensor, Tensor]:
    """Return the next X of users and items, in torch."""
    if edges.n_items <= edges.n_users:
        means = edges.mean_to_users(items @ p.W), edges.mean_to_items(users) @ p.W
    else:
        means = edges.mean_to_users(items) @ p.W, edges.mean_to_items(users @ p.W)
    combined = []
    for mean, x, e_side in zip(means, (users, items), (e[: edges.n_users], e[edges.n_users :]), strict=True):
        x_hat = leaky_relu(linear(x, p.S, p.s)) + e_side
        combined.append(leaky_relu(linear(torch.cat([leaky_relu(mean), x_hat], dim=1), p.C, p.c)))
    return combined[0], combined[1]
