"""What MMGCN's layers go through with the compiled kernels: weights, the two sides of the graph, and their tables.

A table of users as wide as a modality is hundreds of megabytes. It is gone through some rows at a time, so that what is
made of those rows stays in the cache.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from triptych import kernels
from triptych.graph.sparse_rows import positions, unique_rows
from triptych.kernels import Adjacency

N_SLICES = 4  # of the rows, where what is made of them is not wanted whole
CHUNK = 3 << 20  # bytes of a table gone through at a time


@dataclass(frozen=True)
class LayerWeights:
    """W [w, w] applied as X W; S [d, w] and s [d]; C [d, w + d] and c [d]."""

    W: Tensor
    S: Tensor
    s: Tensor
    C: Tensor
    c: Tensor


@dataclass(frozen=True)
class NodeSide:
    """The users or the items: their neighbours, 1 / how many, their rows of e, and whose rows are wanted.

    chosen int64 [m], None: all; where: those asked for -> [0, m); places: `places` of the chosen.
    """

    edges: Adjacency
    inverse: Tensor
    e: Tensor
    chosen: Tensor | None = None
    where: Tensor | None = None
    positions: Tensor | None = None

    @classmethod
    def from_edges(cls, edges: Adjacency, e: Tensor, dtype: torch.dtype) -> NodeSide:
        return cls(edges, 1 / edges.starts.diff().clamp_min(1).float(), e.detach().to(dtype))

    def at(self, rows: Tensor) -> NodeSide:
        """This side, with some rows wanted."""
        chosen, where = unique_rows(rows, self.edges.n_rows)
        return NodeSide(self.edges, self.inverse, self.e, chosen, where, positions(chosen, self.edges.n_rows))

    @property
    def n_wanted(self) -> int:
        return self.edges.n_rows if self.chosen is None else len(self.chosen)

    def nodes(self, rows: slice) -> slice | Tensor:
        """The nodes of a slice of the wanted rows."""
        return rows if self.chosen is None else self.chosen[rows]

    def means(self, x: Tensor, slope: float = 1.0, out: Tensor | None = None, rows: slice | None = None) -> Tensor:
        """The mean of x over the neighbours of the wanted rows, or of a part of them, and leaky_relu of that slope."""
        if self.chosen is not None:
            wanted = self.chosen[rows or slice(None)].int()
            return kernels.product(self.edges, None, x, rows=wanted, row_scale=self.inverse, slope=slope, out=out)
        rows = rows or slice(0, self.edges.n_rows)
        edges = _rows_of_adjacency(self.edges, rows)
        return kernels.product(edges, None, x, row_scale=self.inverse[rows], slope=slope, out=out)

    def means_back(self, other: NodeSide, d: Tensor, rows: slice, out: Tensor | None = None) -> Tensor:
        """The gradient of `means` for a part of x, whose rows are the nodes of the other side; d [n_wanted, w]."""
        part_of = _rows_of_adjacency(other.edges, rows)
        return kernels.product(part_of, None, d, x_at=self.positions, column_scale=self.inverse, out=out)


@dataclass(frozen=True)
class Rows:
    """What goes into a layer on one side: a table; unit: with rows of length 1, in this dtype when read."""

    table: Tensor
    unit: torch.dtype | None = None

    def read(self, rows: slice | Tensor) -> Tensor:
        some = self.table[rows]
        return kernels.unit_rows(some.float(), dtype=self.unit) if self.unit else some

    def all(self, buffer: Tensor) -> Tensor:
        """The whole table, in `room` where it has to be made."""
        if not self.unit:
            return self.table
        for rows in chunks(buffer):
            kernels.unit_rows(self.table[rows].float(), out=buffer[rows])
        return buffer


@dataclass
class SavedForBackward:
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
    def allocate(
        cls, sides: tuple[NodeSide, NodeSide], p: LayerWeights, x: tuple[Rows, Rows], *, last: bool
    ) -> SavedForBackward:
        """Room for it, nothing is computed yet. `out` of the last layer is float32."""
        smaller, _ = smaller_and_larger(sides)
        y = p.W.new_empty(sides[smaller].edges.n_rows, len(p.W))
        a = p.W.new_empty(sides[smaller].n_wanted, len(p.W))
        users, items = (p.W.new_empty(side.n_wanted, len(p.c)) for side in sides)
        dtype = torch.float32 if last else p.W.dtype
        out = (torch.empty_like(users, dtype=dtype), torch.empty_like(items, dtype=dtype))
        return cls(x, y, a, torch.empty_like(a), (users, items), out)


def smaller_and_larger(sides: tuple[NodeSide, NodeSide]) -> tuple[int, int]:
    """The places of the smaller side and of the larger."""
    return (1, 0) if sides[1].edges.n_rows <= sides[0].edges.n_rows else (0, 1)


def _rows_of_adjacency(edges: Adjacency, rows: slice) -> Adjacency:
    starts = edges.starts[rows.start : rows.stop + 1]
    return Adjacency(starts, edges.neighbours[: int(starts[-1])])


def row_slices(n: int) -> Iterator[slice]:
    """A few slices of n rows: large enough for a kernel that goes through a table in columns."""
    step = max(1, -(-n // N_SLICES))
    return (slice(begin, min(n, begin + step)) for begin in range(0, n, step))


def chunks(table: Tensor) -> Iterator[slice]:
    """Slices of its rows, each CHUNK bytes at most, or one row."""
    n, step = len(table), max(1, CHUNK // (table.shape[1] * table.element_size()))
    return (slice(begin, min(n, begin + step)) for begin in range(0, n, step))
