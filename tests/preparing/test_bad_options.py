"""A broken folder or a bad option is refused with its location and a hint, and nothing is written."""

from __future__ import annotations

from pathlib import Path

import pytest

from preparing.broken import (
    ITEMS,
    LOG,
    MMREC_LOG,
    Broken,
    assert_refused,
    log,
    option,
    rows,
    write_files,
)
from triptych.errors import SettingsError
from triptych.preparing import FeatureSource, prepare

CASES: dict[str, Broken] = {
    # formats
    "mmrec with item ids beyond the features": Broken(
        "features end at item 2",
        "baby/baby.inter",
        "one row of features per item id",
        {"baby/baby.inter": MMREC_LOG, "baby/image_feat.npy": rows()},
        source="baby",
    ),
    "mmrec with item ids that are not numbers": Broken(
        "must be whole numbers",
        "baby/baby.inter",
        "number the items",
        {"baby/baby.inter": "userID\titemID\n0\tB00A\n", "baby/image_feat.npy": rows()},
        source="baby",
    ),
    "mmrec with two logs": Broken(
        "has 2 .inter files",
        "baby",
        "name the one to read",
        {"baby/a.inter": MMREC_LOG, "baby/b.inter": MMREC_LOG},
        source="baby",
    ),
    "mmrec requested for a folder without a log": Broken(
        "no .inter file",
        "baby",
        "check the path",
        {"baby/readme.md": "x"},
        source="baby",
        settings={"format": "mmrec"},
    ),
    "movielens with a short row": Broken(
        "3 fields, expected 4",
        "ml/ratings.dat, row 2",
        "correct that row",
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
    "header that names a column twice with other blanks": log(
        "user_id, user_id,item_id\nu,u,i\n", "names a column twice", "log.csv, row 1", "its own name"
    ),
    # options
    "k-core below zero": option(
        '"k_core" of PrepareSettings cannot be -1', None, "with at least K interactions", SettingsError, k_core=-1
    ),
    "unknown value of nulls": option(
        '"nulls" of PrepareSettings cannot be', None, "error or drop", SettingsError, nulls="no"
    ),
    "unknown value of unknown_items": option("error", None, "drop, or keep", SettingsError, unknown_items="ignore"),
    "unknown precision": option('"store" of PrepareSettings', None, "float16", SettingsError, store="float8"),
    "minimum rating that is not a number": option(
        '"min_rating" of', None, "with a lower rating", SettingsError, min_rating="high"
    ),
    "minimum rating without ratings": log(
        "user_id,item_id\nu1,a\n", "no rating column", "log.csv", "`rating_column`", min_rating=3
    ),
    "minimum rating that leaves nothing": option("is left of 4 after cleaning", "log.csv", "loosen", min_rating=6.0),
    "k-core that leaves nothing": option("is left of 4 after cleaning", "log.csv", "loosen the cleaning", k_core=5),
    "shares above one": option("add up to more than 1", None, "0.8", SettingsError, train=0.9, validation=0.5),
    "no share for train": option(
        '"train" of PrepareSettings cannot be 0.0', None, "Training share", SettingsError, train=0.0
    ),
    "split by time without times": option("needs times", None, "name the time", time_column="-", split="time"),
    "given split without a split column": option("has no split", None, "name the split column", split="given"),
    "unknown split": option('"split" of PrepareSettings', None, "leave-one-out", SettingsError, split="tme"),
    "unknown format": option('format "movielense"', None, 'mean "movielens"?', SettingsError, format="movielense"),
    "multi-valued without a separator": option(
        '"genre=" is not COLUMN=', None, "genres=|", SettingsError, multi=("genre=",)
    ),
    "multi-valued without a column": option('"=|" is not COLUMN=', None, "genres=|", SettingsError, multi=("=|",)),
    "metadata without an item table": Broken(
        "there is no item table", None, "`items`", settings={"numeric": ("price",)}, error=SettingsError
    ),
    "two modalities named metadata": Broken(
        "already named metadata",
        None,
        "rename",
        {"image.npy": rows()},
        items="items.csv",
        features={"metadata": "image.npy"},
        settings={"numeric": ("price",)},
        error=SettingsError,
    ),
    "a modality that cannot be a file name": Broken(
        '"../image" is not a valid modality name',
        None,
        "use letters",
        {"image.npy": rows()},
        items="items.csv",
        features={"../image": "image.npy"},
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_broken_folder_or_option_is_refused(case: Broken, tmp_path: Path) -> None:
    assert_refused(case, tmp_path)


def test_a_modality_given_twice_is_refused(tmp_path: Path) -> None:
    write_files(tmp_path, {"log.csv": LOG, "items.csv": ITEMS, "image.npy": rows()})
    twice = [FeatureSource("image", tmp_path / "image.npy")] * 2
    with pytest.raises(SettingsError, match="a modality is given twice"):
        prepare(tmp_path / "log.csv", tmp_path / "prepared", items=tmp_path / "items.csv", features=twice)
