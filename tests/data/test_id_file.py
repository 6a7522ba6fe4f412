"""Files of ids are read as their owners have them: lines, a header, a column of a table, a byte-order mark."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from triptych.data.formats.id_file import read_id_file
from triptych.data.formats.tables import Table, read_item_ids
from triptych.errors import InputError

IDS = ["007", "u 2", "Ü3"]


def read(path: Path, column: str = "") -> list[str]:
    return read_id_file(path, "user", column=column)[0].to_list()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("users.txt", "007\nu 2\nÜ3\n".encode()),
        ("users.txt", "\ufeff007\r\nu 2\r\n\r\n  Ü3 ".encode()),
        ("users.txt", "customer_id\n007\nu 2\nÜ3\n".encode()),
        ("users.csv", "\ufeffuser_id\r\n007\r\nu 2\r\nÜ3\r\n".encode()),
        ("users.csv", 'id\n"007"\n"u 2"\n"Ü3"\n'.encode()),
        ("users.csv", b"007\nu 2\n\xc3\x9c3"),
        ("users.txt", "007\nu 2\nÜ3\n".encode("utf-16")),
        ("sample.csv", "customer_id,prediction\n007,0706 0568\nu 2,\nÜ3,1\n".encode()),
        ("sample.tsv", "n\tuserId\n1\t007\n2\tu 2\n3\tÜ3\n".encode()),
        ("sample.txt", "n;user;x\n1;007;\n2;u 2;\n3;Ü3;\n".encode()),
        ("users.jsonl", '{"user": "007"}\n{"user": "u 2"}\n{"user": "Ü3"}\n'.encode()),
    ],
)
def test_the_ids_are_those_of_the_file(name: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    assert read(tmp_path / name) == IDS


def test_a_table_has_the_ids_in_its_user_column_or_in_the_one_that_is_named(tmp_path: Path) -> None:
    path = tmp_path / "users.parquet"
    pl.DataFrame({"who": IDS}).write_parquet(path)
    assert read(path) == IDS
    pl.DataFrame({"x": [1, 2, 3], "who": IDS}).write_parquet(path)
    assert read(path, "who") == IDS
    with pytest.raises(InputError, match=r"no column looks like user ids \(columns: x, who\)"):
        read(path)


def test_a_line_is_an_id_whatever_it_contains(tmp_path: Path) -> None:
    path = tmp_path / "users.txt"
    path.write_text('a,b\n"c\n', encoding="utf-8")
    assert read(path) == ["a,b", '"c']


def test_ids_that_differ_by_invisible_characters_are_noted(tmp_path: Path) -> None:
    path = tmp_path / "users.txt"
    path.write_text("u1\nu\u200b1\n", encoding="utf-8")
    assert any("u1" in note for note in read_id_file(path, "user")[1])


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("users.txt", b"", "has no ids"),
        ("users.txt", b"user_id\n", "has no ids below its header"),
        ("users.txt", b"a\n\xe9\n", "UTF-8"),
        ("sample.csv", b"user_id,items\na,1\n,2\n", "the user id is empty"),
    ],
)
def test_what_is_no_file_of_ids_is_named(name: str, content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        read(tmp_path / name)
    assert str(tmp_path / name) in str(caught.value.where)


def test_a_missing_file_or_a_folder_is_named(tmp_path: Path) -> None:
    for path, message in ((tmp_path / "none.txt", "no such file"), (tmp_path, "is a folder")):
        with pytest.raises(InputError, match=message):
            read(path)


def test_the_usual_names_of_columns_may_have_spaces_and_capitals_as_in_logs(tmp_path: Path) -> None:
    (tmp_path / "users.csv").write_text("Rank,Customer ID\n1,007\n")
    assert read(tmp_path / "users.csv", "Customer ID") == ["007"]
    pl.DataFrame({"Rank": [1], "User ID": ["007"]}).write_parquet(tmp_path / "users.parquet")
    assert read(tmp_path / "users.parquet") == ["007"]
    table = Table(pl.DataFrame({"Title": ["one"], "Item ID": ["007"]}), tmp_path / "items.csv")
    assert read_item_ids(table).to_list() == ["007"]
