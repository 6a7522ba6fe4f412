"""Loggers get the same metrics as metrics.jsonl."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from triptych.cli.app import run
from triptych.data.split import assign_split
from worlds import random_dataset

TRAIN = ["--model", "lightgcn", "--set", "epochs=3", "--set", "embedding_size=8"]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    assign_split(random_dataset(), "ratio", ratios=(0.8, 0.1, 0.1), seed=0).save(tmp_path / "data")
    return tmp_path / "data"


def lines_of(folder: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]


def test_tensorboard_gets_every_line(data: Path, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="TensorBoard is not installed")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    assert (
        run(["train", str(data), *TRAIN, "--run", str(tmp_path / "r"), "--log-to", f"tensorboard:{tmp_path / 'tb'}"])
        == 0
    )
    events = EventAccumulator(str(tmp_path / "tb" / str(tmp_path / "r").strip("/")))
    events.Reload()
    logged = [(event.step, event.value) for event in events.Scalars("validation/ndcg@50")]
    assert logged == [(line["epoch"], pytest.approx(line["validation/ndcg@50"])) for line in lines_of(tmp_path / "r")]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # raised inside MLflow
def test_mlflow_gets_every_line_in_one_run(data: Path, tmp_path: Path) -> None:
    mlflow = pytest.importorskip("mlflow", reason="MLflow is not installed")
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    assert run(["train", str(data), *TRAIN, "--run", str(tmp_path / "r"), "--log-to", f"mlflow:{uri}"]) == 0
    client = mlflow.MlflowClient(tracking_uri=uri)
    (found,) = client.search_runs([client.get_experiment_by_name("triptych").experiment_id])
    assert found.data.params["model"] == "lightgcn"
    logged = client.get_metric_history(found.info.run_id, "loss/bpr")
    assert [(each.step, each.value) for each in logged] == [
        (line["epoch"], line["loss/bpr"]) for line in lines_of(tmp_path / "r")
    ]


@pytest.mark.parametrize(
    ("named", "message"), [("tensorbord:x", 'did you mean "tensorboard"'), ("mlflow", "mlflow:sqlite:///mlflow.db")]
)
def test_an_unknown_logger_is_refused_before_training(
    named: str, message: str, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["train", str(data), *TRAIN, "--run", str(tmp_path / "r"), "--log-to", named]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "r").exists()
