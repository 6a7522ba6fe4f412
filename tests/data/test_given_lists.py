"""Lists from other programs are read in all their forms, and what is wrong in them is refused with its row."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from triptych.data.formats.given_lists import GivenLists, ListForm, read_given_lists
from triptych.errors import InputError, SettingsError

Expected = dict[str, list[str]]
LISTS: Expected = {"u2": ["i3", "i1", "007"], "u1": ["i1", "i2", "i9"]}
LONG = [(user, item, rank, 1 / rank) for user, items in LISTS.items() for rank, item in enumerate(items, start=1)]


def as_dict(lists: GivenLists) -> Expected:
    items, bounds = lists.items.to_list(), lists.starts.tolist()
    return {user: items[bounds[n] : bounds[n + 1]] for n, user in enumerate(lists.users.to_list())}


def written(path: Path, content: str | pl.DataFrame | object) -> Path:
    if isinstance(content, str):
        path.write_text(content, encoding="utf-8")
    elif isinstance(content, pl.DataFrame):
        content.write_parquet(path)
    else:
        path.write_text(json.dumps(content), encoding="utf-8")
    return path


def long_frame(columns: str = "user_id,item_id,rank,score") -> pl.DataFrame:
    return pl.DataFrame(LONG, schema=["user_id", "item_id", "rank", "score"], orient="row").select(columns.split(","))


@pytest.mark.parametrize("columns", ["user_id,item_id,rank,score", "user_id,item_id,rank", "user_id,item_id,score"])
@pytest.mark.parametrize("ending", [".csv", ".tsv", ".parquet", ".jsonl"])
def test_long_files_are_ordered_by_rank_else_by_score_whatever_the_order_of_rows(
    columns: str, ending: str, tmp_path: Path
) -> None:
    frame, path = long_frame(columns).sample(fraction=1, shuffle=True, seed=2), tmp_path / f"lists{ending}"
    if ending == ".parquet":
        frame.write_parquet(path)
    elif ending == ".jsonl":
        frame.write_ndjson(path)
    else:
        frame.write_csv(path, separator="\t" if ending == ".tsv" else ",")
    assert as_dict(read_given_lists(path)) == LISTS


def test_without_ranks_and_scores_the_rows_are_in_order(tmp_path: Path) -> None:
    path = tmp_path / "lists.csv"
    long_frame("user_id,item_id").write_csv(path)
    assert as_dict(read_given_lists(path)) == LISTS
    ignoring = ListForm({"rank": "-", "score": "-"})
    long_frame().reverse().write_csv(path)
    assert as_dict(read_given_lists(path, ignoring)) == {user: items[::-1] for user, items in LISTS.items()}


def test_ranks_may_begin_at_0() -> None:
    frame = long_frame("user_id,item_id,rank").with_columns(pl.col("rank") - 1)
    assert as_dict(read_given_lists(frame)) == LISTS


@pytest.mark.parametrize("separator", [" ", "|", ",", ";", ", "])
@pytest.mark.parametrize("header", ["user_id,item_ids", "customer_id,prediction", "session_id,labels"])
def test_wide_files_have_the_items_of_a_user_in_one_field(separator: str, header: str, tmp_path: Path) -> None:
    rows = [f'{user},"{separator.join(items)}"' for user, items in LISTS.items()]
    path = written(tmp_path / "lists.csv", "\n".join([header, *rows, 'u3,""']))
    assert as_dict(read_given_lists(path)) == {**LISTS, "u3": []}


def test_a_column_of_single_items_may_hold_lists_too(tmp_path: Path) -> None:
    rows = [f"{user},{' '.join(items)}" for user, items in LISTS.items()]
    path = written(tmp_path / "lists.csv", "\n".join(["user_id,item_id", *rows]))
    assert as_dict(read_given_lists(path)) == LISTS


def test_columns_of_other_names_are_named(tmp_path: Path) -> None:
    wide = pl.DataFrame({"who": list(LISTS), "what": [">".join(items) for items in LISTS.values()], "note": ["", ""]})
    path = tmp_path / "lists.csv"
    wide.write_csv(path)
    with pytest.raises(InputError, match=r"no column looks like user ids \(columns: who, what, note\)"):
        read_given_lists(path)
    form = ListForm({"user": "who", "items": "what"}, ">")
    assert as_dict(read_given_lists(path, form)) == LISTS
    long_frame().rename({"user_id": "a", "item_id": "b", "rank": "c"}).write_csv(path)
    assert as_dict(read_given_lists(path, ListForm({"user": "a", "item": "b", "rank": "c"}))) == LISTS
    with pytest.raises(SettingsError, match='unknown column "itms"'):
        ListForm({"itms": "b"})
    with pytest.raises(SettingsError, match="no item, rank or score"):
        ListForm({"items": "b", "rank": "c"})


@pytest.mark.parametrize("write", [str, json.dumps, lambda items: str(np.array(items))])
def test_lists_may_be_written_as_python_json_and_numpy_write_them(write: Any, tmp_path: Path) -> None:
    frame = pl.DataFrame({"user_id": list(LISTS), "prediction": [write(items) for items in LISTS.values()]})
    frame.write_csv(tmp_path / "lists.csv")
    assert as_dict(read_given_lists(tmp_path / "lists.csv")) == LISTS


def test_lists_in_columns_of_frames_and_files(tmp_path: Path) -> None:
    wide = pl.DataFrame({"user_id": list(LISTS), "items": list(LISTS.values())})
    wide.write_parquet(tmp_path / "lists.parquet")
    wide.write_ndjson(tmp_path / "lists.jsonl")
    numbers = {7: [3, 1], 8: [1, 2]}
    frame = pd.DataFrame({"user": list(numbers), "items": [np.array(each) for each in numbers.values()]})
    for given_lists in (wide, wide.to_pandas(), wide.to_arrow(), LISTS, tmp_path / "lists.parquet"):
        assert as_dict(read_given_lists(given_lists)) == LISTS
    assert as_dict(read_given_lists(str(tmp_path / "lists.jsonl"))) == LISTS
    for integers in (numbers, frame, pa.table({"user": [7, 8], "items": [[3, 1], [1, 2]]})):
        assert as_dict(read_given_lists(integers)) == {"7": ["3", "1"], "8": ["1", "2"]}


@pytest.mark.parametrize("name", ["a.trec", "a.run", "a.txt", "bm25", "a.trec.gz"])
def test_trec_runs_are_ordered_by_score_then_rank_whatever_separates_the_fields(name: str, tmp_path: Path) -> None:
    lines = ["u2 Q0 i1 2 1.5 tag", "u2  Q0\ti3 9 2.5 my tag", "", "u1 Q0 i1 1 0 t", "u2 Q0 007 3 1.5 t"]
    path = written(tmp_path / "plain", "\n".join([*lines, "u1 Q0 i2 2 0 t", "u1 Q0 i9 3 -1e-3 t", ""]))
    content = path.read_bytes()
    if name.endswith(".gz"):
        import gzip

        content = gzip.compress(content)
    (tmp_path / name).write_bytes(content)
    assert as_dict(read_given_lists(tmp_path / name)) == LISTS


def test_a_json_file_of_ranx_maps_users_to_scores(tmp_path: Path) -> None:
    run = {user: {item: score for name, item, _, score in reversed(LONG) if name == user} for user in LISTS}
    assert as_dict(read_given_lists(written(tmp_path / "run.json", run))) == LISTS
    assert as_dict(read_given_lists(run)) == LISTS
    assert as_dict(read_given_lists(written(tmp_path / "lists.json", LISTS))) == LISTS
    frame = long_frame("user_id,item_id,score").rename({"user_id": "q_id", "item_id": "doc_id"})
    assert as_dict(read_given_lists(written(tmp_path / "run.parquet", frame))) == LISTS


def test_json_rows_are_no_run(tmp_path: Path) -> None:
    rows = [{"user_id": user, "item_id": item} for user, item, _, _ in LONG]
    assert as_dict(read_given_lists(written(tmp_path / "rows.json", rows))) == LISTS
    path = written(tmp_path / "lines.json", "\n".join(map(json.dumps, rows)))
    assert as_dict(read_given_lists(path)) == LISTS


CSV = "user_id,item_id,rank,score\n"
BROKEN = {
    "an item twice": (f"{CSV}u1,i1,1,3\nu1,i1,2,2\n", r'row 3: item "i1" is twice in the list of user "u1"'),
    "a gap": (f"{CSV}u1,i1,1,3\nu1,i2,3,2\n", r'row 3: rank 3 of user "u1" comes where rank 2 should be'),
    "a rank twice": (f"{CSV}u1,i1,1,3\nu1,i2,1,2\n", r"row 3: rank 1 of user .* where rank 2"),
    "no first rank": (f"{CSV}u2,i1,1,3\nu1,i1,2,3\nu1,i2,3,2\n", r"row 3: rank 2 of user .* where rank 1"),
    "a rank that is none": (f"{CSV}u1,i1,first,3\n", r'row 2, column "rank": "first" is not a number'),
    "no rank": (f"{CSV}u1,i1,,3\n", r'row 2, column "rank": a rank of user "u1" is empty or NaN'),
    "NaN": ("user_id,item_id,score\nu1,i1,3\nu1,i2,NaN\n", r'row 3, column "score": a score of user "u1" is empty or'),
    "infinity": ("user_id,item_id,score\nu1,i1,inf\n", r"row 2.*is not a number"),
    "no user": (f"{CSV}u1,i1,1,3\n,i2,2,2\n", r"row 3.*the user id is empty"),
    "no item": (f"{CSV}u1,,1,3\n", r"row 2.*the item id is empty"),
    "two lists": ("user_id,item_id\nu1,i1\nu2,i1\nu1,i2\n", r'row 4: user "u1" is listed twice, first in row 2'),
    "two rows": ("user_id,item_ids\nu1,i1 i2\nu2,i1\nu1,i3\n", r'row 4: user "u1" is listed twice, first in row 2'),
    "twice in a row": ("user_id,item_ids\nu1,i1 i2\nu2,i1 i3 i1\n", r'row 3: item "i1" is twice in the list of .*"u2"'),
    "no columns": (
        "user_id,a,b\nu1,2,3\n",
        r"no column looks like item ids, or lists of them \(columns: user_id, a, b",
    ),
}


@pytest.mark.parametrize("problem", BROKEN)
def test_what_is_wrong_is_refused_with_its_row(problem: str, tmp_path: Path) -> None:
    content, message = BROKEN[problem]
    with pytest.raises(InputError, match=message):
        read_given_lists(written(tmp_path / "lists.csv", content))


def test_broken_runs_are_refused_with_their_line(tmp_path: Path) -> None:
    path = written(tmp_path / "a.trec", "u1 Q0 i1 1 2.0 t\n\nu1 Q0 i2 2 1.0\n")
    with pytest.raises(InputError, match=r"a\.trec, row 3: is not a line of a TREC run"):
        read_given_lists(path)
    path = written(tmp_path / "a.trec", "u1 Q0 i1 1 2.0 t\n\nu1 Q0 i1 2 1.0 t\n")
    with pytest.raises(InputError, match=r'a\.trec, row 3: item "i1" is twice'):
        read_given_lists(path)
    with pytest.raises(InputError, match=r'"u1" is there twice in one object'):
        read_given_lists(written(tmp_path / "a.json", '{"u1": {"i1": 1}, "u1": {"i2": 1}}'))
    with pytest.raises(InputError, match=r'a score of user "u1" is empty or NaN'):
        read_given_lists(written(tmp_path / "a.json", '{"u1": {"i1": NaN}}'))
    with pytest.raises(InputError, match="scores for some users and lists for others"):
        read_given_lists({"u1": {"i1": 1}, "u2": ["i1"]})
    with pytest.raises(InputError, match='"i1" of user "u1" is not a list'):
        read_given_lists({"u1": "i1"})


def test_an_empty_item_in_a_list_is_refused() -> None:
    frame = pl.DataFrame({"user_id": ["u1", "u2"], "items": [["i1"], ["i1", None]]})
    with pytest.raises(InputError, match="row 1: an item id is empty"):
        read_given_lists(frame)


def test_scores_that_contradict_the_ranks_are_a_note() -> None:
    frame = long_frame().with_columns(-pl.col("score"))
    lists = read_given_lists(frame)
    assert as_dict(lists) == LISTS
    assert lists.notes == ("lists: the scores of 2 lists do not descend; the ranks decide about the order",)


@settings(max_examples=30)
@given(
    st.dictionaries(
        st.integers(0, 99).map(lambda n: f"u{n}"),
        st.lists(st.integers(0, 40).map(lambda n: f"i{n}"), unique=True, min_size=1, max_size=9),
        min_size=1,
        max_size=12,
    ),
    st.randoms(use_true_random=False),
)
def test_every_form_says_the_same(lists: Expected, chance: random.Random) -> None:
    rows = [(user, item, n, -float(n)) for user, items in lists.items() for n, item in enumerate(items)]
    frame = pl.DataFrame(rows, schema=["user_id", "item_id", "rank", "score"], orient="row")
    chance.shuffle(rows)
    shuffled = pl.DataFrame(rows, schema=frame.schema, orient="row")
    wide = pl.DataFrame({"user_id": list(lists), "items": list(lists.values())})
    forms = [frame.select("user_id", "item_id"), shuffled.drop("score"), shuffled.drop("rank"), wide, lists]
    for each in forms:
        assert as_dict(read_given_lists(each)) == lists
