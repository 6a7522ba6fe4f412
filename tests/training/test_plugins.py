"""Models and metrics of other installed packages are found by name, and a broken one is named and disturbs nothing."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import triptych
from packages import SOURCE, install
from triptych.cli.app import run
from triptych.data.split import assign_split
from triptych.errors import SettingsError
from triptych.models.registry import MODELS, all_models, model_class
from triptych.plugins import find_plugins
from triptych.preparing import FeatureSource
from worlds import random_dataset

MODELS_OF_SHOP, METRICS_OF_SHOP = {"recent": "Recent", "shifted": "Shifted"}, {"first": "first"}
Run = Callable[..., str]


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder for installed packages, on the path of this process and of those that it starts."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setenv("PYTHONPATH", str(folder))
    yield folder
    for name in [name for name, module in sys.modules.items() if _is_in(module, folder)]:
        del sys.modules[name]


def _is_in(module: object, folder: Path) -> bool:
    return str(getattr(module, "__file__", None) or "").startswith(str(folder))


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    dataset = random_dataset()
    table = pl.DataFrame({"item_id": dataset.items.ids, "title": [f"title {n}" for n in range(dataset.n_items)]})
    assign_split(replace(dataset, item_table=table), "ratio", seed=0).save(tmp_path / "shop")
    return tmp_path / "shop"


@pytest.fixture
def shell(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command line in this process; returns its standard output."""

    def shell(*words: object) -> str:
        capsys.readouterr()
        code, out = run([str(word) for word in words]), capsys.readouterr()
        assert code == 0, out.err
        return out.out

    return shell


def test_a_registered_model_is_trained_evaluated_and_recommends_by_its_name(
    site: Path, shop: Path, tmp_path: Path, shell: Run
) -> None:
    install(site, models=MODELS_OF_SHOP, metrics=METRICS_OF_SHOP)
    listed = json.loads(shell("models", "--json"))
    assert list(listed) == [*MODELS, "recent", "shifted"]
    assert listed["recent"]["class"] == "shop_models:Recent"
    assert listed["recent"]["search"] == {"power": "0.0, 0.5, 1.0"}
    assert "from another package: shop_models:Shifted" in shell("models", "shifted")
    shell("train", shop, "--model", "recent", "--set", "power=0.25", "--run", tmp_path / "run")
    result = json.loads(shell("evaluate", tmp_path / "run", "--metrics", "first@10,hit_rate@1", "--json"))
    assert result["model"] == "recent"
    assert result["metrics"]["first@10"] == result["metrics"]["hit_rate@1"]
    shell("recommend", tmp_path / "run", "-k", 3, "--output", tmp_path / "lists.csv")
    assert pl.read_csv(tmp_path / "lists.csv").height == 90


def test_a_registered_metric_stops_training_early(site: Path, shop: Path, tmp_path: Path, shell: Run) -> None:
    install(site, models=MODELS_OF_SHOP, metrics=METRICS_OF_SHOP)
    options = ["--set", "metric=first@5", "--set", "epochs=3", "--set", "patience=2", "--run", tmp_path / "run"]
    shell("train", shop, "--model", "shifted", "--modalities", "image", *options)
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert all("validation/first@5" in line for line in lines)


def test_processes_of_tune_and_compare_find_it_too(site: Path, shop: Path, tmp_path: Path, shell: Run) -> None:
    install(site, models=MODELS_OF_SHOP, metrics=METRICS_OF_SHOP)
    tuned = json.loads(shell("tune", shop, "--model", "recent", "--trials", 3, "-o", tmp_path / "tuned", "--json"))
    assert tuned["best"]["settings"].keys() == {"power"} if "best" in tuned else tuned
    options = ["--metrics", "ndcg@10,first@10", "-o", tmp_path / "compared", "--json"]
    compared = shell("compare", shop, "--models", "recent,popularity", *options)
    assert "first@10" in compared


def test_explanations_and_new_items_work_in_the_shell_as_the_package_is_installed(
    site: Path, shop: Path, tmp_path: Path, shell: Run
) -> None:
    install(site, models=MODELS_OF_SHOP, metrics=METRICS_OF_SHOP)
    run_folder = tmp_path / "run"
    shell("train", shop, "--model", "shifted", "--modalities", "image", "--set", "epochs=2", "--run", run_folder)
    explained = json.loads(shell("explain", run_folder, "--data", shop, "--user", "u03", "--json"))
    assert explained
    dataset = triptych.open_dataset(shop)
    pl.DataFrame({"id": ["new"], "title": ["N"]}).write_csv(tmp_path / "new.csv")
    sources = []
    for name, features in dataset.features.items():
        np.save(tmp_path / f"{name}.npy", np.asarray(features.table)[[3]])
        sources.append(FeatureSource(name, tmp_path / f"{name}.npy"))
    extended = triptych.extend_dataset(dataset, tmp_path / "new.csv", tmp_path / "extended", features=sources)
    model = triptych.open_recommender(run_folder)
    with_new = triptych.add_items(model, extended)
    assert with_new.factors.items[-1].norm() > 0  # embedded by its content
    assert np.array_equal(with_new.factors.items[:-1], model.factors.items)


