"""What files say is neither lost nor changed without a line that says so: dialects, headers, ids, times, ratings."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pytest

import triptych
from preparing.small import cleaning, pairs, write_text
from triptych.data.dataset import Dataset
from triptych.data.formats import json_tables
from triptych.data.formats.text_file import open_text
from triptych.errors import InputError, InputWarning, SettingsError
from triptych.preparing import PrepareSettings, dataset_from_frames, prepare

HEADER = "user_id,item_id\n"


def read(tmp_path: Path, text: str | bytes, name: str = "log.csv", **settings: Any) -> Dataset:
    path = tmp_path / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return prepare(path, tmp_path / "out", PrepareSettings(**settings), overwrite=True)


def plain_log(separator: str = ",", n_users: int = 20) -> list[str]:
    return [separator.join((f"u{user}", f"i{user * k % 15}")) for user in range(n_users) for k in range(1, 4)]


def test_quotes_in_a_tab_separated_file_are_characters(tmp_path: Path) -> None:
    rows = [f"{row}\tok" for row in plain_log("\t")]
    rows[10], rows[40] = rows[10].replace("ok", '"The best'), rows[40].replace("ok", 'of all"')
    dataset = read(tmp_path, "user_id\titem_id\treview\n" + "\n".join(rows), "log.tsv")
    assert cleaning(dataset)["rows_read"] == len(rows)


def test_a_tab_separated_file_with_quotes_around_all_fields_is_read_without_them(tmp_path: Path) -> None:
    dataset = read(tmp_path, '"user_id"\t"item_id"\n"u1"\t"a"\n"u2"\t"b"\n', "log.tsv")
    assert pairs(dataset) == {("u1", "a"), ("u2", "b")}


def test_a_quote_inside_a_field_is_a_character(tmp_path: Path) -> None:
    rows = [f'{row},5" screen' for row in plain_log()]
    assert cleaning(read(tmp_path, "user_id,item_id,review\n" + "\n".join(rows)))["rows_read"] == len(rows)


def test_rows_that_a_quoted_field_swallows_are_said(tmp_path: Path) -> None:
    text = 'user_id,item_id,review\nu1,a,"The best\nu2,b,ok\nu3,c,of all"\nu4,d,ok\n'
    with pytest.warns(InputWarning, match='lines 2 to 4 are one row.*`quotes="none"`'):
        dataset = read(tmp_path, text)
    assert cleaning(dataset)["rows_read"] == 2
    assert cleaning(read(tmp_path, text, quotes="none"))["rows_read"] == 4


def test_a_quote_that_is_never_closed_is_refused_with_its_row(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="never closed") as caught:
        read(tmp_path, 'user_id,item_id,review\nu1,a,ok\nu2,b,"Great\nu3,c,ok\n')
    assert caught.value.where == f"{tmp_path / 'log.csv'}, row 3"


def test_blank_lines_are_no_rows_and_do_not_shift_the_rows_of_errors(tmp_path: Path) -> None:
    assert cleaning(read(tmp_path, HEADER + "u1,a\n\nu2,b\n\n"))["rows_read"] == 2
    with pytest.raises(InputError, match="user id is empty") as caught:
        read(tmp_path, HEADER + "\nu1,a\n\n,b\n")
    assert caught.value.where == f"{tmp_path / 'log.csv'}, row 5"


def test_rows_with_too_few_fields_are_said(tmp_path: Path) -> None:
    with pytest.warns(InputWarning, match="1 rows have fewer than 3 fields, first row 3"):
        read(tmp_path, "user_id,item_id,shelf\nu1,a,x\nu2,b\n")


def test_ids_are_trimmed_in_the_log_the_item_table_and_in_requests(tmp_path: Path) -> None:
    rows = [row.replace(",", ", ") + (" " if n % 2 else "") for n, row in enumerate(plain_log())]
    write_text(tmp_path / "items.csv", "item_id,title\n" + "".join(f"i{n} ,t\n" for n in range(15)))
    log = write_text(tmp_path / "log.csv", "user_id, item_id\n" + "\n".join(rows))
    with pytest.warns(InputWarning, match="white space"):
        dataset = prepare(log, tmp_path / "out", items=tmp_path / "items.csv")
    assert (dataset.n_users, dataset.n_items) == (20, 15)
    model = triptych.fit("item-knn", triptych.split(dataset, "ratio"))
    assert model.recommend([" u1\u00a0"], k=1).to_polars()["user_id"].to_list() == ["u1"]
    assert model.recommend_from_history({"new": ["i3 "]}, k=1).items.shape == (1, 1)


@pytest.mark.parametrize(
    ("one", "other"), [("caf\u00e9", "cafe\u0301"), ("u", "u\u200b"), ("u", "u\0"), ("a\u00a0b", "a b")]
)
def test_ids_that_only_look_the_same_stay_different_and_are_said(tmp_path: Path, one: str, other: str) -> None:
    with pytest.warns(InputWarning, match="differ from others by invisible characters"):
        dataset = read(tmp_path, HEADER + f"{one},a\n{other},b\n")
    assert set(dataset.users.ids) == {one, other}


@pytest.mark.parametrize(("dtype", "first"), [(pl.Float64, 9_148_955_329_465_708_000), (pl.Float32, 2**24)])
def test_ids_that_lost_digits_as_floats_are_refused(tmp_path: Path, dtype: Any, first: int) -> None:
    frame = pl.DataFrame({"user_id": [first, first + 7], "item_id": [1, 2]})
    assert dataset_from_frames(frame).n_users == 2
    with pytest.raises(InputError, match="no room for its last digits") as caught:
        dataset_from_frames(frame.with_columns(pl.col("user_id").cast(dtype)))
    assert "Int64" in str(caught.value.hint)


def test_whole_numbers_with_gaps_that_pandas_wrote_as_floats_are_whole_again(tmp_path: Path) -> None:
    ids = pd.Series([12.0, 13.0, None])
    frame = pd.DataFrame({"user_id": ids, "item_id": [1, 2, 3]})
    assert dataset_from_frames(frame, settings=PrepareSettings(nulls="drop")).users.ids.to_list() == ["12", "13"]
    with pytest.warns(InputWarning, match='"12.0" were floats'):
        dataset = read(tmp_path, frame.to_csv(index=False), nulls="drop")
    assert dataset.users.ids.to_list() == ["12", "13"]


def test_ids_in_scientific_notation_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="without its last digits") as caught:
        read(tmp_path, HEADER + "u1,a\n9.14896E+18,b\n")
    assert "row 3" in str(caught.value.where)


def test_ids_that_look_like_missing_values_are_said(tmp_path: Path) -> None:
    with pytest.warns(InputWarning, match='2 rows have "NULL", "nan" as user id'):
        dataset = read(tmp_path, HEADER + "u1,a\nnan,b\nNULL,c\n")
    assert dataset.n_users == 3


def test_a_file_without_a_header_keeps_its_first_row(tmp_path: Path) -> None:
    rows = "A01,B01,5,1600000101\nA02,B01,4,1600000102\n"
    with pytest.raises(InputError, match="no column looks like user ids") as caught:
        read(tmp_path, rows)
    assert "`no_header=True` and `columns=" in str(caught.value.hint)
    dataset = read(tmp_path, rows, no_header=True, columns="user,item,rating,time")
    assert pairs(dataset) == {("A01", "B01"), ("A02", "B01")}
    with pytest.warns(InputWarning, match="row 1 is read as the header"):
        read(tmp_path, rows + "A01,B02,3,1600000103\n", user_column="A01", item_column="B01")
    with pytest.raises(InputError, match="3 column names for 4 fields"):
        read(tmp_path, rows, no_header=True, columns="user,item,rating")
    for settings in ({"no_header": True}, {"columns": "user,item"}):
        with pytest.raises(SettingsError):
            PrepareSettings(**settings)


def test_a_missing_time_is_an_error_unless_it_is_said_what_to_do(tmp_path: Path) -> None:
    text = "user_id,item_id,timestamp\nu,a,1\nu,b,\nu,c,3\nu,d,4\n"
    with pytest.raises(InputError, match="the time is empty") as caught:
        read(tmp_path, text, split="leave-one-out")
    assert caught.value.where == f'{tmp_path / "log.csv"}, row 3, column "timestamp"'
    with pytest.warns(InputWarning, match="1 rows without a time were left out"):
        dataset = read(tmp_path, text, missing_times="drop", split="leave-one-out")
    assert dataset.about["split"] == "leave one out, by time"
    with pytest.warns(InputWarning, match="no times are used"):
        dataset = read(tmp_path, text, missing_times="ignore", split="leave-one-out")
    assert len(dataset.interactions) == 4


def test_dislikes_are_left_out_and_said(tmp_path: Path) -> None:
    text = "user_id,item_id,rating\nu,a,1\nu,b,-1\nu,c,0\nv,a,1\n"
    with pytest.warns(InputWarning, match=r"2 rows with a rating of 0 or less are left out"):
        dataset = read(tmp_path, text)
    assert pairs(dataset) == {("u", "a"), ("v", "a")}
    assert cleaning(dataset)["rows_of_negative_ratings"] == 2
    assert len(read(tmp_path, text, negative_ratings="keep").interactions) == 4
    assert len(read(tmp_path, text, min_rating=-1).interactions) == 4


@pytest.mark.parametrize("words", [("like", "dislike"), ("True", "False"), ("Yes", "no")])
def test_words_and_truth_values_are_ratings(tmp_path: Path, words: tuple[str, str]) -> None:
    with pytest.warns(InputWarning, match="says no"):
        dataset = read(tmp_path, f"user_id,item_id,rating\nu,a,{words[0]}\nu,b,{words[1]}\n")
    assert pairs(dataset) == {("u", "a")}


def test_stars_count_all_and_their_range_is_said(tmp_path: Path) -> None:
    dataset = read(tmp_path, "user_id,item_id,rating\nu,a,1\nu,b,3\nu,c,5\nv,a,4\n")
    assert dataset.about["ratings"] == {
        "lowest": 1,
        "highest": 5,
        "missing": 0,
        "dropped_by_minimum": {"3": 1, "4": 2},
    }


def test_item_ids_that_look_like_lists_are_said_and_read_as_lists_where_asked(tmp_path: Path) -> None:
    text = "session_id,item_id\ns1,B01 B02\ns2,B02 B03\ns3,B01 B03\n"
    with pytest.warns(InputWarning, match='`item_separator=" "`'):
        assert read(tmp_path, text).n_items == 3
    dataset = read(tmp_path, text, item_separator=" ")
    assert dataset.items.ids.to_list() == ["B01", "B02", "B03"]
    assert len(dataset.interactions) == 6
    lists = pl.DataFrame({"user_id": ["u", "v"], "item_id": [["a", "b"], ["b"]]})
    assert pairs(dataset_from_frames(lists)) == {("u", "a"), ("u", "b"), ("v", "b")}


def test_titles_with_spaces_are_no_lists(tmp_path: Path) -> None:
    read(tmp_path, HEADER + "u1,Half-Life 2\nu2,Dota 2\nu1,Portal Two\n")


def test_unused_columns_of_mixed_types_do_not_matter() -> None:
    frame = pd.DataFrame({"user": [1, "a", 2.0], "item": ["x", "y", "z"], "note": [1, "a", None]})
    assert dataset_from_frames(frame).users.ids.to_list() == ["1", "a", "2"]


def test_the_summary_knows_which_columns_were_used(tmp_path: Path) -> None:
    dataset = read(tmp_path, "reviewerID,asin,overall,text\nu,a,5,x\n")
    assert dataset.about["columns"] == {"user": "reviewerID", "item": "asin", "rating": "overall", "unused": ["text"]}


def test_files_of_a_folder_that_are_not_read_are_said(tmp_path: Path) -> None:
    write_text(tmp_path / "ml" / "ratings.csv", "userId,movieId,rating\n1,2,5\n1,3,4\n")
    write_text(tmp_path / "ml" / "tags.csv", "userId,movieId,tag\n1,2,x\n")
    with pytest.warns(InputWarning, match="not read: tags.csv"):
        prepare(tmp_path / "ml", tmp_path / "out")


def test_parts_of_a_table_name_their_own_file_in_errors(tmp_path: Path) -> None:
    write_text(tmp_path / "log" / "part-0.csv", HEADER + "u1,a\n")
    write_text(tmp_path / "log" / "part-1.csv", HEADER + "u1,b\n,c\n")
    with pytest.raises(InputError, match="user id is empty") as caught:
        prepare(tmp_path / "log", tmp_path / "out")
    assert caught.value.where == f"{tmp_path / 'log' / 'part-1.csv'}, row 3"


def test_two_item_tables_are_joined_and_must_not_contradict_each_other(tmp_path: Path) -> None:
    log = write_text(tmp_path / "log.csv", HEADER + "u1,a\nu1,b\nu2,a\n")
    titles = write_text(tmp_path / "titles.csv", "item_id,title,year\na,A,1990\nb,B,\n")
    years = write_text(tmp_path / "years.csv", "item,year\nb,1991\nc,1992\n")
    with pytest.warns(InputWarning, match="1 items are in both, 1 in the first only, 1 in the second only"):
        dataset = prepare(log, tmp_path / "out", items=[titles, years])
    assert dataset.item_table is not None
    assert dataset.item_table.select("item_id", "title", "year").rows() == [
        ("a", "A", "1990"),
        ("b", "B", "1991"),
        ("c", None, "1992"),
    ]
    write_text(years, "item,year\na,2000\n")
    with pytest.raises(InputError, match=r'another value than titles.csv for item "a": "2000" and "1990"'):
        prepare(log, tmp_path / "other", items=[titles, years])


def test_items_of_two_frames_are_joined_in_memory() -> None:
    log = pl.DataFrame({"user": ["u", "v"], "item": ["a", "b"]})
    one, other = pl.DataFrame({"item": ["a", "b"], "x": [1, 2]}), pl.DataFrame({"item": ["b", "a"], "y": [3, 4]})
    with pytest.warns(InputWarning, match="2 items are in both"):
        dataset = dataset_from_frames(log, items=[one, other])
    assert dataset.item_table is not None
    assert dataset.item_table["y"].to_list() == [4, 3]


def test_json_lines_keep_long_numbers_lists_and_objects(tmp_path: Path) -> None:
    rows = [
        {"user": 2**60 + 7, "item": "a", "tags": ["x", 1], "more": {"k": [1]}, "mixed": 1},
        {"user": 5, "item": "b", "tags": [], "mixed": "one"},
    ]
    dataset = read(tmp_path, "\n".join(map(json.dumps, rows)) + "\n\n", "log.jsonl")
    assert dataset.users.ids.to_list() == [str(2**60 + 7), "5"]
    assert cleaning(read(tmp_path, json.dumps(rows), "log.json"))["rows_read"] == 2
    with pytest.raises(InputError, match="is not JSON") as caught:
        read(tmp_path, '{"user": 1, "item": 2}\n{"user": 1, "item"\n', "log.jsonl")
    assert caught.value.where == f"{tmp_path / 'log.jsonl'}, row 2"


def test_json_columns_whose_types_differ_between_blocks_lose_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(json_tables, "BLOCK", 2)
    values: list[Any] = [None, 1, 2.5, None, "x", ["a", 1], [{"k": 1}], None, True]
    rows = [{"user": n, "item": n % 2, **({} if value is None else {"v": value})} for n, value in enumerate(values)]
    path = write_text(tmp_path / "log.jsonl", "\n".join(map(json.dumps, rows)))
    frame = json_tables.read_json_rows(open_text(path)).frame
    assert frame["user"].to_list() == list(range(len(values)))
    assert frame["v"].to_list() == [None, "1", "2.5", None, "x", '["a", 1]', '[{"k": 1}]', None, "True"]
    same = [{"user": n, "item": 1, "tags": [str(n)]} for n in range(5)]
    write_text(path, "\n".join(map(json.dumps, same)))
    assert json_tables.read_json_rows(open_text(path)).frame["tags"].to_list() == [[str(n)] for n in range(5)]
