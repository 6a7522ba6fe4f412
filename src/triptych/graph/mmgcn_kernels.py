"""MMGCN's layers with the means by the compiled kernels, wide tables in bfloat16 or float32; torch's form: layers.py.

Tables are gone through some rows at a time; what is wide and cheap to compute again is not kept for the gradient.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import leaky_relu

from triptych import kernels
from triptych.graph.buffer_pool import BufferPool
from triptych.graph.edges import Edges
from triptych.graph.mmgcn_tables import (
    LayerWeights,
    NodeSide,
    Rows,
    SavedForBackward,
    chunks,
    row_slices,
    smaller_and_larger,
)
from triptych.graph.sparse_rows import SparseRows

SLOPE = 0.01  # of leaky_relu below zero: torch's default


class Layers(torch.autograd.Function):
    """(edges, dtype, at, users, items, e, W, S, s, C, c of every layer) -> what `graph_layers` says, in float32."""

    @staticmethod
    def forward(
        ctx: Any,
        edges: Edges,
        dtype: torch.dtype,
        at: tuple[Tensor, Tensor] | None,
        users: Tensor,
        items: Tensor,
        e: Tensor,
        *flat: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        ctx.save_for_backward(users, items, e, *flat)  # so that torch sees if they are changed before the gradient
        sides = (
            NodeSide.from_edges(edges.of_users, e[: edges.n_users], dtype),
            NodeSide.from_edges(edges.of_items, e[edges.n_users :], dtype),
        )
        layers = _weights(flat, dtype)
        wanted = sides if at is None else (sides[0].at(at[0]), sides[1].at(at[1]))
        # what stays is placed before what does not, which leaves its room in one piece when it goes
        x, saved = (Rows(users, unit=dtype), Rows(items, unit=dtype)), list[SavedForBackward]()
        for p in layers:
            last = p is layers[-1]
            saved.append(SavedForBackward.allocate(wanted if last else sides, p, x, last=last))
            x = Rows(saved[-1].out[0]), Rows(saved[-1].out[1])
        for p, one in zip(layers, saved, strict=True):
            _forward(wanted if p is layers[-1] else sides, one, p, edges.buffer_pool)
        ctx.edges, ctx.sides, ctx.wanted, ctx.layers, ctx.saved = edges, sides, wanted, layers, saved
        ctx.set_materialize_grads(False)
        return _asked_for(wanted[0], x[0].table), _asked_for(wanted[1], x[1].table), users.norm().square()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Any, ...]:
        _ = ctx.saved_tensors
        if not ctx.saved:
            raise RuntimeError("backward through graph_layers a second time: its tables are used up by the first")
        n_users, wanted, d_square = ctx.edges.n_users, ctx.wanted, gradients[2]
        d_e = torch.zeros(sum(side.edges.n_rows for side in wanted), wanted[0].e.shape[1])
        d_flat: list[Tensor] = []
        d_out: tuple[Tensor | None, ...] = tuple(
            _summed(side, d) for side, d in zip(wanted, gradients[:2], strict=True)
        )
        for p in reversed(ctx.layers):
            saved = ctx.saved.pop()  # and what it holds goes as soon as it has served
            first = not ctx.saved
            needed = (ctx.needs_input_grad[3], ctx.needs_input_grad[4]) if first else (True, True)
            residual = (2 * float(d_square), 0.0) if first and d_square is not None else (0.0, 0.0)
            d_out, d_p = _backward(
                wanted, saved, d_out, p, (d_e[:n_users], d_e[n_users:]), needed, residual, ctx.edges.buffer_pool
            )
            d_flat = [d_p.W, d_p.S, d_p.s, d_p.C, d_p.c, *d_flat]
            wanted = ctx.sides
        return None, None, None, *d_out, d_e, *d_flat


def _forward(
    sides: tuple[NodeSide, NodeSide], saved: SavedForBackward, p: LayerWeights, buffer_pool: BufferPool
) -> None:
    (smaller, larger), dtype = smaller_and_larger(sides), p.W.dtype
    wide = saved.x[larger].table
    tables = {
        larger: saved.x[larger].all(buffer_pool.table("table", len(wide), wide.shape[1], dtype)),
        smaller: saved.x[smaller].all(saved.h.new_empty(saved.x[smaller].table.shape)),
    }
    _products(tables[smaller], p.W, out=saved.y)
    sides[smaller].means(tables[larger], out=saved.a)
    leaky_relu(_products(saved.a, p.W, out=saved.h), SLOPE, inplace=True)
    for side_index, side in enumerate(sides):
        for part in row_slices(side.n_wanted):
            if side_index == smaller:
                h = saved.h[part]
            else:
                h = side.means(saved.y, SLOPE, buffer_pool.table("part", part.stop - part.start, len(p.W), dtype), part)
            nodes = side.nodes(part)
            _combine(
                h, tables[side_index][nodes], side.e[nodes], p, saved.own[side_index][part], saved.out[side_index][part]
            )


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
    """The gradients of x, where needed, and `again` times x, and those of the weights; e's are added to d_e."""
    (smaller, larger), dtype = smaller_and_larger(sides), p.W.dtype
    total = LayerWeights(*(torch.zeros(each.shape) for each in (p.W, p.S, p.s, p.C, p.c)))
    width = len(p.W)
    d_x = tuple(torch.empty_like(x.table) if need else None for need, x in zip(needed, saved.x, strict=True))
    h = {
        smaller: saved.h,
        larger: sides[larger].means(saved.y, SLOPE, buffer_pool.table("table", sides[larger].n_wanted, width, dtype)),
    }
    # and in the place of h, its gradient
    d_own = [torch.empty_like(own) for own in saved.own]
    for side_index, (side, d) in enumerate(zip(sides, d_out, strict=True)):
        assert d is not None
        for rows in chunks(h[side_index]):
            nodes, own, one = side.nodes(rows), saved.own[side_index][rows], h[side_index][rows]
            g = _leaky_back(d[rows], saved.out[side_index][rows]).to(dtype)
            total.c.add_(g.sum(dim=0, dtype=torch.float32))
            total.C[:, :width] += g.T @ one
            total.C[:, width:] += g.T @ (own + side.e[nodes])
            d_x_hat = g @ p.C[:, width:]
            d_e[side_index][nodes] += d_x_hat
            mine = _leaky_back(d_x_hat, own, out=d_own[side_index][rows])
            total.S.add_(mine.T @ saved.x[side_index].read(nodes))
            total.s.add_(mine.sum(dim=0, dtype=torch.float32))
            _leaky_back(g @ p.C[:, :width], one, out=one)
    d_y = sides[larger].means_back(sides[smaller], h.pop(larger), slice(0, sides[smaller].edges.n_rows))
    for rows in chunks(d_y):
        total.W.add_(saved.x[smaller].read(rows).T @ d_y[rows])
    for rows in chunks(saved.a):
        total.W.add_(saved.a[rows].T @ h[smaller][rows])
    d_a = _products(h.pop(smaller), p.W.T)
    for side_index, (side, whole, x) in enumerate(zip(sides, d_x, saved.x, strict=True)):
        if whole is None:
            continue
        own = d_own[side_index] if side.chosen is None else _spread(d_own[side_index], side.chosen, len(whole))
        for part in row_slices(len(whole)):
            out = buffer_pool.table("part", part.stop - part.start, width, dtype) if x.unit else whole[part]
            one = (
                _products(d_y[part], p.W.T, out)
                if side_index == smaller
                else sides[smaller].means_back(side, d_a, part, out)
            )
            for rows in chunks(one):
                one[rows].addmm_(own[part][rows], p.S)
            if x.unit:
                kernels.unit_rows_back(x.table[part], one, residual=residual[side_index], out=whole[part])
    return d_x, total


