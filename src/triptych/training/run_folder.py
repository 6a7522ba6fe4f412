"""Run folders: one process at a time, and one run per folder."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from triptych.artefacts import damaged, make_folder, read_json, write_json
from triptych.errors import SettingsError, TrainingError, location
from triptych.locks import Lock, try_lock
from triptych.progress import Listener, Progress, ignore_progress
from triptych.settings import parse
from triptych.training.computed_with import COMPUTED_WITH, ComputedWith
from triptych.training.run_context import RunFiles

LOCK = "lock"
WAIT_SECONDS = 30.0  # a process that was asked to stop may need this long to end its step
LEFT_OVER = re.compile(r"\..+\.writing-.+|\.tmp\w{6}")  # files of killed writers: ours, and those of safetensors
DAMAGED = "delete the run folder and train again"


@contextmanager
def locked_run_folder(folder: Path, listener: Listener = ignore_progress) -> Iterator[RunFiles]:
    """Lock the run folder, which is created if need be, and remove what killed writers left in it.

    Raises TrainingError if the folder holds something else than a run, or is in use for over 30 seconds. On a file
    system without locks nothing is removed, and the user must not start two processes in one folder.
    """
    files = RunFiles(folder)
    if folder.is_dir() and not files.about.exists() and _has_results(folder):
        raise TrainingError("exists and holds no run", where=location(folder), hint="choose another run folder")
    make_folder(folder)

    def on_wait() -> None:
        listener(Progress("waiting", 0, 1, f"another process is at work in {folder}"))

    with try_lock(folder / LOCK, wait_seconds=WAIT_SECONDS, on_wait=on_wait) as lock:
        if lock is Lock.BUSY:
            raise TrainingError(
                "another process is training in this run folder", where=location(folder), hint="wait for it, or end it"
            )
        if lock is Lock.HELD:
            _sweep(folder)
        yield files


def read_about(files: RunFiles) -> dict[str, Any] | None:
    """Return the description of the run in the folder; None if there is no run, or none with any result yet.

    A folder without a result (a setting was refused, or memory did not suffice) may be used for another run.
    Raises ArtefactError if it is damaged.
    """
    if not (files.about.exists() and _has_results(files.folder)):
        return None
    about: dict[str, Any] = read_json(files.about, dict, DAMAGED)
    if not all(isinstance(about.get(name, {}), dict) for name in ("training", "settings", COMPUTED_WITH)):
        raise damaged(files.about, DAMAGED)
    if COMPUTED_WITH in about:
        try:
            parse(ComputedWith, about[COMPUTED_WITH])
        except SettingsError:
            raise damaged(files.about, DAMAGED) from None
    return about


def write_about(files: RunFiles, about: Mapping[str, Any]) -> None:
    """Write the description of a run that begins or goes on. What an earlier run ended with no longer counts."""
    files.cost.unlink(missing_ok=True)
    write_json(files.about, about)


def require_same_run(folder: Path, what: str, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Raise TrainingError that names the first difference if a folder was started for something else.

    before, now: descriptions in plain values. what: "run" or "search".
    """
    for path, old, new in differences(before, now):
        raise TrainingError(
            f"holds another {what}: {path} was {old!r}, now {new!r}",
            where=location(folder),
            hint=f"choose another {what} folder, or delete that one",
        )


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    """Yield where two descriptions differ, as (path, old value, new value): ("training.seed", 0, 1)."""
    for key, new in now.items():
        old = before.get(key)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            missing = {name: None for name in old if name not in new}
            yield from ((f"{key}.{path}", one, other) for path, one, other in differences(old, {**new, **missing}))
        elif old != new:
            yield key, old, new


def _sweep(folder: Path) -> None:
    for each in folder.iterdir():
        if LEFT_OVER.fullmatch(each.name) and each.is_file():
            with suppress(OSError):
                each.unlink()


def _has_results(folder: Path) -> bool:
    """Return whether the folder holds more than its description and lock. Temporary files do not count."""
    names = (RunFiles(folder).about.name, LOCK)
    return any(each.name not in names and not each.name.startswith(".") for each in folder.iterdir())
