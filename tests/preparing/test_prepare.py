"""Logs become data sets with the right ids, order, splits, times and counts of dropped rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

from preparing.small import (
    IMAGE,
    cleaning,
    pairs,
    write_array,
    write_parquet,
    write_text,
)
from triptych.errors import InputWarning
from triptych.preparing import PrepareSettings, dataset_from_frames, prepare


def test_leading_zeros_of_ids_in_csv_are_kept(tmp_path: Path) -> None:
    log = write_text(tmp_path / "log.csv", "user_id,item_id\n007,0042\n7,42\n8,1.0\n")
    dataset = prepare(log, tmp_path / "out")
    assert dataset.users.ids.to_list()[:2] == ["007", "7"]
    assert dataset.items.ids.to_list() == ["0042", "42", "1.0"]


@pytest.mark.parametrize("dtype", [pl.Int32, pl.UInt64, pl.Float64, pl.String, pl.Categorical], ids=str)
def test_whole_numbers_in_parquet_become_plain_ids(tmp_path: Path, dtype: Any) -> None:
    numbers = pl.Series([7, 1234567890, 7])
    ids = numbers.cast(dtype) if dtype != pl.Categorical else numbers.cast(pl.String).cast(dtype)
    log = write_parquet(tmp_path / "log.parquet", pl.DataFrame({"user": ids, "item": [3, 1, 2]}))
    dataset = prepare(log, tmp_path / "out")
    assert dataset.users.ids.to_list() == ["7", "1234567890"]
    assert dataset.items.ids.to_list() == ["3", "1", "2"]


def test_numeric_ids_of_the_log_match_text_ids_of_the_item_table(tmp_path: Path) -> None:
    log = write_parquet(tmp_path / "log.parquet", pl.DataFrame({"user": [1, 1], "item": [30, 10]}))
    items = write_text(tmp_path / "items.csv", "item_id\n10\n20\n30\n")
    assert pairs(prepare(log, tmp_path / "out", items=items)) == {("1", "30"), ("1", "10")}


@pytest.mark.parametrize("separator", [",", ";", "|", "\t"])
def test_the_separator_is_detected_and_a_byte_order_mark_ignored(tmp_path: Path, separator: str) -> None:
    text = "\ufeffuserId,movieId,rating\r\nu1,a,5\r\nu2,b,4\r\n".replace(",", separator)
    assert pairs(prepare(write_text(tmp_path / "log.csv", text), tmp_path / "out")) == {("u1", "a"), ("u2", "b")}


def test_quoted_fields_may_contain_separators(tmp_path: Path) -> None:
    log = write_text(tmp_path / "log.csv", 'user_id,item_id\n"u,1","a ""b"""\n')
    assert pairs(prepare(log, tmp_path / "out")) == {("u,1", 'a "b"')}


def test_columns_can_be_named_and_excluded(tmp_path: Path) -> None:
    log = write_text(tmp_path / "log.csv", "who,what,user_id,rating\nu1,a,x,bad\nu2,b,x,worse\n")
    settings = PrepareSettings(user_column="who", item_column="what", rating_column="-")
    assert pairs(prepare(log, tmp_path / "out", settings)) == {("u1", "a"), ("u2", "b")}


def test_recbole_headers_lose_their_types(tmp_path: Path) -> None:
    header = "user_id:token\titem_id:token\trating:float\ttimestamp:float\n"
    log = write_text(tmp_path / "toy.inter", header + "1\t01\t5\t20\n1\t02\t1\t10\n1\t03\t4\t30\n")
    dataset = prepare(log, tmp_path / "out", PrepareSettings(min_rating=3, split="leave-one-out"))
    assert pairs(dataset) == {("1", "01"), ("1", "03")}
    assert dataset.times is not None
    assert sorted(dataset.times) == [20, 30]


def test_the_mmrec_format_includes_its_split_and_features(tmp_path: Path) -> None:
    text = "userID\titemID\trating\tx_label\n5\t2\t5.0\t0\n5\t0\t5.0\t1\n9\t2\t3.0\t2\n9\t1\t3.0\t0\n"
    write_text(tmp_path / "baby" / "baby.inter", text)
    write_array(tmp_path / "baby" / "image_feat.npy", IMAGE)
    write_array(tmp_path / "baby" / "text_feat.npy", IMAGE[:, :1].astype(np.float64))
    dataset = prepare(tmp_path / "baby", tmp_path / "out")
    assert dataset.items.ids.to_list() == ["0", "1", "2", "3"]
    assert [pairs(dataset, code) for code in range(3)] == [{("5", "2"), ("9", "1")}, {("5", "0")}, {("9", "2")}]
    np.testing.assert_array_equal(dataset.features["image"].table, IMAGE)
    assert dataset.features["text"].table.dtype == np.float32
    assert dataset.about["split"] == "as given"


