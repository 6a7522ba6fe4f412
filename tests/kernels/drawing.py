"""Random edges and numbers for the tests of the kernels."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from triptych.kernels import Adjacency


def random_edges(seed: int, n_rows: int = 40, n_nodes: int = 30, density: float = 0.2) -> tuple[Adjacency, Tensor]:
    """Random edges and their matrix of zeros and ones [n_rows, n_nodes]. One row and one node have no edges."""
    generator = np.random.default_rng(seed)
    matrix = generator.random((n_rows, n_nodes)) < density
    matrix[n_rows // 2] = False
    matrix[:, n_nodes // 2] = False
    rows, neighbours = np.nonzero(matrix)
    starts = np.searchsorted(rows, np.arange(n_rows + 1)).astype(np.int32)
    edges = Adjacency(torch.from_numpy(starts), torch.from_numpy(neighbours.astype(np.int32)))
    return edges, torch.from_numpy(matrix.astype(np.float32))


def backwards(edges: Adjacency, matrix: Tensor) -> Adjacency:
    """The same edges from the nodes' side, with positions in the order of the rows' side."""
    rows, nodes = matrix.numpy().nonzero()
    order = np.lexsort((rows, nodes))
    begins = np.searchsorted(nodes[order], np.arange(matrix.shape[1] + 1)).astype(np.int32)
    parts = (begins, rows[order].astype(np.int32), order.astype(np.int32))
    starts, neighbours, positions = (torch.from_numpy(part) for part in parts)
    return Adjacency(starts, neighbours, positions)


def drawn(seed: int, *shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))
