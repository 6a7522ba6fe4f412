"""Sums over neighbours, x -> Σ over edges e of w_e x[neighbour of e], by the compiled kernels or by torch."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from triptych import kernels
from triptych.errors import InputError
from triptych.graph.first_gradient import first_gradient_only
from triptych.kernels import Adjacency


def int32(rows: NDArray[Any]) -> Tensor:
    """Return rows or positions as int32. Raises InputError if they do not fit."""
    if len(rows) and int(rows.max()) >= 2**31:
        raise InputError("more than 2,147,483,647 edges or nodes", hint="divide the data")
    return torch.from_numpy(rows.astype(np.int32))


def neighbour_sum(edges: Adjacency, weights: Tensor, x: Tensor) -> Tensor:
    """Return Σ w_e x[neighbour] [n_rows, d] for weights [n_edges] and x [n_nodes, d] of one dtype; without a gradient.

    torch's form is `embedding_bag`, its fastest on a CPU (docs/performance.md). There too, one thread sums a row in a
    fixed order.
    """
    if kernels.supports(weights, x):
        return kernels.product(edges, weights, x)
    if not len(edges.neighbours):
        return x.new_zeros(edges.n_rows, x.shape[1])
    # detached: torch then keeps nothing for a backward pass
    weights, x = weights.detach(), x.detach()
    ordered = weights if edges.positions is None else weights[edges.positions]
    return functional.embedding_bag(
        edges.neighbours, x, edges.starts, mode="sum", per_sample_weights=ordered, include_last_offset=True
    )


def sum_of_neighbours(
    edges: Adjacency, weights: Tensor, reverse: Adjacency, reverse_weights: Tensor, x: Tensor
) -> Tensor:
    """Return `neighbour_sum` with a gradient for x: the sum over `reverse`, the edges in the other direction."""
    total: Tensor = _Sum.apply(edges, weights, reverse, reverse_weights, x)  # type: ignore[no-untyped-call]
    return total


class _Sum(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, edges: Adjacency, weights: Tensor, reverse: Adjacency, reverse_weights: Tensor, x: Tensor
    ) -> Tensor:
        ctx.reverse, ctx.reverse_weights = reverse, reverse_weights
        return neighbour_sum(edges, weights, x)

    @staticmethod
    @first_gradient_only
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Any, ...]:
        return None, None, None, None, neighbour_sum(ctx.reverse, ctx.reverse_weights, gradients[0].contiguous())
