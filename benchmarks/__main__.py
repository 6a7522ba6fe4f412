"""Measure everything, cell by cell: `python -m benchmarks`, or `make bench`.

Every cell is a process of its own, one after the other; results are written after each, so a bench that was interrupted
goes on with `--resume`. At full scale it needs about 15 GB of memory (the textbook versions do), 1.2 GB of disk, and
processors that do nothing else.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table as RichTable

from benchmarks.cells import GROUPS, Options, measure, plan
from benchmarks.machine import cores
from benchmarks.report import tables
from benchmarks.results import DEFAULT, Results, read_results

QUICK = 0.02


def options_of(arguments: argparse.Namespace) -> Options:
    """The options that were given; `--quick` is a small share and a few seconds a cell."""
    quick = arguments.quick
    groups = arguments.only or [
        group
        for group in GROUPS
        if group in Options().groups or getattr(arguments, group, False) or (group == "contest" and arguments.full)
    ]
    return Options(
        share=arguments.share if arguments.share is not None else QUICK if quick else 1.0,
        threads=arguments.threads,
        batch_size=arguments.batch_size,
        seconds=2.0 if quick else arguments.seconds,
        n_steps=5 if quick else 40,
        precisions=tuple(arguments.precision),
        groups=tuple(groups),
        models=tuple(arguments.models.split(",")) if arguments.models else (),
        folder=arguments.folder / ("quick" if quick else ""),
        full=arguments.full,
        contest_settings=tuple(arguments.contest_set),
    )


def measure_all(options: Options, path: Path, results: Results, console: Console) -> None:
    """Measure what the results lack, telling each cell; a cell that failed is told and tried again next time."""
    prepare = ["benchmarks.inputs", str(options.folder), "--share", str(options.share)]
    subprocess.run([sys.executable, "-m", *prepare], check=True)
    cells = list(plan(options))
    for position, cell in enumerate(cells, start=1):
        told = f"[{position}/{len(cells)}] {cell.name}"
        if results.cell(cell.name) is not None:
            console.print(f"{told}: measured {results.cells[cell.name]['measured']}", highlight=False)
            continue
        began, log = time.perf_counter(), options.folder / "logs" / f"{cell.name.replace('/', '-')}.log"
        with console.status(f"{told} … (what it says: {log})"):
            outcome = measure(cell, results, log)
        results.record(cell.name, outcome, path)
        why = next((f" {key}: {outcome[key]}" for key in ("failed", "skipped") if key in outcome), "")
        console.print(f"{told}: {time.perf_counter() - began:.1f} s{why}", highlight=False, markup=False)


def show(results: Results, console: Console) -> None:
    """Print all tables."""
    for table in tables(results).values():
        shown = RichTable(title=table.title, title_justify="left")
        for position, head in enumerate(table.heads):
            shown.add_column(head, justify="left" if position == 0 else "right")
        for row in table.rows:
            shown.add_row(*row)
        console.print(shown)


def main() -> None:
    """Plan, measure, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Speed and memory, measured.")
    parser.add_argument("--quick", action="store_true", help="a small share of the world, some minutes in all")
    parser.add_argument("--share", type=float, default=None, help="of users, items and interactions (1.0)")
    parser.add_argument("--threads", type=int, default=cores())
    parser.add_argument("--batch-size", type=int, default=2048)
    parser.add_argument("--seconds", type=float, default=60.0, help="that the steps of one side may take")
    parser.add_argument(
        "--precision", action="append", default=[], help="ours in this precision as well as its default"
    )
    parser.add_argument("--models", default="", help="only these, separated by commas")
    parser.add_argument("--only", action="append", choices=GROUPS, help="only this group of cells; may be repeated")
    parser.add_argument("--profile", action="store_true", help="also where steps spend their time")
    parser.add_argument("--scaling", action="store_true", help="also curves over sizes, batch size and threads")
    parser.add_argument("--contest", action="store_true", help="also the main job end to end, one epoch")
    parser.add_argument("--full", action="store_true", help="the main job to early stopping (implies --contest)")
    parser.add_argument("--contest-set", action="append", default=[], metavar="NAME=VALUE", help="of its training")
    parser.add_argument("--everything", action="store_true", help="--profile --scaling --full")
    parser.add_argument("--resume", action="store_true", help="keep what the results file has, measure the rest")
    parser.add_argument("--again", action="append", default=[], metavar="PREFIX", help="measure these cells anew")
    parser.add_argument("--results", type=Path, default=None, help=f"default {DEFAULT.name} beside the benchmarks")
    parser.add_argument("--folder", type=Path, default=Path("build/benchmarks"), help="where the world's files lie")
    arguments = parser.parse_args()
    if arguments.everything:
        arguments.profile = arguments.scaling = arguments.full = True
    options = options_of(arguments)
    path = arguments.results or (options.folder / "results.json" if arguments.quick else DEFAULT)
    found = read_results(path) if arguments.resume else Results()
    if found.cells and found.about != options.about():
        parser.error(
            f"{path} is of {found.about}, not {options.about()}: leave --resume out, or name another --results"
        )
    for prefix in arguments.again:
        found.cells = {name: cell for name, cell in found.cells.items() if not name.startswith(prefix)}
    results = Results(options.about(), found.cells)
    console = Console()
    if not console.is_terminal:
        console = Console(width=180)
    try:
        measure_all(options, path, results, console)
    except KeyboardInterrupt:
        console.print(f"stopped; go on with --resume (results so far: {path})")
        sys.exit(130)
    show(results, console)
    console.print(f"results: {path}; python -m benchmarks.report writes them into docs/performance.md")


if __name__ == "__main__":
    main()
