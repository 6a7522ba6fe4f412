"""Artefacts with honest checksums and hostile content are refused at opening, by an error that names the file.

Native code and indexing trust what was opened: without these checks a wrong index is a crash, or a wrong list.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from reliability.forged import Arrays, copied, forge, forge_table, forge_tensors, write_file, write_originals
from triptych.artefacts import writing_folder
from triptych.data.dataset import open_dataset
from triptych.data.formats.encoded import open_encoded
from triptych.errors import ArtefactError
from triptych.ranking.recommender_folder import open_recommender

FEATURES = "features/image.safetensors"
USER_FEATURES = "user_features/age.safetensors"
NEIGHBOURS = "image.neighbours.safetensors"


def label(value: object) -> str:
    return value[:40] if isinstance(value, str) else ""


def put(name: str, position: Any, value: Any) -> Callable[[Arrays], None]:
    def change(arrays: Arrays) -> None:
        arrays[name][position] = value

    return change


def replaced(name: str, make: Callable[[NDArray[Any]], NDArray[Any]]) -> Callable[[Arrays], None]:
    def change(arrays: Arrays) -> None:
        arrays[name] = make(arrays[name])

    return change


def dropped(name: str) -> Callable[[Arrays], object]:
    return lambda arrays: arrays.pop(name)


@pytest.fixture(scope="module")
def originals(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_originals(tmp_path_factory.mktemp("originals"))


SPARSE = {
    "an index too large": put("indices", 0, 25),
    "a negative index": put("indices", -1, -1),
    "an index far away": put("indices", 0, 2**31 - 1),
    "starts out of order": put("indptr", 3, 0),
    "a start beyond the end": put("indptr", 3, 10**6),
    "a first start that is not 0": put("indptr", 0, 1),
    "a last start before the end": put("indptr", -1, 3),
    "too few starts": replaced("indptr", lambda starts: starts[:-1]),
    "fewer values than indices": replaced("data", lambda data: data[:-1]),
    "indices of another dtype": replaced("indices", lambda indices: indices.astype(np.float32)),
    "values of another dtype": replaced("data", lambda data: data.astype(np.int8)),
    "values in a matrix": replaced("data", lambda data: data[None]),
    "a value that is NaN": put("data", 0, np.nan),
    "no indices": dropped("indices"),
}
FACTORS = {
    "too few users": replaced("users", lambda users: users[:-1]),
    "another width": replaced("items", lambda items: items[:, :-1]),
    "another dtype": replaced("users", lambda users: users.astype(np.int32)),
    "NaN": put("items", (2, 1), np.nan),
    "infinity": put("users", (2, 1), -np.inf),
    "a list": replaced("items", lambda items: items.reshape(-1)),
    "no items": dropped("items"),
}
HOSTILE_TENSORS = [
    *(("item-knn", "weights.safetensors", what, change) for what, change in SPARSE.items()),
    *(("blend", "1-weights.safetensors", what, change) for what, change in list(SPARSE.items())[:2]),
    *(("scores", "1-scores.safetensors", what, change) for what, change in SPARSE.items()),
    ("scores", "1-scores.safetensors", "an item twice", put("indices", 1, 0)),
    *(("bpr", "factors.safetensors", what, change) for what, change in FACTORS.items()),
    ("bpr", "parameters.safetensors", "a parameter that is NaN", put("user_embedding", (0, 0), np.nan)),
    ("ease", "weights.safetensors", "another shape", replaced("weights", lambda weights: weights[:-1])),
    ("ease", "weights.safetensors", "another dtype", replaced("weights", lambda weights: weights.astype(np.int64))),
    ("ease", "weights.safetensors", "NaN", put("weights", (3, 4), np.nan)),
    ("blend", "blend.safetensors", "no models", replaced("weights", lambda weights: weights[:0])),
    ("blend", "blend.safetensors", "a weight that is NaN", put("weights", 0, np.nan)),
    ("blend", "blend.safetensors", "weights of another dtype", replaced("weights", lambda w: w.astype(np.int64))),
    ("data", FEATURES, "too few rows", replaced("table", lambda table: table[:-1])),
    ("data", FEATURES, "a list", replaced("table", lambda table: table.reshape(-1))),
    ("data", FEATURES, "integers", replaced("table", lambda table: table.astype(np.int32))),
    ("data", FEATURES, "presence of another length", replaced("present", lambda present: present[:-1])),
    ("data", FEATURES, "presence of another dtype", replaced("present", lambda present: present.astype(np.int8))),
    (
        "data",
        FEATURES,
        "a truth value of 7",
        replaced("present", lambda present: np.full(len(present), 7, np.uint8).view(np.bool_)),
    ),
    ("data", FEATURES, "no table", dropped("table")),
    ("data", USER_FEATURES, "too few users", replaced("table", lambda table: table[:-1])),
    ("data", USER_FEATURES, "presence of another length", replaced("present", lambda present: present[:-1])),
    ("data", NEIGHBOURS, "a neighbour too large", put("items", (0, 0), 25)),
    ("data", NEIGHBOURS, "a neighbour too small", put("items", (0, 0), -2)),
    ("data", NEIGHBOURS, "another shape", replaced("cosines", lambda cosines: cosines[:, :-1])),
    (
        "data",
        NEIGHBOURS,
        "too few rows",
        lambda arrays: arrays.update(items=arrays["items"][1:], cosines=arrays["cosines"][1:]),
    ),
    ("data", NEIGHBOURS, "a cosine that is NaN", put("cosines", (0, 0), np.nan)),
    ("data", NEIGHBOURS, "a cosine of 7", put("cosines", (0, 0), 7)),
    ("data", NEIGHBOURS, "another dtype", replaced("items", lambda items: items.astype(np.int32))),
]


@pytest.mark.parametrize(("folder", "name", "what", "change"), HOSTILE_TENSORS, ids=label)
def test_hostile_arrays_are_refused(
    originals: Path, tmp_path: Path, folder: str, name: str, what: str, change: Callable[[Arrays], object]
) -> None:
    hostile = copied(originals / folder, tmp_path / folder)
    forge_tensors(hostile, name, change)
    with pytest.raises(ArtefactError) as caught:
        open_dataset(hostile) if folder == "data" else open_recommender(hostile)
    assert caught.value.where == str(hostile / name), what


TABLES = [
    ("interactions.parquet", "user too large", lambda log: log.with_columns(user=pl.col("user") + 1)),
    ("interactions.parquet", "item negative", lambda log: log.with_columns(item=pl.col("item") - 1)),
    ("interactions.parquet", "null", lambda log: log.with_columns(item=pl.col("item").replace(0, None))),
    ("interactions.parquet", "floats", lambda log: log.with_columns(item=pl.col("item").cast(pl.Float64))),
    ("interactions.parquet", "texts", lambda log: log.with_columns(user=pl.col("user").cast(pl.String))),
    ("interactions.parquet", "not sorted", lambda log: log.reverse()),
    ("interactions.parquet", "no item", lambda log: log.drop("item")),
    ("interactions.parquet", "split 7", lambda log: log.with_columns(split=pl.lit(7, pl.Int8))),
    ("interactions.parquet", "split -1", lambda log: log.with_columns(split=pl.lit(-1, pl.Int8))),
    ("interactions.parquet", "split text", lambda log: log.with_columns(split=pl.lit("train"))),
    ("interactions.parquet", "time NaN", lambda log: log.with_columns(time=pl.lit(float("nan")))),
    ("interactions.parquet", "time null", lambda log: log.with_columns(time=pl.lit(None, pl.Float64))),
    ("users.parquet", "null", lambda users: users.with_columns(user_id=pl.lit(None, pl.String))),
    ("users.parquet", "twice", lambda users: users.with_columns(user_id=pl.lit("u"))),
    ("users.parquet", "integers", lambda users: users.with_columns(user_id=pl.int_range(pl.len()))),
    ("users.parquet", "other column", lambda users: users.rename({"user_id": "id"})),
    ("items.parquet", "twice", lambda items: items.with_columns(item_id=pl.lit("i"))),
]


@pytest.mark.parametrize(("name", "what", "change"), TABLES, ids=label)
def test_hostile_tables_are_refused(
    originals: Path, tmp_path: Path, name: str, what: str, change: Callable[[pl.DataFrame], pl.DataFrame]
) -> None:
    hostile = copied(originals / "data", tmp_path / "data")
    forge_table(hostile, name, change)
    with pytest.raises(ArtefactError) as caught:
        open_dataset(hostile)
    assert caught.value.where == str(hostile / name), what


@pytest.mark.parametrize("values", [pl.lit("yes"), pl.lit(None, pl.Boolean), pl.lit(1)], ids=["text", "null", "one"])
def test_a_recommender_that_does_not_say_who_has_features_is_refused(
    originals: Path, tmp_path: Path, values: pl.Expr
) -> None:
    hostile = copied(originals / "lightgcn", tmp_path / "lightgcn")
    forge_table(hostile, "users.parquet", lambda users: users.with_columns(has_features=values))
    with pytest.raises(ArtefactError, match="no truth values"):
        open_recommender(hostile)


@pytest.mark.parametrize("name", ["users.parquet", "items.parquet", "interactions.parquet"])
@pytest.mark.parametrize(
    "content", [b"", b"PAR1", b"PAR1" + b"\xff" * 100 + b"PAR1", None], ids=["0", "4", "100", "cut"]
)
def test_damaged_tables_are_refused(originals: Path, tmp_path: Path, name: str, content: bytes | None) -> None:
    hostile = copied(originals / "data", tmp_path / "data")
    whole = (hostile / name).read_bytes()
    forge(hostile, write_file(name, whole[: len(whole) // 2] if content is None else content))
    with pytest.raises(ArtefactError) as caught:
        open_dataset(hostile)
    assert caught.value.where == str(hostile / name)


ENCODED = {
    "features.npy": [b"", b"\x93NUMPY\x01\x00\x00\x00", b"PK\x03\x04"],
    "rows.csv": [b"", b"a,b\n1,2\n", b"item_id,source,sha256,missing\ni,s,zz,\n", b"\xff\xfe\x00"],
}


@pytest.mark.parametrize(("name", "content"), [(name, each) for name, all_ in ENCODED.items() for each in all_])
def test_damaged_encoded_features_are_refused(tmp_path: Path, name: str, content: bytes) -> None:
    with writing_folder(tmp_path / "image", "feature set", {}) as folder:
        np.save(folder / "features.npy", np.ones((2, 3), np.float32))
        (folder / "rows.csv").write_text(
            "item_id,source,sha256,missing\ni0,a.png," + "0" * 64 + ",\ni1,b.png,,unreadable\n"
        )
    assert open_encoded(tmp_path / "image").present.tolist() == [True, False]
    forge(tmp_path / "image", write_file(name, content))
    with pytest.raises(ArtefactError) as caught:
        open_encoded(tmp_path / "image")
    assert caught.value.where == str(tmp_path / "image" / name)
