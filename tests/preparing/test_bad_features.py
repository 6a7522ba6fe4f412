"""Broken feature files are refused with the file, the row and a hint, and nothing is written."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from preparing.broken import (
    Broken,
    assert_refused,
    id_file,
    matrix,
    npy_bytes,
    npz_bytes,
    rows,
)

CASES: dict[str, Broken] = {
    "missing features": Broken(
        "no such file", "imge.npy", 'mean "image.npy"?', {"image.npy": rows()}, features={"image": "imge.npy"}
    ),
    "features with an unknown extension": matrix("image.doc", b"x", 'from ".doc"', "image.doc", "give .npy"),
    "NaN": matrix("image.npy", rows(np.nan), "NaN in", 'image.npy, row 1, column "1"', "encode that item again"),
    "infinity": matrix("image.npy", rows(np.inf), "infinity", 'image.npy, row 1, column "1"', "leave its row out"),
    "NaN in float16": matrix(
        "image.npy", rows(np.nan, dtype="float16"), "NaN in", 'image.npy, row 1, column "1"', "encode that item"
    ),
    "infinity in safetensors": matrix(
        "image.safetensors", {"x": rows(-np.inf)}, "infinity", 'image.safetensors, row 1, column "1"', "encode"
    ),
    "NaN in a parquet list": matrix(
        "image.parquet",
        pl.DataFrame({"item_id": ["a", "b", "c"], "vector": [[1.0, 2.0], [1.0, float("nan")], [1.0, 1.0]]}),
        "NaN in",
        'image.parquet, row 2, column "1"',
        "encode that item again",
    ),
    "one row too few": matrix("image.npy", rows()[:2], "has 2 rows, but there are 3 items", "image.npy", "an id file"),
    "features without ids or an item table": Broken(
        "has 3 rows and no item ids",
        "image.npy",
        "give an id file",
        {"image.npy": rows()},
        features={"image": "image.npy"},
    ),
    "complex numbers": matrix("image.npy", rows(dtype="complex64"), "not numbers", "image.npy", "store float16"),
    "whole numbers that float32 cannot hold": matrix(
        "image.npy",
        rows(2**24 + 1, dtype="int64"),
        "16777217 is not exact in 32 bits",
        'image.npy, row 1, column "1"',
        "columns of ids",
    ),
    "whole numbers that float16 cannot hold": matrix(
        "image.npy",
        rows(5001, dtype="int16"),
        "5001 is not exact in 16 bits",
        'image.npy, row 1, column "1"',
        "scale",
        store="float16",
    ),
    "pickled objects": matrix(
        "image.npy", npy_bytes(np.array([{"a": 1}], dtype=object)), "pickled objects", "image.npy", "float array"
    ),
    "a bare pickle": matrix("image.npy", pickle.dumps([1, 2]), "not a .npy file", "image.npy", "numpy.save"),
    "truncated npy": matrix("image.npy", npy_bytes(rows())[:-5], "truncated", "image.npy", "numpy.save"),
    "npy cut in its header": matrix("image.npy", npy_bytes(rows())[:30], "truncated", "image.npy", "numpy.save"),
    "empty npy": matrix("image.npy", b"", "truncated", "image.npy", "numpy.save"),
    "npz named npy": matrix("image.npy", npz_bytes(), "is not a .npy file", "image.npy", "numpy.save"),
    "three axes": matrix("image.npy", np.ones((3, 2, 2)), "got shape (3, 2, 2)", "image.npy", "one row per item"),
    "no rows": matrix("image.npy", np.ones((0, 2)), "got shape (0, 2)", "image.npy", "one row per item"),
    "too large for 16 bits": matrix(
        "image.npy",
        rows(1e6),
        "1e+06 does not fit 16 bits",
        'image.npy, row 1, column "1"',
        "store float32",
        store="float16",
    ),
    "too large for 32 bits": matrix(
        "image.npy",
        rows(1e300, dtype="float64"),
        "1e+300 does not fit 32 bits",
        'image.npy, row 1, column "1"',
        "scale",
    ),
    "several tensors": matrix(
        "image.safetensors", {"x": rows(), "y": rows()}, "several tensors (x, y)", "image.safetensors", '"table"'
    ),
    "damaged safetensors": matrix("image.safetensors", b"1234", "truncated", "image.safetensors", "safetensors"),
    "ragged lists": matrix(
        "image.parquet",
        pl.DataFrame({"item_id": ["a", "b", "c"], "vector": [[1.0, 2.0], [3.0], [4.0, 5.0]]}),
        "1 values where the first row has 2",
        'image.parquet, row 2, column "vector"',
        "one length",
    ),
    "a list that is null": matrix(
        "image.parquet",
        pl.DataFrame({"item_id": ["a", "b", "c"], "vector": [[1.0, 2.0], None, [4.0, 5.0]]}),
        "where the first row has 2",
        'image.parquet, row 2, column "vector"',
        "leave out the rows",
    ),
    "parquet without features": matrix(
        "image.parquet",
        pl.DataFrame({"item_id": ["a", "b", "c"]}),
        "has no features",
        "image.parquet",
        "column of lists",
    ),
    "parquet of an unknown item": matrix(
        "image.parquet",
        pl.DataFrame({"item_id": ["a", "b", "z"], "x": [1.0, 2.0, 3.0]}),
        'item "z" is in neither',
        "image.parquet, row 3",
        '`unknown_items="drop"`',
    ),
    "an unknown id": id_file("a\nb\nz\n", 'item "z" is in neither', "ids.csv, row 3", '`unknown_items="drop"`'),
    "an unknown id below a header": id_file(
        "item_id\na\nb\nz\n", 'item "z" is in neither', "ids.csv, row 4", "add it to the item table"
    ),
    "a repeated id": id_file("item_id\na\nb\na\n", 'item id "a" appears twice', "ids.csv, row 4", "its own id"),
    "one id too few": id_file("a\nb\n", "2 ids for the 3 rows of image.npy", "ids.csv", "one id per row"),
    "too many ids": id_file("a\nb\nc\nd\ne\n", "5 ids for the 3 rows of image.npy", "ids.csv", "one id per row"),
    "an empty id file": id_file("", "is empty", "ids.csv", "check how it was written"),
    "a missing id file": Broken(
        "no such file",
        "idx.csv",
        'did you mean "ids.csv"?',
        {"image.npy": rows(), "ids.csv": "a\nb\nc\n"},
        features={"image": ("image.npy", "idx.csv")},
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_broken_feature_file_is_refused(case: Broken, tmp_path: Path) -> None:
    assert_refused(case, tmp_path)
