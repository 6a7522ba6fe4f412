"""Ids go out in the type in which they came: frames join again with those that the data came from."""

from __future__ import annotations

import json
import multiprocessing
import os
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

import triptych
from triptych.artefacts import MANIFEST
from triptych.cli.app import app
from triptych.data.dataset import Dataset, open_dataset
from triptych.data.id_types import INTEGERS, IdType, first_without_type, fitting_type, with_type
from triptych.data.recommendation_files import OutputForm, write_recommendations
from triptych.errors import ArtefactError, InputError, InputWarning
from triptych.preparing import dataset_from_frames, extend_dataset, prepare
from triptych.ranking.recommender import Recommender
from triptych.ranking.recommender_folder import open_recommender

USERS, ITEMS = np.repeat(np.arange(1, 31), 5), np.arange(150) * 7 % 25 + 100


def log_of(users: Any = USERS, items: Any = ITEMS) -> pd.DataFrame:
    return pd.DataFrame({"user_id": users, "item_id": items})


def model_of(log: Any, **options: Any) -> Recommender:
    return triptych.fit("item-knn", triptych.split(dataset_from_frames(log, **options), "ratio"))


def uuids(numbers: np.ndarray[Any, Any]) -> list[UUID]:
    return [UUID(int=int(each) * 2**90 + 5) for each in numbers]


@pytest.mark.parametrize("user_type", INTEGERS)
@pytest.mark.parametrize("native", ["pandas", "polars", "arrow"])
def test_lists_join_with_the_frames_of_whole_numbers_that_the_data_came_from(user_type: IdType, native: str) -> None:
    sign = 1 if user_type.startswith("u") else -1
    log = log_of((sign * USERS).astype(user_type), (ITEMS * 2**40).astype("uint64"))
    frame = {"pandas": log, "polars": pl.from_pandas(log), "arrow": pa.Table.from_pandas(log)}[native]
    lists = model_of(frame).recommend(k=3)
    assert lists.to_polars().schema["user_id"] == INTEGERS[user_type]
    assert lists.to_polars().schema["item_id"] == pl.UInt64
    assert lists.to_pandas()["user_id"].dtype == np.dtype(user_type)
    assert lists.to_arrow().schema.field("item_id").type == pa.uint64()
    assert lists.to_lists().schema["item_ids"] == pl.List(pl.UInt64)
    joined = lists.to_pandas().merge(log.drop_duplicates("item_id"), on="item_id")
    assert len(joined) == len(lists.to_polars()) > 0
    assert set(lists.to_pandas()["user_id"]) <= set(log["user_id"])


@pytest.mark.parametrize(
    "column",
    [
        pd.Series(USERS).astype("Int64"),
        pd.Series(USERS).astype("category"),
        pd.Series(USERS).astype(float),
        pd.Series(USERS.tolist(), dtype=object),
        pd.Series(USERS).astype("int64[pyarrow]"),
    ],
    ids=["nullable", "categories", "floats", "objects", "arrow"],
)
def test_other_columns_of_whole_numbers_are_int64(column: Any) -> None:
    lists = model_of(log_of(column)).recommend(k=3).to_pandas()
    assert lists["user_id"].dtype == np.int64
    assert len(lists.merge(log_of().drop_duplicates("user_id"), on="user_id")) == len(lists)


def test_texts_stay_texts_whatever_they_look_like(tmp_path: Path) -> None:
    assert model_of(log_of(USERS.astype(str))).recommend(k=3).to_polars().schema["user_id"] == pl.String
    mixed = log_of([int(each) if each % 2 else f"{each}" for each in USERS])
    assert model_of(mixed).recommend(k=3).to_polars().schema["user_id"] == pl.String
    log_of([f"{each:03}" for each in USERS]).to_csv(tmp_path / "log.csv", index=False)
    dataset = prepare(tmp_path / "log.csv", tmp_path / "data")
    assert (dataset.users.id_type, dataset.items.id_type) == ("string", "string")
    assert "ids" not in json.loads((tmp_path / "data" / MANIFEST).read_text())["about"]


def test_uuids_come_back_as_uuids_in_pandas_and_as_text_elsewhere(tmp_path: Path) -> None:
    log = log_of(uuids(USERS), uuids(ITEMS))
    by_polars = pl.DataFrame({"user_id": pl.Series(uuids(USERS)), "item_id": pl.Series(uuids(ITEMS))})
    bytes_of = [pa.array([each.bytes for each in log[name]], pa.uuid()) for name in log.columns]
    frames: list[Any] = [log, by_polars, pa.table(bytes_of, names=["user_id", "item_id"])]
    for frame in frames:
        model = model_of(frame)
        model.save(tmp_path / "model", overwrite=True)
        for each in (model, open_recommender(tmp_path / "model")):
            lists = each.recommend([USERS_UUID := log["user_id"][0]], k=3)
            assert lists.to_polars()["user_id"].to_list() == [str(USERS_UUID)] * 3
            merged = lists.to_pandas().merge(log.drop_duplicates("item_id"), on="item_id")
            assert len(merged) == 3
            assert type(merged["item_id"][0]) is UUID
            assert len(each.similar_items(log["item_id"][0], k=3)) == 3


