"""The edges of a graph as kernels read them, and the check of what kernels trust."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Adjacency:
    """Rows and their neighbours. The neighbours of row r are neighbours[starts[r] : starts[r + 1]].

    starts: int32 [n_rows + 1]. neighbours: int32 [n_edges].
    positions: int32 [n_edges], the index of each edge in arrays that have one value per edge. None: the order of
    `neighbours`.
    checked_nodes: set by who has called `check_edges` with this number of nodes. None: every kernel checks the edges.
    """

    starts: Tensor
    neighbours: Tensor
    positions: Tensor | None = None
    checked_nodes: int | None = None

    @property
    def n_rows(self) -> int:
        return len(self.starts) - 1


def check_edges(edges: Adjacency, n_nodes: int) -> None:
    """Raise IndexError unless starts ascend within the edges, neighbours are in [0, n_nodes), and positions are edges.

    On a large graph this takes 1 or 2 % of the time of a product. Who makes a graph calls it once.
    """
    n_edges, starts = len(edges.neighbours), edges.starts
    if not len(starts) or int(starts[0]) < 0 or int(starts[-1]) != n_edges or bool((starts.diff() < 0).any()):
        raise IndexError(f"starts must ascend from 0 or more to the number of edges, {n_edges}")
    for name, rows, limit in (("neighbours", edges.neighbours, n_nodes), ("positions", edges.positions, n_edges)):
        if rows is None or not len(rows):
            continue
        if len(rows) != n_edges or not 0 <= int(rows.min()) <= int(rows.max()) < limit:
            raise IndexError(f"{name} must be {n_edges} numbers in [0, {limit})")
