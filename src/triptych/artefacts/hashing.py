"""Checksums: sha256, which names content, and a fast one, which finds damage at the speed of memory.

The fast checksum of a file is the xxh3 (128 bits) of the xxh3 of each 64 MiB, so several threads can compute it. Both
find damage, not forgery: the manifest that holds them can be written by anyone who can write the files.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

import xxhash

from triptych.progress import Listener, Progress

SEGMENT = 64 << 20  # bytes per digest; part of the definition of the checksum
BLOCK = 1 << 20  # bytes that are read at a time
THREADS = 4  # more than memory can feed on most machines
INLINE = 4 << 20  # bytes; less is checked without threads
SETTLED_SECONDS = 2.0  # a file that changed later than this may change again without another time stamp

_verified: set[tuple[int | str, ...]] = set()  # files that this process found whole, by everything that names a content


class _Hash(Protocol):
    def update(self, data: memoryview, /) -> None: ...


@dataclass(frozen=True)
class Expected:
    """A file with its size in bytes and its checksums, in hexadecimal; xxh3 is None in folders of formats 1 and 2."""

    path: Path
    size: int
    sha256: str
    xxh3: str | None


def sha256_of(path: Path) -> str:
    """Return the sha256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def checksums_of(path: Path) -> tuple[str, str]:
    """Return sha256 and the fast checksum of a file in hexadecimal; the file is read once."""
    sha256, digests, begin = hashlib.sha256(), [], 0
    while True:
        segment = xxhash.xxh3_128()
        length = _read(path, begin, SEGMENT, (sha256, segment))
        if length or not begin:
            digests.append(segment.digest())
        begin += length
        if length < SEGMENT:
            return sha256.hexdigest(), xxhash.xxh3_128_hexdigest(b"".join(digests))


def first_damaged(files: Sequence[Expected], listener: Listener, stage: str) -> Path | None:
    """Return the first of some regular files that differs from its size or checksum, or None if all are whole.

    Files that this process has already verified, and that have not changed since, are not read again. Every other file
    is read as a whole, by several threads if that is worth while. Raises OSError if a file cannot be read.
    """
    unknown = []
    for file in files:
        status = file.path.stat()
        if status.st_size != file.size:
            return file.path
        if _key(file, status) not in _verified:
            unknown.append((file, status))
    tasks = [task for file, _ in unknown for task in _tasks(file)]
    total = sum(file.size for file, _ in unknown)
    digests = _run([each.compute for each in tasks], min(THREADS, _processors()) if total > INLINE else 1)
    done, found = 0, dict[Path, list[bytes]]()
    listener(Progress(stage, 0, total >> 20))
    for task, digest in zip(tasks, digests, strict=True):
        found.setdefault(task.path, []).append(digest)
        done += task.size
        listener(Progress(stage, done >> 20, total >> 20))
    for file, before in unknown:
        if not _matches(file, found[file.path]):
            return file.path
        after = file.path.stat()
        is_settled = time.time() - max(after.st_mtime, after.st_ctime) > SETTLED_SECONDS
        if is_settled and _key(file, after) == _key(file, before):
            _verified.add(_key(file, after))
    return None


@dataclass(frozen=True)
class _Task:
    path: Path
    size: int
    compute: Callable[[], bytes]


def _tasks(file: Expected) -> list[_Task]:
    if file.xxh3 is None:
        return [_Task(file.path, file.size, partial(_sha256_digest, file.path))]
    return [
        _Task(file.path, min(SEGMENT, file.size - begin), partial(_segment_digest, file.path, begin))
        for begin in range(0, max(file.size, 1), SEGMENT)
    ]


def _matches(file: Expected, digests: list[bytes]) -> bool:
    if file.xxh3 is None:
        return digests[0].hex() == file.sha256
    return xxhash.xxh3_128_hexdigest(b"".join(digests)) == file.xxh3


def _run(functions: Sequence[Callable[[], bytes]], n_threads: int) -> Iterator[bytes]:
    if n_threads == 1:
        yield from (function() for function in functions)
        return
    executor = ThreadPoolExecutor(n_threads)
    try:
        yield from executor.map(lambda function: function(), functions)
    finally:
        executor.shutdown(cancel_futures=True)


def _sha256_digest(path: Path) -> bytes:
    return bytes.fromhex(sha256_of(path))


def _segment_digest(path: Path, begin: int) -> bytes:
    digest = xxhash.xxh3_128()
    _read(path, begin, SEGMENT, (digest,))
    return digest.digest()


def _read(path: Path, begin: int, length: int, hashes: Sequence[_Hash]) -> int:
    """Feed a part of a file to some hashes, in blocks, so that memory does not grow. Returns the number of bytes."""
    block, done = memoryview(bytearray(min(BLOCK, length))), 0
    with path.open("rb", buffering=0) as file:
        file.seek(begin)
        while done < length:
            n = file.readinto(block[: min(BLOCK, length - done)])
            if not n:
                break
            for each in hashes:
                each.update(block[:n])
            done += n
    return done


def _key(file: Expected, status: os.stat_result) -> tuple[int | str, ...]:
    changed = (status.st_mtime_ns, status.st_ctime_ns)
    return (status.st_dev, status.st_ino, status.st_size, *changed, file.xxh3 or file.sha256)


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
