"""GRCN's operations along edges by the compiled kernels, with gradients; the torch forms are in edges.py."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from triptych import kernels
from triptych.graph.first_gradient import first_gradient_only
from triptych.graph.sparse_rows import SparseRows, unique_rows
from triptych.kernels import Adjacency


class Route(torch.autograd.Function):
    """(edges, preference, y, n_iterations, at) -> (p, p · y_j of every edge, p[at], preference[at], ‖preference‖²).

    See `kernels.route`. The last three are results of this function so that their gradients are added to those of p and
    preference in place, without tables of their own.
    """

    @staticmethod
    def forward(
        ctx: Any, edges: Adjacency, preference: Tensor, y: Tensor, n_iterations: int, at: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        p, scores, alphas = kernels.route(edges, preference, y, n_iterations)
        ctx.edges, ctx.n_iterations = edges, n_iterations
        ctx.save_for_backward(preference, y, at, alphas)
        ctx.set_materialize_grads(False)
        return p, scores, p[at], preference[at], preference.norm().square()

    @staticmethod
    @first_gradient_only
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[None, Tensor, Tensor, None, None]:
        preference, y, at, alphas = ctx.saved_tensors
        d_out, d_scores, d_out_at, d_preference_at, d_square = gradients
        if d_scores is None:
            d_scores = y.new_zeros(len(ctx.edges.neighbours))
        chosen, where = unique_rows(at, len(preference))
        zeros = preference.new_zeros(len(at), preference.shape[1])
        out_rows, preference_rows = (
            SparseRows.from_values(zeros if d is None else d, chosen, where, len(preference))
            for d in (d_out_at, d_preference_at)
        )
        saved_and_gradients = (alphas, d_out, d_scores, out_rows.at, out_rows.rows, preference_rows.rows)
        residual = 0.0 if d_square is None else 2 * float(d_square)  # the gradient of ‖preference‖²
        d_preference, d_y = kernels.route_back(
            ctx.edges, preference, y, ctx.n_iterations, *saved_and_gradients, residual=residual
        )
        return None, d_preference, d_y, None, None


class Softmax(torch.autograd.Function):
    """Softmax over the edges of every row: (edges, values [n_edges]) -> [n_edges]."""

    @staticmethod
    def forward(ctx: Any, edges: Adjacency, values: Tensor) -> Tensor:
        alpha = kernels.softmax(edges, values)
        ctx.edges = edges
        ctx.save_for_backward(alpha)
        return alpha

    @staticmethod
    @first_gradient_only
    def backward(ctx: Any, *gradients: Tensor) -> tuple[None, Tensor]:
        (alpha,) = ctx.saved_tensors
        return None, kernels.softmax_back(ctx.edges, alpha, gradients[0])


class UnitRows(torch.autograd.Function):
    """x -> x with its rows scaled to length 1."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return kernels.unit_rows(x)

    @staticmethod
    @first_gradient_only
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return kernels.unit_rows_back(x, gradients[0])


class MaxOverModalities(torch.autograd.Function):
    """(alpha [m, n_edges], confidence [n_nodes, m], sources, edges) -> relu(max over m of alpha · confidence).

    sources [n_edges]: the node whose confidence an edge has. edges: those of every source.
    """

    @staticmethod
    def forward(ctx: Any, alpha: Tensor, confidence: Tensor, sources: Tensor, edges: Adjacency) -> Tensor:
        weights, winners = kernels.max_over_modalities(alpha, confidence, sources)
        ctx.edges = edges
        ctx.save_for_backward(alpha, confidence, sources, winners)
        return weights

    @staticmethod
    @first_gradient_only
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None, None]:
        alpha, confidence, sources, winners = ctx.saved_tensors
        d_alpha, d_confidence = kernels.max_over_modalities_back(
            ctx.edges, alpha, confidence, sources, winners, gradients[0]
        )
        return d_alpha, d_confidence, None, None


