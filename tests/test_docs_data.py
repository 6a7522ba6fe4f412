"""Every line of the tables in docs/data.md runs on files in these layouts, and reads all that they hold."""

from __future__ import annotations

import re
import shlex
import warnings
from pathlib import Path

import polars as pl
import pytest

from layouts import N_ITEMS, N_ROWS, N_USERS, write_all
from triptych.cli.app import run
from triptych.data.dataset import Dataset, open_dataset
from triptych.data.formats.registry import FORMATS

PAGE = (Path(__file__).parents[1] / "docs" / "data.md").read_text(encoding="utf-8")
LINES = dict(re.findall(r"^\| ([^|]+?) \| `(triptych [^`]+)` \|$", PAGE, flags=re.MULTILINE))
KNOWN_SETS = re.findall(r"^\| ([^|]+?) \| `triptych", PAGE.partition("## Files and dialects")[0], flags=re.MULTILINE)
FEWER = {  # what these lines leave out on purpose
    "--min-rating": "rows_below_min_rating",
    "thumbs.csv": "rows_of_negative_ratings",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("layouts")
    write_all(path)
    return path


def prepared(command: str, folder: Path, output: Path, monkeypatch: pytest.MonkeyPatch) -> Dataset:
    monkeypatch.chdir(folder)
    words = shlex.split(command)[1:]
    words[words.index("-o") + 1] = str(output)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert run(words) == 0
    return open_dataset(output)


@pytest.mark.parametrize("what", LINES)
def test_a_line_of_the_page_reads_all_interactions(
    what: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = prepared(LINES[what], folder, tmp_path / "shop", monkeypatch)
    cleaning = dataset.about["cleaning"]
    left_out = sum(cleaning[count] for option, count in FEWER.items() if option in LINES[what])
    missing = -(-N_ROWS // 40) if "gaps.csv" in LINES[what] else 1 if "lists.txt" in LINES[what] else 0
    if "gowalla" in LINES[what]:
        assert (len(dataset.interactions), dataset.n_users) == (N_ROWS + 3, N_USERS + 1)
        return
    assert len(dataset.interactions) == N_ROWS - left_out - missing
    if not left_out:
        assert (dataset.n_users, dataset.n_items) == (N_USERS + 2 * ("users.csv" in LINES[what]), N_ITEMS)
    for modality in re.findall(r"-f (\w+)=", LINES[what]):
        assert dataset.features[modality].present.all()
    for modality in re.findall(r"--user-features (\w+)=", LINES[what]):
        assert dataset.user_features[modality].present.all()
    if "--multi" in LINES[what] or "--categorical" in LINES[what]:
        assert dataset.features["metadata"].present.all()


@pytest.mark.parametrize("what", KNOWN_SETS)
def test_a_well_known_data_set_becomes_lists(
    what: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = prepared(LINES[what], folder, tmp_path / "shop", monkeypatch)
    assert run(["train", str(tmp_path / "shop"), "--model", "item-knn", "--run", str(tmp_path / "run"), "-q"]) == 0
    assert run(["recommend", str(tmp_path / "run"), "-k", "5", "-o", str(tmp_path / "lists.csv"), "-q"]) == 0
    lists = pl.read_csv(tmp_path / "lists.csv", infer_schema=False)
    assert set(lists["user_id"]) == set(dataset.users.ids)
    assert set(lists["item_id"]) <= set(dataset.items.ids)


def test_the_page_has_a_line_for_every_format() -> None:
    assert len(LINES) >= 30
    for name in FORMATS:
        assert name in " ".join(LINES).lower() or name in ("table",), name
