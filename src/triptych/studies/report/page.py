"""comparison.json and the run folders it names -> one self-contained HTML page."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

from triptych.artefacts import write_file
from triptych.errors import ArtefactError, TriptychError, place
from triptych.explaining.look import Look
from triptych.progress import Listener, silent, told
from triptych.ranking.recommender import Items, Mask, open_recommender
from triptych.settings import parse
from triptych.studies.report import plots
from triptych.studies.report.across import across
from triptych.studies.report.people import People, people
from triptych.studies.rows import Row
from triptych.studies.tables import CERTAIN, HEADS, cells, dot

Curves = Mapping[str, Sequence[Mapping[str, float]]]


@dataclass(frozen=True)
class Section:
    """What the page shows of one data set: plots as SVG, the table as text."""

    name: str
    lead: str
    best: str
    heads: Sequence[str]
    table: Sequence[Sequence[str]]
    failed: Sequence[tuple[str, str]]
    quality: str
    cost: str
    bands: str
    subsets: str | None
    learning: str | None
    losses: str | None
    people: People | None


@dataclass(frozen=True)
class Compared:
    """A comparison as its folder tells it: rows, how they were measured, and where the data sets are, by name."""

    rows: Sequence[Row]
    part: Literal["validation", "test"]
    mask: Mask
    modalities: str | None
    seeds: Sequence[int]
    among: Items = "all"
    folders: Mapping[str, str] = field(default_factory=dict)


def read_comparison(folder: Path) -> Compared:
    """The comparison in a folder. Raises ArtefactError where there is none."""
    path = folder / "comparison.json"
    if not path.is_file():
        raise ArtefactError("holds no comparison", where=place(folder), mend="run: triptych compare … --output FOLDER")
    told = json.loads(path.read_text(encoding="utf-8"))
    for row in told["rows"]:
        row["runs"] = [folder / run for run in row["runs"]]
    return parse(Compared, told)


def write_report(
    folder: Path,
    *,
    title: str = "",
    n_users: int = 4,
    look: Look | None = None,
    listener: Listener = silent,
) -> Path:
    """Write folder/report.html of the comparison there; returns its path.

    n_users: how many users' lists are shown, of each data set, by its best model. Raises ArtefactError, SettingsError.
    """
    from jinja2 import Environment

    compared, look = read_comparison(folder), look or Look()
    names = list(dict.fromkeys(row.data for row in compared.rows if not row.failed))
    if not names:
        raise TriptychError("no model has a result", where=place(folder), mend="run the comparison again")
    sections = [_section(name, compared, n_users, look) for name in told("drawing", names, listener)]
    template = Environment(autoescape=True).from_string(files(__package__).joinpath("page.html").read_text("utf-8"))
    good = [row for row in compared.rows if not row.failed and row.modalities == compared.modalities]
    page = template.render(
        title=title or f"Comparison: {', '.join(names) if len(names) < 5 else f'{len(names)} data sets'}",
        sets=sections,
        certain=f"{CERTAIN:g}",
        how=compared,
        across=across(good, next(iter(good[0].metrics)), plots.looks(good)) if good else None,
    )
    write_file(folder / "report.html", page.encode())
    return folder / "report.html"


def _section(name: str, compared: Compared, n_users: int, look: Look) -> Section:
    rows = [row for row in compared.rows if row.data == name]
    good = [row for row in rows if not row.failed]
    metric, looks = next(iter(good[0].metrics)), plots.looks(good)
    main = [row for row in good if row.modalities == compared.modalities] or good
    content = [row for row in good if any(o.line == row.line and o is not row for o in good)]
    best, curves = main[0], _curves(main)
    recommender = open_recommender(best.runs[0])
    folder = compared.folders.get(name)
    _, held_out, seen, _ = recommender.question(compared.part, compared.mask, compared.among)
    heads = ["", *good[0].metrics, *HEADS]
    return Section(
        name=name,
        lead=_lead(main, metric),
        best=best.line_in_words,
        heads=heads,
        table=[_told(row, heads) for row in good],
        failed=[(row.line_in_words, row.failed) for row in rows if row.failed],
        quality=plots.quality(main, metric, looks),
        cost=plots.against_cost(main, metric, looks),
        bands=plots.bands(main, metric, looks),
        subsets=plots.subsets(content, metric) if content else None,
        learning=plots.learning(curves, metric, looks) if curves else None,
        losses=plots.loss_terms(curves) if curves else None,
        people=people(recommender, held_out, seen, n_users, look, Path(folder) if folder else None)
        if n_users
        else None,
    )


def _told(row: Row, heads: Sequence[str]) -> list[str]:
    shown = cells(row)
    return [f"{row.line_in_words}{dot(row)}", *(shown.get(head, "") for head in heads[1:])]


def _lead(rows: Sequence[Row], metric: str) -> str:
    """The result in a sentence."""
    best = rows[0]
    equal = [row.line_in_words for row in rows[1:] if row.p is not None and row.p >= CERTAIN]
    told = f"{best.line_in_words} is best of {len(rows)}: {metric} {cells(best)[metric]}."
    if equal:
        return f"{told} {', '.join(equal)} cannot be told from it."
    return told if len(rows) == 1 else f"{told} All others are worse (corrected p < {CERTAIN:g})."


def _curves(rows: Sequence[Row]) -> Curves:
    """What every trained model's first run told of its epochs."""
    curves: dict[str, Any] = {}
    for row in rows:
        path = row.runs[0] / "metrics.jsonl"
        if path.is_file():
            curves[row.line_in_words] = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return curves
