"""A final fit trains on all that is known for a number of epochs, and says so afterwards."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from triptych.cli.app import run as shell
from triptych.data.dataset import Dataset
from triptych.data.split import Split, assign_split
from triptych.errors import InputError, SettingsError, TrainingError
from triptych.explaining.explainer import explain
from triptych.models.model import TrainedModel
from triptych.models.registry import MODELS
from triptych.preparing import PrepareSettings
from triptych.ranking.recommender import Recommender
from triptych.ranking.recommender_folder import open_recommender
from triptych.studies.final_fit import final_fit
from triptych.training.cold_items import add_items
from triptych.training.fit import fit
from triptych.training.settings import TrainingSettings
from worlds import random_dataset

TRAINED = [name for name, kind in MODELS.items() if issubclass(kind, TrainedModel)]
QUICK = TrainingSettings(epochs=3, batch_size=64, device="cpu", precision="float32")


def dataset(seed: int = 0) -> Dataset:
    return assign_split(random_dataset(seed, n_items=20), "ratio", seed=seed)


def without_validation(given: Dataset) -> Split:
    split = Split.from_dataset(given)
    return replace(split, validation=split.validation.select(np.zeros(len(split.validation), dtype=np.bool_)))


def arrays(model: Recommender) -> dict[str, Any]:
    return {name: value.numpy() for name, value in model.parameters.items()}


@pytest.mark.parametrize("name", TRAINED)
def test_a_training_without_validation_is_that_with_validation_up_to_the_same_epoch(name: str) -> None:
    given = random_dataset(1, n_items=20)
    kept = given.interactions.select(given.interactions.items != 7)  # item 7 is cold
    given = assign_split(replace(given, interactions=kept), "ratio", seed=1)
    stopped = fit(name, given, {}, QUICK)
    final = fit(name, without_validation(given), {}, replace(QUICK, epochs=stopped.about["best_epoch"]))
    assert "best_epoch" not in final.about
    for key, value in arrays(stopped).items():
        np.testing.assert_array_equal(value, arrays(final)[key], err_msg=key)
    torch.testing.assert_close(stopped.factors.items, final.factors.items, rtol=0, atol=0)


def test_the_number_of_epochs_must_be_given_without_validation() -> None:
    with pytest.raises(SettingsError, match="no number of epochs") as caught:
        fit("bpr", without_validation(dataset()))
    assert "`epochs=N`" in str(caught.value.hint)


@pytest.mark.parametrize("fit_on", ["train+validation", "all"])
@pytest.mark.parametrize("name", ["bm3", "ease", "content-ease", "popularity"])
def test_a_model_is_fitted_on_more_and_refuses_to_be_measured_on_it(name: str, fit_on: Any, tmp_path: Path) -> None:
    given = dataset()
    fit(name, given, {}, QUICK, run=tmp_path / "run", fit_on=fit_on)
    model = open_recommender(tmp_path / "run")
    assert model.about["fit_on"] == fit_on
    expected = (
        given.interactions
        if fit_on == "all"
        else Split.from_dataset(given).train.interactions.union(Split.from_dataset(given).validation)
    )
    np.testing.assert_array_equal(model.split.train.interactions.keys, expected.keys)
    with pytest.raises(InputError, match=f"fitted on {fit_on}".replace("+", r"\+")):
        model.evaluate("validation")
    if fit_on == "all":
        with pytest.raises(InputError, match="fitted on all"):
            model.evaluate("test")
    else:
        assert model.evaluate("test", metrics=["recall@5"])["recall@5"] >= 0
    assert (model.recommend(k=5).items >= -1).all()


def test_a_final_fit_has_the_bytes_of_a_data_set_that_is_all_training(tmp_path: Path) -> None:
    given = dataset()
    everything = replace(given, split_codes=np.zeros(len(given.interactions), dtype=np.int8))
    one, other = fit("bm3", given, {}, QUICK, fit_on="all"), fit("bm3", everything, {}, QUICK)
    for key, value in arrays(one).items():
        np.testing.assert_array_equal(value, arrays(other)[key])


@pytest.mark.parametrize("name", ["bm3", "content-ease"])
def test_a_final_fit_is_explained_and_extended_by_what_it_was_fitted_on(name: str) -> None:
    given = dataset()
    model = fit(name, given, {}, QUICK, fit_on="all")
    user = str(given.users.ids[0])
    explanation = explain(model, user, model.recommend([user], k=1).to_polars()["item_id"][0], dataset=given)
    assert explanation.score == pytest.approx(float(model.recommend([user], k=1).scores[0, 0]), rel=1e-3)
    assert add_items(model, given).dataset.n_items == given.n_items


def test_an_interrupted_final_fit_ends_with_the_same_bytes(tmp_path: Path) -> None:
    given, steps = dataset(), 0

    def stop() -> bool:
        nonlocal steps
        steps += 1
        return steps % 4 == 0

    whole = fit("lightgcn", given, {}, QUICK, run=tmp_path / "whole", fit_on="all")
    for _ in range(20):
        try:
            pieces = fit("lightgcn", given, {}, QUICK, run=tmp_path / "pieces", should_stop=stop, fit_on="all")
            break
        except KeyboardInterrupt:
            continue
    for key, value in arrays(whole).items():
        np.testing.assert_array_equal(value, arrays(pieces)[key])
    more = fit("lightgcn", given, {}, replace(QUICK, epochs=5), run=tmp_path / "whole", fit_on="all")
    assert more.about["epochs"] == 5
    for fit_on in ("train", "train+validation"):
        with pytest.raises(TrainingError, match="holds another run"):
            fit("lightgcn", given, {}, QUICK, run=tmp_path / "whole", fit_on=fit_on)


def test_all_interactions_can_be_prepared_as_training() -> None:
    assert PrepareSettings(train=1.0).shares == (1.0, 0.0, 0.0)
    np.testing.assert_allclose(PrepareSettings(train=0.95).shares, (0.95, 0.05, 0.0), atol=1e-12)
    with pytest.raises(SettingsError, match="more than 1"):
        PrepareSettings(train=0.95, validation=0.1)


def test_a_search_hands_model_settings_and_best_epoch_to_the_final_fit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    dataset().save("shop")
    quick = ["--set", "epochs=4", "--set", "batch_size=64", "--set", "embedding_size=8", "--seed", "3"]
    search = ["--search", "learning_rate=0.01,0.05", "--trials", "2", "--modalities", "text"]
    assert shell(["tune", "shop", "--model", "vbpr", *quick, *search, "-o", "tuned", "-q"]) == 0
    output = capsys.readouterr().out
    trials = json.loads(Path("tuned/trials.json").read_text())["trials"]
    best = max(trials, key=lambda each: each["value"])
    assert f"{best['best_epoch']} epochs: triptych train shop --refit tuned" in output
    assert f"# best epoch {best['best_epoch']}" in Path("tuned/best.toml").read_text()
    assert shell(["train", "shop", "--like", "tuned", "--fit-on", "all", "--run", "final", "-q", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["model"], told["epochs"], told["fit_on"]) == ("vbpr", best["best_epoch"], "all")
    about = json.loads(Path("final/run.json").read_text())
    assert about["training"]["learning_rate"] == float(best["settings"]["learning_rate"])
    assert about["training"]["seed"] == 3
    assert about["settings"]["embedding_size"] == 8
    assert list(about["modalities"]) == ["text"]
    assert shell(["evaluate", "final", "-q"]) == 1
    assert "fitted on all" in capsys.readouterr().err
    assert shell(["train", "shop", "--like", "tuned", "--model", "bpr", "-q"]) == 2
    assert final_fit(Path("final")).epochs == best["best_epoch"]


def test_blends_of_final_fits_have_given_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    given = dataset()
    for name in ("ease", "item-knn"):
        fit(name, given, {}, QUICK, run=name)
        fit(name, given, {}, QUICK, run=f"{name}-all", fit_on="all")
    assert shell(["blend", "ease", "item-knn", "-o", "blend", "-q"]) == 0
    assert "final fit: triptych train DATA --refit blend" in capsys.readouterr().out
    assert shell(["blend", "ease-all", "item-knn-all", "--weights", "1,0.5", "-o", "final", "-q"]) == 0
    final = open_recommender("final")
    assert (final.about["weights"], final.about["fit_on"]) == ([1.0, 0.5], "all")
    with pytest.raises(InputError, match="fitted on all"):
        final.evaluate()
    assert shell(["blend", "ease-all", "item-knn-all", "--weights", "1", "-o", "other", "-q"]) == 2
    assert shell(["blend", "ease-all", "item-knn-all", "-o", "other", "-q"]) == 1
    assert shell(["train", "shop", "--like", "final", "-q"]) == 1
    assert "is a blend" in capsys.readouterr().err
