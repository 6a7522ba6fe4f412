"""What GRCN needs along edges as the compiled kernels compute it, with gradients; the torch forms are in edges.py."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from triptych import kernels
from triptych.graph.sparse_rows import SparseRows, unique_rows
from triptych.kernels import Adjacency


class Route(torch.autograd.Function):
    """(edges, preference, y, n_iterations, at) -> (p, p · y_j of every edge, p[at], preference[at], ‖preference‖²).

    See `kernels.route`. The last three are given out from here so that their gradients are added where those of p and
    preference are made, and never become tables of their own.
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
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[None, Tensor, Tensor, None, None]:
        preference, y, at, alphas = ctx.saved_tensors
        d_out, d_scores, d_out_at, d_preference_at, d_square = gradients
        if d_scores is None:
            d_scores = y.new_zeros(len(ctx.edges.neighbours))
        chosen, where = unique_rows(at, len(preference))
        none = preference.new_zeros(len(at), preference.shape[1])
        first, second = (
            SparseRows.from_values(none if d is None else d, chosen, where, len(preference))
            for d in (d_out_at, d_preference_at)
        )
        given = (alphas, d_out, d_scores, first.at, first.rows, second.rows)
        residual = 0.0 if d_square is None else 2 * float(d_square)
        return (
            None,
            *kernels.route_back(ctx.edges, preference, y, ctx.n_iterations, *given, residual=residual),
            None,
            None,
        )


class Softmax(torch.autograd.Function):
    """(edges, values [n_edges]) -> softmax over every row's edges."""

    @staticmethod
    def forward(ctx: Any, edges: Adjacency, values: Tensor) -> Tensor:
        alpha = kernels.softmax(edges, values)
        ctx.edges = edges
        ctx.save_for_backward(alpha)
        return alpha

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[None, Tensor]:
        (alpha,) = ctx.saved_tensors
        return None, kernels.softmax_back(ctx.edges, alpha, gradients[0])


class UnitRows(torch.autograd.Function):
    """x -> its rows brought to length 1."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return kernels.unit_rows(x)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return kernels.unit_rows_back(x, gradients[0])


class MaxOverModalities(torch.autograd.Function):
    """(alpha [m, n_edges], confidence [n_nodes, m], sources, their edges) -> relu(max over m of alpha · confidence)."""

    @staticmethod
    def forward(ctx: Any, alpha: Tensor, confidence: Tensor, sources: Tensor, of: Adjacency) -> Tensor:
        weights, winners = kernels.max_over_modalities(alpha, confidence, sources)
        ctx.of = of
        ctx.save_for_backward(alpha, confidence, sources, winners)
        return weights

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None, None]:
        alpha, confidence, sources, winners = ctx.saved_tensors
        return *kernels.max_over_modalities_back(ctx.of, alpha, confidence, sources, winners, gradients[0]), None, None


class SumAt(torch.autograd.Function):
    """(edges, back, weights [n_edges], x [n_nodes, d], at [n]) -> Σ w_e x of the neighbours, for rows `at` alone."""

    @staticmethod
    def forward(ctx: Any, edges: Adjacency, back: Adjacency, weights: Tensor, x: Tensor, at: Tensor) -> Tensor:
        chosen, where = unique_rows(at, edges.n_rows)
        ctx.edges, ctx.back = edges, back
        ctx.save_for_backward(weights, x, chosen, where)
        return kernels.product(edges, weights, x, rows=chosen.int())[where]

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[None, None, Tensor, Tensor, None]:
        weights, x, chosen, where = ctx.saved_tensors
        g = SparseRows.from_values(gradients[0], chosen, where, ctx.edges.n_rows)
        d_weights = kernels.dots(ctx.edges, g.rows, x, g.at)
        return None, None, d_weights, kernels.product(ctx.back, weights, g.rows, x_at=g.at), None


class TwoLayersAt(torch.autograd.Function):
    """x + x₁ + x₂ at some users and items: x is E with rows of length 1, x₁ and x₂ one and two weighted sums of it.

    (of_users, of_items, weights to users, weights to items [n_edges], E [n_users + n_items, d], at_users, at_items) ->
    the rows asked for, and those of E: so that E has one gradient. As x + W (x + W x), the outer sum for those alone.
    """

    @staticmethod
    def forward(
        ctx: Any,
        of_users: Adjacency,
        of_items: Adjacency,
        to_users: Tensor,
        to_items: Tensor,
        E: Tensor,
        at_users: Tensor,
        at_items: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        n_users = of_users.n_rows
        x_users, x_items = kernels.unit_rows(E[:n_users]), kernels.unit_rows(E[n_users:])
        y_users = kernels.product(of_users, to_users, x_items, base=x_users)
        y_items = kernels.product(of_items, to_items, x_users, base=x_items)
        users, where_users = unique_rows(at_users, of_users.n_rows)
        items, where_items = unique_rows(at_items, of_items.n_rows)
        ctx.edges = of_users, of_items
        ctx.tables = x_users, x_items, y_users, y_items
        ctx.save_for_backward(to_users, to_items, E, at_users, at_items, users, where_users, items, where_items)
        h_users = kernels.product(of_users, to_users, y_items, base=x_users, rows=users.int())
        h_items = kernels.product(of_items, to_items, y_users, base=x_items, rows=items.int())
        return h_users[where_users], h_items[where_items], E[at_users], E[n_users + at_items]

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Any, ...]:
        to_users, to_items, E, at_users, at_items, *chosen = ctx.saved_tensors
        users, where_users, items, where_items = chosen
        x_users, x_items, y_users, y_items = ctx.tables
        of_users, of_items = ctx.edges
        g_users = SparseRows.from_values(gradients[0], users, where_users, of_users.n_rows)
        g_items = SparseRows.from_values(gradients[1], items, where_items, of_items.n_rows)
        # h_users = x_users + W y_items, y_items = x_items + W x_users; and the other way round
        d_y_items = kernels.product(of_items, to_users, g_users.rows, x_at=g_users.at)
        d_y_users = kernels.product(of_users, to_items, g_items.rows, x_at=g_items.at)
        d_to_users = kernels.dots(of_users, g_users.rows, y_items, g_users.at)
        d_to_users += kernels.dots(of_users, d_y_users, x_items)
        d_to_items = kernels.dots(of_items, g_items.rows, y_users, g_items.at)
        d_to_items += kernels.dots(of_users, x_users, d_y_items)
        d_x_users = kernels.product(of_users, to_items, d_y_items, base=d_y_users)
        d_x_items = kernels.product(of_items, to_users, d_y_users, base=d_y_items)
        d_x_users.index_add_(0, users, g_users.rows)
        d_x_items.index_add_(0, items, g_items.rows)
        d_E, n_users = torch.empty_like(E), of_users.n_rows
        for rows, d_x, at, d in (
            (slice(n_users), d_x_users, at_users, gradients[2]),
            (slice(n_users, None), d_x_items, at_items, gradients[3]),
        ):
            kernels.unit_rows_back(E[rows], d_x, out=d_E[rows]).index_add_(0, at, d)
        return None, None, d_to_users, d_to_items, d_E, None, None
