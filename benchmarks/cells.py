"""The cells of a benchmark. Each is a process whose last line of output is its result as JSON."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.cases import CASES, Case
from benchmarks.machine import available_cores
from benchmarks.results import Results
from benchmarks.scaling import SECONDS, STEPS, points

GROUPS = ("machine", "steps", "ranking", "profile", "scaling", "end-to-end")
PROFILED = ("lightgcn", "bm3", "grcn", "mmgcn", "freedom", "vbpr", "bpr")


@dataclass(frozen=True)
class Options:
    """What to measure, and on how much data."""

    share: float = 1.0
    threads: int = 2
    batch_size: int = 2048
    seconds: float = 60.0
    n_steps: int = 40
    precisions: tuple[str, ...] = ()
    groups: tuple[str, ...] = ("machine", "steps", "ranking")
    models: tuple[str, ...] = ()
    folder: Path = Path("build/benchmarks")
    full: bool = False
    end_to_end_settings: tuple[str, ...] = ()

    def about(self) -> dict[str, Any]:
        """The options that all cells of one table must share."""
        return {"share": self.share, "threads": self.threads, "batch_size": self.batch_size}


@dataclass(frozen=True)
class Cell:
    """A name in the results, and the arguments of `python -m`. needs_machine: pass the measured limits on as well."""

    name: str
    arguments: tuple[str, ...]
    threads: int
    needs_machine: bool = False


def plan(options: Options) -> Iterator[Cell]:
    """Yield all cells in the order of measurement. Both sides of a ratio follow each other."""
    planners = {
        "machine": _machine_cells,
        "steps": _step_cells,
        "ranking": _ranking_cells,
        "profile": _profile_cells,
        "scaling": _scaling_cells,
        "end-to-end": _end_to_end_cells,
    }
    for group in GROUPS:
        if group in options.groups:
            yield from planners[group](options)


def measure(cell: Cell, results: Results, log: Path) -> dict[str, Any]:
    """Run the process of a cell, with its stderr in `log`. Returns its result, or why it failed."""
    arguments = list(cell.arguments)
    machine = results.cell("machine")
    if cell.needs_machine and machine is not None:
        arguments += ["--machine", json.dumps({key: value for key, value in machine.items() if key != "measured"})]
    environment = {**os.environ, "OMP_NUM_THREADS": str(cell.threads), "MKL_NUM_THREADS": str(cell.threads)}
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w", encoding="utf-8") as stderr:
        process = subprocess.run(
            [sys.executable, "-m", *arguments], env=environment, stdout=subprocess.PIPE, stderr=stderr, text=True
        )
    lines = process.stdout.splitlines()
    if process.returncode != 0 or not lines:
        errors = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        error = errors[-1] if errors else f"exit code {process.returncode} without output"
        return {"failed": error, "command": " ".join(["python -m", *cell.arguments])}
    outcome: Mapping[str, Any] = json.loads(lines[-1])
    return dict(outcome)


def _machine_cells(options: Options) -> Iterator[Cell]:
    yield Cell("machine", ("benchmarks.machine", "--threads", str(options.threads)), options.threads)


def _step_cells(options: Options) -> Iterator[Cell]:
    for case in CASES:
        if not _is_selected(case.model, options):
            continue
        for side in ("textbook", "triptych"):
            arguments = ("benchmarks.steps", case.model, side, *_step_options(options), *_settings(case, side))
            yield Cell(f"steps/{case.name}/{side}", arguments, options.threads)
        for precision in options.precisions:  # `arguments` are those of Triptych here
            name = f"steps/{case.name}/triptych in {precision}"
            yield Cell(name, (*arguments, "--precision", precision), options.threads)


def _ranking_cells(options: Options) -> Iterator[Cell]:
    for kind in ("normal", "skewed"):
        for side in ("faiss", "triptych"):
            arguments = ("benchmarks.ranking", side, kind, *_data(options), "--threads", str(options.threads))
            yield Cell(f"ranking/{kind}/{side}", arguments, options.threads)


def _profile_cells(options: Options) -> Iterator[Cell]:
    for model in PROFILED:
        if _is_selected(model, options):
            arguments = ("benchmarks.profile", model, *_step_options(options))
            yield Cell(f"profile/{model}", arguments, options.threads, needs_machine=True)


def _scaling_cells(options: Options) -> Iterator[Cell]:
    limits = _limits(min(STEPS, options.n_steps), min(SECONDS, options.seconds))
    for point in points(options.share, options.batch_size, options.threads, available_cores()):
        if _is_selected(point.model, options):
            arguments = ("benchmarks.steps", point.model, "triptych", *_data(options), *limits, *point.options)
            threads = point.value if point.changed == "threads" else options.threads
            yield Cell(f"scaling/{point.name}", arguments, threads)


def _end_to_end_cells(options: Options) -> Iterator[Cell]:
    settings = [word for setting in options.end_to_end_settings for word in ("--set", setting)]
    data = ("--folder", str(options.folder / "end-to-end"), "--share", str(options.share))
    arguments = ("benchmarks.end_to_end", *data, *(["--full"] if options.full else []), *settings)
    yield Cell("end-to-end/full" if options.full else "end-to-end/one epoch", arguments, options.threads)


def _is_selected(model: str, options: Options) -> bool:
    return not options.models or model in options.models


def _data(options: Options) -> tuple[str, ...]:
    return "--share", str(options.share), "--folder", str(options.folder)


def _limits(n_steps: int, seconds: float) -> tuple[str, ...]:
    return "--steps", str(n_steps), "--seconds", str(seconds)


def _step_options(options: Options) -> tuple[str, ...]:
    threads = ("--threads", str(options.threads), "--batch-size", str(options.batch_size))
    return *_data(options), *threads, *_limits(options.n_steps, options.seconds)


def _settings(case: Case, side: str) -> list[str]:
    return [word for name, value in case.settings(side).items() for word in ("--set", f"{name}={value}")]
