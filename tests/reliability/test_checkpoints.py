"""Files of a run folder that are damaged are errors that name them; nothing goes on from other bytes in silence."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from triptych.data.dataset import Dataset
from triptych.errors import ArtefactError, TrainingError, TriptychError
from triptych.models.ease import EASE
from triptych.progress import Listener
from triptych.ranking.scorer import ItemWeights
from triptych.training.fit import fit
from triptych.training.settings import TrainingSettings
from worlds import random_split

TRAINING = TrainingSettings(epochs=3, batch_size=16, learning_rate=0.01, patience=9)
SMALL = {"embedding_size": 4}
FLIPS = 24


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was interrupted in its second epoch."""
    run, steps = tmp_path_factory.mktemp("stopped") / "run", 0

    def should_stop() -> bool:
        nonlocal steps
        steps += 1
        return steps == 12

    with pytest.raises(KeyboardInterrupt):
        fit("lightgcn", random_split(), SMALL, TRAINING, run=run, should_stop=should_stop)
    return run


def resume(run: Path) -> dict[str, bytes]:
    """Resume a run; returns its model's bytes."""
    fit("lightgcn", random_split(), SMALL, TRAINING, run=run)
    return {file.name: file.read_bytes() for file in sorted((run / "model").iterdir())}


def copy(run: Path, to: Path) -> Path:
    shutil.copytree(run, to)
    return to


def test_a_flipped_bit_in_a_checkpoint_never_resumes_to_other_bytes(stopped: Path, tmp_path: Path) -> None:
    whole, generator = resume(copy(stopped, tmp_path / "whole")), np.random.default_rng(0)
    size = (stopped / "checkpoint.safetensors").stat().st_size
    errors: list[TriptychError] = []
    for number, place in enumerate(np.linspace(0, size - 1, FLIPS).astype(int)):
        run = copy(stopped, tmp_path / str(number))
        content = bytearray((run / "checkpoint.safetensors").read_bytes())
        content[place] ^= 1 << int(generator.integers(8))
        (run / "checkpoint.safetensors").write_bytes(content)
        try:
            assert resume(run) == whole
        except TriptychError as error:
            errors.append(error)
    assert len(errors) > FLIPS / 2
    for each in errors:
        assert "checkpoint.safetensors" in str(each.where)
        assert "delete" in str(each.hint) or "restart" in str(each.hint)


@pytest.mark.parametrize("length", [0, 4, 100, 2000])
def test_a_cut_checkpoint_is_refused(stopped: Path, tmp_path: Path, length: int) -> None:
    run = copy(stopped, tmp_path / "run")
    (run / "checkpoint.safetensors").write_bytes((run / "checkpoint.safetensors").read_bytes()[:length])
    with pytest.raises(ArtefactError, match="is damaged") as caught:
        resume(run)
    assert caught.value.hint is not None
    assert "delete this checkpoint" in caught.value.hint
    (run / "checkpoint.safetensors").unlink()
    assert resume(run) == resume(copy(stopped, tmp_path / "whole"))


def rewritten(run: Path, state: str | None, **changed: np.ndarray) -> None:
    """Write the checkpoint again without a checksum, as earlier versions did. state: None keeps it."""
    path = run / "checkpoint.safetensors"
    with safe_open(path, "np") as opened:
        metadata = opened.metadata()
    save_file({**load_file(path), **changed}, path, {"state": metadata["state"] if state is None else state})


def test_a_checkpoint_without_a_checksum_is_still_read(stopped: Path, tmp_path: Path) -> None:
    run = copy(stopped, tmp_path / "run")
    rewritten(run, None)
    assert resume(run) == resume(copy(stopped, tmp_path / "whole"))


@pytest.mark.parametrize(
    "state",
    ["", "[]", "1", "{", '{"epoch": "many"}', '{"epoch": {}}', '{"unknown": 1}', "[" * 100_000, '{"lines": 50}'],
)
def test_a_state_of_another_kind_is_refused(stopped: Path, tmp_path: Path, state: str) -> None:
    run = copy(stopped, tmp_path / "run")
    rewritten(run, state)
    with pytest.raises(ArtefactError, match="is damaged"):
        resume(run)


def test_parameters_of_another_shape_are_refused(stopped: Path, tmp_path: Path) -> None:
    for name in ("parameter", "adam/exp_avg"):
        run = copy(stopped, tmp_path / name.replace("/", "-"))
        rewritten(run, None, **{f"{name}/user_embedding": np.zeros((1, 4), np.float32)})
        with pytest.raises(TriptychError) as caught:
            resume(run)
        assert "checkpoint.safetensors" in str(caught.value.where)


@pytest.mark.parametrize("name", ["run.json", "metrics.jsonl"])
@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"1", b"null\n", b"\xff\xfe", b"[" * 100_000, b'{"training": []}', b'{"computed_with": {}}'],
    ids=lambda content: repr(content[:20]),
)
def test_a_damaged_file_of_a_run_is_named(stopped: Path, tmp_path: Path, name: str, content: bytes) -> None:
    run = copy(stopped, tmp_path / "run")
    (run / name).write_bytes(content)
    with pytest.raises(TriptychError) as caught:
        resume(run)
    assert name in str(caught.value) or "holds another run" in str(caught.value)
    assert caught.value.hint


def test_a_changed_number_in_recorded_metrics_is_noticed(stopped: Path, tmp_path: Path) -> None:
    run = copy(stopped, tmp_path / "run")
    line = json.loads((run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()[0])
    line["loss/bpr"] += 1.0
    (run / "metrics.jsonl").write_text(json.dumps(line) + "\n")
    with pytest.raises(ArtefactError, match=r"metrics\.jsonl: is damaged"):
        resume(run)


def test_numbers_of_the_last_step_that_are_not_finite_are_noticed() -> None:
    """One epoch without a run folder: no later loss and no checkpoint would show them."""
    one_step = TrainingSettings(epochs=1, batch_size=10_000, learning_rate=3e38, patience=1)
    with pytest.raises(TrainingError, match="not finite after epoch 1") as caught:
        fit("lightgcn", random_split(), {"embedding_size": 64}, replace(one_step, learning_rate=1e300))
    assert caught.value.hint


def test_a_solution_that_is_not_finite_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    solve = EASE.solve

    def broken(self: EASE, dataset: Dataset, listener: Listener) -> ItemWeights:
        scorer = solve(self, dataset, listener)
        scorer.arrays()["weights"][1, 2] = np.nan
        return scorer

    monkeypatch.setattr(EASE, "solve", broken)
    with pytest.raises(TrainingError, match="solution of ease is not finite"):
        fit("ease", random_split())
