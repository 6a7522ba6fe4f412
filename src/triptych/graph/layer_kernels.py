"""MMGCN's layers with wide tables in bfloat16 and the means by the compiled kernels; the torch form is in layers.py.

A table of users as wide as a modality is hundreds of megabytes. It is gone through some rows at a time, so that what is
made of those rows stays in the cache; what is wide and cheap to compute again is not kept for the gradient.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import leaky_relu

from triptych import kernels
from triptych.graph.edges import Edges
from triptych.graph.rooms import Rooms
from triptych.graph.sparse_rows import SparseRows, distinct, places
from triptych.kernels import Adjacency

SLOPE = 0.01  # of leaky_relu below zero: torch's default
PARTS = 4  # of the rows, where what is made of them is not wanted whole
CHUNK = 3 << 19  # numbers of a table gone through at a time: 3 MB in bfloat16


@dataclass(frozen=True)
class LayerWeights:
    """W [w, w] applied as X W; S [d, w] and s [d]; C [d, w + d] and c [d]."""

    W: Tensor
    S: Tensor
    s: Tensor
    C: Tensor
    c: Tensor


class Layers(torch.autograd.Function):
    """(edges, at, users, items, e, W, S, s, C, c of every layer) -> what `graph_layers` says, in float32."""

    @staticmethod
    def forward(
        ctx: Any, edges: Edges, at: tuple[Tensor, Tensor] | None, users: Tensor, items: Tensor, e: Tensor, *flat: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        ctx.save_for_backward(users, items, *flat)
        sides = Side.of(edges.of_users, e[: edges.n_users]), Side.of(edges.of_items, e[edges.n_users :])
        layers = _in_16_bits(flat)
        wanted = sides if at is None else (sides[0].at(at[0]), sides[1].at(at[1]))
        # what stays is placed before what does not, which leaves its room in one piece when it goes
        x, kept = (Rows(users, unit=True), Rows(items, unit=True)), list[Kept]()
        for p in layers:
            last = p is layers[-1]
            kept.append(Kept.of(wanted if last else sides, p, x, last=last))
            x = Rows(kept[-1].out[0]), Rows(kept[-1].out[1])
        for p, one in zip(layers, kept, strict=True):
            _forward(wanted if p is layers[-1] else sides, one, p, edges.rooms)
        ctx.edges, ctx.sides, ctx.wanted, ctx.kept = edges, sides, wanted, kept
        ctx.set_materialize_grads(False)
        return _asked_for(wanted[0], x[0].table), _asked_for(wanted[1], x[1].table), users.norm().square()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Any, ...]:
        _users, _items, *flat = ctx.saved_tensors
        if not ctx.kept:
            raise RuntimeError("backward through graph_layers a second time: its tables are used up by the first")
        n_users, wanted, d_square = ctx.edges.n_users, ctx.wanted, gradients[2]
        d_e = torch.zeros(sum(side.edges.n_rows for side in wanted), wanted[0].e.shape[1])
        d_flat: list[Tensor] = []
        d_out: tuple[Tensor | None, ...] = tuple(
            _summed(side, d) for side, d in zip(wanted, gradients[:2], strict=True)
        )
        for p in reversed(_in_16_bits(flat)):
            kept = ctx.kept.pop()  # and what it holds goes as soon as it has served
            first = not ctx.kept
            needed = (ctx.needs_input_grad[2], ctx.needs_input_grad[3]) if first else (True, True)
            again = (2 * float(d_square), 0.0) if first and d_square is not None else (0.0, 0.0)
            d_out, d_p = _backward(
                wanted, kept, d_out, p, (d_e[:n_users], d_e[n_users:]), needed, again, ctx.edges.rooms
            )
            d_flat = [d_p.W, d_p.S, d_p.s, d_p.C, d_p.c, *d_flat]
            wanted = ctx.sides
        return None, None, *d_out, d_e, *d_flat


@dataclass(frozen=True)
class Side:
    """The users or the items: their neighbours, 1 / how many, their rows of e (bfloat16), and whose rows are wanted.

    chosen int64 [m], None: all; where: those asked for -> [0, m); places: `places` of the chosen.
    """

    edges: Adjacency
    inverse: Tensor
    e: Tensor
    chosen: Tensor | None = None
    where: Tensor | None = None
    places: Tensor | None = None

    @classmethod
    def of(cls, edges: Adjacency, e: Tensor) -> Side:
        return cls(edges, 1 / edges.starts.diff().clamp_min(1).float(), e.to(torch.bfloat16))

    def at(self, rows: Tensor) -> Side:
        """This side, with some rows wanted."""
        chosen, where = distinct(rows, self.edges.n_rows)
        return Side(self.edges, self.inverse, self.e, chosen, where, places(chosen, self.edges.n_rows))

    @property
    def n_wanted(self) -> int:
        return self.edges.n_rows if self.chosen is None else len(self.chosen)

    def nodes(self, rows: slice) -> slice | Tensor:
        """The nodes of a slice of the wanted rows."""
        return rows if self.chosen is None else self.chosen[rows]

    def means(self, x: Tensor, slope: float = 1.0, out: Tensor | None = None, part: slice | None = None) -> Tensor:
        """The mean of x over the neighbours of the wanted rows, or of a part of them, and leaky_relu of that slope."""
        if self.chosen is not None:
            rows = self.chosen[part or slice(None)].int()
            return kernels.product(self.edges, None, x, rows=rows, row_scale=self.inverse, slope=slope, out=out)
        part = part or slice(0, self.edges.n_rows)
        edges = _part(self.edges, part)
        return kernels.product(edges, None, x, row_scale=self.inverse[part], slope=slope, out=out)

    def means_back(self, other: Side, d: Tensor, part: slice, out: Tensor | None = None) -> Tensor:
        """The gradient of `means` for a part of x, whose rows are the nodes of the other side; d [n_wanted, w]."""
        part_of = _part(other.edges, part)
        return kernels.product(part_of, None, d, x_at=self.places, column_scale=self.inverse, out=out)


@dataclass(frozen=True)
class Rows:
    """What goes into a layer on one side: a table, in bfloat16 when read; unit: with rows of length 1."""

    table: Tensor
    unit: bool = False

    def read(self, rows: slice | Tensor) -> Tensor:
        some = self.table[rows]
        return kernels.unit_rows16(some.float()) if self.unit else some

    def all(self, room: Tensor) -> Tensor:
        """The whole table, in `room` where it has to be made."""
        if not self.unit:
            return self.table
        for rows in _chunks(room):
            kernels.unit_rows16(self.table[rows].float(), out=room[rows])
        return room


@dataclass
class Kept:
    """What a layer leaves for its gradient. Pairs are (users, items); `few` is the smaller side.

    y = X_few W [few, w]; a: the mean over few's neighbours [few, w], h = leaky_relu(a W); own = leaky_relu(S X + s).
    """

    x: tuple[Rows, Rows]
    y: Tensor
    a: Tensor
    h: Tensor
    own: tuple[Tensor, Tensor]
    out: tuple[Tensor, Tensor]

    @classmethod
    def of(cls, sides: tuple[Side, Side], p: LayerWeights, x: tuple[Rows, Rows], *, last: bool) -> Kept:
        """Room for it, nothing is computed yet. `out` of the last layer is float32, of others bfloat16."""
        few, _ = _few_and_many(sides)
        y = p.W.new_empty(sides[few].edges.n_rows, len(p.W))
        a = p.W.new_empty(sides[few].n_wanted, len(p.W))
        users, items = (p.W.new_empty(side.n_wanted, len(p.c)) for side in sides)
        dtype = torch.float32 if last else torch.bfloat16
        out = (torch.empty_like(users, dtype=dtype), torch.empty_like(items, dtype=dtype))
        return cls(x, y, a, torch.empty_like(a), (users, items), out)


def _forward(sides: tuple[Side, Side], kept: Kept, p: LayerWeights, rooms: Rooms) -> None:
    few, many = _few_and_many(sides)
    shapes = [x.table.shape for x in kept.x]
    tables = {
        many: kept.x[many].all(_room(rooms, "table", *shapes[many])),
        few: kept.x[few].all(kept.h.new_empty(shapes[few])),
    }
    _products(tables[few], p.W, out=kept.y)
    sides[few].means(tables[many], out=kept.a)
    leaky_relu(_products(kept.a, p.W, out=kept.h), SLOPE, inplace=True)
    for place, side in enumerate(sides):
        for part in _parts(side.n_wanted):
            if place == few:
                h = kept.h[part]
            else:
                h = side.means(kept.y, SLOPE, _room(rooms, "part", part.stop - part.start, len(p.W)), part)
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
    few, many = _few_and_many(sides)
    total = LayerWeights(*(torch.zeros(each.shape) for each in (p.W, p.S, p.s, p.C, p.c)))
    width = len(p.W)
    d_x = tuple(torch.empty_like(x.table) if need else None for need, x in zip(needed, kept.x, strict=True))
    h = {few: kept.h, many: sides[many].means(kept.y, SLOPE, _room(rooms, "table", sides[many].n_wanted, width))}
    # and in the place of h, its gradient
    d_own = [torch.empty_like(own) for own in kept.own]
    for place, (side, d) in enumerate(zip(sides, d_out, strict=True)):
        assert d is not None
        for rows in _chunks(h[place]):
            nodes, own, one = side.nodes(rows), kept.own[place][rows], h[place][rows]
            g = _leaky_back(d[rows], kept.out[place][rows]).to(torch.bfloat16)
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
    for rows in _chunks(d_y):
        total.W.add_(kept.x[few].read(rows).T @ d_y[rows])
    for rows in _chunks(kept.a):
        total.W.add_(kept.a[rows].T @ h[few][rows])
    d_a = _products(h.pop(few), p.W.T)
    for place, (side, whole, x) in enumerate(zip(sides, d_x, kept.x, strict=True)):
        if whole is None:
            continue
        own = d_own[place] if side.chosen is None else _spread(d_own[place], side.chosen, len(whole))
        for part in _parts(len(whole)):
            out = _room(rooms, "part", part.stop - part.start, width) if x.unit else whole[part]
            one = _products(d_y[part], p.W.T, out) if place == few else sides[few].means_back(side, d_a, part, out)
            for rows in _chunks(one):
                one[rows].addmm_(own[part][rows], p.S)
            if x.unit:
                kernels.unit_rows16_back(x.table[part], one, again=again[place], out=whole[part])
    return d_x, total


def _combine(h: Tensor, x: Tensor, e: Tensor, p: LayerWeights, own: Tensor, out: Tensor) -> None:
    """leaky_relu(S X + s) into own, and what a layer makes of h and that and e into out."""
    C_h, C_x = p.C[:, : h.shape[1]].T, p.C[:, h.shape[1] :].T
    s, c = p.s.to(torch.bfloat16), p.c.to(torch.bfloat16)
    for rows in _chunks(h):
        torch.addmm(s, x[rows], p.S.T, out=own[rows])
        x_hat = leaky_relu(own[rows], SLOPE, inplace=True) + e[rows]
        if out.dtype == torch.float32:  # what is ranked by: added in float32
            combined = (h[rows] @ C_h).float().add_(x_hat @ C_x).add_(p.c)
        else:
            combined = torch.addmm(c, x_hat, C_x).addmm_(h[rows], C_h)
        out[rows] = leaky_relu(combined, SLOPE, inplace=True)


def _room(rooms: Rooms, name: str, n_rows: int, width: int) -> Tensor:
    return rooms.table(name, n_rows, width, torch.bfloat16)


def _in_16_bits(flat: tuple[Tensor, ...] | list[Tensor]) -> list[LayerWeights]:
    """W, S and C in bfloat16; s and c stay."""
    halves = [each.detach().to(torch.bfloat16 if each.dim() == 2 else torch.float32) for each in flat]
    return [LayerWeights(*halves[begin : begin + 5]) for begin in range(0, len(halves), 5)]


def _few_and_many(sides: tuple[Side, Side]) -> tuple[int, int]:
    return (1, 0) if sides[1].edges.n_rows <= sides[0].edges.n_rows else (0, 1)


def _asked_for(side: Side, out: Tensor) -> Tensor:
    return out.float() if side.where is None else out[side.where].float()


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


def _part(edges: Adjacency, rows: slice) -> Adjacency:
    starts = edges.starts[rows.start : rows.stop + 1]
    return Adjacency(starts, edges.neighbours[: int(starts[-1])])


def _products(x: Tensor, w: Tensor, out: Tensor | None = None) -> Tensor:
    """x w, some rows at a time: what torch's products do fastest."""
    if out is None:
        out = x.new_empty(len(x), w.shape[1])
    for rows in _chunks(x):
        torch.mm(x[rows], w, out=out[rows])
    return out


def _parts(n: int) -> Iterator[slice]:
    """A few slices of n rows: large enough for a kernel that goes through a table in columns."""
    step = max(1, -(-n // PARTS))
    return (slice(begin, min(n, begin + step)) for begin in range(0, n, step))


def _chunks(table: Tensor) -> Iterator[slice]:
    """Slices of its rows, each CHUNK numbers at most, or one row."""
    n, step = len(table), max(1, CHUNK // table.shape[1])
    return (slice(begin, min(n, begin + step)) for begin in range(0, n, step))