def test_categories_of_texts_come_back_as_categories(tmp_path: Path) -> None:
    log = pl.from_pandas(log_of()).cast(pl.String).cast(pl.Categorical)
    lists = model_of(log).recommend(k=3)
    assert len(lists.to_polars().join(log.unique("item_id"), on="item_id")) == len(lists.to_polars()) > 0
    for name in ("lists.parquet", "lists.csv"):
        write_recommendations([lists], tmp_path / name)
    assert pl.read_parquet(tmp_path / "lists.parquet").schema["user_id"] == pl.String
    write_recommendations([lists], tmp_path / "wide.csv", form=OutputForm("wide"))


@pytest.mark.parametrize("ending", ["parquet", "arrow"])
def test_the_types_of_columnar_files_reach_the_files_of_lists(tmp_path: Path, ending: str) -> None:
    log = pl.from_pandas(log_of()).cast({"user_id": pl.Int32})
    log.write_parquet(tmp_path / "log.parquet")
    log.write_ipc(tmp_path / "log.arrow")
    dataset = prepare(tmp_path / f"log.{ending}", tmp_path / "data")
    assert json.loads((tmp_path / "data" / MANIFEST).read_text())["about"]["ids"] == {"user": "int32", "item": "int64"}
    assert open_dataset(tmp_path / "data").users.id_type == "int32"
    triptych.fit("item-knn", triptych.split(dataset, "ratio")).save(tmp_path / "model")
    runner = CliRunner()
    for form in ("long", "wide"):
        output = tmp_path / f"{form}.parquet"
        result = runner.invoke(
            app, ["recommend", str(tmp_path / "model"), "-o", str(output), "--format", form, "-k", "3"]
        )
        assert result.exit_code == 0, result.output
        schema = pl.read_parquet_schema(output)
        assert schema["user_id"] == pl.Int32
        assert schema.get("item_id", pl.Int64) == pl.Int64
        assert schema.get("item_ids", pl.List(pl.Int64)) == pl.List(pl.Int64)
    shown = runner.invoke(app, ["recommend", str(tmp_path / "model"), "--user", "7", "-k", "2", "--json"])
    assert json.loads(shown.stdout)[0]["user_id"] == 7
    assert runner.invoke(app, ["recommend", str(tmp_path / "model"), "--user", "7", "-k", "2"]).exit_code == 0


def test_the_metrics_of_every_user_have_the_ids_as_they_came(tmp_path: Path) -> None:
    split = triptych.split(dataset_from_frames(log_of()), "ratio")
    triptych.fit("item-knn", split).save(tmp_path / "run")
    split.known_interactions().save(tmp_path / "data")
    lists = open_recommender(tmp_path / "run").recommend(exclude="train").to_polars()
    lists.write_parquet(tmp_path / "lists.parquet")
    files = {name: tmp_path / f"{name}.parquet" for name in ("evaluate", "score")}
    for name, arguments in (("evaluate", ["run"]), ("score", ["lists.parquet", "data"])):
        paths = [str(tmp_path / each) for each in arguments]
        result = CliRunner().invoke(app, [name, *paths, "--per-user", str(files[name]), "--json"])
        assert result.exit_code == 0, result.output
    evaluated, scored = (pl.read_parquet(file) for file in files.values())
    assert evaluated.schema["user_id"] == pl.Int64
    assert scored.equals(evaluated)


def test_every_output_of_lists_takes_whole_numbers(tmp_path: Path) -> None:
    lists = model_of(log_of(-USERS)).recommend([-1, -2], k=2)
    for name in ("a.csv", "a.jsonl", "a.trec", "a.json"):
        write_recommendations([lists], tmp_path / name, escape_formulas=name == "a.csv")
    assert pl.read_csv(tmp_path / "a.csv")["user_id"].to_list() == [-1, -1, -2, -2]
    assert pl.read_ndjson(tmp_path / "a.jsonl").schema["item_id"] == pl.Int64
    assert set(json.loads((tmp_path / "a.json").read_text())) == {"-1", "-2"}
    wide = OutputForm("wide", separator="-")
    write_recommendations([lists], tmp_path / "wide.csv", form=wide)
    assert pl.read_csv(tmp_path / "wide.csv")["item_ids"][0].count("-") == 1


