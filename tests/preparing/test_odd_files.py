"""Odd files of real programs: spreadsheets, exports of databases, parts of Spark, objects of JSON, frames of pandas."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from preparing.small import pairs
from triptych.data.dataset import Dataset
from triptych.data.formats.log import Log
from triptych.data.formats.read_table import read_table
from triptych.data.formats.reading import Reading
from triptych.data.formats.registry import read_source
from triptych.errors import InputError, InputWarning
from triptych.preparing import PrepareSettings, dataset_from_frames, prepare

HEADER = "user_id,item_id\n"
TIMED = "user_id,item_id,timestamp\n"


def read(tmp_path: Path, text: str | bytes, name: str = "log.csv", **settings: Any) -> Log:
    path = tmp_path / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return read_source(path, PrepareSettings(**settings).reading).log


def ids(log: Log) -> set[tuple[str, str]]:
    return set(log.frame.select("user_id", "item_id").iter_rows())


def times(tmp_path: Path, *values: object, **settings: Any) -> list[float]:
    rows = "".join(f'u{number},a,"{value}"\n' for number, value in enumerate(values))
    return read(tmp_path, TIMED + rows, **settings).frame["time"].to_list()


@pytest.mark.parametrize("line", ["sep=;\r\n", '"sep=;"\n', "\ufeffsep=;\n"])
def test_the_line_of_a_spreadsheet_that_names_the_separator_is_no_header(tmp_path: Path, line: str) -> None:
    log = read(tmp_path, line + "user_id;item_id;tags,notes\nu1;a;x\nu2;b;\n")
    assert ids(log) == {("u1", "a"), ("u2", "b")}
    assert log.location(0).endswith("row 3")


@pytest.mark.parametrize("after", ["", "x\r"])  # a lone return: read by the csv module instead of polars
def test_quotes_around_nothing_are_a_missing_value(tmp_path: Path, after: str) -> None:
    for text, rows in (('a\n""\nx\n"  "\ny\n', ["x", "y"]), ('a,b\n"",x\ny,""\n""\n', [None, "y"])):
        path = tmp_path / "log.csv"
        path.write_text(text + after, newline="")
        assert read_table(path, Reading(quotes="csv")).frame["a"].to_list() == [*rows, *(["x"] if after else [])]


def test_separators_at_the_end_of_rows_are_passed_over_with_a_note(tmp_path: Path) -> None:
    log = read(tmp_path, HEADER + "u1,a,\nu2,b,,\n")
    assert ids(log) == {("u1", "a"), ("u2", "b")}
    assert any("2 rows end with separators after the last field, first row 2" in note for note in log.notes)


def test_invisible_characters_around_the_names_of_columns_do_not_count(tmp_path: Path) -> None:
    assert ids(read(tmp_path, "\ufeff\ufeffuser_id\u00a0,\u200bitem_id\nu1,a\n")) == {("u1", "a")}


def test_ids_with_the_character_nul_are_said(tmp_path: Path) -> None:
    log = read(tmp_path, HEADER + "u1,a\n\0\0\0\0,b\n")
    assert any("NUL" in note for note in log.notes)


@pytest.mark.parametrize("number", ["1E+12", "1e+18", "1.5E+12", "12345678901234568.0"])
def test_ids_that_lost_digits_are_refused(tmp_path: Path, number: str) -> None:
    with pytest.raises(InputError, match="digits"):
        read(tmp_path, HEADER + f"{number},a\n")


def test_long_whole_floats_that_kept_their_digits_are_ids(tmp_path: Path) -> None:
    assert ids(read(tmp_path, HEADER + "1234567890123456.0,a\n-12345.0,b\n")) == {
        ("1234567890123456", "a"),
        ("-12345", "b"),
    }


@pytest.mark.parametrize("row", ['{"user_id":{"$oid":"x"},"item_id":"a"}', '{"user_id":{"0":"u"},"item_id":{"0":"a"}}'])
def test_objects_are_no_ids(tmp_path: Path, row: str) -> None:
    with pytest.raises(InputError, match="is an object, not an id"):
        read(tmp_path, row + "\n", "log.jsonl")
    frame = pl.DataFrame({"user_id": [{"id": 1}], "item_id": ["a"]})
    with pytest.raises(InputError, match="objects, not ids"):
        dataset_from_frames(frame)


def test_ids_in_braces_stay_ids(tmp_path: Path) -> None:
    assert ids(read(tmp_path, HEADER + "{550E8400-E29B},a\n")) == {("{550E8400-E29B}", "a")}


@pytest.mark.parametrize("missing", ["NaT", "NULL", "nan", r"\N"])
def test_names_of_missing_values_are_missing_times_and_ratings(tmp_path: Path, missing: str) -> None:
    with pytest.raises(InputError, match="the time is empty"):
        times(tmp_path, "2026-01-31", missing)
    assert len(times(tmp_path, "2026-01-31", missing, missing_times="drop")) == 1
    log = read(tmp_path, f"user_id,item_id,rating\nu1,a,{missing}\nu2,b,4\n")
    assert log.frame["rating"].to_list() == [None, 4.0]


def test_nan_of_a_float_column_is_a_missing_rating() -> None:
    frame = pl.DataFrame(
        {"user_id": ["u1", "u1", "u2"], "item_id": ["a", "b", "a"], "rating": [4.0, float("nan"), 3.0]}
    )
    assert dataset_from_frames(frame).about["ratings"]["missing"] == 1


def test_date_and_time_in_one_number_are_read_as_such(tmp_path: Path) -> None:
    expected = [datetime(2026, 1, 31, 12, 30, second, tzinfo=UTC).timestamp() for second in (0, 59)]
    assert times(tmp_path, "20260131123000", "20260131123059") == expected


@pytest.mark.parametrize("values", [(1700000000123, 1700000000), (0, 1700000000123)])
def test_times_in_several_units_are_refused(tmp_path: Path, values: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="several units"):
        times(tmp_path, *values)


def test_times_without_their_last_digits_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="without its last digits"):
        times(tmp_path, "1.7E+09", "1.70E+09")


@pytest.mark.parametrize(
    ("time_format", "text"),
    [("%Y-%m-%d %H:%M:%S.%f", "2026-01-31 13:05:00.500"), ("%d/%m/%Y %-I:%M %p", "31/01/2026 1:05 PM")],
)
def test_formats_as_python_writes_them_keep_the_time_of_day(tmp_path: Path, time_format: str, text: str) -> None:
    (seconds,) = times(tmp_path, text, time_format=time_format)
    assert int(seconds) == datetime(2026, 1, 31, 13, 5, tzinfo=UTC).timestamp()
    assert (seconds % 1 == 0.5) == (".%f" in time_format)


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("between", ["", "\n"])
def test_objects_of_json_one_after_the_other(tmp_path: Path, indent: int | None, between: str) -> None:
    rows = [{"user_id": f"u{number}", "item_id": "a"} for number in range(3)]
    text = between.join(json.dumps(row, indent=indent) for row in rows)
    assert ids(read(tmp_path, text, "log.json")) == {(f"u{number}", "a") for number in range(3)}


def test_a_damaged_object_of_json_is_named_by_its_row(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not JSON") as caught:
        read(tmp_path, '{\n"user_id": "u1",\n"item_id": "a"\n}\n{\n"user_id": oops\n}\n', "log.json")
    assert caught.value.where is not None
    assert caught.value.where.endswith("row 6")


def test_json_with_half_characters_a_column_named_row_and_mixed_numbers(tmp_path: Path) -> None:
    rows = '{"user_id":"\\ud83d","item_id":1.0,"row":[{"a":1}]}\n{"user_id":"u","item_id":"1","row":[]}\n'
    log = read(tmp_path, rows, "log.jsonl")
    assert log.frame["item_id"].to_list() == ["1", "1"]
    assert any("U+FFFD" in note for note in log.notes)


def test_parts_without_rows_are_passed_over_and_names_of_folders_are_decoded(tmp_path: Path) -> None:
    frame = pl.DataFrame({"item_id": ["a", "b"]})
    for name, part in (("user_id=u%2F1", frame), ("user_id=u2", frame.head(0))):
        (tmp_path / "log" / name).mkdir(parents=True)
        part.write_parquet(tmp_path / "log" / name / "part-0.parquet")
    assert ids(read_source(tmp_path / "log").log) == {("u/1", "a"), ("u/1", "b")}


def test_a_part_without_a_header_is_refused(tmp_path: Path) -> None:
    (tmp_path / "log").mkdir()
    (tmp_path / "log" / "part-0.csv").write_text(HEADER + "u1,a\n")
    (tmp_path / "log" / "part-1.csv").write_text("u2,b\nu3,c\n")
    with pytest.raises(InputError, match="none of the columns of part-0"):
        read_source(tmp_path / "log")


def test_a_stream_of_arrow_is_read(tmp_path: Path) -> None:
    table = pa.table({"user_id": ["u1"], "item_id": ["a"]})
    with pa.ipc.new_stream(str(tmp_path / "log.arrow"), table.schema) as stream:
        stream.write_table(table)
    assert ids(read_source(tmp_path / "log.arrow").log) == {("u1", "a")}


def test_the_guessed_encoding_is_a_usual_one_and_damaged_bytes_are_said(tmp_path: Path) -> None:
    for text, encoding in (("用户们,商品们\n", "gb18030"), ("José,café naïve\n", "cp1252")):
        with pytest.raises(InputError, match=f'`encoding="{encoding}"`'):
            read(tmp_path, (HEADER + text).encode(encoding))
    damaged = (HEADER + "".join(f"ü{number},日本\n" for number in range(20))).encode() + b"u\xff,a\n"
    with pytest.raises(InputError, match="correct that row: 20 of 21 rows"):
        read(tmp_path, damaged)


def test_columns_of_pandas_that_are_not_used_may_hold_anything() -> None:
    frame = pd.DataFrame({"user_id": ["u1", "u2"], "item_id": ["a", "a"]})
    things: Any = [object(), object()]
    mixed: Any = [[1], "x"]
    odd = frame.assign(thing=things, mixed=mixed, sparse=pd.arrays.SparseArray([1, 0]))
    assert pairs(dataset_from_frames(odd)) == {("u1", "a"), ("u2", "a")}


def prepared(tmp_path: Path, text: str, **settings: Any) -> Dataset:
    (tmp_path / "log.csv").write_text(text)
    return prepare(tmp_path / "log.csv", tmp_path / "out", PrepareSettings(**settings))


def test_a_note_reaches_the_owner_of_the_data(tmp_path: Path) -> None:
    with pytest.warns(InputWarning, match="end with separators"):
        prepared(tmp_path, HEADER + "u1,a,\nu2,b,\n")
