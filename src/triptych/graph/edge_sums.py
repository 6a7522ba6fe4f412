"""Sums and dots along edges with weights that are learnt, in torch; the sums by the kernels where they serve."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from triptych import kernels
from triptych.graph.neighbour_sums import neighbour_sum
from triptych.kernels import Adjacency

SLICE = 1 << 11  # edges looked at at a time: their rows stay in the cache


def weighted_sum(edges: Adjacency, back: Adjacency, weights: Tensor, x: Tensor) -> Tensor:
    """Σ over the neighbours of w_e x: [n_edges], [n_nodes, d] -> [n_rows, d]; `back` has the edges the other way."""
    total: Tensor = _WeightedSum.apply(edges, back, weights, x)  # type: ignore[no-untyped-call]
    return total


def dots(edges: Adjacency, back: Adjacency, x: Tensor, y: Tensor) -> Tensor:
    """x_r · y_j of every edge, [n_edges], in the order of the weights."""
    product: Tensor = _Dots.apply(edges, back, x, y)  # type: ignore[no-untyped-call]
    return product


def softmax(scores: Tensor, nodes: Tensor, n_nodes: int) -> Tensor:
    """Softmax over the edges of every node: scores [n_edges], nodes [n_edges] -> [n_edges]."""
    nodes = nodes.long()
    top = scores.new_zeros(n_nodes).scatter_reduce_(0, nodes, scores.detach(), "amax", include_self=False)
    exponentials = (scores - top[nodes]).exp()
    return exponentials / scores.new_zeros(n_nodes).index_add(0, nodes, exponentials)[nodes]


def _rows_of(edges: Adjacency) -> Tensor:
    return torch.repeat_interleave(torch.arange(edges.n_rows, device=edges.starts.device), edges.starts.diff().long())


def _dots_of(edges: Adjacency, x: Tensor, y: Tensor) -> Tensor:
    """Dots in the order of the weights (`places`)."""
    if kernels.supports(x, y):
        return kernels.dots(edges, x, y)
    rows, out = _rows_of(edges), x.new_empty(len(edges.neighbours))
    for begin in range(0, len(out), SLICE):
        some = slice(begin, begin + SLICE)
        product = x.index_select(0, rows[some]).mul_(y.index_select(0, edges.neighbours[some])).sum(-1)
        out[some if edges.positions is None else edges.positions[some]] = product
    return out


class _WeightedSum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, edges: Adjacency, back: Adjacency, weights: Tensor, x: Tensor) -> Tensor:
        ctx.edges, ctx.back = edges, back
        ctx.save_for_backward(weights, x)
        return neighbour_sum(edges, weights, x)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[None, None, Tensor | None, Tensor | None]:
        weights, x = ctx.saved_tensors
        g = gradients[0].contiguous()
        d_weights = None
        if ctx.needs_input_grad[2]:  # by whichever of the two ways has the weights in its own order
            one_way = ctx.edges.positions is None
            d_weights = _dots_of(ctx.edges, g, x) if one_way else _dots_of(ctx.back, x, g)
        d_x = neighbour_sum(ctx.back, weights, g) if ctx.needs_input_grad[3] else None
        return None, None, d_weights, d_x


class _Dots(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, edges: Adjacency, back: Adjacency, x: Tensor, y: Tensor) -> Tensor:
        ctx.edges, ctx.back = edges, back
        ctx.save_for_backward(x, y)
        return _dots_of(edges, x, y)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[None, None, Tensor, Tensor]:
        x, y = ctx.saved_tensors
        g = gradients[0].contiguous()
        return None, None, neighbour_sum(ctx.edges, g, y), neighbour_sum(ctx.back, g, x)
