"""A broken log or item table is refused with the file, the row and a hint, and nothing is written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from preparing.broken import (
    HEADER,
    Broken,
    assert_refused,
    log,
    option,
    table,
)

CASES: dict[str, Broken] = {
    # the log as a file
    "missing file": Broken("no such file", "lgo.csv", 'did you mean "log.csv"?', source="lgo.csv"),
    "missing file with a named format": Broken(
        "no such file", "lgo.csv", 'did you mean "log.csv"?', source="lgo.csv", settings={"format": "table"}
    ),
    "missing folder": Broken("no such file or folder", "nowhere/log.csv", "check the path", source="nowhere/log.csv"),
    "empty file": log("", "is empty", "log.csv", "check how it was written"),
    "header only": log(HEADER, "has no rows", "log.csv", "at least one row"),
    "a row with too many fields": log(
        HEADER + "u1,a,5,1\nu2,b,4,2,9\n", "5 fields where the header has 4", "log.csv, row 3", "correct that row"
    ),
    "not UTF-8": Broken(
        "is not UTF-8",
        "log.csv, row 3",
        "save the file as UTF-8",
        files={"log.csv": b"user_id,item_id\nu1,a\nu\xe9,b\n"},
    ),
    "unknown extension": Broken(
        "no known format", "log.xlsx", "a .csv, .tsv, .txt, .parquet", files={"log.xlsx": "x"}, source="log.xlsx"
    ),
    "unknown extension with a named format": Broken(
        'cannot read ".xlsx"',
        "log.xlsx",
        "give a .csv, .tsv, .txt, .parquet",
        files={"log.xlsx": "x"},
        source="log.xlsx",
        settings={"format": "table"},
    ),
    "damaged parquet": Broken(
        "not a readable Parquet",
        "log.parquet",
        "write it again",
        files={"log.parquet": b"PAR1..."},
        source="log.parquet",
    ),
    "folder without a log": Broken(
        "no known format", "empty", "a .csv, .tsv", files={"empty/readme.md": "x"}, source="empty"
    ),
    # the log's values
    "null user id": log(HEADER + "u1,a,5,1\n,b,4,2\n", "user id is empty (1", "log.csv, row 3", '`nulls="drop"`'),
    "blank user id": log(HEADER + "u1,a,5,1\n  ,b,4,2\n", "user id is empty (1", "log.csv, row 3", '`nulls="drop"`'),
    "null item id": log(HEADER + "u1,a,5,1\nu2,,4,2\nu3,,1,1\n", "item id is empty (2", "log.csv, row 3", "fill it in"),
    "bad rating": log(
        HEADER + "u1,a,5,1\nu1,b,good,2\n", '"good" is not a number', 'log.csv, row 3, column "rating"', "such as 4.5"
    ),
    "rating that is not finite": log(
        HEADER + "u1,a,5,1\nu1,b,inf,2\n", '"inf" is not a number', 'log.csv, row 3, column "rating"', "such as 4.5"
    ),
    "bad date": log(
        HEADER + "u1,a,5,2026-01-31\nu1,b,4,31/01/2026\n",
        '"31/01/2026" is not a time',
        'log.csv, row 3, column "timestamp"',
        "2026-01-31",
    ),
    "bad time among seconds": log(
        HEADER + "u1,a,5,964982703\nu1,b,4,soon\n",
        '"soon" is not a time',
        'log.csv, row 3, column "timestamp"',
        "seconds",
    ),
    "time that is not finite": log(
        HEADER + "u1,a,5,1\nu1,b,4,inf\n", '"inf" is not a time', 'log.csv, row 3, column "timestamp"', "write seconds"
    ),
    "unknown split": log(
        "user_id,item_id,split\nu1,a,train\nu1,b,tset\n",
        '"tset" is not a split',
        'log.csv, row 3, column "split"',
        'did you mean "test"?',
    ),
    "unknown number of a split": log(
        "user_id,item_id,x_label\nu1,a,0\nu1,b,3\n",
        '"3" is not a split',
        'log.csv, row 3, column "x_label"',
        "train, validation or test",
    ),
    "empty split": log(
        "user_id,item_id,split\nu1,a,train\nu1,b,\n",
        '"" is not a split',
        'log.csv, row 3, column "split"',
        "or 0, 1, 2",
    ),
    "no column of users": log("who,item_id\nu1,a\n", "no column looks like user ids", "log.csv", "`user_column`"),
    "no column of items": log("user_id,what\nu1,a\n", "no column looks like item ids", "log.csv", "`item_column`"),
    "user column excluded by -": log(
        HEADER + "u1,a,5,1\n", "user ids (columns: user_id", "log.csv", "`user_col", user_column="-"
    ),
    "misspelt column of ratings": option('no column "raiting"', "log.csv", 'mean "rating"?', rating_column="raiting"),
    "misspelt column of users": option(
        'no column "userid"', "log.csv", 'did you mean "user_id"?', user_column="userid"
    ),
    "misspelt column of item ids": option('column "itm_id"', "items.csv", 'mean "item_id"?', item_id_column="itm_id"),
    "ids that are not finite": Broken(
        "inf is not an id",
        'log.parquet, row 2, column "user_id"',
        "store the ids as text",
        files={"log.parquet": pl.DataFrame({"user_id": [1.0, np.inf], "item_id": [1, 2]})},
        source="log.parquet",
    ),
    "float ids": Broken(
        "1.5 is not an id",
        'log.parquet, row 2, column "user_id"',
        "store the ids as text",
        files={"log.parquet": pl.DataFrame({"user_id": [1.0, 1.5], "item_id": [1, 2]})},
        source="log.parquet",
    ),
    "ids that are lists": Broken(
        "cannot be read as text",
        'log.parquet, column "user_id"',
        "store text",
        files={"log.parquet": pl.DataFrame({"user_id": [[1], [2]], "item_id": [1, 2]})},
        source="log.parquet",
    ),
    "rating of parquet that is not finite": Broken(
        "is not a number",
        'log.parquet, row 2, column "rating"',
        "leave the field empty",
        files={"log.parquet": pl.DataFrame({"user_id": [1, 1], "item_id": [1, 2], "rating": [1.0, np.inf]})},
        source="log.parquet",
    ),
    "time of parquet that is not finite": Broken(
        "is not a time",
        'log.parquet, row 2, column "time"',
        "write seconds",
        files={"log.parquet": pl.DataFrame({"user_id": [1, 1], "item_id": [1, 2], "time": [1.0, np.inf]})},
        source="log.parquet",
    ),
    # the item table
    "missing item table": Broken("no such file", "itms.csv", 'did you mean "items.csv"?', items="itms.csv"),
    "item that is not in the table": table(
        "item_id\na\nb\n", 'item "c" is not in the item table (1', "log.csv, row 5", '`unknown_items="drop"`'
    ),
    "repeated item in the table": table(
        "item_id,price\na,1\nb,2\nc,3\nb,4\n",
        'item id "b" appears twice, with other values of price',
        'items.csv, row 5, column "item_id"',
        "`duplicate_items` be first, last or lists",
    ),
    "item table with an empty id": table(
        "item_id,price\na,1\n,2\nc,3\n", "is empty", 'items.csv, row 3, column "item_id"', "keep one row per item"
    ),
    "item table without ids": table("name\na\n", "no column looks like item ids", "items.csv", "`item_id_column`"),
    "metadata column that is not in the table": Broken(
        'has no column "gener"',
        "items.csv",
        'did you mean "genre"?',
        items="items.csv",
        settings={"multi": ("gener=|",)},
    ),
    "price that is not a number": table(
        "item_id,price\na,1\nb,cheap\nc,3\n",
        '"cheap" is not a number',
        'items.csv, row 3, column "price"',
        "plain number",
        numeric=("price",),
    ),
    "price that is not a number, where cleaning drops items": Broken(
        '"cheap" is not a number',
        'items.csv, row 4, column "price"',
        "plain number",
        files={
            "log.csv": "user_id,item_id\nu1,b\nu1,c\nu2,b\nu2,c\nu3,a\n",
            "items.csv": "item_id,price\na,1\nb,2\nc,cheap\n",
        },
        items="items.csv",
        settings={"numeric": ("price",), "k_core": 2},
    ),
    "numeric column without a number": table(
        "item_id,price\na,\nb,\nc,\n",
        "has no number",
        'items.csv, column "price"',
        "leave the column out",
        numeric=("price",),
    ),
    "metadata values that no two items share": table(
        "item_id,title\na,A\nb,B\nc,C\n",
        "shared by two items",
        "items.csv",
        "name other columns",
        categorical=("title",),
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_broken_log_or_item_table_is_refused(case: Broken, tmp_path: Path) -> None:
    assert_refused(case, tmp_path)
