"""Files and frames become the data set that they describe: ids, order, parts, features and what was left out."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import polars as pl
import pytest

from triptych.data.dataset import Dataset, open_dataset
from triptych.errors import ArtefactError
from triptych.preparing import FeatureSource, PrepareSettings, dataset_of_frames, prepare

ITEMS = pl.DataFrame(
    {"item_id": ["a", "b", "c", "d"], "genre": ["x|y", "x", "y", None], "price": [1.0, 2.0, 3.0, None]}
)
LOG = pl.DataFrame(
    {
        "user_id": ["u1", "u1", "u1", "u2", "u2", "u3"],
        "item_id": ["b", "a", "c", "a", "c", "c"],
        "rating": [5.0, 4.0, 3.0, 2.0, 5.0, 4.0],
        "timestamp": [30.0, 20.0, 10.0, 5.0, 6.0, 7.0],
    }
)
IMAGE = np.arange(1, 9, dtype=np.float32).reshape(4, 2)


def text_file(path: Path, text: str) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def array_file(path: Path, values: Any) -> Path:
    path.parent.mkdir(exist_ok=True)
    np.save(path, values)
    return path


def parquet_file(path: Path, frame: pl.DataFrame) -> Path:
    frame.write_parquet(path)
    return path


def pairs(dataset: Dataset, part: int | None = None) -> set[tuple[str, str]]:
    """The interactions as (user id, item id), of one part of the split or all."""
    users = dataset.users.names(dataset.interactions.users)
    items = dataset.items.names(dataset.interactions.items)
    every = list(zip(users, items, strict=True))
    if part is None:
        return set(every)
    assert dataset.parts is not None
    return {pair for pair, its in zip(every, dataset.parts, strict=True) if its == part}


def cleaning(dataset: Dataset) -> dict[str, int]:
    return dict(dataset.about["cleaning"])


def assert_same(one: Dataset, other: Dataset) -> None:
    """Everything that a model could see of the two data sets is the same."""
    assert one.users.ids.to_list() == other.users.ids.to_list()
    assert one.items.ids.to_list() == other.items.ids.to_list()
    np.testing.assert_array_equal(one.interactions.keys, other.interactions.keys)
    for column in ("times", "parts"):
        mine, theirs = getattr(one, column), getattr(other, column)
        assert (mine is None) == (theirs is None)
        if mine is not None:
            np.testing.assert_array_equal(mine, theirs)
    assert list(one.features) == list(other.features)
    for modality, features in one.features.items():
        theirs = other.features[modality]
        assert features.table.dtype == theirs.table.dtype
        np.testing.assert_array_equal(features.table, theirs.table)
        np.testing.assert_array_equal(features.present, theirs.present)
        assert features.encoder == theirs.encoder
    assert one.about["cleaning"] == other.about["cleaning"]
    assert one.about["split"] == other.about["split"]


def test_leading_zeros_of_ids_survive_in_csv(tmp_path: Path) -> None:
    log = text_file(tmp_path / "log.csv", "user_id,item_id\n007,0042\n7,42\n 8 ,1.0\n")
    dataset = prepare(log, tmp_path / "out")
    assert dataset.users.ids.to_list()[:2] == ["007", "7"]
    assert dataset.items.ids.to_list() == ["0042", "42", "1.0"]


@pytest.mark.parametrize("dtype", [pl.Int32, pl.UInt64, pl.Float64, pl.String, pl.Categorical], ids=str)
def test_whole_numbers_in_parquet_become_plain_ids(tmp_path: Path, dtype: Any) -> None:
    numbers = pl.Series([7, 1234567890, 7])
    ids = numbers.cast(dtype) if dtype != pl.Categorical else numbers.cast(pl.String).cast(dtype)
    log = parquet_file(tmp_path / "log.parquet", pl.DataFrame({"user": ids, "item": [3, 1, 2]}))
    dataset = prepare(log, tmp_path / "out")
    assert dataset.users.ids.to_list() == ["7", "1234567890"]
    assert dataset.items.ids.to_list() == ["3", "1", "2"]


def test_ids_of_numbers_in_the_log_match_text_in_the_item_table(tmp_path: Path) -> None:
    log = parquet_file(tmp_path / "log.parquet", pl.DataFrame({"user": [1, 1], "item": [30, 10]}))
    items = text_file(tmp_path / "items.csv", "item_id\n10\n20\n30\n")
    assert pairs(prepare(log, tmp_path / "out", items=items)) == {("1", "30"), ("1", "10")}


@pytest.mark.parametrize("separator", [",", ";", "|", "\t"])
def test_the_separator_and_a_byte_order_mark_are_seen_through(tmp_path: Path, separator: str) -> None:
    text = "\ufeffuserId,movieId,rating\r\nu1,a,5\r\nu2,b,4\r\n".replace(",", separator)
    assert pairs(prepare(text_file(tmp_path / "log.csv", text), tmp_path / "out")) == {("u1", "a"), ("u2", "b")}


def test_quoted_fields_hold_separators(tmp_path: Path) -> None:
    log = text_file(tmp_path / "log.csv", 'user_id,item_id\n"u,1","a ""b"""\n')
    assert pairs(prepare(log, tmp_path / "out")) == {("u,1", 'a "b"')}


