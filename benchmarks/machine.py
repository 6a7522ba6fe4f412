"""Measured limits of this machine: bytes copied and matrix products computed per second.

    python -m benchmarks.machine [--threads 2]

A copy counts the bytes read and the bytes written. Products are of square matrices. The best of several measurements
counts, because it is a limit, not a typical value.
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

COPIED_BYTES = 512 << 20  # bytes that a copy reads
WIDTH = 3072  # of the square matrices
BFLOAT16_FLAGS = {"avx512_bf16", "amx_bf16", "bf16", "avxneconvert"}


@dataclass(frozen=True)
class Machine:
    """The machine and its limits, in 1e9 bytes or floating-point operations per second."""

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
        """Whether bfloat16 products pay: the processor has them, and they were measured to be faster than float32."""
        return bool(self.bfloat16_flags) and self.bfloat16_gigaflops > 1.5 * self.float32_gigaflops


def measure(threads: int) -> Machine:
    """Measure with this number of threads. It takes some seconds."""
    import torch

    torch.set_num_threads(threads)
    source = torch.ones(COPIED_BYTES // 4)
    target = torch.zeros_like(source)
    copy = shortest_time(lambda: target.copy_(source), 9)
    a, b = torch.randn(WIDTH, WIDTH), torch.randn(WIDTH, WIDTH)
    c = torch.empty_like(a)
    narrow_a, narrow_b, narrow_c = a.bfloat16(), b.bfloat16(), c.bfloat16()
    operations = 2.0 * WIDTH**3
    float32 = shortest_time(lambda: torch.mm(a, b, out=c), 5)
    bfloat16 = shortest_time(lambda: torch.mm(narrow_a, narrow_b, out=narrow_c), 5)
    name, flags = processor_info()
    return Machine(
        processor=name,
        cores=available_cores(),
        threads=threads,
        copy_gigabytes=round(2 * COPIED_BYTES / copy / 1e9, 1),
        float32_gigaflops=round(operations / float32 / 1e9, 1),
        bfloat16_gigaflops=round(operations / bfloat16 / 1e9, 1),
        bfloat16_flags=tuple(sorted(flags & BFLOAT16_FLAGS)),
        memory_gigabytes=round(memory_bytes() / 1e9, 1),
        torch=torch.__version__,
    )


def shortest_time(work: Callable[[], object], repeats: int) -> float:
    """The shortest of several times, in seconds, after one warm-up."""
    work()
    seconds = []
    for _ in range(repeats):
        began = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - began)
    return min(seconds)


def processor_info() -> tuple[str, set[str]]:
    """The name and the feature flags of the processor, from /proc/cpuinfo. No flags if it does not exist."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return platform.processor() or platform.machine(), set()
    fields = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    name = fields.get("model name") or platform.processor() or platform.machine()
    return name, set((fields.get("flags") or fields.get("Features") or "").split())


def available_cores() -> int:
    """The number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def memory_bytes() -> float:
    """The memory of the machine; 0 if unknown."""
    try:
        return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (AttributeError, ValueError, OSError):
        return 0.0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Measure the limits of the machine.")
    parser.add_argument("--threads", type=int, default=2)
    print(json.dumps(asdict(measure(parser.parse_args().threads))))
