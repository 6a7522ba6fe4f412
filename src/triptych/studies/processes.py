"""`triptych …` in processes of their own, some at a time: peak memory is the model's own, a crash stays where it is."""

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

GLANCE = 0.05  # seconds between looks at what is running


@dataclass(frozen=True)
class Running:
    """A process at work; what it tells on its standard output, and on the other where nobody else hears that."""

    process: subprocess.Popen[bytes]
    told: IO[str]
    said: IO[str]

    def ended(self) -> bool:
        return self.process.poll() is not None

    def why(self) -> str | None:
        """Of one that has ended: why it failed, or None. Raises KeyboardInterrupt if it was interrupted."""
        self.told.seek(0)
        self.said.seek(0)
        answer, code = self.told.read(), self.process.returncode
        last = (self.said.read().strip().splitlines() or [""])[-1]
        self.told.close()
        self.said.close()
        if self.process.stdin:
            self.process.stdin.close()
        if code == 130:
            raise KeyboardInterrupt
        return None if code == 0 else _reason(answer, code, last)


def run_each(
    commands: Iterator[tuple[K, list[str]]], jobs: int = 1, *, loud: bool = True, folder: Path | None = None
) -> Iterator[tuple[K, str | None]]:
    """Run `triptych` with each list of arguments, `jobs` at a time: yields each key as its run ends, and why it failed.

    The next command is asked for when there is room for it, after the last results were taken. loud: their progress
    goes where ours goes. folder: where they run, None: here. Trainings (see `training`) read from us and stop when that
    ends: on Ctrl-C, and when this process is killed, they write their checkpoints. Raises KeyboardInterrupt when all
    have stopped.
    """
    at_work: dict[K, Running] = {}
    waiting = True
    try:
        while waiting or at_work:
            while waiting and len(at_work) < jobs:
                key, arguments = next(commands, (None, None))
                if key is None or arguments is None:
                    waiting = False
                else:
                    at_work[key] = _start(arguments, folder, loud=loud)
            for key in [key for key, running in at_work.items() if running.ended()]:
                yield key, at_work.pop(key).why()
            time.sleep(GLANCE if at_work else 0)
    finally:
        _stop(list(at_work.values()))


def training(
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
    """The arguments of `triptych` that train a model in a run folder, and stop when nobody waits for it any more."""
    arguments = ["train", str(data), "--model", model, "--run", str(run), "--seed", str(seed), "--until-stdin-closes"]
    for option, value in (("--settings", settings_file), ("--modalities", modalities), ("--threads", threads)):
        arguments += [option, str(value)] if value is not None else []
    return arguments + [word for name, value in settings.items() for word in ("--set", f"{name}={value}")]


def _start(arguments: list[str], folder: Path | None, *, loud: bool) -> Running:
    command = [sys.executable, "-P", "-m", "triptych", *arguments, "--json"]  # -P: no code from where it runs
    told, said = TemporaryFile("w+"), TemporaryFile("w+")  # noqa: SIM115 - closed when they have been read
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=told, stderr=None if loud else said, cwd=folder)
    return Running(process, told, said)


def _stop(running: list[Running]) -> None:
    """Let them write their checkpoints and end; a second Ctrl-C ends them at once."""
    try:
        for each in running:
            if each.process.stdin:
                each.process.stdin.close()
        while not all(each.ended() for each in running):
            time.sleep(GLANCE)
    except KeyboardInterrupt:
        for each in running:
            each.process.kill()
        raise


def _reason(answer: str, code: int, last: str) -> str:
    """last: the last line on standard error, where it was kept."""
    try:
        error = json.loads(answer)["error"]
        return in_one_line(TriptychError(error["what"], where=error["where"], hint=error["mend"]))
    except (ValueError, KeyError, TypeError):
        if code == -9:
            return "was killed, as systems do when memory runs out"
        why = f": {last}" if last else ""
        return f"ended by signal {-code}" if code < 0 else f"ended with code {code}{why}"


def in_one_line(error: TriptychError) -> str:
    """An error as a cell of a table holds it."""
    told = f"{error.where}: {error.what}" if error.where else error.what
    return f"{told} ({error.hint})" if error.hint else told