class WeightedSumAt(torch.autograd.Function):
    """Σ w_e x of the neighbours of rows `at`: (edges, reverse, weights [n_edges], x [n_nodes, d], at [n]) -> [n, d]."""

    @staticmethod
    def forward(ctx: Any, edges: Adjacency, reverse: Adjacency, weights: Tensor, x: Tensor, at: Tensor) -> Tensor:
        chosen, where = unique_rows(at, edges.n_rows)
        ctx.edges, ctx.reverse = edges, reverse
        ctx.save_for_backward(weights, x, chosen, where)
        return kernels.product(edges, weights, x, rows=chosen.int())[where]

    @staticmethod
    @first_gradient_only
    def backward(ctx: Any, *gradients: Tensor) -> tuple[None, None, Tensor, Tensor, None]:
        weights, x, chosen, where = ctx.saved_tensors
        g = SparseRows.from_values(gradients[0], chosen, where, ctx.edges.n_rows)
        d_weights = kernels.dots(ctx.edges, g.rows, x, g.at)
        return None, None, d_weights, kernels.product(ctx.reverse, weights, g.rows, x_at=g.at), None


class TwoLayersAt(torch.autograd.Function):
    """See `Edges.two_layers_at`. Computed as x + W (x + W x), the outer sum for the requested rows only.

    The rows of E are results too, so that E gets a single gradient.
    """

    @staticmethod
    def forward(
        ctx: Any,
        user_adjacency: Adjacency,
        item_adjacency: Adjacency,
        to_users: Tensor,
        to_items: Tensor,
        E: Tensor,
        at_users: Tensor,
        at_items: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        n_users = user_adjacency.n_rows
        x_users, x_items = kernels.unit_rows(E[:n_users]), kernels.unit_rows(E[n_users:])
        y_users = kernels.product(user_adjacency, to_users, x_items, base=x_users)
        y_items = kernels.product(item_adjacency, to_items, x_users, base=x_items)
        users, where_users = unique_rows(at_users, user_adjacency.n_rows)
        items, where_items = unique_rows(at_items, item_adjacency.n_rows)
        ctx.edges = user_adjacency, item_adjacency
        ctx.tables = x_users, x_items, y_users, y_items
        ctx.save_for_backward(to_users, to_items, E, at_users, at_items, users, where_users, items, where_items)
        h_users = kernels.product(user_adjacency, to_users, y_items, base=x_users, rows=users.int())
        h_items = kernels.product(item_adjacency, to_items, y_users, base=x_items, rows=items.int())
        return h_users[where_users], h_items[where_items], E[at_users], E[n_users + at_items]

    @staticmethod
    @first_gradient_only
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Any, ...]:
        to_users, to_items, E, at_users, at_items, *chosen = ctx.saved_tensors
        users, where_users, items, where_items = chosen
        x_users, x_items, y_users, y_items = ctx.tables
        user_adjacency, item_adjacency = ctx.edges
        g_users = SparseRows.from_values(gradients[0], users, where_users, user_adjacency.n_rows)
        g_items = SparseRows.from_values(gradients[1], items, where_items, item_adjacency.n_rows)
        # h_users = x_users + W y_items, y_items = x_items + W x_users; the same with users and items exchanged
        d_y_items = kernels.product(item_adjacency, to_users, g_users.rows, x_at=g_users.at)
        d_y_users = kernels.product(user_adjacency, to_items, g_items.rows, x_at=g_items.at)
        d_to_users = kernels.dots(user_adjacency, g_users.rows, y_items, g_users.at)
        d_to_users += kernels.dots(user_adjacency, d_y_users, x_items)
        d_to_items = kernels.dots(item_adjacency, g_items.rows, y_users, g_items.at)
        d_to_items += kernels.dots(user_adjacency, x_users, d_y_items)
        d_x_users = kernels.product(user_adjacency, to_items, d_y_items, base=d_y_users)
        d_x_items = kernels.product(item_adjacency, to_users, d_y_users, base=d_y_items)
        d_x_users.index_add_(0, users, g_users.rows)
        d_x_items.index_add_(0, items, g_items.rows)
        d_E, n_users = torch.empty_like(E), user_adjacency.n_rows
        for rows, d_x, at, d in (
            (slice(n_users), d_x_users, at_users, gradients[2]),
            (slice(n_users, None), d_x_items, at_items, gradients[3]),
        ):
            kernels.unit_rows_back(E[rows], d_x, out=d_E[rows]).index_add_(0, at, d)
        return None, None, d_to_users, d_to_items, d_E, None, None
