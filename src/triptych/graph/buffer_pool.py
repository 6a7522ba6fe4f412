"""Buffers for the temporary tables of a pass over the graph."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


class BufferPool:
    """Temporary tables that are allocated once and reused, so that steps do not fragment memory.

    The same name gives the same memory. So a table may be requested only when the last use of its name is over, and
    only one thread may use the pool at a time. A copy or pickle of the pool starts empty.
    """

    def __init__(self) -> None:
        self._buffers: dict[tuple[str, torch.dtype], Tensor] = {}

    def table(self, name: str, n_rows: int, width: int, dtype: torch.dtype) -> Tensor:
        """Return an uninitialised table [n_rows, width] on the CPU; the largest one per name and dtype is kept."""
        buffer = self._buffers.get((name, dtype))
        if buffer is None or len(buffer) < n_rows * width:
            with torch.inference_mode(False):  # a later pass may need a gradient
                buffer = self._buffers[name, dtype] = torch.empty(n_rows * width, dtype=dtype)
        return buffer[: n_rows * width].view(n_rows, width)

    def __getstate__(self) -> dict[str, Any]:
        return {"_buffers": {}}
