"""Ctrl-C: a script stops, a person at a prompt keeps the best epoch, and a run folder goes on to the same bytes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from triptych.data.split import Split, split
from triptych.errors import SettingsError
from triptych.models.bpr import BPR
from triptych.progress import Progress
from triptych.ranking.recommender import Recommender
from triptych.ranking.recommender_folder import open_recommender
from triptych.training.fit import fit
from triptych.training.settings import TrainingSettings
from worlds import random_dataset

SETTINGS = TrainingSettings(epochs=6, batch_size=16)


def small_split() -> Split:
    return split(random_dataset(4, modalities=()), "ratio")


def interrupt_in_epoch(number: int, act: Callable[[], None]) -> Callable[[Progress], None]:
    """Return a listener that acts once, at the end of the second step of an epoch."""
    acted: list[bool] = []

    def listener(progress: Progress) -> None:
        if progress.stage == f"epoch {number}" and progress.done == 2 and not acted:
            acted.append(True)
            act()

    return listener


def press_ctrl_c() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def raise_interrupt() -> None:
    raise KeyboardInterrupt


@pytest.fixture(autouse=True)
def _default_handler() -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)  # background jobs of shells ignore it


@pytest.fixture
def at_a_prompt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "ps1", ">>> ", raising=False)


def assert_same(one: Recommender, other: Recommender) -> None:
    assert torch.equal(one.factors.users, other.factors.users)
    assert torch.equal(one.factors.items, other.factors.items)


@pytest.mark.usefixtures("at_a_prompt")
@pytest.mark.parametrize("act", [press_ctrl_c, raise_interrupt])
def test_at_a_prompt_the_best_epoch_so_far_is_returned(act: Callable[[], None]) -> None:
    with pytest.warns(UserWarning, match="interrupted after 3 epochs: this is the model of epoch [123]$"):
        model = fit("bpr", small_split(), {}, SETTINGS, listener=interrupt_in_epoch(4, act))
    assert model.about["interrupted"] is True
    assert model.about["epochs"] == 3
    assert_same(model, fit("bpr", small_split(), {}, TrainingSettings(epochs=3, batch_size=16)))
    assert "interrupted" in repr(model)


@pytest.mark.usefixtures("at_a_prompt")
def test_a_model_of_an_interrupted_training_is_saved_and_opened(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="interrupted"):
        model = fit("bpr", small_split(), {}, SETTINGS, listener=interrupt_in_epoch(3, press_ctrl_c))
    model.save(tmp_path / "model")
    assert open_recommender(tmp_path / "model").about["interrupted"] is True


@pytest.mark.usefixtures("at_a_prompt")
def test_before_the_first_validation_there_is_nothing_to_return() -> None:
    with pytest.raises(KeyboardInterrupt):
        fit("bpr", small_split(), {}, SETTINGS, listener=interrupt_in_epoch(1, press_ctrl_c))


@pytest.mark.usefixtures("at_a_prompt")
def test_without_validation_there_is_nothing_to_return() -> None:
    data = small_split().known_interactions()
    with pytest.raises(KeyboardInterrupt):
        fit("bpr", data, {}, SETTINGS, fit_on="all", listener=interrupt_in_epoch(3, press_ctrl_c))


@pytest.mark.usefixtures("at_a_prompt")
def test_who_asks_to_stop_gets_the_interrupt() -> None:
    stop: list[bool] = []
    with pytest.raises(KeyboardInterrupt):
        fit(
            "bpr",
            small_split(),
            {},
            SETTINGS,
            listener=interrupt_in_epoch(3, lambda: stop.append(True)),
            should_stop=lambda: bool(stop),
        )


def test_in_a_script_the_interrupt_goes_on() -> None:
    with pytest.raises(KeyboardInterrupt):
        fit("bpr", small_split(), {}, SETTINGS, listener=interrupt_in_epoch(4, press_ctrl_c))


def interrupted_in_folder(run: Path) -> None:
    fit("bpr", small_split(), {}, SETTINGS, run=run, listener=interrupt_in_epoch(4, press_ctrl_c))


def test_in_a_script_a_run_folder_has_the_checkpoint_and_goes_on_to_the_same_bytes(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        interrupted_in_folder(tmp_path / "run")
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    _goes_on(tmp_path / "run")


@pytest.mark.usefixtures("at_a_prompt")
def test_at_a_prompt_a_run_folder_has_the_checkpoint_too(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="interrupted after 3 epochs.*the same call with run=.* goes on"):
        interrupted_in_folder(tmp_path / "run")
    _goes_on(tmp_path / "run")


def _goes_on(run: Path) -> None:
    assert (run / "checkpoint.safetensors").is_file()
    assert not (run / "model").exists()
    steps: list[Progress] = []
    finished = fit("bpr", small_split(), {}, SETTINGS, run=run, listener=steps.append)
    first = next(each for each in steps if each.stage.startswith("epoch"))
    assert (first.stage, first.done) == ("epoch 4", 3)  # after the step of the interrupt
    assert "interrupted" not in finished.about
    assert_same(finished, fit("bpr", small_split(), {}, SETTINGS))


def test_a_second_interrupt_stops_at_once(tmp_path: Path) -> None:
    def press_twice() -> None:
        press_ctrl_c()
        press_ctrl_c()
        raise AssertionError("the second one did not stop it")

    with pytest.raises(KeyboardInterrupt):
        fit("bpr", small_split(), {}, SETTINGS, run=tmp_path / "run", listener=interrupt_in_epoch(3, press_twice))


def test_a_handler_of_the_program_is_left_alone(tmp_path: Path) -> None:
    pressed: list[int] = []
    signal.signal(signal.SIGINT, lambda number, frame: pressed.append(number))
    model = fit("bpr", small_split(), {}, SETTINGS, run=tmp_path / "run", listener=interrupt_in_epoch(2, press_ctrl_c))
    assert pressed == [signal.SIGINT]
    assert model.about["epochs"] == 6


def test_training_in_another_thread_leaves_signals_alone(tmp_path: Path) -> None:
    models: list[Recommender] = []
    thread = threading.Thread(
        target=lambda: models.append(fit("bpr", small_split(), {}, SETTINGS, run=tmp_path / "run"))
    )
    thread.start()
    thread.join()
    assert_same(models[0], fit("bpr", small_split(), {}, SETTINGS))


def test_a_script_ends_by_the_signal() -> None:
    script = (
        "import os, signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "import numpy as np, triptych\n"
        "from triptych import Dataset, Interactions, fit, split\n"
        "from triptych.data.vocabulary import Vocabulary\n"
        "ids = [str(n) for n in range(30)]\n"
        "rows = np.random.default_rng(0).integers(0, 30, (2, 400))\n"
        "data = Dataset(Vocabulary(ids, noun='user'), Vocabulary(ids), Interactions.from_pairs(*rows, 30, 30))\n"
        "def listener(progress):\n"
        "    if progress.stage == 'training': os.kill(os.getpid(), signal.SIGINT)\n"
        "fit('bpr', split(data), listener=listener)\n"
        "print('went on')\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == -signal.SIGINT
    assert "KeyboardInterrupt" in done.stderr
    assert "went on" not in done.stdout


@pytest.mark.parametrize("settings", [{"embedding_size": 8}, {"embedding_size": "8"}, BPR.Settings(embedding_size=8)])
@pytest.mark.parametrize(
    "training", [{"epochs": 2, "batch_size": "16"}, TrainingSettings(epochs=2, batch_size=16)], ids=["dict", "class"]
)
def test_settings_are_a_dict_or_an_instance_of_their_class(settings: Any, training: Any) -> None:
    model = fit("bpr", small_split(), settings, training)
    assert model.factors.items.shape[1] in (8, 9)
    assert model.about["training"]["batch_size"] == 16


@pytest.mark.parametrize(
    ("settings", "training", "message"),
    [
        ({"embeding_size": 8}, None, 'unknown setting "embeding_size" of bpr\n.*did you mean "embedding_size"'),
        (None, {"epoch": 2}, 'unknown setting "epoch" of training\n.*did you mean "epochs"'),
        (TrainingSettings(), None, "settings of bpr cannot be TrainingSettings"),
        (None, 3, "settings of training cannot be 3\n.*give a dict, or an instance of TrainingSettings"),
    ],
)
def test_other_settings_are_refused_with_what_was_meant(
    settings: Mapping[str, object] | None, training: Any, message: str
) -> None:
    with pytest.raises(SettingsError, match=message):
        fit("bpr", small_split(), settings, training)
