"""Paths of outputs, checked before work is done: what exists, what cannot be written, and what has another ending."""

from __future__ import annotations

import os
from pathlib import Path

from triptych.errors import ArtefactError, SettingsError, location


def check_file(path: Path, endings: tuple[str, ...] = (), *, overwrite: bool = True) -> None:
    """Check the path of a file that will be written.

    endings: the allowed ones, such as ".csv"; () for all. overwrite: whether the file may exist. Raises SettingsError
    for another ending, ArtefactError if the file exists, is a folder, or cannot be written.
    """
    if endings and not path.name.endswith(endings):
        allowed = " or ".join(endings)
        raise SettingsError(f'cannot write "{path.name}"', hint=f"end the name in {allowed}")
    if path.is_dir():
        raise ArtefactError("is a folder, not a file", where=location(path), hint="choose another name")
    if path.exists() and not overwrite:
        raise ArtefactError("already exists", where=location(path), hint="choose another name, or pass overwrite")
    _check_parent(path)


def check_folder(path: Path) -> None:
    """Check the path of a folder that will be written, or written to. Raises ArtefactError if that is impossible."""
    path = path.absolute()
    if path.exists() and not path.is_dir():
        raise ArtefactError("is a file, not a folder", where=location(path), hint="choose another path")
    if path.is_dir():
        _require_access(path)
    _check_parent(path)


def _check_parent(path: Path) -> None:
    """Raise ArtefactError unless a file or folder can be made at `path`."""
    parent = next((each for each in path.absolute().parents if os.path.lexists(each)), Path("/"))
    if not parent.is_dir():
        raise ArtefactError("is a file, not a folder", where=location(parent), hint="choose another path")
    _require_access(parent)


def _require_access(folder: Path) -> None:
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ArtefactError(
            "cannot be written to: permission denied", where=location(folder), hint="choose another path"
        )
