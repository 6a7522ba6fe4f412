"""Features and item tables are aligned with the items, in the requested precision, with missing rows marked."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl
import pytest

from preparing.small import (
    IMAGE,
    ITEMS,
    LOG,
    cleaning,
    pairs,
    write_array,
    write_items,
    write_log,
    write_parquet,
    write_text,
)
from triptych.preparing import FeatureSource, PrepareSettings, prepare


def test_items_are_in_the_order_of_the_item_table_also_those_without_interactions(tmp_path: Path) -> None:
    dataset = prepare(write_log(tmp_path), tmp_path / "out", items=write_items(tmp_path))
    assert dataset.items.ids.to_list() == ["a", "b", "c", "d"]
    assert dataset.item_table is not None
    assert dataset.item_table["price"].to_list() == [1.0, 2.0, 3.0, None]


@pytest.mark.parametrize("header", ["", "item_id\n"], ids=["no header", "header"])
def test_feature_rows_are_aligned_by_their_id_file(tmp_path: Path, header: str) -> None:
    order = [2, 0, 3, 1]
    image = write_array(tmp_path / "image.npy", IMAGE[order])
    ids = write_text(tmp_path / "ids.csv", header + "".join(f"{'abcd'[row]}\n" for row in order))
    source = FeatureSource("image", image, ids)
    dataset = prepare(write_log(tmp_path), tmp_path / "out", items=write_items(tmp_path), features=[source])
    np.testing.assert_array_equal(dataset.features["image"].table, IMAGE)
    assert dataset.features["image"].present.all()


def test_items_that_are_not_in_the_id_file_are_missing(tmp_path: Path) -> None:
    image = write_array(tmp_path / "image.npy", IMAGE[:2])
    source = FeatureSource("image", image, write_text(tmp_path / "ids.txt", "d\nb\n"))
    dataset = prepare(write_log(tmp_path), tmp_path / "out", items=write_items(tmp_path), features=[source])
    assert dataset.features["image"].present.tolist() == [False, True, False, True]
    np.testing.assert_array_equal(dataset.features["image"].table, [[0, 0], [3, 4], [0, 0], [1, 2]])


@pytest.mark.parametrize("form", ["lists", "arrays", "columns"])
def test_parquet_features_are_aligned_by_their_id_column(tmp_path: Path, form: str) -> None:
    order = [3, 1, 0]
    ids = pl.Series("item", ["abcd"[row] for row in order])
    if form == "columns":
        frame = pl.DataFrame({"x": IMAGE[order, 0], "y": IMAGE[order, 1]}).insert_column(0, ids)
    else:
        vectors = pl.Series("v", IMAGE[order]) if form == "arrays" else pl.Series("v", IMAGE[order].tolist())
        frame = pl.DataFrame([ids, vectors])
    source = FeatureSource("image", write_parquet(tmp_path / "image.parquet", frame))
    dataset = prepare(write_log(tmp_path), tmp_path / "out", items=write_items(tmp_path), features=[source])
    assert dataset.features["image"].present.tolist() == [True, True, False, True]
    np.testing.assert_array_equal(dataset.features["image"].table[[0, 1, 3]], IMAGE[[0, 1, 3]])


@pytest.mark.parametrize(("zero_rows", "present"), [("missing", [True, False, True, True]), ("keep", [True] * 4)])
def test_rows_of_zeros_are_missing_unless_kept(
    tmp_path: Path, zero_rows: Literal["missing", "keep"], present: list[bool]
) -> None:
    values = IMAGE.copy()
    values[1] = 0
    source = FeatureSource("image", write_array(tmp_path / "image.npy", values))
    settings = PrepareSettings(zero_rows=zero_rows)
    dataset = prepare(write_log(tmp_path), tmp_path / "out", settings, items=write_items(tmp_path), features=[source])
    assert dataset.features["image"].present.tolist() == present


@pytest.mark.parametrize(
    ("given", "store", "stored"),
    [
        ("float16", "same", "float16"),
        ("float32", "same", "float32"),
        ("float64", "same", "float32"),
        ("float32", "float16", "float16"),
        ("float16", "float32", "float32"),
        (">f4", "same", "float32"),
    ],
)
def test_features_are_stored_in_the_requested_precision(
    tmp_path: Path, given: str, store: Literal["same", "float16", "float32"], stored: str
) -> None:
    source = FeatureSource("image", write_array(tmp_path / "image.npy", IMAGE.astype(given)))
    settings = PrepareSettings(store=store)
    dataset = prepare(write_log(tmp_path), tmp_path / "out", settings, items=write_items(tmp_path), features=[source])
    assert dataset.features["image"].table.dtype == np.dtype(stored)
    np.testing.assert_array_equal(dataset.features["image"].table, IMAGE)


def test_a_matrix_in_column_order_is_read_correctly(tmp_path: Path) -> None:
    source = FeatureSource("image", write_array(tmp_path / "image.npy", np.asfortranarray(IMAGE)))
    dataset = prepare(write_log(tmp_path), tmp_path / "out", items=write_items(tmp_path), features=[source])
    np.testing.assert_array_equal(dataset.features["image"].table, IMAGE)


def test_unknown_items_are_kept_without_content_or_dropped(tmp_path: Path) -> None:
    items = write_parquet(tmp_path / "items.parquet", ITEMS.filter(pl.col("item_id") != "c"))
    source = FeatureSource("image", write_array(tmp_path / "image.npy", IMAGE[:3]))
    log = write_log(tmp_path)
    kept = prepare(log, tmp_path / "kept", PrepareSettings(unknown_items="keep"), items=items, features=[source])
    assert kept.items.ids.to_list() == ["a", "b", "d", "c"]
    assert kept.features["image"].present.tolist() == [True, True, True, False]
    assert kept.item_table is not None
    assert kept.item_table["genre"].to_list() == ["x|y", "x", None, None]
    assert pairs(kept) == set(zip(LOG["user_id"], LOG["item_id"], strict=True))
    dropped = prepare(log, tmp_path / "dropped", PrepareSettings(unknown_items="drop"), items=items, features=[source])
    assert dropped.items.ids.to_list() == ["a", "b", "d"]
    assert pairs(dropped) == {("u1", "b"), ("u1", "a"), ("u2", "a")}
    assert cleaning(dropped)["rows_of_unknown_items"] == 3


def test_features_of_items_that_cleaning_dropped_are_accepted(tmp_path: Path) -> None:
    source = FeatureSource(
        "image", write_array(tmp_path / "image.npy", IMAGE), write_text(tmp_path / "ids.csv", "d\nc\nb\na\n")
    )
    settings = PrepareSettings(k_core=2)
    dataset = prepare(write_log(tmp_path), tmp_path / "out", settings, items=write_items(tmp_path), features=[source])
    assert dataset.items.ids.to_list() == ["a", "c"]
    np.testing.assert_array_equal(dataset.features["image"].table, [[7, 8], [3, 4]])
