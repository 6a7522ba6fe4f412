"""One plot over several data sets: panels by the numbers in their names, and no plot for a single data set."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from triptych.studies.report.across import across
from triptych.studies.report.plots import styles
from triptych.studies.rows import Row
from triptych.studies.statistics import Interval

pytest.importorskip("matplotlib")


def row(data: str, entry: str, value: float) -> Row:
    return Row(data, entry, entry, None, [Path()], {"ndcg@50": Interval(value, value - 0.01, value + 0.01)})


def plot(*data: str) -> str | None:
    rows = [row(name, entry, 0.1 * n) for n, name in enumerate(data, start=1) for entry in ("bm3", "ease")]
    return across(rows, "ndcg@50", styles(rows))


def texts(svg: str) -> list[str]:
    return re.findall(r">([^<>]+)</text>", svg)


def test_a_single_data_set_gives_no_plot() -> None:
    assert plot("baby") is None


def test_data_sets_without_numbers_keep_their_order() -> None:
    svg = plot("baby", "sports")
    assert svg is not None
    assert [each for each in texts(svg) if each in ("baby", "sports", "bm3", "ease")] == [
        "baby",
        "sports",
        "bm3",
        "ease",
    ]


def test_numbered_data_sets_are_panels_that_start_with_the_data_set_without_a_number() -> None:
    svg = plot("all", "images 25 missing", "images 50 missing", "texts 25 missing")
    assert svg is not None
    assert {"images … missing", "texts … missing"} <= set(texts(svg))
    assert svg.count('id="axes_') == 2
