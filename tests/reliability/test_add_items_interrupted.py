"""`add-items` has two outputs. Interrupted anywhere, the same command finishes both, to the same bytes."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import triptych.data.dataset
import triptych.preparing
import triptych.training.cold_items
from children import TESTS, running
from triptych.cli.app import run
from triptych.cli.signals import Stopped
from triptych.data.dataset import open_dataset
from triptych.data.split import assign_split
from triptych.ranking.recommender import Recommender
from triptych.ranking.recommender_folder import open_recommender
from triptych.training.fit import fit
from worlds import random_dataset


class Killed(BaseException):
    """No handler of errors or interruptions sees it, as with SIGKILL."""


@pytest.fixture
def world(tmp_path: Path) -> Path:
    """A data set, a model, and a table of new items with their pictures."""
    assign_split(random_dataset(modalities=("image",)), "ratio", seed=0).save(tmp_path / "data")
    fit("content-ease", open_dataset(tmp_path / "data")).save(tmp_path / "model")
    pl.DataFrame({"id": ["new a", "new b"]}).write_csv(tmp_path / "new.csv")
    np.save(tmp_path / "image.npy", np.random.default_rng(0).standard_normal((2, 6)).astype(np.float32))
    return tmp_path


def command(world: Path, output: str, *options: str) -> list[str]:
    inputs = [str(world / name) for name in ("model", "data", "new.csv")]
    return ["add-items", *inputs, "-f", f"image={world / 'image.npy'}", "-o", str(world / output), *options]


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file()}


def before(function: Callable[..., Any], error: BaseException) -> Callable[..., Any]:
    def wrapped(*arguments: Any, **others: Any) -> Any:
        raise error

    return wrapped


def after(function: Callable[..., Any], error: BaseException) -> Callable[..., Any]:
    def wrapped(*arguments: Any, **others: Any) -> Any:
        function(*arguments, **others)
        raise error

    return wrapped


STEPS: dict[str, tuple[Any, str, Callable[..., Any]]] = {
    "before the data set": (triptych.preparing, "extend_dataset", before),
    "in the data set": (triptych.data.dataset, "save_tables", after),
    "after the data set": (triptych.preparing, "extend_dataset", after),
    "before the model": (Recommender, "save", before),
    "after the model": (Recommender, "save", after),
}


@pytest.mark.parametrize("options", [(), ("--overwrite",)], ids=["new", "overwrite"])
@pytest.mark.parametrize("error", [Killed(), Stopped(signal.SIGTERM)], ids=["killed", "stopped"])
@pytest.mark.parametrize("step", STEPS)
def test_the_same_command_finishes_an_interrupted_one(
    world: Path, step: str, error: BaseException, options: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    owner, name, when = STEPS[step]
    if options:
        pl.DataFrame({"id": ["older"]}).write_csv(world / "older.csv")
        older = [each.replace("new.csv", "older.csv") for each in command(world, "out")]
        assert run([*older[:4], *older[6:]]) == 0
    with monkeypatch.context() as patch:
        patch.setattr(owner, name, when(getattr(owner, name), error))
        if isinstance(error, Killed):
            with pytest.raises(Killed):
                run(command(world, "out", *options))
        else:
            assert run(command(world, "out", *options)) == 143
    assert run(command(world, "out", *options)) == 0
    assert run(command(world, "whole")) == 0
    assert bytes_of(world / "out") == bytes_of(world / "whole")
    assert {each.name for each in (world / "out").iterdir()} == {"data", "model"}


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL there")
def test_a_killed_process_is_finished_by_the_same_command(world: Path, capsys: pytest.CaptureFixture[str]) -> None:
    script = Path(__file__).with_name("add_items_killed.py")
    with running(script, *command(world, "out"), path=TESTS) as process:
        assert process.wait() == -signal.SIGKILL
    assert (world / "out" / "data").exists()
    assert not (world / "out" / "model").exists()
    assert run(command(world, "out")) == 0
    assert run(command(world, "whole")) == 0
    assert bytes_of(world / "out") == bytes_of(world / "whole")
    assert open_recommender(world / "out").dataset.n_items == 27
    capsys.readouterr()
    assert run(command(world, "out")) == 2  # it is complete now
    assert "exists" in capsys.readouterr().err


def test_a_data_set_that_add_items_did_not_write_is_not_replaced(world: Path) -> None:
    assign_split(random_dataset(3), "ratio", seed=0).save(world / "out" / "data")
    kept = bytes_of(world / "out")
    assert run(command(world, "out")) == 2
    assert bytes_of(world / "out") == kept


def test_an_error_leaves_no_folder(world: Path) -> None:
    (world / "new.csv").write_text("id\n")
    assert run(command(world, "out")) == 1
    assert not (world / "out").exists()
