"""The trade-off of diversity: the plain point is the evaluation, and comparisons without it are as they were."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from triptych.artefacts import read_json
from triptych.cli.app import run
from triptych.data.split import assign_split
from triptych.ranking.metrics import parse_metric
from triptych.ranking.protocol import EvaluationProtocol
from triptych.studies.comparison import read_comparison
from triptych.studies.trade_off import mean_trade_off, trade_off
from triptych.training.fit import fit
from worlds import random_dataset, random_split


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trade_off") / "data"
    assign_split(random_dataset(), "ratio", ratios=(0.8, 0.1, 0.1), seed=0).save(folder)
    return folder


@pytest.mark.parametrize("similarity", ["model", "interactions", "text"])
def test_without_weight_the_point_is_the_evaluation(similarity: str) -> None:
    split = random_split(0)
    model = fit("ease", split)
    task = model.evaluation_task(EvaluationProtocol())
    metric, train = parse_metric("ndcg@8"), split.train.interactions
    points = trade_off(task, train, split.train.features, (0, 0.5, 0.9), metric, similarity)
    assert [each.weight for each in points] == [0, 0.5, 0.9]
    assert points[0].metric == pytest.approx(model.evaluate(metrics=["ndcg@8"])["ndcg@8"], abs=1e-12)
    if similarity != "model":  # of a model, what is measured is another similarity than what is chosen by
        assert points[2].similarity < points[0].similarity
    assert mean_trade_off([points, points]) == points


def test_a_comparison_has_the_points_and_the_page_draws_them(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("matplotlib", reason="reports need matplotlib: pip install triptych[report]")
    arguments = ["compare", str(data), "--models", "popularity,ease", "--metrics", "ndcg@8", "-o", str(tmp_path / "c")]
    assert run([*arguments, "--diversity", "0,0.5", "--similarity", "text", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    for row in rows:
        plain, varied = row["trade_off"]
        assert plain["metric"] == pytest.approx(row["metrics"]["ndcg@8"]["mean"], abs=1e-12)
        assert plain["coverage"] == row["coverage"]
        assert varied["similarity"] < plain["similarity"]
    comparison = read_comparison(tmp_path / "c")
    assert comparison.similarity == "text"
    assert [len(row.trade_off) for row in comparison.rows] == [2, 2]
    assert run([*arguments, "--diversity", "0,0.5"]) == 0
    assert "diversity by model" in capsys.readouterr().out
    assert run(["report", str(tmp_path / "c")]) == 0
    page = (tmp_path / "c" / "report.html").read_text()
    assert "<h3>Diversity</h3>" in page
    assert "against intra-list similarity and coverage" in page


def test_a_comparison_without_diversity_says_nothing_of_it(data: Path, tmp_path: Path) -> None:
    arguments = ["compare", str(data), "--models", "popularity", "-o", str(tmp_path / "c")]
    assert run(arguments) == 0
    table = read_json(tmp_path / "c" / "comparison.json")
    assert "similarity" not in table
    assert "trade_off" not in table["rows"][0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--diversity", "0,1.5"], "weight"),
        (["--diversity", "0;0.5"], '"0;0.5" is not a weight'),
        (["--diversity", "0.5", "--similarity", "txt"], 'did you mean "text"'),
    ],
)
def test_wrong_requests_are_refused_before_anything_is_fitted(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], message: str
) -> None:
    assert run(["compare", str(data), "--models", "popularity", "-o", str(tmp_path / "c"), *options]) != 0
    assert message in capsys.readouterr().err
    assert not list((tmp_path / "c").rglob("run.json"))
