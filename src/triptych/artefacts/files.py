"""Single files: written whole or not at all; JSON that is read strictly."""

from __future__ import annotations

import errno
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from triptych.artefacts.replacing import (
    Lock,
    output_lock,
    replace_file,
    require_not_busy,
    resolve_link,
    sweep,
    temporary_path,
)
from triptych.errors import ArtefactError, TriptychError, location

NO_SPACE = {
    errno.ENOSPC: ("cannot be written: the disk is full", "free some space, then run the same command again"),
    errno.EDQUOT: ("cannot be written: the disk quota is used up", "free some space, then run the same command again"),
    errno.EFBIG: (
        "cannot be written: the limit of the file size is reached",
        "raise the limit (ulimit -f), then run again",
    ),
    errno.EROFS: ("cannot be written: the file system is read-only", "choose another path"),
}  # what only writing can raise


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
            with no_space_errors(path):
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
        with no_space_errors(path):
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
def no_space_errors(path: Path) -> Iterator[None]:
    """Turn the errors of a full disk, a quota and a limit of file sizes into ArtefactError. path: what is written."""
    try:
        yield
    except Exception as error:
        number = error.errno if isinstance(error, OSError) else None
        if number is None and (found := re.search(r"\(os error (\d+)\)", str(error))):  # in an error of polars
            number = int(found[1])
        if number not in NO_SPACE:
            raise
        what, hint = NO_SPACE[number]
        raise ArtefactError(what, where=location(path), hint=hint) from None


def json_bytes(value: object) -> bytes:
    """Return a value as indented JSON in UTF-8. Raises ValueError for NaN and infinity, which JSON cannot represent."""
    return (json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()


def parse_json(content: bytes | bytearray | memoryview) -> Any:
    """Return the value of JSON in UTF-8. Raises ValueError if it is no JSON, repeats a key or is nested too deeply."""
    try:
        return json.loads(bytes(content).decode("utf-8"), parse_constant=_refuse, object_pairs_hook=_distinct)
    except RecursionError:
        raise ValueError("is nested too deeply") from None


def read_json(path: Path, *, limit: int = 1 << 28) -> Any:
    """Return the value in a JSON file. limit: bytes. Raises ArtefactError if it is missing, too large or damaged."""
    hint = "write it again"
    try:
        with path.open("rb") as file:
            content = file.read(limit + 1)
        if len(content) > limit:
            raise ArtefactError(f"is larger than {limit >> 20} MiB", where=location(path), hint=hint)
        return parse_json(content)
    except FileNotFoundError:
        raise ArtefactError("no such file", where=location(path), hint="check the path") from None
    except ValueError:
        raise ArtefactError("is damaged: it is not JSON", where=location(path), hint=hint) from None
    except OSError as error:
        raise ArtefactError(
            f"cannot be read: {os.strerror(error.errno or 0)}", where=location(path), hint=hint
        ) from None


def read_json_lines(path: Path) -> list[dict[str, Any]]:
    """Return the objects in a file with one JSON object per line. Raises ArtefactError if it is missing or damaged."""
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        problem = os.strerror(error.errno or 0)
        raise ArtefactError(f"cannot be read: {problem}", where=location(path), hint="check the path") from None
    objects = []
    for number, line in enumerate(lines, start=1):
        try:
            value = parse_json(line)
        except ValueError:
            value = None
        if not isinstance(value, dict):
            where = location(path, row=number)
            raise ArtefactError("is damaged: it is not a JSON object", where=where, hint="write it again")
        objects.append(value)
    return objects


@contextmanager
def checked_content(path: Path, hint: str = "write it again") -> Iterator[None]:
    """Turn the errors of content that is of the wrong kind into an ArtefactError that names the file."""
    try:
        yield
    except ArtefactError:
        raise
    except TriptychError as error:
        raise ArtefactError(f"is damaged: {error.what}", where=location(path), hint=hint) from None
    except KeyError as error:
        raise ArtefactError(f'is damaged: "{error.args[0]}" is missing', where=location(path), hint=hint) from None
    except (ValueError, TypeError, AttributeError, IndexError, OverflowError) as error:
        what = (str(error).splitlines() or ["it cannot be used"])[0]
        raise ArtefactError(f"is damaged: {what}", where=location(path), hint=hint) from None


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        raise ValueError("a key is repeated")
    return value
