"""A run goes on with what cannot change its past, to the bytes of a run that began so; one difference is named."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from triptych.errors import TrainingError
from triptych.ranking.recommender_folder import open_recommender
from triptych.training.fit import fit
from triptych.training.settings import TrainingSettings
from worlds import random_split

SHORT = TrainingSettings(epochs=3, batch_size=16, learning_rate=0.01, patience=9)
SMALL = {"embedding_size": 8}


def train(run: Path, training: TrainingSettings, name: str = "lightgcn", stop_after: int | None = None) -> None:
    steps = 0

    def should_stop() -> bool:
        nonlocal steps
        steps += 1
        return steps == stop_after

    fit(name, random_split(), SMALL if name == "lightgcn" else {}, training, run=run, should_stop=should_stop)


def bytes_of(run: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in sorted((run / "model").iterdir())}


def lines_of(run: Path) -> list[dict[str, Any]]:
    """The lines of metrics.jsonl without times and memory."""
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    return [{k: v for k, v in line.items() if "seconds" not in k and "megabytes" not in k} for line in lines]


@pytest.mark.parametrize("evaluate_every", [1, 2])  # 2: the last epoch, an odd one, gets an evaluation of its own
def test_a_finished_run_goes_on_with_more_epochs(tmp_path: Path, evaluate_every: int) -> None:
    short = replace(SHORT, evaluate_every=evaluate_every)
    for epochs in (5, 6):
        train(tmp_path / f"whole-{epochs}", replace(short, epochs=epochs))
    train(tmp_path / "run", short)
    for epochs in (5, 6):
        train(tmp_path / "run", replace(short, epochs=epochs))
        assert bytes_of(tmp_path / "run") == bytes_of(tmp_path / f"whole-{epochs}")
        assert lines_of(tmp_path / "run") == lines_of(tmp_path / f"whole-{epochs}")


def test_an_interrupted_run_goes_on_with_more_and_with_fewer_epochs(tmp_path: Path) -> None:
    for epochs in (2, 5):
        train(tmp_path / f"whole-{epochs}", replace(SHORT, epochs=epochs))
        with pytest.raises(KeyboardInterrupt):
            train(tmp_path / f"run-{epochs}", SHORT, stop_after=12)
        train(tmp_path / f"run-{epochs}", replace(SHORT, epochs=epochs))
        assert bytes_of(tmp_path / f"run-{epochs}") == bytes_of(tmp_path / f"whole-{epochs}")


def test_a_run_that_ran_out_of_patience_goes_on_with_more(tmp_path: Path) -> None:
    hasty = replace(SHORT, epochs=14, learning_rate=0.2, patience=1)
    train(tmp_path / "run", hasty)
    n_epochs = open_recommender(tmp_path / "run").about["epochs"]
    assert n_epochs < 14, "it did not run out of patience, so nothing was tested"
    patient = replace(hasty, patience=3, checkpoint_seconds=0.0)
    train(tmp_path / "run", patient)
    train(tmp_path / "whole", patient)
    assert bytes_of(tmp_path / "run") == bytes_of(tmp_path / "whole")
    assert lines_of(tmp_path / "run") == lines_of(tmp_path / "whole")
    if len(lines_of(tmp_path / "run")) > n_epochs:
        with pytest.raises(TrainingError, match=r"with training\.patience 1 it would have ended before epoch"):
            train(tmp_path / "run", hasty)
    assert bytes_of(tmp_path / "run") == bytes_of(tmp_path / "whole")


def test_a_closed_form_model_goes_on_too(tmp_path: Path) -> None:
    train(tmp_path / "run", SHORT, "ease")
    train(tmp_path / "run", replace(SHORT, epochs=9, patience=1), "ease")
    train(tmp_path / "whole", replace(SHORT, epochs=9, patience=1), "ease")
    assert bytes_of(tmp_path / "run") == bytes_of(tmp_path / "whole")


def test_going_back_to_fewer_epochs_than_were_trained_is_refused(tmp_path: Path) -> None:
    train(tmp_path / "run", SHORT)
    before = bytes_of(tmp_path / "run")
    with pytest.raises(TrainingError, match=r"training\.epochs is 2, but 3 were trained already") as caught:
        train(tmp_path / "run", replace(SHORT, epochs=2))
    assert caught.value.hint
    train(tmp_path / "run", SHORT)
    assert bytes_of(tmp_path / "run") == before


@pytest.mark.parametrize(
    ("change", "shown"),
    [
        ({"learning_rate": 0.02}, r"training\.learning_rate was 0\.01, now 0\.02\n"),
        ({"seed": 1}, r"training\.seed was 0, now 1\n"),
        ({"evaluate_every": 2, "epochs": 9}, r"training\.evaluate_every was 1, now 2\n"),
        ({"min_gain": 0.1}, r"training\.min_gain was 0\.0, now 0\.1\n"),
    ],
)
def test_another_difference_is_named_alone(tmp_path: Path, change: dict[str, Any], shown: str) -> None:
    train(tmp_path / "run", replace(SHORT, epochs=1))
    before = (tmp_path / "run" / "run.json").read_bytes()
    with pytest.raises(TrainingError, match=shown):
        train(tmp_path / "run", replace(replace(SHORT, epochs=1), **change))
    assert (tmp_path / "run" / "run.json").read_bytes() == before


def test_another_setting_of_the_model_is_named(tmp_path: Path) -> None:
    fit("lightgcn", random_split(), SMALL, SHORT, run=tmp_path)
    with pytest.raises(TrainingError, match=r"settings\.n_layers was 3, now 1"):
        fit("lightgcn", random_split(), {**SMALL, "n_layers": 1}, SHORT, run=tmp_path)
    with pytest.raises(TrainingError, match=r"model was 'lightgcn', now 'bpr'"):
        fit("bpr", random_split(), SMALL, SHORT, run=tmp_path)


def test_a_run_that_was_killed_between_two_settings_goes_on_with_either(tmp_path: Path) -> None:
    """The old end is forgotten first, then the new settings are written: a kill between them loses nothing."""
    longer = replace(SHORT, epochs=5)
    train(tmp_path / "whole", SHORT)
    train(tmp_path / "whole-5", longer)
    for training, whole in ((SHORT, "whole"), (longer, "whole-5")):
        run = tmp_path / f"run-{training.epochs}"
        train(run, SHORT)
        (run / "cost.json").unlink()  # killed here
        train(run, training)
        assert bytes_of(run) == bytes_of(tmp_path / whole)
