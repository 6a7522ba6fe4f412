"""MMGCN's layers with the compiled kernels, wide tables in bfloat16 or float32; mmgcn_layers.py has the torch form.

Tables are processed some rows at a time. Wide tables that are cheap to compute again are not kept for the gradient.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import leaky_relu

from triptych import kernels
from triptych.graph.buffer_pool import BufferPool
from triptych.graph.edges import Edges
from triptych.graph.first_gradient import first_gradient_only
from triptych.graph.mmgcn_tables import (
    LayerInput,
    LayerWeights,
    NodeSide,
    SavedForBackward,
    chunks,
    row_slices,
    smaller_and_larger,
)
from triptych.graph.sparse_rows import SparseRows

SLOPE = 0.01  # of leaky_relu below zero, torch's default


class Layers(torch.autograd.Function):
    """(edges, dtype, at, users, items, e, W, S, s, C, c of every layer) -> results of `graph_layers` in float32."""

    @staticmethod
    def forward(
        ctx: Any,
        edges: Edges,
        dtype: torch.dtype,
        at: tuple[Tensor, Tensor] | None,
        users: Tensor,
        items: Tensor,
        e: Tensor,
        *flat_weights: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        ctx.save_for_backward(users, items, e, *flat_weights)  # so that torch notices changes before the backward pass
        sides = (
            NodeSide.from_edges(edges.user_adjacency, e[: edges.n_users], dtype),
            NodeSide.from_edges(edges.item_adjacency, e[edges.n_users :], dtype),
        )
        layers = _layer_weights(flat_weights, dtype)
        last_sides = sides if at is None else (sides[0].at(at[0]), sides[1].at(at[1]))
        # lasting tables are allocated before temporary ones, so that these leave one free block of memory
        x, saved = (LayerInput(users, unit_dtype=dtype), LayerInput(items, unit_dtype=dtype)), list[SavedForBackward]()
        for p in layers:
            last = p is layers[-1]
            saved.append(SavedForBackward.allocate(last_sides if last else sides, p, x, last=last))
            x = LayerInput(saved[-1].out[0]), LayerInput(saved[-1].out[1])
        for p, layer in zip(layers, saved, strict=True):
            _forward(last_sides if p is layers[-1] else sides, layer, p, edges.buffer_pool)
        ctx.edges, ctx.sides, ctx.last_sides, ctx.layers, ctx.saved = edges, sides, last_sides, layers, saved
        ctx.set_materialize_grads(False)
        return _requested(last_sides[0], x[0].table), _requested(last_sides[1], x[1].table), users.norm().square()

    @staticmethod
    @first_gradient_only
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Any, ...]:
        _ = ctx.saved_tensors
        if not ctx.saved:
            raise RuntimeError("second backward pass through graph_layers: the first freed its tables")
        n_users, sides, d_square = ctx.edges.n_users, ctx.last_sides, gradients[2]
        d_e = torch.zeros(sum(side.edges.n_rows for side in sides), sides[0].e.shape[1])
        d_flat: list[Tensor] = []
        d_out: tuple[Tensor | None, ...] = tuple(
            _sum_repeated(side, d) for side, d in zip(sides, gradients[:2], strict=True)
        )
        for p in reversed(ctx.layers):
            saved = ctx.saved.pop()  # its tables are freed as soon as the layer is done
            first = not ctx.saved
            needed = (ctx.needs_input_grad[3], ctx.needs_input_grad[4]) if first else (True, True)
            residual = (2 * float(d_square), 0.0) if first and d_square is not None else (0.0, 0.0)
            d_out, d_p = _backward(
                sides, saved, d_out, p, (d_e[:n_users], d_e[n_users:]), needed, residual, ctx.edges.buffer_pool
            )
            d_flat = [d_p.W, d_p.S, d_p.s, d_p.C, d_p.c, *d_flat]
            sides = ctx.sides
        return None, None, None, *d_out, d_e, *d_flat


def _forward(
    sides: tuple[NodeSide, NodeSide], saved: SavedForBackward, p: LayerWeights, buffer_pool: BufferPool
) -> None:
    """Compute one layer into the tensors of `saved`."""
    (smaller, larger), dtype = smaller_and_larger(sides), p.W.dtype
    larger_table = saved.x[larger].table
    x = {
        larger: saved.x[larger].read_all(buffer_pool.table("table", len(larger_table), larger_table.shape[1], dtype)),
        smaller: saved.x[smaller].read_all(saved.h.new_empty(saved.x[smaller].table.shape)),
    }
    _matmul(x[smaller], p.W, out=saved.y)
    sides[smaller].means(x[larger], out=saved.a)
    leaky_relu(_matmul(saved.a, p.W, out=saved.h), SLOPE, inplace=True)
    for index, side in enumerate(sides):
        for rows in row_slices(side.n_chosen):
            if index == smaller:
                h = saved.h[rows]
            else:
                h = side.means(
                    saved.y, SLOPE, buffer_pool.table("slice", rows.stop - rows.start, len(p.W), dtype), rows
                )
            nodes = side.nodes(rows)
            _combine(h, x[index][nodes], side.e[nodes], p, saved.self_loop[index][rows], saved.out[index][rows])


def _backward(
    sides: tuple[NodeSide, NodeSide],
    saved: SavedForBackward,
    d_out: tuple[Tensor | None, ...],
    p: LayerWeights,
    d_e: tuple[Tensor, Tensor],
    needed: tuple[bool, bool],
    residual: tuple[float, float],
    buffer_pool: BufferPool,
) -> tuple[tuple[Tensor | None, ...], LayerWeights]:
    """Return the gradients of x, where needed, and of the weights; add those of e to d_e.

    residual: adds residual · table to the gradient of a side's table.
    """
    (smaller, larger), dtype = smaller_and_larger(sides), p.W.dtype
    d_p = LayerWeights(*(torch.zeros(weight.shape) for weight in (p.W, p.S, p.s, p.C, p.c)))
    width = len(p.W)
    d_x = tuple(torch.empty_like(x.table) if need else None for need, x in zip(needed, saved.x, strict=True))
    h = {
        smaller: saved.h,
        larger: sides[larger].means(saved.y, SLOPE, buffer_pool.table("table", sides[larger].n_chosen, width, dtype)),
    }
    # the loop overwrites h with its gradient
    d_self_loop = [torch.empty_like(table) for table in saved.self_loop]
    for index, (side, d) in enumerate(zip(sides, d_out, strict=True)):
        assert d is not None
        for rows in chunks(h[index]):
            nodes, self_loop, h_rows = side.nodes(rows), saved.self_loop[index][rows], h[index][rows]
            g = _leaky_relu_back(d[rows], saved.out[index][rows]).to(dtype)
            d_p.c.add_(g.sum(dim=0, dtype=torch.float32))
            d_p.C[:, :width] += g.T @ h_rows
            d_p.C[:, width:] += g.T @ (self_loop + side.e[nodes])
            d_x_hat = g @ p.C[:, width:]
            d_e[index][nodes] += d_x_hat
            d_linear = _leaky_relu_back(d_x_hat, self_loop, out=d_self_loop[index][rows])
            d_p.S.add_(d_linear.T @ saved.x[index].read(nodes))
            d_p.s.add_(d_linear.sum(dim=0, dtype=torch.float32))
            _leaky_relu_back(g @ p.C[:, :width], h_rows, out=h_rows)
    d_y = sides[larger].means_back(sides[smaller], h.pop(larger), slice(0, sides[smaller].edges.n_rows))
    for rows in chunks(d_y):
        d_p.W.add_(saved.x[smaller].read(rows).T @ d_y[rows])
    for rows in chunks(saved.a):
        d_p.W.add_(saved.a[rows].T @ h[smaller][rows])
    d_a = _matmul(h.pop(smaller), p.W.T)
    for index, (side, d_table, x) in enumerate(zip(sides, d_x, saved.x, strict=True)):
        if d_table is None:
            continue
        d_linear = d_self_loop[index]
        if side.chosen is not None:
            d_linear = _scatter(d_linear, side.chosen, len(d_table))
        for part in row_slices(len(d_table)):
            out = buffer_pool.table("slice", part.stop - part.start, width, dtype) if x.unit_dtype else d_table[part]
            d_rows = (
                _matmul(d_y[part], p.W.T, out) if index == smaller else sides[smaller].means_back(side, d_a, part, out)
            )
            for rows in chunks(d_rows):
                d_rows[rows].addmm_(d_linear[part][rows], p.S)
            if x.unit_dtype:
                kernels.unit_rows_back(x.table[part], d_rows, residual=residual[index], out=d_table[part])
    return d_x, d_p


def _combine(h: Tensor, x: Tensor, e: Tensor, p: LayerWeights, self_loop: Tensor, out: Tensor) -> None:
    """Write leaky_relu(S X + s) into `self_loop`, and leaky_relu(C [h ‖ self_loop + e] + c) into `out`."""
    C_h, C_x = p.C[:, : h.shape[1]].T, p.C[:, h.shape[1] :].T
    s, c = p.s.to(x.dtype), p.c.to(x.dtype)
    for rows in chunks(h):
        torch.addmm(s, x[rows], p.S.T, out=self_loop[rows])
        x_hat = leaky_relu(self_loop[rows], SLOPE, inplace=True) + e[rows]
        if out.dtype == torch.float32:  # the last layer, which ranks: added in float32
            combined = (h[rows] @ C_h).float().add_(x_hat @ C_x).add_(p.c)
        else:
            combined = torch.addmm(c, x_hat, C_x).addmm_(h[rows], C_h)
        out[rows] = leaky_relu(combined, SLOPE, inplace=True)


def _layer_weights(flat: tuple[Tensor, ...], dtype: torch.dtype) -> list[LayerWeights]:
    """Return the weights by layer: W, S and C in `dtype`, s and c unchanged."""
    weights = [weight.detach().to(dtype) if weight.dim() == 2 else weight.detach() for weight in flat]
    return [LayerWeights(*weights[begin : begin + 5]) for begin in range(0, len(weights), 5)]


def _requested(side: NodeSide, out: Tensor) -> Tensor:
    """Return the rows of the requested nodes, with repetitions, from those of the chosen nodes."""
    return out if side.where is None else out[side.where]


def _sum_repeated(side: NodeSide, d: Tensor | None) -> Tensor:
    """Return the gradient of the chosen nodes: that of the requested nodes, with repeated ones summed."""
    if d is None:
        return torch.zeros(side.n_chosen, side.e.shape[1])
    if side.chosen is None or side.where is None:
        return d
    return SparseRows.from_values(d, side.chosen, side.where, side.edges.n_rows).rows


def _leaky_relu_back(gradient: Tensor, result: Tensor, out: Tensor | None = None) -> Tensor:
    """Return the gradient of leaky_relu, computed from its result; `out` may be the result itself."""
    if out is None:
        out = torch.empty_like(result)
    torch.ops.aten.leaky_relu_backward.grad_input(gradient, result, SLOPE, True, grad_input=out)
    return out


def _scatter(values: Tensor, rows: Tensor, n: int) -> Tensor:
    """Return n rows: `values` at the given rows, zeros elsewhere."""
    return values.new_zeros(n, values.shape[1]).index_copy_(0, rows, values)


def _matmul(x: Tensor, w: Tensor, out: Tensor | None = None) -> Tensor:
    """Return x w, computed some rows at a time, which is faster in torch."""
    if out is None:
        out = x.new_empty(len(x), w.shape[1])
    for rows in chunks(x):
        torch.mm(x[rows], w, out=out[rows])
    return out
