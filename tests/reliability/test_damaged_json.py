"""Damaged JSON of a comparison or a run is an error that names the file."""

from __future__ import annotations

import json
import re
import shutil
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triptych.artefacts import json_files, read_json, write_json
from triptych.errors import ArtefactError
from triptych.ranking.recommender_folder import open_recommender
from triptych.studies.compare import _cost, _set_aside
from triptych.studies.comparison import read_comparison
from triptych.studies.report.page import _curves
from triptych.studies.rows import Row
from triptych.training.fit import fit
from triptych.training.metrics_file import read_metrics
from triptych.training.run_context import RunFiles
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


def test_missing_and_very_large_json_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ArtefactError, match="is missing"):
        read_json(tmp_path / "a.json")
    monkeypatch.setattr(json_files, "LIMIT", 99)
    (tmp_path / "a.json").write_bytes(b" " * 100)
    with pytest.raises(ArtefactError, match="is larger than"):
        read_json(tmp_path / "a.json")


@given(st.dictionaries(st.text(max_size=5), st.integers() | st.text(max_size=5) | st.none()), st.data())
def test_json_with_one_other_bit_is_an_error_or_the_same(values: dict[str, Any], data: st.DataObject) -> None:
    values.pop(json_files.CHECKSUM, None)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "a.json"
        write_json(path, values)
        assert read_json(path) == values
        content = bytearray(path.read_bytes())
        content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
        path.write_bytes(content)
        with suppress(ArtefactError):
            assert {name: each for name, each in read_json(path).items() if name in values} == values


@pytest.mark.parametrize("name", ["metrics.jsonl", "cost.json"])
def test_another_digit_in_what_a_finished_run_recorded_is_named(run: Path, tmp_path: Path, name: str) -> None:
    shutil.copytree(run, tmp_path / "run")
    text = (tmp_path / "run" / name).read_text(encoding="utf-8")
    seconds = re.search(r'"seconds": \d*\.(\d)', text)
    assert seconds is not None
    other = str((int(seconds[1]) + 1) % 10)
    (tmp_path / "run" / name).write_text(text[: seconds.start(1)] + other + text[seconds.end(1) :], encoding="utf-8")
    with pytest.raises(ArtefactError, match="differs from") as caught:
        read_metrics(RunFiles(tmp_path / "run"))
    assert caught.value.where == str(tmp_path / "run" / name)


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
