"""Run all benchmarks, cell by cell: `python -m benchmarks`, or `make bench`.

Every cell runs in its own process, one after the other. Results are written after each cell, so an interrupted
benchmark resumes with `--resume`. At full scale it needs about 15 GB of memory (for the textbook versions), 1.2 GB of
disk, and a machine without other work.
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
from benchmarks.machine import available_cores
from benchmarks.report import tables
from benchmarks.results import DEFAULT, Results, read_results

QUICK_SHARE = 0.02


def options_from(arguments: argparse.Namespace) -> Options:
    """Return the options that the command line describes. `--quick` means a small share and a few seconds per cell."""
    quick = arguments.quick
    requested = {group for group in GROUPS if getattr(arguments, group.replace("-", "_"), False)}
    if arguments.full:
        requested.add("end-to-end")
    groups = arguments.only or [group for group in GROUPS if group in requested.union(Options().groups)]
    return Options(
        share=arguments.share if arguments.share is not None else QUICK_SHARE if quick else 1.0,
        threads=arguments.threads,
        batch_size=arguments.batch_size,
        seconds=2.0 if quick else arguments.seconds,
        n_steps=5 if quick else 40,
        precisions=tuple(arguments.precision),
        groups=tuple(groups),
        models=tuple(arguments.models.split(",")) if arguments.models else (),
        folder=arguments.folder / ("quick" if quick else ""),
        full=arguments.full,
        end_to_end_settings=tuple(arguments.end_to_end_set),
    )


def measure_all(options: Options, path: Path, results: Results, console: Console) -> None:
    """Measure the cells that the results lack, and print each. Cells that failed are tried again in the next run."""
    prepare = ["benchmarks.inputs", str(options.folder), "--share", str(options.share)]
    subprocess.run([sys.executable, "-m", *prepare], check=True)
    cells = list(plan(options))
    for position, cell in enumerate(cells, start=1):
        label = f"[{position}/{len(cells)}] {cell.name}"
        if results.cell(cell.name) is not None:
            console.print(f"{label}: measured {results.cells[cell.name]['measured']}", highlight=False)
            continue
        began, log = time.perf_counter(), options.folder / "logs" / f"{cell.name.replace('/', '-')}.log"
        with console.status(f"{label} … (log: {log})"):
            outcome = measure(cell, results, log)
        results.record(cell.name, outcome, path)
        note = next((f" {key}: {outcome[key]}" for key in ("failed", "skipped") if key in outcome), "")
        console.print(f"{label}: {time.perf_counter() - began:.1f} s{note}", highlight=False, markup=False)


def print_tables(results: Results, console: Console) -> None:
    """Print all tables."""
    for table in tables(results).values():
        shown = RichTable(title=table.title, title_justify="left")
        for position, heading in enumerate(table.headings):
            shown.add_column(heading, justify="left" if position == 0 else "right")
        for row in table.rows:
            shown.add_row(*row)
        console.print(shown)


def argument_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure speed and memory.")
    parser.add_argument("--quick", action="store_true", help="a small share of the data, a few minutes in all")
    parser.add_argument(
        "--share", type=float, default=None, help="share of the users, items and interactions (default 1.0)"
    )
    parser.add_argument("--threads", type=int, default=available_cores(), help="threads per cell (default: all cores)")
    parser.add_argument("--batch-size", type=int, default=2048, help="training batch size (default 2048)")
    parser.add_argument("--seconds", type=float, default=60.0, help="time limit for the training steps of one cell")
    parser.add_argument(
        "--precision", action="append", default=[], help="also measure Triptych in this precision; may be repeated"
    )
    parser.add_argument("--models", default="", help="only these models, separated by commas")
    parser.add_argument("--only", action="append", choices=GROUPS, help="only this group of cells; may be repeated")
    parser.add_argument("--profile", action="store_true", help="also the time per phase of a step")
    parser.add_argument(
        "--scaling", action="store_true", help="also step times over data sizes, batch size and threads"
    )
    parser.add_argument("--end-to-end", action="store_true", help="also all commands end to end, with one epoch")
    parser.add_argument("--full", action="store_true", help="end to end with early stopping (implies --end-to-end)")
    parser.add_argument(
        "--end-to-end-set", action="append", default=[], metavar="NAME=VALUE", help="a training setting of --end-to-end"
    )
    parser.add_argument("--everything", action="store_true", help="the same as --profile --scaling --full")
    parser.add_argument("--resume", action="store_true", help="keep the cells in the results file and measure the rest")
    parser.add_argument(
        "--remeasure", action="append", default=[], metavar="PREFIX", help="with --resume: measure these cells again"
    )
    parser.add_argument("--results", type=Path, default=None, help=f"results file (default benchmarks/{DEFAULT.name})")
    parser.add_argument("--folder", type=Path, default=Path("build/benchmarks"), help="folder of the input files")
    return parser


def main() -> None:
    """Plan, measure and print."""
    parser = argument_parser()
    arguments = parser.parse_args()
    if arguments.everything:
        arguments.profile = arguments.scaling = arguments.full = True
    options = options_from(arguments)
    path = arguments.results or (options.folder / "results.json" if arguments.quick else DEFAULT)
    previous = read_results(path) if arguments.resume else Results()
    if previous.cells and previous.about != options.about():
        parser.error(
            f"{path} was measured with {previous.about}, not {options.about()}: "
            "leave --resume out, or name another --results"
        )
    for prefix in arguments.remeasure:
        previous.cells = {name: cell for name, cell in previous.cells.items() if not name.startswith(prefix)}
    results = Results(options.about(), previous.cells)
    console = Console()
    if not console.is_terminal:
        console = Console(width=180)
    try:
        measure_all(options, path, results, console)
    except KeyboardInterrupt:
        console.print(f"interrupted; continue with --resume (results so far: {path})")
        sys.exit(130)
    print_tables(results, console)
    console.print(f"results: {path}; python -m benchmarks.report writes them into docs/performance.md")


if __name__ == "__main__":
    main()
