"""Checksums of what is encoded. Equal content shares one vector; a changed picture has another checksum."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from triptych.content.pictures import decode_picture, read_picture
from triptych.encoding.inputs import EncodingInputs
from triptych.errors import InputError, location
from triptych.progress import Listener, track


@dataclass(frozen=True)
class ContentHash:
    """sha256: 32 bytes, or None if there is nothing to encode. reason: why there is nothing, else ""."""

    sha256: bytes | None
    reason: str = ""


def hash_contents(inputs: EncodingInputs, workers: int, listener: Listener) -> Sequence[ContentHash]:
    """Return the hash of every input. Picture files are read, but not decoded."""
    if inputs.input_kind == "texts":
        return [_hash_text(text) for text in inputs.contents]
    with ThreadPoolExecutor(workers) as pool:
        hashes = pool.map(_hash_picture, inputs.contents)
        read = list(track("reading pictures", hashes, listener, len(inputs.contents)))
    return [ContentHash(None, inputs.refused[n]) if n in inputs.refused else each for n, each in enumerate(read)]


def open_picture(path: Path, sha256: bytes, max_pixels: int) -> object:
    """Return the decoded picture. Raises InputError if its checksum is not `sha256`, or if it cannot be decoded."""
    content = read_picture(path)
    if hashlib.sha256(content).digest() != sha256:
        raise InputError("changed while it was being encoded", where=location(path), hint="run the same command again")
    return decode_picture(content, path, max_pixels=max_pixels)


def _hash_text(text: Path | str | None) -> ContentHash:
    return ContentHash(hashlib.sha256(str(text).encode()).digest()) if text else ContentHash(None, "no text")


def _hash_picture(path: Path | str | None) -> ContentHash:
    if path is None:
        return ContentHash(None, "no picture")
    try:
        return ContentHash(hashlib.sha256(read_picture(Path(path))).digest())
    except InputError as error:
        return ContentHash(None, error.what)
