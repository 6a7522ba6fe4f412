"""comparison.json and the run folders it names -> one self-contained HTML page."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

from triptych.artefacts import write_file
from triptych.errors import ArtefactError, TriptychError, location
from triptych.explaining.item_display import ItemDisplay
from triptych.progress import Listener, ignore_progress, track
from triptych.ranking.protocol import EvaluationProtocol, Exclude, HeldOut, Items
from triptych.ranking.recommender import open_recommender
from triptych.settings import parse
from triptych.studies.report import plots
from triptych.studies.report.across import across
from triptych.studies.report.example_users import ExampleUsers, example_users
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
    example_users: ExampleUsers | None


@dataclass(frozen=True)
class Compared:
    """A comparison as its folder tells it: rows, how they were measured, and where the data sets are, by name."""

    rows: Sequence[Row]
    split: HeldOut
    exclude: Exclude
    modalities: str | None
    seeds: Sequence[int]
    items: Items = "all"
    folders: Mapping[str, str] = field(default_factory=dict)

    @property
    def protocol(self) -> EvaluationProtocol:
        return EvaluationProtocol(self.split, self.exclude, self.items)


def read_comparison(folder: Path) -> Compared:
    """The comparison in a folder. Raises ArtefactError where there is none."""
    path = folder / "comparison.json"
    if not path.is_file():
        raise ArtefactError(
            "holds no comparison", where=location(folder), hint="run: triptych compare … --output FOLDER"
        )
    told = json.loads(path.read_text(encoding="utf-8"))
    for row in told["rows"]:
        row["runs"] = [folder / run for run in row["runs"]]
    return parse(Compared, told)


def write_report(
    folder: Path,
    *,
    title: str = "",
    n_users: int = 4,
    look: ItemDisplay | None = None,
    listener: Listener = ignore_progress,
) -> Path:
    """Write folder/report.html of the comparison there; returns its path.

    n_users: how many users' lists are shown, of each data set, by its best model. Raises ArtefactError, SettingsError.
    """
    from jinja2 import Environment

    compared, look = read_comparison(folder), look or ItemDisplay()
    names = list(dict.fromkeys(row.data for row in compared.rows if not row.failed))
    if not names:
        raise TriptychError("no model has a result", where=location(folder), hint="run the comparison again")
    sections = [_section(name, compared, n_users, look) for name in track("drawing", names, listener)]
    template = Environment(autoescape=True).from_string(files(__package__).joinpath("page.html").read_text("utf-8"))
    good = [row for row in compared.rows if not row.failed and row.modalities == compared.modalities]
    page = template.render(
        title=title or f"Comparison: {', '.join(names) if len(names) < 5 else f'{len(names)} data sets'}",
        sets=sections,
        certain=f"{CERTAIN:g}",
        how=compared,
        across=across(good, next(iter(good[0].metrics)), plots.styles(good)) if good else None,
    )
    write_file(folder / "report.html", page.encode())
    return folder / "report.html"


def _section(name: str, compared: Compared, n_users: int, look: ItemDisplay) -> Section:
    rows = [row for row in compared.rows if row.data == name]
    good = [row for row in rows if not row.failed]
    metric, styles = next(iter(good[0].metrics)), plots.styles(good)
    main = [row for row in good if row.modalities == compared.modalities] or good
    content = [row for row in good if any(o.entry == row.entry and o is not row for o in good)]
    best, curves = main[0], _curves(main)
    recommender = open_recommender(best.runs[0])
    folder = compared.folders.get(name)
    task = recommender.evaluation_task(compared.protocol)
    heads = ["", *good[0].metrics, *HEADS]
    return Section(
        name=name,
        lead=_lead(main, metric),
        best=best.label,
        heads=heads,
        table=[_told(row, heads) for row in good],
        failed=[(row.label, row.failed) for row in rows if row.failed],
        quality=plots.quality(main, metric, styles),
        cost=plots.against_cost(main, metric, styles),
        bands=plots.bands(main, metric, styles),
        subsets=plots.subsets(content, metric) if content else None,
        learning=plots.learning(curves, metric, styles) if curves else None,
        losses=plots.loss_terms(curves) if curves else None,
        example_users=example_users(
            recommender, task.relevant, task.seen, n_users, look, Path(folder) if folder else None
        )
        if n_users
        else None,
    )


def _told(row: Row, heads: Sequence[str]) -> list[str]:
    shown = cells(row)
    return [f"{row.label}{dot(row)}", *(shown.get(head, "") for head in heads[1:])]


def _lead(rows: Sequence[Row], metric: str) -> str:
    """The result in a sentence."""
    best = rows[0]
    equal = [row.label for row in rows[1:] if row.p is not None and row.p >= CERTAIN]
    told = f"{best.label} is best of {len(rows)}: {metric} {cells(best)[metric]}."
    if equal:
        return f"{told} {', '.join(equal)} cannot be told from it."
    return told if len(rows) == 1 else f"{told} All others are worse (corrected p < {CERTAIN:g})."


def _curves(rows: Sequence[Row]) -> Curves:
    """What every trained model's first run told of its epochs."""
    curves: dict[str, Any] = {}
    for row in rows:
        path = row.runs[0] / "metrics.jsonl"
        if path.is_file():
            curves[row.label] = [json.loads(entry) for entry in path.read_text(encoding="utf-8").splitlines()]
    return curves
