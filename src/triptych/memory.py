"""Memory: the peak of this process, and the free memory of the machine."""

from __future__ import annotations

import sys
from pathlib import Path

import psutil

CGROUP = Path("/sys/fs/cgroup")


def peak_resident_megabytes() -> float:
    """Return the peak resident memory of this process so far, in MB; 0 if the system does not report it.

    On Linux it is read from /proc: getrusage also counts the memory of the process that started this one, and psutil
    does not report a peak on Linux.
    """
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        return round(next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) * 1024 / 1e6, 1)
    except (OSError, StopIteration):
        pass
    if sys.platform == "win32":
        return 0.0
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6, 1)


def free_bytes() -> int:
    """Return the memory that can be allocated now without swapping; the limit of a container is respected."""
    free = [int(psutil.virtual_memory().available)]
    try:
        limit = (CGROUP / "memory.max").read_text().strip()
        if limit != "max":
            free.append(int(limit) - int((CGROUP / "memory.current").read_text()))
    except (OSError, ValueError):  # not in a container, or no cgroup interface
        pass
    return min(free)
