"""--diversity, --quota and --calibrate write and measure what Python does, and say what is wrong with them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from triptych.cli.app import run
from triptych.ranking.recommender_folder import open_recommender
from triptych.ranking.reranking import Calibration, Diversity, Quota
from triptych.training.fit import fit
from worlds import random_split


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    fitted = fit("ease", random_split(0))
    names = fitted.dataset.items.ids
    table = pl.DataFrame({"item_id": names, "category": [f"c{row % 3}" for row in range(len(names))]})
    folder = tmp_path_factory.mktemp("reranking") / "model"
    replace(fitted, dataset=replace(fitted.dataset, item_table=table)).save(folder)
    return folder


OPTIONS = [
    "--diversity",
    "0.3",
    "--similarity",
    "interactions",
    "--quota",
    "category=2",
    "--calibrate",
    "popularity=0.2",
]
STEPS = (Diversity(0.3, "interactions"), Quota("category", 2), Calibration("popularity", 0.2))


def test_lists_and_metrics_are_those_of_python(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["recommend", str(model), "-o", str(tmp_path / "lists.parquet"), "-k", "5", *OPTIONS]) == 0
    expected = open_recommender(model).recommend(k=5, rerank=STEPS).to_polars()
    assert pl.read_parquet(tmp_path / "lists.parquet").equals(expected)
    capsys.readouterr()
    assert run(["evaluate", str(model), "--metrics", "ndcg@5", "--json", *OPTIONS]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["metrics"] == open_recommender(model).evaluate(metrics=["ndcg@5"], rerank=STEPS).means
    assert len(result["rerank"]) == 3


def test_new_users_get_varied_lists_too(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["recommend", str(model), "--history", "i03", "-k", "5", "--calibrate", "category", "--json"]
    assert run(arguments) == 0
    expected = open_recommender(model).recommend_from_history({"new": ["i03"]}, k=5, rerank=Calibration("category"))
    shown = [row["item_id"] for row in json.loads(capsys.readouterr().out)]
    assert shown == expected.to_polars()["item_id"].to_list()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--quota", "category"], '"category" is not COLUMN=N'),
        (["--quota", "category=none"], '"category=none" is not COLUMN=N'),
        (["--quota", "categry=2"], 'did you mean "category"'),
        (["--calibrate", "popularity=much"], '"much" is not a weight'),
        (["--similarity", "interactions"], "--similarity needs --diversity"),
        (["--diversity", "0.3", "--similarity", "text"], 'unknown similarity "text"'),
        (["--diversity", "1.3"], "weight"),
        (["--diversity", "0.7", "--calibrate", "popularity=0.7"], "more than 1"),
    ],
)
def test_wrong_options_say_what_would_be_right(
    model: Path, capsys: pytest.CaptureFixture[str], options: list[str], message: str
) -> None:
    for command in (["recommend", str(model), "--user", "u01"], ["evaluate", str(model)]):
        assert run([*command, *options]) != 0
        assert message in capsys.readouterr().err
