"""Run folders: one run per folder, one process at a time."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from triptych.errors import TrainingError
from triptych.progress import Progress
from triptych.training import run_folder
from triptych.training.run_folder import locked_run_folder


@pytest.mark.skipif(sys.platform == "win32", reason="no locks there")
def test_two_processes_do_not_train_in_one_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_folder, "WAIT_SECONDS", 0.0)
    notes: list[Progress] = []
    with locked_run_folder(tmp_path, {"model": "a"}):  # each call has a lock of its own, as two processes have
        with (
            pytest.raises(TrainingError, match="another process") as caught,
            locked_run_folder(tmp_path, {"model": "a"}),
        ):
            pass
        monkeypatch.setattr(run_folder, "WAIT_SECONDS", 0.2)
        with pytest.raises(TrainingError), locked_run_folder(tmp_path, {"model": "a"}, notes.append):
            pass
    assert caught.value.hint
    assert "another process" in notes[0].note
    with locked_run_folder(tmp_path, {"model": "a"}) as files:
        assert files.folder == tmp_path


def test_a_folder_without_results_may_be_used_for_another_run(tmp_path: Path) -> None:
    with locked_run_folder(tmp_path, {"settings": {"form": "dense"}}):
        (tmp_path / ".run.json.writing-1").touch()  # the temporary file of a killed process
    with locked_run_folder(tmp_path, {"settings": {"form": "sparse"}}) as files:
        files.checkpoint.touch()
    with (
        pytest.raises(TrainingError, match="another settings"),
        locked_run_folder(tmp_path, {"settings": {"form": "dense"}}),
    ):
        pass
