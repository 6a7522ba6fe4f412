"""Conditions over the item table: what they find, and what is refused."""

from __future__ import annotations

import contextlib

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from triptych.data.item_conditions import items_where
from triptych.errors import InputError, SettingsError

TABLE = pl.DataFrame(
    {
        "item_id": ["a", "b", "c"],
        "price": ["10.5", "60", None],  # of a text file
        "category": ["shoes|red", "hat", None],
        "tags": [["x", "y"], ["z"], None],
        "my size": [1, 2, 3],
        "code": ["007", "7", "8"],
        "grade": ["1", "B", "3"],
    }
)


@pytest.mark.parametrize(
    ("condition", "found"),
    [
        ("price < 50", "a"),
        ("price < 50 and 'shoes' in category", "a"),
        ("'shoes' NOT IN category", "bc"),
        ("NOT 'red' in category and price > 0", "b"),
        ("'x' in tags or 'z' in tags", "ab"),
        ("2 in `my size`", "b"),
        ('"my size" >= 2', "bc"),
        ("code = '007'", "a"),  # texts stay texts where they are compared with texts
        ("code = '007' and price = 10.5", "a"),
        ("code < 8", "ab"),
        ("category = 'x in tags'", ""),  # inside quotes, `in` is no word
        ("'hat' in ('hat', 'cap')", "abc"),
        ("category like 'ha%' or price between 10 and 11", "ab"),
        ("price is null", "c"),
        ("price > avg(price)", "b"),
    ],
)
def test_a_condition_finds_the_items_that_satisfy_it(condition: str, found: str) -> None:
    assert "".join(TABLE["item_id"].filter(pl.Series(items_where(TABLE, condition)))) == found


def test_an_expression_of_polars_is_a_condition_too() -> None:
    assert items_where(TABLE, pl.col("my size").is_between(2, 3)).tolist() == [False, True, True]


@pytest.mark.parametrize(
    ("condition", "error"),
    [
        ("prize < 50", 'no column "prize"\n  hint: did you mean "price"'),
        ("'x' in tag", 'no column "tag"\n  hint: did you mean "tags"'),
        ('category == "hat"', "Texts stand in single quotes: 'hat'"),
        ("grade < 2", 'column "grade": "B" is not a number'),
        ("price", "is String, not true or false"),
        ("price <", "cannot read the condition"),
        ("price < 50; drop table x", "cannot read the condition"),
        ("price < (select 1)", "fails"),
        ("nosuch(price) < 1", "cannot read the condition"),
        (" ", "is empty"),
    ],
)
def test_a_condition_that_cannot_be_computed_is_refused(condition: str, error: str) -> None:
    with pytest.raises(SettingsError) as caught:
        items_where(TABLE, condition)
    assert error in str(caught.value)


def test_an_unknown_column_of_an_expression_is_refused() -> None:
    with pytest.raises(SettingsError, match='no column "cost"'):
        items_where(TABLE, pl.col("cost") < 3)


def test_without_an_item_table_there_is_no_condition() -> None:
    for table in (None, TABLE.select("item_id")):
        with pytest.raises(InputError, match="no item table"):
            items_where(table, "price < 50")


@given(st.text(max_size=30))
def test_no_text_breaks_the_reading_of_conditions(text: str) -> None:
    with contextlib.suppress(SettingsError):
        assert len(items_where(TABLE, text)) == len(TABLE)


VALUES = st.text(st.characters(codec="utf-8", exclude_characters="|;,\0", exclude_categories=["Zs", "Cc"]), max_size=5)


@given(st.lists(st.lists(VALUES.filter(lambda v: v.strip() == v and v not in ("", "[")), max_size=3), min_size=1))
def test_any_value_is_found_among_several(rows: list[list[str]]) -> None:
    lists = pl.DataFrame({"item_id": map(str, range(len(rows))), "tags": pl.Series(rows, dtype=pl.List(pl.String))})
    for value in {value for row in rows for value in row}:
        quoted = value.replace("'", "''")
        assert items_where(lists, f"'{quoted}' in tags").tolist() == [value in row for row in rows]
