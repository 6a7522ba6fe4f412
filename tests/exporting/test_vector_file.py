"""Files of vectors are read by the libraries of tables, with the ids and values of the model."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow.parquet as pq
import pytest

import triptych
from exporting.models_to_export import model_of, with_integer_ids
from triptych.errors import ArtefactError
from triptych.exporting import vector_file
from triptych.exporting.vectors import vectors_of
from triptych.progress import Progress


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(vector_file, "ROWS", 25)  # several row groups
    report = triptych.export(model_of("factors"), tmp_path / "vectors.parquet")
    assert report.outputs == (str(tmp_path / "vectors.parquet"),)
    assert (report.n_items, report.n_users, report.dimensions, report.left_out) == (90, 59, 8, 1)
    return tmp_path / "vectors.parquet"


def test_polars_reads_a_row_per_item_and_user(path: Path) -> None:
    vectors, frame = vectors_of(model_of("factors")), pl.read_parquet(path)
    assert frame.columns == ["kind", "id", "row", "vector"]
    for kind, ids, rows, values in (
        ("item", vectors.item_ids, np.arange(90), vectors.item_vectors),
        ("user", vectors.user_ids, vectors.user_rows, vectors.user_vectors),
    ):
        part = frame.filter(pl.col("kind") == kind)
        assert part["id"].to_list() == ids.to_list()
        assert part["row"].to_list() == rows.tolist()
        np.testing.assert_array_equal(part["vector"].to_numpy(), values)
    assert frame["kind"].to_list() == ["item"] * 90 + ["user"] * 59


def test_pandas_reads_the_same(path: Path) -> None:
    frame = pd.read_parquet(path)
    items = frame[frame.kind == "item"]
    np.testing.assert_array_equal(np.stack(list(items["vector"])), vectors_of(model_of("factors")).item_vectors)
    assert items["id"].iloc[3] == 'größe "3", 品'


def test_the_file_says_what_the_vectors_are(path: Path) -> None:
    metadata = pq.read_schema(path).metadata
    assert json.loads(metadata[b"triptych"]) == {"model": "factors", "similarity": "inner product"}


def test_an_existing_file_is_kept_unless_told_otherwise(path: Path) -> None:
    before = path.read_bytes()
    with pytest.raises(ArtefactError, match="already exists"):
        triptych.export(model_of("blend"), path)
    assert path.read_bytes() == before
    triptych.export(model_of("blend"), path, overwrite=True)
    assert path.read_bytes() != before


def test_an_interrupted_export_leaves_nothing(tmp_path: Path) -> None:
    def interrupt(progress: Progress) -> None:
        if progress.stage == "writing vectors" and progress.done:
            raise KeyboardInterrupt

    for target in ("vectors.parquet", "faiss:items.faiss"):
        kind, _, name = target.rpartition(":")
        with pytest.raises(KeyboardInterrupt):
            triptych.export(model_of("factors"), f"{kind}:{tmp_path / name}".lstrip(":"), listener=interrupt)
        assert [path for path in tmp_path.iterdir() if not path.name.endswith(".lock")] == []


def test_ids_that_came_as_integers_go_out_as_integers(tmp_path: Path) -> None:
    path = tmp_path / "vectors.parquet"
    triptych.export(with_integer_ids(model_of("factors")), path)
    frame = pl.read_parquet(path)
    assert frame["id"].dtype == pl.Int64
    assert frame["id"][:3].to_list() == [-20, -13, -6]
    triptych.export(with_integer_ids(model_of("factors"), "item"), path, overwrite=True)
    assert pl.read_parquet(path)["id"][:2].to_list() == ["-20", "-13"]  # beside text ids of users
