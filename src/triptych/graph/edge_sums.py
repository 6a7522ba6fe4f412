"""Weighted sums and dot products along edges with trainable weights, in torch, for GRCN and MMGCN.

The compiled kernels compute them where they support the tensors.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from triptych import kernels
from triptych.graph.first_gradient import first_gradient_only
from triptych.graph.neighbour_sums import neighbour_sum
from triptych.kernels import Adjacency

SLICE = 1 << 11  # edges processed at a time, so that their rows stay in the cache


def weighted_sum(edges: Adjacency, reverse: Adjacency, weights: Tensor, x: Tensor) -> Tensor:
    """Return Σ over the neighbours of w_e x [n_rows, d] for weights [n_edges] and x [n_nodes, d].

    reverse: the same edges in the other direction, for the gradient.
    """
    total: Tensor = _WeightedSum.apply(edges, reverse, weights, x)  # type: ignore[no-untyped-call]
    return total


def dots(edges: Adjacency, reverse: Adjacency, x: Tensor, y: Tensor) -> Tensor:
    """Return x_r · y_j of every edge, [n_edges], in the order of the weights; reverse: as in `weighted_sum`."""
    result: Tensor = _Dots.apply(edges, reverse, x, y)  # type: ignore[no-untyped-call]
    return result


def softmax(scores: Tensor, nodes: Tensor, n_nodes: int) -> Tensor:
    """Return the softmax over the edges of every node, [n_edges], for scores [n_edges] and their nodes [n_edges]."""
    nodes = nodes.long()
    largest = scores.new_zeros(n_nodes).scatter_reduce_(0, nodes, scores.detach(), "amax", include_self=False)
    exponentials = (scores - largest[nodes]).exp()
    return exponentials / scores.new_zeros(n_nodes).index_add(0, nodes, exponentials)[nodes]


def _edge_rows(edges: Adjacency) -> Tensor:
    """Return the row of every edge, [n_edges]."""
    return torch.repeat_interleave(torch.arange(edges.n_rows, device=edges.starts.device), edges.starts.diff().long())


def _compute_dots(edges: Adjacency, x: Tensor, y: Tensor) -> Tensor:
    """Return the dot products in the order of the weights (`Adjacency.positions`), without a gradient."""
    if kernels.supports(x, y):
        return kernels.dots(edges, x, y)
    rows, out = _edge_rows(edges), x.new_empty(len(edges.neighbours))
    for begin in range(0, len(out), SLICE):
        chunk = slice(begin, begin + SLICE)
        product = x.index_select(0, rows[chunk]).mul_(y.index_select(0, edges.neighbours[chunk])).sum(-1)
        out[chunk if edges.positions is None else edges.positions[chunk]] = product
    return out


class _WeightedSum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, edges: Adjacency, reverse: Adjacency, weights: Tensor, x: Tensor) -> Tensor:
        ctx.edges, ctx.reverse = edges, reverse
        ctx.save_for_backward(weights, x)
        return neighbour_sum(edges, weights, x)

    @staticmethod
    @first_gradient_only
    def backward(ctx: Any, *gradients: Tensor) -> tuple[None, None, Tensor | None, Tensor | None]:
        weights, x = ctx.saved_tensors
        g = gradients[0].contiguous()
        d_weights = None
        if ctx.needs_input_grad[2]:  # by the direction whose edges are in the order of the weights
            in_order = ctx.edges.positions is None
            d_weights = _compute_dots(ctx.edges, g, x) if in_order else _compute_dots(ctx.reverse, x, g)
        d_x = neighbour_sum(ctx.reverse, weights, g) if ctx.needs_input_grad[3] else None
        return None, None, d_weights, d_x


class _Dots(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, edges: Adjacency, reverse: Adjacency, x: Tensor, y: Tensor) -> Tensor:
        ctx.edges, ctx.reverse = edges, reverse
        ctx.save_for_backward(x, y)
        return _compute_dots(edges, x, y)

    @staticmethod
    @first_gradient_only
    def backward(ctx: Any, *gradients: Tensor) -> tuple[None, None, Tensor, Tensor]:
        x, y = ctx.saved_tensors
        g = gradients[0].contiguous()
        return None, None, neighbour_sum(ctx.edges, g, y), neighbour_sum(ctx.reverse, g, x)
