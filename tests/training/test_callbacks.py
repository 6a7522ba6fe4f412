"""A function per epoch sees and may end a training; a validation of one's own takes the place of the metric."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import triptych
from triptych.errors import InputError, SettingsError, TrainingError
from triptych.ranking.recommender import Recommender
from triptych.training.callbacks import Epoch
from triptych.training.fit import fit
from triptych.training.settings import TrainingSettings
from worlds import random_dataset, random_split

SETTINGS = {"embedding_size": 8}
TRAINING = TrainingSettings(epochs=6, batch_size=32, learning_rate=0.01, patience=6)
MODELS = ["lightgcn", "bm3", "freedom"]  # with dropout and edges drawn per epoch


def bytes_of(run: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in sorted((run / "model").iterdir())}


def lines_of(run: Path) -> list[dict[str, Any]]:
    """metrics.jsonl without what depends on the clock or the machine."""
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    return [{key: value for key, value in line.items() if not re.search("seconds|megabytes", key)} for line in lines]


@pytest.mark.parametrize("name", MODELS)
def test_every_epoch_is_reported_with_its_losses_metrics_and_factors_and_nothing_changes(
    name: str, tmp_path: Path
) -> None:
    epochs: list[Epoch] = []
    items: list[torch.Tensor] = []

    def look(epoch: Epoch) -> None:
        epochs.append(epoch)
        items.append(epoch.factors().items)
        assert epoch.model.training is False or not epoch.metrics

    training = replace(TRAINING, evaluate_every=2)
    fit(name, random_split(), SETTINGS, training, run=tmp_path / "plain")
    model = fit(name, random_split(), SETTINGS, training, run=tmp_path / "watched", on_epoch=look)
    assert bytes_of(tmp_path / "watched") == bytes_of(tmp_path / "plain")
    lines = lines_of(tmp_path / "watched")
    assert lines == lines_of(tmp_path / "plain")
    assert [epoch.number for epoch in epochs] == [1, 2, 3, 4, 5, 6]
    for epoch, line in zip(epochs, lines, strict=True):
        assert epoch.losses == {key[5:]: value for key, value in line.items() if key.startswith("loss/")}
        assert epoch.metrics == {key[11:]: value for key, value in line.items() if key.startswith("validation/")}
        assert bool(epoch.metrics) == (epoch.number % 2 == 0)
        assert epoch.seconds > 0
    assert torch.equal(items[model.about["best_epoch"] - 1], model.factors.items)
    assert not any(torch.equal(one, other) for one, other in pairwise(items))


@pytest.mark.parametrize("every", [1, 2, 4])
@pytest.mark.parametrize("name", MODELS)
def test_true_ends_the_training_as_if_patience_had(name: str, every: int, tmp_path: Path) -> None:
    training = replace(TRAINING, evaluate_every=every)
    stopped = fit(name, random_split(), SETTINGS, training, on_epoch=lambda epoch: epoch.number == 3)
    as_long = fit(name, random_split(), SETTINGS, replace(training, epochs=3))
    for key in ("epochs", "best_epoch", "validation/ndcg@50"):
        assert stopped.about[key] == as_long.about[key]
    assert stopped.about["epochs"] == 3
    assert torch.equal(stopped.factors.items, as_long.factors.items)


@pytest.mark.parametrize("answer", [None, 1, "yes", 12, False, np.False_])
def test_what_a_function_returns_by_accident_does_not_end_a_training(answer: object) -> None:
    assert fit("bpr", random_split(), SETTINGS, TRAINING, on_epoch=lambda epoch: answer).about["epochs"] == 6


def test_a_comparison_of_numpy_ends_it() -> None:
    assert fit("bpr", random_split(), SETTINGS, TRAINING, on_epoch=lambda epoch: np.True_).about["epochs"] == 1


@pytest.mark.parametrize("every", [1, 2])
def test_a_stopped_run_that_dies_before_its_model_is_written_ends_with_the_same_bytes(
    every: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    training, stop = replace(TRAINING, evaluate_every=every, checkpoint_seconds=0), lambda epoch: epoch.number == 3
    fit("lightgcn", random_split(), SETTINGS, training, run=tmp_path / "whole", on_epoch=stop)

    def die(*_: object, **__: object) -> None:
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr(Recommender, "save", die)
        with pytest.raises(MemoryError):
            fit("lightgcn", random_split(), SETTINGS, training, run=tmp_path / "run", on_epoch=stop)
    fit("lightgcn", random_split(), SETTINGS, training, run=tmp_path / "run", on_epoch=stop)
    assert bytes_of(tmp_path / "run") == bytes_of(tmp_path / "whole")
    assert lines_of(tmp_path / "run") == lines_of(tmp_path / "whole")


def test_a_stopped_run_goes_on_with_more_epochs_as_if_it_had_not_been_stopped(tmp_path: Path) -> None:
    stop = lambda epoch: epoch.number == 3  # noqa: E731
    fit("lightgcn", random_split(), SETTINGS, replace(TRAINING, epochs=5), run=tmp_path / "run", on_epoch=stop)
    fit("lightgcn", random_split(), SETTINGS, TRAINING, run=tmp_path / "run")
    fit("lightgcn", random_split(), SETTINGS, TRAINING, run=tmp_path / "whole")
    assert bytes_of(tmp_path / "run") == bytes_of(tmp_path / "whole")
    assert lines_of(tmp_path / "run") == lines_of(tmp_path / "whole")


def test_without_validation_the_last_epoch_of_a_stopped_training_counts() -> None:
    data = triptych.split(random_dataset(), "ratio", ratios=(1.0, 0.0, 0.0))
    stopped = fit("lightgcn", data, SETTINGS, TRAINING, on_epoch=lambda epoch: epoch.number == 2)
    as_long = fit("lightgcn", data, SETTINGS, replace(TRAINING, epochs=2))
    assert torch.equal(stopped.factors.items, as_long.factors.items)


def test_an_error_in_the_function_ends_the_training_and_the_run_goes_on_later(tmp_path: Path) -> None:
    def fail(epoch: Epoch) -> None:
        if epoch.number == 4:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fit("lightgcn", random_split(), SETTINGS, TRAINING, run=tmp_path / "run", on_epoch=fail)
    fit("lightgcn", random_split(), SETTINGS, TRAINING, run=tmp_path / "run")
    fit("lightgcn", random_split(), SETTINGS, TRAINING, run=tmp_path / "whole")
    assert bytes_of(tmp_path / "run") == bytes_of(tmp_path / "whole")


def ndcg(model: Recommender) -> float:
    return model.evaluate("validation", metrics=["ndcg@50"])["ndcg@50"]


@pytest.mark.parametrize("name", MODELS)
def test_a_validation_that_computes_the_metric_gives_the_same_training(name: str) -> None:
    training = replace(TRAINING, epochs=20, patience=2)
    own, ours = (
        fit(name, random_split(), SETTINGS, training, validate=ndcg),
        fit(name, random_split(), SETTINGS, training),
    )
    assert own.about["validate"] == "ndcg"
    assert own.about["best_epoch"] == ours.about["best_epoch"]
    assert own.about["epochs"] == ours.about["epochs"]
    assert own.about["validation/ndcg"] == ours.about["validation/ndcg@50"]
    assert torch.equal(own.factors.items, ours.factors.items)


def test_it_decides_alone_which_epoch_is_the_best_and_when_training_ends(tmp_path: Path) -> None:
    values = iter([0.1, 0.5, 0.2, 0.5, 0.4, 0.9])
    training = replace(TRAINING, patience=3)
    model = fit("bpr", random_split(), SETTINGS, training, validate=lambda model: next(values), run=tmp_path / "run")
    assert (model.about["best_epoch"], model.about["epochs"], model.about["validation/validate"]) == (2, 5, 0.5)
    assert [line["validation/validate"] for line in lines_of(tmp_path / "run")] == [0.1, 0.5, 0.2, 0.5, 0.4]
    assert not any("ndcg" in key for line in lines_of(tmp_path / "run") for key in line)


def test_training_without_validation_interactions_can_stop_early_by_it() -> None:
    data = triptych.split(random_dataset(), "ratio", ratios=(1.0, 0.0, 0.0))
    training = TrainingSettings(batch_size=32, patience=2)

    def first_item(model: Recommender) -> float:
        return -float(model.factors.items.norm())  # it grows, so the first epoch is the best

    assert fit("bpr", data, SETTINGS, training, validate=first_item).about["epochs"] < 1000


def test_the_test_part_is_withheld_from_it() -> None:
    split, seen = random_split(), []

    def look(model: Recommender) -> float:
        seen.append((len(model.split.train.interactions), len(model.split.validation), len(model.split.test)))
        with pytest.raises(InputError, match="no user has a held-out item"):
            model.evaluate("test")
        assert model.recommend(["u01"], 3).items.shape == (1, 3)
        return 1.0

    fit("bpr", split, SETTINGS, replace(TRAINING, epochs=1), validate=look)
    assert seen == [(len(split.train.interactions), len(split.validation), 0)]


def test_an_interrupted_run_with_it_ends_with_the_same_bytes(tmp_path: Path) -> None:
    training = replace(TRAINING, patience=2, epochs=12)
    fit("bm3", random_split(), SETTINGS, training, run=tmp_path / "whole", validate=ndcg)
    steps = iter(range(10_000))
    for stop_after in (5, 9, 30):
        with pytest.raises(KeyboardInterrupt):
            fit(
                "bm3",
                random_split(),
                SETTINGS,
                training,
                run=tmp_path / "run",
                validate=ndcg,
                should_stop=lambda n=stop_after: next(steps) % n == n - 1,  # type: ignore[misc]
            )
    fit("bm3", random_split(), SETTINGS, training, run=tmp_path / "run", validate=ndcg)
    assert bytes_of(tmp_path / "run") == bytes_of(tmp_path / "whole")
    assert lines_of(tmp_path / "run") == lines_of(tmp_path / "whole")


def test_a_run_goes_on_with_its_own_validation_only(tmp_path: Path) -> None:
    fit("bpr", random_split(), SETTINGS, TRAINING, run=tmp_path / "run", validate=ndcg)
    longer = replace(TRAINING, epochs=8)
    with pytest.raises(TrainingError, match="validate was 'ndcg', now None"):
        fit("bpr", random_split(), SETTINGS, longer, run=tmp_path / "run")
    fit("bpr", random_split(), SETTINGS, longer, run=tmp_path / "run", validate=ndcg)
    fit("bpr", random_split(), SETTINGS, longer, run=tmp_path / "whole", validate=ndcg)
    assert bytes_of(tmp_path / "run") == bytes_of(tmp_path / "whole")
    fit("bpr", random_split(), SETTINGS, TRAINING, run=tmp_path / "plain")
    with pytest.raises(TrainingError, match="validate was None, now 'ndcg'"):
        fit("bpr", random_split(), SETTINGS, longer, run=tmp_path / "plain", validate=ndcg)


@pytest.mark.parametrize(
    ("returned", "error", "message"),
    [
        (None, SettingsError, "validate returned NoneType, not a number"),
        ({"ndcg": 1.0}, SettingsError, "validate returned dict, not a number"),
        (float("nan"), TrainingError, "validate returned nan"),
        (float("inf"), TrainingError, "validate returned inf"),
    ],
)
def test_what_it_returns_is_checked(returned: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        fit("bpr", random_split(), SETTINGS, TRAINING, validate=lambda model: returned)


def constant(value: Any, model: Recommender) -> Any:
    return value


def test_numbers_of_numpy_and_torch_are_numbers() -> None:
    for value in (np.float32(0.5), torch.tensor(0.5), 1):
        model = fit("bpr", random_split(), SETTINGS, replace(TRAINING, epochs=1), validate=partial(constant, value))
        assert model.about["validation/partial"] == float(value)


def test_what_is_no_function_is_refused() -> None:
    with pytest.raises(SettingsError, match="validate is str, not a function"):
        fit("bpr", random_split(), SETTINGS, TRAINING, validate="ndcg@50")  # type: ignore[arg-type]
    with pytest.raises(SettingsError, match="on_epoch is int, not a function"):
        fit("bpr", random_split(), SETTINGS, TRAINING, on_epoch=3)  # type: ignore[arg-type]


def test_a_closed_form_has_no_epochs_and_needs_no_validation() -> None:
    def fail(*_: object) -> float:
        raise AssertionError

    about = fit("popularity", random_split(), on_epoch=fail, validate=fail).about
    assert "validate" not in about
