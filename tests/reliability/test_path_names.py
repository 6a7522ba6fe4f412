"""A path that is given is the name of one file or folder, and never a pattern for others."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from preparing.small import IMAGE, ITEMS, LOG
from triptych.artefacts import write_file, writing_folder
from triptych.data.dataset import open_dataset
from triptych.data.formats.features import FeatureSource
from triptych.errors import InputError
from triptych.preparing import PrepareSettings, prepare
from triptych.ranking.recommender_folder import open_recommender
from triptych.training.fit import fit
from triptych.training.settings import TrainingSettings
from worlds import random_split


def log_of(user: str) -> pl.DataFrame:
    return LOG.with_columns(pl.lit(user).alias("user_id"))


@pytest.mark.parametrize("ending", [".csv", ".tsv", ".parquet"])
@pytest.mark.parametrize(("name", "matched"), [("log[1]", "log1"), ("log?", "logs"), ("l*g", "long")])
def test_a_log_whose_name_could_be_a_pattern_is_read_and_no_other(
    tmp_path: Path, name: str, matched: str, ending: str
) -> None:
    for stem in (name, matched):
        frame, path = log_of(stem), tmp_path / f"{stem}{ending}"
        if ending == ".parquet":
            frame.write_parquet(path)
        else:
            frame.write_csv(path, separator="," if ending == ".csv" else "\t")
    dataset = prepare(tmp_path / f"{name}{ending}", tmp_path / "out")
    assert dataset.users.ids.to_list() == [name]


def test_a_missing_file_is_missing_though_its_name_matches_another(tmp_path: Path) -> None:
    LOG.write_csv(tmp_path / "log1.csv")
    with pytest.raises(InputError, match="no such file"):
        prepare(tmp_path / "log[1].csv", tmp_path / "out")


def test_a_home_sign_is_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "~").mkdir()
    LOG.write_csv(tmp_path / "~" / "log.csv")
    LOG.write_parquet(tmp_path / "~" / "log.parquet")
    monkeypatch.chdir(tmp_path)
    for name in ("~/log.csv", "~/log.parquet"):
        assert prepare(name, "out", overwrite=True).n_users == 3


@pytest.mark.parametrize(("name", "matched"), [("shop[1]", "shop1"), ("sh*p", "shop"), ("sho?", "shoe")])
def test_a_data_set_whose_name_could_be_a_pattern_is_opened_and_no_other(
    tmp_path: Path, name: str, matched: str
) -> None:
    for each in (name, matched):
        log_of(each).write_parquet(tmp_path / "log.parquet")
        prepare(tmp_path / "log.parquet", tmp_path / each)
    assert open_dataset(tmp_path / name).users.ids.to_list() == [name]
    shutil.rmtree(tmp_path / matched)
    assert open_dataset(tmp_path / name).users.ids.to_list() == [name]


def test_everything_may_be_in_a_folder_whose_name_could_be_a_pattern(tmp_path: Path) -> None:
    folder = tmp_path / "[x]" / "a*b?"
    folder.mkdir(parents=True)
    LOG.write_csv(folder / "log.csv")
    ITEMS.write_parquet(folder / "items.parquet")
    np.save(folder / "image.npy", IMAGE)
    features = [FeatureSource("image", folder / "image.npy")]
    settings = PrepareSettings(split="leave-one-out")
    prepare(folder / "log.csv", folder / "shop", settings, items=folder / "items.parquet", features=features)
    assert open_dataset(folder / "shop").features["image"].width == 2
    fit("popularity", random_split(), training=TrainingSettings(), run=folder / "run")
    assert open_recommender(folder / "run").recommend(k=2).items.shape == (30, 2)


def test_writing_an_output_removes_nothing_that_only_matches_its_name(tmp_path: Path) -> None:
    others = [tmp_path / f".{name}.writing-{'0' * 16}" for name in ("a1", "ab", "axb")]
    for other in others:
        other.mkdir()
        (other / "file").write_text("of another output")
    for name in ("a[1]", "a?", "a*b"):
        with writing_folder(tmp_path / name, "test", {}) as folder:
            (folder / "file").write_text(name)
        write_file(tmp_path / f"{name}.txt", b"")
    assert all((other / "file").read_text() == "of another output" for other in others)
