"""Held-out users are known to nobody but by their clicks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from triptych.cli.app import run
from triptych.data.split import Split, assign_split
from triptych.errors import InputError, TrainingError
from triptych.ranking.recommender import open_recommender
from triptych.studies.new_users import evaluate_new_users
from triptych.training.settings import TrainingSettings
from worlds import random_dataset

DATASET = assign_split(random_dataset(), "ratio", ratios=(0.8, 0.1, 0.1), seed=0)


def test_one_model_knows_only_others_and_the_other_the_clicks_too(tmp_path: Path) -> None:
    found = evaluate_new_users("ease", DATASET, folder=tmp_path, share=0.2, clicks=2, k=5)
    train = Split.from_dataset(DATASET).train.interactions.user_degrees
    without, clicked = (
        open_recommender(tmp_path / part).split.train.interactions.user_degrees for part in ("without", "with-clicks")
    )
    held_out = (without == 0) & (train > 0)
    assert held_out.sum() == found.users == round(0.2 * DATASET.n_users)
    assert (clicked[held_out] == 2).all()
    assert (clicked[~held_out] == train[~held_out]).all()
    assert 0 <= found.overlap.low <= found.overlap.mean <= found.overlap.high <= 1
    assert set(found.values) == {"at once", "retrained", "popularity"}


def test_trainings_for_another_question_are_not_taken_for_this_one(tmp_path: Path) -> None:
    evaluate_new_users("ease", DATASET, folder=tmp_path, share=0.2, clicks=2, k=5)
    for share, clicks in ((0.2, 1), (0.4, 2)):
        with pytest.raises(TrainingError, match="another data"):
            evaluate_new_users("ease", DATASET, folder=tmp_path, share=share, clicks=clicks, k=5)
    with pytest.raises(InputError, match="nobody"):
        evaluate_new_users("ease", DATASET, share=1e-6, clicks=2)


def test_lists_that_hold_everything_that_is_left_agree_wholly() -> None:
    assert evaluate_new_users("bpr", DATASET, training=TrainingSettings(epochs=1), clicks=2).overlap.mean == 1


def test_a_linear_model_gives_nearly_the_list_that_retraining_would() -> None:
    assert evaluate_new_users("item-knn", DATASET, share=0.1, clicks=2, k=5).overlap.mean > 0.6


def test_validation_does_not_look_at_held_out_users(tmp_path: Path) -> None:
    evaluate_new_users("bpr", DATASET, training=TrainingSettings(epochs=1), folder=tmp_path, share=0.3, clicks=1)
    split = open_recommender(tmp_path / "with-clicks").split
    without = open_recommender(tmp_path / "without").split.train.interactions.user_degrees == 0
    known_before = Split.from_dataset(DATASET).train.interactions.user_degrees > 0
    assert not (without & known_before)[split.validation.users].any()


def test_too_many_clicks_are_refused_and_the_shell_tells_the_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(InputError, match="fewer clicks"):
        evaluate_new_users("ease", DATASET, clicks=1000)
    DATASET.save(tmp_path / "data")
    command = ["new-users", str(tmp_path / "data"), "--model", "ease", "-o", str(tmp_path / "out"), "--clicks", "2"]
    assert run(command) == 0
    told = capsys.readouterr().out
    assert "at once" in told
    assert "shares" in told
    assert np.isfinite(evaluate_new_users("ease", DATASET, clicks=2).values["retrained"].mean)
