"""Run `triptych …` in separate processes, several at a time.

So peak memory is measured per model, and a crash stops one run only.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any, TypeVar

from triptych.errors import TriptychError

K = TypeVar("K", bound=Hashable)

POLL_SECONDS = 0.05  # between checks of the running processes


@dataclass(frozen=True)
class Running:
    """A running process, with files for its output. stderr: stays empty if the process shows its progress."""

    process: subprocess.Popen[bytes]
    stdout: IO[str]
    stderr: IO[str]

    def has_ended(self) -> bool:
        return self.process.poll() is not None

    def failure(self) -> str | None:
        """Return why an ended process failed, or None. Raises KeyboardInterrupt if it was interrupted."""
        self.stdout.seek(0)
        self.stderr.seek(0)
        output, code = self.stdout.read(), self.process.returncode
        last_line = (self.stderr.read().strip().splitlines() or [""])[-1]
        self.stdout.close()
        self.stderr.close()
        if self.process.stdin:
            self.process.stdin.close()
        if code == 130:
            raise KeyboardInterrupt
        return None if code == 0 else _failure_text(output, code, last_line)


def run_each(
    commands: Iterator[tuple[K, list[str]]],
    jobs: int = 1,
    *,
    show_progress: bool = True,
    folder: Path | None = None,
) -> Iterator[tuple[K, str | None]]:
    """Run `triptych` with each list of arguments, `jobs` at a time. Yield each key when its run ends, and its failure.

    The failure is None, or the reason as text. The next command is requested when a process is free, after the caller
    has received the last results. show_progress: processes write their progress to this process's standard error.
    folder: the working directory of the processes; None: the current one.
    The standard input of each process ends when this process does. Trainings (see `train_arguments`) then write their
    checkpoints and stop, also on Ctrl-C. Raises KeyboardInterrupt when all have stopped.
    """
    running: dict[K, Running] = {}
    has_commands = True
    try:
        while has_commands or running:
            while has_commands and len(running) < jobs:
                key, arguments = next(commands, (None, None))
                if key is None or arguments is None:
                    has_commands = False
                else:
                    running[key] = _start(arguments, folder, show_progress=show_progress)
            for key in [key for key, each in running.items() if each.has_ended()]:
                yield key, running.pop(key).failure()
            time.sleep(POLL_SECONDS if running else 0)
    finally:
        _stop(list(running.values()))


def train_arguments(
    data: Path,
    model: str,
    run: Path,
    seed: int,
    settings: Mapping[str, Any],
    *,
    settings_file: Path | None = None,
    modalities: str | None = None,
    threads: int | None = None,
) -> list[str]:
    """The arguments of `triptych` that train a model in a run folder, and stop when standard input is closed."""
    arguments = ["train", str(data), "--model", model, "--run", str(run), "--seed", str(seed), "--until-stdin-closes"]
    for option, value in (("--settings", settings_file), ("--modalities", modalities), ("--threads", threads)):
        arguments += [option, str(value)] if value is not None else []
    return arguments + [word for name, value in settings.items() for word in ("--set", f"{name}={value}")]


def _start(arguments: list[str], folder: Path | None, *, show_progress: bool) -> Running:
    command = [sys.executable, "-P", "-m", "triptych", *arguments, "--json"]  # -P: import nothing from the directory
    stdout, stderr = (
        TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115 - closed when they have been read
        for _ in range(2)
    )
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=stdout, stderr=None if show_progress else stderr, cwd=folder
    )
    return Running(process, stdout, stderr)


def _stop(running: list[Running]) -> None:
    """Wait until all have written their checkpoints and ended. A second Ctrl-C kills them."""
    try:
        for each in running:
            if each.process.stdin:
                each.process.stdin.close()
        while not all(each.has_ended() for each in running):
            time.sleep(POLL_SECONDS)
    except KeyboardInterrupt:
        for each in running:
            each.process.kill()
        raise


def _failure_text(output: str, code: int, last_line: str) -> str:
    """output: standard output, which has the error as JSON. last_line: of standard error, if it was kept."""
    try:
        error = json.loads(output)["error"]
        return error_text(TriptychError(error["what"], where=error["where"], hint=error["hint"]))
    except (ValueError, KeyError, TypeError):
        if code == -9:
            return "was killed, probably because memory ran out"
        reason = f": {last_line}" if last_line else ""
        return f"ended by signal {-code}" if code < 0 else f"ended with code {code}{reason}"


def error_text(error: TriptychError) -> str:
    """An error in one line, for a table."""
    text = f"{error.where}: {error.what}" if error.where else error.what
    return f"{text} ({error.hint})" if error.hint else text
