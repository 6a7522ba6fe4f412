"""Names of files and arguments whose bytes are not UTF-8 are used as they are, or named in an error."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import triptych
from reliability.hostile_shop import hostile_dataset
from triptych.artefacts import json_bytes
from triptych.artefacts.json_files import parse_json
from triptych.cli.app import run
from triptych.data.vocabulary import Vocabulary
from triptych.errors import InputError
from triptych.texts import as_utf8, is_utf8
from triptych.training.settings import TrainingSettings

NOT_UTF8 = os.fsdecode(b"x\xff\xe9") if sys.platform == "linux" else "x"

linux = pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse names that are not UTF-8")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shop") / f"model-{NOT_UTF8}"
    split = triptych.split(hostile_dataset(), "ratio", seed=1)
    triptych.fit("item-knn", split, {}, TrainingSettings()).save(folder)
    return folder


@linux
def test_every_command_reads_and_writes_files_of_any_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    log, data, out, table = f"log-{NOT_UTF8}", f"data-{NOT_UTF8}", f"out-{NOT_UTF8}", f"{NOT_UTF8}.parquet"
    pl.DataFrame({"item_id": [f"i{n}" for n in range(7)], "genre": ["a", "b"] * 3 + ["a"]}).write_parquet("items")
    Path("items").rename(table)
    rows = "".join(f"u{n % 5},i{n % 7}\n" for n in range(35))
    Path(f"{log}.csv").write_text(f"user_id,item_id\n{rows}", encoding="utf-8")
    Path(f"{log}.txt").write_text("u1\n", encoding="utf-8")
    for arguments in (
        ["encode", table, "--categorical", "genre", "-o", f"features-{NOT_UTF8}"],
        ["prepare", f"{log}.csv", "--items", table, "--categorical", "genre", "-o", data],
        ["train", data, "--model", "item-knn", "--run", f"run-{NOT_UTF8}"],
        ["train", data, "--model", "bpr", "-s", "epochs=1", "--run", f"bpr-{NOT_UTF8}"],
        ["evaluate", f"run-{NOT_UTF8}", "--per-user", f"{out}.parquet"],
        ["recommend", f"bpr-{NOT_UTF8}", "-k", "2", "-o", f"lists-{out}.parquet"],
        ["recommend", f"bpr-{NOT_UTF8}", "-k", "2", "-o", f"{out}.csv"],
        ["recommend", f"run-{NOT_UTF8}", "-k", "2", "--users", f"{log}.txt"],
        ["recommend", f"run-{NOT_UTF8}", "-k", "2", "--histories", f"{log}.csv"],
        ["blend", f"run-{NOT_UTF8}", f"bpr-{NOT_UTF8}", "-o", f"blend-{NOT_UTF8}"],
        ["explain", f"run-{NOT_UTF8}", "--data", data, "--user", "u1", "--drawing", f"{out}.svg"],
    ):
        assert run(arguments) == 0, (arguments, capsys.readouterr().err)


def test_a_separator_that_is_not_utf8_is_kept_in_the_description() -> None:
    assert parse_json(json_bytes({"separator": NOT_UTF8})) == {"separator": NOT_UTF8}


@linux
@pytest.mark.parametrize("option", ["--user", "--history"])
def test_an_id_that_is_not_utf8_is_unknown(model: Path, option: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["recommend", str(model), option, NOT_UTF8]) == 1
    assert "unknown" in capsys.readouterr().err
    others = ["--unknown", "popular"] if option == "--user" else ["--unknown-items", "ignore"]
    assert run(["recommend", str(model), option, NOT_UTF8, "-k", "1", *others]) == 0


@linux
def test_an_id_is_found_although_the_locale_cannot_decode_it() -> None:
    undecoded = "日本 café".encode().decode("ascii", "surrogateescape")  # an argument in the locale C
    assert Vocabulary(["i1", "日本 café"]).find([undecoded]).tolist() == [1]


def test_item_ids_in_memory_that_are_not_utf8_are_refused_with_their_row() -> None:
    log = pl.DataFrame({"user_id": ["u", "v"] * 3, "item_id": ["a", "b", "c"] * 2})
    matrix = np.ones((3, 2), np.float32)
    with pytest.raises(InputError, match="not UTF-8") as error:
        triptych.dataset_from_frames(log, features={"image": (["a", "b", "\udcff"], matrix)})
    assert "row 2" in str(error.value.where)


@given(st.text(st.characters(codec=None)))
def test_any_text_can_be_an_id(text: str) -> None:
    assert is_utf8(as_utf8(text))
    assert Vocabulary(["i1"]).find([text]).tolist() == [0 if text == "i1" else -1]
