"""A report is one page that shows every line, needs nothing beside it, and is the same for the same results."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from triptych.cli.app import run
from triptych.data.dataset import Dataset
from triptych.data.split import assign_split
from worlds import random_dataset

pytest.importorskip("matplotlib", reason="reports need matplotlib: pip install triptych[report]")


@pytest.fixture(scope="module")
def comparison(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("comparison")
    made = random_dataset()
    titles = [f"<{name}> & co" for name in made.items.ids.to_list()]
    pictures = ["there.png" if n % 2 else "absent.png" for n in range(made.n_items)]
    table = pl.DataFrame({"item_id": made.items.ids, "title": titles, "poster": pictures})
    data = Dataset(made.users, made.items, made.interactions, made.features, item_table=table)
    assign_split(data, "ratio", ratios=(0.8, 0.1, 0.1), seed=0).save(folder / "data")
    Image.fromarray(np.full((40, 30, 3), 200, np.uint8)).save(folder / "there.png")
    models = ["--models", "popularity,ease,vbpr", "--subsets", "--set", "epochs=3", "--set", "vbpr.embedding_size=8"]
    assert run(["compare", str(folder / "data"), *models, "-o", str(folder / "c")]) == 0
    look = ["--picture-column", "poster", "--pictures", str(folder)]
    assert run(["report", str(folder / "c"), "--title", "Shop <1>", *look]) == 0
    return folder / "c"


class Tags(HTMLParser):
    """What a page consists of."""

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


def test_every_line_and_every_subset_is_on_the_page(comparison: Path) -> None:
    tags = parsed((comparison / "report.html").read_text())
    told = " ".join(tags.text)
    for entry in ("popularity", "ease", "vbpr", "vbpr (image)", "vbpr (text)", "vbpr (none)"):
        assert entry in told
    for heading in ("What quality costs", "Sparse users", "Which modality carries how much", "Learning", "real lists"):
        assert heading in told
    assert "Shop <1>" in told  # as text, not as a tag
    assert re.search(r"<i\d\d> & co", told)


def reported(comparison: Path, to: Path, model: str, **changed: object) -> str:
    """The page of a comparison with one model's rows alone."""
    told = json.loads((comparison / "comparison.json").read_text())
    rows = [{**row, "runs": [str(comparison / run) for run in row["runs"]]} for row in told["rows"]]
    own = [row for row in rows if row["model"] == model and row["modalities"] is None]
    (to / "comparison.json").write_text(json.dumps({**told, "rows": own, **changed}))
    assert run(["report", str(to)]) == 0
    return " ".join(" ".join(parsed((to / "report.html").read_text()).text).split())


@pytest.mark.parametrize(("model", "kind"), [("ease", "Exact: "), ("vbpr", "Approximate: ")])
def test_the_first_recommendations_have_their_reasons_and_one_user_a_drawing(
    comparison: Path, tmp_path: Path, model: str, kind: str
) -> None:
    told = reported(comparison, tmp_path, model)
    assert told.count("» because of «") == 4 * 3
    assert kind in told
    assert "The graph around one of them" in told


def test_a_report_without_the_data_set_or_of_a_model_without_reasons_says_so(comparison: Path, tmp_path: Path) -> None:
    for folders in ({}, {"data": str(tmp_path / "gone")}):
        told = reported(comparison, tmp_path, "vbpr", folders=folders)
        assert "There are no reasons here: vbpr looks at features" in told
        assert "because of «" not in told
    told = reported(comparison, tmp_path, "popularity")
    assert "does not come from what the user took" in told
    assert "The graph around" not in told


def test_it_needs_nothing_beside_it(comparison: Path) -> None:
    tags = parsed((comparison / "report.html").read_text())
    assert all(source.startswith(("data:image/jpeg;base64,", "#")) for source in tags.sources)
    assert any(source.startswith("data:") for source in tags.sources)


def test_the_same_results_give_the_same_page(comparison: Path) -> None:
    before = (comparison / "report.html").read_bytes()
    look = ["--picture-column", "poster", "--pictures", str(comparison.parent)]
    assert run(["report", str(comparison), "--title", "Shop <1>", *look]) == 0
    assert (comparison / "report.html").read_bytes() == before


def test_what_is_missing_is_told_with_a_mend(
    comparison: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["report", str(tmp_path)]) == 1
    assert "triptych compare" in capsys.readouterr().err
    assert run(["report", str(comparison), "--picture-column", "psoter"]) == 2
    assert 'did you mean "poster"' in capsys.readouterr().err
