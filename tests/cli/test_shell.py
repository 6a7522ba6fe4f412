"""The command line: from files to recommendations, error messages, exit codes, interruption."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import polars as pl
import pytest

from children import HELD, running, wait_for
from triptych.cli.app import run
from triptych.cli.signals import stop_requests
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


def prepare_data(shop: Path) -> Path:
    assert run(["prepare", str(shop / "log.csv"), "-o", str(shop / "data")]) == 0
    return shop / "data"


def train_model(shop: Path, *options: str) -> Path:
    quick = ["--set", "epochs=3", "--set", "embedding_size=8", *options]
    assert run(["train", str(prepare_data(shop)), "--run", str(shop / "run"), "--model", "bm3", *quick]) == 0
    return shop / "run"


def test_prepare_train_evaluate_and_recommend_work_together(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_folder = train_model(shop)
    capsys.readouterr()
    assert (
        run(["evaluate", str(run_folder), "--json", "--metrics", "ndcg@50,recall@5", "--exclude", "train+validation"])
        == 0
    )
    result = json.loads(capsys.readouterr().out)
    assert set(result["metrics"]) == {"ndcg@50", "recall@5"}
    assert (result["split"], result["items"]) == ("test", "all")
    assert result["excluded"] == "training and validation items"
    assert run(["recommend", str(run_folder), "-o", str(shop / "top.parquet"), "-k", "4"]) == 0
    frame = pl.read_parquet(shop / "top.parquet")
    assert frame.columns == ["user_id", "item_id", "rank", "score"]
    assert frame["user_id"].n_unique() == 30
    interactions = pl.read_csv(shop / "log.csv", infer_schema=False)
    assert frame.join(interactions, on=["user_id", "item_id"]).is_empty()
    assert run(["recommend", str(run_folder), "-o", str(shop / "top.csv"), "-k", "4"]) == 0
    as_csv = pl.read_csv(shop / "top.csv")
    assert as_csv.select("user_id", "item_id", "rank").rows() == frame.select("user_id", "item_id", "rank").rows()


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
        (["train", "missing-folder"], 1, "no such folder"),
        (["evaluate", "missing-folder"], 1, "no such folder"),
        (["evaluate", "data"], 1, "is a data set, not a recommender"),
        (["recommend", "data"], 2, "--output"),
        (["prepare", "log.csv", "-o", "data"], 1, "already exists"),
        (["prepare", "log.csv", "-o", "new", "-f", "image"], 2, "MODALITY=FILE"),
        (["prepare", "log.csv", "-o", "new", "--split", "tiem"], 2, "split"),
        (["prepare", "lgo.csv", "-o", "new"], 1, 'did you mean "log.csv"'),
    ],
)
def test_errors_come_with_a_hint_and_an_exit_code(
    shop: Path,
    arguments: list[str],
    code: int,
    message: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    prepare_data(shop)
    monkeypatch.chdir(shop)
    capsys.readouterr()
    assert run(arguments) == code
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(("unknown", "code", "lines"), [("raise", 1, 0), ("warn", 0, 3), ("popular", 0, 6)])
@pytest.mark.filterwarnings("ignore::triptych.ranking.requested_users.UnknownUserWarning")
def test_unknown_users_raise_an_error_are_left_out_or_get_the_popular_items(
    shop: Path, unknown: str, code: int, lines: int, capsys: pytest.CaptureFixture[str]
) -> None:
    run_folder = train_model(shop)
    capsys.readouterr()
    arguments = ["recommend", str(run_folder), "-u", "u01", "-u", "u99", "-k", "3", "--unknown", unknown, "--json"]
    assert run(arguments) == code
    result = json.loads(capsys.readouterr().out)
    if code == 0:
        assert len(result) == lines
    else:
        assert "u99" in result["error"]["what"]
        assert set(result["error"]) == {"what", "where", "hint"}


def test_quiet_silences_progress_but_not_results_and_errors(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = str(prepare_data(shop))
    train = ["train", data, "--model", "lightgcn", "--set", "epochs=2"]
    for number, arguments in enumerate((["-q", *train], [*train, "--quiet"])):
        capsys.readouterr()
        assert run([*arguments, "--run", str(shop / f"run{number}")]) == 0
        output = capsys.readouterr()
        assert output.err == ""
        assert "run folder:" in output.out
    assert run([*train, "--run", str(shop / "with-progress")]) == 0
    assert capsys.readouterr().err != ""
    assert run(["-q", "train", str(shop / "missing-folder")]) == 1
    assert "no such folder" in capsys.readouterr().err


def test_an_interrupted_training_exits_with_130_and_the_same_command_resumes_it(shop: Path) -> None:
    data = prepare_data(shop)
    command = ["train", str(data), "--run", str(shop / "run"), "--model", "lightgcn"]
    command += ["--set", "batch_size=4", "--set", "epochs=6", "--set", "patience=6"]
    with running("-m", "triptych", *command, path=HELD) as process:
        wait_for(shop / "run" / "metrics.jsonl", process)
        process.send_signal(signal.SIGINT)
        assert process.wait() == 130
    assert (shop / "run" / "checkpoint.safetensors").exists()
    n_recorded = len((shop / "run" / "metrics.jsonl").read_text(encoding="utf-8").splitlines())
    assert n_recorded in (1, 2, 3), "it was not interrupted"
    assert run(command) == 0
    lines = (shop / "run" / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["epoch"] for line in lines] == list(range(1, 7))


def test_models_lists_paper_needs_and_settings_with_range_and_default(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["models", "--json"]) == 0
    models = json.loads(capsys.readouterr().out)
    assert set(models) == set(MODELS)
    for name, model in models.items():
        assert (model["paper"] is None) == (name in ("content-ease", "popularity", "random"))
        assert model["needs"].startswith("interactions")
        for setting in model["settings"]:
            assert setting["kind"]
            assert setting["meaning"]
            assert setting["default"] is not None
    assert run(["models", "grcn"]) == 0
    output = capsys.readouterr().out
    assert "Graph-Refined Convolutional Network" in output
    assert "form = paper  (paper | released)" in output
    assert "n_routing = 3  (int >= 0 and <= 16)" in output
    assert "mmgcn" not in output
    assert run(["models", "gcrn"]) == 2
    assert 'did you mean "grcn"' in capsys.readouterr().err


@pytest.mark.parametrize("model", ["ease", "lightgcn"])
def test_a_training_whose_parent_ends_stops_even_if_sigint_is_ignored(
    model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A comparison in the background ignores SIGINT, and so do the trainings it starts. They stop when it is killed."""
    read_end, write_end = os.pipe()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with os.fdopen(read_end) as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        stopped = False
        try:
            with stop_requests(at_step_ends=model == "lightgcn", until_stdin_closes=True) as should_stop:
                os.close(write_end)
                deadline = time.monotonic() + 60  # it stops at once; without the handler it never would
                while not should_stop() and time.monotonic() < deadline:
                    time.sleep(0.01)
                stopped = should_stop()
        except KeyboardInterrupt:  # a closed-form model stops at once
            stopped = True
    assert stopped
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
