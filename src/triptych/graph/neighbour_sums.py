"""Sums over neighbours: x -> Σ over e of w_e x[neighbour of e], by the compiled kernels or by torch."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from triptych import kernels
from triptych.errors import InputError
from triptych.kernels import Adjacency


def int32(rows: NDArray[Any]) -> Tensor:
    """Rows or positions as int32. Raises InputError where there are too many of them."""
    if len(rows) and int(rows.max()) >= 2**31:
        raise InputError("more than 2,147,483,647 edges or nodes", hint="divide the data")
    return torch.from_numpy(rows.astype(np.int32))


def neighbour_sum(edges: Adjacency, weights: Tensor, x: Tensor) -> Tensor:
    """Σ w_e x[neighbour], [n_nodes, d] -> [n_rows, d], without a gradient; weights of x's dtype [n_edges].

    torch's form is `embedding_bag`, the fastest of its own on a CPU (docs/performance.md); a row is summed by one
    thread in one order there too.
    """
    if kernels.supports(weights, x):
        return kernels.product(edges, weights, x)
    if not len(edges.neighbours):
        return x.new_zeros(edges.n_rows, x.shape[1])
    # detached: torch then takes the path that keeps nothing for a backward pass
    weights, x = weights.detach(), x.detach()
    ordered = weights if edges.positions is None else weights[edges.positions]
    return functional.embedding_bag(
        edges.neighbours, x, edges.starts, mode="sum", per_sample_weights=ordered, include_last_offset=True
    )


def sum_of_neighbours(edges: Adjacency, weights: Tensor, back: Adjacency, back_weights: Tensor, x: Tensor) -> Tensor:
    """`neighbour_sum` with a gradient for x: the same sum over `back`, the edges the other way round."""
    product: Tensor = _Sum.apply(edges, weights, back, back_weights, x)  # type: ignore[no-untyped-call]
    return product


class _Sum(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, edges: Adjacency, weights: Tensor, back: Adjacency, back_weights: Tensor, x: Tensor
    ) -> Tensor:
        ctx.back, ctx.back_weights = back, back_weights
        return neighbour_sum(edges, weights, x)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Any, ...]:
        return None, None, None, None, neighbour_sum(ctx.back, ctx.back_weights, gradients[0].contiguous())
