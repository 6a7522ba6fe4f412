"""The manifest of a folder: its kind, the sizes and checksums of its files, and a description by its writer."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from triptych.artefacts.hashing import checksums_of
from triptych.artefacts.json_files import CHECKSUM, json_bytes_with_checksum, parse_json, without_checksum

MANIFEST = "manifest.json"
VERSION = 3  # of the format; folders of formats 1 and 2 are still read
CHECKSUM_VERSION = 3  # the first format with fast checksums, also of the manifest itself


class FileEntry(NamedTuple):
    """Size in bytes, sha256 and fast checksum of a file; the latter is None in folders of formats 1 and 2."""

    size: int
    sha256: str
    xxh3: str | None


@dataclass(frozen=True)
class Manifest:
    """The manifest of a folder.

    kind: "data set", "recommender", …. files: name -> FileEntry. about: JSON values from the writer.
    version: the version of the folder format.
    """

    kind: str
    files: Mapping[str, FileEntry]
    about: Mapping[str, Any]
    version: int = VERSION

    @property
    def fingerprint(self) -> str:
        """A checksum over the checksums of all files: two folders with equal files have equal fingerprints."""
        lines = "\n".join(f"{name} {entry.sha256}" for name, entry in sorted(self.files.items()))
        return hashlib.sha256(lines.encode()).hexdigest()


def write_manifest(folder: Path, kind: str, about: Mapping[str, Any]) -> None:
    """Write the manifest of a folder that is complete."""
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    with ThreadPoolExecutor(2) as executor:
        checksums = list(executor.map(checksums_of, files))
    entries = {
        file.relative_to(folder).as_posix(): {"bytes": file.stat().st_size, "sha256": sha256, "xxh3": xxh3}
        for file, (sha256, xxh3) in zip(files, checksums, strict=True)
    }
    content = {"kind": kind, "version": VERSION, "about": dict(about), "files": entries}
    (folder / MANIFEST).write_bytes(json_bytes_with_checksum(content))


def parse_manifest(content: bytes) -> Manifest:
    """Return the manifest in the bytes of its file.

    A manifest of a newer format has no files here: only its version and kind are read. Raises ValueError if the content
    is damaged: if it is not a manifest, differs from its checksum, or names files outside its folder.
    """
    raw = _expect(parse_json(content), dict)
    version, kind = _expect(raw.get("version"), int), _expect(raw.get("kind"), str)
    if version > VERSION:
        return Manifest(kind, {}, {}, version)
    if version >= CHECKSUM_VERSION and CHECKSUM not in raw:
        raise ValueError("has no checksum")
    raw = without_checksum(raw)
    files = {
        _plain_name(name): _entry(_expect(entry, dict), version)
        for name, entry in _expect(raw.get("files"), dict).items()
    }
    return Manifest(kind, files, _expect(raw.get("about"), dict), version)


def _entry(raw: dict[str, Any], version: int) -> FileEntry:
    size, sha256, xxh3 = _expect(raw.get("bytes"), int), _expect(raw.get("sha256"), str), raw.get("xxh3")
    if size < 0 or not re.fullmatch("[0-9a-f]{64}", sha256):
        raise ValueError("a size or checksum is not one")
    if version < CHECKSUM_VERSION:
        return FileEntry(size, sha256, None)
    if not re.fullmatch("[0-9a-f]{32}", _expect(xxh3, str)):
        raise ValueError("a checksum is not one")
    return FileEntry(size, sha256, xxh3)


def _plain_name(name: str) -> str:
    """Return the name of a file inside the folder. Raises ValueError if it leaves the folder."""
    parts = name.split("/")
    if PurePosixPath(name).is_absolute() or "\\" in name or "\0" in name or any(p in ("", ".", "..") for p in parts):
        raise ValueError("a name leaves the folder")
    return name


def _expect(value: Any, kind: type) -> Any:
    if not isinstance(value, kind) or isinstance(value, bool):
        raise ValueError("a value is of the wrong kind")  # noqa: TRY004
    return value
