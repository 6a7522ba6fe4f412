"""Named arrays in safetensors files: written at once or piece by piece, opened as memory maps."""

from __future__ import annotations

import json
import math
import os
import struct
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import IO, Any, TypeGuard

import numpy as np
from numpy.typing import NDArray

from triptych.artefacts.files import writing_file
from triptych.artefacts.json_files import parse_json
from triptych.errors import ArtefactError, location

DTYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I8": "i1", "U8": "u1", "BOOL": "?"}
CODES = {np.dtype(dtype): code for code, dtype in DTYPES.items()}
ORDER = (
    "I64",
    "F64",
    "F32",
    "I32",
    "F16",
    "I8",
    "U8",
    "BOOL",
)  # of tables in a file, as the safetensors library has it
METADATA = "__metadata__"
HEADER_LIMIT = 100_000_000  # bytes, as in the safetensors library
DIMENSIONS = 32


def write_tensors(path: Path, tensors: Mapping[str, NDArray[Any]], about: Mapping[str, str] | None = None) -> None:
    """Write named arrays, and text metadata about them, as one safetensors file, atomically as in `write_file`."""
    arrays = {name: _little_endian(array) for name, array in tensors.items()}
    names = sorted(arrays, key=lambda name: (ORDER.index(CODES[arrays[name].dtype]), name))
    shapes = {name: (CODES[arrays[name].dtype], arrays[name].shape) for name in names}
    header, end = _layout(shapes)
    if about:  # the library refuses an empty dictionary
        header = {METADATA: dict(about), **header}
    with writing_file(path) as temporary, temporary.open("wb") as file:
        begin = _write_header(file, json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode())
        for name in names:
            file.write(arrays[name].data)
        assert file.tell() == begin + end


def write_tensor_stream(
    path: Path, shapes: Mapping[str, tuple[str, tuple[int, ...]]], pieces: Mapping[str, Iterable[NDArray[np.generic]]]
) -> None:
    """Write a safetensors file piece by piece, so that a table need not fit in memory.

    shapes: name -> (dtype code of `DTYPES`, shape). pieces: name -> blocks of its rows; they are consumed in the order
    of `shapes`. Raises ValueError if the blocks of a table do not add up to its shape.
    """
    header, _ = _layout(shapes)
    with path.open("wb") as file:
        begin = _write_header(file, json.dumps(header).encode())
        for name, (code, _) in shapes.items():
            for piece in pieces[name]:
                file.write(np.ascontiguousarray(piece, dtype=DTYPES[code]).data)
            if file.tell() != begin + header[name]["data_offsets"][1]:
                raise ValueError(f'the pieces of "{name}" do not add up to its shape')


def map_tensors(path: Path) -> dict[str, NDArray[Any]]:
    """Return the arrays of a safetensors file as memory maps; values are read on access.

    The header is checked first: every array lies inside the file, and no two arrays share bytes. Raises ArtefactError.
    A file that is cut while it is mapped ends the process (SIGBUS); triptych itself never cuts a file, it replaces it.
    """
    with _open(path) as file:
        begin, header = _read_header(file, path)
        return {
            name: _map(file, begin + entry["data_offsets"][0], np.dtype(DTYPES[entry["dtype"]]), tuple(entry["shape"]))
            for name, entry in header.items()
            if name != METADATA
        }


def tensor_metadata(path: Path) -> dict[str, str]:
    """Return the text metadata of a safetensors file, as written by `write_tensors`. Raises ArtefactError."""
    with _open(path) as file:
        return dict(_read_header(file, path)[1].get(METADATA, {}))


def _open(path: Path) -> IO[bytes]:
    try:
        return path.open("rb")
    except FileNotFoundError:
        raise ArtefactError("no such file", where=location(path), hint="check the path") from None
    except OSError as error:
        problem = os.strerror(error.errno or 0)
        raise ArtefactError(f"cannot be read: {problem}", where=location(path), hint="check the path") from None


def _map(file: IO[bytes], begin: int, dtype: np.dtype[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    if 0 in shape:
        return np.zeros(shape, dtype)
    array: NDArray[Any] = np.memmap(file, dtype, "r", begin, shape)
    return array if begin % dtype.itemsize == 0 else np.array(array)  # native code reads only aligned arrays


def _layout(shapes: Mapping[str, tuple[str, tuple[int, ...]]]) -> tuple[dict[str, Any], int]:
    """Return the header for tables that follow each other, and where the last one ends."""
    header: dict[str, Any] = {}
    offset = 0
    for name, (code, shape) in shapes.items():
        size = math.prod(shape) * np.dtype(DTYPES[code]).itemsize
        header[name] = {"dtype": code, "shape": list(shape), "data_offsets": [offset, offset + size]}
        offset += size
    return header, offset


def _write_header(file: IO[bytes], text: bytes) -> int:
    """Write a header, padded to 8 bytes. Returns where the data begin."""
    text += b" " * (-len(text) % 8)
    file.write(struct.pack("<Q", len(text)) + text)
    return 8 + len(text)


def _read_header(file: IO[bytes], path: Path) -> tuple[int, dict[str, Any]]:
    """Return where the data of a safetensors file begin, and its header. Raises ArtefactError."""
    try:
        size = os.fstat(file.fileno()).st_size
        length = int.from_bytes(file.read(8), "little")
        header = parse_json(file.read(length) if length <= min(HEADER_LIMIT, size - 8) else b"")
        _check_header(header, size - 8 - length)
    except (ValueError, MemoryError, OSError):
        raise ArtefactError(
            "is not a safetensors file, or is truncated", where=location(path), hint="write it again"
        ) from None
    return 8 + length, header


def _check_header(header: Any, n_bytes: int) -> None:
    """Raise ValueError unless a header describes arrays that fill `n_bytes` one after the other."""
    if not isinstance(header, dict) or not _is_text_table(header.get(METADATA, {})):
        raise ValueError("is not a header")
    spans = sorted(_span(entry) for name, entry in header.items() if name != METADATA)
    ends = [0, *(end for _, end in spans)]
    if [begin for begin, _ in spans] != ends[:-1] or ends[-1] != n_bytes:
        raise ValueError("arrays overlap, leave gaps or leave the file")


def _span(entry: Any) -> tuple[int, int]:
    """Return where an array begins and ends. Raises ValueError unless that fits its dtype and shape."""
    if not isinstance(entry, dict) or not isinstance(entry.get("dtype"), str) or entry["dtype"] not in DTYPES:
        raise ValueError("is not an array of a known dtype")
    shape, offsets = entry.get("shape"), entry.get("data_offsets")
    if not _are_sizes(shape) or not _are_sizes(offsets) or len(offsets) != 2 or len(shape) > DIMENSIONS:
        raise ValueError("a shape or an offset is not one")
    if offsets[1] - offsets[0] != math.prod(shape) * np.dtype(DTYPES[entry["dtype"]]).itemsize:
        raise ValueError("the offsets do not fit the shape")
    return offsets[0], offsets[1]


def _are_sizes(values: Any) -> TypeGuard[list[int]]:
    return isinstance(values, list) and all(type(each) is int and 0 <= each < 1 << 63 for each in values)


def _is_text_table(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(each, str) for each in value.values())


def _little_endian(array: NDArray[Any]) -> NDArray[Any]:
    dtype = np.dtype(array.dtype).newbyteorder("<")
    if dtype not in CODES:
        raise ValueError(f"arrays of {array.dtype} cannot be stored")
    return np.ascontiguousarray(array, dtype=dtype)
