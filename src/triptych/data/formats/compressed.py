"""Compressed files are decompressed in memory if they fit: a small file can hold a very large text."""

from __future__ import annotations

import bz2
import gzip
import lzma
import zipfile
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
    b"BZh": "bzip2",
    b"\xfd7zX": "xz",
    b"PK\x03\x04": "zip",
}
SUFFIXES = (".gz", ".gzip", ".zst", ".zz", ".bz2", ".xz", ".zip")
SHARE = 4  # the table of a text needs several times the memory of the text
CHUNK = 1 << 20


def decompressed(path: Path) -> bytes | None:
    """Return the content of a file that is compressed (gzip, zlib, zstd, bzip2, xz, zip); None if it is not.

    Raises InputError if the file is damaged, if it is an archive of several files, or if its content is larger than a
    quarter of the free memory.
    """
    with path.open("rb") as file:
        begin = file.read(4)
        method = next((name for magic, name in MAGIC.items() if begin.startswith(magic)), None)
        if method is None:
            return None
        file.seek(0)
        limit, pieces, size = free_bytes() // SHARE, [], 0
        try:
            with _reader(path, file, method) as read:
                while piece := read():
                    pieces.append(piece)
                    size += len(piece)
                    if size > limit:
                        break
        except (OSError, EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, RuntimeError, NotImplementedError):
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
def _reader(path: Path, file: IO[bytes], method: str) -> Iterator[Callable[[], bytes]]:
    """Yield a function that returns the next piece of the content, and nothing at the end."""
    if method == "gzip":
        with gzip.GzipFile(fileobj=file) as stream:
            yield lambda: stream.read(CHUNK)
    elif method in ("bzip2", "xz"):
        with bz2.BZ2File(file) if method == "bzip2" else lzma.LZMAFile(file) as other:
            yield lambda: other.read(CHUNK)
    elif method == "zip":
        with zipfile.ZipFile(file) as archive, archive.open(_only_member(path, archive)) as member:
            yield lambda: member.read(CHUNK)
    elif method == "zlib":
        yield partial(next, _zlib_pieces(file), b"")
    else:
        import pyarrow as pa

        with pa.CompressedInputStream(pa.PythonFile(file, mode="r"), "zstd") as zstd:
            yield lambda: bytes(zstd.read(CHUNK))


def plain_suffix(path: Path) -> str:
    """Return the extension of a file, in small letters, without that of its compression: ".csv" of LOG.CSV.gz."""
    suffixes = [each.lower() for each in path.suffixes]
    while suffixes and suffixes[-1] in SUFFIXES:
        if suffixes[-1] == ".zip" and len(suffixes) == 1 and path.is_file() and zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                return plain_suffix(Path(_only_member(path, archive)))
        suffixes.pop()
    return suffixes[-1] if suffixes else ""


def _only_member(path: Path, archive: zipfile.ZipFile) -> str:
    """Return the name of the only file in an archive. Raises InputError."""
    names = [each.filename for each in archive.infolist() if not each.is_dir()]
    names = [name for name in names if not name.startswith("__MACOSX/")]
    if len(names) != 1:
        raise InputError(
            f"holds {len(names)} files ({', '.join(names[:10])})",
            where=location(path),
            hint="unpack it, and name the file or folder to read",
        )
    return names[0]


def _zlib_pieces(file: IO[bytes]) -> Iterator[bytes]:
    stream: Any = zlib.decompressobj()
    while content := stream.unconsumed_tail or file.read(CHUNK):
        if piece := stream.decompress(content, CHUNK):
            yield piece
        if stream.eof:
            return
    raise EOFError
