"""comparison.json can be read back, also in the format of earlier versions."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from triptych.errors import ArtefactError
from triptych.ranking.protocol import EvaluationProtocol
from triptych.studies.comparison import Comparison, read_comparison, write_comparison
from triptych.studies.experiment import Entry, Experiment, Source
from triptych.studies.rows import Cost, GroupResult, Row
from triptych.studies.statistics import Interval


def test_a_written_comparison_is_read_back_with_its_run_folders(tmp_path: Path) -> None:
    rows = [
        Row(
            *("shop", "tuned", "bpr", None, [tmp_path / "shop" / "tuned" / "seed-0"]),
            metrics={"ndcg@5": Interval(0.2, 0.1, 0.3)},
            groups=[GroupResult("cold items", 7, Interval(0.1, 0.0, 0.2))],
            cost=Cost(1.0, 0.5, 300.0, 440.0, 3.0, 0.3),
        ),
        Row(
            "shop", "ease", "ease", None, [tmp_path / "shop" / "ease" / "seed-0"], groups=[], failed="the disk was full"
        ),
    ]
    experiment = Experiment({"shop": Source("/shops/shop")}, {"tuned": Entry("bpr"), "ease": Entry()}, items="cold")
    write_comparison(rows, experiment, tmp_path)
    assert json.loads((tmp_path / "comparison.json").read_text(encoding="utf-8"))["rows"][0]["runs"] == [
        "shop/tuned/seed-0"
    ]
    folders = {"shop": str(Path("/shops/shop").resolve())}
    assert read_comparison(tmp_path) == Comparison(rows, "test", "train", None, [0], "cold", folders)


def test_a_comparison_of_format_1_is_read_under_the_new_names(tmp_path: Path) -> None:
    shutil.copy(Path(__file__).parent / "comparison_format_1.json", tmp_path / "comparison.json")
    comparison = read_comparison(tmp_path)
    assert comparison.protocol == EvaluationProtocol("test", exclude="train+validation", items="warm")
    assert comparison.seeds == [0]
    assert comparison.folders == {"data": "/shops/data"}
    popularity, bpr = comparison.rows
    assert (popularity.entry, popularity.model, popularity.failed) == ("popularity", "popularity", None)
    assert popularity.runs == [tmp_path / "data" / "popularity" / "seed-0"]
    assert popularity.metrics["ndcg@5"].mean == pytest.approx(0.2116, abs=1e-4)
    assert [(group.label, group.n_users) for group in popularity.groups] == [
        ("users with 0 to 4", 18),
        ("users with 5 to 9", 11),
        ("popular items", 6),
        ("long-tail items", 23),
    ]
    assert popularity.cost is not None
    assert popularity.cost.n_parameters == 0
    assert bpr.entry == "bpr"
    assert bpr.failed is not None
    assert "exists and holds no run" in bpr.failed
    assert bpr.cost is None


def test_a_comparison_of_a_newer_format_is_refused(tmp_path: Path) -> None:
    (tmp_path / "comparison.json").write_text(json.dumps({"format": 3, "rows": []}))
    with pytest.raises(ArtefactError, match="newer triptych"):
        read_comparison(tmp_path)
