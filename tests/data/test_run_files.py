"""Runs have the rows and the order of the lists, also for tools that sort equal scores in another way."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import pytrec_eval
from hypothesis import given
from hypothesis import strategies as st

from triptych.data.recommendation_files import OutputForm, write_recommendations
from triptych.data.recommendations import Recommendations
from triptych.data.run_files import descending
from triptych.data.vocabulary import Vocabulary
from triptych.errors import InputError, SettingsError

LISTS = Recommendations(
    pl.Series("id", ["u1", 'u"2', "u3"]),
    np.array([[0, 2], [1, -1], [-1, -1]]),
    np.array([[2, 2], [0.1, -np.inf], [-np.inf, -np.inf]], dtype=np.float32),
    Vocabulary(["007", "b,c", "d"]),
)


@pytest.mark.parametrize("name", ["lists.trec", "lists.run.gz"])
def test_a_trec_run_has_a_line_per_recommendation(name: str, tmp_path: Path) -> None:
    assert write_recommendations([LISTS, LISTS], tmp_path / name) == 6
    content = (tmp_path / name).read_bytes()
    text = (gzip.decompress(content) if name.endswith(".gz") else content).decode()
    lines = ["u1 Q0 007 1 2.0 triptych", "u1 Q0 d 2 1.9999999 triptych", 'u"2 Q0 b,c 1 0.1 triptych']
    assert text.splitlines() == lines * 2


def test_a_json_run_maps_users_to_the_scores_of_items(tmp_path: Path) -> None:
    assert write_recommendations([LISTS], tmp_path / "run.json") == 3
    assert json.loads((tmp_path / "run.json").read_text()) == {
        "u1": {"007": 2.0, "d": 1.9999999},
        'u"2': {"b,c": 0.1},
    }
    assert write_recommendations([], tmp_path / "run.json") == 0
    assert json.loads((tmp_path / "run.json").read_text()) == {}


def test_an_id_with_white_space_and_another_form_are_refused(tmp_path: Path) -> None:
    spaced = Recommendations(LISTS.user_ids, LISTS.items, LISTS.scores, Vocabulary(["a b", "c", "d"]))
    with pytest.raises(InputError, match='item "a b": has white space'):
        write_recommendations([spaced], tmp_path / "lists.trec")
    assert not (tmp_path / "lists.trec").exists()
    write_recommendations([spaced], tmp_path / "lists.json")
    with pytest.raises(SettingsError, match="that of a run"):
        write_recommendations([LISTS], tmp_path / "lists.trec", form=OutputForm("wide"))


@given(st.lists(st.floats(-4, 4, width=32).map(lambda x: round(x)), min_size=1, max_size=30))
def test_written_scores_descend_strictly_and_stay_close(values: list[int]) -> None:
    scores = np.sort(np.array([values], dtype=np.float32), axis=1)[:, ::-1]
    lowered = descending(scores)
    assert (np.diff(lowered, axis=1) < 0).all()
    assert np.allclose(lowered, scores, rtol=1e-5, atol=1e-5)


def test_trec_eval_ranks_equal_scores_as_the_list_does(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    items = np.argsort(generator.random((20, 30)), axis=1)[:, :10]
    scores = np.sort(generator.integers(0, 3, (20, 10)), axis=1)[:, ::-1].astype(np.float32)
    names = [f"i{row}" for row in range(30)]
    lists = Recommendations(pl.Series("id", [f"u{row}" for row in range(20)]), items, scores, Vocabulary(names))
    write_recommendations([lists], tmp_path / "run.json")
    write_recommendations([lists], tmp_path / "run.trec")
    relevant = {f"u{row}": {names[item]: 1 for item in items[row, [3, 6]]} for row in range(20)}
    with (tmp_path / "run.trec").open() as file:
        runs = [json.loads((tmp_path / "run.json").read_text()), pytrec_eval.parse_run(file)]
    for run in runs:
        measured = pytrec_eval.RelevanceEvaluator(relevant, {"recip_rank"}).evaluate(run)
        assert all(each["recip_rank"] == pytest.approx(1 / 4) for each in measured.values())
