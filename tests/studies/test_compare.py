"""A comparison is one table from run folders; it goes on where it was, and one failure does not spoil the others."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from triptych.cli.app import run
from triptych.data.split import with_parts
from triptych.ranking.recommender import open_recommender
from worlds import random_dataset

COMMON = ["--set", "epochs=2", "--set", "batch_size=64", "--json"]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    with_parts(random_dataset(), "ratio", ratios=(0.8, 0.1, 0.1), seed=0).save(tmp_path / "data")
    return tmp_path / "data"


def test_every_cell_comes_from_a_run_folder_and_nothing_is_done_twice(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["compare", str(data), "--models", "popularity,ease,lightgcn", "-o", str(tmp_path / "c"), *COMMON]
    assert run([*arguments, "--set", "lightgcn.embedding_size=8"]) == 0
    lines = json.loads(capsys.readouterr().out)
    values = [line["metrics"]["ndcg@50"] for line in lines]
    assert values == sorted(values, reverse=True)
    for line in lines:
        means = open_recommender(line["run"]).evaluate(metrics=["ndcg@50", "recall@20"]).means
        assert {name: line["metrics"][name] for name in means} == means
        assert line["seconds"] >= 0
        assert line["peak_megabytes"] > 10
        assert (line["epochs"] is None) == (line["model"] != "lightgcn")
    before = {file: file.stat().st_mtime_ns for file in (tmp_path / "c").rglob("*") if file.is_file()}
    assert run([*arguments, "--set", "lightgcn.embedding_size=8"]) == 0
    assert json.loads(capsys.readouterr().out) == lines
    assert before == {file: file.stat().st_mtime_ns for file in (tmp_path / "c").rglob("*") if file.is_file()}


def test_a_model_that_fails_leaves_its_reason_and_the_others_go_on(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "c" / "lightgcn").mkdir(parents=True)
    (tmp_path / "c" / "lightgcn" / "precious.txt").write_text("mine")
    assert run(["compare", str(data), "--models", "lightgcn,popularity", "-o", str(tmp_path / "c"), *COMMON]) == 1
    told = capsys.readouterr()
    assert "holds no run" in told.err
    assert '"popularity"' in told.out


def test_a_run_of_other_settings_is_not_taken_for_this_one(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["compare", str(data), "--models", "ease", "-o", str(tmp_path / "c"), *COMMON]
    assert run(arguments) == 0
    assert run([*arguments, "--set", "ease.reg_weight=7"]) == 1
    assert "another settings" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--models", "lightgcn,bm4"], 'did you mean "bm3"'),
        (["--models", ","], "no model is named"),
        (["--models", "ease", "--set", "patiense=3"], 'did you mean "patience"'),
        (["--models", "ease", "--set", "bm3.dropout=0.5"], "names no model of the comparison"),
        (["--models", "ease", "--metrics", "ndgc@50"], "ndcg"),
    ],
)
def test_a_mistake_is_refused_before_anything_is_trained(
    data: Path, tmp_path: Path, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["compare", str(data), "-o", str(tmp_path / "c"), *arguments]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "c").exists()
