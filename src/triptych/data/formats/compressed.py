"""Compressed text files are decompressed in memory if they fit: a small file can hold a very large text."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO, Any

from triptych.errors import InputError, location
from triptych.memory import free_bytes

MAGIC = {
    b"\x1f\x8b": "gzip",
    b"\x78\x01": "zlib",
    b"\x78\x9c": "zlib",
    b"\x78\xda": "zlib",
    b"\x28\xb5\x2f\xfd": "zstd",
}
SHARE = 4  # the table of a text needs several times the memory of the text
CHUNK = 1 << 20


def decompressed(path: Path) -> bytes | None:
    """Return the content of a file that is compressed by gzip, zlib or zstd; None if it is not compressed.

    Raises InputError if the file is damaged, or if its content is larger than a quarter of the free memory.
    """
    with path.open("rb") as file:
        begin = file.read(4)
        method = next((name for magic, name in MAGIC.items() if begin.startswith(magic)), None)
        if method is None:
            return None
        file.seek(0)
        limit, pieces, size = free_bytes() // SHARE, [], 0
        try:
            with _reader(file, method) as read:
                while piece := read():
                    pieces.append(piece)
                    size += len(piece)
                    if size > limit:
                        break
        except (OSError, EOFError, zlib.error):
            raise InputError(
                f"is damaged: it cannot be decompressed ({method})", where=location(path), hint="compress it again"
            ) from None
    if size > limit:
        raise InputError(
            f"holds more than {limit / 1e9:.1f} GB of text ({method}), too much for the memory that is free",
            where=location(path),
            hint="split it, or use a machine with more memory",
        )
    return b"".join(pieces)


@contextmanager
def _reader(file: IO[bytes], method: str) -> Iterator[Callable[[], bytes]]:
    """Yield a function that returns the next piece of the content, and nothing at the end."""
    if method == "gzip":
        with gzip.GzipFile(fileobj=file) as stream:
            yield lambda: stream.read(CHUNK)
    elif method == "zlib":
        yield partial(next, _zlib_pieces(file), b"")
    else:
        import pyarrow as pa

        with pa.CompressedInputStream(pa.PythonFile(file, mode="r"), "zstd") as zstd:
            yield lambda: bytes(zstd.read(CHUNK))


def _zlib_pieces(file: IO[bytes]) -> Iterator[bytes]:
    stream: Any = zlib.decompressobj()
    while content := stream.unconsumed_tail or file.read(CHUNK):
        if piece := stream.decompress(content, CHUNK):
            yield piece
        if stream.eof:
            return
    raise EOFError
