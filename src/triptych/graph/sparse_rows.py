"""A table of which only some rows are there: the gradient of a batch."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class SparseRows:
    """rows [m, d], and at int32 [n]: where a node's row is, -1 if it has none (zeros). at None: all rows are there."""

    rows: Tensor
    at: Tensor | None = None

    @classmethod
    def from_values(cls, values: Tensor, chosen: Tensor, where: Tensor, n: int) -> SparseRows:
        """Sum `values` [k, d] into the m chosen rows int64 [m] of n, by where int64 [k] -> [0, m)."""
        rows = values.new_zeros(len(chosen), values.shape[1]).index_add_(0, where, values)
        return cls(rows, positions(chosen, n))


def positions(chosen: Tensor, n: int) -> Tensor:
    """int32 [n]: where each of n rows stands among the chosen ones int64 [m], -1 if it does not."""
    at = torch.full((n,), -1, dtype=torch.int32)
    at[chosen] = torch.arange(len(chosen), dtype=torch.int32)
    return at


def unique_rows(at: Tensor, n: int) -> tuple[Tensor, Tensor]:
    """Distinct rows of `at` int64 [k], ascending, and where each stands in them. Raises IndexError out of [0, n)."""
    chosen, where = torch.unique(at, return_inverse=True)
    if len(chosen) and not 0 <= int(chosen[0]) <= int(chosen[-1]) < n:
        raise IndexError(f"rows must be in [0, {n}), got [{int(chosen[0])}, {int(chosen[-1])}]")
    return chosen, where


def gather_rows(table: Tensor, at: Tensor) -> Tensor:
    """table[at], [n, d], for rows int64 [n]; the bytes of its gradient are the same in every run, on any threads.

    Where a row is asked for twice, torch adds its gradients in no fixed order: for `table[at]` on a CPU, for
    `index_select` on a GPU.
    """
    return table.index_select(0, at) if table.device.type == "cpu" else table[at]
