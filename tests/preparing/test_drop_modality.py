"""Modalities are dropped for a share of the items, for the same items each time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from triptych.data.dataset import Dataset, open_dataset
from triptych.data.formats.neighbours import NeighbourSource
from triptych.errors import SettingsError
from triptych.preparing import FeatureSource, PrepareSettings, prepare

N = 40


def prepared(folder: Path, name: str, *shares: str) -> Dataset:
    generator = np.random.default_rng(0)
    log = pl.DataFrame({"user_id": [f"u{n % 9}" for n in range(200)], "item_id": [n * n % N for n in range(200)]})
    log.write_csv(folder / "log.csv")
    pl.DataFrame({"item_id": range(N)}).write_csv(folder / "items.csv")
    for modality in ("image", "text"):
        np.save(folder / f"{modality}.npy", generator.standard_normal((N, 4)).astype(np.float32))
    np.save(folder / "rows.npy", (np.arange(N)[:, None] + np.arange(3)) % N)
    np.save(folder / "cosines.npy", np.tile(np.array([1, 0.9, 0.8], np.float32), (N, 1)))
    prepare(
        folder / "log.csv",
        folder / name,
        PrepareSettings(drop_modality=shares),
        items=folder / "items.csv",
        features=[FeatureSource(modality, folder / f"{modality}.npy") for modality in ("image", "text")],
        neighbours=[NeighbourSource("image", folder / "rows.npy", folder / "cosines.npy")],
    )
    return open_dataset(folder / name)


def test_larger_shares_include_smaller_ones_and_modalities_are_dropped_for_the_same_items(tmp_path: Path) -> None:
    whole = prepared(tmp_path, "whole")
    quarter = prepared(tmp_path, "quarter", "image=0.25")
    half = prepared(tmp_path, "half", "image=0.5", "text=0.5")
    assert whole.features["image"].present.all()
    assert quarter.features["image"].n_missing == N // 4
    assert quarter.features["text"].present.all()
    assert half.features["image"].n_missing == half.features["text"].n_missing == N // 2
    assert not (half.features["image"].present & ~quarter.features["image"].present).any()
    assert (half.features["image"].present == half.features["text"].present).all()
    assert not half.features["image"].table[~half.features["image"].present].any()


def test_given_neighbours_are_dropped_with_the_features(tmp_path: Path) -> None:
    dataset = prepared(tmp_path, "half", "image=0.5")
    kept, items = dataset.features["image"].present, dataset.neighbours["image"].items
    assert (items[~kept] == -1).all()
    assert kept[items[items >= 0]].all()
    assert (np.diff((items < 0).astype(int), axis=1) >= 0).all()  # the remaining ones come first


@pytest.mark.parametrize(("share", "message"), [("sound=0.5", "no modality"), ("image", "SHARE"), ("image=2", "SHARE")])
def test_bad_shares_are_refused(share: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=message):
        prepared(tmp_path, "bad", share)
    assert not (tmp_path / "bad").exists()
