"""Folders that are written completely or not at all, and verified as a whole when they are opened."""

from __future__ import annotations

import os
import shutil
import stat
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

from triptych.artefacts.files import make_folder, writing_errors
from triptych.artefacts.hashing import Expected, first_damaged
from triptych.artefacts.json_files import LIMIT
from triptych.artefacts.manifest import MANIFEST, VERSION, Manifest, parse_manifest, write_manifest
from triptych.artefacts.replacing import (
    output_lock,
    replace_folder,
    require_not_busy,
    resolve_link,
    restore,
    restore_if_interrupted,
    sweep,
    sync,
    temporary_path,
)
from triptych.errors import ArtefactError, location
from triptych.locks import Lock
from triptych.outputs import check_folder
from triptych.progress import Listener, ignore_progress

ATTEMPTS = 20  # to read a folder that is replaced again and again
T = TypeVar("T")


@dataclass(frozen=True)
class OpenFolder:
    """A folder whose files are those of its manifest: nothing else in it is ever read."""

    path: Path
    manifest: Manifest

    def has(self, name: str) -> bool:
        """Whether the manifest names a file."""
        return name in self.manifest.files

    def file(self, name: str) -> Path:
        """Return the path of a file. Raises ArtefactError if the manifest does not name it."""
        if not self.has(name):
            raise self.damaged(name, "is not named in the manifest")
        return self.path / name

    def damaged(self, name: str, what: str) -> ArtefactError:
        """Return the error for a file, or for the manifest, with content that cannot be used."""
        return _damaged(self.path / name, what, self.manifest.kind)


def check_output(path: Path, *, overwrite: bool) -> None:
    """Raise the ArtefactError that `writing_folder` would raise for a path, before any work is done."""
    check_folder(path)
    _check_replaceable(resolve_link(path), path, overwrite=overwrite)


@contextmanager
def writing_folder(path: Path, kind: str, about: dict[str, Any], *, overwrite: bool = False) -> Iterator[Path]:
    """Yield a temporary folder to fill; when the block ends, write its manifest and put the folder at `path`.

    `about` may be filled until the block ends. If the block raises (Ctrl-C included), the temporary folder is removed
    and `path` is not changed. If `path` is a symbolic link, its target is replaced and the link stays. Raises
    ArtefactError if `path` exists and `overwrite` is false, if it exists and was not written by this package, if
    another process is writing it, or if the disk is full.
    """
    target = resolve_link(path)
    make_folder(target.parent)
    with output_lock(target) as lock:
        require_not_busy(lock, path)
        restore(target)
        if lock is Lock.HELD:
            sweep(target)
        _check_replaceable(target, path, overwrite=overwrite)
        temporary = temporary_path(target)
        try:
            with writing_errors(path):
                make_folder(temporary)
                yield temporary
                with ThreadPoolExecutor(1) as executor:  # flush files to disk while their checksums are computed
                    flushed = executor.submit(_sync_tree, temporary)
                    write_manifest(temporary, kind, about)
                    flushed.result()
                for new in (temporary / MANIFEST, temporary):
                    sync(new)
                replace_folder(temporary, target)
        except ArtefactError as error:
            if not (error.where or "").startswith(str(temporary)):
                raise
            where = str(error.where).replace(str(temporary), str(path), 1)  # the name that the user knows
            raise ArtefactError(error.what, where=where, hint=error.hint) from None
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def open_folder(path: Path, kind: str, listener: Listener = ignore_progress) -> OpenFolder:
    """Open the folder at `path` after a check that every file of its manifest is there and matches its checksum.

    Each file is verified once per process, as long as it does not change. Raises ArtefactError if the folder is
    missing, damaged, of another kind or written by a newer version. To read files of a folder that another process may
    replace meanwhile, use `read_folder`.
    """
    restore_if_interrupted(resolve_link(path))
    if not path.is_dir():
        raise ArtefactError("no such folder", where=location(path), hint=f"expected a triptych {kind}; check the path")
    manifest = _read_manifest(path, kind)
    files = []
    for name, entry in manifest.files.items():
        _check_is_inside(path, name, kind)
        files.append(Expected(path / name, entry.size, entry.sha256, entry.xxh3))
    try:
        damaged = first_damaged(files, listener, f"verifying {path.name} (MiB)")
    except FileNotFoundError as error:
        raise _damaged(Path(error.filename or path), "is missing", kind) from None
    except OSError as error:
        raise _damaged(Path(error.filename or path), f"cannot be read: {os.strerror(error.errno or 0)}", kind) from None
    if damaged is not None:
        raise _damaged(damaged, "is damaged: it differs from the manifest", kind)
    return OpenFolder(path, manifest)


