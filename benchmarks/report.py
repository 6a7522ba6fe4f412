"""Tables from results, the same for the shell and for docs/performance.md.

    python -m benchmarks.report [--results benchmarks/results.json]

writes them into the page, between `<!-- table: NAME -->` and `<!-- end -->`; the plots too, where matplotlib is there.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.cases import CONTEST_GOAL, PREPARE_GOAL, RANKING_GOAL
from benchmarks.results import DEFAULT, Results, at_full_scale, both_sides, machine_of, read_results

PAGE = Path(__file__).parents[1] / "docs" / "performance.md"
NOTHING = "Not measured yet."
BLOCK = re.compile(r"(<!-- table: ([a-z ]+) -->\n).*?(<!-- end -->)", re.DOTALL)


@dataclass(frozen=True)
class Table:
    """Rows of text under heads."""

    title: str
    heads: Sequence[str]
    rows: Sequence[Sequence[str]]

    def markdown(self) -> str:
        """As a page has it."""
        lines = [self.heads, ["---"] * len(self.heads), *self.rows]
        return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def tables(results: Results) -> dict[str, Table]:
    """Name -> table, those without a single measured row left out."""
    made = {
        "machine": machine_table(results),
        "steps": steps_table(results),
        "memory": memory_table(results),
        "ranking": ranking_table(results),
        "contest": contest_table(results),
        "profile": profile_table(results),
    }
    return {name: table for name, table in made.items() if table.rows}


def machine_table(results: Results) -> Table:
    """What the machine can do at most."""
    machine, about = machine_of(results), results.about
    rows = []
    if machine is not None:
        native = "native: " + ", ".join(machine.bfloat16_flags) if machine.bfloat16_flags else "not native"
        rows = [
            ["processor", f"{machine.processor}, {machine.cores} cores, {machine.memory_gigabytes:.0f} GB"],
            ["threads used", str(about.get("threads", machine.threads))],
            ["copy, read and written", f"{machine.copy_gigabytes:.1f} GB/s"],
            ["products in float32", f"{machine.float32_gigaflops:.0f} GFLOP/s"],
            ["products in bfloat16", f"{machine.bfloat16_gigaflops:.0f} GFLOP/s ({native})"],
            ["torch", machine.torch],
            ["share of the world, batch", f"{about.get('share')}, {about.get('batch_size')}"],
        ]
    return Table("The machine", ["what", "measured"], rows)


def steps_table(results: Results) -> Table:
    """Seconds of a step and an epoch, both sides, and the ratio."""
    machine = machine_of(results)
    native, whole = machine is not None and machine.native_bfloat16, at_full_scale(results)
    rows = []
    for case, textbook, ours in both_sides(results):
        research = f"{case.research.seconds:g} s" if case.research and whole else ""
        goal = f"{case.goal.ratio_on(native):g}x" if case.goal and whole else ""
        ratio = f"{textbook['median'] / ours['median']:.1f}x" if textbook and ours else ""
        rows.append(
            [
                case.title,
                research,
                _seconds(textbook, "median"),
                _seconds(ours, "median"),
                ratio,
                goal,
                _seconds(textbook, "epoch"),
                _seconds(ours, "epoch"),
            ]
        )
    heads = ["model (textbook / ours)", "research code", "textbook, a step", "ours, a step", "faster", "at least"]
    return Table("Seconds of a training step", [*heads, "textbook, an epoch", "ours, an epoch"], rows)


def memory_table(results: Results) -> Table:
    """Peak memory, both sides."""
    rows, whole = [], at_full_scale(results)
    for case, textbook, ours in both_sides(results):
        rows.append(
            [
                case.title,
                f"{case.research.gigabytes:g} GB" if case.research and whole else "",
                _gigabytes(textbook, "peak_resident_megabytes"),
                _gigabytes(ours, "peak_resident_megabytes"),
                f"{case.goal.gigabytes:g} GB" if case.goal and whole else "",
                _gigabytes(textbook, "peak_anonymous_megabytes"),
                _gigabytes(ours, "peak_anonymous_megabytes"),
            ]
        )
    heads = ["model (textbook / ours)", "research code", "textbook, resident", "ours, resident", "below"]
    return Table("Peak memory of training", [*heads, "textbook, anonymous", "ours, anonymous"], rows)


def ranking_table(results: Results) -> Table:
    """Everyone's exact top 50."""
    rows = []
    for kind in ("normal", "skewed"):
        faiss, ours = results.cell(f"ranking/{kind}/faiss"), results.cell(f"ranking/{kind}/ours")
        if not faiss and not ours:
            continue
        ratio = f"{faiss['seconds'] / ours['seconds']:.1f}x" if faiss and ours else ""
        wrong = "" if ours is None else str(ours["wrong"])
        cells = [kind, _seconds(faiss, "seconds"), _seconds(ours, "seconds"), ratio, f"{RANKING_GOAL:g}x", wrong]
        rows.append([*cells, _gigabytes(ours, "peak_resident_megabytes")])
    heads = ["factors", "faiss flat, unmasked", "ours, seen masked", "faster", "at least", "wrong of 200 checked"]
    return Table("Exact top 50 for everyone", [*heads, "ours, resident"], rows)


