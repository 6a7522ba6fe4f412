"""The real data sets have the counts that papers report."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from triptych.errors import InputWarning
from triptych.preparing import FeatureSource, PrepareSettings, prepare


def test_amazon_baby_has_the_counts_that_papers_report(real_data: Path, tmp_path: Path) -> None:
    folder = real_data / "amazon_baby"
    dataset = prepare(
        folder / "interactions.parquet",
        tmp_path / "baby",
        PrepareSettings(split_column="split_mmrec"),
        items=folder / "items.parquet",
        features=[FeatureSource(name, folder / f"{name}_spec128.npy") for name in ("image", "text")],
    )
    assert (dataset.n_users, dataset.n_items) == (19_445, 7_050)
    assert dataset.split_codes is not None
    assert np.bincount(dataset.split_codes).tolist() == [118_551, 20_559, 21_682]
    for name in ("image", "text"):
        np.testing.assert_array_equal(dataset.features[name].table, np.load(folder / f"{name}_spec128.npy"))


def test_eighteen_images_are_missing_in_movielens_with_posters(real_data: Path, tmp_path: Path) -> None:
    folder = real_data / "movielens_posters"
    ids = folder / "feature_rows.csv"
    with pytest.warns(InputWarning) as warned:
        dataset = prepare(
            folder / "ratings.csv",
            tmp_path / "movielens",
            PrepareSettings(unknown_items="drop", multi=("genres=|",), numeric=("year",)),
            items=folder / "movies.csv",
            features=[
                FeatureSource("image", folder / "image_efficientnet1280.npy", ids),
                FeatureSource("text", folder / "text_minilm384.npy", ids),
            ],
        )
    assert {str(each.message).partition(":")[0] for each in warned} == {"movies.csv"}
    assert any("lines 3551 to 3552 are one row" in str(each.message) for each in warned)
    assert list(dataset.features) == ["image", "text", "metadata"]
    image, metadata = dataset.features["image"], dataset.features["metadata"]
    assert (image.width, dataset.features["text"].width) == (1280, 384)
    assert image.n_missing == 18
    order = ids.read_text(encoding="utf-8").split()[1:]
    given = np.load(folder / "image_efficientnet1280.npy", mmap_mode="r")
    rows = np.array([0, len(order) // 2, len(order) - 1])
    np.testing.assert_array_equal(image.table[dataset.items.rows([order[row] for row in rows])], given[rows])
    assert metadata.encoder is not None
    assert [part["column"] for part in metadata.encoder["parts"]] == ["genres", "year"]
    assert dataset.about["cleaning"]["rows_kept"] == len(dataset.interactions)
