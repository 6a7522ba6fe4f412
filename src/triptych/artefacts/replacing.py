"""Replace outputs: one lock per output, temporary names that never meet, and what is done after a writer died.

While `out` is written, its writer holds the lock on `.out.lock`, which the system releases if the process dies. The new
output grows under `.out.writing-…`. It then changes places with the old one in one step, where the system can do that;
elsewhere the old one is first renamed to `.out.replaced-…`. The dots in these names are random digits, so names never
depend on process ids. With the lock held, all such names are left-overs of dead writers.
"""

from __future__ import annotations

import ctypes
import os
import re
import secrets
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from triptych.errors import ArtefactError, location
from triptych.locks import Lock, try_lock

AT_FDCWD, RENAME_EXCHANGE = -100, 2  # of Linux
OLD_SUFFIX_SECONDS = 86_400.0  # former versions ended their names in a process id; such names are removed after a day


def resolve_link(path: Path) -> Path:
    """Return the absolute path that is written for an output: the target, if `path` is a symbolic link."""
    return path.resolve() if path.is_symlink() else path.absolute()


def temporary_path(path: Path, purpose: str = "writing") -> Path:
    """Return a new path beside an output. purpose: "writing" or "replaced"."""
    return path.parent / f".{path.name}.{purpose}-{secrets.token_hex(8)}"


@contextmanager
def output_lock(path: Path) -> Iterator[Lock]:
    """Hold the lock of an output, if that is possible; see `try_lock`. Its file is removed at the end."""
    file = path.parent / f".{path.name}.lock"
    with try_lock(file) as lock:
        try:
            yield lock
        finally:
            if lock is Lock.HELD:  # it can never be the lock of another process
                _remove(file)


def require_not_busy(lock: Lock, path: Path) -> None:
    """Raise ArtefactError if another process is writing the output. path: as the user knows it."""
    if lock is Lock.BUSY:
        raise ArtefactError("is being written by another process", where=location(path), hint="wait for it, or end it")


def sweep(path: Path) -> None:
    """Remove what dead writers of this output left. The caller holds its lock."""
    for left in [*_beside(path, "writing"), *_beside(path, "replaced")]:
        if left.is_dir() and not left.is_symlink():
            shutil.rmtree(left, ignore_errors=True)
        else:
            _remove(left)


def restore(path: Path) -> None:
    """Move the old output back if a writer died between its two renames.

    The caller holds the lock, unless the file system has none: there, a writer cannot wait for another.
    """
    if os.path.lexists(path):
        return
    old = max(_beside(path, "replaced"), key=lambda each: each.lstat().st_ctime_ns, default=None)
    if old is not None:
        old.rename(path)


def restore_if_interrupted(path: Path) -> None:
    """Restore an output that is missing because its replacement was interrupted; wait while it is going on.

    Does nothing if the output exists or if nothing is left of it, and on a read-only file system.
    """
    for _ in range(500):  # the gap between two renames is far shorter than these five seconds
        if os.path.lexists(path) or not _beside(path, "replaced"):
            return
        with output_lock(path) as lock:
            if lock is Lock.HELD:
                restore(path)
            if lock is not Lock.BUSY:
                return
        time.sleep(0.01)


def replace_folder(new: Path, path: Path) -> None:
    """Put a folder in the place of `path`; an old one that is there is removed. The caller holds the lock."""
    if not os.path.lexists(path):
        new.rename(path)
        sync(path.parent)
        return
    if _exchange(new, path):
        old = new
    else:
        old = temporary_path(path, "replaced")
        path.rename(old)
        new.rename(path)
    sync(path.parent)
    shutil.rmtree(old, ignore_errors=True)


def replace_file(new: Path, path: Path) -> None:
    """Put a file in the place of `path`, and flush both to disk."""
    sync(new)
    new.replace(path)
    sync(path.parent)


def sync(path: Path) -> None:
    """Flush a file or a folder to disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _beside(path: Path, purpose: str) -> list[Path]:
    """Return the temporary outputs beside `path`. Names are compared as texts: a name is never a pattern."""
    begin = f".{path.name}.{purpose}-"
    try:
        entries = [each for each in os.scandir(path.parent) if each.name.startswith(begin)]
    except OSError:
        return []
    return [Path(each.path) for each in entries if _is_left_over(each, each.name[len(begin) :])]


def _is_left_over(entry: os.DirEntry[str], suffix: str) -> bool:
    if re.fullmatch("[0-9a-f]{16}", suffix):
        return True
    if not re.fullmatch("[0-9]{1,10}", suffix):
        return False
    # by a former version, which may still run: its lock is unknown, its process id may be another process today
    return ".replaced-" in entry.name or time.time() - _last_change(Path(entry.path)) > OLD_SUFFIX_SECONDS


def _last_change(path: Path) -> float:
    files = [path, *path.rglob("*")] if path.is_dir() else [path]
    return max((each.lstat().st_mtime for each in files), default=0.0)


def _exchange(one: Path, other: Path) -> bool:
    """Let two paths change places in one step. Returns whether the system could."""
    if sys.platform != "linux":
        return False
    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if rename is None:
        return False
    return bool(rename(AT_FDCWD, os.fsencode(one), AT_FDCWD, os.fsencode(other), RENAME_EXCHANGE) == 0)


def _remove(path: Path) -> None:
    with suppress(OSError):
        path.unlink()
