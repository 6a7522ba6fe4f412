"""Peak anonymous memory of a process, sampled while it works.

Resident memory includes pages of mapped feature files, which the system may drop at any time. Anonymous memory is the
part that the process cannot do without.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

STATUS = Path("/proc/self/status")
INTERVAL = 0.02  # seconds between samples


@dataclass
class Peak:
    """Megabytes of anonymous memory; 0 if unknown."""

    megabytes: float = 0.0


def anonymous_megabytes() -> float:
    """Anonymous resident memory of this process now, in MB; 0 if unknown."""
    try:
        for line in STATUS.read_text(encoding="ascii").splitlines():
            if line.startswith("RssAnon:"):
                return round(int(line.split()[1]) * 1024 / 1e6, 1)
    except OSError:
        pass
    return 0.0


@contextmanager
def peak_anonymous_memory() -> Iterator[Peak]:
    """Yield an object that holds the largest sample when the block ends."""
    peak, finished = Peak(), threading.Event()

    def sample() -> None:
        while not finished.wait(INTERVAL):
            peak.megabytes = max(peak.megabytes, anonymous_megabytes())

    watcher = threading.Thread(target=sample, daemon=True)
    watcher.start()
    try:
        yield peak
    finally:
        finished.set()
        watcher.join()
        peak.megabytes = max(peak.megabytes, anonymous_megabytes())
