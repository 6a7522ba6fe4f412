"""Folders of format 1 are still opened: a data set, runs, an interrupted run and a blend, written before format 2.

`format_1.zip` holds them, with `expected.json`: what the code that wrote them computed.
"""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from triptych.artefacts import VERSION
from triptych.data.dataset import open_dataset
from triptych.data.split import Split
from triptych.explaining.explainer import Explainer
from triptych.ranking.recommender_folder import open_recommender
from triptych.training.fit import fit
from triptych.training.settings import TrainingSettings

SETTINGS = TrainingSettings(epochs=2, batch_size=16, precision="float32")  # of the runs in the archive


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with zipfile.ZipFile(Path(__file__).with_name("format_1.zip")) as archive:
        archive.extractall(tmp_path)
    return tmp_path


@pytest.fixture
def expected(folder: Path) -> dict[str, Any]:
    values: dict[str, Any] = json.loads((folder / "expected.json").read_text(encoding="utf-8"))
    return values


def test_the_archive_is_of_format_1_and_today_is_a_later_one(folder: Path) -> None:
    assert json.loads((folder / "data" / "manifest.json").read_text(encoding="utf-8"))["version"] == 1
    assert VERSION > 1


def test_a_data_set_of_format_1_has_its_split(folder: Path) -> None:
    dataset = open_dataset(folder / "data")
    assert dataset.split_codes is not None
    assert sorted(set(dataset.split_codes.tolist())) == [0, 1, 2]
    assert len(Split.from_dataset(dataset).test)


@pytest.mark.parametrize("name", ["bm3", "item-knn", "blend"])
def test_a_recommender_of_format_1_gives_the_same_lists_and_metrics(
    name: str, folder: Path, expected: dict[str, Any]
) -> None:
    recommender = open_recommender(folder / name)
    values = expected[name]
    assert recommender.recommend(k=3).items.tolist() == values["lists"]
    assert recommender.evaluate(metrics=["ndcg@3"])["ndcg@3"] == pytest.approx(values["ndcg@3"], abs=1e-12)
    known = recommender.evaluate(exclude="train+validation", metrics=["ndcg@3"])["ndcg@3"]
    assert known == pytest.approx(values["known"], abs=1e-12)


@pytest.mark.parametrize("name", ["bm3", "blend"])
def test_a_recommender_of_format_1_is_explained(name: str, folder: Path) -> None:
    recommender = open_recommender(folder / name)
    explainer = Explainer(recommender, open_dataset(folder / "data"))
    assert explainer.explain(str(recommender.dataset.users.ids[0]), k=1)[0].statement


def test_a_finished_run_of_format_1_is_not_trained_again(folder: Path) -> None:
    before = (folder / "bm3" / "checkpoint.safetensors").stat().st_mtime_ns
    fit("bm3", open_dataset(folder / "data"), {"embedding_size": 4}, SETTINGS, run=folder / "bm3")
    assert (folder / "bm3" / "checkpoint.safetensors").stat().st_mtime_ns == before


def test_an_interrupted_run_of_format_1_is_continued(folder: Path, expected: dict[str, Any]) -> None:
    run = folder / "interrupted"
    recommender = fit("lightgcn", open_dataset(folder / "data"), {"embedding_size": 4}, SETTINGS, run=run)
    assert recommender.about["epochs"] == expected["interrupted"]["epochs"]
    trained = np.array(expected["interrupted"]["items"])
    # the first steps were taken on another machine: equal up to rounding
    np.testing.assert_allclose(recommender.factors.items.numpy(), trained, rtol=1e-4, atol=1e-6)
