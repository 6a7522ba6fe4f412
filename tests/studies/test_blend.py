"""A blend ranks by weighted standardised scores, is not worse on validation than its best model, and can be saved."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from triptych.cli.app import run
from triptych.data.split import assign_split, split
from triptych.errors import InputError
from triptych.ranking.recommender import Recommender
from triptych.ranking.recommender_folder import open_recommender
from triptych.ranking.scorer import Blend, Factors, ItemWeights
from triptych.studies import blend as blend_module
from triptych.studies import shortlists as shortlists_module
from triptych.studies.blend import blend, weighted_blend
from triptych.training.fit import fit
from triptych.training.settings import TrainingSettings
from worlds import random_dataset

QUICK = TrainingSettings(epochs=3, batch_size=64)
MODELS = ("ease", "bpr", "content-ease")


@pytest.fixture(scope="module")
def models() -> list[Recommender]:
    data = split(random_dataset(), "ratio", seed=0)
    return [fit(name, data, {}, QUICK) for name in MODELS]


def test_scores_are_weighted_sums_of_standardised_scores(models: list[Recommender]) -> None:
    users = np.arange(30)
    scorers = tuple(model.scorer for model in models if isinstance(model.scorer, Factors | ItemWeights))
    blended = Blend(scorers, (1.0, 0.5, 2.0)).score(users).numpy()
    expected = 0.0
    for scorer, weight in zip(scorers, (1.0, 0.5, 2.0), strict=True):
        scores = scorer.score(users).double().numpy()
        expected = expected + weight * (scores - scores.mean(1, keepdims=True)) / scores.std(1, keepdims=True)
    assert np.allclose(blended, expected, atol=1e-4)


def test_a_blend_is_not_worse_on_validation_than_any_model_and_describes_its_choice(models: list[Recommender]) -> None:
    blended = blend(models, metric="ndcg@10")
    value = blended.evaluate("validation", metrics=["ndcg@10"])["ndcg@10"]
    alone = [model.evaluate("validation", metrics=["ndcg@10"])["ndcg@10"] for model in models]
    assert [each["alone"] for each in blended.about["candidates"]] == pytest.approx(alone)
    assert value >= max(alone)
    assert f"{value:.6f}" in blended.about["weights_chosen"]


def test_a_saved_and_opened_blend_gives_the_same_lists(models: list[Recommender], tmp_path: Path) -> None:
    blended = blend(models)
    blended.save(tmp_path / "blend")
    opened = open_recommender(tmp_path / "blend")
    assert isinstance(opened.scorer, Blend)
    assert opened.scorer.weights == tuple(blended.about["weights"])
    assert len(opened.about["models"]) == len(opened.scorer.scorers)
    before, after = blended.recommend(k=7), opened.recommend(k=7)
    assert np.array_equal(before.items, after.items)
    assert np.array_equal(before.scores, after.scores)
    assert opened.similar_items("i03", k=3).height == 3


def test_a_model_with_weight_0_is_not_in_the_blend(models: list[Recommender], tmp_path: Path) -> None:
    blended = blend([models[0], models[0]], metric="ndcg@10")  # the second adds nothing to the first
    assert isinstance(blended.scorer, Blend)
    assert [each["weight"] for each in blended.about["candidates"]] == [1.0, 0.0]
    assert blended.scorer.weights == (1.0,)
    assert len(blended.about["models"]) == 1
    blended.save(tmp_path / "blend")
    assert open_recommender(tmp_path / "blend").evaluate().means == blended.evaluate().means


def test_models_of_other_data_and_blends_are_refused(models: list[Recommender]) -> None:
    other = fit("popularity", split(random_dataset(seed=3), "ratio", seed=5), {}, QUICK)
    with pytest.raises(InputError, match="not of one data set"):
        blend([models[0], other])
    with pytest.raises(InputError, match="cannot be blended again"):
        blend([models[0], blend(models[:2])])
    with pytest.raises(InputError, match="cannot be blended again"):
        weighted_blend([models[0], blend(models[:2])], (1.0, 0.5))


def test_if_shortlists_mislead_the_blend_is_the_best_model_alone(
    models: list[Recommender], monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = [each["alone"] for each in blend(models[:2], metric="ndcg@10").about["candidates"]]
    monkeypatch.setattr(blend_module, "evaluate", lambda *args, **more: {"ndcg@10": 0.0})
    blended = blend(models[:2], metric="ndcg@10")
    assert [each["weight"] for each in blended.about["candidates"]] == [
        float(position == np.argmax(alone)) for position in range(2)
    ]


def test_the_number_of_users_is_limited_by_memory(models: list[Recommender], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        shortlists_module, "MEMORY", 2 * 10 * 4 * 2 * 7
    )  # two models, twice five positions, seven users
    assert ", 7 users:" in blend(models[:2], metric="ndcg@5").about["weights_chosen"].replace("validation", "")


def test_the_command_blends_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assign_split(random_dataset(), "ratio", ratios=(0.8, 0.1, 0.1), seed=0).save(tmp_path / "data")
    for name in ("ease", "popularity"):
        assert run(["train", str(tmp_path / "data"), "--model", name, "--run", str(tmp_path / name)]) == 0
    capsys.readouterr()
    runs = [str(tmp_path / name) for name in ("ease", "popularity")]
    assert run(["blend", *runs, "-o", str(tmp_path / "b"), "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert [each["model"] for each in result["runs"]] == ["ease", "popularity"]
    assert run(["evaluate", str(tmp_path / "b")]) == 0
    assert run(["blend", *runs, "-o", str(tmp_path / "b")]) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert run(["blend", runs[0], "-o", str(tmp_path / "c")]) == 2
    assert torch.is_tensor(open_recommender(tmp_path / "b").scorer.score(np.arange(3)))
