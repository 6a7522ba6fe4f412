"""A thing's key: the checksum of what is encoded. Equal keys, one vector; a changed picture has another key."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from triptych.artefacts import sha256_of
from triptych.content.opening import upright
from triptych.encoding.things import Things
from triptych.errors import InputError, place
from triptych.progress import Listener, told

MAX_BYTES = 1 << 28  # of one picture's file


@dataclass(frozen=True)
class Keyed:
    """key: 32 bytes, None where there is nothing to encode; why: in words, "" where there is."""

    key: bytes | None
    why: str = ""


def keys_of(things: Things, workers: int, listener: Listener) -> Sequence[Keyed]:
    """The key of every thing. Files are read, not decoded."""
    if things.takes == "texts":
        return [_text_key(text) for text in things.given]
    with ThreadPoolExecutor(workers) as pool:
        keyed = pool.map(_picture_key, things.given)
        return list(told("reading pictures", keyed, listener, len(things.given)))


def picture(path: Path, key: bytes, max_pixels: int) -> object:
    """The picture in a file, decoded, if it is still the one that the key was made of. Raises InputError."""
    content = path.read_bytes()
    if hashlib.sha256(content).digest() != key:
        raise InputError("changed while it was being encoded", where=place(path), mend="run the same command again")
    return upright(content, path, max_pixels=max_pixels)


def _text_key(text: Path | str | None) -> Keyed:
    return Keyed(hashlib.sha256(str(text).encode()).digest()) if text else Keyed(None, "no text")


def _picture_key(path: Path | str | None) -> Keyed:
    if path is None:
        return Keyed(None, "no picture")
    path = Path(path)
    try:
        size = path.stat().st_size
        if not path.is_file():
            return Keyed(None, "is not a file")
        if size > MAX_BYTES:
            return Keyed(None, f"is too large: {size:,} bytes are more than {MAX_BYTES:,}")
        return Keyed(bytes.fromhex(sha256_of(path)))
    except (FileNotFoundError, NotADirectoryError):
        return Keyed(None, "no such file")
    except (OSError, ValueError) as error:  # may not be read; a name that no file can have
        return Keyed(None, f"cannot be read: {getattr(error, 'strerror', None) or error}")
