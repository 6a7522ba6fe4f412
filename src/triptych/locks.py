"""One process at a time: a lock on a file, released by the system if the process dies."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock


def _do_nothing() -> None:
    pass


@contextmanager
def file_lock(path: Path, *, wait_seconds: float = 0.0, on_wait: Callable[[], None] = _do_nothing) -> Iterator[None]:
    """Hold an exclusive lock on the file at `path`, which is created if need be.

    on_wait: called once if another process holds the lock. Raises TimeoutError if it still does after `wait_seconds`.
    """
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except TimeoutError:
        if wait_seconds <= 0:
            raise
        on_wait()
        lock.acquire(timeout=wait_seconds)
    try:
        yield
    finally:
        lock.release()
