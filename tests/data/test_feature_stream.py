"""Rows of a feature file are aligned with their items in any order, also if items have no row."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from triptych.data.formats.alignment import stream_features
from triptych.data.formats.features import FeatureSource, open_features


@pytest.mark.parametrize(
    "order", [[0, 1, 2], [-1, 0, 1, 2], [0, 1, 2, -1], [-1, -1, 0], [2, 0, 1], [0, -1, 2], [1, 2], [-1], []]
)
def test_every_item_gets_its_own_row_or_none(order: list[int], tmp_path: Path) -> None:
    table = np.array([[0, 1.5], [2, 3], [-4, 5]], dtype=np.float32)
    np.save(tmp_path / "image.npy", table)
    file = open_features(FeatureSource("image", tmp_path / "image.npy"))
    rows = np.array(order, dtype=np.int64)
    features = stream_features(file, rows).collect()
    assert np.array_equal(features.present, rows >= 0)
    assert np.array_equal(features.table, np.where((rows >= 0)[:, None], table[np.maximum(rows, 0)], 0))
