"""The tables that `triptych compare` prints."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from triptych.cli.printing import print_result, print_table

if TYPE_CHECKING:
    from triptych.studies.experiment import Experiment
    from triptych.studies.rows import Row


def print_comparison(experiment: Experiment, rows: list[Row], folder: Path) -> None:
    """Print the tables of a comparison, where they are written, and what to do next."""
    from triptych.studies.tables import SIGNIFICANCE_LEVEL

    limits = [f", {each} {noun} only" for noun in ("items", "users") if (each := getattr(experiment, noun)) != "all"]
    for name in experiment.data:
        title = f"{experiment.split} of {name}, full ranking{''.join(limits)}, {_seeds_text(experiment.seeds)}"
        of_data = [row for row in rows if row.data == name]
        _print_table(of_data, title)
        if experiment.diversity:
            _print_trade_off(of_data, experiment)
    print_result(f"● the best, and all that do not differ from it significantly (corrected p ≥ {SIGNIFICANCE_LEVEL:g})")
    print_result(f"tables: {folder}/comparison.json, .csv, .md, .tex; run folders: {folder}/DATA/ENTRY/seed-N")
    print_result(f"next: triptych report {folder}")
    for name, source in experiment.data.items():
        best = next((row for row in rows if row.data == name and not row.failed), None)
        if best is not None:
            fit = f"triptych train {source.folder} --refit {best.runs[0]}"
            print_result(f"final fit of {best.label} on all interactions: {fit}")


def _print_table(rows: list[Row], title: str) -> None:
    from triptych.studies.tables import COST_COLUMNS, LIST_COLUMNS, best_mark, cells

    metrics = next((list(row.metrics) for row in rows if row.metrics), [])
    for header, title_of_header in (((*metrics, *LIST_COLUMNS), title), (COST_COLUMNS, "cost")):
        table = []
        for row in rows:
            texts = {**cells(row), **({header[0]: "failed"} if row.failed else {})}
            table.append([f"{row.label}{best_mark(row)}", *(texts.get(name, "") for name in header)])
        print_table(title_of_header, ["", *header], table)


def _print_trade_off(rows: list[Row], experiment: Experiment) -> None:
    from triptych.studies.tables import trade_off_cells, trade_off_columns

    columns = trade_off_columns(experiment.metrics[0])
    table = [
        [row.label if n == 0 else "", *trade_off_cells(each)] for row in rows for n, each in enumerate(row.trade_off)
    ]
    print_table(f"diversity by {experiment.similarity}, and what it costs", ["", *columns], table)


def _seeds_text(seeds: tuple[int, ...]) -> str:
    return f"seed {seeds[0]}" if len(seeds) == 1 else f"mean of seeds {', '.join(map(str, seeds))}"
