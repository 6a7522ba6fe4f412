"""A table written piece by piece is the table; one that has another size than it said is refused."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from triptych.artefacts import map_tensors, write_tensor_stream


def test_pieces_make_the_table_and_what_they_leave_behind_may_follow(tmp_path: Path) -> None:
    table = np.arange(35, dtype=np.float16).reshape(7, 5)
    seen = np.zeros(7, dtype=np.bool_)

    def pieces() -> Iterator[NDArray[np.float16]]:
        for begin in range(0, 7, 3):
            seen[begin : begin + 3] = True
            yield table[begin : begin + 3]

    shapes = {"table": ("F16", (7, 5)), "seen": ("BOOL", (7,))}
    write_tensor_stream(tmp_path / "t.safetensors", shapes, {"table": pieces(), "seen": [seen]})
    got = map_tensors(tmp_path / "t.safetensors")
    assert np.array_equal(got["table"], table)
    assert got["seen"].all()


def test_a_table_of_another_size_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="another size"):
        write_tensor_stream(tmp_path / "t.safetensors", {"t": ("F32", (3, 2))}, {"t": [np.ones((2, 2), np.float32)]})
