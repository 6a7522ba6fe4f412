"""A run's folder: one process at a time, and only for the run that it was begun for."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from triptych.artefacts import json_bytes, make_folder, write_file
from triptych.errors import TrainingError, place
from triptych.progress import Listener, Progress, silent
from triptych.training.loop import RunFiles

ABOUT, LOCK = "run.json", "lock"
PATIENCE = 30.0  # seconds that a process that was told to stop may take for its step


@contextmanager
def claimed(folder: Path, about: Mapping[str, Any], listener: Listener = silent) -> Iterator[RunFiles]:
    """Make the run folder, or make sure that the one found is of the same run; nobody else trains in it meanwhile.

    A folder in which nothing was reached yet (a setting was refused, memory did not suffice) is taken over. Raises
    TrainingError.
    """
    if folder.is_dir() and not (folder / ABOUT).exists() and _anything_else(folder):
        raise TrainingError("exists and holds no run", where=place(folder), mend="choose another run folder")
    make_folder(folder)
    with (folder / LOCK).open("a") as lock:
        _wait_for(lock, folder, listener)
        _compare_or_write(folder, json.loads(json.dumps(about)))
        yield RunFiles(folder)


def _compare_or_write(folder: Path, about: dict[str, Any]) -> None:
    path = folder / ABOUT
    begun = _anything_else(folder)
    before = json.loads(path.read_text(encoding="utf-8")) if path.exists() and begun else about
    refuse_another(folder, "run", before, about)
    if not begun:
        write_file(path, json_bytes(about))


def refuse_another(folder: Path, what: str, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Raises TrainingError if what a folder was begun for, in plain values, is not what it is wanted for now."""
    for key, value in now.items():
        if value != before.get(key):
            raise TrainingError(
                f"holds a {what} of another {key}: {before.get(key)!r}, now {value!r}",
                where=place(folder),
                mend=f"choose another {what} folder, or delete that one",
            )


def _anything_else(folder: Path) -> bool:
    """Whether there is more than who claims the folder; what a process was writing when it died does not count."""
    return any(each.name not in (ABOUT, LOCK) and not each.name.startswith(".") for each in folder.iterdir())


def _wait_for(lock: IO[str], folder: Path, listener: Listener) -> None:
    """Lock the file; the system unlocks it when this process ends, however that happens."""
    try:
        import fcntl
    except ImportError:  # not there on Windows: two trainings in one folder are the user's to avoid
        return
    began, told = time.monotonic(), False
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() - began > PATIENCE:
                raise TrainingError(
                    "another process is training in this run folder", where=place(folder), mend="wait for it, or end it"
                ) from None
            if not told:
                listener(Progress("waiting", 0, 1, f"another process is at work in {folder}"))
                told = True
            time.sleep(0.1)
        except OSError:  # a file system without locks
            return
        else:
            return
