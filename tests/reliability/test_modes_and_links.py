"""Outputs have the rights that the umask gives; through a link, its target is written; a full disk is an error."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from preparing.small import write_log
from triptych.artefacts import write_file, write_tensors
from triptych.data.dataset import open_dataset
from triptych.data.recommendation_files import write_recommendations
from triptych.errors import ArtefactError
from triptych.preparing import prepare
from triptych.ranking.recommender_folder import open_recommender
from triptych.training.fit import fit
from worlds import random_split

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="rights and links of Unix")


@pytest.fixture(params=[0o022, 0o027, 0o002])
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def test_every_output_has_the_rights_that_the_umask_gives(tmp_path: Path, umask: int) -> None:
    model = fit("popularity", random_split(), run=tmp_path / "run")
    model.save(tmp_path / "model")
    prepare(write_log(tmp_path), tmp_path / "data")
    write_recommendations(model.stream(k=2), tmp_path / "lists.parquet")
    write_recommendations(model.stream(k=2), tmp_path / "lists.csv")
    write_file(tmp_path / "file", b"")
    write_tensors(tmp_path / "tensors", {"a": np.ones(3)})
    for path in tmp_path.rglob("*"):
        full = 0o777 if path.is_dir() else 0o666
        assert oct(path.stat().st_mode & 0o777) == oct(full & ~umask), path


def test_through_a_link_its_target_is_replaced_and_the_link_stays(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "disk" / "data")
    for n_users in (3, 3):
        assert prepare(write_log(tmp_path), tmp_path / "link", overwrite=True).n_users == n_users
    assert (tmp_path / "link").is_symlink()
    assert open_dataset(tmp_path / "disk" / "data").n_users == 3
    assert [each.name for each in (tmp_path / "disk").iterdir()] == ["data"]
    with pytest.raises(ArtefactError, match="link: already exists"):
        prepare(write_log(tmp_path), tmp_path / "link")
    (tmp_path / "file").symlink_to(tmp_path / "disk" / "file")
    write_file(tmp_path / "file", b"text")
    assert (tmp_path / "file").is_symlink()
    assert (tmp_path / "disk" / "file").read_bytes() == b"text"


def test_an_interrupted_replacement_behind_a_link_is_undone(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "data")
    prepare(write_log(tmp_path), tmp_path / "link")
    (tmp_path / "data").rename(tmp_path / ".data.replaced-0123456789abcdef")
    assert open_dataset(tmp_path / "link").n_users == 3


WORLD = "from worlds import random_dataset, random_split\n"
BIG: dict[str, str] = {
    "a file": "from triptych.artefacts import write_file\nwrite_file(path, bytes(1 << 20))",
    "tensors": "from triptych.artefacts import write_tensors\nwrite_tensors(path, {'a': np.zeros(1 << 20)})",
    "a data set": WORLD + "random_dataset(n_users=30, n_items=4000).save(path)",
    "a folder of Parquet": (
        "from triptych.artefacts import writing_folder\n"
        "with writing_folder(path, 'test', {}) as folder:\n"
        "    pl.DataFrame({'a': np.random.default_rng(0).random(100_000)}).write_parquet(folder / 'a.parquet')"
    ),
    "a model": (
        WORLD + "from triptych.ranking.recommender import Recommender\nfrom triptych.ranking.scorer import Factors\n"
        "import torch\n"
        "Recommender(Factors(torch.ones(30, 1000), torch.ones(25, 1000)), random_dataset()).save(path)"
    ),
}


def test_a_limit_of_the_file_size_is_an_error_with_a_hint_and_leaves_nothing(tmp_path: Path) -> None:
    code = (
        "import json, pathlib, resource\n"
        "import numpy as np, polars as pl\n"
        "from triptych.errors import ArtefactError\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536))\n"
        f"for name, code in json.loads({json.dumps(BIG)!r}).items():\n"
        f"    path = pathlib.Path({str(tmp_path)!r}) / name\n"
        "    try:\n        exec(code)\n    except ArtefactError as error:\n        print(error)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    command = [sys.executable, "-c", code]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300, env=environment)
    assert ended.returncode == 0, ended.stderr
    lines = ended.stdout.splitlines()
    assert len(lines) == 2 * len(BIG), ended.stdout
    for name, problem, hint in zip(BIG, lines[::2], lines[1::2], strict=True):
        assert problem.startswith(str(tmp_path / name))
        assert problem.endswith("cannot be written: the limit of the file size is reached")
        assert hint.startswith("  hint: raise the limit")
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_an_error_with_a_hint_and_the_old_output_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare(write_log(tmp_path), tmp_path / "out")

    def fail(*arguments: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("triptych.data.dataset.save_tables", fail)
    with pytest.raises(ArtefactError, match="out: cannot be written: the disk is full") as caught:
        prepare(write_log(tmp_path), tmp_path / "out", overwrite=True)
    assert caught.value.hint is not None
    assert open_dataset(tmp_path / "out").n_users == 3
    assert sorted(each.name for each in tmp_path.iterdir()) == ["log.parquet", "out"]


def test_an_unfinished_run_is_called_unfinished(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "run.json").write_text("{}")
    with pytest.raises(ArtefactError, match="training is unfinished") as caught:
        open_recommender(tmp_path / "run")
    assert caught.value.hint == "run the same command again to finish it"
    fit("popularity", random_split(), run=tmp_path / "other")
    (tmp_path / "other" / "model").rename(tmp_path / "other" / ".model.replaced-0123456789abcdef")
    assert open_recommender(tmp_path / "other").about["model"] == "popularity"
    with pytest.raises(ArtefactError, match="no such folder"):
        open_recommender(tmp_path / "nothing")
