"""The journal of an encoding: finished vectors, on disk at once, from which an interrupted encoding resumes.

The journal is one file that only grows. A header names the encoder, the width and the dtype. Then there is one record
per batch: the number of vectors, a checksum, their hashes (sha256 of what was encoded) and their rows. A record that
was being written when the process died fails its checksum and is cut off.
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

from triptych.artefacts import make_folder, output_lock, writing_errors
from triptych.encoding.encoder import Encoder
from triptych.errors import ArtefactError, argument, location
from triptych.locks import Lock

MAGIC = b"triptych encoding 1\n"
RECORD = struct.Struct("<II")  # number of vectors, crc32 of hashes and rows
HASH_BYTES = 32


@dataclass
class Journal:
    """The open file. offsets: hash -> where in the file its row begins."""

    file: IO[bytes]
    width: int
    dtype: np.dtype[Any]
    offsets: dict[bytes, int]

    def append(self, hashes: Sequence[bytes], rows: NDArray[Any]) -> None:
        """Add a batch: hashes of 32 bytes, rows [n, width]. It is on disk when this returns."""
        if not hashes:
            return
        names, values = b"".join(hashes), np.ascontiguousarray(rows, self.dtype).tobytes()
        begin = self.file.seek(0, os.SEEK_END)
        self.file.write(RECORD.pack(len(hashes), zlib.crc32(values, zlib.crc32(names))) + names + values)
        self.file.flush()
        os.fsync(self.file.fileno())
        self._index(names, begin + RECORD.size + len(names))

    def rows(self, hashes: Sequence[bytes]) -> NDArray[Any]:
        """The rows of hashes that are in the journal, [n, width]."""
        rows = np.empty((len(hashes), self.width), self.dtype)
        if hashes:
            with mmap.mmap(self.file.fileno(), 0, access=mmap.ACCESS_READ) as content:
                for row, sha256 in enumerate(hashes):
                    begin = self.offsets[sha256]
                    rows[row] = np.frombuffer(content[begin : begin + self.width * self.dtype.itemsize], self.dtype)
        return rows

    def read(self, begin: int) -> int:
        """Index all whole records from `begin` on. Returns where the last of them ends."""
        size = self.file.seek(0, os.SEEK_END)
        while begin + RECORD.size <= size:
            self.file.seek(begin)
            count, checksum = RECORD.unpack(self.file.read(RECORD.size))
            length = count * (HASH_BYTES + self.width * self.dtype.itemsize)
            if not count or begin + RECORD.size + length > size:
                break
            content = self.file.read(length)
            if zlib.crc32(content) != checksum:
                break
            self._index(content[: count * HASH_BYTES], begin + RECORD.size + count * HASH_BYTES)
            begin += RECORD.size + length
        return begin

    def _index(self, names: bytes, begin: int) -> None:
        step = self.width * self.dtype.itemsize
        for position in range(len(names) // HASH_BYTES):
            self.offsets[names[position * HASH_BYTES : (position + 1) * HASH_BYTES]] = begin + position * step


@contextmanager
def open_journal(path: Path, encoder: Encoder, dtype: np.dtype[Any], *, overwrite: bool = False) -> Iterator[Journal]:
    """Open the journal at `path`, or start one, and lock it.

    Raises ArtefactError if another process has it open, if the file is not a journal, or if it belongs to another
    encoder. With `overwrite`, the journal of another encoder is emptied instead.
    """
    make_folder(path.parent)
    header = f"{encoder.fingerprint} {encoder.width} {dtype.name}\n".encode()
    with writing_errors(path), _locked(path), path.open("a+b") as file:
        file.seek(0)
        found = file.read(len(MAGIC) + len(header))
        if not MAGIC.startswith(found[: len(MAGIC)]):
            raise ArtefactError("exists and is not a triptych encoding", where=location(path), hint="move it away")
        if len(found) == len(MAGIC) + len(header) and found != MAGIC + header and not overwrite:
            raise ArtefactError(
                "holds an unfinished encoding by another encoder",
                where=location(path),
                hint="name that encoder to resume, choose another folder, or pass "
                f"{argument(overwrite=True)} to start again",
            )
        if found != MAGIC + header:
            file.truncate(0)
            file.write(MAGIC + header)
            file.flush()
        journal = Journal(file, encoder.width, dtype, {})
        file.truncate(journal.read(len(MAGIC) + len(header)))
        yield journal


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Lock the journal for one process. On a file system without locks the user must not start two encodings."""
    with output_lock(path) as lock:
        if lock is Lock.BUSY:
            raise ArtefactError(
                "another process is encoding into this folder", where=location(path), hint="wait for it, or end it"
            )
        yield
