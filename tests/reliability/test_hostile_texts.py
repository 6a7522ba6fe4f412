"""Titles and ids are data: nothing in them acts on a terminal, a drawing, a page, a table or a spreadsheet."""

from __future__ import annotations

import csv
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree as ET

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reliability.hostile_shop import TITLES, USER, hostile_dataset, hostile_model
from triptych.cli import printing
from triptych.cli.app import run
from triptych.data.recommendation_files import write_recommendations
from triptych.errors import SettingsError
from triptych.progress import Progress
from triptych.studies.comparison import write_comparison
from triptych.studies.experiment import Entry, Experiment, Source
from triptych.studies.report.page import write_report
from triptych.studies.report.plots import new_figure, plain, to_svg
from triptych.studies.rows import Cost, GroupResult, Row
from triptych.studies.statistics import Interval
from triptych.studies.tables import write_tables
from triptych.texts import encodable, printable, without_formula


def _row(data: str, entry: str) -> Row:
    return Row(data, entry, "bm3", None, [], metrics={"ndcg@50": Interval(-0.1, -0.2, 0.2)})


ACTS = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")  # all but the end of a line


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return hostile_model(tmp_path_factory.mktemp("shop"))


@given(st.text(st.characters(exclude_categories=())))
def test_printable_text_is_one_line_of_valid_utf8_and_xml(text: str) -> None:
    shown = printable(text)
    assert not ACTS.search(shown)
    assert len(shown.splitlines()) <= 1
    ET.fromstring(f"<a>{shown.replace('&', '&amp;').replace('<', '&lt;')}</a>")
    assert printable(shown) == shown


@given(st.text(), st.sampled_from(["ascii", "cp1252", "latin-1", "utf-8", "cp437"]))
def test_every_text_can_be_written_in_every_encoding(text: str, encoding: str) -> None:
    encodable(text, encoding).encode(encoding)


def test_tables_show_brackets_and_codes_as_they_are(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["recommend", str(model), "--user", USER, "--include-seen", "-k", "50"]) == 0
    output = capsys.readouterr().out
    assert not ACTS.search(output)
    for title in TITLES:
        assert printable(title) in output


def test_explanations_and_errors_show_control_characters_written_out(
    model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["explain", str(model), "--user", USER, "-k", "20"]) == 0
    output = capsys.readouterr().out
    assert not ACTS.search(output)
    assert "[bold]u\\x1b[1m0" in output
    assert run(["recommend", str(model), "--user", "[/]\x1b[31m"]) == 1
    error = capsys.readouterr().err
    assert 'unknown user "[/]\\x1b[31m"' in error
    assert not ACTS.search(error)


@pytest.mark.parametrize(
    "arguments", [["models", "--\x1b[31m"], ["\x1b[31m"], ["--\x1b"], ["evaluate", "run", "\x1b[31m"], ["tune", "\x1b"]]
)
def test_errors_about_arguments_show_control_characters_written_out(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) in (1, 2)
    error = capsys.readouterr().err
    assert "\\x1b" in error
    assert not ACTS.search(error)


def test_json_keeps_the_values_and_escapes_what_acts_on_a_terminal(
    model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["recommend", str(model), "--user", USER, "--include-seen", "-k", "50", "--json"]) == 0
    output = capsys.readouterr().out
    assert not ACTS.search(output)
    assert {row["user_id"] for row in json.loads(output)} == {USER}


def test_progress_and_messages_show_a_text_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    with printing.show_progress() as listener:
        listener(Progress("[/stage]", 1, 2, "note [bold] \x1b[31m"))
    assert capsys.readouterr().err == "[/stage] 1/2: note [bold] \\x1b[31m\n"


def test_drawings_are_valid_xml_without_scripts(model: Path, tmp_path: Path) -> None:
    dataset = hostile_dataset()
    for item in dataset.items.ids[:4].to_list():
        drawing = tmp_path / "why.svg"
        assert run(["explain", str(model), "--user", USER, "--item", item, "--drawing", str(drawing)]) == 0
        root = ET.fromstring(drawing.read_text("utf-8"))
        assert not [each for each in root.iter() if each.tag.endswith("script")]
        assert not [name for each in root.iter() for name in each.attrib if name.startswith("on")]