def _combine(h: Tensor, x: Tensor, e: Tensor, p: LayerWeights, own: Tensor, out: Tensor) -> None:
    """leaky_relu(S X + s) into own, and what a layer makes of h and that and e into out."""
    C_h, C_x = p.C[:, : h.shape[1]].T, p.C[:, h.shape[1] :].T
    s, c = p.s.to(x.dtype), p.c.to(x.dtype)
    for rows in chunks(h):
        torch.addmm(s, x[rows], p.S.T, out=own[rows])
        x_hat = leaky_relu(own[rows], SLOPE, inplace=True) + e[rows]
        if out.dtype == torch.float32:  # what is ranked by: added in float32
            combined = (h[rows] @ C_h).float().add_(x_hat @ C_x).add_(p.c)
        else:
            combined = torch.addmm(c, x_hat, C_x).addmm_(h[rows], C_h)
        out[rows] = leaky_relu(combined, SLOPE, inplace=True)


def _weights(flat: tuple[Tensor, ...], dtype: torch.dtype) -> list[LayerWeights]:
    """W, S and C in the dtype of products; s and c stay."""
    each = [one.detach().to(dtype) if one.dim() == 2 else one.detach() for one in flat]
    return [LayerWeights(*each[begin : begin + 5]) for begin in range(0, len(each), 5)]


def _asked_for(side: NodeSide, out: Tensor) -> Tensor:
    return out if side.where is None else out[side.where]


def _summed(side: NodeSide, d: Tensor | None) -> Tensor:
    if d is None:
        return torch.zeros(side.n_wanted, side.e.shape[1])
    if side.chosen is None or side.where is None:
        return d
    return SparseRows.from_values(d, side.chosen, side.where, side.edges.n_rows).rows


def _leaky_back(gradient: Tensor, result: Tensor, out: Tensor | None = None) -> Tensor:
    """The gradient of leaky_relu, from its result, which it may replace."""
    if out is None:
        out = torch.empty_like(result)
    torch.ops.aten.leaky_relu_backward.grad_input(gradient, result, SLOPE, True, grad_input=out)
    return out


def _spread(some: Tensor, rows: Tensor, n: int) -> Tensor:
    return some.new_zeros(n, some.shape[1]).index_copy_(0, rows, some)


def _products(x: Tensor, w: Tensor, out: Tensor | None = None) -> Tensor:
    """x w, some rows at a time: what torch's products do fastest."""
    if out is None:
        out = x.new_empty(len(x), w.shape[1])
    for rows in chunks(x):
        torch.mm(x[rows], w, out=out[rows])
    return out
