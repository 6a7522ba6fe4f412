"""The same data as frames, as files or in a reopened folder gives the same data set."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

from preparing.small import (
    IMAGE,
    ITEMS,
    LOG,
    METADATA,
    assert_same,
    pairs,
    write_array,
    write_items,
    write_log,
    write_parquet,
    write_text,
)
from triptych.data.dataset import open_dataset
from triptych.errors import ArtefactError
from triptych.preparing import FeatureSource, PrepareSettings, dataset_from_frames, prepare

CONVERSIONS: dict[str, Callable[[pl.DataFrame], Any]] = {
    "pandas": lambda frame: frame.to_pandas(),
    "polars": lambda frame: frame,
    "arrow": lambda frame: frame.to_arrow(),
}


@pytest.mark.parametrize("kind", CONVERSIONS)
def test_files_and_frames_give_the_same_data_set(tmp_path: Path, kind: str) -> None:
    source = FeatureSource("image", write_array(tmp_path / "image.npy", IMAGE))
    from_files = prepare(
        write_log(tmp_path), tmp_path / "out", METADATA, items=write_items(tmp_path), features=[source]
    )
    convert = CONVERSIONS[kind]
    from_frames = dataset_from_frames(convert(LOG), items=convert(ITEMS), features={"image": IMAGE}, settings=METADATA)
    assert_same(from_files, from_frames)


def test_the_same_log_as_csv_and_parquet_gives_the_same_data_set(tmp_path: Path) -> None:
    LOG.write_csv(tmp_path / "log.csv")
    ITEMS.write_csv(tmp_path / "items.csv")
    from_csv = prepare(tmp_path / "log.csv", tmp_path / "text", METADATA, items=tmp_path / "items.csv")
    from_parquet = prepare(write_log(tmp_path), tmp_path / "parquet", METADATA, items=write_items(tmp_path))
    assert_same(from_csv, from_parquet)


def test_nan_in_pandas_is_an_empty_field() -> None:
    frame = pd.DataFrame({"user": ["u", "u"], "item": ["a", "b"], "rating": [5.0, float("nan")], "time": [1.0, 2.0]})
    dataset = dataset_from_frames(frame, settings=PrepareSettings(min_rating=3))
    assert pairs(dataset) == {("u", "a")}


def test_features_in_memory_may_have_ids() -> None:
    dataset = dataset_from_frames(LOG, items=ITEMS, features={"image": (["c", "a"], IMAGE[:2])})
    assert dataset.features["image"].present.tolist() == [True, False, True, False]
    np.testing.assert_array_equal(dataset.features["image"].table[2], IMAGE[0])


def test_a_reopened_data_set_is_the_same(tmp_path: Path) -> None:
    dataset = dataset_from_frames(LOG, items=ITEMS, features={"image": IMAGE}, settings=METADATA)
    dataset.save(tmp_path / "saved")
    reopened = open_dataset(tmp_path / "saved")
    assert_same(dataset, reopened)
    assert reopened.item_table is not None
    assert reopened.item_table.equals(dataset.item_table) if dataset.item_table is not None else False
    reopened.save(tmp_path / "again")
    assert open_dataset(tmp_path / "again").fingerprint == reopened.fingerprint


def test_the_same_files_give_the_same_bytes(tmp_path: Path) -> None:
    log, items = write_log(tmp_path), write_items(tmp_path)
    first, second = (prepare(log, tmp_path / name, METADATA, items=items) for name in ("first", "second"))
    assert first.fingerprint == second.fingerprint


def large_table(folder: Path, n_rows: int = 20_000, width: int = 512) -> tuple[Path, Path, Path]:
    """A log, an item table and a float16 matrix of 20 MB."""
    ids = [f"i{row}" for row in range(n_rows)]
    items = write_parquet(folder / "items.parquet", pl.DataFrame({"item_id": ids}))
    log = write_parquet(folder / "log.parquet", pl.DataFrame({"user": ["u"] * 10, "item": ids[:10]}))
    return log, items, write_array(folder / "image.npy", np.ones((n_rows, width), np.float16))


def test_a_large_table_is_never_completely_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("triptych.data.features.CHUNK_BYTES", 1 << 20)
    log, items, image = large_table(tmp_path)
    order = write_text(tmp_path / "ids.txt", "".join(f"i{row}\n" for row in reversed(range(20_000))))
    size = image.stat().st_size
    for name, ids in (("in order", None), ("gathered", order)):
        tracemalloc.start()
        dataset = prepare(log, tmp_path / name, items=items, features=[FeatureSource("image", image, ids)])
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert isinstance(dataset.features["image"].table, np.memmap)
        assert dataset.features["image"].present.all()
        assert peak < size / 2, name


def test_a_modified_small_file_is_refused_at_every_opening(tmp_path: Path) -> None:
    dataset_from_frames(LOG, items=ITEMS, features={"image": IMAGE}).save(tmp_path / "set")
    file = tmp_path / "set" / "features" / "image.safetensors"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(bytes(content))
    with pytest.raises(ArtefactError, match=r"image\.safetensors: is damaged"):
        open_dataset(tmp_path / "set")


def test_a_modified_large_file_is_refused(tmp_path: Path) -> None:
    log, items, image = large_table(tmp_path, n_rows=2000)
    prepare(log, tmp_path / "set", items=items, features=[FeatureSource("image", image)])
    file = tmp_path / "set" / "features" / "image.safetensors"
    with file.open("r+b") as stream:
        stream.seek(file.stat().st_size // 2)
        stream.write(b"\xff")
    with pytest.raises(ArtefactError, match=r"image\.safetensors: is damaged"):
        open_dataset(tmp_path / "set")
    with file.open("r+b") as stream:
        stream.truncate(file.stat().st_size - 1)
    with pytest.raises(ArtefactError, match=r"image\.safetensors: is damaged"):
        open_dataset(tmp_path / "set")


@pytest.mark.parametrize("name", ["users.parquet", "items.parquet", "interactions.parquet", "manifest.json"])
def test_a_data_set_with_a_missing_file_is_refused(tmp_path: Path, name: str) -> None:
    dataset_from_frames(LOG).save(tmp_path / "set")
    (tmp_path / "set" / name).unlink()
    with pytest.raises(ArtefactError, match=name):
        open_dataset(tmp_path / "set")
