"""Given nearest neighbours are stored with the data set; broken ones are refused with file, row and hint."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from triptych.data.dataset import open_dataset
from triptych.data.formats.neighbours import NeighbourSource
from triptych.errors import InputError, SettingsError
from triptych.preparing import FeatureSource, PrepareSettings, prepare

ROWS = np.array([[0, 1], [1, 0], [2, -1]], dtype=np.int32)
COSINES = np.array([[1.0, 0.5], [1.0, 0.5], [1.0, 0.0]], dtype=np.float16)


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    users = [f"u{row // 3}" for row in range(12)]
    pl.DataFrame({"user_id": users, "item_id": ["a", "b", "c"] * 4}).write_csv(tmp_path / "log.csv")
    pl.DataFrame({"item_id": ["c", "a", "b"]}).write_csv(tmp_path / "items.csv")
    np.save(tmp_path / "image.npy", np.eye(3, dtype=np.float32))
    np.save(tmp_path / "rows.npy", ROWS)
    np.save(tmp_path / "cosines.npy", COSINES)
    return tmp_path


def prepared(shop: Path, **changes: Any) -> Path:
    arguments: dict[str, Any] = {
        "items": shop / "items.csv",
        "features": [FeatureSource("image", shop / "image.npy")],
        "neighbours": [NeighbourSource("image", shop / "rows.npy", shop / "cosines.npy")],
        "overwrite": True,
    }
    prepare(shop / "log.csv", shop / "data", PrepareSettings(), **{**arguments, **changes})
    return shop / "data"


def test_neighbours_are_given_as_rows_of_the_item_table_and_stored_as_items(shop: Path) -> None:
    dataset = open_dataset(prepared(shop))
    neighbours = dataset.neighbours["image"]
    names = {
        item: [dataset.items.ids[int(row)] for row in neighbours.items[position] if row >= 0]
        for position, item in enumerate(dataset.items.ids)
    }
    assert names == {"c": ["c", "a"], "a": ["a", "c"], "b": ["b"]}
    assert neighbours.cosines.dtype == np.float32
    assert dataset.with_modalities([]).neighbours == {}
    dataset.save(shop / "again")
    assert np.array_equal(open_dataset(shop / "again").neighbours["image"].items, neighbours.items)


def out_of_range(shop: Path) -> None:
    np.save(shop / "rows.npy", np.array([[0, 1], [1, 3], [2, -1]]))


def not_finite(shop: Path) -> None:
    np.save(shop / "cosines.npy", np.array([[1, 0.5], [1, 0.5], [np.nan, 0]]))


def too_few(shop: Path) -> None:
    np.save(shop / "rows.npy", ROWS[:2])


def other_width(shop: Path) -> None:
    np.save(shop / "cosines.npy", COSINES[:, :1])


def floats(shop: Path) -> None:
    np.save(shop / "rows.npy", ROWS.astype(np.float32))


def missing(shop: Path) -> None:
    (shop / "cosines.npy").unlink()


@pytest.mark.parametrize(
    ("break_file", "message"),
    [
        (out_of_range, r'rows\.npy, row 1, column "1": has the value 3'),
        (not_finite, r'cosines\.npy, row 2, column "0": has the value nan'),
        (too_few, r"rows\.npy: is \(2, 2\), expected \(3, 2\)"),
        (other_width, r"cosines\.npy: is \(3, 1\), expected \(3, 2\)"),
        (floats, r"rows\.npy: neighbours are float32"),
        (missing, r"cosines\.npy"),
    ],
)
def test_broken_neighbours_are_refused_with_file_and_row(
    shop: Path, break_file: Callable[[Path], None], message: str
) -> None:
    break_file(shop)
    with pytest.raises(InputError, match=message) as caught:
        prepared(shop)
    assert caught.value.hint


def test_neighbours_without_features_or_given_twice_are_refused(shop: Path) -> None:
    source = NeighbourSource("image", shop / "rows.npy", shop / "cosines.npy")
    with pytest.raises(SettingsError, match="no features of that modality"):
        prepared(shop, features=[])
    with pytest.raises(SettingsError, match="given twice"):
        prepared(shop, neighbours=[source, source])
