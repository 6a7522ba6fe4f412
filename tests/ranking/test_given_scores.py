"""Scores that were made elsewhere take part in a blend, equal to a blend by hand; what they cannot do is said."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from triptych.cli.app import run
from triptych.data.split import assign_split, split
from triptych.errors import InputError, InputWarning
from triptych.explaining.explainer import Explainer
from triptych.exporting.vectors import vectors_of
from triptych.ranking.given_scores import GivenScores
from triptych.ranking.outside_scores import recommender_from_scores
from triptych.ranking.recommender import Recommender
from triptych.ranking.recommender_folder import open_recommender
from triptych.ranking.scorer import Blend, RestrictedScorer, standardised
from triptych.studies.blend import blend, weighted_blend
from triptych.studies.final_fit import final_fit
from triptych.studies.refit import refit
from triptych.training.cold_items import add_items
from triptych.training.fit import fit
from triptych.training.restore import load_model
from triptych.training.settings import TrainingSettings
from worlds import random_dataset

QUICK = TrainingSettings(epochs=2, batch_size=64)
DATASET = assign_split(random_dataset(density=0.4), "ratio", ratios=(0.6, 0.2, 0.2), seed=0)
FloatArray = NDArray[np.float64]


def frame_of(scores: FloatArray) -> pl.DataFrame:
    """The pairs with a score, in random order. scores: [30, 25], NaN for none."""
    users, items = np.nonzero(~np.isnan(scores))
    order = np.random.default_rng(0).permutation(len(users))
    return pl.DataFrame(
        {
            "user_id": [f"u{row:02d}" for row in users[order]],
            "item_id": [f"i{row:02d}" for row in items[order]],
            "score": scores[users, items][order],
        }
    )


def some_scores(seed: int = 0, share: float = 0.3) -> FloatArray:
    generator = np.random.default_rng(seed)
    scores = generator.normal(3, 5, (30, 25)).astype(np.float32).astype(np.float64)
    scores[generator.random(scores.shape) > share] = np.nan
    scores[4], scores[5] = np.nan, np.nan  # two users without scores
    scores[6] = np.nan
    scores[6, 3] = 2.0  # one with a single score
    return scores


def by_hand(scores: FloatArray) -> FloatArray:
    """The standardised scores, user by user."""
    result = np.zeros_like(scores)
    for row, values in enumerate(scores):
        known = ~np.isnan(values)
        if known.any():
            z = (values[known] - values[known].mean()) / max(values[known].std(), 1e-12)
            result[row] = z.min() - 1
            result[row, known] = z
    return result


@pytest.fixture(scope="module")
def ease() -> Recommender:
    return fit("ease", DATASET)


@pytest.fixture(scope="module")
def outside() -> Recommender:
    return recommender_from_scores(frame_of(some_scores()), DATASET)


def test_a_blend_equals_one_by_hand(ease: Recommender, outside: Recommender) -> None:
    blended, users = weighted_blend([ease, outside], (1.0, 0.7)), np.arange(30)
    expected = standardised(ease.scorer.score(users)).double().numpy() + 0.7 * by_hand(some_scores())
    assert np.allclose(blended.scorer.score(users).numpy(), expected, atol=1e-5)
    known = DATASET.interactions.to_csr().toarray() > 0
    ranked = np.argsort(-np.where(known, -np.inf, blended.scorer.score(users).double().numpy()), axis=1, kind="stable")
    lists = blended.recommend(k=5)
    assert (lists.items == np.where(np.arange(5) < (~known).sum(axis=1)[:, None], ranked[:, :5], -1)).all()


@settings(max_examples=30)
@given(st.integers(0, 10_000), st.sampled_from([0.02, 0.3, 1.0]))
def test_pairs_with_a_score_rank_above_the_others_and_in_their_order(seed: int, share: float) -> None:
    scores = some_scores(seed, share)
    scorer = recommender_from_scores(frame_of(scores), DATASET).scorer
    assert isinstance(scorer, GivenScores)
    users = np.array([7, 6, 4, 29, 7])
    z = scorer.standardised(users).double().numpy()
    assert np.allclose(z, by_hand(scores)[users], atol=1e-5)
    alone = scorer.score(users).numpy()
    assert np.array_equal(alone, np.where(np.isnan(scores[users]), -np.inf, scores[users]).astype(np.float32))
    for given_row, row in zip(~np.isnan(scores[users]), z, strict=True):
        if given_row.any() and not given_row.all():
            assert row[given_row].min() > row[~given_row].max()


def test_scores_of_all_pairs_are_standardised_as_those_of_a_model() -> None:
    scores = np.random.default_rng(3).normal(size=(30, 25)).astype(np.float32)
    full = recommender_from_scores(frame_of(scores.astype(np.float64)), DATASET).scorer
    assert isinstance(full, GivenScores)
    assert torch.allclose(full.standardised(np.arange(30)), standardised(torch.from_numpy(scores)), atol=1e-5)


def test_the_weights_are_searched_and_a_saved_blend_is_the_same(ease: Recommender, tmp_path: Path) -> None:
    wanted = split(DATASET).validation.to_csr().toarray() > 0
    scores = (
        np.where(wanted, 1.0, 0.0) + np.random.default_rng(0).random((30, 25)) / 10
    )  # it knows the validation items
    outside = recommender_from_scores(frame_of(scores), DATASET)
    blended = blend([ease, outside], metric="ndcg@5")
    assert [each["model"] for each in blended.about["models"]][-1] == "given-scores"
    assert blended.evaluate("validation", metrics=["ndcg@5"])["ndcg@5"] > 0.9
    for each in (weighted_blend([ease, outside], (1, 2)), weighted_blend([outside, ease], (1, 2)), outside):
        each.save(tmp_path / "folder", overwrite=True)
        opened = open_recommender(tmp_path / "folder")
        assert type(opened.scorer) is type(each.scorer)
        before, after = each.recommend(k=7), opened.recommend(k=7)
        assert np.array_equal(before.items, after.items)
        assert np.array_equal(before.scores, after.scores)
        assert opened.evaluate().means == each.evaluate().means
        assert "given" in repr(opened)


def test_alone_only_pairs_with_a_score_are_ranked(outside: Recommender) -> None:
    lists = outside.recommend(k=25, include_seen=True)
    assert ((lists.items >= 0).sum(axis=1) == (~np.isnan(some_scores())).sum(axis=1)).all()
    with pytest.raises(InputError, match="does not know which items are similar"):
        outside.similar_items("i01")
    nothing = np.zeros(25, dtype=np.bool_)
    nothing[some_scores()[6] != 2.0] = True
    restricted = RestrictedScorer(outside.scorer, nothing)
    assert restricted.score(np.array([6])).isneginf().all()


def test_cold_users_with_scores_get_lists_of_them() -> None:
    dataset = assign_split(random_dataset(n_users=40, density=0.4), "cold-users", ratios=(0.6, 0.1, 0.3), seed=0)
    cold = np.flatnonzero(split(dataset).train.interactions.user_degrees == 0)
    names = dataset.users.names(cold).to_list()
    scores = {names[0]: {"i03": 2.0, "i01": 3.0, "i02": 1.0}}
    outside = recommender_from_scores(scores, dataset)
    lists = outside.recommend(names[:2], 3, include_seen=True)
    assert lists.items[0].tolist() == [1, 3, 2]
    assert lists.items[1].tolist() == np.argsort(-dataset.interactions.item_degrees, kind="stable")[:3].tolist()


def test_new_users_get_the_blend_without_given_scores(ease: Recommender, outside: Recommender) -> None:
    histories = {"a": ["i01", "i02"], "b": ["i07"]}
    blended = weighted_blend([ease, outside, fit("popularity", DATASET)], (1.0, 2.0, 0.5))
    without = weighted_blend([ease, fit("popularity", DATASET)], (1.0, 0.5))
    assert np.array_equal(
        blended.recommend_from_history(histories, 5).items, without.recommend_from_history(histories, 5).items
    )
    with pytest.raises(InputError, match="say nothing about new ones"):
        outside.recommend_from_history(histories)


def test_an_explanation_names_the_part_that_nothing_explains(ease: Recommender, outside: Recommender) -> None:
    blended = weighted_blend([ease, outside], (1.0, 0.7))
    explanation = Explainer(blended).explain("u01", ["i05"])[0]
    total = sum(reason.contribution for reason in explanation.reasons) + sum(explanation.rest.values())
    assert total == pytest.approx(explanation.score, abs=1e-5)
    assert explanation.rest["given-scores (scores)"] == pytest.approx(0.7 * by_hand(some_scores())[1, 5], abs=1e-5)
    assert "given from outside as a whole" in explanation.statement
    with pytest.raises(InputError, match="cannot be explained"):
        Explainer(outside)


def test_a_refit_and_an_update_keep_given_scores(ease: Recommender, outside: Recommender, tmp_path: Path) -> None:
    blended = weighted_blend([outside, ease], (0.7, 1.0))
    for refitted in (refit(blended, DATASET), refit(blended, DATASET, run=tmp_path / "all")):
        assert refitted.about["fit_on"] == "all"
        given, everything = refitted.scorer, fit("ease", DATASET, fit_on="all")
        assert isinstance(given, Blend)
        users = np.arange(30)
        expected = 0.7 * by_hand(some_scores()) + standardised(everything.scorer.score(users)).double().numpy()
        assert np.allclose(given.score(users).numpy(), expected, atol=1e-5)
    updated = blended.update([("u01", "i05"), ("somebody new", "i02")])
    scores = updated.scorer.score(np.array([1, 30])).double().numpy()
    alone = ease.update([("u01", "i05"), ("somebody new", "i02")]).scorer.score(np.array([1, 30]))
    given_part = 0.7 * np.stack([by_hand(some_scores())[1], np.zeros(25)])
    assert np.allclose(scores, standardised(alone).double().numpy() + given_part, atol=1e-5)
    with pytest.raises(InputError, match="alone, which are not trained"):
        refit(weighted_blend([outside, outside], (1.0, 1.0)), DATASET)


def test_what_needs_a_model_is_refused(ease: Recommender, outside: Recommender, tmp_path: Path) -> None:
    for refused in (lambda: load_model(outside, DATASET), lambda: add_items(outside, DATASET)):
        with pytest.raises(InputError, match="have no model"):
            refused()
    with pytest.raises(InputError, match="have no vectors"):
        vectors_of(outside)
    with pytest.raises(InputError, match="given from outside has no user vectors"):
        vectors_of(weighted_blend([fit("bpr", DATASET, {}, QUICK), outside], (1, 1)))
    outside.save(tmp_path / "scores")
    with pytest.raises(InputError, match="are given scores, which are not trained"):
        final_fit(tmp_path / "scores")


def test_bad_and_unknown_scores_are_refused_or_counted() -> None:
    frame = frame_of(some_scores())
    twice = pl.DataFrame({"user_id": ["u01", "u01"], "item_id": ["i05", "i05"], "score": [1.0, 2.0]})
    with pytest.raises(InputError, match='item "i05" is twice in the list of user "u01"'):
        recommender_from_scores(twice, DATASET)
    with pytest.raises(InputError, match=r'column "score": a score of user ".*" is empty or NaN'):
        recommender_from_scores(frame.with_columns(pl.lit(float("nan")).alias("score")), DATASET)
    with pytest.raises(InputError, match="no column looks like scores"):
        recommender_from_scores(frame.drop("score"), DATASET)
    with pytest.raises(InputError, match="no score is of a known user and a known item"):
        recommender_from_scores({"nobody": {"i01": 1.0}}, DATASET)
    with pytest.warns(InputWarning, match='1 unknown item, as "nothing": their scores in scores are passed over'):
        recommender_from_scores({"u01": {"i01": 1.0, "nothing": 2.0}}, DATASET)


def test_the_command_blends_files_of_scores(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, scores = tmp_path / "ease", tmp_path / "other.parquet"
    DATASET.save(tmp_path / "data")
    assert run(["train", str(tmp_path / "data"), "--model", "ease", "--run", str(folder)]) == 0
    wanted = DATASET.interactions.to_csr().toarray() + np.random.default_rng(0).random((30, 25)) / 10
    frame_of(wanted.astype(np.float64)).rename({"user_id": "who", "score": "value"}).write_parquet(scores)
    columns, output = ["--columns", "user=who,score=value"], tmp_path / "blend"
    capsys.readouterr()
    assert run(["blend", str(folder), "--scores", str(scores), *columns, "-o", str(output)]) == 0
    assert str(scores) in capsys.readouterr().out
    assert isinstance(open_recommender(output).scorer, Blend)
    assert run(["evaluate", str(output)]) == 0
    assert run(["explain", str(output), "--user", "u01"]) == 0
    command = ["blend", str(folder), "--scores", str(scores), *columns, "--weights", "1,0.5", "--json", "--overwrite"]
    capsys.readouterr()
    assert run([*command, "-o", str(output)]) == 0
    assert [each["weight"] for each in json.loads(capsys.readouterr().out)["runs"]] == [1.0, 0.5]
    assert run(["blend", str(folder), "-o", str(output), *columns, "--overwrite"]) == 2
    assert run(["blend", str(folder), "--scores", str(tmp_path / "othr.parquet"), "-o", str(tmp_path / "b")]) == 1
    assert 'did you mean "other.parquet"' in capsys.readouterr().err
