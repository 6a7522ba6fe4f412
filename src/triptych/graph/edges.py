"""Edges whose weights change while a model learns: products along them, softmax over neighbours, weighted sums.

No tensor of [edges, width] is ever made: forward and backward are sums over neighbours, or dots a slice of edges at a
time.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from triptych.data.interactions import Interactions

SLICE = 1 << 11  # edges looked at at a time by `dots`: their rows stay in the cache


class Edges(nn.Module):
    """The training interactions as edges; a tensor over the edges stands in their order (by user, then item)."""

    users: Tensor
    items: Tensor
    by_item: Tensor
    user_starts: Tensor
    item_starts: Tensor
    users_by_item: Tensor

    def __init__(self, interactions: Interactions) -> None:
        super().__init__()
        self.n_users, self.n_items = interactions.n_users, interactions.n_items
        by_item = np.lexsort((interactions.users, interactions.items)).astype(np.int64)
        item_starts = np.concatenate([[0], np.cumsum(interactions.item_degrees)]).astype(np.int64)
        for name, rows in (
            ("users", interactions.users),
            ("items", interactions.items),
            ("by_item", by_item),
            ("user_starts", interactions.starts),
            ("item_starts", item_starts),
            ("users_by_item", interactions.users[by_item]),
        ):
            self.register_buffer(name, torch.from_numpy(rows.copy()), persistent=False)

    def __len__(self) -> int:
        return len(self.users)

    def dots(self, x_users: Tensor, x_items: Tensor) -> Tensor:
        """x_u · x_i of every edge, [n_edges], for [n_users, d] and [n_items, d]."""
        product: Tensor = _Dots.apply(self, x_users, x_items)  # type: ignore[no-untyped-call]
        return product

    def to_users(self, weights: Tensor, x_items: Tensor) -> Tensor:
        """Σ over i ∈ N(u) of w_ui x_i: [n_edges], [n_items, d] -> [n_users, d]."""
        product: Tensor = _ToUsers.apply(self, weights, x_items)  # type: ignore[no-untyped-call]
        return product

    def to_items(self, weights: Tensor, x_users: Tensor) -> Tensor:
        """Σ over u ∈ N(i) of w_ui x_u: [n_edges], [n_users, d] -> [n_items, d]."""
        product: Tensor = _ToItems.apply(self, weights, x_users)  # type: ignore[no-untyped-call]
        return product

    def softmax_over_items(self, scores: Tensor) -> Tensor:
        """Softmax over every user's items, [n_edges] -> [n_edges]."""
        return _softmax(scores, self.users, self.n_users)

    def softmax_over_users(self, scores: Tensor) -> Tensor:
        """Softmax over every item's users, [n_edges] -> [n_edges]."""
        return _softmax(scores, self.items, self.n_items)

    def mean_of_neighbours(self, x: Tensor) -> Tensor:
        """Rows [n_users + n_items, d] -> the mean over every node's neighbours; nodes without any get zeros."""
        users, items = x[: self.n_users], x[self.n_users :]
        ones = x.new_ones(len(self))
        sums = torch.cat([self.to_users(ones, items), self.to_items(ones, users)])
        degrees = torch.cat([self.user_starts.diff(), self.item_starts.diff()]).clamp_min(1)
        return sums / degrees[:, None]


def _softmax(scores: Tensor, nodes: Tensor, n_nodes: int) -> Tensor:
    top = scores.new_zeros(n_nodes).scatter_reduce_(0, nodes, scores.detach(), "amax", include_self=False)
    exponentials = (scores - top[nodes]).exp()
    return exponentials / scores.new_zeros(n_nodes).index_add(0, nodes, exponentials)[nodes]


def _sum(neighbours: Tensor, starts: Tensor, weights: Tensor, x: Tensor) -> Tensor:
    if not len(neighbours):
        return x.new_zeros(len(starts) - 1, x.shape[1])
    return functional.embedding_bag(
        neighbours, x.detach(), starts, mode="sum", per_sample_weights=weights.detach(), include_last_offset=True
    )


def _to_users(edges: Edges, weights: Tensor, x_items: Tensor) -> Tensor:
    return _sum(edges.items, edges.user_starts, weights, x_items)


def _to_items(edges: Edges, weights: Tensor, x_users: Tensor) -> Tensor:
    return _sum(edges.users_by_item, edges.item_starts, weights[edges.by_item], x_users)


def _dots(edges: Edges, x_users: Tensor, x_items: Tensor) -> Tensor:
    out = x_users.new_empty(len(edges))
    for begin in range(0, len(edges), SLICE):
        some = slice(begin, begin + SLICE)
        product = x_users.index_select(0, edges.users[some])
        out[some] = product.mul_(x_items.index_select(0, edges.items[some])).sum(-1)
    return out


class _Dots(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, edges: Edges, x_users: Tensor, x_items: Tensor) -> Tensor:
        ctx.edges = edges
        ctx.save_for_backward(x_users, x_items)
        return _dots(edges, x_users, x_items)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[None, Tensor, Tensor]:
        x_users, x_items = ctx.saved_tensors
        (g,) = gradients
        return None, _to_users(ctx.edges, g, x_items), _to_items(ctx.edges, g, x_users)


class _ToUsers(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, edges: Edges, weights: Tensor, x_items: Tensor) -> Tensor:
        ctx.edges = edges
        ctx.save_for_backward(weights, x_items)
        return _to_users(edges, weights, x_items)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[None, Tensor | None, Tensor]:
        weights, x_items = ctx.saved_tensors
        g = gradients[0].contiguous()
        for_weights = _dots(ctx.edges, g, x_items) if ctx.needs_input_grad[1] else None
        return None, for_weights, _to_items(ctx.edges, weights, g)


class _ToItems(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, edges: Edges, weights: Tensor, x_users: Tensor) -> Tensor:
        ctx.edges = edges
        ctx.save_for_backward(weights, x_users)
        return _to_items(edges, weights, x_users)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[None, Tensor | None, Tensor]:
        weights, x_users = ctx.saved_tensors
        g = gradients[0].contiguous()
        for_weights = _dots(ctx.edges, x_users, g) if ctx.needs_input_grad[1] else None
        return None, for_weights, _to_users(ctx.edges, weights, g)
