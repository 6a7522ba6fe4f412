"""A thing's key: the checksum of what is encoded. Equal keys, one vector; a changed picture has another key."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from triptych.artefacts import sha256_of
from triptych.content.opening import upright
from triptych.encoding.inputs import EncodingInputs
from triptych.errors import InputError, location
from triptych.progress import Listener, track

MAX_BYTES = 1 << 28  # of one picture's file


@dataclass(frozen=True)
class ContentHash:
    """key: 32 bytes, None where there is nothing to encode; why: in words, "" where there is."""

    key: bytes | None
    why: str = ""


def hash_contents(inputs: EncodingInputs, workers: int, listener: Listener) -> Sequence[ContentHash]:
    """The key of every thing. Files are read, not decoded."""
    if inputs.input_kind == "texts":
        return [_text_key(text) for text in inputs.given]
    with ThreadPoolExecutor(workers) as pool:
        hashes = pool.map(_picture_key, inputs.given)
        return list(track("reading pictures", hashes, listener, len(inputs.given)))


def picture(path: Path, key: bytes, max_pixels: int) -> object:
    """The picture in a file, decoded, if it is still the one that the key was made of. Raises InputError."""
    content = path.read_bytes()
    if hashlib.sha256(content).digest() != key:
        raise InputError("changed while it was being encoded", where=location(path), hint="run the same command again")
    return upright(content, path, max_pixels=max_pixels)


def _text_key(text: Path | str | None) -> ContentHash:
    return ContentHash(hashlib.sha256(str(text).encode()).digest()) if text else ContentHash(None, "no text")


def _picture_key(path: Path | str | None) -> ContentHash:
    if path is None:
        return ContentHash(None, "no picture")
    path = Path(path)
    try:
        size = path.stat().st_size
        if not path.is_file():
            return ContentHash(None, "is not a file")
        if size > MAX_BYTES:
            return ContentHash(None, f"is too large: {size:,} bytes are more than {MAX_BYTES:,}")
        return ContentHash(bytes.fromhex(sha256_of(path)))
    except (FileNotFoundError, NotADirectoryError):
        return ContentHash(None, "no such file")
    except (OSError, ValueError) as error:  # may not be read; a name that no file can have
        return ContentHash(None, f"cannot be read: {getattr(error, 'strerror', None) or error}")
