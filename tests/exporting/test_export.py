"""`triptych export`: targets, options, missing packages and what is printed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import triptych
from exporting.models_to_export import model_of
from triptych.cli.app import run
from triptych.errors import InputError, SettingsError
from triptych.exporting.target import Target, parse_target


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("vectors.parquet", Target("parquet", "vectors.parquet")),
        ("faiss:items.faiss", Target("faiss", "items.faiss")),
        ("usearch:a/b:c", Target("usearch", "a/b:c")),
        ("onnx:m.onnx", Target("onnx", "m.onnx")),
        ("pgvector:postgresql://me@host/shop", Target("pgvector", "postgresql://me@host/shop")),
        ("pgvector:", Target("pgvector", "")),
        ("a:b/vectors.parquet", Target("parquet", "a:b/vectors.parquet")),
    ],
)
def test_a_target_says_what_and_where(text: str, target: Target) -> None:
    assert parse_target(text) == target


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("fais:x", 'did you mean "faiss"?'),
        ("vectors.csv", "FILE.parquet"),
        ("faiss:", "faiss:items.faiss"),
        ("", "FILE"),
    ],
)
def test_another_target_is_refused_with_a_hint(text: str, hint: str) -> None:
    with pytest.raises(SettingsError) as caught:
        parse_target(text)
    assert hint in str(caught.value.hint)


@pytest.mark.parametrize("kind", ["faiss", "usearch", "pgvector", "onnx"])
def test_a_missing_package_is_named_with_the_command_that_installs_it(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("triptych.exporting.target.find_spec", lambda name: None)
    with pytest.raises(SettingsError, match="not installed") as caught:
        triptych.export(model_of("factors"), f"{kind}:{tmp_path / 'file'}")
    assert caught.value.hint == f'pip install "triptych[{kind}]"'


def test_a_parquet_file_needs_no_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("triptych.exporting.target.find_spec", lambda name: None)
    assert triptych.export(model_of("factors"), tmp_path / "vectors.parquet").dimensions == 8


def test_options_that_contradict_each_other_are_refused(tmp_path: Path) -> None:
    model = model_of("factors")
    with pytest.raises(SettingsError, match="always a HNSW graph"):
        triptych.export(model, f"usearch:{tmp_path / 'u'}", index="exact")
    with pytest.raises(SettingsError, match='"table" means nothing for faiss'):
        triptych.export(model, f"faiss:{tmp_path / 'f'}", table="x")
    with pytest.raises(SettingsError, match="unknown choice"):
        triptych.export(model, f"faiss:{tmp_path / 'f'}", index="flat")  # type: ignore[arg-type]
    with pytest.raises(SettingsError, match="k must be at least 1"):
        triptych.export(model, f"faiss:{tmp_path / 'f'}", k=0)
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for kind in ("factors", "weights"):
        model_of(kind).save(tmp_path / kind)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_command_prints_what_it_wrote_and_the_recall(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["export", "factors", "--to", "faiss:items.faiss", "-k", "20"]) == 0
    text = capsys.readouterr().out
    assert "90 items, 59 users, 8 dimensions: items.faiss, items.faiss.parquet" in text
    assert "exact search: recall@20 1.0000" in text
    assert "no vector for 1 user of whom nothing is known" in text
    assert run(["export", "factors", "--to", "faiss:items.faiss"]) == 1
    assert "already exists" in capsys.readouterr().err
    assert run(["export", "factors", "--to", "faiss:items.faiss", "--overwrite", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["recall"], report["k"], report["outputs"]) == (1.0, 50, ["items.faiss", "items.faiss.parquet"])


def test_the_command_explains_why_a_model_has_no_vectors(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["export", "weights", "--to", "vectors.parquet"]) == 1
    error = capsys.readouterr().err
    assert "adds up weights between the items" in error
    assert "onnx:FILE" in error
    assert run(["export", "weights", "--to", "onnx:model.onnx"]) == 0
    assert "input: history" in capsys.readouterr().out


def test_a_saved_blend_is_exported(tmp_path: Path) -> None:
    model_of("blend").save(tmp_path / "blend")
    opened = triptych.open_recommender(tmp_path / "blend")
    assert triptych.export(opened, f"faiss:{tmp_path / 'items'}").recall == 1.0
    model_of("mixed").save(tmp_path / "mixed")
    with pytest.raises(InputError, match="no user vectors"):
        triptych.export(triptych.open_recommender(tmp_path / "mixed"), tmp_path / "v.parquet")