def test_columns_can_be_named_and_ruled_out(tmp_path: Path) -> None:
    log = text_file(tmp_path / "log.csv", "who,what,user_id,rating\nu1,a,x,bad\nu2,b,x,worse\n")
    settings = PrepareSettings(user_column="who", item_column="what", rating_column="-")
    assert pairs(prepare(log, tmp_path / "out", settings)) == {("u1", "a"), ("u2", "b")}


def test_recbole_headers_lose_their_types(tmp_path: Path) -> None:
    header = "user_id:token\titem_id:token\trating:float\ttimestamp:float\n"
    log = text_file(tmp_path / "toy.inter", header + "1\t01\t5\t20\n1\t02\t1\t10\n1\t03\t4\t30\n")
    dataset = prepare(log, tmp_path / "out", PrepareSettings(min_rating=3, split="leave-one-out"))
    assert pairs(dataset) == {("1", "01"), ("1", "03")}
    assert dataset.times is not None
    assert sorted(dataset.times) == [20, 30]


def test_the_literature_layout_brings_its_split_and_features(tmp_path: Path) -> None:
    text = "userID\titemID\trating\tx_label\n5\t2\t5.0\t0\n5\t0\t5.0\t1\n9\t2\t3.0\t2\n9\t1\t3.0\t0\n"
    text_file(tmp_path / "baby" / "baby.inter", text)
    array_file(tmp_path / "baby" / "image_feat.npy", IMAGE)
    array_file(tmp_path / "baby" / "text_feat.npy", IMAGE[:, :1].astype(np.float64))
    dataset = prepare(tmp_path / "baby", tmp_path / "out")
    assert dataset.items.ids.to_list() == ["0", "1", "2", "3"]
    assert [pairs(dataset, part) for part in range(3)] == [{("5", "2"), ("9", "1")}, {("5", "0")}, {("9", "2")}]
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
def test_every_movielens_layout_is_read(tmp_path: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        text_file(tmp_path / "ml" / name, text)
    dataset = prepare(tmp_path / "ml", tmp_path / "out", PrepareSettings(split="leave-one-out"))
    assert [pairs(dataset, part) for part in range(3)] == [{("1", "20")}, {("1", "30")}, {("1", "10")}]
    if len(files) > 1:
        assert dataset.item_table is not None
        assert dict(zip(dataset.item_table["item_id"], dataset.item_table["title"], strict=True))["10"] == "Tale, A"


def test_of_repeated_pairs_the_earliest_counts(tmp_path: Path) -> None:
    log = text_file(tmp_path / "log.csv", "user,item,time\nu,a,30\nu,b,20\nu,a,10\nu,a,\n")
    dataset = prepare(log, tmp_path / "out", PrepareSettings(split="time"))
    assert dataset.times is not None
    assert dict(zip(dataset.items.names(dataset.interactions.items), dataset.times, strict=True)) == {"a": 10, "b": 20}
    assert cleaning(dataset)["duplicates"] == 2


def test_pairs_in_two_parts_count_for_the_earlier_and_are_counted(tmp_path: Path) -> None:
    log = text_file(tmp_path / "log.csv", "user,item,split\nu,a,test\nu,a,train\nu,b,valid\nu,c,Test\nu,c,test\n")
    dataset = prepare(log, tmp_path / "out")
    assert [pairs(dataset, part) for part in range(3)] == [{("u", "a")}, {("u", "b")}, {("u", "c")}]
    assert cleaning(dataset)["conflicting_parts"] == 1
    assert cleaning(dataset)["duplicates"] == 2


def test_cleaning_says_what_it_left_out(tmp_path: Path) -> None:
    text = "user,item,rating\nu,a,5\nu,a,5\nu,b,4\nv,a,5\nv,b,1\n,a,5\nv,z,5\nw,a,5\nv,b,\n"
    log, items = text_file(tmp_path / "log.csv", text), text_file(tmp_path / "items.csv", "item_id\na\nb\nc\n")
    settings = PrepareSettings(min_rating=3, nulls="drop", unknown_items="drop", k_core=2)
    text_file(log, text + "v,b,3\n")
    dataset = prepare(log, tmp_path / "out", settings, items=items)
    assert pairs(dataset) == {("u", "a"), ("u", "b"), ("v", "a"), ("v", "b")}
    assert dataset.items.ids.to_list() == ["a", "b"]
    assert cleaning(dataset) == {
        "read": 10,
        "without_id": 1,
        "below_rating": 2,
        "of_unknown_items": 1,
        "duplicates": 1,
        "conflicting_parts": 0,
        "below_core": 1,
        "users_dropped": 1,
        "items_dropped": 1,
        "kept": 4,
    }


def test_dates_order_what_leave_one_out_leaves_out(tmp_path: Path) -> None:
    text = "user,item,date\nu,a,2026-01-31T12:00:01Z\nu,b,2026-01-31 12:00:00\nu,c,2026-01-31\nu,d,2025-12-31\n"
    dataset = prepare(text_file(tmp_path / "log.csv", text), tmp_path / "out", PrepareSettings(split="leave-one-out"))
    assert [pairs(dataset, part) for part in (1, 2)] == [{("u", "b")}, {("u", "a")}]


def test_times_are_seconds_whatever_they_are_written_as(tmp_path: Path) -> None:
    moment = pd.Timestamp("2026-01-31 12:00:00")
    for name, values in {
        "datetime": pl.Series([moment.to_pydatetime()]),
        "milliseconds": pl.Series([moment.to_pydatetime()], dtype=pl.Datetime("ms")),
        "text": pl.Series(["2026-01-31 12:00:00"]),
        "zone": pl.Series(["2026-01-31T12:00:00+00:00"]),
        "number": pl.Series([int(moment.timestamp())]),
        "digits": pl.Series([str(int(moment.timestamp()))]),
    }.items():
        dataset = dataset_of_frames(pl.DataFrame({"user": ["u"], "item": ["i"], "time": values}))
        assert dataset.times is not None, name
        assert dataset.times.tolist() == [moment.timestamp()], name


def written_log(folder: Path) -> Path:
    return parquet_file(folder / "log.parquet", LOG)


def written_items(folder: Path) -> Path:
    return parquet_file(folder / "items.parquet", ITEMS)


def test_items_follow_the_item_table_also_those_nobody_took(tmp_path: Path) -> None:
    dataset = prepare(written_log(tmp_path), tmp_path / "out", items=written_items(tmp_path))
    assert dataset.items.ids.to_list() == ["a", "b", "c", "d"]
    assert dataset.item_table is not None
    assert dataset.item_table["price"].to_list() == [1.0, 2.0, 3.0, None]


@pytest.mark.parametrize("header", ["", "item_id\n"], ids=["no header", "header"])
def test_rows_of_features_follow_their_id_file(tmp_path: Path, header: str) -> None:
    order = [2, 0, 3, 1]
    image = array_file(tmp_path / "image.npy", IMAGE[order])
    ids = text_file(tmp_path / "ids.csv", header + "".join(f"{'abcd'[row]}\n" for row in order))
    source = FeatureSource("image", image, ids)
    dataset = prepare(written_log(tmp_path), tmp_path / "out", items=written_items(tmp_path), features=[source])
    np.testing.assert_array_equal(dataset.features["image"].table, IMAGE)
    assert dataset.features["image"].present.all()


def test_items_that_the_id_file_lacks_are_masked(tmp_path: Path) -> None:
    image = array_file(tmp_path / "image.npy", IMAGE[:2])
    source = FeatureSource("image", image, text_file(tmp_path / "ids.txt", "d\nb\n"))
    dataset = prepare(written_log(tmp_path), tmp_path / "out", items=written_items(tmp_path), features=[source])
    assert dataset.features["image"].present.tolist() == [False, True, False, True]
    np.testing.assert_array_equal(dataset.features["image"].table, [[0, 0], [3, 4], [0, 0], [1, 2]])


@pytest.mark.parametrize("form", ["lists", "arrays", "columns"])
def test_parquet_features_follow_their_id_column(tmp_path: Path, form: str) -> None:
    order = [3, 1, 0]
    ids = pl.Series("item", ["abcd"[row] for row in order])
    if form == "columns":
        frame = pl.DataFrame({"x": IMAGE[order, 0], "y": IMAGE[order, 1]}).insert_column(0, ids)
    else:
        vectors = pl.Series("v", IMAGE[order]) if form == "arrays" else pl.Series("v", IMAGE[order].tolist())
        frame = pl.DataFrame([ids, vectors])
    source = FeatureSource("image", parquet_file(tmp_path / "image.parquet", frame))
    dataset = prepare(written_log(tmp_path), tmp_path / "out", items=written_items(tmp_path), features=[source])
    assert dataset.features["image"].present.tolist() == [True, True, False, True]
    np.testing.assert_array_equal(dataset.features["image"].table[[0, 1, 3]], IMAGE[[0, 1, 3]])


@pytest.mark.parametrize(("zero_rows", "present"), [("missing", [True, False, True, True]), ("keep", [True] * 4)])
def test_rows_of_zeros_are_missing_unless_kept(
    tmp_path: Path, zero_rows: Literal["missing", "keep"], present: list[bool]
) -> None:
    values = IMAGE.copy()
    values[1] = 0
    source = FeatureSource("image", array_file(tmp_path / "image.npy", values))
    settings = PrepareSettings(zero_rows=zero_rows)
    dataset = prepare(
        written_log(tmp_path), tmp_path / "out", settings, items=written_items(tmp_path), features=[source]
    )
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
def test_features_are_stored_as_precisely_as_asked(
    tmp_path: Path, given: str, store: Literal["same", "float16", "float32"], stored: str
) -> None:
    source = FeatureSource("image", array_file(tmp_path / "image.npy", IMAGE.astype(given)))
    settings = PrepareSettings(store=store)
    dataset = prepare(
        written_log(tmp_path), tmp_path / "out", settings, items=written_items(tmp_path), features=[source]
    )
    assert dataset.features["image"].table.dtype == np.dtype(stored)
    np.testing.assert_array_equal(dataset.features["image"].table, IMAGE)


def test_a_matrix_in_column_order_is_read_by_rows(tmp_path: Path) -> None:
    source = FeatureSource("image", array_file(tmp_path / "image.npy", np.asfortranarray(IMAGE)))
    dataset = prepare(written_log(tmp_path), tmp_path / "out", items=written_items(tmp_path), features=[source])
    np.testing.assert_array_equal(dataset.features["image"].table, IMAGE)


def test_unknown_items_are_kept_without_content_or_dropped(tmp_path: Path) -> None:
    items = parquet_file(tmp_path / "items.parquet", ITEMS.filter(pl.col("item_id") != "c"))
    source = FeatureSource("image", array_file(tmp_path / "image.npy", IMAGE[:3]))
    log = written_log(tmp_path)
    kept = prepare(log, tmp_path / "kept", PrepareSettings(unknown_items="keep"), items=items, features=[source])
    assert kept.items.ids.to_list() == ["a", "b", "d", "c"]
    assert kept.features["image"].present.tolist() == [True, True, True, False]
    assert kept.item_table is not None
    assert kept.item_table["genre"].to_list() == ["x|y", "x", None, None]
    assert pairs(kept) == set(zip(LOG["user_id"], LOG["item_id"], strict=True))
    dropped = prepare(log, tmp_path / "dropped", PrepareSettings(unknown_items="drop"), items=items, features=[source])
    assert dropped.items.ids.to_list() == ["a", "b", "d"]
    assert pairs(dropped) == {("u1", "b"), ("u1", "a"), ("u2", "a")}
    assert cleaning(dropped)["of_unknown_items"] == 3


def test_features_of_items_that_cleaning_dropped_are_no_strangers(tmp_path: Path) -> None:
    source = FeatureSource(
        "image", array_file(tmp_path / "image.npy", IMAGE), text_file(tmp_path / "ids.csv", "d\nc\nb\na\n")
    )
    settings = PrepareSettings(k_core=2)
    dataset = prepare(
        written_log(tmp_path), tmp_path / "out", settings, items=written_items(tmp_path), features=[source]
    )
    assert dataset.items.ids.to_list() == ["a", "c"]
    np.testing.assert_array_equal(dataset.features["image"].table, [[7, 8], [3, 4]])


METADATA = PrepareSettings(multi=("genre=|",), numeric=("price",), split="leave-one-out")


TURNED: dict[str, Callable[[pl.DataFrame], Any]] = {
    "pandas": lambda frame: frame.to_pandas(),
    "polars": lambda frame: frame,
    "arrow": lambda frame: frame.to_arrow(),
}


@pytest.mark.parametrize("kind", TURNED)
def test_files_and_frames_become_the_same_data_set(tmp_path: Path, kind: str) -> None:
    source = FeatureSource("image", array_file(tmp_path / "image.npy", IMAGE))
    of_files = prepare(
        written_log(tmp_path), tmp_path / "out", METADATA, items=written_items(tmp_path), features=[source]
    )
    turned = TURNED[kind]
    of_frames = dataset_of_frames(turned(LOG), items=turned(ITEMS), features={"image": IMAGE}, settings=METADATA)
    assert_same(of_files, of_frames)


def test_the_same_log_as_csv_and_parquet_becomes_the_same_data_set(tmp_path: Path) -> None:
    LOG.write_csv(tmp_path / "log.csv")
    ITEMS.write_csv(tmp_path / "items.csv")
    of_text = prepare(tmp_path / "log.csv", tmp_path / "text", METADATA, items=tmp_path / "items.csv")
    of_parquet = prepare(written_log(tmp_path), tmp_path / "parquet", METADATA, items=written_items(tmp_path))
    assert_same(of_text, of_parquet)


def test_what_pandas_calls_nan_is_an_empty_field() -> None:
    frame = pd.DataFrame({"user": ["u", "u"], "item": ["a", "b"], "rating": [5.0, float("nan")], "time": [1.0, 2.0]})
    dataset = dataset_of_frames(frame, settings=PrepareSettings(min_rating=3))
    assert pairs(dataset) == {("u", "a")}


def test_features_of_frames_may_bring_their_ids() -> None:
    dataset = dataset_of_frames(LOG, items=ITEMS, features={"image": (["c", "a"], IMAGE[:2])})
    assert dataset.features["image"].present.tolist() == [True, False, True, False]
    np.testing.assert_array_equal(dataset.features["image"].table[2], IMAGE[0])


def test_a_reopened_data_set_is_the_same(tmp_path: Path) -> None:
    dataset = dataset_of_frames(LOG, items=ITEMS, features={"image": IMAGE}, settings=METADATA)
    dataset.save(tmp_path / "saved")
    reopened = open_dataset(tmp_path / "saved", verify=True)
    assert_same(dataset, reopened)
    assert reopened.item_table is not None
    assert reopened.item_table.equals(dataset.item_table) if dataset.item_table is not None else False
    reopened.save(tmp_path / "again")
    assert open_dataset(tmp_path / "again").fingerprint == reopened.fingerprint


def test_the_same_files_prepare_to_the_same_bytes(tmp_path: Path) -> None:
    log, items = written_log(tmp_path), written_items(tmp_path)
    once, again = (prepare(log, tmp_path / name, METADATA, items=items) for name in ("once", "again"))
    assert once.fingerprint == again.fingerprint


def big_table(folder: Path, n_rows: int = 20_000, width: int = 512) -> tuple[Path, Path, Path]:
    """A log, an item table and a float16 matrix of 20 MB."""
    ids = [f"i{row}" for row in range(n_rows)]
    items = parquet_file(folder / "items.parquet", pl.DataFrame({"item_id": ids}))
    log = parquet_file(folder / "log.parquet", pl.DataFrame({"user": ["u"] * 10, "item": ids[:10]}))
    return log, items, array_file(folder / "image.npy", np.ones((n_rows, width), np.float16))


def test_a_big_table_never_stands_in_memory_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("triptych.data.features.CHUNK_BYTES", 1 << 20)
    log, items, image = big_table(tmp_path)
    order = text_file(tmp_path / "ids.txt", "".join(f"i{row}\n" for row in reversed(range(20_000))))
    size = image.stat().st_size
    for name, ids in (("in order", None), ("gathered", order)):
        tracemalloc.start()
        dataset = prepare(log, tmp_path / name, items=items, features=[FeatureSource("image", image, ids)])
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert isinstance(dataset.features["image"].table, np.memmap)
        assert dataset.features["image"].present.all()
        assert peak < size / 2, name


def test_a_tampered_small_file_is_refused_at_every_opening(tmp_path: Path) -> None:
    dataset_of_frames(LOG, items=ITEMS, features={"image": IMAGE}).save(tmp_path / "set")
    file = tmp_path / "set" / "features" / "image.safetensors"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(bytes(content))
    with pytest.raises(ArtefactError, match=r"image\.safetensors: is damaged"):
        open_dataset(tmp_path / "set")


def test_a_tampered_large_file_is_refused_by_its_size_and_when_verified(tmp_path: Path) -> None:
    log, items, image = big_table(tmp_path, n_rows=2000)
    prepare(log, tmp_path / "set", items=items, features=[FeatureSource("image", image)])
    file = tmp_path / "set" / "features" / "image.safetensors"
    with file.open("r+b") as stream:
        stream.seek(file.stat().st_size // 2)
        stream.write(b"\xff")
    open_dataset(tmp_path / "set")
    with pytest.raises(ArtefactError, match=r"image\.safetensors: is damaged"):
        open_dataset(tmp_path / "set", verify=True)
    with file.open("r+b") as stream:
        stream.truncate(file.stat().st_size - 1)
    with pytest.raises(ArtefactError, match=r"image\.safetensors: is damaged"):
        open_dataset(tmp_path / "set")


@pytest.mark.parametrize("name", ["users.parquet", "items.parquet", "interactions.parquet", "manifest.json"])
def test_a_data_set_that_lost_a_file_is_refused(tmp_path: Path, name: str) -> None:
    dataset_of_frames(LOG).save(tmp_path / "set")
    (tmp_path / "set" / name).unlink()
    with pytest.raises(ArtefactError, match=name):
        open_dataset(tmp_path / "set")
