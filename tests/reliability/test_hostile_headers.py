"""A safetensors file with a hostile header is refused: no array reaches outside the file, or into another array."""

from __future__ import annotations

import json
import struct
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save

from triptych.artefacts import map_tensors, write_tensors
from triptych.errors import ArtefactError


def tensors_file(header: object, data: bytes = b"", length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def entry(shape: object = (2,), offsets: object = (0, 8), dtype: object = "F32") -> dict[str, object]:
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets}


HEADERS = {
    "a list": tensors_file([]),
    "a number": tensors_file(b"7"),
    "not JSON": tensors_file(b"{", b"x" * 8),
    "deep": tensors_file(b'{"a":' * 100_000),
    "a key twice": tensors_file(
        b'{"a": {"dtype":"U8","shape":[1],"data_offsets":[0,1]}, "a": {"dtype":"U8","shape":[1],"data_offsets":[0,1]}}',
        b"x",
    ),
    "not UTF-8": tensors_file(b'{"\xff": {}}'),
    "an entry that is a list": tensors_file({"a": []}),
    "metadata of numbers": tensors_file({"__metadata__": {"a": 7}}),
    "metadata that is a list": tensors_file({"__metadata__": []}),
    "a negative shape": tensors_file({"a": entry((-2,), (0, 8))}, b"x" * 8),
    "two negative numbers": tensors_file({"a": entry((-1, -2), (0, 8))}, b"x" * 8),
    "a shape of texts": tensors_file({"a": entry(("2",))}, b"x" * 8),
    "a shape of truth values": tensors_file({"a": entry((True, 2))}, b"x" * 8),
    "a shape that is a number": tensors_file({"a": entry(2)}, b"x" * 8),
    "a shape of fractions": tensors_file({"a": entry((2.0,))}, b"x" * 8),
    "an overflowing product": tensors_file({"a": entry((2**62, 4), (0, 0))}),
    "a product that overflows to the size": tensors_file({"a": entry((2**32, 2**32), (0, 0))}),
    "many dimensions": tensors_file({"a": entry((1,) * 100, (0, 4))}, b"x" * 4),
    "overlapping arrays": tensors_file({"a": entry(), "b": entry((2,), (4, 12))}, b"x" * 12),
    "the same bytes twice": tensors_file({"a": entry(), "b": entry()}, b"x" * 8),
    "a gap": tensors_file({"a": entry((2,), (4, 12))}, b"x" * 12),
    "bytes behind the end": tensors_file({"a": entry()}, b"x" * 9),
    "an end behind the file": tensors_file({"a": entry()}, b"x" * 7),
    "offsets backwards": tensors_file({"a": entry((0,), (8, 0))}, b"x" * 8),
    "negative offsets": tensors_file({"a": entry((2,), (-8, 0))}, b"x" * 8),
    "one offset": tensors_file({"a": entry((2,), (8,))}, b"x" * 8),
    "an unknown dtype": tensors_file({"a": entry(dtype="F128")}, b"x" * 8),
    "a dtype that is a list": tensors_file({"a": entry(dtype=["F32"])}, b"x" * 8),
    "a huge header": tensors_file(b"{}", length=2**63),
    "a header longer than the file": tensors_file(b"{}", length=3),
    "no header": b"\x00" * 7,
    "nothing": b"",
}


@pytest.mark.parametrize("what", HEADERS)
def test_hostile_headers_of_tensors_are_refused(tmp_path: Path, what: str) -> None:
    file = tmp_path / "a.safetensors"
    file.write_bytes(HEADERS[what])
    with pytest.raises(ArtefactError, match="is not a safetensors file") as caught:
        map_tensors(file)
    assert caught.value.where == str(file)


@pytest.fixture(scope="module")
def tensors(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, bytes]:
    file = tmp_path_factory.mktemp("tensors") / "a.safetensors"
    write_tensors(file, {"a": np.arange(6.0).reshape(2, 3), "b": np.ones(3, np.bool_)}, {"about": "text"})
    return file, file.read_bytes()


@given(data=st.data())
def test_any_damage_of_a_header_is_an_error_or_arrays_inside_the_file(
    tensors: tuple[Path, bytes], data: st.DataObject
) -> None:
    file, whole = tensors
    content = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 3))):
        position = data.draw(st.integers(0, len(content) - 1))
        content[position : position + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=3))
    damaged = file.with_name("damaged.safetensors")
    damaged.write_bytes(content)
    with suppress(ArtefactError):
        arrays = map_tensors(damaged)
        assert sum(array.nbytes for array in arrays.values()) < len(content)
        assert all(np.array(array).tobytes() in bytes(content) for array in arrays.values())


@given(st.binary(max_size=300))
def test_any_bytes_are_tensors_or_an_error(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    file = tmp_path_factory.getbasetemp() / "any.safetensors"
    file.write_bytes(content)
    with suppress(ArtefactError):
        map_tensors(file)


def test_the_files_are_those_of_the_safetensors_library(tmp_path: Path) -> None:
    tensors = {
        "é": np.arange(6, dtype=np.float32).reshape(2, 3),
        "double": np.arange(3.0),
        "half": np.ones((2, 2), np.float16),
        "wide": np.arange(3),
        "int": np.arange(3, dtype=np.int32),
        "byte": np.arange(3, dtype=np.int8),
        "unsigned": np.arange(3, dtype=np.uint8),
        "flag": np.ones(3, np.bool_),
        "a": np.arange(3, dtype=np.float32),
        "none": np.zeros((0, 4), np.float32),
    }
    write_tensors(tmp_path / "a.safetensors", tensors, {"about": "text"})
    assert (tmp_path / "a.safetensors").read_bytes() == save(tensors, {"about": "text"})
    write_tensors(tmp_path / "b.safetensors", {})
    assert (tmp_path / "b.safetensors").read_bytes() == save({})
