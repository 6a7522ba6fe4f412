"""One plot over several data sets: panels by what their names count, nothing where there is nothing to compare."""

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


def drawn(*data: str) -> str | None:
    rows = [row(name, entry, 0.1 * n) for n, name in enumerate(data, start=1) for entry in ("bm3", "ease")]
    return across(rows, "ndcg@50", styles(rows))


def words(svg: str) -> list[str]:
    return re.findall(r">([^<>]+)</text>", svg)


def test_a_single_data_set_has_no_such_plot() -> None:
    assert drawn("baby") is None


def test_data_sets_without_numbers_stand_in_their_order() -> None:
    svg = drawn("baby", "sports")
    assert svg is not None
    assert [each for each in words(svg) if each in ("baby", "sports", "bm3", "ease")] == [
        "baby",
        "sports",
        "bm3",
        "ease",
    ]


def test_numbered_data_sets_are_panels_that_begin_where_nothing_is_missing() -> None:
    svg = drawn("all", "images 25 missing", "images 50 missing", "texts 25 missing")
    assert svg is not None
    assert {"images … missing", "texts … missing"} <= set(words(svg))
    assert svg.count('id="axes_') == 2
