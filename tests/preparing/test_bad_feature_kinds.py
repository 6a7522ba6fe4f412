"""Broken files of features are refused with their place; no bytes end in anything but features or an error."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from scipy.io import savemat

from preparing.feature_kinds import (
    IDS,
    IN_ORDER,
    ROWS,
    VECTORS,
    WITH_IDS,
    Write,
    prepared,
)
from preparing.small import write_text
from triptych.data.formats.features import FeatureSource, open_features
from triptych.errors import InputError


class Evil:
    def __reduce__(self) -> Any:
        return (warnings.warn, ("code of the file ran",))


BROKEN: dict[str, tuple[str, Write, str, str]] = {
    "objects in .pt": ("f.pt", lambda path: torch.save({"x": Evil()}, path), "never loaded", "f.pt"),
    "text in .pt": ("f.pt", lambda path: torch.save({"x": "text"}, path), "holds a str, not tensors", "f.pt"),
    "damaged .pt": ("f.pt", lambda path: path.write_bytes(b"PK\x03\x04nothing"), "damaged", "f.pt"),
    "objects in .npz": ("f.npz", lambda path: np.savez(path, np.array([Evil()])), "never loaded", "f.npz"),
    "damaged .npz": ("f.npz", lambda path: path.write_bytes(b"PK\x03\x04nothing"), "damaged", "f.npz"),
    "several arrays": ("f.npz", lambda path: np.savez(path, a=ROWS, b=ROWS), "several arrays (a, b)", "f.npz"),
    "ids of another length": (
        "f.npz",
        lambda path: np.savez(path, x=ROWS, ids=np.array(IDS[:3])),
        '3 ids in "ids" for 4 rows in "x"',
        "f.npz",
    ),
    "repeated ids": ("f.npz", lambda path: np.savez(path, x=ROWS, ids=np.array(["a"] * 4)), "appears twice", "row 1"),
    "vectors of two widths": (
        "f.pt",
        lambda path: torch.save({"a": torch.ones(2), "b": torch.ones(3)}, path),
        'of "b" has 3 values, that of "a" 2',
        "f.pt",
    ),
    "damaged .h5": ("f.h5", lambda path: path.write_bytes(b"\x89HDF\r\n\x1a\nnothing"), "damaged", "f.h5"),
    "damaged .mat": ("f.mat", lambda path: path.write_bytes(b"nothing"), "damaged", "f.mat"),
    "a word in a column": (
        "f.csv",
        lambda path: write_text(path, "asin,x,y\na,1,2\nb,3,much\nd,1,4\n"),
        '"much" is not a number',
        'row 3, column "y"',
    ),
    "an empty field": ("f.csv", lambda path: write_text(path, "asin,x,y\na,1,2\n\nb,3,\n"), "NaN", 'row 4, column "1"'),
    "a word in a vector": (
        "f.jsonl",
        lambda path: write_text(path, '{"id": "a", "vector": [1, 2]}\n{"id": "b", "vector": [1, "x"]}\n'),
        '"x" is not a number',
        'row 2, column "vector"',
    ),
    "vectors that NumPy cut": (
        "f.csv",
        lambda path: write_text(path, 'asin,vector\na,"[0.1 0.2 ... 0.9]"\n'),
        "that NumPy cut",
        'row 2, column "vector"',
    ),
    "NaN in .pt": ("f.pt", lambda path: torch.save(torch.tensor(VECTORS) / 0, path), "infinity", "row 0"),
}


@pytest.mark.parametrize(("name", "write", "message", "where"), BROKEN.values(), ids=BROKEN)
def test_a_broken_file_is_refused_with_its_place(
    tmp_path: Path, name: str, write: Write, message: str, where: str
) -> None:
    write(tmp_path / name)
    with pytest.raises(InputError, match=re.escape(message)) as caught:
        prepared(tmp_path, tmp_path / name)
    assert where in str(caught.value.where)
    assert name in str(caught.value.where)
    assert caught.value.hint


@pytest.mark.parametrize("ending", [".npz", ".pt", ".h5", ".mat", ".csv", ".jsonl"])
@settings(max_examples=30)
@given(data=st.data())
def test_any_bytes_are_features_or_an_error(
    tmp_path_factory: pytest.TempPathFactory, ending: str, data: st.DataObject
) -> None:
    path = tmp_path_factory.getbasetemp() / f"valid{ending}"
    _, write = next(each for each in (WITH_IDS | IN_ORDER).values() if each[0].endswith(ending))
    if not path.exists():
        write(path)
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    broken = path.with_name(f"broken{ending}")
    broken.write_bytes(bytes(content[: data.draw(st.integers(1, len(content)))]))
    try:
        open_features(FeatureSource("image", broken))
    except InputError as error:
        assert error.where  # noqa: PT017


def damaged_sparse() -> sparse.csr_array:
    matrix = sparse.csr_array(np.eye(4, dtype=np.float32))
    matrix.indices[2] = 1_000_000_000
    return matrix


DAMAGED_SPARSE: dict[str, Callable[[Path], Any]] = {
    "f.npz": lambda path: sparse.save_npz(path, damaged_sparse()),
    "f.mat": lambda path: savemat(path, {"x": sparse.csc_matrix(np.eye(4))}),
}


@pytest.mark.parametrize("name", DAMAGED_SPARSE)
def test_a_sparse_matrix_whose_indices_point_outside_is_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    DAMAGED_SPARSE[name](path)
    if name == "f.mat":
        content = path.read_bytes()
        indices = np.arange(4, dtype=np.int32).tobytes()
        assert content.count(indices)
        path.write_bytes(content.replace(indices, np.array([0, 1, 10**9, 3], np.int32).tobytes(), 1))
    with pytest.raises(InputError, match="damaged"):
        open_features(FeatureSource("image", path))


def test_a_list_column_that_begins_without_a_vector_is_refused(tmp_path: Path) -> None:
    write_text(tmp_path / "f.jsonl", '{"id": "a", "vector": null}\n{"id": "b", "vector": [1, 2]}\n')
    with pytest.raises(InputError, match="has no vector") as caught:
        open_features(FeatureSource("image", tmp_path / "f.jsonl"))
    assert 'row 1, column "vector"' in str(caught.value.where)
