"""Tables with few nonzero rows, such as the gradient of a batch, and reading rows by index."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class SparseRows:
    """A table [n, d] of which only some rows are stored; the others are zeros.

    rows [m, d]: the stored rows. at int32 [n]: the position of every row in `rows`, -1 if it is not stored; None: all
    rows are stored, in order.
    """

    rows: Tensor
    at: Tensor | None = None

    @classmethod
    def from_values(cls, values: Tensor, chosen: Tensor, where: Tensor, n: int) -> SparseRows:
        """Sum `values` [k, d] into the rows `chosen` int64 [m] of n; where int64 [k]: their positions in `chosen`."""
        rows = values.new_zeros(len(chosen), values.shape[1]).index_add_(0, where, values)
        return cls(rows, positions(chosen, n))


def positions(chosen: Tensor, n: int) -> Tensor:
    """int32 [n]: the position of each of n rows in `chosen` int64 [m], -1 if it is not there."""
    at = torch.full((n,), -1, dtype=torch.int32)
    at[chosen] = torch.arange(len(chosen), dtype=torch.int32)
    return at


def unique_rows(at: Tensor, n: int) -> tuple[Tensor, Tensor]:
    """Return the distinct rows of `at` int64 [k], ascending, and the position of each of `at` in them, int64 [k].

    Raises IndexError if a row is outside [0, n).
    """
    chosen, where = torch.unique(at, return_inverse=True)
    if len(chosen) and not 0 <= int(chosen[0]) <= int(chosen[-1]) < n:
        raise IndexError(f"rows must be in [0, {n}), got [{int(chosen[0])}, {int(chosen[-1])}]")
    return chosen, where


def gather_rows(table: Tensor, at: Tensor) -> Tensor:
    """Return table[at] [n, d] for rows int64 [n]. Its gradient has the same bytes in every run and on any threads.

    If a row occurs twice in `at`, torch may add its gradients in any order: with `table[at]` on a CPU, and with
    `index_select` on a GPU. So each device uses the other form.
    """
    return table.index_select(0, at) if table.device.type == "cpu" else table[at]
