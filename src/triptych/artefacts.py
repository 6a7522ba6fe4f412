"""Folders and files that are written completely or not at all: safetensors, manifests with sha256, atomic renames."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import struct
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from numpy.typing import NDArray
from safetensors.numpy import save_file

from triptych.errors import ArtefactError, location

MANIFEST = "manifest.json"
VERSION = 2  # of the format; folders of format 1 are still read
SMALL = 1 << 20  # bytes; files up to this size are hashed at every opening, larger ones only on request
DTYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I8": "i1", "U8": "u1", "BOOL": "?"}


@dataclass(frozen=True)
class Manifest:
    """The manifest of a folder.

    kind: "data set", "recommender", …. files: name -> (size in bytes, sha256). about: JSON values from the writer.
    version: the version of the folder format.
    """

    kind: str
    files: Mapping[str, tuple[int, str]]
    about: Mapping[str, Any]
    version: int = VERSION

    @property
    def fingerprint(self) -> str:
        """A checksum over the checksums of all files: two folders with equal files have equal fingerprints."""
        lines = "\n".join(f"{name} {sha}" for name, (_, sha) in sorted(self.files.items()))
        return hashlib.sha256(lines.encode()).hexdigest()


@contextmanager
def writing_folder(path: Path, kind: str, about: dict[str, Any], *, overwrite: bool = False) -> Iterator[Path]:
    """Yield a temporary folder to fill; when the block ends, write its manifest and rename the folder to `path`.

    `about` may be filled until the block ends. If the block raises (Ctrl-C included), the temporary folder is removed
    and `path` is not changed. Raises ArtefactError if `path` exists and `overwrite` is false, or if it exists and was
    not written by this package.
    """
    path = path.absolute()
    _restore_replaced(path)
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        if not overwrite:
            raise ArtefactError("already exists", where=location(path), hint="choose another folder, or pass overwrite")
        if not (path / MANIFEST).is_file():
            raise ArtefactError(
                "exists and was not written by triptych, so it will not be replaced",
                where=location(path),
                hint="choose another folder",
            )
    make_folder(path.parent)
    _remove_stale(path)
    temporary = path.parent / f".{path.name}.writing-{os.getpid()}"
    temporary.mkdir()
    try:
        yield temporary
        with ThreadPoolExecutor(1) as executor:  # flush files to disk while their checksums are computed
            flushed = executor.submit(_sync_tree, temporary)
            _write_manifest(temporary, kind, about)
            flushed.result()
        for new in (temporary / MANIFEST, temporary):
            _sync(new)
        if path.exists():
            old = path.parent / f".{path.name}.replaced-{os.getpid()}"
            path.rename(old)
            temporary.rename(path)
            shutil.rmtree(old)
        else:
            temporary.rename(path)
        _sync(path.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def open_folder(path: Path, kind: str, *, verify: bool = False) -> Manifest:
    """Return the manifest of the folder at `path`, after a check that all its files exist and have the right size.

    The checksums of small files are always verified, those of large files only if `verify`. Raises ArtefactError if the
    folder is missing, damaged, of another kind or written by a newer version.
    """
    _restore_replaced(path.absolute())
    if not path.is_dir():
        raise ArtefactError("no such folder", where=location(path), hint=f"expected a triptych {kind}; check the path")
    try:
        raw = json.loads((path / MANIFEST).read_text(encoding="utf-8"))
        files = {name: (file["bytes"], file["sha256"]) for name, file in raw["files"].items()}
        manifest = Manifest(raw["kind"], files, raw["about"], int(raw["version"]))
    except FileNotFoundError:
        raise ArtefactError(
            f"has no {MANIFEST}, so it is not a triptych {kind}", where=location(path), hint="check the path"
        ) from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ArtefactError(
            "the manifest is damaged", where=location(path / MANIFEST), hint=f"write the {kind} again"
        ) from None
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
    for name, (size, checksum) in manifest.files.items():
        _check_file(path / name, size, checksum, kind, whole=verify or size <= SMALL)
    return manifest


@contextmanager
def writing_file(path: Path) -> Iterator[Path]:
    """Yield the path of a temporary file to write; when the block ends, rename it to `path`. An error removes it."""
    make_folder(path.parent)
    temporary = path.parent / f".{path.name}.writing-{os.getpid()}"
    try:
        yield temporary
        _sync(temporary)
        temporary.replace(path)
        _sync(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def make_folder(path: Path) -> None:
    """Make a folder and its parents if they do not exist. Raises ArtefactError if that is impossible."""
    try:
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


def write_file(path: Path, content: bytes) -> None:
    """Write a file atomically: a crash leaves the old file or the new one, never a part of it."""
    with writing_file(path) as temporary:
        temporary.write_bytes(content)


def write_tensors(path: Path, tensors: Mapping[str, NDArray[Any]], about: Mapping[str, str] | None = None) -> None:
    """Write named arrays, and text metadata about them, as one safetensors file, atomically as in `write_file`."""
    with writing_file(path) as temporary:
        save_file(
            {name: np.ascontiguousarray(array) for name, array in tensors.items()},
            temporary,
            metadata=dict(about) if about else None,  # safetensors writes broken JSON for an empty dictionary
        )


def write_tensor_stream(
    path: Path, shapes: Mapping[str, tuple[str, tuple[int, ...]]], pieces: Mapping[str, Iterable[NDArray[np.generic]]]
) -> None:
    """Write a safetensors file piece by piece, so that a table need not fit in memory.

    shapes: name -> (dtype code of `DTYPES`, shape). pieces: name -> blocks of its rows; they are consumed in the order
    of `shapes`. Raises ValueError if the blocks of a table do not add up to its shape.
    """
    header: dict[str, Any] = {}
    offset = 0
    for name, (code, shape) in shapes.items():
        size = int(np.prod(shape)) * np.dtype(DTYPES[code]).itemsize
        header[name] = {"dtype": code, "shape": list(shape), "data_offsets": [offset, offset + size]}
        offset += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for name, (code, _) in shapes.items():
            for piece in pieces[name]:
                file.write(np.ascontiguousarray(piece, dtype=DTYPES[code]).data)
            if file.tell() != 8 + len(text) + header[name]["data_offsets"][1]:
                raise ValueError(f'the pieces of "{name}" do not add up to its shape')


def map_tensors(path: Path) -> dict[str, NDArray[Any]]:
    """Return the arrays of a safetensors file as memory maps; values are read on access. Raises ArtefactError."""
    try:
        begin, header = _header(path)
        arrays: dict[str, NDArray[Any]] = {}
        for name, entry in header.items():
            if name == "__metadata__":
                continue
            dtype, shape = np.dtype(DTYPES[entry["dtype"]]), tuple(entry["shape"])
            if 0 in shape:
                arrays[name] = np.zeros(shape, dtype)
                continue
            arrays[name] = np.memmap(path, dtype, "r", begin + entry["data_offsets"][0], shape)
    except FileNotFoundError:
        raise ArtefactError("no such file", where=location(path), hint="check the path") from None
    except (struct.error, ValueError, KeyError, TypeError, MemoryError, OverflowError):
        raise ArtefactError(
            "is not a safetensors file, or is truncated", where=location(path), hint="write it again"
        ) from None
    return arrays


def tensor_metadata(path: Path) -> dict[str, str]:
    """Return the text metadata of a safetensors file, as written by `write_tensors`."""
    return dict(_header(path)[1].get("__metadata__", {}))


def sha256_of(path: Path) -> str:
    """Return the sha256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def json_bytes(value: object) -> bytes:
    """Return a value as indented JSON in UTF-8. Raises ValueError for NaN and infinity, which JSON cannot represent."""
    return (json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()


def _header(path: Path) -> tuple[int, dict[str, Any]]:
    """Return the offset of the data in a safetensors file, and its header."""
    with path.open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        return 8 + length, json.loads(file.read(length))


def _write_manifest(folder: Path, kind: str, about: Mapping[str, Any]) -> None:
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    entries = {
        file.relative_to(folder).as_posix(): {"bytes": file.stat().st_size, "sha256": sha256_of(file)} for file in files
    }
    content = {"kind": kind, "version": VERSION, "about": dict(about), "files": entries}
    (folder / MANIFEST).write_bytes(json_bytes(content))


def _check_file(file: Path, size: int, checksum: str, kind: str, *, whole: bool) -> None:
    if not file.is_file():
        raise ArtefactError("is missing", where=location(file), hint=f"write the {kind} again")
    if file.stat().st_size != size or (whole and sha256_of(file) != checksum):
        raise ArtefactError(
            "is damaged: it differs from the manifest", where=location(file), hint=f"write the {kind} again"
        )


def _sync_tree(folder: Path) -> None:
    for entry in folder.rglob("*"):
        _sync(entry)
    _sync(folder)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove_stale(path: Path) -> None:
    """Remove temporary folders next to `path` that were left by processes that no longer run."""
    for stale in path.parent.glob(f".{path.name}.writing-*"):
        process = stale.name.rpartition("-")[2]
        if not (process.isdigit() and psutil.pid_exists(int(process))) or int(process) == os.getpid():
            shutil.rmtree(stale, ignore_errors=True)


def _restore_replaced(path: Path) -> None:
    """Move the old folder back to `path` if a writer died between its two renames."""
    if not path.exists():
        for old in path.parent.glob(f".{path.name}.replaced-*"):
            if not psutil.pid_exists(int(old.name.rpartition("-")[2])):
                old.rename(path)
                return
