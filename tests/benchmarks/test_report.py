"""Tables come from results alone, the page from the tables, and an interrupted bench loses nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.cells import Options, plan
from benchmarks.report import PAGE, page, tables
from benchmarks.results import Results, read_results
from benchmarks.steps import timed_steps

ONE_SIDE = {"epoch": 90.0, "peak_resident_megabytes": 800.0, "peak_anonymous_megabytes": 500.0}


def some_results() -> Results:
    results = Results({"share": 1.0, "threads": 2, "batch_size": 2048})
    results.cells["steps/bm3/textbook"] = {"median": 5.0, **ONE_SIDE}
    results.cells["steps/bm3/ours"] = {"median": 0.1, **ONE_SIDE}
    results.cells["ranking/normal/faiss"] = {"skipped": "no faiss here"}
    results.cells["steps/grcn/ours"] = {"failed": "out of memory"}
    return results


def test_a_ratio_is_of_both_sides_and_what_failed_has_no_row() -> None:
    made = tables(some_results())
    assert made.keys() == {"steps", "memory"}
    (row,) = made["steps"].rows
    assert row[2:6] == ["5 s", "0.1 s", "50.0x", "50x"]


def test_blocks_of_the_page_are_replaced_and_the_rest_stays() -> None:
    text = "before\n<!-- table: steps -->\nold\n<!-- end -->\n<!-- table: plot ratios -->\n<!-- end -->\nafter\n"
    written = page(text, some_results(), ["ratios"])
    assert "old" not in written
    assert "50.0x" in written
    assert "![ratios](performance/ratios.svg)" in written
    assert written.startswith("before\n")
    assert written.endswith("after\n")
    assert page(written, some_results(), ["ratios"]) == written


def test_the_page_in_the_repository_says_what_the_results_say() -> None:
    text = PAGE.read_text(encoding="utf-8")
    plots = [path.stem for path in (PAGE.parent / "performance").glob("*.svg")]
    assert page(text, read_results(), plots) == text, "run python -m benchmarks.report"


def test_results_are_written_whole_and_read_back(tmp_path: Path) -> None:
    path, results = tmp_path / "results.json", some_results()
    results.record("machine", {"threads": 2}, path)
    again = read_results(path)
    assert again.cells == results.cells
    assert again.cell("machine") is not None
    assert again.cell("steps/grcn/ours") is None
    assert [file.name for file in tmp_path.iterdir()] == ["results.json"]


def test_both_sides_of_a_ratio_follow_each_other() -> None:
    everything = Options(groups=("machine", "steps", "ranking", "profile", "scaling", "contest"))
    names = [cell.name for cell in plan(everything)]
    assert len(set(names)) == len(names)
    for position, name in enumerate(names):
        if name.endswith("/textbook"):
            assert names[position + 1] == name.replace("/textbook", "/ours")


@pytest.mark.parametrize(("budget", "steps"), [(0.0, 2), (60.0, 6)])
def test_slow_steps_are_taken_twice_and_quick_ones_as_often_as_asked(budget: float, steps: int) -> None:
    seconds, loss = timed_steps(lambda: 0.5, 5, budget)
    assert len(seconds) == steps
    assert loss == 0.5