def test_a_class_that_is_registered_has_the_registered_name(site: Path, shop: Path) -> None:
    install(site, models=MODELS_OF_SHOP, metrics=METRICS_OF_SHOP)
    kind = model_class("recent")
    about = triptych.fit(kind, triptych.open_dataset(shop)).about
    assert (about["model"], about["class"]) == ("recent", "shop_models:Recent")


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (None, "ModuleNotFoundError: No module named 'broken_models'"),
        ("import no_such_module_here", "ModuleNotFoundError"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("raise SystemError('tired')", "SystemError: tired"),
        ("Other = 1", "AttributeError"),
        ("class Mine: pass", "Mine is not a model class"),
        (SOURCE.replace("Recent", "Mine").replace("def solve", "def solves"), "Mine lacks solve"),
    ],
)
def test_a_broken_package_is_named_and_the_other_models_are_listed(
    site: Path, source: str | None, reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    install(site, models=MODELS_OF_SHOP, metrics=METRICS_OF_SHOP)
    install(site, "broken_models", source or "", models={"broken": "Mine"})
    if source is None:
        (site / "broken_models.py").unlink()
    with pytest.raises(SettingsError, match=reason) as error:
        model_class("broken")
    assert 'model "broken" of the package broken_models 1.2' in error.value.what
    assert run(["models", "--json"]) == 0
    out = capsys.readouterr()
    assert list(json.loads(out.out)) == [*MODELS, "recent", "shifted"]
    assert 'warning: model "broken" of the package broken_models 1.2' in out.err
    assert reason.partition(":")[0] in out.err


def test_a_name_of_ours_stays_ours_and_the_package_is_named(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    install(site, models={"bm3": "Recent", "mine": "Recent"}, metrics={"ndcg": "first"})
    assert model_class("bm3") is MODELS["bm3"]
    models, errors = all_models()
    assert list(models) == [*MODELS, "mine"]
    assert ["has the name of one of ours" in each.what for each in errors] == [True]
    assert 'metric "ndcg" of the package shop_models' in find_plugins("metric", ["ndcg"]).refused["ndcg"].what
    assert run(["models"]) == 0
    assert 'model "bm3" of the package shop_models 1.2 has the name of one of ours' in capsys.readouterr().err


def test_a_name_that_two_packages_register_is_refused_with_both(site: Path) -> None:
    install(site, models={"mine": "Recent"})
    install(site, "other_models", models={"mine": "Recent"})
    with pytest.raises(SettingsError, match=r"shop_models 1\.2.*other_models 1\.2|other_models 1\.2.*shop_models 1\.2"):
        model_class("mine")


def test_a_name_that_cannot_be_part_of_a_file_name_is_refused(site: Path) -> None:
    install(site, models={"../mine": "Recent"})
    with pytest.raises(SettingsError, match="has a name that cannot be used"):
        model_class("../mine")


def test_an_unknown_name_gets_suggestions_from_other_packages_too(site: Path) -> None:
    install(site, models=MODELS_OF_SHOP, metrics=METRICS_OF_SHOP)
    with pytest.raises(SettingsError, match='did you mean "shifted"'):
        model_class("shiftde")
    with pytest.raises(SettingsError, match='unknown metric "firsst@5"\n  hint: did you mean "first"'):
        triptych.fit("popularity", triptych.split(random_dataset())).evaluate(metrics=["firsst@5"])


def test_a_metric_that_is_no_function_is_refused_with_its_package(site: Path) -> None:
    install(site, metrics={"number": "NUMBER"})
    with pytest.raises(SettingsError, match=r'metric "number" of the package shop_models 1\.2 is not a function'):
        triptych.Metric("number", 3)


def test_a_model_of_ours_asks_no_package(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("triptych.plugins.entry_points", None)
    model = triptych.fit("popularity", triptych.split(random_dataset()))
    assert model.evaluate(metrics=["ndcg@5"])["ndcg@5"] > 0
