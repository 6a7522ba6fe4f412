"""New items come into a trained model without training, and what it said of the others stays."""

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
from triptych.ranking.recommender import open_recommender
from triptych.training.cold_items import add_items
from triptych.training.fit import fit
from triptych.training.settings import TrainingSettings
from worlds import random_dataset

SHORT = TrainingSettings(epochs=2, precision="float32")
OF_CONTENT = ("bm3", "grcn", "mmgcn", "freedom", "vbpr", "content-ease")


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    made = random_dataset()
    table = pl.DataFrame({"item_id": made.items.ids, "title": [f"title {n}" for n in range(made.n_items)]})
    assign_split(replace(made, item_table=table), "ratio", ratios=(0.8, 0.1, 0.1), seed=0).save(tmp_path / "data")
    return open_dataset(tmp_path / "data")


def new_items(dataset: Dataset, folder: Path) -> tuple[Path, list[FeatureSource]]:
    """Two new items that look and read as items 3 and 5 do, and one known item, passed over."""
    pl.DataFrame({"id": ["new a", str(dataset.items.ids[0]), "new b"], "title": ["A", "again", "B"]}).write_csv(
        folder / "new.csv"
    )
    sources = []
    for name, features in dataset.features.items():
        np.save(folder / f"{name}.npy", np.asarray(features.table)[[3, 0, 5]])
        sources.append(FeatureSource(name, folder / f"{name}.npy"))
    return folder / "new.csv", sources


@pytest.mark.parametrize("name", OF_CONTENT)
def test_scores_of_known_items_stay_and_new_ones_are_like_their_look_alikes(
    name: str, dataset: Dataset, tmp_path: Path
) -> None:
    recommender = fit(name, dataset, training=SHORT)
    table, sources = new_items(dataset, tmp_path)
    grown = extend_dataset(dataset, table, tmp_path / "grown", features=sources)
    assert grown.items.ids[-2:].to_list() == ["new a", "new b"]
    assert grown.item_table is not None
    assert grown.item_table["title"][-2:].to_list() == ["A", "B"]
    welcomed = add_items(recommender, grown)
    everyone = np.arange(dataset.n_users)
    before, after = recommender.scorer.score(everyone), welcomed.scorer.score(everyone)
    torch.testing.assert_close(after[:, : dataset.n_items], before, rtol=1e-5, atol=1e-6)
    assert after.isfinite().all()
    assert after[:, dataset.n_items :].std() > 0
    welcomed.save(tmp_path / "model")
    again = open_recommender(tmp_path / "model")
    assert "new a" in again.similar_items("new b", k=grown.n_items)["item_id"].to_list()
    assert (again.recommend(k=grown.n_items).items == grown.n_items - 1).any()


@pytest.mark.parametrize("name", ["bm3", "content-ease"])
def test_items_come_in_twice_as_they_would_at_once(name: str, dataset: Dataset, tmp_path: Path) -> None:
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
    everyone = np.arange(dataset.n_users)
    torch.testing.assert_close(twice.scorer.score(everyone), at_once.scorer.score(everyone), rtol=1e-4, atol=1e-5)


def test_models_without_content_and_other_data_are_refused(dataset: Dataset, tmp_path: Path) -> None:
    table, sources = new_items(dataset, tmp_path)
    grown = extend_dataset(dataset, table, tmp_path / "grown", features=sources)
    for name in ("lightgcn", "ease"):
        with pytest.raises(InputError, match="does not look at content"):
            add_items(fit(name, dataset, training=SHORT), grown)
    recommender = fit("content-ease", dataset)
    others = Vocabulary([f"other {n}" for n in range(grown.n_items)])
    with pytest.raises(InputError, match="not the first of the data set"):
        add_items(recommender, replace(grown, items=others))
    with pytest.raises(InputError, match="other training interactions"):
        add_items(recommender, assign_split(grown, "ratio", ratios=(0.5, 0.25, 0.25), seed=3))


def test_the_shell_brings_items_in_and_recommends_them(
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
    assert run(command) == 2  # it is there
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
    command = ["add-items", str(tmp_path / "run"), str(tmp_path / "other"), str(table), "-o", str(tmp_path / "grown")]
    assert run(command) == 1
    assert "checksums differ" in capsys.readouterr().err
    assert not (tmp_path / "grown").exists()
    assert run(["explain", str(tmp_path / "run"), "--data", str(tmp_path / "other"), "-u", dataset.users.ids[0]]) == 1
    assert "checksums differ" in capsys.readouterr().err


def test_bad_new_items_are_told_with_file_and_mend(dataset: Dataset, tmp_path: Path) -> None:
    table, sources = new_items(dataset, tmp_path)
    out = tmp_path / "out"
    pl.DataFrame({"id": [str(dataset.items.ids[0])]}).write_csv(tmp_path / "known.csv")
    with pytest.raises(InputError, match="no new item"):
        extend_dataset(dataset, tmp_path / "known.csv", out)
    np.save(tmp_path / "narrow.npy", np.ones((3, 2), np.float32))
    with pytest.raises(InputError, match="2-d, those of the data set"):
        extend_dataset(dataset, table, out, features=[replace(sources[0], path=tmp_path / "narrow.npy")])
    pl.read_csv(table)[:2].write_csv(tmp_path / "two.csv")
    with pytest.raises(InputError, match="has 3 rows, but there are"):
        extend_dataset(dataset, tmp_path / "two.csv", out, features=sources)
    assert not out.exists()


def test_what_is_not_given_of_a_new_item_is_missing_and_metadata_are_encoded_as_before(tmp_path: Path) -> None:
    from triptych.preparing import dataset_from_frames
    from triptych.preparing.settings import PrepareSettings

    log = pl.DataFrame({"user_id": [f"u{n % 9}" for n in range(60)], "item_id": [f"i{n * n % 13}" for n in range(60)]})
    items = pl.DataFrame({"item_id": [f"i{n}" for n in range(13)], "kind": [["x", "y"][n % 2] for n in range(13)]})
    settings = PrepareSettings(categorical=("kind",))
    image = np.random.default_rng(0).standard_normal((13, 4)).astype(np.float32)
    dataset = dataset_from_frames(log, items=items, features={"image": image}, settings=settings)
    pl.DataFrame({"item_id": ["n1", "n2"], "kind": ["y", "z"]}).write_csv(tmp_path / "new.csv")
    grown = extend_dataset(dataset, tmp_path / "new.csv", tmp_path / "grown")
    assert not grown.features["image"].present[-2:].any()
    metadata: Features = grown.features["metadata"]
    old = np.asarray(metadata.table[1])  # of kind y
    assert np.array_equal(metadata.table[-2], old)
    assert not metadata.table[-1].any()
