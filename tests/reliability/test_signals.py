"""SIGTERM and SIGHUP end every command as Ctrl-C does: checkpoints are written, partial outputs removed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import triptych.data.dataset
from children import HELD, running, wait_for
from triptych.cli.app import run
from triptych.cli.signals import STOPS, Stopped, raise_when_stopped, stop_requests
from triptych.ranking.recommender import Recommender
from worlds import random_dataset

if sys.platform == "win32":
    pytest.skip("no such signals there", allow_module_level=True)

CODES = [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
LIGHTGCN = ["--model", "lightgcn", "--set", "batch_size=4", "--set", "epochs=5", "--set", "embedding_size=4"]


@pytest.fixture(autouse=True)
def _handlers() -> Iterator[None]:
    """The handlers of a shell's command, however the tests were started; those before are restored."""
    before = {number: signal.getsignal(number) for number in STOPS}
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    dataset = random_dataset()
    pairs = dataset.interactions
    frame = pl.DataFrame({"user_id": dataset.users.names(pairs.users), "item_id": dataset.items.names(pairs.items)})
    frame.write_csv(tmp_path / "log.csv")
    return tmp_path / "log.csv"


@pytest.fixture
def data(log: Path) -> Path:
    assert run(["prepare", str(log), "-o", str(log.parent / "data")]) == 0
    return log.parent / "data"


def kill_after(function: Callable[..., Any], number: int) -> Callable[..., Any]:
    """Return the function, which sends a signal to this process when it has done its work."""

    def wrapped(*arguments: Any, **others: Any) -> Any:
        result = function(*arguments, **others)
        os.kill(os.getpid(), number)
        return result

    return wrapped


def names(folder: Path) -> set[str]:
    return {each.name for each in folder.iterdir()}


@pytest.mark.parametrize(("number", "code"), CODES)
def test_a_stopped_prepare_leaves_nothing(log: Path, number: int, code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(triptych.data.dataset, "save_tables", kill_after(triptych.data.dataset.save_tables, number))
    assert run(["prepare", str(log), "-o", str(log.parent / "out")]) == code
    assert names(log.parent) == {"log.csv"}


@pytest.mark.parametrize(("number", "code"), CODES)
def test_a_stopped_recommend_leaves_nothing(
    data: Path, number: int, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = data.parent
    assert run(["train", str(data), "--model", "popularity", "--run", str(folder / "run")]) == 0
    before = names(folder)
    stream = Recommender.stream

    def stopped(self: Recommender, *arguments: Any, **others: Any) -> Iterator[Any]:
        for chunk in stream(self, *arguments, **others):
            yield chunk
            os.kill(os.getpid(), number)

    monkeypatch.setattr(Recommender, "stream", stopped)
    assert run(["recommend", str(folder / "run"), "-o", str(folder / "lists.parquet")]) == code
    assert names(folder) == before


@pytest.mark.parametrize(("number", "code"), CODES[1:])
def test_a_stopped_training_writes_a_checkpoint_and_is_resumed(data: Path, number: int, code: int) -> None:
    command, runs = ["train", str(data), *LIGHTGCN, "--run"], data.parent
    with running("-m", "triptych", *command, runs / "run", path=HELD) as process:
        wait_for(runs / "run" / "metrics.jsonl", process)
        process.send_signal(number)
        assert process.wait() == code
    assert (runs / "run" / "checkpoint.safetensors").exists()
    assert not (runs / "run" / "cost.json").exists(), "it was not interrupted"
    assert run([*command, str(runs / "run")]) == 0
    assert run([*command, str(runs / "whole")]) == 0
    one, other = ((runs / name / "model" / "factors.safetensors").read_bytes() for name in ("run", "whole"))
    assert one == other


def test_a_training_whose_terminal_is_gone_writes_a_checkpoint(data: Path) -> None:
    folder = data.parent / "run"
    control, terminal = os.openpty()
    command = [sys.executable, "-m", "triptych", "train", str(data), *LIGHTGCN, "--run", str(folder)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(HELD), os.environ.get("PYTHONPATH", "")])}
    process = subprocess.Popen(command, env=environment, stderr=terminal, stdout=terminal)
    os.close(terminal)
    reader = threading.Thread(target=os.read, args=(control, 1 << 20), daemon=True)
    reader.start()
    try:
        wait_for(folder / "metrics.jsonl", process)
        reader.join(60)
        os.close(control)
        process.send_signal(signal.SIGHUP)
        assert process.wait() == 129
    finally:
        process.kill()
        process.wait()
    assert (folder / "checkpoint.safetensors").exists()


