"""`triptych explain`: explanations, drawings, and error messages with hints."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from triptych.cli.app import run
from triptych.data.split import assign_split
from worlds import random_dataset


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shop")
    assign_split(random_dataset(), "ratio", ratios=(0.8, 0.1, 0.1), seed=0).save(folder / "data")
    for model in ("freedom", "lightgcn"):
        quick = ["--set", "epochs=2", "--set", "embedding_size=8"]
        assert run(["train", str(folder / "data"), "--model", model, "--run", str(folder / model), *quick]) == 0
    return folder


def test_the_three_best_items_are_explained_and_contributions_add_up_to_the_score(
    shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["explain", str(shop / "freedom"), "--data", str(shop / "data"), "--user", "u04", "-k", "2"]
    assert run([*command, "--json"]) == 0
    explanations = json.loads(capsys.readouterr().out)
    assert [each["rank"] for each in explanations] == [1, 2, 3]
    for each in explanations:
        assert len(each["reasons"]) == 2
        contributions = [reason["contribution"] for reason in each["reasons"]]
        total = sum([*contributions, each["other_contributions"], *each["rest"].values()])
        assert total == pytest.approx(each["score"], rel=1e-4, abs=1e-5)
        assert set(each["reasons"][0]["components"]) == {"collaborative", "image", "text"}
        assert set(each["reasons"][0]["evidence"]["similarity"]) <= {"image", "text"}
    assert run(command) == 0
    output = capsys.readouterr().out
    assert output.count("because of") == 6
    assert "user embedding" in output
    assert "Exact" in output


def test_a_model_without_features_is_explained_and_drawn_without_the_data_set(
    shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    drawing = shop / "why.svg"
    assert run(["explain", str(shop / "lightgcn"), "-u", "u04", "-i", "i07", "--drawing", str(drawing)]) == 0
    assert "because of" in capsys.readouterr().out
    assert drawing.read_text(encoding="utf-8").startswith("<svg")


@pytest.mark.parametrize(
    ("run_folder", "options", "code", "message"),
    [
        ("freedom", ["-u", "u04"], 1, "--data FOLDER"),
        ("freedom", ["-u", "u04", "-d", "missing-folder"], 1, "no such folder"),
        ("lightgcn", ["-u", "u99"], 1, 'unknown user "u99"'),
        ("lightgcn", ["-u", "u04", "-i", "i99"], 1, 'unknown item "i99"'),
        ("lightgcn", ["-u", "u04", "--drawing", "why.png"], 2, ".svg"),
        ("lightgcn", ["-u", "u04", "-i", "i07", "-i", "i08", "--drawing", "why.svg"], 2, "one item"),
        ("lightgcn", ["-u", "u04", "--title-column", "tilte"], 2, "no column"),
        ("lightgcn", [], 2, "--user"),
        ("data", ["-u", "u04"], 1, "is a data set"),
    ],
)
def test_errors_name_what_is_missing(
    shop: Path,
    run_folder: str,
    options: list[str],
    code: int,
    message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    capsys.readouterr()
    assert run(["explain", str(shop / run_folder), *options]) == code
    assert message in capsys.readouterr().err
