"""Lists are written as competitions want them: rows, columns, order and file types."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from triptych.cli.app import run as shell
from triptych.data.recommendation_files import OutputForm, write_recommendations
from triptych.data.recommendations import Recommendations
from triptych.data.split import assign_split
from triptych.data.vocabulary import Vocabulary
from triptych.errors import InputError, SettingsError
from triptych.ranking.recommender_folder import open_recommender
from triptych.training.fit import fit
from worlds import random_dataset

LISTS = Recommendations(
    pl.Series("id", ["=u1", "u2", "u3"]),
    np.array([[0, 2], [1, -1], [-1, -1]]),
    np.array([[2, 1], [1, -np.inf], [-np.inf, -np.inf]], dtype=np.float32),
    Vocabulary(["007", "b,c", "d"]),
)
WIDE = OutputForm("wide", {"user": "customer_id", "items": "prediction"})


def written(path: Path, **options: Any) -> bytes:
    write_recommendations([LISTS], path, **options)
    content = path.read_bytes()
    return gzip.decompress(content) if path.suffix == ".gz" else content


@pytest.mark.parametrize("name", ["lists.csv", "lists.csv.gz"])
def test_a_wide_file_has_one_row_per_user_with_the_items_joined(name: str, tmp_path: Path) -> None:
    assert written(tmp_path / name, form=WIDE) == b'customer_id,prediction\n=u1,007 d\nu2,"b,c"\nu3,""\n'
    piped = OutputForm("wide", separator="|")
    assert written(tmp_path / name, form=piped) == b'user_id,item_ids\n=u1,007|d\nu2,"b,c"\nu3,""\n'
    escaped = written(tmp_path / name, form=WIDE, escape_formulas=True)
    assert escaped.startswith(b"customer_id,prediction\n'=u1,007 d\n")


def test_equal_lists_are_equal_bytes_when_compressed(tmp_path: Path) -> None:
    for name in ("one.csv.gz", "other.csv.gz"):
        write_recommendations([LISTS], tmp_path / name)
    assert (tmp_path / "one.csv.gz").read_bytes() == (tmp_path / "other.csv.gz").read_bytes()


def test_items_are_lists_in_parquet_and_json_lines(tmp_path: Path) -> None:
    expected = [("=u1", ["007", "d"]), ("u2", ["b,c"]), ("u3", [])]
    written(tmp_path / "lists.parquet", form=WIDE)
    assert pl.read_parquet(tmp_path / "lists.parquet").rows() == expected
    lines = written(tmp_path / "lists.jsonl", form=WIDE).decode().splitlines()
    assert [tuple(json.loads(line).values()) for line in lines] == expected
    assert list(json.loads(lines[0])) == ["customer_id", "prediction"]


def test_columns_of_a_long_file_have_chosen_names_or_are_left_out(tmp_path: Path) -> None:
    form = OutputForm(columns={"user": "session", "item": "aid", "score": "-"})
    assert written(tmp_path / "a.csv", form=form) == b'session,aid,rank\n=u1,007,1\n=u1,d,2\nu2,"b,c",1\n'
    written(tmp_path / "a.parquet", form=form)
    assert pl.read_parquet(tmp_path / "a.parquet").columns == ["session", "aid", "rank"]
    assert json.loads(written(tmp_path / "a.jsonl").splitlines()[0]) == {
        "user_id": "=u1",
        "item_id": "007",
        "rank": 1,
        "score": 2.0,
    }


def test_an_id_that_contains_the_separator_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match='contains the separator ","'):
        write_recommendations([LISTS], tmp_path / "a.csv", form=OutputForm("wide", separator=","))
    assert not (tmp_path / "a.csv").exists()


@pytest.mark.parametrize(
    "options",
    [
        {"layout": "broad"},
        {"columns": {"items": "x"}},
        {"layout": "wide", "columns": {"user": "x", "items": "x"}},
        {"columns": {"user": ""}},
        {"separator": ","},
        {"layout": "wide", "separator": "\n"},
    ],
)
def test_forms_that_contradict_themselves_are_refused(options: Any) -> None:
    with pytest.raises(SettingsError):
        OutputForm(**options)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "run"
    fit("popularity", assign_split(random_dataset(), "ratio")).save(path)
    return path


def test_a_submission_has_the_users_of_the_sample_in_its_order(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    users = ["u07", "new", "u01", "u29", "other", "u00", "last"]
    sample = tmp_path / "sample_submission.csv"
    sample.write_text("\ufeffcustomer_id,prediction\r\n" + "".join(f"{each},0 1\r\n" for each in users), "utf-8")
    output = tmp_path / "submission.csv"
    options = ["--users", str(sample), "--unknown", "popular", "-k", "4", "--format", "wide", "-q"]
    named = ["--columns", "user=customer_id,items=prediction"]
    assert shell(["recommend", str(model), *options, *named, "-o", str(output)]) == 0
    assert "7 lists" in capsys.readouterr().out
    frame = pl.read_csv(output)
    assert frame.columns == ["customer_id", "prediction"]
    assert frame["customer_id"].to_list() == users
    lists = dict(frame.iter_rows())
    assert all(len(each.split()) == 4 for each in lists.values())
    assert lists["new"] == lists["last"]
    assert lists["new"] != lists["u07"]  # whose history is left out


@pytest.mark.parametrize("users", [["x"], ["x", "u01", "y"], ["u01"], ["u02", "u02"], []])
def test_lists_are_those_of_each_user_alone_whatever_the_order(model: Path, users: list[str]) -> None:
    recommender = open_recommender(model)
    together = recommender.recommend(users, k=3, unknown="popular")
    assert together.user_ids.to_list() == users
    for user, items in zip(users, together.items.tolist(), strict=True):
        assert items == recommender.recommend([user], k=3, unknown="popular").items[0].tolist()


@pytest.mark.filterwarnings("always::triptych.ranking.requested_users.UnknownUserWarning")
def test_unknown_users_who_are_left_out_are_a_line_of_warning(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    users = tmp_path / "users.txt"
    users.write_bytes(b"\xef\xbb\xbfu01\r\nghost\r\n")
    assert shell(["recommend", str(model), "--users", str(users), "-k", "1", "--unknown", "warn"]) == 0
    assert capsys.readouterr().err == "warning: 1 unknown users are left out: ghost\n"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--format", "wide"], "need an --output file"),
        (["--columns", "user", "-o", "a.csv"], "is not KIND=NAME"),
        (["--separator", "|", "-o", "a.csv"], "needs the wide layout"),
        (["--format", "wide", "--separator", "|", "-o", "a.parquet"], "only .csv files join"),
        (["-o", "a.xlsx"], "cannot write"),
    ],
)
def test_options_that_cannot_work_are_refused(
    options: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert shell(["recommend", str(tmp_path / "none"), "--user", "u1", *options]) == 2
    assert message in capsys.readouterr().err
