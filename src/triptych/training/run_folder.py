"""Run folders: one process at a time, and one run per folder."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from triptych.artefacts import json_bytes, make_folder, write_file
from triptych.errors import TrainingError, location
from triptych.locks import file_lock
from triptych.progress import Listener, Progress, ignore_progress
from triptych.training.run_context import RunFiles

ABOUT, LOCK = "run.json", "lock"
WAIT_SECONDS = 30.0  # a process that was asked to stop may need this long to end its step


@contextmanager
def locked_run_folder(
    folder: Path, about: Mapping[str, Any], listener: Listener = ignore_progress
) -> Iterator[RunFiles]:
    """Lock the run folder, which is created if need be, and check that it belongs to the same run.

    A folder without any result yet (a setting was refused, or memory did not suffice) may be used for another run.
    Raises TrainingError if the folder holds something else, another run, or is in use for over 30 seconds.
    """
    if folder.is_dir() and not (folder / ABOUT).exists() and _has_results(folder):
        raise TrainingError("exists and holds no run", where=location(folder), hint="choose another run folder")
    make_folder(folder)

    def on_wait() -> None:
        listener(Progress("waiting", 0, 1, f"another process is at work in {folder}"))

    with ExitStack() as stack:
        try:
            stack.enter_context(file_lock(folder / LOCK, wait_seconds=WAIT_SECONDS, on_wait=on_wait))
        except TimeoutError:
            raise TrainingError(
                "another process is training in this run folder", where=location(folder), hint="wait for it, or end it"
            ) from None
        _compare_or_write(folder, json.loads(json.dumps(about)))
        yield RunFiles(folder)


def require_same_run(folder: Path, what: str, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Raise TrainingError if a folder was started for something else. before, now: descriptions in plain values."""
    for key, value in now.items():
        if value != before.get(key):
            raise TrainingError(
                f"holds a {what} of another {key}: {before.get(key)!r}, now {value!r}",
                where=location(folder),
                hint=f"choose another {what} folder, or delete that one",
            )


def _compare_or_write(folder: Path, about: dict[str, Any]) -> None:
    path, has_results = folder / ABOUT, _has_results(folder)
    before = json.loads(path.read_text(encoding="utf-8")) if path.exists() and has_results else about
    require_same_run(folder, "run", before, about)
    if not has_results:
        write_file(path, json_bytes(about))


def _has_results(folder: Path) -> bool:
    """Return whether the folder holds more than its description and lock. Temporary files do not count."""
    return any(each.name not in (ABOUT, LOCK) and not each.name.startswith(".") for each in folder.iterdir())
