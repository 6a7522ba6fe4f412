"""The models know nothing about held-out users, except their clicks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from triptych.cli.app import run
from triptych.data.split import Split, assign_split
from triptych.errors import InputError, TrainingError
from triptych.ranking.recommender_folder import open_recommender
from triptych.studies.new_users import evaluate_new_users
from triptych.training.settings import TrainingSettings
from worlds import random_dataset

DATASET = assign_split(random_dataset(), "ratio", ratios=(0.8, 0.1, 0.1), seed=0)


def test_one_model_is_trained_without_the_held_out_users_and_one_with_their_clicks(tmp_path: Path) -> None:
    result = evaluate_new_users("ease", DATASET, folder=tmp_path, share=0.2, clicks=2, k=5)
    train = Split.from_dataset(DATASET).train.interactions.user_degrees
    without, clicked = (
        open_recommender(tmp_path / run_folder).split.train.interactions.user_degrees
        for run_folder in ("without", "with-clicks")
    )
    held_out = (without == 0) & (train > 0)
    assert held_out.sum() == result.users == round(0.2 * DATASET.n_users)
    assert (clicked[held_out] == 2).all()
    assert (clicked[~held_out] == train[~held_out]).all()
    assert 0 <= result.overlap.low <= result.overlap.mean <= result.overlap.high <= 1
    assert set(result.values) == {"from_history", "retrained", "popularity"}


def test_trainings_with_another_share_or_number_of_clicks_are_not_reused(tmp_path: Path) -> None:
    evaluate_new_users("ease", DATASET, folder=tmp_path, share=0.2, clicks=2, k=5)
    for share, clicks in ((0.2, 1), (0.4, 2)):
        with pytest.raises(TrainingError, match="data was"):
            evaluate_new_users("ease", DATASET, folder=tmp_path, share=share, clicks=clicks, k=5)
    with pytest.raises(InputError, match="is no user"):
        evaluate_new_users("ease", DATASET, share=1e-6, clicks=2)


def test_lists_of_all_remaining_items_overlap_completely() -> None:
    assert evaluate_new_users("bpr", DATASET, training=TrainingSettings(epochs=1), clicks=2).overlap.mean == 1


def test_a_closed_form_model_gives_almost_the_same_list_as_retraining() -> None:
    assert evaluate_new_users("item-knn", DATASET, share=0.1, clicks=2, k=5).overlap.mean > 0.6


def test_the_weights_of_the_remaining_interactions_are_used(tmp_path: Path) -> None:
    weights = np.where(DATASET.interactions.items % 2 == 1, 9.0, 1.0)
    evaluate_new_users("popularity", replace(DATASET, weights=weights), folder=tmp_path, share=0.2, clicks=2, k=5)
    for run_folder in ("without", "with-clicks"):
        model = open_recommender(tmp_path / run_folder)
        expected = model.split.train.interactions.item_degrees * np.where(np.arange(DATASET.n_items) % 2 == 1, 9, 1)
        popularity = model.factors.items[:, 0].numpy()
        np.testing.assert_allclose(popularity / popularity.sum(), expected / expected.sum(), rtol=1e-5)


def test_validation_does_not_use_held_out_users(tmp_path: Path) -> None:
    evaluate_new_users("bpr", DATASET, training=TrainingSettings(epochs=1), folder=tmp_path, share=0.3, clicks=1)
    split = open_recommender(tmp_path / "with-clicks").split
    without = open_recommender(tmp_path / "without").split.train.interactions.user_degrees == 0
    known_before = Split.from_dataset(DATASET).train.interactions.user_degrees > 0
    assert not (without & known_before)[split.validation.users].any()


def test_too_many_clicks_are_refused_and_the_command_prints_the_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(InputError, match="fewer clicks"):
        evaluate_new_users("ease", DATASET, clicks=1000)
    DATASET.save(tmp_path / "data")
    command = ["new-users", str(tmp_path / "data"), "--model", "ease", "-o", str(tmp_path / "out"), "--clicks", "2"]
    assert run(command) == 0
    output = capsys.readouterr().out
    assert "from history" in output
    assert "shares" in output
    assert np.isfinite(evaluate_new_users("ease", DATASET, clicks=2).values["retrained"].mean)
