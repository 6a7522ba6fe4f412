"""Existing outputs are replaced only on request and never by a failed run; damaged ones are refused."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from preparing.broken import (
    ITEMS,
    LOG,
    all_paths,
    rows,
    write_files,
)
from triptych.data.dataset import open_dataset
from triptych.errors import ArtefactError, InputError
from triptych.preparing import FeatureSource, PrepareSettings, prepare


def test_an_existing_output_is_replaced_only_on_request(tmp_path: Path) -> None:
    write_files(tmp_path, {"log.csv": LOG})
    output = tmp_path / "prepared"
    prepare(tmp_path / "log.csv", output)
    before = {file: file.read_bytes() for file in output.rglob("*") if file.is_file()}
    with pytest.raises(ArtefactError, match="already exists") as caught:
        prepare(tmp_path / "log.csv", output, PrepareSettings(seed=1))
    assert caught.value.where == str(output)
    assert "overwrite" in str(caught.value.hint)
    assert {file: file.read_bytes() for file in output.rglob("*") if file.is_file()} == before
    prepare(tmp_path / "log.csv", output, PrepareSettings(min_rating=3), overwrite=True)
    assert all_paths(tmp_path) == {tmp_path / "log.csv", output, *output.rglob("*")}


def test_a_failed_run_keeps_the_old_data_set(tmp_path: Path) -> None:
    write_files(tmp_path, {"log.csv": LOG, "items.csv": ITEMS, "image.npy": rows(np.nan)})
    output = tmp_path / "prepared"
    old = prepare(tmp_path / "log.csv", output)
    before = all_paths(tmp_path)
    with pytest.raises(InputError, match="NaN"):
        prepare(
            tmp_path / "log.csv",
            output,
            items=tmp_path / "items.csv",
            features=[FeatureSource("image", tmp_path / "image.npy")],
            overwrite=True,
        )
    assert all_paths(tmp_path) == before
    assert open_dataset(output).fingerprint == old.fingerprint


def test_a_folder_of_another_program_is_never_replaced(tmp_path: Path) -> None:
    write_files(tmp_path, {"log.csv": LOG, "mine/thesis.txt": "years of work"})
    with pytest.raises(ArtefactError, match="not written by triptych"):
        prepare(tmp_path / "log.csv", tmp_path / "mine", overwrite=True)
    assert (tmp_path / "mine" / "thesis.txt").read_text(encoding="utf-8") == "years of work"


def test_a_damaged_data_set_is_refused_and_its_file_named(tmp_path: Path) -> None:
    write_files(tmp_path, {"log.csv": LOG})
    prepare(tmp_path / "log.csv", tmp_path / "prepared")
    shutil.copy(tmp_path / "log.csv", tmp_path / "prepared" / "users.parquet")
    with pytest.raises(ArtefactError, match="is damaged") as caught:
        open_dataset(tmp_path / "prepared")
    assert caught.value.where == str(tmp_path / "prepared" / "users.parquet")
