"""Precision of products: what "auto" means on this machine, by a measurement that is kept.

A processor may have bfloat16 instructions that are slower than those of float32, so a flag cannot decide. The products
and sums of a typical step are timed once in both precisions, in less than 200 ms. The result is kept in the user's
cache folder, so that it does not vary between runs: other precisions give other lists.
"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Literal

import torch
from platformdirs import user_cache_path

from triptych import kernels
from triptych.artefacts import json_bytes, make_folder, parse_json, write_file
from triptych.errors import SettingsError, TriptychError
from triptych.locks import try_lock

Precision = Literal["float32", "bfloat16"]

SWITCH = "TRIPTYCH_PRECISION"  # in the environment: what "auto" means, for tests and measurements
CLEARLY_FASTER = 1.15  # how many times faster bfloat16 must be
REPETITIONS, BUDGET_SECONDS = 25, 0.1  # of the measurement, after a first use of each operation
ROWS, WIDTH, SIZE = 512, 1024, 64  # a product of features: [ROWS, WIDTH] times [WIDTH, SIZE], and its gradient
NODES, NEIGHBOURS = 8192, 8  # a sum over neighbours: rows of [NODES, SIZE]


def dtype_of(name: str) -> torch.dtype:
    """Return the dtype of "float32" or "bfloat16"."""
    return torch.bfloat16 if name == "bfloat16" else torch.float32


def choose_precision(name: str, device: torch.device) -> Precision:
    """Return "float32" or "bfloat16". "auto" is bfloat16 if that is clearly faster on this processor, else float32.

    TRIPTYCH_PRECISION=float32 or bfloat16 decides what "auto" means. Raises SettingsError for another value.
    """
    if name != "auto":
        return "bfloat16" if name == "bfloat16" else "float32"
    forced = os.environ.get(SWITCH, "")
    if forced:
        if forced not in ("float32", "bfloat16"):
            raise SettingsError(f'{SWITCH} is "{forced}"', hint="set it to float32 or bfloat16, or not at all")
        return "bfloat16" if forced == "bfloat16" else "float32"
    native = device.type == "cpu" and (torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
    return "bfloat16" if native and _gain_here(_machine()) >= CLEARLY_FASTER else "float32"  # never in emulation


def measure_gain() -> float:
    """Return how many times faster bfloat16 is than float32, for the operations of a step, in one thread.

    Several threads wait for each other, and so they would measure what else the machine does.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return _gain()
    finally:
        torch.set_num_threads(threads)


def _gain() -> float:
    steps = {dtype: _step(dtype) for dtype in (torch.float32, torch.bfloat16)}
    for step in steps.values():
        step()
    seconds: dict[torch.dtype, list[float]] = {dtype: [] for dtype in steps}
    end = time.perf_counter() + BUDGET_SECONDS
    for repetition in range(REPETITIONS):
        for dtype, step in steps.items():  # in turn, so that a busy moment of the machine slows both
            began = time.perf_counter()
            step()
            seconds[dtype].append(time.perf_counter() - began)
        if repetition >= 2 and time.perf_counter() > end:
            break
    return min(seconds[torch.float32]) / min(seconds[torch.bfloat16])  # other programs can only make a step slower


@torch.no_grad()
def _step(dtype: torch.dtype) -> Callable[[], None]:
    """Return a function that does what the dtype decides about: `FeatureRows.project` and `BipartiteGraph.horner`."""
    generator = torch.Generator().manual_seed(0)
    features, weight = (torch.randn(n, WIDTH, generator=generator).to(dtype) for n in (ROWS, SIZE))
    gradient = torch.randn(ROWS, SIZE, generator=generator).to(dtype)
    table = torch.randn(NODES, SIZE, generator=generator)
    neighbours = torch.randint(NODES, (NODES * NEIGHBOURS,), generator=generator).int()
    edges = kernels.Adjacency(torch.arange(0, NODES * NEIGHBOURS + 1, NEIGHBOURS).int(), neighbours)
    weights, low = torch.ones(len(neighbours)), table.to(dtype)

    def step() -> None:
        (features @ weight.T).float()
        (gradient.T @ features).float()
        if kernels.supports(table, weights):
            kernels.product(edges, weights, low, dtype=torch.float32)

    return step


@cache
def _gain_here(machine: str) -> float:
    """Return `measure_gain` of this machine, from the user's cache folder if it is there.

    machine: all that the result depends on. A cache that cannot be read or written is as good as none.
    """
    path = user_cache_path("triptych") / "precision.json"
    with suppress(OSError, TriptychError):
        make_folder(path.parent)
    with try_lock(path.with_suffix(".lock"), wait_seconds=5.0):  # all processes use one result
        known: dict[str, float] = {}
        with suppress(OSError, ValueError, TypeError):
            read = parse_json(path.read_bytes())
            known = {key: float(value) for key, value in read.items()} if isinstance(read, dict) else {}
        if machine not in known:
            known[machine] = round(measure_gain(), 3)
            with suppress(OSError, TriptychError):
                write_file(path, json_bytes(known))
        return known[machine]


def _machine() -> str:
    shapes = f"{ROWS}x{WIDTH}x{SIZE}, {NODES}x{NEIGHBOURS}x{SIZE}"
    core = "kernels" if kernels.supports(torch.zeros(1)) else "torch"
    return f"{_processor()}; torch {torch.__version__}; {core}; {shapes}"


def _processor() -> str:
    with suppress(OSError, StopIteration):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return platform.processor() or platform.machine()
