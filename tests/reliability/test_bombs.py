"""Small files that hold very large tables, and files that change while they are read, are errors and never a crash."""

from __future__ import annotations

import gzip
import os
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from preparing.small import IMAGE, ITEMS, LOG, write_items, write_log
from triptych.artefacts import write_tensors
from triptych.data.formats.alignment import stream_features
from triptych.data.formats.features import FeatureSource, open_features
from triptych.data.formats.matrices.npy import open_npy
from triptych.data.formats.read_table import read_table
from triptych.data.formats.row_reader import row_reader
from triptych.data.parquet import decoded_bytes
from triptych.errors import InputError
from triptych.preparing import prepare


def zstd(content: bytes) -> bytes:
    return bytes(pa.Codec("zstd").compress(content, asbytes=True))


METHODS: dict[str, Callable[[bytes], bytes]] = {"gzip": gzip.compress, "zlib": zlib.compress, "zstd": zstd}


def little_memory(monkeypatch: pytest.MonkeyPatch, n_bytes: int) -> None:
    for module in ("triptych.data.formats.compressed", "triptych.data.parquet"):
        monkeypatch.setattr(f"{module}.free_bytes", lambda: n_bytes)


@pytest.mark.parametrize("method", METHODS)
def test_a_compressed_log_is_read(tmp_path: Path, method: str) -> None:
    (tmp_path / "log.csv").write_bytes(METHODS[method](LOG.write_csv(separator=";").encode()))
    assert prepare(tmp_path / "log.csv", tmp_path / "out").n_users == 3


@pytest.mark.parametrize("method", METHODS)
def test_a_compressed_log_that_does_not_fit_in_memory_is_refused(
    tmp_path: Path, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "log.csv").write_bytes(METHODS[method](b"user,item\n" + b"u,i\n" * 5_000_000))
    little_memory(monkeypatch, 8_000_000)
    with pytest.raises(InputError, match=rf"more than 0\.0 GB of text \({method}\)") as caught:
        prepare(tmp_path / "log.csv", tmp_path / "out")
    assert caught.value.where == str(tmp_path / "log.csv")


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("length", [5, 30])
def test_a_cut_compressed_log_is_refused(tmp_path: Path, method: str, length: int) -> None:
    (tmp_path / "log.csv").write_bytes(METHODS[method](LOG.write_csv().encode())[:length])
    with pytest.raises(InputError, match="cannot be decompressed"):
        prepare(tmp_path / "log.csv", tmp_path / "out")


def test_errors_in_a_compressed_log_name_the_row(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_bytes(gzip.compress(b"user,item\nu,i\nu,i,3\n"))
    with pytest.raises(InputError, match="3 fields where the header has 2") as caught:
        read_table(tmp_path / "log.csv")
    assert caught.value.where == f"{tmp_path / 'log.csv'}, row 3"


TABLES = {
    "numbers": pa.table({"user": pa.array(np.zeros(3_000_000, np.int64)), "item": pa.array(np.zeros(3_000_000))}),
    "texts": pa.table({"user": pa.array(["u" * 20_000_000]), "item": pa.array(["i"])}),
    "lists": pa.table({"item": pa.array(["i"]), "vector": pa.array([np.zeros(5_000_000, np.float32)])}),
}


@pytest.mark.parametrize("what", TABLES)
def test_a_parquet_file_that_does_not_fit_in_memory_is_refused(
    tmp_path: Path, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "log.parquet"
    pq.write_table(TABLES[what], path, compression="zstd")
    assert path.stat().st_size < 1_000_000
    assert decoded_bytes(path) >= 20_000_000
    little_memory(monkeypatch, 15_000_000)
    with pytest.raises(InputError, match=r"needs 0\.0 GB of memory") as caught:
        read_table(path)
    assert caught.value.where == str(path)


def test_a_parquet_file_needs_about_the_memory_of_its_table(tmp_path: Path) -> None:
    frame = pl.DataFrame({"a": np.random.default_rng(0).random(10_000), "b": [f"text {n}" for n in range(10_000)]})
    frame.write_parquet(tmp_path / "a.parquet")
    assert 0.8 < decoded_bytes(tmp_path / "a.parquet") / (10_000 * 24) < 2


@pytest.mark.parametrize("content", [b"PAR1", b"PAR1" + b"\xff" * 60 + b"PAR1", b"x" * 100])
def test_a_damaged_parquet_file_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "log.parquet").write_bytes(content)
    with pytest.raises(InputError, match="not a readable Parquet file"):
        read_table(tmp_path / "log.parquet")


@pytest.fixture(scope="module")
def parquet_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tables") / "whole.parquet"
    LOG.write_parquet(path)
    return path


@given(data=st.data())
def test_any_damage_of_a_parquet_file_is_an_error_or_a_table(parquet_file: Path, data: st.DataObject) -> None:
    content = bytearray(parquet_file.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    damaged = parquet_file.with_name("damaged.parquet")
    damaged.write_bytes(content)
    with suppress(InputError):
        read_table(damaged)


@given(st.binary(max_size=200), st.booleans())
def test_any_bytes_are_a_matrix_or_an_error(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, with_magic: bool
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.npy"
    path.write_bytes((b"\x93NUMPY\x01\x00v\x00" if with_magic else b"") + content)
    with suppress(InputError):
        open_npy(path)


@pytest.mark.parametrize("shape", ["(-1, 2)", "(9223372036854775807, 2)", "(4611686018427387904, 4)", "2", "(2.0, 2)"])
def test_a_matrix_of_an_impossible_shape_is_refused(tmp_path: Path, shape: str) -> None:
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    (tmp_path / "a.npy").write_bytes(b"\x93NUMPY\x01\x00v\x00" + header.encode() + bytes(16))
    with pytest.raises(InputError):
        open_features(FeatureSource("image", tmp_path / "a.npy"))


@pytest.mark.parametrize("ending", [".npy", ".safetensors"])
def test_a_feature_file_that_is_cut_while_it_is_read_is_an_error(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"image{ending}"
    if ending == ".npy":
        np.save(path, np.ones((1000, 500), np.float32))
    else:
        write_tensors(path, {"table": np.ones((1000, 500), np.float32)})
    file = open_features(FeatureSource("image", path))
    stream = stream_features(file, np.arange(1000))
    assert stream.rows(slice(0, 10))[0].all()
    os.truncate(path, 5000)  # a mapped page behind the end would be SIGBUS
    with pytest.raises(InputError, match="was changed by another program") as caught:
        stream.rows(slice(900, 1000))
    assert caught.value.where == str(path)


@given(st.lists(st.integers(0, 49), max_size=40))
def test_rows_are_read_in_any_order(tmp_path_factory: pytest.TempPathFactory, rows: list[int]) -> None:
    path = tmp_path_factory.getbasetemp() / "rows.npy"
    table = np.random.default_rng(0).random((50, 3))
    if not path.exists():
        np.save(path, table)
    chosen = np.array(rows, dtype=np.int64)
    for values in (open_npy(path), table, np.asfortranarray(table), open_npy(path)[:]):
        assert np.array_equal(row_reader(values)(chosen), table[chosen])


def test_features_are_prepared_as_before(tmp_path: Path) -> None:
    np.save(tmp_path / "image.npy", IMAGE)
    source = FeatureSource("image", tmp_path / "image.npy")
    dataset = prepare(write_log(tmp_path), tmp_path / "out", items=write_items(tmp_path), features=[source])
    assert dataset.items.ids.to_list() == ITEMS["item_id"].to_list()
    assert np.array_equal(dataset.features["image"].table, IMAGE)