MOVIELENS: dict[str, dict[str, str]] = {
    "csv": {
        "ratings.csv": "userId,movieId,rating,timestamp\n1,10,4.0,3\n1,20,5.0,1\n1,30,3.0,2\n",
        "movies.csv": 'movieId,title,genres\n10,"Tale, A",x|y\n20,B,x\n30,C,y\n',
    },
    "dat": {
        "ratings.dat": "1::10::4::3\n1::20::5::1\n1::30::3::2\n",
        "movies.dat": "10::Tale, A::x|y\n20::B::x\n30::C::y\n",
    },
    "data": {"u.data": "1\t10\t4\t3\n1\t20\t5\t1\n1\t30\t3\t2\n"},
}


@pytest.mark.parametrize("files", MOVIELENS.values(), ids=MOVIELENS)
def test_every_movielens_folder_is_read(tmp_path: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        write_text(tmp_path / "ml" / name, text)
    dataset = prepare(tmp_path / "ml", tmp_path / "out", PrepareSettings(split="leave-one-out"))
    assert [pairs(dataset, code) for code in range(3)] == [{("1", "20")}, {("1", "30")}, {("1", "10")}]
    if len(files) > 1:
        assert dataset.item_table is not None
        assert dict(zip(dataset.item_table["item_id"], dataset.item_table["title"], strict=True))["10"] == "Tale, A"


def test_the_earliest_of_duplicate_rows_counts(tmp_path: Path) -> None:
    log = write_text(tmp_path / "log.csv", "user,item,time\nu,a,30\nu,b,20\nu,a,10\nu,a,40\n")
    dataset = prepare(log, tmp_path / "out", PrepareSettings(split="time"))
    assert dataset.times is not None
    assert dict(zip(dataset.items.names(dataset.interactions.items), dataset.times, strict=True)) == {"a": 10, "b": 20}
    assert cleaning(dataset)["duplicate_rows"] == 2


def test_pairs_in_two_splits_count_for_the_earlier_split_and_are_reported(tmp_path: Path) -> None:
    log = write_text(tmp_path / "log.csv", "user,item,split\nu,a,test\nu,a,train\nu,b,valid\nu,c,Test\nu,c,test\n")
    with pytest.warns(InputWarning, match="1 pair of test is also in train"):
        dataset = prepare(log, tmp_path / "out")
    assert [pairs(dataset, code) for code in range(3)] == [{("u", "a")}, {("u", "b")}, {("u", "c")}]
    assert cleaning(dataset)["conflicting_splits"] == 1
    assert cleaning(dataset)["duplicate_rows"] == 2


def test_cleaning_reports_what_it_dropped(tmp_path: Path) -> None:
    text = "user,item,rating\nu,a,5\nu,a,5\nu,b,4\nv,a,5\nv,b,1\n,a,5\nv,z,5\nw,a,5\nv,b,\n"
    log, items = write_text(tmp_path / "log.csv", text), write_text(tmp_path / "items.csv", "item_id\na\nb\nc\n")
    settings = PrepareSettings(min_rating=3, nulls="drop", unknown_items="drop", k_core=2)
    write_text(log, text + "v,b,3\n")
    dataset = prepare(log, tmp_path / "out", settings, items=items)
    assert pairs(dataset) == {("u", "a"), ("u", "b"), ("v", "a"), ("v", "b")}
    assert dataset.items.ids.to_list() == ["a", "b"]
    assert cleaning(dataset) == {
        "rows_read": 10,
        "rows_without_id": 1,
        "rows_of_negative_ratings": 0,
        "rows_without_rating": 1,
        "rows_below_min_rating": 1,
        "rows_of_weight_zero": 0,
        "rows_of_unknown_items": 1,
        "duplicate_rows": 1,
        "conflicting_splits": 0,
        "rows_below_k_core": 1,
        "users_dropped": 1,
        "items_dropped": 1,
        "rows_kept": 4,
    }


def test_leave_one_out_orders_interactions_by_date(tmp_path: Path) -> None:
    text = "user,item,date\nu,a,2026-01-31T12:00:01Z\nu,b,2026-01-31 12:00:00\nu,c,2026-01-31\nu,d,2025-12-31\n"
    dataset = prepare(write_text(tmp_path / "log.csv", text), tmp_path / "out", PrepareSettings(split="leave-one-out"))
    assert [pairs(dataset, code) for code in (1, 2)] == [{("u", "b")}, {("u", "a")}]


def test_times_of_every_type_become_seconds(tmp_path: Path) -> None:
    moment = pd.Timestamp("2026-01-31 12:00:00")
    for name, values in {
        "datetime": pl.Series([moment.to_pydatetime()]),
        "milliseconds": pl.Series([moment.to_pydatetime()], dtype=pl.Datetime("ms")),
        "text": pl.Series(["2026-01-31 12:00:00"]),
        "zone": pl.Series(["2026-01-31T12:00:00+00:00"]),
        "number": pl.Series([int(moment.timestamp())]),
        "digits": pl.Series([str(int(moment.timestamp()))]),
    }.items():
        dataset = dataset_from_frames(pl.DataFrame({"user": ["u"], "item": ["i"], "time": values}))
        assert dataset.times is not None, name
        assert dataset.times.tolist() == [moment.timestamp()], name
