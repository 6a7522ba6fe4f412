"""Processes that the campaign ends: forked from one that has imported everything, so that each takes little time."""

from __future__ import annotations

import ctypes
import importlib
import os
import pkgutil
import select
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import triptych

NEW_PID_NAMESPACE = 0x20000000  # CLONE_NEWPID
CRASH, NO_NAMESPACE = 70, 75  # exit codes of an exception that nobody caught, and of a machine without namespaces


@dataclass(frozen=True)
class Outcome:
    """code: the exit code, 128 + number for a signal, None after the time limit. output: stdout and stderr together."""

    code: int | None
    output: str

    @property
    def killed(self) -> bool:
        """Whether SIGKILL ended it, as the campaign does."""
        return self.code == 128 + signal.SIGKILL

    @property
    def crashed(self) -> bool:
        """Whether it ended as no program should: by a signal, an exception that nobody caught, or not at all."""
        by_signal = self.code is None or self.code > 128
        return by_signal or self.code == CRASH or "Traceback (most recent call last)" in self.output


def import_everything() -> None:
    """Import all modules of triptych and what they import when they run, but start no thread."""
    for module in pkgutil.walk_packages(triptych.__path__, "triptych."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    for name in ("optuna", "matplotlib.figure", "jinja2", "pandas", "pyarrow.parquet", "sklearn.metrics"):
        importlib.import_module(name)


def in_child(work: Callable[[], int], folder: Path, *, first_process: bool = False, limit: float = 60.0) -> Outcome:
    """Do some work in a child process whose current folder is `folder`; its result is the exit code.

    first_process: the child is the first process of a new pid namespace, as in a container. Its output goes to a pipe.
    limit: seconds; the child is killed after them.
    """
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        os.setsid()
        os.dup2(writer, 1)
        os.dup2(writer, 2)
        os.close(writer)
        sys.stdout, sys.stderr = (open(each, "w", encoding="utf-8", closefd=False) for each in (1, 2))  # noqa: SIM115
        os.chdir(folder)
        _work_as_first(work) if first_process else _work(work)
    os.close(writer)
    output, in_time = _read(reader, time.monotonic() + limit)
    if not in_time:
        os.killpg(child, signal.SIGKILL)
    status = os.waitpid(child, 0)[1]
    code = os.waitstatus_to_exitcode(status)
    return Outcome((128 - code if code < 0 else code) if in_time else None, output)


def _read(reader: int, deadline: float) -> tuple[str, bool]:
    """Return what is written to a pipe until it is closed, and whether that was in time."""
    parts = list[bytes]()
    in_time = False
    while (left := deadline - time.monotonic()) > 0:
        if not select.select([reader], [], [], left)[0]:
            break
        part = os.read(reader, 1 << 16)
        if not part:
            in_time = True
            break
        parts.append(part)
    os.close(reader)
    return b"".join(parts).decode(errors="replace"), in_time


def _work(work: Callable[[], int]) -> NoReturn:
    code = CRASH
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        code = work()
    except SystemExit as ending:
        code = ending.code if isinstance(ending.code, int) else int(ending.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _work_as_first(work: Callable[[], int]) -> NoReturn:
    """Do the work in a child that is process 1 of its own namespace, and end as it does."""
    if ctypes.CDLL(None, use_errno=True).unshare(NEW_PID_NAMESPACE):
        os._exit(NO_NAMESPACE)
    first = os.fork()
    if first == 0:
        _work(work)
    code = os.waitstatus_to_exitcode(os.waitpid(first, 0)[1])
    os._exit(128 - code if code < 0 else code)


def can_be_first() -> bool:
    """Return whether this user may make pid namespaces."""
    return in_child(lambda: 0, Path.cwd(), first_process=True).code == 0
