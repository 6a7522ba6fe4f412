"""Child processes that tests interrupt or kill.

Neither the speed of the machine nor the process that started the tests may decide what such a test sees. Two things
matter. A training must not end before the signal arrives: the child waits for it. And a child inherits ignored
signals: SIGINT is ignored if a script started the tests in the background, as many CI runners do.
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
HELD = TESTS / "held"  # its sitecustomize makes training wait for a signal
TIMEOUT = 600.0  # seconds; then the test that should end this process is gone


@contextmanager
def running(*command: object, path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run Python with these arguments, with `path` on PYTHONPATH and SIGINT as in a shell; kill it at the end."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(path), os.environ.get("PYTHONPATH", "")])}
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a handled signal is not ignored in the child
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
    """Wait until the process has written a file, without a time limit. Returns when it was written, in nanoseconds.

    other_than: when an earlier version was written. Fails if the process ends before.
    """
    while (written := written_at(file)) is None or written == other_than:
        assert process.poll() is None, f"ended with code {process.returncode}, and there is no new {file}"
        time.sleep(0.002)
    return written


def written_at(file: Path) -> int | None:
    """Return when a file was written, in nanoseconds; None if it does not exist."""
    try:
        return file.stat().st_mtime_ns
    except FileNotFoundError:
        return None


def wait_to_be_killed() -> NoReturn:
    """Do nothing until this process is killed."""
    time.sleep(TIMEOUT)
    os._exit(75)
