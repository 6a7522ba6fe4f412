"""Lists leave out all that is known by default, or what an evaluation leaves out; the shell says which."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from triptych.cli.app import run
from triptych.data.split import Split, assign_split, split
from triptych.errors import InputError, SettingsError
from triptych.ranking.protocol import Exclude
from triptych.ranking.recommender import Recommender
from triptych.training.fit import fit
from triptych.training.settings import TrainingSettings
from worlds import random_dataset

QUICK = TrainingSettings(epochs=2, batch_size=64)


@pytest.fixture(scope="module")
def data() -> Split:
    return split(random_dataset(density=0.4), "ratio", ratios=(0.6, 0.2, 0.2), seed=0)


@pytest.fixture(scope="module")
def model(data: Split) -> Recommender:
    return fit("ease", data)


@pytest.mark.parametrize("exclude", ["train", "train+validation"])
def test_the_lists_are_all_items_but_those_of_the_excluded_splits(
    exclude: Exclude, model: Recommender, data: Split
) -> None:
    lists = model.recommend(k=25, exclude=exclude).to_lists()
    for row, (_, items) in enumerate(lists.iter_rows()):
        known = set(data.train.interactions.history(row).tolist())
        if exclude == "train+validation":
            known |= set(data.validation.history(row).tolist())
        assert set(model.dataset.items.rows(items).tolist()) == set(range(25)) - known


def test_by_default_all_that_is_known_is_left_out(model: Recommender, data: Split) -> None:
    rows = model.recommend(k=25)
    relevant = data.test.union(data.validation).union(data.train.interactions)
    users = np.repeat(np.arange(30), 25)[rows.items.reshape(-1) >= 0]
    assert not relevant.contain(users, rows.items[rows.items >= 0]).any()


def test_lists_as_evaluated_rank_every_known_user_by_the_model_and_learn_nothing_from_test_items() -> None:
    data = split(random_dataset(n_users=40, density=0.3), "cold-users", ratios=(0.7, 0.1, 0.2), seed=0)
    model = fit("bpr", data, {}, QUICK)
    cold = np.flatnonzero(data.train.interactions.user_degrees == 0)
    names = model.dataset.users.names(cold).to_list()
    measured = model.recommend(names, 5, exclude="train")
    scores = model.scorer.score(cold).numpy()
    assert (measured.items == np.argsort(-scores, axis=1, kind="stable")[:, :5]).all()
    popular = model.recommend(["nobody"], 5, exclude="train", unknown="popular").items[0]
    degrees = data.train.interactions.item_degrees
    assert popular.tolist() == np.argsort(-degrees, kind="stable")[:5].tolist()


def test_what_contradicts_itself_is_refused(model: Recommender) -> None:
    with pytest.raises(SettingsError, match="included and excluded"):
        model.recommend(exclude="train", include_seen=True)
    with pytest.raises(SettingsError, match='did you mean "train"'):
        model.recommend(exclude="trian")  # type: ignore[arg-type]
    everything = fit("ease", assign_split(random_dataset(), "ratio"), fit_on="all")
    with pytest.raises(InputError, match="fitted on all"):
        everything.recommend(exclude="train")


def test_where_people_buy_again_exclude_leaves_out_what_is_named() -> None:
    data = random_dataset()
    model = fit("popularity", split(data, "ratio", seed=0))
    kept = replace(model, dataset=replace(model.dataset, about={"seen": "keep"}))
    assert (kept.recommend(k=25).items >= 0).all()
    assert (kept.recommend(k=25, exclude="train").items == model.recommend(k=25, exclude="train").items).all()


def test_the_shell_says_what_is_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assign_split(random_dataset(), "ratio", seed=0).save(tmp_path / "data")
    assert run(["train", str(tmp_path / "data"), "--model", "ease", "--run", str(tmp_path / "run")]) == 0
    capsys.readouterr()
    command = ["recommend", str(tmp_path / "run"), "--overwrite", "-o", str(tmp_path / "lists.csv")]
    assert run(command) == 0
    assert "all known items, those of validation and test too. On the test part" in " ".join(
        capsys.readouterr().out.split()
    )
    assert run([*command, "--exclude", "train"]) == 0
    assert "left out of the lists: training items" in capsys.readouterr().out
    assert run([*command, "--json", "--exclude", "train+validation"]) == 0
    assert json.loads(capsys.readouterr().out)["excluded"] == "training and validation items"
    assert run([*command, "--include-seen"]) == 0
    assert "left out" not in capsys.readouterr().out
    assert run([*command, "--exclude", "train", "--include-seen"]) == 2
    assert run([*command, "--exclude", "train", "--history", "i01"]) == 2
