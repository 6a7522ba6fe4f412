"""MMGCN's layers with the means by the compiled kernels, wide tables in bfloat16 or float32; torch's form: layers.py.

Tables are gone through some rows at a time; what is wide and cheap to compute again is not kept for the gradient.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import leaky_relu

from triptych import kernels
from triptych.graph.edges import Edges
from triptych.graph.layer_tables import Kept, LayerWeights, Rows, Side, chunks, few_and_many, parts
from triptych.graph.rooms import Rooms
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
        sides = Side.of(edges.of_users, e[: edges.n_users], dtype), Side.of(edges.of_items, e[edges.n_users :], dtype)
        layers = _weights(flat, dtype)
        wanted = sides if at is None else (sides[0].at(at[0]), sides[1].at(at[1]))
        # what stays is placed before what does not, which leaves its room in one piece when it goes
        x, kept = (Rows(users, unit=dtype), Rows(items, unit=dtype)), list[Kept]()
        for p in layers:
            last = p is layers[-1]
            kept.append(Kept.of(wanted if last else sides, p, x, last=last))
            x = Rows(kept[-1].out[0]), Rows(kept[-1].out[1])
        for p, one in zip(layers, kept, strict=True):
            _forward(wanted if p is layers[-1] else sides, one, p, edges.rooms)
        ctx.edges, ctx.sides, ctx.wanted, ctx.layers, ctx.kept = edges, sides, wanted, layers, kept
        ctx.set_materialize_grads(False)
        return _asked_for(wanted[0], x[0].table), _asked_for(wanted[1], x[1].table), users.norm().square()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Any, ...]:
        _ = ctx.saved_tensors
        if not ctx.kept:
            raise RuntimeError("backward through graph_layers a second time: its tables are used up by the first")
        n_users, wanted, d_square = ctx.edges.n_users, ctx.wanted, gradients[2]
        d_e = torch.zeros(sum(side.edges.n_rows for side in wanted), wanted[0].e.shape[1])
        d_flat: list[Tensor] = []
        d_out: tuple[Tensor | None, ...] = tuple(
            _summed(side, d) for side, d in zip(wanted, gradients[:2], strict=True)
        )
        for p in reversed(ctx.layers):
            kept = ctx.kept.pop()  # and what it holds goes as soon as it has served
            first = not ctx.kept
            needed = (ctx.needs_input_grad[3], ctx.needs_input_grad[4]) if first else (True, True)
            again = (2 * float(d_square), 0.0) if first and d_square is not None else (0.0, 0.0)
            d_out, d_p = _backward(
                wanted, kept, d_out, p, (d_e[:n_users], d_e[n_users:]), needed, again, ctx.edges.rooms
            )
            d_flat = [d_p.W, d_p.S, d_p.s, d_p.C, d_p.c, *d_flat]
            wanted = ctx.sides
        return None, None, None, *d_out, d_e, *d_flat


def _forward(sides: tuple[Side, Side], kept: Kept, p: LayerWeights, rooms: Rooms) -> None:
    (few, many), dtype = few_and_many(sides), p.W.dtype
    wide = kept.x[many].table
    tables = {
        many: kept.x[many].all(rooms.table("table", len(wide), wide.shape[1], dtype)),
        few: kept.x[few].all(kept.h.new_empty(kept.x[few].table.shape)),
    }
    _products(tables[few], p.W, out=kept.y)
    sides[few].means(tables[many], out=kept.a)
    leaky_relu(_products(kept.a, p.W, out=kept.h), SLOPE, inplace=True)
    for place, side in enumerate(sides):
        for part in parts(side.n_wanted):
            if place == few:
                h = kept.h[part]
            else:
                h = side.means(kept.y, SLOPE, rooms.table("part", part.stop - part.start, len(p.W), dtype), part)
            nodes = side.nodes(part)
            _combine(h, tables[place][nodes], side.e[nodes], p, kept.own[place][part], kept.out[place][part])


def _backward(
    sides: tuple[Side, Side],
    kept: Kept,
    d_out: tuple[Tensor | None, ...],
    p: LayerWeights,
    d_e: tuple[Tensor, Tensor],
    needed: tuple[bool, bool],
    again: tuple[float, float],
    rooms: Rooms,
) -> tuple[tuple[Tensor | None, ...], LayerWeights]:
    """The gradients of x, where needed, and `again` times x, and those of the weights; e's are added to d_e."""
    (few, many), dtype = few_and_many(sides), p.W.dtype
    total = LayerWeights(*(torch.zeros(each.shape) for each in (p.W, p.S, p.s, p.C, p.c)))
    width = len(p.W)
    d_x = tuple(torch.empty_like(x.table) if need else None for need, x in zip(needed, kept.x, strict=True))
    h = {few: kept.h, many: sides[many].means(kept.y, SLOPE, rooms.table("table", sides[many].n_wanted, width, dtype))}
    # and in the place of h, its gradient
    d_own = [torch.empty_like(own) for own in kept.own]
    for place, (side, d) in enumerate(zip(sides, d_out, strict=True)):
        assert d is not None
        for rows in chunks(h[place]):
            nodes, own, one = side.nodes(rows), kept.own[place][rows], h[place][rows]
            g = _leaky_back(d[rows], kept.out[place][rows]).to(dtype)
            total.c.add_(g.sum(dim=0, dtype=torch.float32))
            total.C[:, :width] += g.T @ one
            total.C[:, width:] += g.T @ (own + side.e[nodes])
            d_x_hat = g @ p.C[:, width:]
            d_e[place][nodes] += d_x_hat
            mine = _leaky_back(d_x_hat, own, out=d_own[place][rows])
            total.S.add_(mine.T @ kept.x[place].read(nodes))
            total.s.add_(mine.sum(dim=0, dtype=torch.float32))
            _leaky_back(g @ p.C[:, :width], one, out=one)
    d_y = sides[many].means_back(sides[few], h.pop(many), slice(0, sides[few].edges.n_rows))
    for rows in chunks(d_y):
        total.W.add_(kept.x[few].read(rows).T @ d_y[rows])
    for rows in chunks(kept.a):
        total.W.add_(kept.a[rows].T @ h[few][rows])
    d_a = _products(h.pop(few), p.W.T)
    for place, (side, whole, x) in enumerate(zip(sides, d_x, kept.x, strict=True)):
        if whole is None:
            continue
        own = d_own[place] if side.chosen is None else _spread(d_own[place], side.chosen, len(whole))
        for part in parts(len(whole)):
            out = rooms.table("part", part.stop - part.start, width, dtype) if x.unit else whole[part]
            one = _products(d_y[part], p.W.T, out) if place == few else sides[few].means_back(side, d_a, part, out)
            for rows in chunks(one):
                one[rows].addmm_(own[part][rows], p.S)
            if x.unit:
                kernels.unit_rows_back(x.table[part], one, again=again[place], out=whole[part])
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


def _asked_for(side: Side, out: Tensor) -> Tensor:
    return out if side.where is None else out[side.where]


def _summed(side: Side, d: Tensor | None) -> Tensor:
    if d is None:
        return torch.zeros(side.n_wanted, side.e.shape[1])
    if side.chosen is None or side.where is None:
        return d
    return SparseRows.of(d, side.chosen, side.where, side.edges.n_rows).rows


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
