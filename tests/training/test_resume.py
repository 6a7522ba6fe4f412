"""A run that was killed at any moment ends with the same bytes as an uninterrupted one."""

from __future__ import annotations

import json
import random
import signal
import time
from pathlib import Path

import pytest

from children import TESTS, running, wait_for, written_at
from triptych.progress import Progress
from triptych.training.fit import fit
from triptych.training.settings import TrainingSettings
from worlds import random_split

SCRIPT = Path(__file__).with_name("killed_run.py")
KILLS = 6


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in sorted((folder / "model").iterdir())}


def metrics_of(folder: Path) -> list[list[str]]:
    """metrics.jsonl without what depends on the clock or the machine."""
    lines = (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    return [[part for part in line.split(", ") if "seconds" not in part and "megabytes" not in part] for line in lines]


def test_a_run_killed_at_random_moments_ends_with_the_same_bytes(tmp_path: Path) -> None:
    """Whatever a process was at when it ended (power, memory, kill -9), a run is not lost and nothing in it differs.

    Eight processes are started one after the other, and most of the time they take is Python's and torch's start.
    """
    undisturbed, disturbed = tmp_path / "undisturbed", tmp_path / "disturbed"
    with running(SCRIPT, undisturbed, path=TESTS) as process:
        assert process.wait() == 0
    checkpoint, generator = disturbed / "checkpoint.safetensors", random.Random(0)
    for life in range(KILLS):
        before = written_at(checkpoint)
        with running(
            SCRIPT, disturbed, 2 * (life + 1), path=TESTS
        ) as process:  # of 13 epochs, the last is seen by none
            wait_for(checkpoint, process, other_than=before)  # every life gets somewhere
            time.sleep(generator.uniform(0, 0.4))  # at whatever it is then
            process.send_signal(signal.SIGKILL)
            assert process.wait() == -signal.SIGKILL
    with running(SCRIPT, disturbed, path=TESTS) as process:
        assert process.wait() == 0
    assert bytes_of(disturbed) == bytes_of(undisturbed)
    assert metrics_of(disturbed) == metrics_of(undisturbed)


@pytest.mark.parametrize("name", ["lightgcn", "freedom"])  # freedom samples its edges in every epoch
def test_a_run_that_should_stop_continues_where_it_stopped(name: str, tmp_path: Path) -> None:
    training = TrainingSettings(epochs=6, batch_size=16, patience=6)
    settings = {"embedding_size": 8}
    whole = fit(name, random_split(), settings, training)
    steps = 0

    def stop_at_seventeen() -> bool:
        nonlocal steps
        steps += 1
        return steps == 17

    with pytest.raises(KeyboardInterrupt):
        fit(name, random_split(), settings, training, run=tmp_path, should_stop=stop_at_seventeen)
    resumed = fit(name, random_split(), settings, training, run=tmp_path)
    assert resumed.factors.items.equal(whole.factors.items)
    assert resumed.about == whole.about


def test_a_run_that_died_before_its_first_checkpoint_records_each_epoch_once(tmp_path: Path) -> None:
    training = TrainingSettings(epochs=3, batch_size=16, patience=3)

    def die(progress: Progress) -> None:
        if progress.stage == "training" and progress.done == 2:
            raise RuntimeError("died")

    with pytest.raises(RuntimeError, match="died"):
        fit("lightgcn", random_split(), {"embedding_size": 8}, training, run=tmp_path, listener=die)
    assert not (tmp_path / "checkpoint.safetensors").exists()
    fit("lightgcn", random_split(), {"embedding_size": 8}, training, run=tmp_path)
    lines = (tmp_path / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["epoch"] for line in lines] == [1, 2, 3]
