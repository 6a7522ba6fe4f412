"""Models, data sets, splits and reports can be pickled and copied, and the copies answer as they do."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cloudpickle
import numpy as np
import polars as pl
import pytest

from reliability.answering import answers, recommender
from triptych.data.dataset import Dataset, open_dataset
from triptych.data.split import split
from triptych.explaining.explainer import explain
from triptych.ranking.recommender import Recommender
from triptych.ranking.recommender_folder import open_recommender
from triptych.studies.blend import weighted_blend
from triptych.training.fit import fit
from triptych.training.settings import TrainingSettings
from worlds import random_dataset

COPIES: dict[str, Callable[[Any], Any]] = {
    "pickle": lambda each: pickle.loads(pickle.dumps(each)),
    "cloudpickle": lambda each: pickle.loads(cloudpickle.dumps(each)),
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
}
all_copies = pytest.mark.parametrize("copied", COPIES.values(), ids=COPIES)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """A data set from a folder: its features are memory-mapped."""
    path = tmp_path_factory.mktemp("copies") / "shop"
    made = random_dataset(7)
    replace(made, item_table=pl.DataFrame({"item_id": made.items.ids, "title": made.items.ids})).save(path)
    return open_dataset(path)


@all_copies
def test_a_model_and_its_copy_answer_the_same(copied: Callable[[Any], Any], tmp_path: Path) -> None:
    one = recommender()
    expected = answers(one)
    assert answers(copied(one)) == expected
    one.save(tmp_path / "model")
    assert answers(copied(open_recommender(tmp_path / "model"))) == expected


@all_copies
@pytest.mark.parametrize("name", ["bm3", "ease", "item-knn", "popularity", "blend"])
def test_every_kind_of_scorer_is_copied(name: str, copied: Callable[[Any], Any], dataset: Dataset) -> None:
    divided, training = split(dataset, "ratio"), TrainingSettings(epochs=1)
    models = [fit(each, divided, training=training) for each in (["bm3", "ease"] if name == "blend" else [name])]
    one: Recommender = models[0] if name != "blend" else weighted_blend(models, (1.0, 2.0))
    other = copied(one)
    assert other.recommend(k=5).to_polars().equals(one.recommend(k=5).to_polars())
    assert other.about == one.about
    assert repr(other) == repr(one)


@all_copies
def test_data_sets_and_splits_are_copied(copied: Callable[[Any], Any], dataset: Dataset) -> None:
    for one in (dataset, split(dataset, "ratio")):
        other = copied(one)
        assert repr(other) == repr(one)
        theirs: Any
        mine, theirs = (each if isinstance(each, Dataset) else each.train for each in (one, other))
        assert mine.users.ids.equals(theirs.users.ids)
        assert np.array_equal(mine.interactions.keys, theirs.interactions.keys)
        for modality, features in mine.features.items():
            assert np.array_equal(features.table, theirs.features[modality].table)
            assert np.array_equal(features.present, theirs.features[modality].present)
        assert mine.item_table is not None
        assert mine.item_table.equals(theirs.item_table)
        assert theirs.fingerprint == mine.fingerprint


@all_copies
def test_reports_lists_and_explanations_are_copied(copied: Callable[[Any], Any], dataset: Dataset) -> None:
    model = fit("ease", split(dataset, "ratio"))
    report = model.evaluate()
    assert copied(report).means == report.means
    lists = model.recommend(k=3)
    assert copied(lists).to_polars().equals(lists.to_polars())
    why = explain(model, dataset.users.ids[0], dataset.items.ids[1])
    assert copied(why) == why
