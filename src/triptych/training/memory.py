"""How much memory this process has needed so far."""

from __future__ import annotations

import sys

import torch


def peak_megabytes(device: torch.device) -> float:
    """Peak memory so far: of the accelerator where there is one, else resident memory of the whole process; in MB."""
    if device.type == "cuda":
        return round(torch.cuda.max_memory_allocated(device) / 1e6, 1)
    if sys.platform == "win32":
        return 0.0  # the standard library cannot tell there
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6, 1)
