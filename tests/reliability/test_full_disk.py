"""A disk that is full, or a limit of file sizes, while a run is saved: an error names the file; the run is resumed."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from triptych.artefacts import writing_folder
from triptych.artefacts.files import WRITING_ERRORS
from triptych.errors import ArtefactError, TrainingError, TriptychError
from triptych.training.fit import fit
from triptych.training.metrics_file import append_line
from triptych.training.settings import TrainingSettings
from worlds import random_split

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no such limits there")
TRAINING = TrainingSettings(epochs=3, batch_size=16, learning_rate=0.01, patience=9, checkpoint_seconds=0.0)


@contextmanager
def limit_of_file_sizes(n_bytes: int) -> Iterator[None]:
    """No file of this process can grow beyond it. Python ignores the signal, so that writing is an error."""
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def bytes_of(run: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in sorted((run / "model").iterdir())}


@pytest.mark.parametrize(("name", "limit"), [("bm3", 20_000), ("bm3", 600), ("ease", 1_500)])
def test_a_run_whose_files_cannot_be_written_is_resumed(tmp_path: Path, name: str, limit: int) -> None:
    """20,000 bytes: the checkpoint is too large; 600: the description; 1,500: the weights."""
    fit(name, random_split(), {}, TRAINING, run=tmp_path / "whole")
    with pytest.raises(TriptychError, match="cannot be written") as caught, limit_of_file_sizes(limit):
        fit(name, random_split(), {}, TRAINING, run=tmp_path / "run")
    assert str(tmp_path / "run") in str(caught.value.where)
    assert caught.value.hint
    fit(name, random_split(), {}, TRAINING, run=tmp_path / "run")
    assert bytes_of(tmp_path / "run") == bytes_of(tmp_path / "whole")
    left = {each.name for each in (tmp_path / "run").iterdir() if each.name.startswith(".")}
    assert not left


def test_a_line_of_metrics_that_was_cut_is_written_again(tmp_path: Path) -> None:
    split = random_split()
    fit("lightgcn", split, {"embedding_size": 4}, TRAINING, run=tmp_path / "whole")
    left = iter(range(10))
    with pytest.raises(KeyboardInterrupt):
        fit(
            "lightgcn",
            split,
            {"embedding_size": 4},
            TRAINING,
            run=tmp_path / "run",
            should_stop=lambda: next(left, None) is None,
        )
    with (tmp_path / "run" / "metrics.jsonl").open("ab") as lines:
        lines.write(b'{"epoch": 2, "loss/b')
    fit("lightgcn", split, {"embedding_size": 4}, TRAINING, run=tmp_path / "run")
    assert bytes_of(tmp_path / "run") == bytes_of(tmp_path / "whole")
    assert len((tmp_path / "run" / "metrics.jsonl").read_bytes().splitlines()) == 3


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_line_of_metrics_on_a_full_disk_is_an_error() -> None:
    with pytest.raises(TrainingError, match=r"/dev/full: cannot be written") as caught:
        append_line(Path("/dev/full"), {"epoch": 1})
    assert caught.value.hint


@pytest.mark.parametrize("number", sorted(WRITING_ERRORS))
def test_an_error_of_the_disk_names_the_output_and_leaves_nothing(tmp_path: Path, number: int) -> None:
    with pytest.raises(ArtefactError, match="written") as caught, writing_folder(tmp_path / "shop", "data set", {}):
        raise OSError(number, os.strerror(number), "somewhere")
    assert caught.value.where == str(tmp_path / "shop")
    assert not [each for each in tmp_path.iterdir() if not each.name.endswith(".lock")]