def read_folder(path: Path, kind: str, read: Callable[[OpenFolder], T], listener: Listener = ignore_progress) -> T:
    """Open a folder and return what `read` makes of it: all of it from the old folder or from the new one.

    If another process replaces the folder meanwhile, it is opened and read again. Raises ArtefactError, as
    `open_folder`, and what `read` raises.
    """
    for _ in range(ATTEMPTS):
        before = _identity(path)
        try:
            value = read(open_folder(path, kind, listener))
        except Exception:  # files of the old folder and of the new one need not fit together
            if _identity(path) == before:
                raise
        else:
            if _identity(path) == before:
                return value
        time.sleep(0.01)
    raise ArtefactError(
        "is replaced by another process again and again", where=location(path), hint="wait until it ends"
    )


def _check_replaceable(target: Path, path: Path, *, overwrite: bool) -> None:
    if not target.exists() or (target.is_dir() and not any(target.iterdir())):
        return
    if not overwrite:
        raise ArtefactError("already exists", where=location(path), hint="choose another folder, or pass overwrite")
    if not (target / MANIFEST).is_file():
        raise ArtefactError(
            "exists and was not written by triptych, so it will not be replaced",
            where=location(path),
            hint="choose another folder",
        )


def _read_manifest(path: Path, kind: str) -> Manifest:
    file = path / MANIFEST
    try:
        if not stat.S_ISREG(file.lstat().st_mode):
            raise _damaged(file, "is not a regular file", kind)
        if file.stat().st_size > LIMIT:
            raise _damaged(file, "is too large for a manifest", kind)
        manifest = parse_manifest(file.read_bytes())
    except FileNotFoundError:
        raise ArtefactError(
            f"has no {MANIFEST}, so it is not a triptych {kind}", where=location(path), hint="check the path"
        ) from None
    except ValueError:
        raise _damaged(file, "the manifest is damaged", kind) from None
    except OSError as error:
        raise _damaged(file, f"cannot be read: {os.strerror(error.errno or 0)}", kind) from None
    if manifest.version > VERSION:
        raise ArtefactError(
            f"was written by a newer triptych (format {manifest.version})",
            where=location(path),
            hint="upgrade triptych",
        )
    if manifest.kind != kind:
        raise ArtefactError(
            f"is a {manifest.kind}, not a {kind}", where=location(path), hint=f"name the folder of a {kind}"
        )
    return manifest


def _check_is_inside(path: Path, name: str, kind: str) -> None:
    """Raise ArtefactError unless a name is a regular file of the folder, without a symbolic link on the way."""
    try:
        for parent in [*PurePosixPath(name).parents][-2::-1]:
            if not stat.S_ISDIR((path / parent).lstat().st_mode):
                raise _damaged(path / parent, "is not a folder", kind)
        if not stat.S_ISREG((path / name).lstat().st_mode):
            raise _damaged(path / name, "is not a regular file", kind)
    except (FileNotFoundError, NotADirectoryError):
        raise _damaged(path / name, "is missing", kind) from None
    except OSError as error:
        raise _damaged(path / name, f"cannot be read: {os.strerror(error.errno or 0)}", kind) from None


def _damaged(file: Path, what: str, kind: str) -> ArtefactError:
    return ArtefactError(what, where=location(file), hint=f"write the {kind} again")


def _identity(path: Path) -> list[tuple[int, ...]]:
    """Return numbers that change if the folder at `path` is replaced."""
    numbers: list[tuple[int, ...]] = []
    for each in (path, path / MANIFEST):
        with suppress(OSError):
            status = each.stat()
            numbers.append((status.st_dev, status.st_ino, status.st_mtime_ns))
    return numbers


def _sync_tree(folder: Path) -> None:
    for entry in folder.rglob("*"):
        sync(entry)
    sync(folder)
