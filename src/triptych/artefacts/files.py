"""Single files: written whole or not at all."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from triptych.artefacts.replacing import (
    output_lock,
    replace_file,
    require_not_busy,
    resolve_link,
    sweep,
    temporary_path,
)
from triptych.errors import ArtefactError, location
from triptych.locks import Lock

WRITING_ERRORS = {
    errno.ENOSPC: ("cannot be written: the disk is full", "free some space, then run the same command again"),
    errno.EDQUOT: ("cannot be written: the disk quota is used up", "free some space, then run the same command again"),
    errno.EFBIG: (
        "cannot be written: the limit of the file size is reached",
        "raise the limit (ulimit -f), then run again",
    ),
    errno.EIO: ("was not written: a device has an error", "check the disks, then run the same command again"),
    errno.EROFS: ("cannot be written: the file system is read-only", "choose another path"),
}  # what writing can raise, or reading what is written


@contextmanager
def writing_file(path: Path, *, overwrite: bool = True) -> Iterator[Path]:
    """Yield the path of a temporary file to write; when the block ends, rename it to `path`. An error removes it.

    If `path` is a symbolic link, its target is written. Several processes may write one file at the same time: the last
    one wins, and the file is always that of one of them. Raises ArtefactError if the disk is full; and without
    `overwrite`, if the file exists or another process is writing it.
    """
    make_folder(path.parent)
    target = resolve_link(path)
    with output_lock(target) as lock:
        if not overwrite:
            require_not_busy(lock, path)
        if not overwrite and target.exists():
            raise ArtefactError("already exists", where=location(path), hint="choose another name, or pass overwrite")
        if lock is Lock.HELD:
            sweep(target)
        temporary = temporary_path(target)
        try:
            with writing_errors(path):
                yield temporary
                replace_file(temporary, target)
        finally:
            temporary.unlink(missing_ok=True)


def write_file(path: Path, content: bytes) -> None:
    """Write a file atomically: a crash leaves the old file or the new one, never a part of it."""
    with writing_file(path) as temporary:
        temporary.write_bytes(content)


def make_folder(path: Path) -> None:
    """Make a folder and its parents if they do not exist. Raises ArtefactError if that is impossible."""
    try:
        with writing_errors(path):
            path.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise ArtefactError("is a file, not a folder", where=location(path), hint="choose another path") from None
    except NotADirectoryError:
        parent = next(each for each in path.parents if each.exists())
        raise ArtefactError("is a file, not a folder", where=location(parent), hint="choose another path") from None
    except PermissionError:
        raise ArtefactError(
            "cannot be written to: permission denied", where=location(path), hint="choose another path"
        ) from None


@contextmanager
def writing_errors(path: Path) -> Iterator[None]:
    """Turn the errors of a full disk, a quota, a limit of file sizes and a device into ArtefactError.

    path: what is written.
    """
    try:
        yield
    except Exception as error:
        number = error.errno if isinstance(error, OSError) else None
        if number is None and (found := re.search(r"\(os error (\d+)\)", str(error))):  # in an error of polars
            number = int(found[1])
        if number not in WRITING_ERRORS:
            raise
        what, hint = WRITING_ERRORS[number]
        raise ArtefactError(what, where=location(path), hint=hint) from None
