"""What a bench consists of: cells, each a process of its own whose last line is its result as JSON."""

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
from benchmarks.machine import cores
from benchmarks.results import Results
from benchmarks.scaling import SECONDS, STEPS, points

GROUPS = ("machine", "steps", "ranking", "profile", "scaling", "contest")
PROFILED = ("lightgcn", "bm3", "grcn", "mmgcn", "freedom", "vbpr", "bpr")


@dataclass(frozen=True)
class Options:
    """What to measure, and on what."""

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
    contest_settings: tuple[str, ...] = ()

    def about(self) -> dict[str, Any]:
        """What cells must have in common to stand in one table."""
        return {"share": self.share, "threads": self.threads, "batch_size": self.batch_size}


@dataclass(frozen=True)
class Cell:
    """A name in the results, and the words after `python -m`."""

    name: str
    words: tuple[str, ...]
    threads: int
    with_machine: bool = False


def plan(options: Options) -> Iterator[Cell]:
    """All cells, in the order they are measured; both sides of a ratio follow each other."""
    threads = options.threads
    shared = ("--share", str(options.share), "--folder", str(options.folder))
    usual = (*shared, "--threads", str(threads), "--batch-size", str(options.batch_size))
    bounds = ("--steps", str(options.n_steps), "--seconds", str(options.seconds))
    if "machine" in options.groups:
        yield Cell("machine", ("benchmarks.machine", "--threads", str(threads)), threads)
    if "steps" in options.groups:
        for case in CASES:
            if options.models and case.model not in options.models:
                continue
            for side in ("textbook", "ours"):
                words = ("benchmarks.steps", case.model, side, *usual, *bounds, *_settings(case, side))
                yield Cell(f"steps/{case.name}/{side}", words, threads)
            for precision in options.precisions:  # `words` are of our side here
                yield Cell(f"steps/{case.name}/ours in {precision}", (*words, "--precision", precision), threads)
    if "ranking" in options.groups:
        for kind in ("normal", "skewed"):
            for side in ("faiss", "ours"):
                words = ("benchmarks.ranking", side, kind, *shared, "--threads", str(threads))
                yield Cell(f"ranking/{kind}/{side}", words, threads)
    if "profile" in options.groups:
        for model in PROFILED:
            if not options.models or model in options.models:
                words = ("benchmarks.profile", model, *usual, *bounds)
                yield Cell(f"profile/{model}", words, threads, with_machine=True)
    if "scaling" in options.groups:
        for point in points(options.share, options.batch_size, threads, cores()):
            if not options.models or point.model in options.models:
                few = ("--steps", str(min(STEPS, options.n_steps)), "--seconds", str(min(SECONDS, options.seconds)))
                words = ("benchmarks.steps", point.model, "ours", *shared, *few, *point.options)
                used = point.value if point.changed == "threads" else threads
                yield Cell(f"scaling/{point.name}", words, used)
    if "contest" in options.groups:
        settings = [word for setting in options.contest_settings for word in ("--set", setting)]
        position = ("--folder", str(options.folder / "contest"), "--share", str(options.share))
        words = ("benchmarks.contest", *position, *(["--full"] if options.full else []), *settings)
        yield Cell("contest/full" if options.full else "contest/one epoch", words, threads)


def measure(cell: Cell, results: Results, log: Path) -> dict[str, Any]:
    """Run a cell's process, its stderr going to `log`; what it printed, or why it failed."""
    words = list(cell.words)
    machine = results.cell("machine")
    if cell.with_machine and machine is not None:
        words += ["--machine", json.dumps({key: value for key, value in machine.items() if key != "measured"})]
    environment = {**os.environ, "OMP_NUM_THREADS": str(cell.threads), "MKL_NUM_THREADS": str(cell.threads)}
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w", encoding="utf-8") as told:
        process = subprocess.run(
            [sys.executable, "-m", *words], env=environment, stdout=subprocess.PIPE, stderr=told, text=True
        )
    lines = process.stdout.splitlines()
    if process.returncode != 0 or not lines:
        said = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        why = said[-1:] or [f"ended with {process.returncode}, said nothing"]
        return {"failed": why[0], "command": " ".join(["python -m", *cell.words])}
    outcome: Mapping[str, Any] = json.loads(lines[-1])
    return dict(outcome)


def _settings(case: Case, side: str) -> list[str]:
    return [word for name, value in case.values(side).items() for word in ("--set", f"{name}={value}")]
