"""Tables of the results, for the shell and for docs/performance.md.

    python -m benchmarks.report [--results benchmarks/results.json]

writes the tables and the plots into the page, between `<!-- table: NAME -->` and `<!-- end -->`.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.cases import END_TO_END_GOAL, PREPARE_GOAL, RANKING_GOAL
from benchmarks.results import DEFAULT, Results, at_full_scale, both_sides, machine_of, read_results

PAGE = Path(__file__).parents[1] / "docs" / "performance.md"
NOT_MEASURED = "Not measured yet."
BLOCK = re.compile(r"(<!-- table: ([a-z ]+) -->\n).*?(<!-- end -->)", re.DOTALL)


@dataclass(frozen=True)
class Table:
    """Rows of text under headings."""

    title: str
    headings: Sequence[str]
    rows: Sequence[Sequence[str]]

    def markdown(self) -> str:
        """Return the table in Markdown."""
        lines = [self.headings, ["---"] * len(self.headings), *self.rows]
        return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def tables(results: Results) -> dict[str, Table]:
    """Name -> table, for all tables with measured rows."""
    all_tables = {
        "machine": machine_table(results),
        "steps": steps_table(results),
        "memory": memory_table(results),
        "ranking": ranking_table(results),
        "end to end": end_to_end_table(results),
        "profile": profile_table(results),
    }
    return {name: table for name, table in all_tables.items() if table.rows}


def machine_table(results: Results) -> Table:
    """The limits of the machine."""
    machine, about = machine_of(results), results.about
    rows = []
    if machine is not None:
        native = "native: " + ", ".join(machine.bfloat16_flags) if machine.bfloat16_flags else "not native"
        rows = [
            ["processor", f"{machine.processor}, {machine.cores} cores, {machine.memory_gigabytes:.0f} GB"],
            ["threads used", str(about.get("threads", machine.threads))],
            ["copy, read and write", f"{machine.copy_gigabytes:.1f} GB/s"],
            ["products in float32", f"{machine.float32_gigaflops:.0f} GFLOP/s"],
            ["products in bfloat16", f"{machine.bfloat16_gigaflops:.0f} GFLOP/s ({native})"],
            ["torch", machine.torch],
            ["share of the full scale, batch size", f"{about.get('share')}, {about.get('batch_size')}"],
        ]
    return Table("The machine", ["what", "measured"], rows)


def steps_table(results: Results) -> Table:
    """Seconds per step and per epoch of both sides, and the speed-up."""
    machine = machine_of(results)
    native, full_scale = machine is not None and machine.native_bfloat16, at_full_scale(results)
    rows = []
    for case, textbook, triptych in both_sides(results):
        research = f"{case.research.seconds:g} s" if case.research and full_scale else ""
        goal = f"{case.goal.speedup_on(native):g}x" if case.goal and full_scale else ""
        speedup = f"{textbook['median'] / triptych['median']:.1f}x" if textbook and triptych else ""
        rows.append(
            [
                case.title,
                research,
                _seconds(textbook, "median"),
                _seconds(triptych, "median"),
                speedup,
                goal,
                _seconds(textbook, "epoch"),
                _seconds(triptych, "epoch"),
            ]
        )
    headings = [
        *("model (textbook / Triptych)", "research code", "textbook, per step", "Triptych, per step", "speed-up"),
        *("goal", "textbook, per epoch", "Triptych, per epoch"),
    ]
    return Table("Seconds per training step", headings, rows)


def memory_table(results: Results) -> Table:
    """Peak memory of both sides."""
    rows, full_scale = [], at_full_scale(results)
    for case, textbook, triptych in both_sides(results):
        rows.append(
            [
                case.title,
                f"{case.research.gigabytes:g} GB" if case.research and full_scale else "",
                _gigabytes(textbook, "peak_resident_megabytes"),
                _gigabytes(triptych, "peak_resident_megabytes"),
                f"{case.goal.gigabytes:g} GB" if case.goal and full_scale else "",
                _gigabytes(textbook, "peak_anonymous_megabytes"),
                _gigabytes(triptych, "peak_anonymous_megabytes"),
            ]
        )
    headings = [
        *("model (textbook / Triptych)", "research code", "textbook, resident", "Triptych, resident", "goal"),
        *("textbook, anonymous", "Triptych, anonymous"),
    ]
    return Table("Peak memory of training", headings, rows)


def ranking_table(results: Results) -> Table:
    """The exact top 50 for all users."""
    rows = []
    for kind in ("normal", "skewed"):
        faiss, triptych = results.cell(f"ranking/{kind}/faiss"), results.cell(f"ranking/{kind}/triptych")
        if not faiss and not triptych:
            continue
        speedup = f"{faiss['seconds'] / triptych['seconds']:.1f}x" if faiss and triptych else ""
        n_wrong = "" if triptych is None else str(triptych["n_wrong"])
        seconds = _seconds(faiss, "seconds"), _seconds(triptych, "seconds")
        memory = _gigabytes(triptych, "peak_resident_megabytes")
        rows.append([kind, *seconds, speedup, f"{RANKING_GOAL:g}x", n_wrong, memory])
    headings = [
        *("factors", "faiss flat, all items", "Triptych, without seen items", "speed-up", "goal"),
        *("wrong of 200 checked", "Triptych, resident"),
    ]
    return Table("Exact top 50 for all users", headings, rows)


def end_to_end_table(results: Results) -> Table:
    """All commands, end to end."""
    rows = []
    for name, cell in results.under("end-to-end/").items():
        for stage in cell["stages"]:
            seconds = f"{stage['seconds']:.1f} s", f"{stage['cpu_seconds']:.1f} s"
            rows.append([stage["stage"], *seconds, f"{stage['peak_megabytes']:,.0f} MB", ""])
        ratio = f"prepare takes {cell['prepare_over_copy']:.1f}x as long; goal: at most {PREPARE_GOAL:g}x"
        rows.append(["copying the feature files", f"{cell['copy_seconds']:.1f} s", "", "", ratio])
        goal = ""
        if name == "full" and results.about.get("share") == 1.0:
            goal = f"below {END_TO_END_GOAL[0]:,.0f} s and {END_TO_END_GOAL[1]:g} GB"
        total = f"{cell['seconds']:,.1f} s", "", f"{cell['peak_megabytes']:,.0f} MB"
        rows.append([f"total ({', '.join(cell['settings']) or 'defaults'})", *total, goal])
    return Table("End to end", ["stage", "wall clock", "processor", "peak resident", "goal"], rows)


def profile_table(results: Results) -> Table:
    """Phases of a step beside their lower bounds."""
    rows = []
    for model, profile in results.under("profile/").items():
        for phase in profile["phases"]:
            if phase["share"] < 0.005:
                continue
            limit = phase["limit"]
            minimum = f"{limit * 1e3:.1f} ms" if limit else ""
            ratio = f"{phase['seconds'] / limit:.1f}x" if limit else ""
            measured = f"{phase['seconds'] * 1e3:.1f} ms", f"{phase['share']:.0%}"
            rows.append([model, phase["name"], *measured, minimum, ratio])
    return Table(
        "Phases of a Triptych step", ["model", "phase", "measured", "share", "limit", "measured / limit"], rows
    )


def fill_page(text: str, results: Results, plots: Sequence[str]) -> str:
    """Return the page with its blocks filled in. A block `plot NAME` gets its picture if NAME is in `plots`."""
    measured = tables(results)

    def fill(block: re.Match[str]) -> str:
        name = block[2]
        if name.startswith("plot "):
            plot = name.removeprefix("plot ")
            inside = f"![{plot}](performance/{plot}.svg)" if plot in plots else NOT_MEASURED
        else:
            inside = measured[name].markdown() if name in measured else NOT_MEASURED
        return f"{block[1]}{inside}\n{block[3]}"

    return BLOCK.sub(fill, text)


def _seconds(cell: dict[str, Any] | None, key: str) -> str:
    if cell is None:
        return ""
    value = float(cell[key])
    return f"{value:,.0f} s" if value >= 100 else f"{value:.3g} s"


def _gigabytes(cell: dict[str, Any] | None, key: str) -> str:
    return "" if cell is None else f"{cell[key] / 1e3:.2f} GB"


def main() -> None:
    """Write tables and plots into the page."""
    parser = argparse.ArgumentParser(description="Write the tables and plots of docs/performance.md.")
    parser.add_argument("--results", type=Path, default=DEFAULT)
    parser.add_argument("--page", type=Path, default=PAGE)
    arguments = parser.parse_args()
    from benchmarks.plots import draw_all

    results = read_results(arguments.results)
    drawn = draw_all(results, arguments.page.parent / "performance")
    text = arguments.page.read_text(encoding="utf-8")
    arguments.page.write_text(fill_page(text, results, drawn), encoding="utf-8")


if __name__ == "__main__":
    main()
