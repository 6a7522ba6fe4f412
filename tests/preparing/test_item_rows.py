"""Several rows of one item in an item table: repetitions are merged, and what differs is asked for or collected."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from preparing.small import write_text
from triptych.cli.app import run
from triptych.data.formats.item_rows import DuplicateItems, merge_item_rows
from triptych.data.formats.tables import Table
from triptych.encoding import table_texts
from triptych.errors import InputError, InputWarning
from triptych.preparing import PrepareSettings, dataset_from_frames, extend_dataset, prepare

LOG = "user_id,item_id\nu1,a\nu1,b\nu2,a\nu2,c\n"
LONG = "item_id,title,genre\na,One,War\nb,Two,Drama\na,One,Drama\nc,Three,\na,One,War\n"


def files(folder: Path, items: str = LONG) -> tuple[Path, Path]:
    return write_text(folder / "log.csv", LOG), write_text(folder / "items.csv", items)


def test_rows_that_repeat_another_are_merged_with_a_line(tmp_path: Path) -> None:
    log, items = files(tmp_path, "item_id,title\na,One\nb,Two\na,One\nc,Three\na,One\n")
    with pytest.warns(InputWarning, match=r"items\.csv: 2 rows repeat the row of an item"):
        dataset = prepare(log, tmp_path / "out", items=items)
    assert dataset.items.ids.to_list() == ["a", "b", "c"]
    assert dataset.item_table is not None
    assert dataset.item_table["title"].to_list() == ["One", "Two", "Three"]


def test_rows_that_differ_are_refused_and_the_option_is_named(tmp_path: Path) -> None:
    log, items = files(tmp_path)
    with pytest.raises(InputError, match='item id "a" appears twice, with other values of genre') as caught:
        prepare(log, tmp_path / "out", items=items)
    assert caught.value.where == f'{items}, row 4, column "item_id"'
    assert "`duplicate_items` be first, last or lists" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("choice", "title", "genre"),
    [
        ("first", ["One", "Two", "Three"], ["War", "Drama", None]),
        ("last", ["One", "Two", "Three"], ["War", "Drama", None]),
        ("lists", ["One", "Two", "Three"], [["War", "Drama"], ["Drama"], None]),
    ],
)
def test_rows_that_differ_are_chosen_or_collected(
    tmp_path: Path, choice: DuplicateItems, title: list[str], genre: list[object]
) -> None:
    log, items = files(tmp_path)
    with pytest.warns(InputWarning, match=r'2 rows of items that are there already, .* genre, as of item "a"'):
        dataset = prepare(log, tmp_path / "out", PrepareSettings(duplicate_items=choice), items=items)
    assert dataset.item_table is not None
    assert dataset.item_table["title"].to_list() == title
    assert dataset.item_table["genre"].to_list() == genre


def test_the_long_form_gives_metadata_of_several_values(tmp_path: Path) -> None:
    log, items = files(tmp_path, LONG + "b,Two,War\n")
    settings = PrepareSettings(duplicate_items="lists", multi=("genre",))
    with pytest.warns(InputWarning):
        metadata = prepare(log, tmp_path / "out", settings, items=items).features["metadata"]
    assert (np.asarray(metadata.table) != 0).sum(axis=1).tolist() == [2, 2, 0]
    assert metadata.present.tolist() == [True, True, False]


def test_last_is_the_last_row_of_each_item() -> None:
    frame = pl.DataFrame({"item_id": ["a", "b", "a", "b"], "year": [1, 2, 3, 4]})
    merged = merge_item_rows(Table(frame, Path("items.csv"), 2), duplicates="last")
    assert merged.frame.rows() == [("a", 3), ("b", 4)]
    assert [merged.row(0), merged.row(1)] == [4, 5]


def test_frames_and_lists_are_merged_too() -> None:
    items = pl.DataFrame({"item_id": [1, 2, 1], "tags": [["x"], ["y"], ["z", "x"]]})
    log = pl.DataFrame({"user_id": [7, 7, 8], "item_id": [1, 2, 1]})
    with pytest.warns(InputWarning, match="tags"):
        dataset = dataset_from_frames(log, items=items, settings=PrepareSettings(duplicate_items="lists"))
    assert dataset.item_table is not None
    assert dataset.item_table["tags"].to_list() == [["x", "z"], ["y"]]


def test_new_items_and_texts_to_encode_are_merged_too(tmp_path: Path) -> None:
    log, items = files(tmp_path, LONG + "b,Two,War\n")
    settings = PrepareSettings(duplicate_items="lists", multi=("genre",))
    with pytest.warns(InputWarning):
        dataset = prepare(log, tmp_path / "out", settings, items=items)
    new = write_text(tmp_path / "new.csv", "item_id,title,genre\nd,Four,War\nd,Four,Drama\n")
    with pytest.warns(InputWarning, match=r"new\.csv: 1 rows of items"):
        extended = extend_dataset(dataset, new, tmp_path / "more", duplicate_items="lists")
    assert (np.asarray(extended.features["metadata"].table)[3] != 0).sum() == 2
    merged = merge_item_rows(Table(pl.read_csv(items), items, 2), duplicates="lists")
    assert table_texts(merged, {"title": "", "genre": "|"}).contents == ["One. War, Drama", "Two. Drama, War", "Three"]


def test_a_misspelt_choice_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, items = files(tmp_path)
    assert run(["encode", str(items), "--text", "title", "--duplicate-items", "list", "-o", str(tmp_path / "f")]) != 0
    assert "error, first, last, lists" in capsys.readouterr().err


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from([None, "x", "y", "z"])), min_size=1, max_size=12))
def test_lists_hold_the_distinct_values_of_each_item(rows: list[tuple[str, str | None]]) -> None:
    frame = pl.DataFrame(rows, schema={"item_id": pl.String, "genre": pl.String}, orient="row")
    merged = merge_item_rows(Table(frame, Path("items.csv"), 2), duplicates="lists").frame
    assert merged["item_id"].to_list() == list(dict.fromkeys(item for item, _ in rows))
    for item, given_values in merged.rows():
        expected = list(dict.fromkeys(value for each, value in rows if each == item and value is not None))
        values = given_values if isinstance(given_values, list) else [given_values]
        assert [each for each in values if each is not None] == expected


def test_a_table_of_ids_alone_may_repeat_them() -> None:
    merged = merge_item_rows(Table(pl.DataFrame({"item_id": ["a", "b", "a"]}), Path("items.csv"), 2))
    assert merged.frame["item_id"].to_list() == ["a", "b"]
    assert "1 rows repeat" in merged.notes[0]
