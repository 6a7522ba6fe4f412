"""Vectors that are finished, on disk as soon as they are: what a killed encoding goes on from.

One file that only grows. A header says whose vectors these are; then a record a batch: how many, a checksum, their keys
(sha256 of what was encoded), their rows. What a process was writing when it died fails its checksum and is cut off.
"""

from __future__ import annotations

import mmap
import os
import struct
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from triptych.artefacts import make_folder
from triptych.encoding.encoder import Encoder
from triptych.errors import ArtefactError, location

MAGIC = b"triptych encoding 1\n"
RECORD = struct.Struct("<II")  # vectors, crc32 of keys and rows
KEY = 32


@dataclass
class Journal:
    """The file, open and locked, and where in it the row of every key begins."""

    file: IO[bytes]
    width: int
    dtype: np.dtype[Any]
    begins: dict[bytes, int]

    def append(self, keys: Sequence[bytes], rows: NDArray[Any]) -> None:
        """Add a batch: keys of 32 bytes, rows [n, width]. It is on disk when this returns."""
        if not keys:
            return
        names, values = b"".join(keys), np.ascontiguousarray(rows, self.dtype).tobytes()
        begin = self.file.seek(0, os.SEEK_END)
        self.file.write(RECORD.pack(len(keys), zlib.crc32(values, zlib.crc32(names))) + names + values)
        self.file.flush()
        os.fsync(self.file.fileno())
        self._note(names, begin + RECORD.size + len(names))

    def rows(self, keys: Sequence[bytes]) -> NDArray[Any]:
        """The rows of keys that are there, [n, width]."""
        made = np.empty((len(keys), self.width), self.dtype)
        if keys:
            with mmap.mmap(self.file.fileno(), 0, access=mmap.ACCESS_READ) as whole:
                for row, key in enumerate(keys):
                    begin = self.begins[key]
                    made[row] = np.frombuffer(whole[begin : begin + self.width * self.dtype.itemsize], self.dtype)
        return made

    def read(self, begin: int) -> int:
        """Note all whole records from `begin` on; where they end."""
        size = self.file.seek(0, os.SEEK_END)
        while begin + RECORD.size <= size:
            self.file.seek(begin)
            count, checksum = RECORD.unpack(self.file.read(RECORD.size))
            length = count * (KEY + self.width * self.dtype.itemsize)
            if not count or begin + RECORD.size + length > size:
                break
            content = self.file.read(length)
            if zlib.crc32(content) != checksum:
                break
            self._note(content[: count * KEY], begin + RECORD.size + count * KEY)
            begin += RECORD.size + length
        return begin

    def _note(self, names: bytes, begin: int) -> None:
        step = self.width * self.dtype.itemsize
        for position in range(len(names) // KEY):
            self.begins[names[position * KEY : (position + 1) * KEY]] = begin + position * step


@contextmanager
def opened_journal(path: Path, encoder: Encoder, dtype: np.dtype[Any], *, overwrite: bool = False) -> Iterator[Journal]:
    """The journal at `path`, begun or gone on with.

    Raises ArtefactError if another process writes it, if another encoder began it (unless `overwrite`: then it begins
    anew), or if the file is no journal.
    """
    make_folder(path.parent)
    header = f"{encoder.fingerprint} {encoder.width} {dtype.name}\n".encode()
    with path.open("a+b") as file:
        _lock(file, path)
        file.seek(0)
        found = file.read(len(MAGIC) + len(header))
        if not MAGIC.startswith(found[: len(MAGIC)]):
            raise ArtefactError("exists and is no encoding of ours", where=location(path), hint="move it away")
        if len(found) == len(MAGIC) + len(header) and found != MAGIC + header and not overwrite:
            raise ArtefactError(
                "holds what another encoder has begun",
                where=location(path),
                hint="name that encoder to go on with it, choose another folder, or pass --overwrite to begin anew",
            )
        if found != MAGIC + header:
            file.truncate(0)
            file.write(MAGIC + header)
            file.flush()
        journal = Journal(file, encoder.width, dtype, {})
        file.truncate(journal.read(len(MAGIC) + len(header)))
        yield journal


def _lock(file: IO[bytes], path: Path) -> None:
    """One process at a time; the system unlocks the file when this process ends, however that happens."""
    try:
        import fcntl
    except ImportError:  # not there on Windows: two encodings into one folder are the user's to avoid
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise ArtefactError(
            "another process is encoding into this folder", where=location(path), hint="wait for it, or end it"
        ) from None
    except OSError:  # a file system without locks
        return
