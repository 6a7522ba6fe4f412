"""What this machine can do at most, measured: bytes copied and products computed per second.

    python -m benchmarks.machine [--threads 2]

A copy counts what is read and what is written. Products are of square matrices. Best of several: a limit, not a typical
value.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

COPIED = 512 << 20  # bytes a copy reads
WIDTH = 3072  # of the square matrices
BFLOAT16_FLAGS = {"avx512_bf16", "amx_bf16", "bf16", "avxneconvert"}


@dataclass(frozen=True)
class Machine:
    """Limits in 1e9 per second: bytes moved, floating-point operations."""

    processor: str
    cores: int
    threads: int
    copy_gigabytes: float
    float32_gigaflops: float
    bfloat16_gigaflops: float
    bfloat16_flags: tuple[str, ...]
    memory_gigabytes: float
    torch: str

    @property
    def native_bfloat16(self) -> bool:
        """Whether bfloat16 products pay: the processor has them and they measured faster than float32."""
        return bool(self.bfloat16_flags) and self.bfloat16_gigaflops > 1.5 * self.float32_gigaflops


def measure(threads: int) -> Machine:
    """Measure with this many threads; takes some seconds."""
    import torch

    torch.set_num_threads(threads)
    source = torch.ones(COPIED // 4)
    target = torch.zeros_like(source)
    copy = best(lambda: target.copy_(source), 9)
    a, b = torch.randn(WIDTH, WIDTH), torch.randn(WIDTH, WIDTH)
    c = torch.empty_like(a)
    narrow_a, narrow_b, narrow_c = a.bfloat16(), b.bfloat16(), c.bfloat16()
    operations = 2.0 * WIDTH**3
    float32 = best(lambda: torch.mm(a, b, out=c), 5)
    bfloat16 = best(lambda: torch.mm(narrow_a, narrow_b, out=narrow_c), 5)
    name, flags = processor()
    return Machine(
        processor=name,
        cores=cores(),
        threads=threads,
        copy_gigabytes=round(2 * COPIED / copy / 1e9, 1),
        float32_gigaflops=round(operations / float32 / 1e9, 1),
        bfloat16_gigaflops=round(operations / bfloat16 / 1e9, 1),
        bfloat16_flags=tuple(sorted(flags & BFLOAT16_FLAGS)),
        memory_gigabytes=round(memory_bytes() / 1e9, 1),
        torch=torch.__version__,
    )


def best(work: Callable[[], object], repeats: int) -> float:
    """The shortest of several times, in seconds; one more goes ahead uncounted."""
    work()
    seconds = []
    for _ in range(repeats):
        began = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - began)
    return min(seconds)


def processor() -> tuple[str, set[str]]:
    """Its name and what it says it can do; from /proc where that is."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return platform.processor() or platform.machine(), set()
    said = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    name = said.get("model name") or platform.processor() or platform.machine()
    return name, set((said.get("flags") or said.get("Features") or "").split())


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def memory_bytes() -> float:
    """Of the whole machine; 0 where nobody tells."""
    try:
        return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (AttributeError, ValueError, OSError):
        return 0.0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="The machine's limits, measured.")
    parser.add_argument("--threads", type=int, default=2)
    print(json.dumps(asdict(measure(parser.parse_args().threads))))
