"""A split that is given as files of train, validation and test is taken as it is, and pairs in several are told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pytest

from preparing.small import pairs, write_parquet, write_text
from triptych.data.dataset import Dataset
from triptych.errors import InputError, InputWarning, SettingsError
from triptych.preparing import PrepareSettings, dataset_from_frames, prepare

TRAIN = {("u1", "a"), ("u1", "b"), ("u2", "b"), ("u2", "c")}
VALIDATION, TEST = {("u1", "c")}, {("u2", "a"), ("u1", "d")}
PARTS = {"train": TRAIN, "valid": VALIDATION, "test": TEST}


def frame_of(part: set[tuple[str, str]]) -> pl.DataFrame:
    return pl.DataFrame(sorted(part), schema={"user_id": pl.String, "item_id": pl.String}, orient="row")


def write_folder(folder: Path, extension: str, names: dict[str, str] | None = None) -> Path:
    """Write the parts as files. names: other names of the files, without extension."""
    folder.mkdir()
    for part, of_part in PARTS.items():
        path, frame = folder / f"{(names or {}).get(part, part)}{extension}", frame_of(of_part)
        if extension == ".parquet":
            frame.write_parquet(path)
        elif extension == ".jsonl":
            frame.write_ndjson(path)
        elif extension == ".inter":
            frame.rename({"user_id": "user_id:token", "item_id": "item_id:token"}).write_csv(path, separator="\t")
        else:
            frame.write_csv(path, separator="," if extension == ".csv" else "\t")
    return folder


def assert_parts(dataset: Dataset) -> None:
    assert [pairs(dataset, code) for code in range(3)] == [TRAIN, VALIDATION, TEST]
    assert dataset.about["split"] == "as given"


@pytest.mark.parametrize("extension", [".csv", ".tsv", ".txt", ".parquet", ".jsonl"])
def test_a_folder_of_train_valid_and_test_is_a_split(extension: str, tmp_path: Path) -> None:
    assert_parts(prepare(write_folder(tmp_path / "in", extension), tmp_path / "out"))


@pytest.mark.parametrize("valid", ["validation", "val", "dev", "Valid"])
def test_validation_may_be_called_otherwise(valid: str, tmp_path: Path) -> None:
    assert_parts(prepare(write_folder(tmp_path / "in", ".csv", {"valid": valid}), tmp_path / "out"))


def test_benchmark_files_of_recbole_are_a_split_with_the_item_table_beside_them(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "in", ".inter", {part: f"ml.{part}" for part in PARTS})
    write_text(folder / "ml.item", "item_id:token\ttitle:token_seq\na\tA Title\nb\tB\nc\tC\nd\tD\n")
    dataset = prepare(folder, tmp_path / "out")
    assert_parts(dataset)
    assert dataset.item_table is not None
    assert dataset.item_table["title"][0] == "A Title"


def test_other_files_of_the_folder_are_named(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "in", ".csv")
    write_text(folder / "items.csv", "item_id\na\n")
    with pytest.warns(InputWarning, match=r"not read: items\.csv"):
        prepare(folder, tmp_path / "out")


def test_two_files_of_one_split_are_refused(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "in", ".csv")
    write_text(folder / "old_train.csv", "user_id,item_id\nu,a\n")
    with pytest.raises(InputError, match=r"has 2 files of train: old_train\.csv, train\.csv"):
        prepare(folder, tmp_path / "out")


def test_numbered_parts_of_a_split_are_read_together(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "in", ".parquet", {part: f"{part}-00000-of-00001" for part in PARTS})
    (folder / "train-00000-of-00001.parquet").unlink()
    for number, half in enumerate((frame_of(TRAIN)[:3], frame_of(TRAIN)[3:])):
        write_parquet(folder / f"train-{number:05d}-of-00002.parquet", half)
    assert_parts(prepare(folder, tmp_path / "out"))


def test_lists_of_one_item_per_user_are_lists_if_others_of_the_folder_are(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    write_text(folder / "train.txt", "0 1 2\n1 2\n")
    write_text(folder / "valid.txt", "0 3\n1 4\n")
    write_text(folder / "test.txt", "0 5\n1 6\n")
    dataset = prepare(folder, tmp_path / "out")
    assert pairs(dataset, 2) == {("0", "5"), ("1", "6")}


def test_a_split_column_beside_split_files_is_not_used_and_named(tmp_path: Path) -> None:
    log = write_text(tmp_path / "log.csv", "user,item,split\nu1,a,test\nu1,b,train\nu1,c,train\n")
    test = write_text(tmp_path / "mine.csv", "user,item\nu1,d\n")
    with pytest.warns(InputWarning, match=r"log\.csv: the split column is not used"):
        dataset = prepare(log, tmp_path / "out", PrepareSettings(test_file=str(test), validation=0.0))
    assert pairs(dataset, 0) == {("u1", "a"), ("u1", "b"), ("u1", "c")}


def test_files_of_lists_without_validation_give_a_share_of_train_to_validation_and_say_so(tmp_path: Path) -> None:
    folder = tmp_path / "gowalla"
    write_text(folder / "train.txt", "0 1 2 3 4 5 6 7 8 9 10\n1 2 3 4\n")
    write_text(folder / "test.txt", "0 11\n1 1 5\n")
    with pytest.warns(InputWarning, match="so 2 of 13 training interactions became validation"):
        dataset = prepare(folder, tmp_path / "out")
    assert pairs(dataset, 2) == {("0", "11"), ("1", "1"), ("1", "5")}
    assert len(pairs(dataset, 1)) == 2
    kept = prepare(folder, tmp_path / "kept", PrepareSettings(validation=0.0))
    assert (len(pairs(kept, 0)), len(pairs(kept, 1))) == (13, 0)


def test_files_beside_the_log_are_validation_and_test(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "in", ".csv", {"train": "first", "valid": "second", "test": "third"})
    settings = PrepareSettings(validation_file=str(folder / "second.csv"), test_file=str(folder / "third.csv"))
    assert_parts(prepare(folder / "first.csv", tmp_path / "out", settings))


@pytest.mark.parametrize("native", [pd.DataFrame, pl.DataFrame])
def test_frames_of_validation_and_test_are_the_split(native: Any) -> None:
    train, valid, test = (native(frame_of(part).to_dict(as_series=False)) for part in PARTS.values())
    assert_parts(dataset_from_frames(train, validation=valid, test=test))


def test_a_test_file_of_ones_own_leaves_the_log_to_train_and_validation(tmp_path: Path) -> None:
    rows = "".join(f"u{user},i{(user * 3 + step) % 30},{step}\n" for user in range(9) for step in range(10))
    log = write_text(tmp_path / "log.csv", f"user_id,item_id,time\n{rows}")
    test = write_text(tmp_path / "mine.csv", "user_id,item_id,time\nu0,i29,99\nu1,i0,99\n")
    for split, n_validation in (("auto", 9), ("leave-one-out", 9), ("time", 9)):
        settings = PrepareSettings(test_file=str(test), split=split)  # type: ignore[arg-type]
        with pytest.warns(InputWarning, match="no validation is given"):
            dataset = prepare(log, tmp_path / split, settings)
        assert pairs(dataset, 2) == {("u0", "i29"), ("u1", "i0")}
        assert len(pairs(dataset, 1)) == n_validation
    with pytest.raises(SettingsError, match='"cold-items"` chooses the test'):
        prepare(log, tmp_path / "cold", PrepareSettings(test_file=str(test), split="cold-items"))


def test_a_method_beside_files_for_all_splits_is_refused(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "in", ".csv")
    with pytest.raises(SettingsError, match="are given as files"):
        prepare(folder, tmp_path / "out", PrepareSettings(split="ratio"))
    with pytest.raises(InputError, match="has files for train and test already"):
        prepare(folder, tmp_path / "out", PrepareSettings(test_file=str(folder / "test.csv")))


def test_errors_name_the_file_and_its_row(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "in", ".csv")
    write_text(folder / "test.csv", "user_id,item_id\nu1,a\nu1,d\n,b\n")
    with pytest.raises(InputError) as caught:
        prepare(folder, tmp_path / "out")
    assert caught.value.where is not None
    assert caught.value.where.startswith(f"{folder / 'test.csv'}, row 4")


def test_pairs_in_several_files_are_counted_by_name(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "in", ".csv")
    write_text(folder / "test.csv", "user_id,item_id\nu1,a\nu1,b\nu1,c\nu2,a\n")
    message = "2 pairs of test are also in train and 1 pair of test is also in validation; each pair counts for the"
    with pytest.warns(InputWarning, match=message):
        dataset = prepare(folder, tmp_path / "out")
    assert pairs(dataset, 2) == {("u2", "a")}


def test_ratings_or_times_of_some_files_only_are_left_out_with_a_line(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "in", ".parquet")
    write_parquet(folder / "train.parquet", frame_of(TRAIN).with_columns(rating=pl.lit(3.0), time=pl.lit(1.0)))
    with pytest.warns(InputWarning) as caught:
        dataset = prepare(folder, tmp_path / "out")
    texts = [str(each.message) for each in caught]
    for column in ("rating", "time"):
        assert f"valid.parquet, test.parquet: has no {column} column, so that of the other files is left out" in texts
    assert dataset.times is None
    assert_parts(dataset)
