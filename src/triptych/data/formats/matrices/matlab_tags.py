"""Check the tags of a .mat file before SciPy reads it: a wrong type in one of them would end the process.

The layout is that of MATLAB's "MAT-File Format": a header of 128 bytes, then elements. An element has a tag (its type
and its number of bytes); a matrix is an element of elements; a compressed element holds one other element.
"""

from __future__ import annotations

import math
import struct
import zlib
from typing import Any

from triptych.memory import free_bytes

HEADER = 128
INT8, INT32, UINT32, MATRIX, COMPRESSED = 1, 5, 6, 14, 15
NUMBERS = (1, 2, 3, 4, 5, 6, 7, 9, 12, 13)
TEXTS = (16, 17, 18)
CELL, STRUCT, TEXT, SPARSE, CLASSES = 1, 2, 4, 5, (1, 2, *range(4, 16))
COMPLEX = 0x0800
DEPTH = 32


def check_tags(content: bytes) -> None:
    """Raise ValueError if the file is not one of elements of known types that lie inside it."""
    order = {b"IM": "<", b"MI": ">"}.get(content[126:128])
    if order is None:
        raise ValueError("no version")
    for kind, data in _elements(content[HEADER:], order):
        if kind == COMPRESSED:
            inflated = _inflated(data)
            inner = _elements(inflated, order)
            if [each for each, _ in inner] != [MATRIX]:
                raise ValueError("a compressed element is no matrix")
            _check_matrix(inner[0][1], order)
        elif kind == MATRIX:
            _check_matrix(data, order)
        else:
            raise ValueError("an element is no matrix")


def _elements(content: bytes, order: str) -> list[tuple[int, bytes]]:
    """Return the type and the bytes of each element."""
    found, begin = [], 0
    while begin < len(content):
        if begin + 8 > len(content):
            raise ValueError("truncated")
        first, size = struct.unpack_from(f"{order}II", content, begin)
        if first >> 16:  # a small element: its four bytes are in the tag
            kind, size, data = first & 0xFFFF, first >> 16, begin + 4
            end = begin + 8
            if size > 4:
                raise ValueError("a small element is too large")
        else:
            kind, data = first, begin + 8
            end = data + (size if kind == COMPRESSED else -(-size // 8) * 8)
        if data + size > len(content):
            raise ValueError("truncated")
        found.append((kind, content[data : data + size]))
        begin = end
    return found


def _check_matrix(content: bytes, order: str, depth: int = 0) -> None:
    if not content:  # an empty cell
        return
    parts = _elements(content, order)
    if depth > DEPTH or [kind for kind, _ in parts[:3]] != [UINT32, INT32, INT8] or len(parts[0][1]) != 8:
        raise ValueError("not a matrix")
    flags: int = struct.unpack_from(f"{order}I", parts[0][1])[0]
    kind = flags & 0xFF
    if kind not in CLASSES or len(parts) != _n_parts(kind, flags, parts, order):
        raise ValueError("an unknown class, or parts that are missing")
    for part, data in parts[3:]:
        if part == MATRIX and kind in (CELL, STRUCT):
            _check_matrix(data, order, depth + 1)
        elif part not in NUMBERS and not (part in TEXTS and kind == TEXT):
            raise ValueError("an unknown type")


def _n_parts(kind: int, flags: int, parts: list[tuple[int, bytes]], order: str) -> int:
    """Return the number of parts that a matrix of a class must have: flags, shape, name, then its values."""
    n_cells: int = math.prod(struct.unpack(f"{order}{len(parts[1][1]) // 4}i", parts[1][1]))
    if kind == CELL:
        return 3 + n_cells
    if kind == STRUCT:
        if len(parts) < 5 or len(parts[3][1]) != 4:
            raise ValueError("no names of fields")
        length: int = struct.unpack(f"{order}i", parts[3][1])[0]
        return 5 + n_cells * (len(parts[4][1]) // length if length > 0 else 0)
    return (6 if kind == SPARSE else 4) + bool(flags & COMPLEX)


def _inflated(data: bytes) -> bytes:
    stream: Any = zlib.decompressobj()
    inflated: bytes = stream.decompress(data, free_bytes() // 2)
    if not stream.eof:
        raise ValueError("truncated, or too large for the memory")
    return inflated
