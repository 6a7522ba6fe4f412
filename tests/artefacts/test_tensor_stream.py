"""A safetensors file written piece by piece holds the whole tables; pieces of a wrong total size are refused."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from triptych.artefacts import map_tensors, write_tensor_stream


def test_pieces_make_up_the_table_and_a_later_table_may_depend_on_an_earlier_one(tmp_path: Path) -> None:
    table = np.arange(35, dtype=np.float16).reshape(7, 5)
    seen = np.zeros(7, dtype=np.bool_)

    def pieces() -> Iterator[NDArray[np.float16]]:
        for begin in range(0, 7, 3):
            seen[begin : begin + 3] = True
            yield table[begin : begin + 3]

    shapes = {"table": ("F16", (7, 5)), "seen": ("BOOL", (7,))}
    write_tensor_stream(tmp_path / "t.safetensors", shapes, {"table": pieces(), "seen": [seen]})
    tensors = map_tensors(tmp_path / "t.safetensors")
    assert np.array_equal(tensors["table"], table)
    assert tensors["seen"].all()


def test_pieces_that_do_not_add_up_to_the_shape_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="do not add up"):
        write_tensor_stream(tmp_path / "t.safetensors", {"t": ("F32", (3, 2))}, {"t": [np.ones((2, 2), np.float32)]})
