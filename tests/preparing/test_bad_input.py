"""Every broken file or option is refused with the file, the row and the mend, and leaves nothing behind."""

from __future__ import annotations

import io
import pickle
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray
from safetensors.numpy import save_file

from triptych.data.dataset import open_dataset
from triptych.errors import ArtefactError, InputError, SettingsError, TriptychError
from triptych.preparing import FeatureSource, PrepareSettings, dataset_of_frames, prepare

LOG = "user_id,item_id,rating,timestamp\nu1,a,5,1\nu1,b,4,2\nu2,a,3,3\nu2,c,2,4\n"
ITEMS = "item_id,genre,price\na,x,1\nb,x,2\nc,y,3\n"

Content = str | bytes | NDArray[Any] | pl.DataFrame | dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Broken:
    """One thing that is wrong, and what the error must say. where: file (row, column); None where no file is at fault.

    files: name -> content, beside a good log.csv and items.csv. features: modality -> file, or (file, id file).
    """

    says: str
    where: str | None
    mend: str
    files: Mapping[str, Content] = field(default_factory=dict)
    source: str = "log.csv"
    items: str | None = None
    features: Mapping[str, str | tuple[str, str]] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    error: type[TriptychError] = InputError


def log(text: str, says: str, where: str, mend: str, **settings: Any) -> Broken:
    """A broken log.csv."""
    return Broken(says, where, mend, files={"log.csv": text}, settings=settings)


def table(text: str, says: str, where: str, mend: str, **settings: Any) -> Broken:
    """A broken items.csv."""
    return Broken(says, where, mend, files={"items.csv": text}, items="items.csv", settings=settings)


def matrix(name: str, content: Content, says: str, where: str, mend: str, **settings: Any) -> Broken:
    """A broken feature file of the items a, b, c."""
    return Broken(
        says, where, mend, files={name: content}, items="items.csv", features={"image": name}, settings=settings
    )


def id_file(text: str, says: str, where: str, mend: str) -> Broken:
    """A broken file of item ids."""
    return Broken(
        says,
        where,
        mend,
        files={"image.npy": rows(), "ids.csv": text},
        items="items.csv",
        features={"image": ("image.npy", "ids.csv")},
    )


def option(says: str, where: str | None, mend: str, error: type[TriptychError] = InputError, **settings: Any) -> Broken:
    """Good files, a bad option."""
    return Broken(says, where, mend, items="items.csv", settings=settings, error=error)


def rows(bad: float | None = None, *, dtype: str = "float32") -> NDArray[Any]:
    """Features of three items and two columns, with one bad value at row 1, column 1."""
    values = np.arange(1, 7, dtype=dtype).reshape(3, 2)
    if bad is not None:
        values[1, 1] = bad
    return values


def npy_bytes(values: NDArray[Any]) -> bytes:
    stream = io.BytesIO()
    np.save(stream, values)
    return stream.getvalue()


def npz_bytes() -> bytes:
    stream = io.BytesIO()
    np.savez(stream, rows())
    return stream.getvalue()


LITERATURE_LOG = "userID\titemID\tx_label\n0\t0\t0\n0\t1\t1\n1\t4\t0\n"
HEADER = "user_id,item_id,rating,timestamp\n"

