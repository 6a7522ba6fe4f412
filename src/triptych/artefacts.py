"""Folders and files that are whole or absent: safetensors, a manifest with sha256, one atomic rename."""

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
SMALL = 1 << 20  # files up to this size are checked whole at every opening, larger ones by size unless asked
DTYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I8": "i1", "U8": "u1", "BOOL": "?"}


@dataclass(frozen=True)
class Manifest:
    """What a folder says of itself: its kind, its files (name -> bytes, sha256), and what its writer told (`about`)."""

    kind: str
    files: Mapping[str, tuple[int, str]]
    about: Mapping[str, Any]
    version: int = VERSION

    @property
    def fingerprint(self) -> str:
        """One checksum over all files' checksums: equal content, equal fingerprint."""
        lines = "\n".join(f"{name} {sha}" for name, (_, sha) in sorted(self.files.items()))
        return hashlib.sha256(lines.encode()).hexdigest()


@contextmanager
def writing_folder(path: Path, kind: str, about: dict[str, Any], *, overwrite: bool = False) -> Iterator[Path]:
    """Yield a temporary folder to fill; on leaving, it gets its manifest and becomes `path` by one rename.

    `about` may be filled until the block ends. If the block raises (Ctrl-C included), nothing of it stays and what
    was at `path` is untouched. Raises ArtefactError if `path` exists and `overwrite` is false, or is no folder of ours.
    """
    path = path.absolute()
    _recover(path)
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
    _sweep(path)
    temporary = path.parent / f".{path.name}.writing-{os.getpid()}"
    temporary.mkdir()
    try:
        yield temporary
        with ThreadPoolExecutor(1) as beside:  # the disk is written to while the checksums are computed
            written = beside.submit(_sync_tree, temporary)
            _write_manifest(temporary, kind, about)
            written.result()
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
    """The manifest of the folder at `path`, after checking that all its files are there and have their sizes.

    Small files are always compared with their checksum, large ones if `verify`. Raises ArtefactError.
    """
    _recover(path.absolute())
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
def replacing(path: Path) -> Iterator[Path]:
    """Yield the name of a temporary file; on leaving it is on disk and becomes `path`, or is gone."""
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
    """Make a folder and those above it, if need be. Raises ArtefactError where that cannot be."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise ArtefactError("is a file, not a folder", where=location(path), hint="choose another path") from None
    except NotADirectoryError:
        above = next(each for each in path.parents if each.exists())
        raise ArtefactError("is a file, not a folder", where=location(above), hint="choose another path") from None
    except PermissionError:
        raise ArtefactError("may not be written to", where=location(path), hint="choose another path") from None


def write_file(path: Path, content: bytes) -> None:
    """Write a file so that a crash leaves the old one or the new one, never half of either."""
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def write_tensors(path: Path, tensors: Mapping[str, NDArray[Any]], about: Mapping[str, str] | None = None) -> None:
    """Named arrays (and a few words about them) as one safetensors file, whole or absent; see `write_file`."""
    with replacing(path) as temporary:
        save_file(
            {name: np.ascontiguousarray(array) for name, array in tensors.items()},
            temporary,
            metadata=dict(about) if about else None,  # an empty one would be written as broken JSON
        )


def write_tensor_stream(
    path: Path, shapes: Mapping[str, tuple[str, tuple[int, ...]]], pieces: Mapping[str, Iterable[NDArray[np.generic]]]
) -> None:
    """Write a safetensors file piece by piece, for tables that should not be in memory whole.

    shapes: name -> (dtype code of `DTYPES`, shape). pieces: name -> its rows, some at a time; they are asked for in the
    order of `shapes`. Raises ValueError where they are not as many as the shape says.
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
                raise ValueError(f'"{name}" has another size than its shape says')


def map_tensors(path: Path) -> dict[str, NDArray[Any]]:
    """The arrays of a safetensors file as memory maps: nothing is read until touched. Raises ArtefactError."""
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
            "is not a safetensors file, or is cut short", where=location(path), hint="write it again"
        ) from None
    return arrays


def tensor_metadata(path: Path) -> dict[str, str]:
    """The words that `tensor_bytes` stored beside the arrays."""
    return dict(_header(path)[1].get("__metadata__", {}))


def sha256_of(path: Path) -> str:
    """The sha256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def json_bytes(value: object) -> bytes:
    """A value as readable JSON; what is not finite is refused rather than written as what JSON cannot hold."""
    return (json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()


def _header(path: Path) -> tuple[int, dict[str, Any]]:
    """Where the data of a safetensors file begin, and what its header says of them."""
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


def _sweep(path: Path) -> None:
    """Remove what writers that no longer live left half done beside `path`."""
    for stale in path.parent.glob(f".{path.name}.writing-*"):
        process = stale.name.rpartition("-")[2]
        if not (process.isdigit() and psutil.pid_exists(int(process))) or int(process) == os.getpid():
            shutil.rmtree(stale, ignore_errors=True)


def _recover(path: Path) -> None:
    """Bring the old folder back if a writer died between its two renames."""
    if not path.exists():
        for old in path.parent.glob(f".{path.name}.replaced-*"):
            if not psutil.pid_exists(int(old.name.rpartition("-")[2])):
                old.rename(path)
                return
