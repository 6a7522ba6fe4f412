"""Data of MMGCN's layers with the compiled kernels: weights, the two sides of the graph, and their tables.

A table of users that is as wide as a modality takes hundreds of megabytes. It is processed some rows at a time, so that
intermediate results stay in the cache.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from triptych import kernels
from triptych.graph.sparse_rows import positions, unique_rows
from triptych.kernels import Adjacency

N_SLICES = 4  # slices of a table whose intermediate results are not needed all at once
CHUNK = 3 << 20  # bytes of a table that are processed at a time


@dataclass(frozen=True)
class LayerWeights:
    """The weights of one layer: W [w, w], applied as X W; S [d, w] and s [d]; C [d, w + d] and c [d]."""

    W: Tensor
    S: Tensor
    s: Tensor
    C: Tensor
    c: Tensor


@dataclass(frozen=True)
class NodeSide:
    """One side of the graph, users or items.

    edges: the neighbours of every node. inverse float32 [n_rows]: 1 / number of neighbours. e [n_rows, d]: its rows of
    e. chosen int64 [m]: the distinct nodes whose results are needed; None: all. where: the positions in `chosen` of the
    requested nodes. positions int32 [n_rows]: see `sparse_rows.positions`.
    """

    edges: Adjacency
    inverse: Tensor
    e: Tensor
    chosen: Tensor | None = None
    where: Tensor | None = None
    positions: Tensor | None = None

    @classmethod
    def from_edges(cls, edges: Adjacency, e: Tensor, dtype: torch.dtype) -> NodeSide:
        """Return the side with all its nodes chosen and e in `dtype`."""
        return cls(edges, 1 / edges.starts.diff().clamp_min(1).float(), e.detach().to(dtype))

    def at(self, rows: Tensor) -> NodeSide:
        """Return this side restricted to the results of some nodes, int64 [n], which may repeat."""
        chosen, where = unique_rows(rows, self.edges.n_rows)
        return NodeSide(self.edges, self.inverse, self.e, chosen, where, positions(chosen, self.edges.n_rows))

    @property
    def n_chosen(self) -> int:
        """The number of nodes whose results are needed."""
        return self.edges.n_rows if self.chosen is None else len(self.chosen)

    def nodes(self, rows: slice) -> slice | Tensor:
        """Return the nodes of a slice of the chosen ones."""
        return rows if self.chosen is None else self.chosen[rows]

    def means(self, x: Tensor, slope: float = 1.0, out: Tensor | None = None, rows: slice | None = None) -> Tensor:
        """Return leaky_relu, of a slope, of the mean of x over the neighbours of the chosen nodes.

        rows: a slice of the chosen nodes; None: all of them.
        """
        if self.chosen is not None:
            nodes = self.chosen[rows or slice(None)].int()
            return kernels.product(self.edges, None, x, rows=nodes, row_scale=self.inverse, slope=slope, out=out)
        rows = rows or slice(0, self.edges.n_rows)
        edges = _adjacency_rows(self.edges, rows)
        return kernels.product(edges, None, x, row_scale=self.inverse[rows], slope=slope, out=out)

    def means_back(self, other: NodeSide, d: Tensor, rows: slice, out: Tensor | None = None) -> Tensor:
        """Return the gradient of `means` for some rows of x, which are nodes of the other side; d [n_chosen, w]."""
        edges = _adjacency_rows(other.edges, rows)
        return kernels.product(edges, None, d, x_at=self.positions, column_scale=self.inverse, out=out)


@dataclass(frozen=True)
class LayerInput:
    """The input X of a layer on one side: a table [n_rows, w].

    unit_dtype: if given, X is the table with rows scaled to length 1, in this dtype, computed when it is read.
    """

    table: Tensor
    unit_dtype: torch.dtype | None = None

    def read(self, rows: slice | Tensor) -> Tensor:
        """Return some rows of X."""
        table_rows = self.table[rows]
        return kernels.unit_rows(table_rows.float(), dtype=self.unit_dtype) if self.unit_dtype else table_rows

    def read_all(self, buffer: Tensor) -> Tensor:
        """Return the whole X, in `buffer` if it has to be computed."""
        if not self.unit_dtype:
            return self.table
        for rows in chunks(buffer):
            kernels.unit_rows(self.table[rows].float(), out=buffer[rows])
        return buffer


@dataclass
class SavedForBackward:
    """The tensors that a layer keeps for its gradient. Pairs are (users, items).

    For the smaller side, with n nodes: y = X W [n, w], a [n, w] the mean over its neighbours, h = leaky_relu(a W).
    For both: the input x, self_loop = leaky_relu(S X + s), and the output out.
    """

    x: tuple[LayerInput, LayerInput]
    y: Tensor
    a: Tensor
    h: Tensor
    self_loop: tuple[Tensor, Tensor]
    out: tuple[Tensor, Tensor]

    @classmethod
    def allocate(
        cls, sides: tuple[NodeSide, NodeSide], p: LayerWeights, x: tuple[LayerInput, LayerInput], *, last: bool
    ) -> SavedForBackward:
        """Return uninitialised tensors; nothing is computed yet. `out` of the last layer is float32."""
        smaller, _ = smaller_and_larger(sides)
        y = p.W.new_empty(sides[smaller].edges.n_rows, len(p.W))
        a = p.W.new_empty(sides[smaller].n_chosen, len(p.W))
        users, items = (p.W.new_empty(side.n_chosen, len(p.c)) for side in sides)
        dtype = torch.float32 if last else p.W.dtype
        out = (torch.empty_like(users, dtype=dtype), torch.empty_like(items, dtype=dtype))
        return cls(x, y, a, torch.empty_like(a), (users, items), out)


def smaller_and_larger(sides: tuple[NodeSide, NodeSide]) -> tuple[int, int]:
    """Return the indices, 0 for users and 1 for items, of the smaller side and of the larger."""
    return (1, 0) if sides[1].edges.n_rows <= sides[0].edges.n_rows else (0, 1)


def _adjacency_rows(edges: Adjacency, rows: slice) -> Adjacency:
    """Return some rows of an adjacency, without a copy."""
    starts = edges.starts[rows.start : rows.stop + 1]
    return Adjacency(starts, edges.neighbours[: int(starts[-1])], checked_nodes=edges.checked_nodes)


def row_slices(n: int) -> Iterator[slice]:
    """Yield N_SLICES slices of n rows at most: large enough for a kernel that processes a table by columns."""
    step = max(1, -(-n // N_SLICES))
    return (slice(begin, min(n, begin + step)) for begin in range(0, n, step))


def chunks(table: Tensor) -> Iterator[slice]:
    """Yield slices of a table's rows; each has at most CHUNK bytes, or one row."""
    n, step = len(table), max(1, CHUNK // (table.shape[1] * table.element_size()))
    return (slice(begin, min(n, begin + step)) for begin in range(0, n, step))
