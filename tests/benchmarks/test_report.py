"""Tables come from the results, the page comes from the tables, and an interrupted benchmark loses no result."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.cells import GROUPS, Options, plan
from benchmarks.report import PAGE, fill_page, tables
from benchmarks.results import Results, read_results
from benchmarks.steps import timed_steps

COMMON = {"epoch": 90.0, "peak_resident_megabytes": 800.0, "peak_anonymous_megabytes": 500.0}


def example_results() -> Results:
    results = Results({"share": 1.0, "threads": 2, "batch_size": 2048})
    results.cells["steps/bm3/textbook"] = {"median": 5.0, **COMMON}
    results.cells["steps/bm3/triptych"] = {"median": 0.1, **COMMON}
    results.cells["ranking/normal/faiss"] = {"skipped": "faiss is not installed"}
    results.cells["steps/grcn/triptych"] = {"failed": "out of memory"}
    return results


def test_a_speedup_needs_both_sides_and_failed_cells_have_no_row() -> None:
    measured = tables(example_results())
    assert measured.keys() == {"steps", "memory"}
    (row,) = measured["steps"].rows
    assert row[2:6] == ["5 s", "0.1 s", "50.0x", "50x"]


def test_blocks_of_the_page_are_replaced_and_other_text_is_kept() -> None:
    text = "before\n<!-- table: steps -->\nold\n<!-- end -->\n<!-- table: plot ratios -->\n<!-- end -->\nafter\n"
    written = fill_page(text, example_results(), ["ratios"])
    assert "old" not in written
    assert "50.0x" in written
    assert "![ratios](performance/ratios.svg)" in written
    assert written.startswith("before\n")
    assert written.endswith("after\n")
    assert fill_page(written, example_results(), ["ratios"]) == written


def test_the_page_in_the_repository_agrees_with_the_results() -> None:
    text = PAGE.read_text(encoding="utf-8")
    plots = [path.stem for path in (PAGE.parent / "performance").glob("*.svg")]
    assert fill_page(text, read_results(), plots) == text, "run python -m benchmarks.report"


def test_written_results_are_the_same_after_reading(tmp_path: Path) -> None:
    path, results = tmp_path / "results.json", example_results()
    results.record("machine", {"threads": 2}, path)
    restored = read_results(path)
    assert restored.cells == results.cells
    assert restored.cell("machine") is not None
    assert restored.cell("steps/grcn/triptych") is None
    assert [file.name for file in tmp_path.iterdir()] == ["results.json"]


def test_both_sides_of_a_speedup_are_measured_one_after_the_other() -> None:
    everything = Options(groups=GROUPS)
    names = [cell.name for cell in plan(everything)]
    assert len(set(names)) == len(names)
    for position, name in enumerate(names):
        if name.endswith("/textbook"):
            assert names[position + 1] == name.replace("/textbook", "/triptych")


@pytest.mark.parametrize(("budget", "steps"), [(0.0, 2), (60.0, 6)])
def test_slow_steps_run_twice_and_fast_steps_run_the_requested_number_of_times(budget: float, steps: int) -> None:
    seconds, loss = timed_steps(lambda: 0.5, 5, budget)
    assert len(seconds) == steps
    assert loss == 0.5