def test_a_stopped_comparison_stops_its_trainings_first(data: Path) -> None:
    compared = data.parent / "compared"
    command = ["compare", str(data), "--models", "lightgcn", "-o", str(compared)]
    command += ["--set", "lightgcn.batch_size=4", "--set", "lightgcn.embedding_size=4", "--set", "epochs=5"]
    folder = compared / "data" / "lightgcn" / "seed-0"
    with running("-m", "triptych", *command, path=HELD) as process:
        wait_for(folder / "metrics.jsonl", process)
        process.send_signal(signal.SIGTERM)
        assert process.wait() == 143
    assert (folder / "checkpoint.safetensors").exists()
    assert json.loads((folder / "run.json").read_text(encoding="utf-8"))["model"] == "lightgcn"
    assert not (folder / "cost.json").exists()


def test_ignored_signals_stay_ignored() -> None:
    """As under nohup, and in the background jobs of a script."""
    for number in (signal.SIGHUP, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    with raise_when_stopped(), stop_requests(at_step_ends=True, until_stdin_closes=False) as should_stop:
        for number in (signal.SIGHUP, signal.SIGINT):
            assert signal.getsignal(number) is signal.SIG_IGN
            os.kill(os.getpid(), number)
        assert not should_stop()
        os.kill(os.getpid(), signal.SIGTERM)
        assert should_stop()


def stopped_by(work: Callable[[], None]) -> int:
    """Return the number of the signal that ended the work."""
    with pytest.raises(Stopped) as caught:
        work()
    return caught.value.number


def test_a_second_signal_of_another_kind_does_not_disturb_the_end() -> None:
    """A service manager sends SIGTERM and SIGHUP together; a second Ctrl-C is meant."""
    ends: list[str] = []

    def at_once() -> None:
        with raise_when_stopped():
            try:
                os.kill(os.getpid(), signal.SIGTERM)
            finally:
                os.kill(os.getpid(), signal.SIGHUP)
                ends.append("cleaned")

    def after_a_step() -> None:
        with stop_requests(at_step_ends=True, until_stdin_closes=False) as should_stop:
            os.kill(os.getpid(), signal.SIGTERM)
            os.kill(os.getpid(), signal.SIGHUP)
            ends.append("stopping" if should_stop() else "")
            os.kill(os.getpid(), signal.SIGINT)

    assert stopped_by(at_once) == signal.SIGTERM
    assert stopped_by(after_a_step) == signal.SIGINT
    assert ends == ["cleaned", "stopping"]


def test_the_first_signal_decides_about_the_exit_code() -> None:
    def work() -> None:
        with stop_requests(at_step_ends=True, until_stdin_closes=False):
            os.kill(os.getpid(), signal.SIGHUP)
            raise KeyboardInterrupt  # as training does when it has written its checkpoint

    assert stopped_by(work) == signal.SIGHUP


def test_the_handlers_before_are_restored() -> None:
    before = [signal.getsignal(number) for number in STOPS]
    assert run(["models", "popularity"]) == 0
    with stop_requests(at_step_ends=True, until_stdin_closes=False):
        pass
    assert [signal.getsignal(number) for number in STOPS] == before