def contest_table(results: Results) -> Table:
    """The main job, end to end."""
    rows = []
    for name, contest in results.under("contest/").items():
        for step in contest["steps"]:
            step_cells = [
                f"{step['seconds']:.1f} s",
                f"{step['cpu_seconds']:.1f} s",
                f"{step['peak_megabytes']:,.0f} MB",
            ]
            rows.append([step["step"], *step_cells, ""])
        over = f"{contest['prepare_over_copy']:.1f}x in prepare; at most {PREPARE_GOAL:g}x"
        rows.append(["copying the feature files", f"{contest['copy_seconds']:.1f} s", "", "", over])
        seconds, gigabytes = CONTEST_GOAL
        goal = (
            f"below {seconds:,.0f} s and {gigabytes:g} GB"
            if name == "full" and results.about.get("share") == 1.0
            else ""
        )
        total = f"{contest['seconds']:,.1f} s", "", f"{contest['peak_megabytes']:,.0f} MB"
        rows.append([f"all of it: {', '.join(contest['settings']) or 'defaults'}", *total, goal])
    return Table("End to end", ["step", "wall", "processor", "peak resident", "goal"], rows)


def profile_table(results: Results) -> Table:
    """Phases beside the least they could take."""
    rows = []
    for model, profile in results.under("profile/").items():
        for phase in profile["phases"]:
            if phase["share"] < 0.005:
                continue
            limit = phase["limit"]
            least = f"{limit * 1e3:.1f} ms" if limit else ""
            of_limit = f"{phase['seconds'] / limit:.1f}x" if limit else ""
            cells = [f"{phase['seconds'] * 1e3:.1f} ms", f"{phase['share']:.0%}", least, of_limit]
            rows.append([model, phase["name"], *cells])
    return Table("Phases of a step of ours", ["model", "phase", "measured", "share", "limit", "of the limit"], rows)


def page(text: str, results: Results, plots: Sequence[str]) -> str:
    """The page with its blocks filled in; a block `plot NAME` gets its picture where `plots` has it."""
    made = tables(results)

    def filled(block: re.Match[str]) -> str:
        name = block[2]
        if name.startswith("plot "):
            plot = name.removeprefix("plot ")
            inside = f"![{plot}](performance/{plot}.svg)" if plot in plots else NOTHING
        else:
            inside = made[name].markdown() if name in made else NOTHING
        return f"{block[1]}{inside}\n{block[3]}"

    return BLOCK.sub(filled, text)


def _seconds(cell: dict[str, Any] | None, key: str) -> str:
    if cell is None:
        return ""
    value = float(cell[key])
    return f"{value:,.0f} s" if value >= 100 else f"{value:.3g} s"


def _gigabytes(cell: dict[str, Any] | None, key: str) -> str:
    return "" if cell is None else f"{cell[key] / 1e3:.2f} GB"


def main() -> None:
    """Write tables and plots into the page."""
    parser = argparse.ArgumentParser(description="Tables and plots of docs/performance.md.")
    parser.add_argument("--results", type=Path, default=DEFAULT)
    parser.add_argument("--page", type=Path, default=PAGE)
    arguments = parser.parse_args()
    from benchmarks.plots import draw_all

    results = read_results(arguments.results)
    drawn = draw_all(results, arguments.page.parent / "performance")
    text = arguments.page.read_text(encoding="utf-8")
    arguments.page.write_text(page(text, results, drawn), encoding="utf-8")


if __name__ == "__main__":
    main()
