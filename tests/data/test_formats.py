"""File formats are registered in one place, and a new one is one file and one line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from typer.testing import CliRunner

from triptych.cli.app import app
from triptych.data.formats import registry
from triptych.data.formats.format import Format, Source
from triptych.data.formats.log import log_from_table
from triptych.data.formats.reading import Reading
from triptych.data.formats.registry import FORMAT_CHOICES, FORMATS
from triptych.data.formats.tables import Table
from triptych.errors import InputError
from triptych.preparing import PrepareSettings, prepare
from triptych.settings import describe

READERS = Path(registry.__file__).parent


def test_every_format_has_a_file_of_its_own() -> None:
    modules = [each.read.__module__ for each in FORMATS.values()]
    assert len(set(modules)) == len(FORMATS)
    assert all(module.startswith("triptych.data.formats.") for module in modules)


def test_readers_do_not_import_the_registry() -> None:
    """Otherwise a reader that the registry imports would end in a circular import."""
    modules = ["triptych.data.formats.format", *(each.read.__module__ for each in FORMATS.values())]
    code = f"import importlib, sys; [importlib.import_module(name) for name in {modules}]; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert set(modules) <= set(loaded)
    assert registry.__name__ not in loaded


def test_settings_and_help_list_the_registered_formats() -> None:
    assert ", ".join(["auto", *FORMATS][:-1]) + f" or {list(FORMATS)[-1]}" == FORMAT_CHOICES
    (meaning,) = [setting.meaning for setting in describe(PrepareSettings) if setting.name == "format"]
    assert FORMAT_CHOICES in meaning
    page = " ".join(CliRunner().invoke(app, ["prepare", "--help"]).output.split())
    assert FORMAT_CHOICES in page
    assert all(each.layout in page for each in FORMATS.values())


@pytest.mark.parametrize("path", ["log.csv", "log.tsv", "log.txt", "log.parquet", "log.inter", "folder"])
def test_at_most_one_format_recognises_a_path(path: str, tmp_path: Path) -> None:
    recognised = [name for name, each in FORMATS.items() if each.recognises(tmp_path / path)]
    assert len(recognised) == (0 if path == "folder" else 1)


def test_a_path_that_no_format_recognises_is_refused_with_all_layouts(tmp_path: Path) -> None:
    (tmp_path / "log.xlsx").touch()
    with pytest.raises(InputError) as caught:
        prepare(tmp_path / "log.xlsx", tmp_path / "out")
    assert caught.value.hint is not None
    assert all(each.layout in caught.value.hint for each in FORMATS.values())


def read_sessions(path: Path, reading: Reading) -> Source:
    """A reader as a contributor writes it, from `format.py`, `log.py` and `tables.py` alone."""
    return Source(log_from_table(Table(pl.read_ndjson(path), path), reading))


def test_a_new_format_needs_only_its_entry_in_the_registry(monkeypatch: Any, tmp_path: Path) -> None:
    sessions = Format("a .sessions file", lambda path: path.suffix == ".sessions", read_sessions)
    monkeypatch.setitem(FORMATS, "sessions", sessions)
    (tmp_path / "log.sessions").write_text('{"user": "u", "item": "a"}\n{"user": "u", "item": "b"}\n')
    for name in ("auto", "sessions"):
        dataset = prepare(tmp_path / "log.sessions", tmp_path / name, PrepareSettings(format=name))
        assert dataset.items.ids.to_list() == ["a", "b"]
