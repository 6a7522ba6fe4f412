"""How much anonymous memory a process needs at most, looked up while it works.

Resident memory counts pages of mapped feature files, which the system may drop at any time; anonymous memory is what
the process must have.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

STATUS = Path("/proc/self/status")
EVERY = 0.02  # seconds between looks


@dataclass
class Peak:
    """Megabytes of anonymous memory; 0 where the system does not tell."""

    megabytes: float = 0.0


def anonymous_megabytes() -> float:
    """Anonymous resident memory of this process now, in MB; 0 where the system does not tell."""
    try:
        for line in STATUS.read_text(encoding="ascii").splitlines():
            if line.startswith("RssAnon:"):
                return round(int(line.split()[1]) * 1024 / 1e6, 1)
    except OSError:
        pass
    return 0.0


@contextmanager
def watching_anonymous() -> Iterator[Peak]:
    """Yield what becomes the largest value seen until the block ends."""
    peak, finished = Peak(), threading.Event()

    def look() -> None:
        while not finished.wait(EVERY):
            peak.megabytes = max(peak.megabytes, anonymous_megabytes())

    watcher = threading.Thread(target=look, daemon=True)
    watcher.start()
    try:
        yield peak
    finally:
        finished.set()
        watcher.join()
        peak.megabytes = max(peak.megabytes, anonymous_megabytes())
