"""A small log, item table and matrix, and functions that inspect data sets."""

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


def write_text(path: Path, text: str) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def write_array(path: Path, values: Any) -> Path:
    path.parent.mkdir(exist_ok=True)
    np.save(path, values)
    return path


def write_parquet(path: Path, frame: pl.DataFrame) -> Path:
    frame.write_parquet(path)
    return path


def pairs(dataset: Dataset, code: int | None = None) -> set[tuple[str, str]]:
    """The interactions as (user id, item id): of the split with this code, or all."""
    users = dataset.users.names(dataset.interactions.users)
    items = dataset.items.names(dataset.interactions.items)
    all_pairs = list(zip(users, items, strict=True))
    if code is None:
        return set(all_pairs)
    assert dataset.split_codes is not None
    return {pair for pair, split_code in zip(all_pairs, dataset.split_codes, strict=True) if split_code == code}


def cleaning(dataset: Dataset) -> dict[str, int]:
    return dict(dataset.about["cleaning"])


def assert_same(one: Dataset, other: Dataset) -> None:
    """Check that the two data sets are the same in everything that a model can use."""
    assert one.users.ids.to_list() == other.users.ids.to_list()
    assert one.items.ids.to_list() == other.items.ids.to_list()
    np.testing.assert_array_equal(one.interactions.keys, other.interactions.keys)
    for column in ("times", "split_codes"):
        values, other_values = getattr(one, column), getattr(other, column)
        assert (values is None) == (other_values is None)
        if values is not None:
            np.testing.assert_array_equal(values, other_values)
    assert list(one.features) == list(other.features)
    for modality, features in one.features.items():
        other_features = other.features[modality]
        assert features.table.dtype == other_features.table.dtype
        np.testing.assert_array_equal(features.table, other_features.table)
        np.testing.assert_array_equal(features.present, other_features.present)
        assert features.encoder == other_features.encoder
    assert one.about["cleaning"] == other.about["cleaning"]
    assert one.about["split"] == other.about["split"]


def write_log(folder: Path) -> Path:
    return write_parquet(folder / "log.parquet", LOG)


def write_items(folder: Path) -> Path:
    return write_parquet(folder / "items.parquet", ITEMS)
