"""A run records device, precision and threads, and keeps them when it is resumed, whatever the machine says then."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from threadpoolctl import threadpool_info

from triptych.artefacts import read_json, write_json
from triptych.errors import TrainingError
from triptych.models.ease import EASE
from triptych.ranking.recommender_folder import open_recommender
from triptych.training import precision
from triptych.training.fit import fit
from triptych.training.precision import SWITCH, choose_precision, measure_gain
from triptych.training.settings import TrainingSettings
from worlds import random_split

TRAINING = TrainingSettings(epochs=3, batch_size=16, learning_rate=0.01, patience=9)
SMALL = {"embedding_size": 8}
CPU = torch.device("cpu")


def bytes_of(run: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in sorted((run / "model").iterdir())}


def stop_after(steps: int) -> Any:
    left = iter(range(steps))
    return lambda: next(left, None) is None


def test_a_resumed_run_keeps_its_precision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SWITCH, "bfloat16")
    fit("bm3", random_split(), SMALL, TRAINING, run=tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        fit("bm3", random_split(), SMALL, TRAINING, run=tmp_path / "run", should_stop=stop_after(10))
    monkeypatch.setenv(SWITCH, "float32")
    resumed = fit("bm3", random_split(), SMALL, TRAINING, run=tmp_path / "run")
    assert resumed.about["computed_with"]["precision"] == "bfloat16"
    assert open_recommender(tmp_path / "run").about["computed_with"] == resumed.about["computed_with"]
    assert json.loads((tmp_path / "run" / "run.json").read_text(encoding="utf-8"))["computed_with"]["device"] == "cpu"
    assert bytes_of(tmp_path / "run") == bytes_of(tmp_path / "whole")
    with pytest.raises(TrainingError, match=r"computed_with\.precision was 'bfloat16', now 'float32'"):
        fit("bm3", random_split(), SMALL, replace(TRAINING, precision="float32"), run=tmp_path / "run")
    named = fit("bm3", random_split(), SMALL, replace(TRAINING, precision="bfloat16"), run=tmp_path / "run")
    assert named.factors.items.equal(resumed.factors.items)


@pytest.mark.parametrize("name", ["bm3", "ease"])
def test_a_resumed_run_keeps_its_number_of_threads(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before = torch.get_num_threads()
    used: list[int] = []
    solve = EASE.solve

    def recording(self: EASE, *arguments: Any) -> Any:
        used.append(torch.get_num_threads())
        used.extend(each["num_threads"] for each in threadpool_info() if each["user_api"] == "blas")
        return solve(self, *arguments)

    monkeypatch.setattr(EASE, "solve", recording)
    settings = SMALL if name == "bm3" else {}
    try:
        torch.set_num_threads(2)
        whole = fit(name, random_split(), settings, TRAINING, run=tmp_path / "whole")
        if name == "bm3":
            with pytest.raises(KeyboardInterrupt):
                fit(name, random_split(), settings, TRAINING, run=tmp_path / "run", should_stop=stop_after(10))
        else:
            fit(name, random_split(), settings, TRAINING, run=tmp_path / "run")
            (tmp_path / "run" / "cost.json").unlink()  # as if it had been killed before its end
        torch.set_num_threads(1)
        fit(name, random_split(), settings, TRAINING, run=tmp_path / "run")
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)
    assert whole.about["computed_with"]["threads"] == 2
    assert bytes_of(tmp_path / "run") == bytes_of(tmp_path / "whole")
    assert set(used) <= {2}


def test_a_run_of_an_earlier_version_is_resumed(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        fit("bm3", random_split(), SMALL, TRAINING, run=tmp_path, should_stop=stop_after(10))
    about = read_json(tmp_path / "run.json")
    del about["computed_with"]
    write_json(tmp_path / "run.json", about)
    assert "computed_with" in fit("bm3", random_split(), SMALL, TRAINING, run=tmp_path).about


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder of the user, on a machine with instructions for bfloat16."""
    monkeypatch.delenv(SWITCH, raising=False)
    monkeypatch.setattr(precision, "user_cache_path", lambda name: tmp_path / name)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True)
    precision._gain_here.cache_clear()
    monkeypatch.setattr(precision, "measure_gain", lambda: 2.0)
    return tmp_path / "triptych" / "precision.json"


def forget() -> None:
    precision._gain_here.cache_clear()  # what a new process does


@pytest.mark.parametrize(("gain", "chosen"), [(0.5, "float32"), (1.1, "float32"), (1.2, "bfloat16"), (3.0, "bfloat16")])
def test_auto_is_bfloat16_only_if_it_is_clearly_faster(
    cache: Path, gain: float, chosen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(precision, "measure_gain", lambda: gain)
    assert choose_precision("auto", CPU) == chosen
    forget()
    monkeypatch.setattr(precision, "measure_gain", lambda: 1 / gain)  # the first result is kept
    assert choose_precision("auto", CPU) == chosen
    assert list(json.loads(cache.read_text(encoding="utf-8")).values()) == [gain]
    forget()


def test_without_instructions_for_bfloat16_nothing_is_measured(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
    assert choose_precision("auto", CPU) == "float32"
    assert choose_precision("auto", torch.device("cuda")) == "float32"
    assert not cache.exists()


@pytest.mark.parametrize("content", [b"", b"\xff", b"[]", b"[" * 100_000, b'{"x": "y"}', b'{"x": null}'])
def test_an_unreadable_cache_is_measured_again(cache: Path, content: bytes) -> None:
    cache.parent.mkdir()
    cache.write_bytes(content)
    assert choose_precision("auto", CPU) == "bfloat16"
    assert 2.0 in json.loads(cache.read_text(encoding="utf-8")).values()
    forget()


def test_a_cache_that_cannot_be_written_is_ignored(cache: Path) -> None:
    cache.parent.write_text("a file, not a folder")
    assert choose_precision("auto", CPU) == "bfloat16"
    assert choose_precision("auto", CPU) == "bfloat16"
    forget()


def test_the_measurement_restores_the_threads_and_is_a_ratio() -> None:
    before = torch.get_num_threads()
    assert measure_gain() > 0
    assert torch.get_num_threads() == before


def test_the_switch_needs_no_measurement(monkeypatch: pytest.MonkeyPatch) -> None:
    def never() -> float:
        raise AssertionError("measured")

    monkeypatch.setattr(precision, "measure_gain", never)
    monkeypatch.setitem(os.environ, SWITCH, "bfloat16")
    assert choose_precision("auto", CPU) == "bfloat16"
