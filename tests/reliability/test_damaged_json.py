"""Damaged JSON of a comparison or a run is an error that names the file."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from triptych.artefacts import read_json, read_json_lines
from triptych.errors import ArtefactError
from triptych.ranking.recommender import open_recommender
from triptych.studies.compare import _cost, _set_aside
from triptych.studies.comparison import read_comparison
from triptych.studies.report.page import _curves
from triptych.studies.rows import Row
from triptych.training.fit import fit
from triptych.training.settings import TrainingSettings
from worlds import random_split

BROKEN = [b"", b"{", b"\xff", b"[" * 100_000, b'{"a": 1, "a": 2}', b"NaN"]
WRONG_KIND = [b"[]", b"7", b"null", b"{}", b'"text"', b'{"rows": 7}', b'{"format": 2, "rows": [{}]}', b'{"format": []}']


@pytest.mark.parametrize("content", [*BROKEN, *WRONG_KIND], ids=lambda content: repr(content[:30]))
def test_a_damaged_comparison_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "comparison.json").write_bytes(content)
    with pytest.raises(ArtefactError) as caught:
        read_comparison(tmp_path)
    assert caught.value.where == str(tmp_path / "comparison.json")


@pytest.mark.parametrize("content", BROKEN, ids=lambda content: repr(content[:30]))
def test_json_is_read_strictly(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(ArtefactError, match="is damaged: it is not JSON"):
        read_json(tmp_path / "a.json")
    (tmp_path / "a.jsonl").write_bytes(b'{"a": 1}\n' + (content or b"7") + b"\n")
    with pytest.raises(ArtefactError, match="is damaged") as caught:
        read_json_lines(tmp_path / "a.jsonl")
    assert caught.value.where == f"{tmp_path / 'a.jsonl'}, row 2"


def test_missing_and_very_large_json_is_named(tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match="no such file"):
        read_json(tmp_path / "a.json")
    with pytest.raises(ArtefactError, match="cannot be read"):
        read_json_lines(tmp_path / "a.jsonl")
    (tmp_path / "a.json").write_bytes(b" " * 100)
    with pytest.raises(ArtefactError, match="is larger than"):
        read_json(tmp_path / "a.json", limit=99)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("runs") / "run"
    fit("bpr", random_split(), {"embedding_size": 4}, TrainingSettings(epochs=2), run=path)
    return path


@pytest.mark.parametrize(
    "content", [*BROKEN, b"7", b"[]", b'{"epoch": "x"}', b'{"loss": 1}'], ids=lambda c: repr(c[:30])
)
def test_damaged_files_of_a_run_are_named_by_a_comparison(run: Path, tmp_path: Path, content: bytes) -> None:
    damaged = tmp_path / "run"
    shutil.copytree(run, damaged)
    recommender = open_recommender(damaged)
    assert _cost(damaged, recommender).epochs == 2
    row = Row("data", "bpr", "bpr", None, [damaged])
    assert len(_curves([row])["bpr"]) == 2
    for name in ("metrics.jsonl", "cost.json"):
        (damaged / name).write_bytes(content or b"7")
        with pytest.raises(ArtefactError) as caught:
            _cost(damaged, recommender)
        assert str(caught.value.where).startswith(str(damaged / name))
        if name == "metrics.jsonl":
            with pytest.raises(ArtefactError, match=r"metrics\.jsonl"):
                _curves([row])
        shutil.copy(run / name, damaged / name)
    best = tmp_path / "best"
    best.mkdir()
    (best / "run.json").write_text(json.dumps({"settings": {}, "training": {}}))
    (damaged / "run.json").write_bytes(content)
    with pytest.raises(ArtefactError, match=r"run\.json"):
        _set_aside(damaged, best)
