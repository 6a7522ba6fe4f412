"""New items are added to a fitted model without training, and the scores of the others stay."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from triptych.cli.app import run
from triptych.data.dataset import Dataset, open_dataset
from triptych.data.features import Features
from triptych.data.split import assign_split
from triptych.data.vocabulary import Vocabulary
from triptych.errors import InputError
from triptych.preparing import FeatureSource, extend_dataset
from triptych.ranking.recommender_folder import open_recommender
from triptych.training.cold_items import add_items
from triptych.training.fit import fit
from triptych.training.settings import TrainingSettings
from worlds import random_dataset

SHORT = TrainingSettings(epochs=2, precision="float32")
OF_CONTENT = ("bm3", "grcn", "mmgcn", "freedom", "vbpr", "content-ease")


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    created = random_dataset()
    table = pl.DataFrame({"item_id": created.items.ids, "title": [f"title {n}" for n in range(created.n_items)]})
    assign_split(replace(created, item_table=table), "ratio", ratios=(0.8, 0.1, 0.1), seed=0).save(tmp_path / "data")
    return open_dataset(tmp_path / "data")


def new_items(dataset: Dataset, folder: Path) -> tuple[Path, list[FeatureSource]]:
    """Write two new items with the content of items 3 and 5, and one known item, which is ignored."""
    pl.DataFrame({"id": ["new a", str(dataset.items.ids[0]), "new b"], "title": ["A", "again", "B"]}).write_csv(
        folder / "new.csv"
    )
    sources = []
    for name, features in dataset.features.items():
        np.save(folder / f"{name}.npy", np.asarray(features.table)[[3, 0, 5]])
        sources.append(FeatureSource(name, folder / f"{name}.npy"))
    return folder / "new.csv", sources


@pytest.mark.parametrize("name", OF_CONTENT)
def test_scores_of_known_items_stay_and_new_items_are_similar_to_items_with_the_same_content(
    name: str, dataset: Dataset, tmp_path: Path
) -> None:
    recommender = fit(name, dataset, training=SHORT)
    table, sources = new_items(dataset, tmp_path)
    extended = extend_dataset(dataset, table, tmp_path / "extended", features=sources)
    assert extended.items.ids[-2:].to_list() == ["new a", "new b"]
    assert extended.item_table is not None
    assert extended.item_table["title"][-2:].to_list() == ["A", "B"]
    with_new_items = add_items(recommender, extended)
    users = np.arange(dataset.n_users)
    before, after = recommender.scorer.score(users), with_new_items.scorer.score(users)
    torch.testing.assert_close(after[:, : dataset.n_items], before, rtol=1e-5, atol=1e-6)
    assert after.isfinite().all()
    assert after[:, dataset.n_items :].std() > 0
    with_new_items.save(tmp_path / "model")
    opened = open_recommender(tmp_path / "model")
    assert "new a" in opened.similar_items("new b", k=extended.n_items)["item_id"].to_list()
    assert (opened.recommend(k=extended.n_items).items == extended.n_items - 1).any()


@pytest.mark.parametrize("name", ["bm3", "content-ease"])
def test_items_added_in_two_steps_equal_items_added_in_one(name: str, dataset: Dataset, tmp_path: Path) -> None:
    recommender = fit(name, dataset, training=SHORT)
    table, sources = new_items(dataset, tmp_path)
    at_once = add_items(recommender, extend_dataset(dataset, table, tmp_path / "all", features=sources))
    lines = pl.read_csv(table)
    for part, row in (("one", 0), ("two", 2)):
        lines[[row]].write_csv(tmp_path / f"{part}.csv")
        for source in sources:
            np.save(tmp_path / f"{part}-{source.modality}.npy", np.load(source.path)[[row]])

    def of(part: str) -> list[FeatureSource]:
        return [replace(source, path=tmp_path / f"{part}-{source.modality}.npy") for source in sources]

    first = extend_dataset(dataset, tmp_path / "one.csv", tmp_path / "first", features=of("one"))
    both = extend_dataset(first, tmp_path / "two.csv", tmp_path / "both", features=of("two"))
    twice = add_items(add_items(recommender, first), both)
    users = np.arange(dataset.n_users)
    torch.testing.assert_close(twice.scorer.score(users), at_once.scorer.score(users), rtol=1e-4, atol=1e-5)


def test_models_without_content_and_other_data_are_refused(dataset: Dataset, tmp_path: Path) -> None:
    table, sources = new_items(dataset, tmp_path)
    extended = extend_dataset(dataset, table, tmp_path / "extended", features=sources)
    for name in ("lightgcn", "ease"):
        with pytest.raises(InputError, match="does not use content"):
            add_items(fit(name, dataset, training=SHORT), extended)
    recommender = fit("content-ease", dataset)
    others = Vocabulary([f"other {n}" for n in range(extended.n_items)])
    with pytest.raises(InputError, match="not the first of the data set"):
        add_items(recommender, replace(extended, items=others))
    with pytest.raises(InputError, match="other training interactions"):
        add_items(recommender, assign_split(extended, "ratio", ratios=(0.5, 0.25, 0.25), seed=3))


def test_the_shell_adds_items_and_recommends_them(
    dataset: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fit("content-ease", dataset, run=tmp_path / "run")
    table, sources = new_items(dataset, tmp_path)
    words = [word for source in sources for word in ("-f", f"{source.modality}={source.path}")]
    command = [
        "add-items",
        str(tmp_path / "run"),
        str(tmp_path / "data"),
        str(table),
        *words,
        "-o",
        str(tmp_path / "g"),
    ]
    assert run(command) == 0
    assert "2 new items" in capsys.readouterr().out
    assert run(["recommend", str(tmp_path / "g"), "--history", "new a", "-k", "3", "--json"]) == 0
    assert run(command) == 2  # the output exists
    assert "exists" in capsys.readouterr().err


def test_features_of_another_data_set_are_refused_before_anything_is_written(
    dataset: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fit("content-ease", dataset, run=tmp_path / "run")
    features = {
        name: replace(each, table=np.asarray(each.table)[::-1].copy()) for name, each in dataset.features.items()
    }
    replace(dataset, features=features).save(tmp_path / "other")
    table, _ = new_items(dataset, tmp_path)
    command = [
        "add-items",
        str(tmp_path / "run"),
        str(tmp_path / "other"),
        str(table),
        "-o",
        str(tmp_path / "extended"),
    ]
    assert run(command) == 1
    assert "checksums differ" in capsys.readouterr().err
    assert not (tmp_path / "extended").exists()
    assert run(["explain", str(tmp_path / "run"), "--data", str(tmp_path / "other"), "-u", dataset.users.ids[0]]) == 1
    assert "checksums differ" in capsys.readouterr().err


def test_bad_new_items_are_refused_with_file_and_hint(dataset: Dataset, tmp_path: Path) -> None:
    table, sources = new_items(dataset, tmp_path)
    out = tmp_path / "out"
    pl.DataFrame({"id": [str(dataset.items.ids[0])]}).write_csv(tmp_path / "known.csv")
    with pytest.raises(InputError, match="no new item"):
        extend_dataset(dataset, tmp_path / "known.csv", out)
    np.save(tmp_path / "narrow.npy", np.ones((3, 2), np.float32))
    with pytest.raises(InputError, match="width 2, those of the data set"):
        extend_dataset(dataset, table, out, features=[replace(sources[0], path=tmp_path / "narrow.npy")])
    pl.read_csv(table)[:2].write_csv(tmp_path / "two.csv")
    with pytest.raises(InputError, match="has 3 rows, but there are"):
        extend_dataset(dataset, tmp_path / "two.csv", out, features=sources)
    assert not out.exists()


def test_missing_features_of_a_new_item_are_missing_and_metadata_use_the_known_encoder(tmp_path: Path) -> None:
    from triptych.preparing import dataset_from_frames
    from triptych.preparing.settings import PrepareSettings

    log = pl.DataFrame({"user_id": [f"u{n % 9}" for n in range(60)], "item_id": [f"i{n * n % 13}" for n in range(60)]})
    items = pl.DataFrame({"item_id": [f"i{n}" for n in range(13)], "kind": [["x", "y"][n % 2] for n in range(13)]})
    settings = PrepareSettings(categorical=("kind",))
    image = np.random.default_rng(0).standard_normal((13, 4)).astype(np.float32)
    dataset = dataset_from_frames(log, items=items, features={"image": image}, settings=settings)
    pl.DataFrame({"item_id": ["n1", "n2"], "kind": ["y", "z"]}).write_csv(tmp_path / "new.csv")
    extended = extend_dataset(dataset, tmp_path / "new.csv", tmp_path / "extended")
    assert not extended.features["image"].present[-2:].any()
    metadata: Features = extended.features["metadata"]
    old = np.asarray(metadata.table[1])  # of kind y
    assert np.array_equal(metadata.table[-2], old)
    assert not metadata.table[-1].any()
