"""A small log, item table and matrix, and how data sets are looked at."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from triptych.data.dataset import Dataset
from triptych.preparing import PrepareSettings

ITEMS = pl.DataFrame(
    {"item_id": ["a", "b", "c", "d"], "genre": ["x|y", "x", "y", None], "price": [1.0, 2.0, 3.0, None]}
)
LOG = pl.DataFrame(
    {
        "user_id": ["u1", "u1", "u1", "u2", "u2", "u3"],
        "item_id": ["b", "a", "c", "a", "c", "c"],
        "rating": [5.0, 4.0, 3.0, 2.0, 5.0, 4.0],
        "timestamp": [30.0, 20.0, 10.0, 5.0, 6.0, 7.0],
    }
)
IMAGE = np.arange(1, 9, dtype=np.float32).reshape(4, 2)
METADATA = PrepareSettings(multi=("genre=|",), numeric=("price",), split="leave-one-out")


def text_file(path: Path, text: str) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def array_file(path: Path, values: Any) -> Path:
    path.parent.mkdir(exist_ok=True)
    np.save(path, values)
    return path


def parquet_file(path: Path, frame: pl.DataFrame) -> Path:
    frame.write_parquet(path)
    return path


def pairs(dataset: Dataset, part: int | None = None) -> set[tuple[str, str]]:
    """The interactions as (user id, item id), of one part of the split or all."""
    users = dataset.users.names(dataset.interactions.users)
    items = dataset.items.names(dataset.interactions.items)
    every = list(zip(users, items, strict=True))
    if part is None:
        return set(every)
    assert dataset.split_codes is not None
    return {pair for pair, its in zip(every, dataset.split_codes, strict=True) if its == part}


def cleaning(dataset: Dataset) -> dict[str, int]:
    return dict(dataset.about["cleaning"])


def assert_same(one: Dataset, other: Dataset) -> None:
    """Everything that a model could see of the two data sets is the same."""
    assert one.users.ids.to_list() == other.users.ids.to_list()
    assert one.items.ids.to_list() == other.items.ids.to_list()
    np.testing.assert_array_equal(one.interactions.keys, other.interactions.keys)
    for column in ("times", "parts"):
        mine, theirs = getattr(one, column), getattr(other, column)
        assert (mine is None) == (theirs is None)
        if mine is not None:
            np.testing.assert_array_equal(mine, theirs)
    assert list(one.features) == list(other.features)
    for modality, features in one.features.items():
        theirs = other.features[modality]
        assert features.table.dtype == theirs.table.dtype
        np.testing.assert_array_equal(features.table, theirs.table)
        np.testing.assert_array_equal(features.present, theirs.present)
        assert features.encoder == theirs.encoder
    assert one.about["cleaning"] == other.about["cleaning"]
    assert one.about["split"] == other.about["split"]


def written_log(folder: Path) -> Path:
    return parquet_file(folder / "log.parquet", LOG)


def written_items(folder: Path) -> Path:
    return parquet_file(folder / "items.parquet", ITEMS)
