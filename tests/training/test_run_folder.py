"""Run folders: one run per folder, one process at a time."""

from __future__ import annotations

import errno
import sys
from pathlib import Path

import pytest

from triptych.errors import TrainingError
from triptych.progress import Progress
from triptych.training import run_folder
from triptych.training.run_folder import locked_run_folder, read_about, require_same_run, write_about


@pytest.mark.skipif(sys.platform == "win32", reason="no locks there")
def test_two_processes_do_not_train_in_one_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_folder, "WAIT_SECONDS", 0.0)
    notes: list[Progress] = []
    with locked_run_folder(tmp_path):  # each call has a lock of its own, as two processes have
        with (
            pytest.raises(TrainingError, match="another process") as caught,
            locked_run_folder(tmp_path),
        ):
            pass
        monkeypatch.setattr(run_folder, "WAIT_SECONDS", 0.2)
        with pytest.raises(TrainingError), locked_run_folder(tmp_path, notes.append):
            pass
    assert caught.value.hint
    assert "another process" in notes[0].note
    with locked_run_folder(tmp_path) as files:
        assert files.folder == tmp_path


def test_a_folder_without_results_may_be_used_for_another_run(tmp_path: Path) -> None:
    with locked_run_folder(tmp_path) as files:
        assert read_about(files) is None
        write_about(files, {"settings": {"form": "dense"}})
        (tmp_path / ".run.json.writing-1").touch()  # the temporary file of a killed process
        assert read_about(files) is None
        files.checkpoint.touch()
        assert read_about(files) == {"settings": {"form": "dense"}}


def test_the_first_difference_between_two_runs_is_named(tmp_path: Path) -> None:
    before = {"model": "bm3", "training": {"seed": 0, "learning_rate": 0.001}}
    with pytest.raises(TrainingError, match=r"training\.learning_rate was 0\.001, now 0\.002"):
        require_same_run(tmp_path, "run", before, {"model": "bm3", "training": {"seed": 0, "learning_rate": 0.002}})
    with pytest.raises(TrainingError, match=r"training\.learning_rate was 0\.001, now None"):
        require_same_run(tmp_path, "run", before, {"model": "bm3", "training": {"seed": 0}})
    require_same_run(tmp_path, "run", before, dict(before))


def test_files_that_killed_writers_left_are_removed(tmp_path: Path) -> None:
    names = {".checkpoint.safetensors.writing-7", ".run.json.writing-0123456789abcdef", ".tmpAb12Cd"}
    for name in names | {"notes.txt", ".hidden"}:
        (tmp_path / name).touch()
    (tmp_path / "run.json").write_text("{}")
    with locked_run_folder(tmp_path):
        pass
    assert {each.name for each in tmp_path.iterdir()} >= {"notes.txt", ".hidden", "run.json"}
    assert not names & {each.name for each in tmp_path.iterdir()}


@pytest.mark.parametrize("problem", [OSError(errno.ENOSYS, ""), OSError(errno.ENOLCK, ""), NotImplementedError()])
def test_a_run_needs_no_locks_of_the_file_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, problem: Exception
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise problem

    (tmp_path / ".run.json.writing-0123456789abcdef").touch()  # may be of a process that is at work
    monkeypatch.setattr("filelock.FileLock.acquire", refuse)
    with locked_run_folder(tmp_path) as files:
        write_about(files, {"settings": {}})
    assert {each.name for each in tmp_path.iterdir()} >= {"run.json", ".run.json.writing-0123456789abcdef"}