CASES: dict[str, Broken] = {
    # the log as a file
    "missing file": Broken("no such file", "lgo.csv", 'did you mean "log.csv"?', source="lgo.csv"),
    "missing file of a format that was named": Broken(
        "no such file", "lgo.csv", 'did you mean "log.csv"?', source="lgo.csv", settings={"format": "table"}
    ),
    "missing folder": Broken("no such file or folder", "nowhere/log.csv", "check the path", source="nowhere/log.csv"),
    "empty file": log("", "is empty", "log.csv", "check how it was written"),
    "header only": log(HEADER, "has no rows", "log.csv", "at least one row"),
    "a row of more fields": log(
        HEADER + "u1,a,5,1\nu2,b,4,2,9\n", "5 fields where the header has 4", "log.csv, row 3", "mend that row"
    ),
    "not UTF-8": Broken(
        "is not UTF-8",
        "log.csv, row 3",
        "save the file as UTF-8",
        files={"log.csv": b"user_id,item_id\nu1,a\nu\xe9,b\n"},
    ),
    "unknown ending": Broken(
        "no known layout", "log.xlsx", "give a .csv, .tsv, .parquet", files={"log.xlsx": "x"}, source="log.xlsx"
    ),
    "unknown ending of a format that was named": Broken(
        'cannot read ".xlsx"',
        "log.xlsx",
        "give .csv, .tsv or .parquet",
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
        "no known layout", "empty", "give a .csv", files={"empty/readme.md": "x"}, source="empty"
    ),
    # the log's values
    "null user id": log(HEADER + "u1,a,5,1\n,b,4,2\n", "user id is empty (1", "log.csv, row 3", "--nulls drop"),
    "blank user id": log(HEADER + "u1,a,5,1\n  ,b,4,2\n", "user id is empty (1", "log.csv, row 3", "--nulls drop"),
    "null item id": log(HEADER + "u1,a,5,1\nu2,,4,2\nu3,,1,1\n", "item id is empty (2", "log.csv, row 3", "fill it in"),
    "bad rating": log(
        HEADER + "u1,a,5,1\nu1,b,good,2\n", '"good" is not a number', 'log.csv, row 3, column "rating"', "such as 4.5"
    ),
    "rating that is not finite": log(
        HEADER + "u1,a,5,1\nu1,b,nan,2\n", '"nan" is not a number', 'log.csv, row 3, column "rating"', "such as 4.5"
    ),
    "bad date": log(
        HEADER + "u1,a,5,2026-01-31\nu1,b,4,31/01/2026\n",
        '"31/01/2026" is no time',
        'log.csv, row 3, column "timestamp"',
        "2026-01-31",
    ),
    "bad time among seconds": log(
        HEADER + "u1,a,5,964982703\nu1,b,4,soon\n", '"soon" is no time', 'log.csv, row 3, column "timestamp"', "seconds"
    ),
    "time that is not finite": log(
        HEADER + "u1,a,5,1\nu1,b,4,inf\n", '"inf" is no time', 'log.csv, row 3, column "timestamp"', "write seconds"
    ),
    "unknown part of a split": log(
        "user_id,item_id,split\nu1,a,train\nu1,b,tset\n",
        '"tset" is no part',
        'log.csv, row 3, column "split"',
        'did you mean "test"?',
    ),
    "unknown number of a split": log(
        "user_id,item_id,x_label\nu1,a,0\nu1,b,3\n",
        '"3" is no part',
        'log.csv, row 3, column "x_label"',
        "train, validation or test",
    ),
    "empty part of a split": log(
        "user_id,item_id,split\nu1,a,train\nu1,b,\n", '"" is no part', 'log.csv, row 3, column "split"', "or 0, 1, 2"
    ),
    "no column of users": log("who,item_id\nu1,a\n", "no column looks like user ids", "log.csv", "--user-column"),
    "no column of items": log("user_id,what\nu1,a\n", "no column looks like item ids", "log.csv", "--item-column"),
    "users ruled out": log(
        HEADER + "u1,a,5,1\n", "user ids (columns: user_id", "log.csv", "--user-col", user_column="-"
    ),
    "misspelt column of ratings": option('no column "raiting"', "log.csv", 'mean "rating"?', rating_column="raiting"),
    "misspelt column of users": option(
        'no column "userid"', "log.csv", 'did you mean "user_id"?', user_column="userid"
    ),
    "misspelt column of item ids": option('column "itm_id"', "items.csv", 'mean "item_id"?', item_id_column="itm_id"),
    "ids that are not finite": Broken(
        "inf is no id",
        'log.parquet, row 2, column "user_id"',
        "store the ids as text",
        files={"log.parquet": pl.DataFrame({"user_id": [1.0, np.inf], "item_id": [1, 2]})},
        source="log.parquet",
    ),
    "float ids": Broken(
        "1.5 is no id",
        'log.parquet, row 2, column "user_id"',
        "store the ids as text",
        files={"log.parquet": pl.DataFrame({"user_id": [1.0, 1.5], "item_id": [1, 2]})},
        source="log.parquet",
    ),
    "ids that are lists": Broken(
        "cannot be read as text",
        'log.parquet, column "item_id"',
        "store text",
        files={"log.parquet": pl.DataFrame({"user_id": [1, 2], "item_id": [[1], [2]]})},
        source="log.parquet",
    ),
    "rating of parquet that is not finite": Broken(
        "is not a number",
        'log.parquet, row 2, column "rating"',
        "leave the field empty",
        files={"log.parquet": pl.DataFrame({"user_id": [1, 1], "item_id": [1, 2], "rating": [1.0, np.nan]})},
        source="log.parquet",
    ),
    "time of parquet that is not finite": Broken(
        "is no time",
        'log.parquet, row 2, column "time"',
        "write seconds",
        files={"log.parquet": pl.DataFrame({"user_id": [1, 1], "item_id": [1, 2], "time": [1.0, np.inf]})},
        source="log.parquet",
    ),
    # the item table
    "missing item table": Broken("no such file", "itms.csv", 'did you mean "items.csv"?', items="itms.csv"),
    "item that the table lacks": table(
        "item_id\na\nb\n", 'item "c" is not in the item table (1', "log.csv, row 5", "--unknown-items drop"
    ),
    "item twice in the table": table(
        "item_id\na\nb\nc\nb\n", 'item id "b" stands twice', 'items.csv, row 5, column "item_id"', "one row per item"
    ),
    "item table with an empty id": table(
        "item_id,price\na,1\n,2\nc,3\n", "is empty", 'items.csv, row 3, column "item_id"', "keep one row per item"
    ),
    "item table without ids": table("name\na\n", "no column looks like item ids", "items.csv", "--item-id-column"),
    "metadata column that the table lacks": Broken(
        'has no column "gener"',
        "items.csv",
        'did you mean "genre"?',
        items="items.csv",
        settings={"multi": ("gener=|",)},
    ),
    "price that is no number": table(
        "item_id,price\na,1\nb,cheap\nc,3\n",
        '"cheap" is not a number',
        'items.csv, row 3, column "price"',
        "plain number",
        numeric=("price",),
    ),
    "price that is no number, after cleaning dropped items": Broken(
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
    "column without any number": table(
        "item_id,price\na,\nb,\nc,\n",
        "has no number",
        'items.csv, column "price"',
        "leave the column out",
        numeric=("price",),
    ),
    "metadata that no two items share": table(
        "item_id,title\na,A\nb,B\nc,C\n",
        "shared by two items",
        "items.csv",
        "name other columns",
        categorical=("title",),
    ),
    # features
    "missing features": Broken(
        "no such file", "imge.npy", 'mean "image.npy"?', {"image.npy": rows()}, features={"image": "imge.npy"}
    ),
    "features of an unknown ending": matrix("image.h5", b"x", 'features from ".h5"', "image.h5", "give .npy"),
    "NaN": matrix("image.npy", rows(np.nan), "NaN among", 'image.npy, row 1, column "1"', "encode that item again"),
    "infinity": matrix("image.npy", rows(np.inf), "infinity", 'image.npy, row 1, column "1"', "leave its row out"),
    "NaN in float16": matrix(
        "image.npy", rows(np.nan, dtype="float16"), "NaN among", 'image.npy, row 1, column "1"', "encode that item"
    ),
    "infinity in safetensors": matrix(
        "image.safetensors", {"x": rows(-np.inf)}, "infinity", 'image.safetensors, row 1, column "1"', "encode"
    ),
    "NaN in a parquet list": matrix(
        "image.parquet",
        pl.DataFrame({"item_id": ["a", "b", "c"], "vector": [[1.0, 2.0], [1.0, float("nan")], [1.0, 1.0]]}),
        "NaN among",
        'image.parquet, row 2, column "1"',
        "encode that item again",
    ),
    "a row too few": matrix("image.npy", rows()[:2], "has 2 rows, but there are 3 items", "image.npy", "an id file"),
    "features without any order": Broken(
        "has 3 rows and no item ids",
        "image.npy",
        "give an id file",
        {"image.npy": rows()},
        features={"image": "image.npy"},
    ),
    "whole numbers": matrix("image.npy", rows(dtype="int64"), "are int64, not floats", "image.npy", "store float16"),
    "pickled": matrix(
        "image.npy", npy_bytes(np.array([{"a": 1}], dtype=object)), "pickled objects", "image.npy", "float array"
    ),
    "a bare pickle": matrix("image.npy", pickle.dumps([1, 2]), "not a .npy file", "image.npy", "numpy.save"),
    "truncated npy": matrix("image.npy", npy_bytes(rows())[:-5], "cut short", "image.npy", "numpy.save"),
    "npy cut in its header": matrix("image.npy", npy_bytes(rows())[:30], "cut short", "image.npy", "numpy.save"),
    "empty npy": matrix("image.npy", b"", "cut short", "image.npy", "numpy.save"),
    "npz called npy": matrix("image.npy", npz_bytes(), "is not a .npy file", "image.npy", "numpy.save"),
    "three axes": matrix("image.npy", np.ones((3, 2, 2)), "got shape (3, 2, 2)", "image.npy", "one row per item"),
    "no rows": matrix("image.npy", np.ones((0, 2)), "got shape (0, 2)", "image.npy", "one row per item"),
    "too large for 16 bits": matrix(
        "image.npy",
        rows(1e6),
        "1e+06 does not fit 16 bits",
        'image.npy, row 1, column "1"',
        "store float32",
        store="float16",
    ),
    "too large for 32 bits": matrix(
        "image.npy",
        rows(1e300, dtype="float64"),
        "1e+300 does not fit 32 bits",
        'image.npy, row 1, column "1"',
        "scale",
    ),
    "several tensors": matrix(
        "image.safetensors", {"x": rows(), "y": rows()}, "several tensors (x, y)", "image.safetensors", '"table"'
    ),
    "damaged safetensors": matrix("image.safetensors", b"1234", "cut short", "image.safetensors", "safetensors"),
    "ragged lists": matrix(
        "image.parquet",
        pl.DataFrame({"item_id": ["a", "b", "c"], "vector": [[1.0, 2.0], [3.0], [4.0, 5.0]]}),
        "1 values where the first row has 2",
        'image.parquet, row 2, column "vector"',
        "one length",
    ),
    "a list that is null": matrix(
        "image.parquet",
        pl.DataFrame({"item_id": ["a", "b", "c"], "vector": [[1.0, 2.0], None, [4.0, 5.0]]}),
        "where the first row has 2",
        'image.parquet, row 2, column "vector"',
        "leave out the rows",
    ),
    "parquet without features": matrix(
        "image.parquet",
        pl.DataFrame({"item_id": ["a", "b", "c"]}),
        "has no features",
        "image.parquet",
        "column of lists",
    ),
    "parquet of an unknown item": matrix(
        "image.parquet",
        pl.DataFrame({"item_id": ["a", "b", "z"], "x": [1.0, 2.0, 3.0]}),
        'item "z" is in neither',
        "image.parquet, row 3",
        "--unknown-items drop",
    ),
    "an unknown id": id_file("a\nb\nz\n", 'item "z" is in neither', "ids.csv, row 3", "--unknown-items drop"),
    "an unknown id below a header": id_file(
        "item_id\na\nb\nz\n", 'item "z" is in neither', "ids.csv, row 4", "add it to the item table"
    ),
    "an id twice": id_file("item_id\na\nb\na\n", 'item id "a" stands twice', "ids.csv, row 4", "its own id"),
    "an id too few": id_file("a\nb\n", "2 ids for the 3 rows of image.npy", "ids.csv", "one id per row"),
    "ids too many": id_file("a\nb\nc\nd\ne\n", "5 ids for the 3 rows of image.npy", "ids.csv", "one id per row"),
    "an empty id file": id_file("", "is empty", "ids.csv", "check how it was written"),
    "a missing id file": Broken(
        "no such file",
        "idx.csv",
        'did you mean "ids.csv"?',
        {"image.npy": rows(), "ids.csv": "a\nb\nc\n"},
        features={"image": ("image.npy", "idx.csv")},
    ),
    # layouts
    "literature whose ids exceed the features": Broken(
        "features end at item 2",
        "baby/baby.inter",
        "one row of features per item id",
        {"baby/baby.inter": LITERATURE_LOG, "baby/image_feat.npy": rows()},
        source="baby",
    ),
    "literature with ids that are no numbers": Broken(
        "must be whole numbers",
        "baby/baby.inter",
        "number the items",
        {"baby/baby.inter": "userID\titemID\n0\tB00A\n", "baby/image_feat.npy": rows()},
        source="baby",
    ),
    "literature with two logs": Broken(
        "holds 2 .inter files",
        "baby",
        "name the one to read",
        {"baby/a.inter": LITERATURE_LOG, "baby/b.inter": LITERATURE_LOG},
        source="baby",
    ),
    "literature asked for in a folder without a log": Broken(
        "no .inter file",
        "baby",
        "check the path",
        {"baby/readme.md": "x"},
        source="baby",
        settings={"format": "literature"},
    ),
    "movielens with a short row": Broken(
        "3 fields, expected 4",
        "ml/ratings.dat, row 2",
        "mend that row",
        {"ml/ratings.dat": "1::1::5::10\n1::2::4\n"},
        source="ml",
    ),
    "a folder read as a table": Broken(
        "is a folder", "ml", "name a file", {"ml/readme.md": "x"}, source="ml", settings={"format": "table"}
    ),
    "recbole header that names a column twice": Broken(
        "names a column twice",
        "toy.inter, row 1",
        "its own name",
        {"toy.inter": "user_id:token\tuser_id:float\titem_id:token\nu\t1\ti\n"},
        source="toy.inter",
    ),
    "header that names a column twice": log(
        "user_id,item_id,user_id\nu,i,v\n", 'names a column twice: "user_id"', "log.csv, row 1", "its own name"
    ),
    "header that names a column twice but for blanks": log(
        "user_id, user_id,item_id\nu,u,i\n", "names a column twice", "log.csv, row 1", "its own name"
    ),
    # options
    "k-core below zero": option(
        '"k_core" of prepare cannot be -1', None, "at least this many", SettingsError, k_core=-1
    ),
    "unknown way with nulls": option('"nulls" of prepare cannot be', None, "error or drop", SettingsError, nulls="no"),
    "unknown way with items": option("error", None, "drop or keep", SettingsError, unknown_items="ignore"),
    "unknown precision": option('"store" of prepare', None, "float16", SettingsError, store="float8"),
    "rating that is no number": option('"min_rating" of', None, "rated below", SettingsError, min_rating="high"),
    "least rating without ratings": log(
        "user_id,item_id\nu1,a\n", "no rating column", "log.csv", "--rating-column", min_rating=3
    ),
    "least rating that leaves nothing": option("is left of 4 after cleaning", "log.csv", "loosen", min_rating=6.0),
    "k-core that leaves nothing": option("is left of 4 after cleaning", "log.csv", "loosen the cleaning", k_core=5),
    "shares above one": option("add up to more than 1", None, "0.8", SettingsError, train=0.9, validation=0.5),
    "no share for train": option('"train" of prepare cannot be 0.0', None, "share of train", SettingsError, train=0.0),
    "split by time without times": option("needs times", None, "name the time", time_column="-", split="time"),
    "given split that is not there": option("carries no split", None, "name the split column", split="given"),
    "unknown split": option('"split" of prepare', None, "leave-one-out", SettingsError, split="tme"),
    "unknown format": option('format "movielense"', None, 'mean "movielens"?', SettingsError, format="movielense"),
    "multi-valued without a separator": option(
        '"genre=" is not COLUMN=', None, "genres=|", SettingsError, multi=("genre=",)
    ),
    "multi-valued without a column": option('"=|" is not COLUMN=', None, "genres=|", SettingsError, multi=("=|",)),
    "metadata without an item table": Broken(
        "there is no item table", None, "--items", settings={"numeric": ("price",)}, error=SettingsError
    ),
    "two modalities called metadata": Broken(
        "called metadata already",
        None,
        "rename",
        {"image.npy": rows()},
        items="items.csv",
        features={"metadata": "image.npy"},
        settings={"numeric": ("price",)},
        error=SettingsError,
    ),
    "a modality that cannot be a file name": Broken(
        '"../image" cannot name a modality',
        None,
        "use letters",
        {"image.npy": rows()},
        items="items.csv",
        features={"../image": "image.npy"},
    ),
}


def written(folder: Path, files: Mapping[str, Content]) -> None:
    """Write each content in the form that its type asks for."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        match content:
            case str():
                path.write_text(content, encoding="utf-8")
            case bytes():
                path.write_bytes(content)
            case pl.DataFrame():
                content.write_parquet(path)
            case dict():
                save_file(content, path)
            case _:
                np.save(path, content)


def everything_in(folder: Path) -> set[Path]:
    return set(folder.rglob("*"))


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_bad_input_is_refused_with_file_row_and_mend_and_leaves_nothing(case: Broken, tmp_path: Path) -> None:
    written(tmp_path, {"log.csv": LOG, "items.csv": ITEMS, **case.files})
    before = everything_in(tmp_path)
    features = []
    for modality, files in case.features.items():
        name, ids = files if isinstance(files, tuple) else (files, None)
        features.append(FeatureSource(modality, tmp_path / name, None if ids is None else tmp_path / ids))
    with pytest.raises(TriptychError) as caught:
        prepare(
            tmp_path / case.source,
            tmp_path / "prepared",
            PrepareSettings(**case.settings),
            items=None if case.items is None else tmp_path / case.items,
            features=features,
        )
    error = caught.value
    assert type(error) is case.error
    assert case.says in error.what
    assert error.where == (None if case.where is None else str(tmp_path / case.where))
    assert error.mend is not None
    assert case.mend in error.mend
    assert all(part in str(error) for part in (error.what, error.mend, error.where or ""))
    assert everything_in(tmp_path) == before


def test_a_modality_given_twice_is_refused(tmp_path: Path) -> None:
    written(tmp_path, {"log.csv": LOG, "items.csv": ITEMS, "image.npy": rows()})
    twice = [FeatureSource("image", tmp_path / "image.npy")] * 2
    with pytest.raises(SettingsError, match="a modality is given twice"):
        prepare(tmp_path / "log.csv", tmp_path / "prepared", items=tmp_path / "items.csv", features=twice)


def test_an_existing_output_is_not_replaced_unless_asked(tmp_path: Path) -> None:
    written(tmp_path, {"log.csv": LOG})
    output = tmp_path / "prepared"
    prepare(tmp_path / "log.csv", output)
    before = {file: file.read_bytes() for file in output.rglob("*") if file.is_file()}
    with pytest.raises(ArtefactError, match="already exists") as caught:
        prepare(tmp_path / "log.csv", output, PrepareSettings(seed=1))
    assert caught.value.where == str(output)
    assert "overwrite" in str(caught.value.mend)
    assert {file: file.read_bytes() for file in output.rglob("*") if file.is_file()} == before
    prepare(tmp_path / "log.csv", output, PrepareSettings(min_rating=3), overwrite=True)
    assert everything_in(tmp_path) == {tmp_path / "log.csv", output, *output.rglob("*")}


def test_a_failure_keeps_the_data_set_that_was_to_be_replaced(tmp_path: Path) -> None:
    written(tmp_path, {"log.csv": LOG, "items.csv": ITEMS, "image.npy": rows(np.nan)})
    output = tmp_path / "prepared"
    old = prepare(tmp_path / "log.csv", output)
    before = everything_in(tmp_path)
    with pytest.raises(InputError, match="NaN"):
        prepare(
            tmp_path / "log.csv",
            output,
            items=tmp_path / "items.csv",
            features=[FeatureSource("image", tmp_path / "image.npy")],
            overwrite=True,
        )
    assert everything_in(tmp_path) == before
    assert open_dataset(output, verify=True).fingerprint == old.fingerprint


def test_a_folder_of_others_is_never_replaced(tmp_path: Path) -> None:
    written(tmp_path, {"log.csv": LOG, "mine/thesis.txt": "years of work"})
    with pytest.raises(ArtefactError, match="not written by triptych"):
        prepare(tmp_path / "log.csv", tmp_path / "mine", overwrite=True)
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "years of work"


FRAME = pl.DataFrame({"user_id": ["u1", "u1", "u2"], "item_id": ["a", "b", "a"], "rating": [5.0, 4.0, 3.0]})


@pytest.mark.parametrize(
    ("frame", "arguments", "says", "where", "mend"),
    [
        ([("u1", "a")], {}, "cannot read a list", "interactions", "give a pandas, polars or Arrow frame"),
        (FRAME.clear(), {}, "has no rows", "interactions", "at least one row"),
        (FRAME.rename({"user_id": "who"}), {}, "looks like user ids", "interactions", "--user-column"),
        (
            FRAME.with_columns(user_id=pl.Series([1.0, 1.5, 2.0])),
            {},
            "1.5 is no id",
            'interactions, row 1, column "user_id"',
            "as text",
        ),
        (
            FRAME.with_columns(item_id=pl.Series(["a", None, "b"])),
            {},
            "item id is empty",
            "interactions, row 1",
            "--nulls drop",
        ),
        (FRAME, {"items": "items.csv"}, "cannot read a str", "items", "give a pandas"),
        (
            FRAME,
            {"items": pl.DataFrame({"item_id": ["a", "b", "a"]})},
            "stands twice",
            'items, row 2, column "item_id"',
            "one row per item",
        ),
        (
            FRAME,
            {"features": {"image": (["a", "b"], np.array([[1.0], [np.nan]]))}},
            "NaN among",
            "features['image'], row 1, column \"0\"",
            "encode that item again",
        ),
        (
            FRAME,
            {"features": {"image": (["a", "z"], np.ones((2, 1)))}},
            'item "z" is in neither',
            "features['image'], row 1",
            "--unknown-items drop",
        ),
        (
            FRAME,
            {"features": {"image": (["a", "a"], np.ones((2, 1)))}},
            '"a" stands twice',
            "features['image'], row 1",
            "",
        ),
        (FRAME, {"features": {"image": (["a"], np.ones((2, 1)))}}, "1 ids for 2 rows", "features['image']", "one id"),
        (FRAME, {"features": {"image": np.ones((2, 1), int)}}, "matrix of floats", "features['image']", "one row"),
        (FRAME, {"features": {"image": np.ones((2, 1))}}, "no item ids", "features['image']", "item table"),
    ],
)
def test_a_bad_frame_is_refused_with_its_row_and_a_mend(
    frame: Any, arguments: dict[str, Any], says: str, where: str, mend: str
) -> None:
    with pytest.raises(InputError) as caught:
        dataset_of_frames(frame, **arguments)
    assert says in caught.value.what
    assert caught.value.where == where
    assert caught.value.mend is not None
    assert mend in caught.value.mend


def test_a_damaged_data_set_is_refused_by_its_file(tmp_path: Path) -> None:
    written(tmp_path, {"log.csv": LOG})
    prepare(tmp_path / "log.csv", tmp_path / "prepared")
    shutil.copy(tmp_path / "log.csv", tmp_path / "prepared" / "users.parquet")
    with pytest.raises(ArtefactError, match="is damaged") as caught:
        open_dataset(tmp_path / "prepared")
    assert caught.value.where == str(tmp_path / "prepared" / "users.parquet")
