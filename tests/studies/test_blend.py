"""A blend ranks by weighed standardised scores, is no worse on validation than its best part, and is saved whole."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from triptych.cli.app import run
from triptych.data.split import split, with_parts
from triptych.errors import InputError
from triptych.ranking.recommender import Recommender, open_recommender
from triptych.ranking.scorer import Blend
from triptych.studies import blend as room
from triptych.studies import shortlists as lists
from triptych.studies.blend import blend, weighed
from triptych.training.fit import fit
from triptych.training.settings import TrainingSettings
from worlds import random_dataset

QUICK = TrainingSettings(epochs=3, batch_size=64)
MODELS = ("ease", "bpr", "content-ease")


@pytest.fixture(scope="module")
def parts() -> list[Recommender]:
    data = split(random_dataset(), "ratio", seed=0)
    return [fit(name, data, {}, QUICK) for name in MODELS]


def test_scores_are_the_weighed_sums_of_standardised_scores(parts: list[Recommender]) -> None:
    users = np.arange(30)
    scorers = tuple(part.scorer for part in parts if not isinstance(part.scorer, Blend))
    ours = Blend(scorers, (1.0, 0.5, 2.0)).score(users).numpy()
    theirs = 0.0
    for scorer, weight in zip(scorers, (1.0, 0.5, 2.0), strict=True):
        scores = scorer.score(users).double().numpy()
        theirs = theirs + weight * (scores - scores.mean(1, keepdims=True)) / scores.std(1, keepdims=True)
    assert np.allclose(ours, theirs, atol=1e-4)


def test_it_is_no_worse_on_validation_than_any_part_and_tells_what_it_chose(parts: list[Recommender]) -> None:
    blended = blend(parts, metric="ndcg@10")
    value = blended.evaluate("validation", metrics=["ndcg@10"])["ndcg@10"]
    alone = [part.evaluate("validation", metrics=["ndcg@10"])["ndcg@10"] for part in parts]
    assert [each["alone"] for each in blended.about["tried"]] == pytest.approx(alone)
    assert value >= max(alone)
    assert f"{value:.6f}" in blended.about["weights chosen"]


def test_saved_and_opened_it_gives_the_same_lists(parts: list[Recommender], tmp_path: Path) -> None:
    blended = blend(parts)
    blended.save(tmp_path / "blend")
    opened = open_recommender(tmp_path / "blend")
    assert isinstance(opened.scorer, Blend)
    assert opened.scorer.weights == tuple(blended.about["weights"])
    assert len(opened.about["of"]) == len(opened.scorer.scorers)
    ours, theirs = blended.recommend(k=7), opened.recommend(k=7)
    assert np.array_equal(ours.items, theirs.items)
    assert np.array_equal(ours.scores, theirs.scores)
    assert opened.similar_items("i03", k=3).height == 3


def test_a_model_that_gets_no_weight_is_no_part_of_it(parts: list[Recommender], tmp_path: Path) -> None:
    blended = blend([parts[0], parts[0]], metric="ndcg@10")  # the second says nothing that the first does not
    assert isinstance(blended.scorer, Blend)
    assert [each["weight"] for each in blended.about["tried"]] == [1.0, 0.0]
    assert blended.scorer.weights == (1.0,)
    assert len(blended.about["of"]) == 1
    blended.save(tmp_path / "blend")
    assert open_recommender(tmp_path / "blend").evaluate().means == blended.evaluate().means


def test_models_of_other_data_are_not_blended(parts: list[Recommender]) -> None:
    other = fit("popularity", split(random_dataset(seed=3), "ratio", seed=5), {}, QUICK)
    with pytest.raises(InputError, match="not of one data set"):
        blend([parts[0], other])
    with pytest.raises(InputError, match="cannot be blended again"):
        blend([parts[0], blend(parts[:2])])
    with pytest.raises(InputError, match="cannot be blended again"):
        weighed([parts[0], blend(parts[:2])], (1.0, 0.5))


def test_where_shortlists_mislead_the_best_part_alone_is_the_blend(
    parts: list[Recommender], monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = [each["alone"] for each in blend(parts[:2], metric="ndcg@10").about["tried"]]
    monkeypatch.setattr(room, "evaluate", lambda *args, **more: {"ndcg@10": 0.0})
    blended = blend(parts[:2], metric="ndcg@10")
    assert [each["weight"] for each in blended.about["tried"]] == [
        float(place == np.argmax(alone)) for place in range(2)
    ]


def test_fewer_users_are_looked_at_than_memory_does_not_hold(
    parts: list[Recommender], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lists, "MEMORY", 2 * 10 * 4 * 2 * 7)  # two models, twice five places, seven users
    assert ", 7 users:" in blend(parts[:2], metric="ndcg@5").about["weights chosen"].replace("validation", "")


def test_the_shell_blends_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with_parts(random_dataset(), "ratio", ratios=(0.8, 0.1, 0.1), seed=0).save(tmp_path / "data")
    for name in ("ease", "popularity"):
        assert run(["train", str(tmp_path / "data"), "--model", name, "--run", str(tmp_path / name)]) == 0
    capsys.readouterr()
    runs = [str(tmp_path / name) for name in ("ease", "popularity")]
    assert run(["blend", *runs, "-o", str(tmp_path / "b"), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [each["model"] for each in told["runs"]] == ["ease", "popularity"]
    assert run(["evaluate", str(tmp_path / "b")]) == 0
    assert run(["blend", *runs, "-o", str(tmp_path / "b")]) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert run(["blend", runs[0], "-o", str(tmp_path / "c")]) == 2
    assert torch.is_tensor(open_recommender(tmp_path / "b").scorer.score(np.arange(3)))