def test_every_kind_of_request_finds_the_same_users() -> None:
    model = model_of(log_of(USERS.astype("int32")))
    expected = model.recommend(["1", "2"], k=3).to_polars()
    requests: list[Any] = [
        [1, 2],
        (np.int8(1), "2"),
        [1.0, " 2 "],
        np.array([1, 2], dtype=np.uint16),
        np.array(["1", "2"]),
        pd.Series([1, 2], dtype="Int64"),
        pd.Series([1, 2]).astype("category"),
        pd.Index([1, 2]),
        pl.Series([1, 2], dtype=pl.Int8),
        pl.Series(["1", "2"], dtype=pl.Categorical),
        pa.array([1, 2]),
        pa.chunked_array([[1], [2]]),
        [pa.scalar(1), pd.Series([2])[0]],
        range(1, 3),
    ]
    for users in requests:
        assert model.recommend(users, k=3).to_polars().equals(expected), users
    left_out = int(expected["item_id"][0])
    kinds: list[Any] = [[left_out], [str(left_out)], pl.Series([left_out]), pd.DataFrame({"item_id": [left_out]})]
    for items in kinds:
        assert left_out not in model.recommend([1], k=5, exclude_items=items).to_polars()["item_id"]
    histories: list[Any] = [[100, 107], np.array([100, 107]), pl.Series([100, 107]), ["100", 107.0]]
    answers = [model.recommend_from_history({"new": each}, k=3).to_polars() for each in histories]
    assert all(each.equals(answers[0]) for each in answers)
    assert answers[0]["user_id"].to_list() == ["new"] * 3


def test_missing_values_are_no_ids() -> None:
    model = model_of(log_of())
    missing: list[Any] = [[pd.NA], [pd.NaT], [np.nan], pd.Series([1, None], dtype="Int64"), pl.Series([1, None]), [[1]]]
    for users in missing:
        with pytest.raises(InputError, match="is not a user id"):
            model.recommend(users, k=1)
    with pytest.raises(InputError, match="not a list of ids"):
        model.recommend(np.array(1), k=1)


def test_an_unknown_user_who_cannot_be_in_a_column_of_integers_is_refused() -> None:
    model = model_of(log_of(USERS.astype("int8")))
    lists = model.recommend([1, 100], k=2, unknown="popular").to_polars()
    assert lists["user_id"].to_list() == [1, 1, 100, 100]
    for user in ("someone", 1000, "007"):
        with pytest.raises(InputError, match=rf'"{user}" cannot be in lists: .* whole numbers \(int8\)'):
            model.recommend([1, user], k=2, unknown="popular")


def test_ids_that_do_not_fit_make_the_type_wider_or_text_and_a_note_says_so(tmp_path: Path) -> None:
    log = log_of(USERS, ITEMS.astype("int16"))
    wider = dataset_from_frames(log, items=pd.DataFrame({"item_id": [*range(100, 125), 10**6]}))
    assert wider.items.id_type == "int64"
    with pytest.warns(InputWarning, match=r'item ids are whole numbers \(int16\), but "new" is an item too'):
        text = dataset_from_frames(log, items=pd.DataFrame({"item_id": [*map(str, range(100, 125)), "new"]}))
    assert (text.users.id_type, text.items.id_type) == ("int64", "string")
    wider.save(tmp_path / "data")
    pl.DataFrame({"item_id": ["200", "x"]}).write_csv(tmp_path / "new.csv")
    extended = extend_dataset(open_dataset(tmp_path / "data"), tmp_path / "new.csv", tmp_path / "more")
    assert (extended.users.id_type, extended.items.id_type) == ("int64", "string")
    assert open_dataset(tmp_path / "more").items.ids[-1] == "x"


def test_folders_without_types_have_texts_and_wrong_types_are_damage(tmp_path: Path) -> None:
    dataset = dataset_from_frames(log_of(USERS.astype(str), [f"i{each}" for each in ITEMS]))
    bad: list[Any] = [{"user": "int8", "item": "complex"}, {"user": "uuid"}, ["int8"], {"user": 3}]
    for number, types in enumerate(bad):
        forged = Dataset(dataset.users, dataset.items, dataset.interactions, about={"ids": types})
        forged.save(tmp_path / str(number))
        with pytest.raises(ArtefactError, match="damaged"):
            open_dataset(tmp_path / str(number))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_whole_numbers_come_back_in_a_forked_process() -> None:
    model = model_of(log_of())
    expected = model.recommend(k=3).to_pandas()
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=lambda: sender.send(model.recommend(k=3).to_pandas()))
    process.start()
    assert receiver.poll(100)
    pd.testing.assert_frame_equal(receiver.recv(), expected)
    process.join()


@given(
    st.lists(
        st.one_of(st.integers(-(2**70), 2**70).map(str), st.sampled_from(["007", "-0", "+1", "", "x"])), max_size=5
    )
)
def test_a_type_fits_only_if_every_id_comes_back_as_it_is(texts: list[str]) -> None:
    ids = pl.Series("id", texts, dtype=pl.String)
    for id_type in INTEGERS:
        low, high = np.iinfo(id_type).min, np.iinfo(id_type).max
        fits = [each.lstrip("-").isdigit() and str(int(each)) == each and low <= int(each) <= high for each in texts]
        first = next((each for each, fit in zip(texts, fits, strict=True) if not fit), None)
        assert first_without_type(ids, id_type) == first
        found = fitting_type(ids, id_type)
        assert with_type(ids, found).cast(pl.String).to_list() == texts
