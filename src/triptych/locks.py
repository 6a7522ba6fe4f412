"""One process at a time: a lock on a file, released by the system if the process dies."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from enum import Enum
from pathlib import Path

from filelock import FileLock


class Lock(Enum):
    """The state of a lock: held by this block, held by another process, or not possible here."""

    HELD = "held"
    BUSY = "busy"
    IMPOSSIBLE = "impossible"


def _do_nothing() -> None:
    pass


@contextmanager
def try_lock(path: Path, *, wait_seconds: float = 0.0, on_wait: Callable[[], None] = _do_nothing) -> Iterator[Lock]:
    """Hold an exclusive lock on the file at `path`, if that is possible; the file is created if need be.

    The lock is BUSY if another process still holds it after `wait_seconds`; on_wait is called once before that. It is
    IMPOSSIBLE on a file system without locks, and where the file cannot be written: who writes there reports that.
    """
    with ExitStack() as stack:
        try:
            _acquire(path, wait_seconds, on_wait, stack)
            state = Lock.HELD
        except TimeoutError:
            state = Lock.BUSY
        except (OSError, NotImplementedError):
            state = Lock.IMPOSSIBLE
        yield state


def _acquire(path: Path, wait_seconds: float, on_wait: Callable[[], None], stack: ExitStack) -> None:
    # the soft lock of the library is a file with a process id, and process ids recur
    lock = FileLock(path, fallback_to_soft=False)
    try:
        lock.acquire(timeout=0)
    except TimeoutError:
        if wait_seconds <= 0:
            raise
        on_wait()
        lock.acquire(timeout=wait_seconds)
    stack.callback(lock.release)
