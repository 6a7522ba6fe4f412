"""A report is one self-contained page with every entry, and equal results give equal pages."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from triptych.artefacts import read_json, write_json
from triptych.cli.app import run
from triptych.data.dataset import Dataset
from triptych.data.split import assign_split
from worlds import random_dataset

pytest.importorskip("matplotlib", reason="reports need matplotlib: pip install triptych[report]")


@pytest.fixture(scope="module")
def comparison(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("comparison")
    base = random_dataset()
    titles = [f"<{name}> & co" for name in base.items.ids.to_list()]
    pictures = ["there.png" if n % 2 else "absent.png" for n in range(base.n_items)]
    table = pl.DataFrame({"item_id": base.items.ids, "title": titles, "poster": pictures})
    data = Dataset(base.users, base.items, base.interactions, base.features, item_table=table)
    assign_split(data, "ratio", ratios=(0.8, 0.1, 0.1), seed=0).save(folder / "data")
    Image.fromarray(np.full((40, 30, 3), 200, np.uint8)).save(folder / "there.png")
    models = ["--models", "popularity,ease,vbpr", "--subsets", "--set", "epochs=3", "--set", "vbpr.embedding_size=8"]
    assert run(["compare", str(folder / "data"), *models, "-o", str(folder / "c")]) == 0
    display = ["--picture-column", "poster", "--pictures", str(folder)]
    assert run(["report", str(folder / "c"), "--title", "Shop <1>", *display]) == 0
    return folder / "c"


class Tags(HTMLParser):
    """The tags, texts and sources of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text: list[str] = []
        self.sources: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ("meta", "img", "path", "use"):
            self.open.append(tag)
        self.sources += [value or "" for name, value in attrs if name in ("src", "href", "xlink:href")]

    def handle_endtag(self, tag: str) -> None:
        if tag not in ("path", "use"):
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def parsed(page: str) -> Tags:
    tags = Tags()
    tags.feed(page)
    assert not tags.open
    return tags


def test_every_entry_and_every_subset_is_on_the_page(comparison: Path) -> None:
    tags = parsed((comparison / "report.html").read_text(encoding="utf-8"))
    text = " ".join(tags.text)
    for entry in ("popularity", "ease", "vbpr", "vbpr (image)", "vbpr (text)", "vbpr (none)"):
        assert entry in text
    for heading in ("Quality and cost", "Sparse users", "Subsets of the modalities", "Learning", "Example users"):
        assert heading in text
    assert "Shop <1>" in text  # as text, not as a tag
    assert re.search(r"<i\d\d> & co", text)


def reported(comparison: Path, to: Path, model: str, **changed: object) -> str:
    """The text of the report of a comparison with the rows of one model only."""
    table = read_json(comparison / "comparison.json")
    rows = [{**row, "runs": [str(comparison / run) for run in row["runs"]]} for row in table["rows"]]
    of_model = [row for row in rows if row["model"] == model and row["modalities"] is None]
    write_json(to / "comparison.json", {**table, "rows": of_model, **changed})
    assert run(["report", str(to)]) == 0
    return " ".join(" ".join(parsed((to / "report.html").read_text(encoding="utf-8")).text).split())


@pytest.mark.parametrize(("model", "kind"), [("ease", "Exact: "), ("vbpr", "Approximate: ")])
def test_the_first_recommendations_have_reasons_and_one_user_has_a_drawing(
    comparison: Path, tmp_path: Path, model: str, kind: str
) -> None:
    text = reported(comparison, tmp_path, model)
    assert text.count("» because of «") == 4 * 3
    assert kind in text
    assert "The graph around one of them" in text


def test_the_page_says_why_there_are_no_reasons(comparison: Path, tmp_path: Path) -> None:
    for folders in ({}, {"data": str(tmp_path / "gone")}):
        text = reported(comparison, tmp_path, "vbpr", folders=folders)
        assert "No reasons are shown: vbpr uses features" in text
        assert "because of «" not in text
    text = reported(comparison, tmp_path, "popularity")
    assert "does not depend on the user's history" in text
    assert "The graph around" not in text


def test_the_page_is_self_contained(comparison: Path) -> None:
    tags = parsed((comparison / "report.html").read_text(encoding="utf-8"))
    assert all(source.startswith(("data:image/jpeg;base64,", "#")) for source in tags.sources)
    assert any(source.startswith("data:") for source in tags.sources)


def test_equal_results_give_equal_pages(comparison: Path) -> None:
    before = (comparison / "report.html").read_bytes()
    display = ["--picture-column", "poster", "--pictures", str(comparison.parent)]
    assert run(["report", str(comparison), "--title", "Shop <1>", *display]) == 0
    assert (comparison / "report.html").read_bytes() == before


def test_a_missing_comparison_or_column_is_refused_with_a_hint(
    comparison: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["report", str(tmp_path)]) == 1
    assert "triptych compare" in capsys.readouterr().err
    assert run(["report", str(comparison), "--picture-column", "psoter"]) == 2
    assert 'did you mean "poster"' in capsys.readouterr().err
