"""Room for tables that a pass over the graph writes and uses up."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


class BufferPool:
    """Tables made once, so that what comes and goes at every step does not scatter over memory.

    What is asked for again under the same name is the same memory: only what is used up before may lie in it, and only
    one thread at a time may work with it. Copies and pickles of whatever holds it have rooms of their own.
    """

    def __init__(self) -> None:
        self._held: dict[tuple[str, torch.dtype], Tensor] = {}

    def table(self, name: str, n_rows: int, width: int, dtype: torch.dtype) -> Tensor:
        """[n_rows, width] on the CPU, of any content; the largest of its name and dtype stays."""
        held = self._held.get((name, dtype))
        if held is None or len(held) < n_rows * width:
            with torch.inference_mode(False):  # a later pass may have a gradient
                held = self._held[name, dtype] = torch.empty(n_rows * width, dtype=dtype)
        return held[: n_rows * width].view(n_rows, width)

    def __getstate__(self) -> dict[str, Any]:
        return {"_held": {}}
