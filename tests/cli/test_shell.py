"""The shell does the whole job, teaches, and refuses what it does not understand."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from children import HELD, running, wait_for
from triptych.cli.app import run
from triptych.models.registry import MODELS
from worlds import random_dataset


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """Raw files of a small shop."""
    dataset = random_dataset()
    pairs = dataset.interactions
    frame = pl.DataFrame({"user_id": dataset.users.names(pairs.users), "item_id": dataset.items.names(pairs.items)})
    frame.write_csv(tmp_path / "log.csv")
    return tmp_path


def prepared(shop: Path) -> Path:
    assert run(["prepare", str(shop / "log.csv"), "-o", str(shop / "data")]) == 0
    return shop / "data"


def trained(shop: Path, *options: str) -> Path:
    quick = ["--set", "epochs=3", "--set", "embedding_size=8", *options]
    assert run(["train", str(prepared(shop)), "--run", str(shop / "run"), "--model", "bm3", *quick]) == 0
    return shop / "run"


def test_prepare_train_evaluate_recommend_is_the_whole_walk(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_folder = trained(shop)
    capsys.readouterr()
    assert run(["evaluate", str(run_folder), "--json", "--metrics", "ndcg@50,recall@5", "--mask", "known"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert set(told["metrics"]) == {"ndcg@50", "recall@5"}
    assert told["masked"] == "training and validation items"
    assert run(["recommend", str(run_folder), "-o", str(shop / "top.parquet"), "-k", "4"]) == 0
    frame = pl.read_parquet(shop / "top.parquet")
    assert frame.columns == ["user_id", "item_id", "rank", "score"]
    assert frame["user_id"].n_unique() == 30
    taken = pl.read_csv(shop / "log.csv", infer_schema=False)
    assert frame.join(taken, on=["user_id", "item_id"]).is_empty()
    assert run(["recommend", str(run_folder), "-o", str(shop / "top.csv"), "-k", "4"]) == 0
    again = pl.read_csv(shop / "top.csv")
    assert again.select("user_id", "item_id", "rank").rows() == frame.select("user_id", "item_id", "rank").rows()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["trian"], 2, "train"),
        (["train", "data", "--modell", "bm3"], 2, "--model"),
        (["train", "data", "--model", "bm4"], 2, 'did you mean "bm3"'),
        (["train", "data", "--set", "dropuot=0.3"], 2, 'did you mean "dropout"'),
        (["train", "data", "--set", "dropout"], 2, "NAME=VALUE"),
        (["train", "data", "--set", "epochs=none"], 2, "integer"),
        (["train", "data", "--set", "metric=ndgc@50", "--run", "r"], 2, 'did you mean "ndcg"'),
        (["train", "data", "--modalities", "pictures"], 1, 'no modality "pictures"'),
        (["train", "nowhere"], 1, "no such folder"),
        (["evaluate", "nowhere"], 1, "no such folder"),
        (["evaluate", "data"], 1, "is a data set, not a recommender"),
        (["recommend", "data"], 2, "--output"),
        (["prepare", "log.csv", "-o", "data"], 1, "already exists"),
        (["prepare", "log.csv", "-o", "new", "-f", "image"], 2, "MODALITY=FILE"),
        (["prepare", "log.csv", "-o", "new", "--split", "tiem"], 2, "split"),
        (["prepare", "lgo.csv", "-o", "new"], 1, 'did you mean "log.csv"'),
    ],
)
def test_a_mistake_gets_a_mend_and_its_exit_code(
    shop: Path,
    arguments: list[str],
    code: int,
    message: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    prepared(shop)
    monkeypatch.chdir(shop)
    capsys.readouterr()
    assert run(arguments) == code
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(("unknown", "code", "lines"), [("raise", 1, 0), ("warn", 0, 3), ("popular", 0, 6)])
@pytest.mark.filterwarnings("ignore::triptych.ranking.recommender.UnknownUserWarning")
def test_unknown_users_are_refused_left_out_or_given_the_popular_items(
    shop: Path, unknown: str, code: int, lines: int, capsys: pytest.CaptureFixture[str]
) -> None:
    run_folder = trained(shop)
    capsys.readouterr()
    arguments = ["recommend", str(run_folder), "-u", "u01", "-u", "stranger", "-k", "3", "--unknown", unknown, "--json"]
    assert run(arguments) == code
    told = json.loads(capsys.readouterr().out)
    assert len(told) == lines if code == 0 else "stranger" in told["error"]["what"]


@pytest.mark.parametrize("command", ["prepare", "train", "evaluate", "recommend", "compare", "models", "demo"])
def test_help_teaches(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([command, "--help"]) == 0
    assert "Usage: triptych" in capsys.readouterr().out


def test_help_and_import_load_no_torch() -> None:
    code = "import sys, triptych.cli.app as app; app.run(['--help']); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], stdout=subprocess.DEVNULL, check=False).returncode == 0


def test_an_interrupted_training_says_so_and_goes_on_with_the_same_command(shop: Path) -> None:
    data = prepared(shop)
    command = ["train", str(data), "--run", str(shop / "run"), "--model", "lightgcn"]
    command += ["--set", "batch_size=4", "--set", "epochs=6", "--set", "patience=6"]
    with running("-m", "triptych", *command, path=HELD) as process:
        wait_for(shop / "run" / "metrics.jsonl", process)
        process.send_signal(signal.SIGINT)
        assert process.wait() == 130
    assert (shop / "run" / "checkpoint.safetensors").exists()
    told = len((shop / "run" / "metrics.jsonl").read_text().splitlines())
    assert told in (1, 2, 3), "it was not interrupted"
    assert run(command) == 0
    lines = (shop / "run" / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["epoch"] for line in lines] == list(range(1, 7))


def test_models_tells_paper_needs_and_settings_with_range_and_default(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["models", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert set(told) == set(MODELS)
    for name, model in told.items():
        assert (model["paper"] is None) == (name in ("content-ease", "popularity", "random"))
        assert model["needs"].startswith("interactions")
        for setting in model["settings"]:
            assert setting["kind"]
            assert setting["meaning"]
            assert setting["default"] is not None
    assert run(["models", "grcn"]) == 0
    shown = capsys.readouterr().out
    assert "Graph-Refined Convolutional Network" in shown
    assert "form = paper  (paper | released)" in shown
    assert "n_routing = 3  (int >= 0 and <= 16)" in shown
    assert "mmgcn" not in shown
    assert run(["models", "gcrn"]) == 2
    assert 'did you mean "grcn"' in capsys.readouterr().err
