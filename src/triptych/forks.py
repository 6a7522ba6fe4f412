"""Forked processes: what works in them, and what is refused.

A fork copies one thread. The threads of OpenMP (in the kernels and in torch) and of polars are not copied, and their
libraries wait for them, for ever. So a forked process computes with one thread; it opens folders and recommends without
the operations of polars that use its threads. What needs these, such as preparing data, is refused with a ForkError if
the parent process had started them. Processes that are not forks (spawn, forkserver) have no such limit.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

from triptych.errors import ForkError

TASKS = Path("/proc/self/task")  # Linux: the threads of this process
THREAD_OF_POLARS = re.compile(rb"polars-\d+")


class _Process:
    """What this process inherited: facts about it that nothing but a fork changes."""

    forked = False
    threads_of_polars_lost = False
    _parent_had_threads = False  # as seen just before a fork

    def before_fork(self) -> None:
        self._parent_had_threads = self.threads_of_polars_lost or _polars_has_threads()

    def after_fork(self) -> None:
        self.forked, self.threads_of_polars_lost = True, self._parent_had_threads


def _polars_has_threads() -> bool:
    """Return whether polars has started its threads; where this cannot be seen, whether it could have."""
    if "polars" not in sys.modules:
        return False
    try:
        return any(THREAD_OF_POLARS.match((task / "comm").read_bytes()) for task in TASKS.iterdir())
    except OSError:
        return not sys.platform.startswith("linux")


_process = _Process()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_process.before_fork, after_in_child=_process.after_fork)


def is_forked() -> bool:
    """Return whether this process is a fork of another Python process that had imported this module."""
    return _process.forked


def polars_works() -> bool:
    """Return whether polars' threads, if it has any, exist in this process. Otherwise most operations never end."""
    return not _process.threads_of_polars_lost


def require_polars(action: str) -> None:
    """Raise ForkError if polars' threads did not survive a fork. action: what needs them, as a noun."""
    if not polars_works():
        raise ForkError(
            f"{action} is impossible in this process: it was forked from one whose threads it lacks",
            hint='do it before the fork, or start processes by "spawn" or "forkserver" instead of "fork"',
        )
