"""Pictures and texts are matched with items, and unclear inputs are refused with a hint."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from encoding.encoders import draw
from triptych.data.formats.tables import Table
from triptych.encoding import folder_pictures, table_pictures, table_texts, text_columns
from triptych.errors import InputError, SettingsError


@pytest.fixture
def table(tmp_path: Path) -> Table:
    (tmp_path / "items.csv").write_text(
        "sku,title,genres,about\n007,Dr. No,Spy| Action ,  An\n8,,Drama,\n9,,,\n10,{x},|,of {braces}\n"
    )
    return Table(pl.read_csv(tmp_path / "items.csv", infer_schema=False), tmp_path / "items.csv", 2)


def test_columns_are_joined_and_empty_fields_are_left_out(table: Table) -> None:
    inputs = table_texts(table, text_columns(["title", "genres=|", "about"]))
    assert inputs.ids == ["007", "8", "9", "10"]
    assert inputs.contents == ["Dr. No. Spy, Action. An", "Drama", None, "{x}. of {braces}"]


def test_a_template_joins_columns_into_a_text(table: Table) -> None:
    inputs = table_texts(table, text_columns(["genres=|"]), "{title} ({genres}) {{!}}")
    assert inputs.contents == ["Dr. No (Spy, Action) {!}", "(Drama) {!}", None, "{x} () {!}"]
    assert inputs.about["template"] == "{title} ({genres}) {{!}}"


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{titel}", 'did you mean "title"'),
        ("{title", "not a template"),
        ("just words", "no plain {column}"),
        ("{title:>9}", "no plain {column}"),
        ("{}", 'a column ""'),
        ("{title.__class__}", "a column"),
    ],
)
def test_an_invalid_template_is_refused(table: Table, template: str, message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        table_texts(table, {}, template)
    assert message in str(caught.value)


@pytest.mark.parametrize("assignments", [["title", "title"], ["=|"], [""]])
def test_invalid_text_columns_are_refused(assignments: list[str]) -> None:
    with pytest.raises(SettingsError):
        text_columns(assignments)


def test_a_misspelt_column_is_refused_with_the_closest_name(table: Table, tmp_path: Path) -> None:
    with pytest.raises(InputError, match='did you mean "title"'):
        table_texts(table, {"titel": ""})
    with pytest.raises(InputError, match='has no column "poster"'):
        table_pictures(table, tmp_path, "poster")


def test_the_item_id_of_a_picture_in_a_folder_is_its_path_without_ending(tmp_path: Path) -> None:
    for name in ("b.png", "a/1.JPG", "a/2.jpeg", ".hidden/3.png", "read.me", "c.tar.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        draw(1).save(tmp_path / name, "PNG")
    inputs = folder_pictures(tmp_path)
    assert inputs.ids == ["a/1", "a/2", "b", "c.tar"]
    assert inputs.sources == ["a/1.JPG", "a/2.jpeg", "b.png", "c.tar.png"]


def test_two_pictures_of_one_item_are_refused(tmp_path: Path) -> None:
    draw(1).save(tmp_path / "a.png")
    draw(1).save(tmp_path / "a.jpg")
    with pytest.raises(InputError, match='second picture of item "a"'):
        folder_pictures(tmp_path)


def test_a_folder_without_pictures_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no pictures"):
        folder_pictures(tmp_path)
    with pytest.raises(InputError, match="no such folder"):
        folder_pictures(tmp_path / "pics")


def test_pictures_of_a_table_are_found_by_item_id(table: Table, tmp_path: Path) -> None:
    (tmp_path / "p").mkdir()
    for name in ("007.png", "9.png", "unknown.png"):
        draw(1).save(tmp_path / "p" / name)
    inputs = table_pictures(table, tmp_path / "p")
    assert inputs.ids == ["007", "8", "9", "10"]
    assert inputs.contents == [tmp_path / "p" / "007.png", None, tmp_path / "p" / "9.png", None]


def test_pictures_in_subfolders_are_found_by_file_name(table: Table, tmp_path: Path) -> None:
    """As the competitions lay them out: images/010/0108775015.jpg for item 0108775015."""
    ids = table.text(table.frame.columns[0]).to_list()
    for n, name in enumerate(ids):
        path = tmp_path / "images" / str(n % 2) / f"{name}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    by_id = table_pictures(table, tmp_path / "images")
    assert [path.stem for path in by_id.contents if isinstance(path, Path)] == ids
    for ending in (".jpg", ""):
        named = replace(table, frame=table.frame.with_columns(file=pl.col(table.frame.columns[0]) + ending))
        assert table_pictures(named, tmp_path / "images", "file").contents == by_id.contents
    (tmp_path / "images" / "1" / f"{ids[0]}.jpg").touch()
    with pytest.raises(InputError, match=f'several pictures named "{ids[0]}": 0/{ids[0]}.jpg and 1/{ids[0]}.jpg'):
        table_pictures(table, tmp_path / "images")