@pytest.mark.parametrize("title", TITLES)
def test_plots_draw_every_label(title: str) -> None:
    with new_figure(1, (2, 2)) as (figure, (axes,)):
        axes.plot([0, 1], [1, 2], label=plain(title))
        axes.set_xlabel(plain(f"_{title}"))
        figure.legend()
        svg = to_svg(figure, title)
    root = ET.fromstring(svg)
    assert root.attrib["aria-label"] == printable(title)
    assert not [each for each in root.iter() if each.tag.endswith("script")]


def test_tables_of_a_comparison_are_valid_whatever_the_names(tmp_path: Path) -> None:
    rows = [_row("a|b\n# c", title) for title in TITLES]
    write_tables(rows, tmp_path)
    markdown = (tmp_path / "comparison.md").read_text("utf-8")
    lines = [line for line in markdown.splitlines() if line.startswith("|")]
    assert len({len(re.findall(r"(?<!\\)\|", line)) for line in lines}) == 1  # every row has the same cells
    assert "<script>" not in markdown
    latex = (tmp_path / "comparison.tex").read_text("utf-8")
    assert r"\$x\textasciicircum{}2\$ \textbackslash{}frac\{1\} a\_b" in latex
    assert latex.startswith(r"% a|b\n# c")


@pytest.mark.parametrize("escaped", [False, True])
def test_formulas_in_csv_are_escaped_on_request(model: Path, tmp_path: Path, escaped: bool) -> None:
    path = tmp_path / "top.csv"
    options = ["--escape-formulas"] if escaped else []
    assert run(["recommend", str(model), "-o", str(path), "-k", "50", "--include-seen", *options]) == 0
    with path.open(encoding="utf-8", newline="") as file:
        ids = {row["item_id"] for row in csv.DictReader(file)}
    assert ("=1+1" in ids) is not escaped
    assert ("'=1+1" in ids) is escaped
    assert any(each.startswith(("+", "@")) for each in ids) is not escaped


def test_formulas_in_the_table_of_a_comparison_are_escaped_on_request(tmp_path: Path) -> None:
    rows = [_row("shop", "=1+1")]
    write_tables(rows, tmp_path, escape_formulas=True)
    frame = pl.read_csv(tmp_path / "comparison.csv")
    assert frame["entry"].to_list() == ["'=1+1"]
    assert frame["ndcg@50"].to_list() == [-0.1]  # a number stays one
    assert without_formula("a=1") == "a=1"


def test_escaping_formulas_of_parquet_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"only \.csv"):
        write_recommendations([], tmp_path / "top.parquet", escape_formulas=True)


class Page(HTMLParser):
    """The tags of a page and the names and values of its attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += [(name, value or "") for name, value in attrs]


def test_a_report_shows_titles_and_failures_without_acting_on_them(model: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="reports need matplotlib: pip install triptych[report]")
    metrics = {"ndcg@50": Interval(0.1, 0.0, 0.2)}
    groups = [GroupResult(label, 3, metrics["ndcg@50"]) for label in ("users of 1–5", "items of 1–5")]
    cost = Cost(1.0, 1.0, 100.0, 10.0)
    rows = [
        Row("shop", "item-knn", "item-knn", None, [model], metrics=metrics, groups=groups, cost=cost),
        *(Row("shop", title, "bm3", None, [], failed=title) for title in TITLES),
    ]
    experiment = Experiment(data={"shop": Source(str(tmp_path / "none"))}, models={"item-knn": Entry()})
    write_comparison(rows, experiment, tmp_path)
    page = Page(write_report(tmp_path, title=TITLES[8]).read_text("utf-8"))
    text = (tmp_path / "report.html").read_text("utf-8")
    assert "script" not in page.tags
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    links = [value for name, value in page.attributes if name.endswith(("href", "src"))]
    assert all(each.startswith(("#", "data:image/")) for each in links)
    assert not re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e]", text)
    assert "[/stereo]" in text
