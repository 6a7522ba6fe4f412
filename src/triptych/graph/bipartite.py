"""The user-item graph of LightGCN, BM3 and FREEDOM: Â, and mean(E, ÂE, Â²E, …) for all rows or those of a batch."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from triptych import kernels
from triptych.data.interactions import Interactions
from triptych.graph.buffer_pool import BufferPool
from triptych.graph.first_gradient import first_gradient_only
from triptych.graph.neighbour_sums import int32, sum_of_neighbours
from triptych.graph.sparse_rows import SparseRows, gather_rows, unique_rows

DEGREE_OFFSET = 1e-7  # added to every degree, as in published code; the reference vectors have it too


class BipartiteGraph(nn.Module):
    """Â = D^-1/2 [[0, R], [Rᵀ, 0]] D^-1/2 of the training interactions.

    It is stored as two halves: the items of every user and the users of every item, with one weight per edge. A user or
    item without interactions has a zero row.

    compute_dtype: the dtype of the tables that sums over neighbours read in training, if the kernels support them. The
    sums, the inputs and the results are float32. Most of what a step reads is these tables; bfloat16 halves them.
    """

    users_items: Tensor
    users_starts: Tensor
    users_weights: Tensor
    items_users: Tensor
    items_starts: Tensor
    items_weights: Tensor

    def __init__(self, interactions: Interactions) -> None:
        super().__init__()
        self.n_users, self.n_items = interactions.n_users, interactions.n_items
        self.compute_dtype = torch.float32
        self.buffer_pool = BufferPool()
        users, items = interactions.users, interactions.items
        by_item = np.lexsort((users, items))
        for side, other, neighbours, degrees in (
            ("users", "items", items, interactions.user_degrees),
            ("items", "users", users[by_item], interactions.item_degrees),
        ):
            starts = np.concatenate([[0], np.cumsum(degrees)])
            self.register_buffer(f"{side}_{other}", int32(neighbours), persistent=False)
            self.register_buffer(f"{side}_starts", int32(starts), persistent=False)
        for side, n_others in (("users", self.n_items), ("items", self.n_users)):
            kernels.check_edges(kernels.Adjacency(getattr(self, f"{side}_starts"), self._neighbours(side)), n_others)
            self.register_buffer(f"{side}_weights", self._exact_weights(side).float(), persistent=False)

    def propagate(self, users: Tensor, items: Tensor) -> tuple[Tensor, Tensor]:
        """Return Â [users; items], shapes [n_users, d] and [n_items, d]. Â is symmetric, so the gradient is Â g."""
        to_users = sum_of_neighbours(*self._half("users", items.dtype), *self._half("items", items.dtype), items)
        to_items = sum_of_neighbours(*self._half("items", users.dtype), *self._half("users", users.dtype), users)
        return to_users, to_items

    def mean_of_layers(
        self, users: Tensor, items: Tensor, n_layers: int, item_residual: float = 0.0
    ) -> tuple[Tensor, Tensor]:
        """Return H = mean(E, ÂE, …, Â^L E) as users [n_users, d] and items [n_items, d].

        item_residual: adds item_residual · E to the items, after the mean: h_i = H_i + item_residual · e_i.
        """
        x_users, x_items = users, items
        for _ in range(n_layers):  # Horner's rule: E + Â (E + Â (E + …))
            to_users, to_items = self.propagate(x_users, x_items)
            x_users, x_items = users + to_users, items + to_items
        h_users, h_items = x_users / (n_layers + 1), x_items / (n_layers + 1)
        return h_users, (h_items + item_residual * items if item_residual else h_items)

    def mean_of_layers_at(
        self, users: Tensor, items: Tensor, n_layers: int, at_users: Tensor, at_items: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return `mean_of_layers` and E at some rows: H_u [n, d], H_i [m, d], E_u [n, d], E_i [m, d].

        at_users, at_items: rows int64 [n] and [m].
        With the compiled kernels, the last layer is computed for these rows only, and so is the first of the gradient.
        """
        if not (kernels.supports(users, items, self.users_weights) and n_layers):
            H_u, H_i = self.mean_of_layers(users, items, n_layers)
            return (
                gather_rows(H_u, at_users),
                gather_rows(H_i, at_items),
                gather_rows(users, at_users),
                gather_rows(items, at_items),
            )
        result: tuple[Tensor, Tensor, Tensor, Tensor] = _MeanOfLayersAt.apply(  # type: ignore[no-untyped-call]
            self, users, items, n_layers, at_users, at_items
        )
        return result

    def mean_and_norms(
        self, users: Tensor, items: Tensor, n_layers: int, at_users: Tensor, at_items: Tensor, item_residual: float
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return h_u [n, d], h_i [m, d], ‖h_users‖, ‖h_items‖: `mean_of_layers` at some rows, and its Frobenius norms.

        h_u = H_u and h_i = H_i + item_residual · e_i. at_users, at_items: rows int64 [n] and [m]. With the compiled
        kernels, only one backward pass is possible.
        """
        if not kernels.supports(users, items, self.users_weights):
            h_users, h_items = self.mean_of_layers(users, items, n_layers, item_residual)
            return gather_rows(h_users, at_users), gather_rows(h_items, at_items), h_users.norm(), h_items.norm()
        result: tuple[Tensor, Tensor, Tensor, Tensor] = _MeanAndNorms.apply(  # type: ignore[no-untyped-call]
            self, users, items, n_layers, at_users, at_items, item_residual
        )
        return result

    def _half(self, side: str, dtype: torch.dtype) -> tuple[kernels.Adjacency, Tensor]:
        """Return the neighbours of every node of a side, "users" or "items", and the weights of the edges."""
        n_others = self.n_items if side == "users" else self.n_users
        # weights in float64, which tests and studies use, are computed on request
        weights = self._exact_weights(side) if dtype == torch.float64 else getattr(self, f"{side}_weights")
        starts, neighbours = getattr(self, f"{side}_starts"), self._neighbours(side)
        return kernels.Adjacency(starts, neighbours, checked_nodes=n_others), weights

    def _neighbours(self, side: str) -> Tensor:
        """Return the neighbours of all nodes of a side."""
        return self.users_items if side == "users" else self.items_users

    def _exact_weights(self, side: str) -> Tensor:
        """Return 1 / √(degree of the user · degree of the item) of every edge, float64 [n_edges]."""
        other, neighbours = "items" if side == "users" else "users", self._neighbours(side)
        degrees = {name: getattr(self, f"{name}_starts").diff().double() + DEGREE_OFFSET for name in ("users", "items")}
        scale = {name: 1.0 / degree.sqrt() for name, degree in degrees.items()}
        counts = getattr(self, f"{side}_starts").diff()
        weights: Tensor = scale[side].repeat_interleave(counts) * scale[other][neighbours]
        return weights

    def horner(
        self,
        users: SparseRows,
        items: SparseRows,
        n_layers: int,
        item_residual: float = 0.0,
        at: tuple[Tensor | None, Tensor | None] = (None, None),
    ) -> tuple[Tensor, Tensor]:
        """Compute `mean_of_layers` by the compiled kernels, for tables that may be sparse; without a gradient.

        Inputs and results are float32; n_layers is at least 1. at: the rows to return, int64 [n] and [m]; None: all.
        """
        sides = (("users", users), ("items", items))
        width = users.rows.shape[1]
        x = tuple(
            table
            if table.at is not None or self.compute_dtype == torch.float32
            else SparseRows(self._pooled_table(side, 1, width).copy_(table.rows))
            for side, table in sides
        )
        for layer in range(n_layers):
            last = layer == n_layers - 1
            scale = 1 / (n_layers + 1) if last else 1.0
            results = []
            for position, (side, base) in enumerate(sides):
                other, rows = x[1 - position], at[position] if last else None
                results.append(
                    kernels.product(
                        *self._half(side, torch.float32),
                        other.rows,
                        x_at=other.at,
                        base=base.rows,
                        base_at=base.at,
                        rows=None if rows is None else rows.int(),
                        a=scale + (item_residual if last and side == "items" else 0.0),
                        b=scale,
                        dtype=torch.float32,
                        out=None if last else self._pooled_table(side, layer % 2, width),
                    )
                )
            x = (SparseRows(results[0]), SparseRows(results[1]))
        return x[0].rows, x[1].rows

    def _pooled_table(self, side: str, which: int, width: int) -> Tensor:
        """Return one of the two tables of a side that layers write in turn; which: 0 or 1."""
        n_rows = self.n_users if side == "users" else self.n_items
        return self.buffer_pool.table(f"{side} {which}", n_rows, width, self.compute_dtype)


class _MeanOfLayersAt(torch.autograd.Function):
    """H and E at some rows. E is a result too, so that its gradient is added in place to that of the whole table."""

    @staticmethod
    def forward(
        ctx: Any, graph: BipartiteGraph, users: Tensor, items: Tensor, n_layers: int, at_users: Tensor, at_items: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        chosen_users, where_users = unique_rows(at_users, graph.n_users)
        chosen_items, where_items = unique_rows(at_items, graph.n_items)
        h_users, h_items = graph.horner(
            SparseRows(users.detach()), SparseRows(items.detach()), n_layers, at=(chosen_users, chosen_items)
        )
        ctx.graph, ctx.n_layers = graph, n_layers
        ctx.save_for_backward(chosen_users, where_users, chosen_items, where_items, at_users, at_items)
        ctx.set_materialize_grads(False)
        return h_users[where_users], h_items[where_items], users[at_users], items[at_items]

    @staticmethod
    @first_gradient_only
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Any, ...]:
        chosen_users, where_users, chosen_items, where_items, at_users, at_items = ctx.saved_tensors
        graph: BipartiteGraph = ctx.graph
        width = next(g.shape[1] for g in gradients if g is not None)
        zeros = torch.zeros(len(where_users), width), torch.zeros(len(where_items), width)
        g_users, g_items = (zeros[position] if g is None else g for position, g in enumerate(gradients[:2]))
        d_users, d_items = graph.horner(
            SparseRows.from_values(g_users, chosen_users, where_users, graph.n_users),
            SparseRows.from_values(g_items, chosen_items, where_items, graph.n_items),
            ctx.n_layers,
        )
        for d, at, g_E in ((d_users, at_users, gradients[2]), (d_items, at_items, gradients[3])):
            if g_E is not None:
                d.index_add_(0, at, g_E)
        return None, d_users, d_items, None, None, None


class _MeanAndNorms(torch.autograd.Function):
    """See `BipartiteGraph.mean_and_norms`."""

    @staticmethod
    def forward(
        ctx: Any,
        graph: BipartiteGraph,
        users: Tensor,
        items: Tensor,
        n_layers: int,
        at_users: Tensor,
        at_items: Tensor,
        item_residual: float,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        if n_layers:
            h_users, h_items = graph.horner(
                SparseRows(users.detach()), SparseRows(items.detach()), n_layers, item_residual
            )
        else:
            h_users, h_items = users.clone(), (1 + item_residual) * items
        norms = h_users.norm(), h_items.norm()
        ctx.graph, ctx.n_layers, ctx.item_residual = graph, n_layers, item_residual
        ctx.representations = (h_users, h_items)
        ctx.save_for_backward(at_users, at_items, *norms)
        return h_users[at_users], h_items[at_items], *norms

    @staticmethod
    @first_gradient_only
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Any, ...]:
        at_users, at_items, norm_users, norm_items = ctx.saved_tensors
        graph: BipartiteGraph = ctx.graph
        # nothing else uses the representations: the gradient overwrites them, which saves two tables
        if ctx.representations is None:
            raise RuntimeError("second backward pass through mean_and_norms: the first overwrote its tables")
        (h_users, h_items), ctx.representations = ctx.representations, None
        for h, norm, d_norm, at, d_rows in (
            (h_users, norm_users, gradients[2], at_users, gradients[0]),
            (h_items, norm_items, gradients[3], at_items, gradients[1]),
        ):
            h.mul_(d_norm / norm if norm > 0 else 0.0).index_add_(0, at, d_rows)
        if not ctx.n_layers:
            return None, h_users, h_items.mul_(1 + ctx.item_residual), None, None, None, None
        gradient = graph.horner(SparseRows(h_users), SparseRows(h_items), ctx.n_layers, ctx.item_residual)
        return None, *gradient, None, None, None, None
