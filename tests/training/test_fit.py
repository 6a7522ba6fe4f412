"""Fitting: early stopping, seeds, and errors with a hint."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from triptych.data.split import Split
from triptych.errors import SettingsError, TrainingError
from triptych.models.registry import MODELS
from triptych.ranking.recommender import Recommender
from triptych.training.fit import fit
from triptych.training.precision import SWITCH, choose_precision
from triptych.training.settings import TrainingSettings
from worlds import random_split

QUICK = TrainingSettings(epochs=4, batch_size=32, learning_rate=0.01, patience=3)
ALL = sorted(MODELS)
TRAINED = ["bm3", "lightgcn"]


def small(name: str) -> dict[str, object]:
    return {} if name == "popularity" else {"embedding_size": 8}


def test_early_stopping_keeps_the_best_epoch_not_the_last(tmp_path: Path) -> None:
    training = TrainingSettings(epochs=1000, batch_size=32, learning_rate=0.05, patience=4)
    recommender = fit("lightgcn", random_split(), small("lightgcn"), training, run=tmp_path / "run")
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    values = [line["validation/ndcg@50"] for line in lines]
    best = int(np.argmax(values))
    assert len(lines) == best + 1 + 4
    assert recommender.evaluate("validation", metrics=["ndcg@50"])["ndcg@50"] == pytest.approx(max(values), abs=1e-12)
    assert {"seconds", "peak_megabytes", "loss/bpr", "loss/penalty"} <= set(lines[0])


def test_gains_below_min_gain_do_not_reset_patience_but_the_best_epoch_is_kept(tmp_path: Path) -> None:
    small_gains = 0
    for seed in range(5):
        training = TrainingSettings(epochs=40, batch_size=32, learning_rate=0.01, patience=2, min_gain=0.2, seed=seed)
        folder = tmp_path / str(seed)
        recommender = fit("lightgcn", random_split(), small("lightgcn"), training, run=folder)
        lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
        values = [line["validation/ndcg@50"] for line in lines]
        best_for_patience, waited = 0.0, 0
        for value in values:
            assert waited < 2
            improved = value > 1.2 * best_for_patience
            best_for_patience, waited = (value, 0) if improved else (best_for_patience, waited + 1)
        assert waited == 2
        assert recommender.about["validation/ndcg@50"] == max(values)
        small_gains += max(values) > best_for_patience
    assert small_gains, "there was no small gain with any seed, so nothing was tested"


def test_a_loss_that_is_not_finite_stops_with_epoch_batch_and_checkpoint(tmp_path: Path) -> None:
    split = random_split()
    image = split.train.features["image"]
    table = image.table.copy()
    table[3] = 3e38
    train = replace(split.train, features={"image": replace(image, table=table)})
    broken = Split(train, split.validation, split.test)
    with pytest.raises(TrainingError, match=r"not finite .* epoch 1, batch \d+ of \d+") as caught:
        fit("bm3", broken, small("bm3"), replace(QUICK, checkpoint_seconds=0), run=tmp_path / "run")
    assert caught.value.hint
    assert "checkpoint" in str(caught.value)


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("bm4", {}, 'did you mean "bm3"'),
        ("bm3", {"dropuot": 0.3}, 'did you mean "dropout"'),
        ("bm3", {"dropout": 1.5}, "less than 1"),
        ("bm3", {"dropout": "lots"}, "valid number"),
        ("bm3", {"reg_weight": float("nan")}, "cannot be nan"),
        ("bm3", {"reg_weight": "inf"}, "finite"),
        ("bm3", {"features": "frosen"}, "'frozen', 'residual' or 'trained'"),
        ("lightgcn", {"n_layers": -1}, "greater than or equal to 0"),
        ("popularity", {"n_layers": 1}, "unknown setting"),
    ],
)
def test_a_bad_setting_is_refused_with_a_hint(name: str, settings: dict[str, object], message: str) -> None:
    with pytest.raises(SettingsError, match=message) as caught:
        fit(name, random_split(), settings, QUICK)
    assert caught.value.hint


def test_a_run_folder_of_other_settings_is_refused(tmp_path: Path) -> None:
    split = random_split()
    fit("lightgcn", split, small("lightgcn"), QUICK, run=tmp_path / "run")
    with pytest.raises(TrainingError, match=r"settings\.embedding_size was 8, now 9"):
        fit("lightgcn", split, {"embedding_size": 9}, QUICK, run=tmp_path / "run")


def test_a_folder_with_other_files_is_not_used_as_a_run_folder(tmp_path: Path) -> None:
    (tmp_path / "precious.txt").write_text("mine")
    with pytest.raises(TrainingError, match="holds no run"):
        fit("popularity", random_split(), {}, QUICK, run=tmp_path)


def test_similar_items_are_ranked_by_cosine_and_leave_the_item_out() -> None:
    recommender: Recommender = fit("lightgcn", random_split(), small("lightgcn"), QUICK)
    frame = recommender.similar_items("i03", k=100)
    items = recommender.factors.items / recommender.factors.items.norm(dim=1, keepdim=True)
    cosines = (items @ items[3]).numpy()
    assert len(frame) == 24
    assert "i03" not in frame["item_id"].to_list()
    assert frame["similarity"].to_list() == sorted(frame["similarity"].to_list(), reverse=True)
    assert frame["similarity"][0] == pytest.approx(np.delete(cosines, 3).max(), abs=1e-6)


def test_the_environment_decides_what_precision_auto_means_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    cpu = torch.device("cpu")
    for name in ("float32", "bfloat16"):
        monkeypatch.setenv(SWITCH, name)
        assert choose_precision("auto", cpu) == name
        assert choose_precision("float32", cpu) == "float32"
        assert choose_precision("bfloat16", cpu) == "bfloat16"
    monkeypatch.setenv(SWITCH, "float16")
    with pytest.raises(SettingsError, match="float16") as caught:
        fit("lightgcn", random_split(), small("lightgcn"), QUICK)
    assert caught.value.hint == "set it to float32 or bfloat16, or not at all"
    monkeypatch.delenv(SWITCH)
    assert choose_precision("auto", cpu) in ("float32", "bfloat16")
