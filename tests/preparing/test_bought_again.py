"""Where people buy again, held-out pairs that are in train too are told, and kept and measured if so asked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from preparing.small import pairs, write_text
from triptych.data.dataset import Dataset, open_dataset
from triptych.data.split import Split
from triptych.data.split_codes import TEST, TRAIN, VALIDATION, in_split
from triptych.errors import InputError, InputWarning, SettingsError
from triptych.interchange.geometric import from_hetero_data, to_hetero_data
from triptych.preparing import PrepareSettings, dataset_from_frames, prepare
from triptych.ranking.recommender_folder import open_recommender
from triptych.training.fit import fit
from triptych.training.settings import TrainingSettings

ROWS = [  # a user, an item, a day
    ("u1", "milk", 1),
    ("u1", "bread", 2),
    ("u1", "tea", 3),
    ("u1", "milk", 8),
    ("u2", "milk", 1),
    ("u2", "tea", 2),
    ("u2", "tea", 7),
    ("u2", "bread", 9),
    ("u3", "milk", 4),
    ("u3", "cake", 5),
    ("u3", "milk", 8),
    ("u3", "milk", 9),
]
LOG = pl.DataFrame(ROWS, schema=["user_id", "item_id", "time"], orient="row")
KEEP = PrepareSettings(split="time", train=0.6, validation=0.2, seen="keep")  # days 1 to 5, 7 and 8, 9


def of_split(dataset: Dataset, split: int) -> set[tuple[str, str]]:
    assert dataset.split_codes is not None
    chosen = in_split(dataset.split_codes, split)
    users = dataset.users.names(dataset.interactions.users[chosen])
    items = dataset.items.names(dataset.interactions.items[chosen])
    return set(zip(users, items, strict=True))


def rebuys(folder: Path) -> Path:
    """A log of twenty customers whose validation week is all re-buys."""
    lines = ["customer_id,article_id,split"]
    for user in range(1, 21):
        lines += [f"c{user},{100 + user * k % 15},train" for k in range(1, 6)]
        lines += [f"c{user},{100 + user % 15},valid", f"c{user},{100 + (user * 2 + 8) % 15},test"]
    return write_text(folder / "log.csv", "\n".join(lines) + "\n")


def test_a_validation_of_rebuys_is_said_with_its_mend_when_it_is_prepared(tmp_path: Path) -> None:
    with pytest.warns(InputWarning) as caught:
        dataset = prepare(rebuys(tmp_path), tmp_path / "out")
    texts = [str(each.message) for each in caught]
    assert any("20 pairs of validation are also in train" in text and '`seen="keep"`' in text for text in texts)
    assert any("validation has no interactions" in text and "`epochs=N`" in text for text in texts)
    assert not pairs(dataset, VALIDATION)


def test_rebuys_that_are_kept_stop_the_training_and_are_measured(tmp_path: Path) -> None:
    prepare(rebuys(tmp_path), tmp_path / "out", PrepareSettings(seen="keep"))
    dataset = open_dataset(tmp_path / "out")
    split = Split.from_dataset(dataset)
    assert len(split.validation) == 20
    assert split.train.interactions.contain(split.validation.users, split.validation.items).all()
    fit("lightgcn", dataset, {}, TrainingSettings(epochs=3), run=tmp_path / "run")
    model = open_recommender(tmp_path / "run")
    assert model.about["validation/ndcg@50"] > 0
    report = model.evaluate("validation", metrics=["recall@50", "ndcg@5"])
    assert len(report.users) == 20
    assert report["recall@50"] == 1
    assert report.excluded == "nothing (people buy again)"
    with pytest.raises(InputError, match="no user has a held-out item"):
        model.evaluate("validation", seen="drop")
    assert model.recommend(["c1"], k=15).items.min() >= 0
    assert (model.recommend(["c1"], k=15, include_seen=False).items < 0).any()
    assert model.recommend_from_history({"new": ["101"]}, k=15).items.min() >= 0


def test_kept_rebuys_are_measured_as_by_hand() -> None:
    dataset = dataset_from_frames(LOG, settings=KEEP)
    assert of_split(dataset, TRAIN) == {
        *(("u1", item) for item in ("milk", "bread", "tea")),
        *(("u2", item) for item in ("milk", "tea")),
        *(("u3", item) for item in ("milk", "cake")),
    }
    assert of_split(dataset, VALIDATION) == {("u2", "tea"), ("u1", "milk"), ("u3", "milk")}
    assert of_split(dataset, TEST) == {("u2", "bread"), ("u3", "milk")}
    model = fit("popularity", dataset)  # milk 3, tea 2, bread 1, cake 1
    by_hand = {"validation": [1, 1 / np.log2(3), 1], "test": [1 / 2, 1]}  # u2: bread, with a tie, is third
    for split, values in by_hand.items():
        report = model.evaluate(split, metrics=["ndcg@4"])  # type: ignore[arg-type]
        np.testing.assert_allclose(report.per_user["ndcg@4"], values)
    dropped = model.evaluate("test", seen="drop", metrics=["ndcg@4"])  # u3 has nothing new
    assert model.dataset.users.names(dropped.users).to_list() == ["u2"]
    assert dropped.per_user["ndcg@4"].tolist() == [1.0]  # milk and tea are left out
    with pytest.raises(SettingsError, match="kept and excluded"):
        model.evaluate("test", seen="keep", exclude="train+validation")


def test_the_last_purchase_is_held_out_even_if_it_is_a_rebuy() -> None:
    settings = PrepareSettings(split="leave-one-out", seen="keep")
    dataset = dataset_from_frames(LOG, settings=settings)
    assert of_split(dataset, TEST) == {("u1", "milk"), ("u2", "bread"), ("u3", "milk")}
    assert of_split(dataset, VALIDATION) == {("u1", "tea"), ("u2", "tea"), ("u3", "milk")}
    assert "leave one out, by time" in dataset.about["split"]
    without = dataset_from_frames(LOG, settings=PrepareSettings(split="leave-one-out"))
    assert pairs(without, TEST) == {("u1", "tea"), ("u2", "bread")}


def test_a_core_is_found_before_rebuys_are_split() -> None:
    settings = PrepareSettings(split="leave-one-out", seen="keep", k_core=2)
    dataset = dataset_from_frames(LOG.filter(pl.col("user_id") != "u3"), settings=settings)
    assert of_split(dataset, TEST) == {("u1", "milk"), ("u2", "bread")}
    assert dataset.about["cleaning"]["duplicate_rows"] == 2


def test_the_time_of_a_pair_in_several_splits_is_that_of_its_training(tmp_path: Path) -> None:
    log = write_text(tmp_path / "log.csv", "user,item,time,split\nu,a,9,train\nu,a,1,test\nu,b,2,train\nu,c,3,valid\n")
    dataset = prepare(log, tmp_path / "out", PrepareSettings(seen="keep"))
    assert dataset.times is not None
    assert dataset.times.tolist() == [9.0, 2.0, 3.0]


def test_pairs_in_several_splits_travel_to_geometric_and_back() -> None:
    pytest.importorskip("torch_geometric")
    dataset = dataset_from_frames(LOG, settings=KEEP)
    back = from_hetero_data(to_hetero_data(dataset))
    assert dataset.split_codes is not None
    assert back.split_codes is not None
    assert back.split_codes.tolist() == dataset.split_codes.tolist()


@pytest.mark.parametrize("name", ["ease", "item-knn", "content-ease", "bpr"])
def test_models_of_any_kind_keep_what_their_data_set_keeps(name: str, tmp_path: Path) -> None:
    dataset = dataset_from_frames(LOG, settings=KEEP)
    fit(name, dataset, {}, TrainingSettings(epochs=1, device="cpu")).save(tmp_path / "model")
    model = open_recommender(tmp_path / "model")
    assert len(model.evaluate("validation", metrics=["recall@4"]).users) == 3
    assert model.recommend(["u1"], k=4).items.min() >= 0
