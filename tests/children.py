"""Processes that tests start to interrupt or to kill: what they inherit, and where they wait for it.

Neither the speed of the machine nor whoever started the tests decides what such a test sees. A training would else be
over before the signal came; and what a process ignores, its children ignore too: SIGINT, where a script started the
tests in the background, as many CI runners do.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

TESTS = Path(__file__).parent
HELD = TESTS / "held"  # its sitecustomize makes trainings wait to be told to stop
ORPHANED = 600.0  # seconds after which a process that waits takes it that nobody will end it any more


@contextmanager
def running(*command: object, path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Python with these arguments and with `path` on its own, with SIGINT as a shell gives it; killed at the end."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(path), os.environ.get("PYTHONPATH", "")])}
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # of what is handled a child gets the default
    try:
        process = subprocess.Popen([sys.executable, *map(str, command)], env=environment)
    finally:
        signal.signal(signal.SIGINT, before)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def wait_for(file: Path, process: subprocess.Popen[bytes], other_than: int | None = None) -> int:
    """Until the process has made the file, however long that takes: when that was, in nanoseconds.

    other_than: it was there before, from then. Fails if the process ends without.
    """
    while (made := written_at(file)) is None or made == other_than:
        assert process.poll() is None, f"ended with code {process.returncode}, and there is no new {file}"
        time.sleep(0.002)
    return made


def written_at(file: Path) -> int | None:
    """When a file was written, in nanoseconds; None where there is none."""
    try:
        return file.stat().st_mtime_ns
    except FileNotFoundError:
        return None


def wait_to_be_killed() -> NoReturn:
    """For the process that is to be killed: do nothing any more."""
    time.sleep(ORPHANED)
    os._exit(75)
