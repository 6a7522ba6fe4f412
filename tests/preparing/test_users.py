"""User tables and features of users: read in all the ways of items, stored, counted, and kept."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest

import triptych
from preparing.small import IMAGE, ITEMS, LOG, write_array, write_items, write_log, write_parquet, write_text
from triptych.cli.app import run
from triptych.data.dataset import Dataset, open_dataset
from triptych.errors import ArtefactError, InputError, InputWarning, SettingsError
from triptych.interchange.geometric import from_hetero_data, to_hetero_data
from triptych.preparing import FeatureSource, PrepareSettings, dataset_from_frames, extend_dataset, prepare

USERS = pl.DataFrame(
    {"user_id": ["u9", "u2", "u1", "u8"], "age": [20.0, None, 40.0, 30.0], "job": ["a", "b", "a", "b"]}
)
TASTE = np.arange(1, 9, dtype=np.float32).reshape(4, 2)
METADATA = PrepareSettings(user_categorical=("job",), user_numeric=("age",))
KEPT = r"users.*: 2 of its users have no interactions: kept as users without history"
ABSENT = r'users.*: 1 users of the interactions are not in it, as "u3": they have none of its columns'


def from_frames(settings: PrepareSettings = METADATA) -> Dataset:
    with pytest.warns(InputWarning, match=KEPT), pytest.warns(InputWarning, match=ABSENT):
        return dataset_from_frames(LOG, users=USERS, user_features={"taste": TASTE}, settings=settings)


def check(dataset: Dataset) -> None:
    """Check that every user of the log and the table is there, with its own row of everything."""
    assert dataset.users.ids.to_list() == ["u1", "u2", "u3", "u9", "u8"]
    assert dataset.interactions.n_users == 5
    assert dataset.interactions.user_degrees.tolist() == [3, 2, 1, 0, 0]
    assert dataset.user_table is not None
    assert dataset.user_table["age"].to_list() == [40.0, None, None, 20.0, 30.0]
    taste = dataset.user_features["taste"]
    assert taste.present.tolist() == [True, True, False, True, True]
    assert np.array_equal(taste.table, [[5, 6], [3, 4], [0, 0], [1, 2], [7, 8]])


def test_users_of_the_table_are_users_of_the_data_set_and_notes_count_the_others() -> None:
    dataset = from_frames()
    check(dataset)
    metadata = dataset.user_features["metadata"]
    assert metadata.table[:, :2].tolist() == [[1, 0], [0, 1], [0, 0], [1, 0], [0, 1]]
    assert metadata.present.tolist() == [True, True, False, True, True]


def test_rows_of_users_in_the_log_do_not_move_when_a_user_table_is_added() -> None:
    plain, with_table = dataset_from_frames(LOG), from_frames()
    assert with_table.users.ids[:3].to_list() == plain.users.ids.to_list()
    assert plain.split_codes is not None
    assert with_table.split_codes is not None
    assert np.array_equal(plain.split_codes, with_table.split_codes)


def test_a_saved_data_set_has_the_same_users_table_and_features(tmp_path: Path) -> None:
    dataset = from_frames()
    dataset.save(tmp_path / "data")
    restored = open_dataset(tmp_path / "data")
    check(restored)
    assert restored.user_features["metadata"].encoder == dataset.user_features["metadata"].encoder
    manifest = json.loads((tmp_path / "data" / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["about"]["user_modalities"]["taste"]["missing"] == 1
    restored.save(tmp_path / "again")
    check(open_dataset(tmp_path / "again"))


def test_a_damaged_description_or_table_of_users_is_refused(tmp_path: Path) -> None:
    dataset = from_frames()
    features = dataset.user_features["taste"]
    with pytest.raises(InputError, match="2 rows of features for 5 users"):
        replace(dataset, user_features={"taste": replace(features, table=TASTE[:2], present=features.present[:2])})
    with pytest.raises(InputError, match="a user table of 4 rows for 5 users"):
        replace(dataset, user_table=USERS)
    dataset.save(tmp_path / "data")
    (tmp_path / "data" / "user_features" / "taste.safetensors").write_bytes(b"damaged")
    with pytest.raises(ArtefactError, match=r"taste\.safetensors"):
        open_dataset(tmp_path / "data")


def test_features_of_users_come_in_all_the_ways_of_features_of_items(tmp_path: Path) -> None:
    log, users = write_log(tmp_path), write_parquet(tmp_path / "users.parquet", USERS)
    matrix = write_array(tmp_path / "taste.npy", TASTE)
    ids = write_text(tmp_path / "ids.txt", "\n".join(USERS["user_id"]) + "\n")
    rows = write_parquet(tmp_path / "taste.parquet", USERS.select("user_id").hstack(pl.DataFrame(TASTE)))
    for number, source in enumerate(
        (FeatureSource("taste", matrix), FeatureSource("taste", matrix, ids), FeatureSource("taste", rows))
    ):
        with pytest.warns(InputWarning, match=KEPT), pytest.warns(InputWarning, match=ABSENT):
            check(prepare(log, tmp_path / str(number), users=users, user_features=[source]))
    frame = pd.DataFrame(TASTE, index=pd.Index(USERS["user_id"].to_list(), name="user_id"))
    with pytest.warns(InputWarning, match=KEPT), pytest.warns(InputWarning, match=ABSENT):
        check(dataset_from_frames(LOG, users=USERS, user_features={"taste": frame[::-1]}))


@pytest.mark.filterwarnings("default::triptych.errors.InputWarning")
def test_encode_works_on_a_user_table_and_prepare_reads_its_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log, users = write_log(tmp_path), write_parquet(tmp_path / "users.parquet", USERS)
    assert run(["encode", str(users), "--numeric", "age", "-o", str(tmp_path / "encoded")]) == 0
    words = ["--users", str(users), "--user-features", f"age={tmp_path / 'encoded' / 'metadata'}"]
    assert run(["prepare", str(log), *words, "--user-multi", "job", "-o", str(tmp_path / "data")]) == 0
    shown = capsys.readouterr()
    assert "age of users: 2-d float16, 2 users lack it" in shown.out
    assert "metadata of users: 2-d float32, 1 user lacks it" in shown.out
    assert "2 users without history" in shown.out
    assert "warning: users.parquet: 2 of its users have no interactions" in shown.err
    again = ["prepare", str(log), *words, "-o", str(tmp_path / "again"), "--json"]
    assert run(again) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["user_modalities"]["age"] == {"width": 2, "dtype": "float16", "missing": 2}
    assert result["users_without_history"] == 2


def test_several_user_tables_are_joined() -> None:
    jobs = pl.DataFrame({"user_id": ["u3", "u1"], "city": ["x", "y"]})
    with pytest.warns(InputWarning, match="joined by user id"), pytest.warns(InputWarning, match=KEPT):
        dataset = dataset_from_frames(LOG, users=[USERS, jobs])
    assert dataset.user_table is not None
    assert dataset.user_table["city"].to_list() == ["y", None, "x", None, None]


def test_users_below_a_k_core_are_left_out_with_a_note() -> None:
    settings = PrepareSettings(k_core=2, split="leave-one-out")
    log = pl.DataFrame({"user_id": ["u1", "u1", "u2", "u2", "u3"], "item_id": ["a", "b", "a", "b", "a"]})
    with pytest.warns(InputWarning, match="2 of its users have fewer than 2 interactions: left out"):
        dataset = dataset_from_frames(log, users=USERS, settings=settings)
    assert dataset.users.ids.to_list() == ["u1", "u2"]


def test_a_recbole_folder_brings_its_users(tmp_path: Path) -> None:
    write_text(tmp_path / "shop" / "shop.inter", "user_id:token\titem_id:token\nu1\ta\nu1\tb\nu2\ta\n")
    write_text(tmp_path / "shop" / "shop.user", "user_id:token\tage:float\nu1\t20\nu2\t30\nu5\t40\n")
    with pytest.warns(InputWarning, match="1 of its users have no interactions"):
        dataset = prepare(tmp_path / "shop", tmp_path / "data", PrepareSettings(user_numeric=("age",)))
    assert dataset.users.ids.to_list() == ["u1", "u2", "u5"]
    assert dataset.user_features["metadata"].present.all()


def test_what_is_wrong_about_users_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="metadata columns of users are named, but there is no user table"):
        dataset_from_frames(LOG, settings=METADATA)
    with pytest.raises(InputError, match='user id "u1" appears twice'):
        dataset_from_frames(LOG, users=pl.DataFrame({"user_id": ["u1", "u1"]}))
    with pytest.raises(InputError, match="has 4 rows and no user ids"):
        dataset_from_frames(LOG, user_features={"taste": TASTE})
    with pytest.raises(InputError, match='user "u7" is in neither the user table nor the interactions'):
        dataset_from_frames(LOG, user_features={"taste": (["u1", "u2", "u3", "u7"], TASTE)})
    with pytest.raises(InputError, match="no column looks like user ids"):
        dataset_from_frames(LOG, users=pl.DataFrame({"age": [1.0]}))
    twice = [FeatureSource("taste", tmp_path / "a.npy"), FeatureSource("taste", tmp_path / "b.npy")]
    with pytest.raises(SettingsError, match="a modality is given twice"):
        prepare(write_log(tmp_path), tmp_path / "data", user_features=twice)


def test_new_items_and_dropped_modalities_keep_the_users(tmp_path: Path) -> None:
    with pytest.warns(InputWarning, match=KEPT), pytest.warns(InputWarning, match=ABSENT):
        dataset = prepare(
            write_log(tmp_path),
            tmp_path / "data",
            PrepareSettings(drop_modality=("image=0.5",)),
            items=write_items(tmp_path),
            features=[FeatureSource("image", write_array(tmp_path / "image.npy", IMAGE))],
            users=write_parquet(tmp_path / "users.parquet", USERS),
            user_features=[FeatureSource("taste", write_array(tmp_path / "taste.npy", TASTE))],
        )
    check(dataset)
    write_parquet(tmp_path / "new.parquet", ITEMS[:1].with_columns(pl.lit("e").alias("item_id")))
    check(extend_dataset(dataset, tmp_path / "new.parquet", tmp_path / "extended"))


def test_features_of_users_travel_to_pytorch_geometric_and_back() -> None:
    dataset = from_frames()
    restored = from_hetero_data(to_hetero_data(dataset))
    assert list(restored.user_features) == ["taste", "metadata"]
    for name, features in dataset.user_features.items():
        assert np.array_equal(restored.user_features[name].table, features.table)
        assert np.array_equal(restored.user_features[name].present, features.present)
    assert triptych.split(restored, "ratio", seed=0).train.user_features.keys() == dataset.user_features.keys()


@pytest.mark.parametrize("layout", ["ml-100k", "ml-1m"])
def test_movielens_folders_bring_their_users(layout: str, tmp_path: Path) -> None:
    if layout == "ml-100k":
        write_text(tmp_path / layout / "u.data", "1\t10\t5\t100\n1\t20\t4\t200\n2\t10\t3\t300\n")
        write_text(tmp_path / layout / "u.user", "1|24|M|writer|85711\n2|53|F|writer|94043\n")
    else:
        write_text(tmp_path / layout / "ratings.dat", "1::10::5::100\n1::20::4::200\n2::10::3::300\n")
        write_text(tmp_path / layout / "users.dat", "1::M::24::10::48067\n2::F::53::16::70072\n")
    dataset = prepare(tmp_path / layout, tmp_path / "data", PrepareSettings(user_numeric=("age",)))
    assert dataset.user_table is not None
    assert dataset.user_table["age"].to_list() == ["24", "53"]
    assert dataset.user_features["metadata"].present.all()
    assert dataset.about["notes"] == []
