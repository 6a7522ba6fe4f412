"""Lists in files are measured as models are: what `recommend --exclude train` wrote has the metrics of `evaluate`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from triptych.cli.app import run
from triptych.data.dataset import Dataset, open_dataset
from triptych.data.recommendation_files import OutputForm, write_recommendations
from triptych.data.split import Split, assign_split, split
from triptych.errors import InputError, InputWarning
from triptych.preparing.prepare import prepare
from triptych.ranking.metrics import METRICS
from triptych.ranking.recommender import Recommender
from triptych.ranking.score_lists import score_lists
from triptych.studies.blend import weighted_blend
from triptych.training.fit import fit
from triptych.training.settings import TrainingSettings
from worlds import random_dataset

EVERY_METRIC = tuple(f"{name}@{k}" for name in METRICS for k in (1, 5, 10, 20, 50))
QUICK = TrainingSettings(epochs=1, batch_size=4096)


@pytest.fixture(scope="module")
def data() -> Split:
    return split(random_dataset(density=0.4), "ratio", ratios=(0.6, 0.2, 0.2), seed=0)


@pytest.fixture(scope="module")
def model(data: Split) -> Recommender:
    return fit("ease", data)


def expected_values(
    lists: dict[str, list[str]], dataset: Dataset, held_out: set[tuple[str, str]], left_out: set[tuple[str, str]]
) -> dict[str, float]:
    """NDCG@5, recall@5 and MRR@5 by the words of the protocol, pair by pair."""
    wanted: dict[str, set[str]] = {}
    for user, item in held_out - left_out:
        wanted.setdefault(user, set()).add(item)
    sums = np.zeros(3)
    for user, items in wanted.items():
        ranked = [item for item in lists.get(user, []) if (user, item) not in left_out][:5]
        ranks = [rank for rank, item in enumerate(ranked, start=1) if item in items]
        ideal = sum(1 / np.log2(rank + 1) for rank in range(1, min(5, len(items)) + 1))
        gain = sum(1 / np.log2(rank + 1) for rank in ranks)
        sums += [gain / ideal, len(ranks) / len(items), 1 / ranks[0] if ranks else 0]
    return dict(zip(("ndcg@5", "recall@5", "mrr@5"), sums / len(wanted), strict=True))


def names_of(dataset: Dataset, interactions: Any) -> set[tuple[str, str]]:
    users, items = dataset.users.names(interactions.users), dataset.items.names(interactions.items)
    return set(zip(users.to_list(), items.to_list(), strict=True))


@pytest.mark.filterwarnings("ignore::triptych.errors.InputWarning")
@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("exclude", ["train", "train+validation"])
def test_random_lists_have_the_metrics_of_a_count_by_hand(seed: int, exclude: Any, data: Split) -> None:
    generator, dataset = np.random.default_rng(seed), data.known_interactions()
    lists = {
        f"u{user:02d}": [f"i{item:02d}" for item in generator.permutation(30)[: generator.integers(0, 15)]]
        for user in generator.permutation(36)[:26]
    }  # six users and five items are unknown
    left_out = names_of(dataset, data.train.interactions)
    left_out |= names_of(dataset, data.validation) if exclude == "train+validation" else set()
    measured = score_lists(lists, dataset, exclude=exclude, metrics=("ndcg@5", "recall@5", "mrr@5"))
    assert measured.means == pytest.approx(expected_values(lists, dataset, names_of(dataset, data.test), left_out))
    known = {user for user in lists if user in set(dataset.users.ids)}
    assert measured.n_unknown_users == len(lists) - len(known)
    assert measured.n_missing == len(measured.report.users) - len(
        known & set(dataset.users.names(measured.report.users))
    )
    wanted = set(dataset.users.names(measured.report.users))
    assert measured.n_left_out == sum((user, item) in left_out for user in wanted for item in lists.get(user, []))


@pytest.mark.parametrize("name", ["a.csv", "a.parquet", "a.jsonl.gz", "a.trec", "a.json", "wide.csv", "wide.parquet"])
def test_every_file_that_is_written_is_measured_alike(name: str, model: Recommender, tmp_path: Path) -> None:
    form = OutputForm("wide" if name.startswith("wide") else "long")
    write_recommendations(model.stream(k=50, exclude="train"), tmp_path / name, form=form)
    measured = score_lists(tmp_path / name, model.dataset, metrics=EVERY_METRIC)
    expected = model.evaluate(metrics=EVERY_METRIC)
    assert measured.means == expected.means
    assert all((measured.report.per_user[each] == expected.per_user[each]).all() for each in EVERY_METRIC)
    assert measured.n_left_out == measured.n_missing == 0


@pytest.mark.parametrize(
    "protocol",
    [
        {},
        {"split": "validation"},
        {"exclude": "train+validation"},
        {"seen": "keep"},
        {"items": "warm"},
        {"items": "cold"},
        {"users": "cold"},
        {"items": ["i01", "i02", "i03", "i07", "i11"]},
        {"exclude_items": ["i01", "i02"]},
        {"exclude_items": pl.DataFrame({"user_id": ["u01", "u02"], "item_id": ["i01", "i02"]})},
    ],
    ids=str,
)
def test_lists_of_all_items_have_the_metrics_of_evaluate_by_any_protocol(protocol: dict[str, Any]) -> None:
    how: Any = "cold-users" if protocol.get("users") == "cold" else "cold-items"
    data = split(random_dataset(n_users=40, density=0.3), how, ratios=(0.5, 0.2, 0.3), seed=1)
    model = fit("bm3", data, {}, QUICK)
    keeps = protocol.get("seen") == "keep"
    lists = model.recommend(k=25, include_seen=True) if keeps else model.recommend(k=25, exclude="train")
    assert score_lists(lists, model.dataset, **protocol).means == model.evaluate(**protocol).means


def test_lists_of_recommend_by_default_score_0_on_the_test_part(model: Recommender) -> None:
    assert set(score_lists(model.recommend(), model.dataset).means.values()) == {0.0}


def test_what_was_in_the_lists_is_said(model: Recommender) -> None:
    users = model.split.test.users
    first = str(model.dataset.users.names(users[:1])[0])
    with pytest.warns(InputWarning) as warnings:
        measured = score_lists({first: ["nothing", "i00", "i01"], "nobody": ["i00"]}, model.dataset, metrics=["mrr@4"])
    texts = [str(each.message) for each in warnings]
    assert texts[0].startswith('1 unknown user, as "nobody": their lists are passed over')
    assert texts[1].startswith('1 unknown item, as "nothing": they keep their ranks')
    said = " ".join(measured.sentences())
    n = len(measured.report.users)
    assert f"{n - 1} of {n} measured users have no list: they count as 0" in said
    assert f"1 of {n} measured users have lists of fewer than 4 items" in said
    with pytest.raises(InputError, match='no user of the lists is known: they are for "x", the data set has "u00"'):
        score_lists({"x": ["i00"]}, model.dataset)


def test_the_command_measures_as_evaluate_does(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data, folder, lists = tmp_path / "data", tmp_path / "run", tmp_path / "lists.csv.gz"
    assign_split(random_dataset(), "ratio", seed=0).save(data)
    assert run(["train", str(data), "--model", "ease", "--run", str(folder)]) == 0
    columns = "user=who,items=what"
    command = ["recommend", str(folder), "-o", str(lists), "--exclude", "train", "--format", "wide"]
    assert run([*command, "--columns", columns]) == 0
    capsys.readouterr()
    per_user = tmp_path / "users.parquet"
    arguments = ["--metrics", "ndcg@10,map@5", "--per-user", str(per_user), "--json"]
    assert run(["evaluate", str(folder), *arguments]) == 0
    expected, every_user = json.loads(capsys.readouterr().out), pl.read_parquet(per_user)
    assert run(["score", str(lists), str(data), "--columns", columns, *arguments]) == 0
    measured = json.loads(capsys.readouterr().out)
    same = ("metrics", "users", "excluded", "split", "items", "measured_users", "users_without_held_out_items")
    assert {key: measured[key] for key in same} == {key: expected[key] for key in same}
    assert pl.read_parquet(per_user).equals(every_user)
    assert run(["score", str(lists), str(data), "--columns", columns]) == 0
    assert "have lists of fewer than 50 items" in " ".join(capsys.readouterr().out.split())
    assert run(["score", str(tmp_path / "list.csv.gz"), str(data)]) == 1
    assert 'did you mean "lists.csv.gz"' in capsys.readouterr().err


@pytest.fixture(scope="module")
def baby(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    folder = tmp_path_factory.mktemp("baby") / "data"
    prepare(real_data / "amazon_baby" / "interactions.parquet", folder)
    return open_dataset(folder)


@pytest.mark.parametrize(
    ("name", "protocol"),
    [
        ("lightgcn", {"exclude": "train"}),
        ("item-knn", {"exclude": "train+validation"}),
        ("popularity", {"split": "validation"}),
        ("blend", {"users": "warm"}),
    ],
)
def test_on_real_data_the_lists_of_recommend_have_the_metrics_of_evaluate_to_the_last_digit(
    name: str, protocol: dict[str, Any], baby: Dataset, tmp_path: Path
) -> None:
    if name == "blend":
        model = weighted_blend([fit(each, baby) for each in ("item-knn", "popularity")], (1.0, 0.5))
    else:
        model = fit(name, baby, {}, QUICK)
    write_recommendations(model.stream(exclude=protocol.get("exclude", "train")), tmp_path / "lists.parquet")
    measured = score_lists(tmp_path / "lists.parquet", baby, metrics=EVERY_METRIC, **protocol)
    assert measured.means == model.evaluate(metrics=EVERY_METRIC, **protocol).means
    assert measured.n_missing == measured.n_short == measured.n_left_out == 0
