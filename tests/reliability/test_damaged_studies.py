"""Damaged files of searches and comparisons are errors that name them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from triptych.errors import ArtefactError, SettingsError, TriptychError
from triptych.settings import Choices, read_toml
from triptych.studies.comparison import read_comparison
from triptych.studies.tune import tune
from triptych.training.metrics_file import read_lines

DEEP = "[" * 100_000
JUNK = ["", "{", "[]", "1", "null", '"x"', DEEP, "\x00", '{"rows": 1}', '{"rows": [1]}', '[{"value": "x"}]', "[[]]"]


@pytest.mark.parametrize("change", [{"rows": [{}]}, {"split": "no"}, {"seeds": "many"}])
def test_wrong_kinds_of_values_in_a_comparison_are_named(tmp_path: Path, change: dict[str, object]) -> None:
    good = {"format": 2, "split": "test", "exclude": "train", "modalities": None, "seeds": [0], "rows": []}
    (tmp_path / "comparison.json").write_text(json.dumps(good))
    assert read_comparison(tmp_path).rows == []
    (tmp_path / "comparison.json").write_text(json.dumps({**good, **change}))
    with pytest.raises(ArtefactError, match=r"comparison\.json: is damaged"):
        read_comparison(tmp_path)


@pytest.mark.parametrize("name", ["tune.json", "trials.json"])
@pytest.mark.parametrize("content", JUNK, ids=lambda text: repr(text[:20]))
def test_a_damaged_search_is_named(tmp_path: Path, name: str, content: str) -> None:
    if (name, content) == ("trials.json", "[]"):
        pytest.skip("a search without trials is not damaged")

    def never(*_: object) -> list[str]:
        raise AssertionError("a trial was started")

    about = {"model": "ease", "fixed": {}, "metric": "ndcg@50", "seed": 0, "search": {"reg_weight": "1, 2"}}
    (tmp_path / "tune.json").write_text(json.dumps(about))
    (tmp_path / name).write_text(content)
    with pytest.raises(TriptychError) as caught:
        tune(tmp_path, {"reg_weight": Choices((1, 2))}, never, {"model": "ease"})
    assert name in str(caught.value.where) or "holds another search" in caught.value.what
    assert caught.value.hint


def test_deep_toml_and_deep_metrics_are_named(tmp_path: Path) -> None:
    (tmp_path / "deep.toml").write_text(f"x = {DEEP}")
    with pytest.raises(SettingsError, match=r"deep\.toml"):
        read_toml(tmp_path / "deep.toml")
    (tmp_path / "metrics.jsonl").write_text(DEEP)
    with pytest.raises(ArtefactError, match=r"metrics\.jsonl: is damaged"):
        read_lines(tmp_path / "metrics.jsonl")
