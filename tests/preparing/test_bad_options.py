"""A broken layout or option is refused with the file, the row and the mend, and leaves nothing behind."""

from __future__ import annotations

from pathlib import Path

import pytest

from preparing.broken import (
    ITEMS,
    LITERATURE_LOG,
    LOG,
    Broken,
    assert_refused,
    log,
    option,
    rows,
    written,
)
from triptych.errors import SettingsError
from triptych.preparing import FeatureSource, prepare

CASES: dict[str, Broken] = {
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


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_bad_layout_or_option_is_refused(case: Broken, tmp_path: Path) -> None:
    assert_refused(case, tmp_path)


def test_a_modality_given_twice_is_refused(tmp_path: Path) -> None:
    written(tmp_path, {"log.csv": LOG, "items.csv": ITEMS, "image.npy": rows()})
    twice = [FeatureSource("image", tmp_path / "image.npy")] * 2
    with pytest.raises(SettingsError, match="a modality is given twice"):
        prepare(tmp_path / "log.csv", tmp_path / "prepared", items=tmp_path / "items.csv", features=twice)
