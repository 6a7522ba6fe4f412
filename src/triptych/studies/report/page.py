"""The report of a comparison: comparison.json and its run folders -> one self-contained HTML page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from triptych.artefacts import checked_content, write_file
from triptych.bars import shows_progress
from triptych.errors import SettingsError, TriptychError, location
from triptych.explaining.item_display import ItemDisplay
from triptych.outputs import check_file
from triptych.progress import Listener, automatic_progress, track
from triptych.studies.comparison import Comparison, read_comparison
from triptych.studies.report import plots
from triptych.studies.report.across import across
from triptych.studies.report.example_users import ExampleUsers, example_users, open_reported_model
from triptych.studies.rows import Row
from triptych.studies.tables import COLUMNS, SIGNIFICANCE_LEVEL, best_mark, cells, trade_off_cells, trade_off_columns
from triptych.texts import printable
from triptych.training.metrics_file import read_metrics
from triptych.training.run_context import RunFiles

Curves = Mapping[str, Sequence[Mapping[str, float]]]


@dataclass(frozen=True)
class Section:
    """The part of the page about one data set: plots as SVG, the table as text."""

    name: str
    summary: str
    best: str
    columns: Sequence[str]
    table: Sequence[Sequence[str]]
    failed: Sequence[tuple[str, str]]
    quality: str
    cost: str
    groups: str
    trade_off: str | None
    trade_off_columns: Sequence[str]
    trade_off_table: Sequence[Sequence[str]]
    subsets: str | None
    learning: str | None
    losses: str | None
    example_users: ExampleUsers | None


@shows_progress
def write_report(
    folder: Path,
    *,
    title: str = "",
    n_users: int = 4,
    display: ItemDisplay | None = None,
    listener: Listener = automatic_progress,
) -> Path:
    """Write folder/report.html about the comparison in that folder. Return its path.

    n_users: the number of example users per data set, with the lists of its best model.
    Raises ArtefactError, SettingsError, and TriptychError if no model has a result.
    """
    for library in ("jinja2", "matplotlib"):
        if find_spec(library) is None:
            what = f"a report needs {library}, which is not installed"
            raise SettingsError(what, hint='pip install "triptych[report]"')
    from jinja2 import Environment
    from markupsafe import Markup

    def shown(value: object) -> object:
        """Write out control characters in everything but our own SVG."""
        return printable(value) if isinstance(value, str) and not isinstance(value, Markup) else value

    if folder.is_dir():
        check_file(folder / "report.html")
    comparison, display = read_comparison(folder), display or ItemDisplay()
    names = list(dict.fromkeys(row.data for row in comparison.rows if not row.failed))
    if not names:
        raise TriptychError("no model has a result", where=location(folder), hint="run the comparison again")
    sections = [_section(name, comparison, n_users, display) for name in track("drawing", names, listener)]
    environment = Environment(autoescape=True, finalize=shown)
    template = environment.from_string(files(__package__).joinpath("page.html").read_text("utf-8"))
    complete = [row for row in comparison.rows if not row.failed and row.modalities == comparison.modalities]
    page = template.render(
        title=title or f"Comparison: {', '.join(names) if len(names) < 5 else f'{len(names)} data sets'}",
        sections=sections,
        significance_level=f"{SIGNIFICANCE_LEVEL:g}",
        comparison=comparison,
        across=across(complete, next(iter(complete[0].metrics)), plots.styles(complete)) if complete else None,
    )
    write_file(folder / "report.html", page.encode())
    return folder / "report.html"


def _section(name: str, comparison: Comparison, n_users: int, display: ItemDisplay) -> Section:
    of_data = [row for row in comparison.rows if row.data == name]
    rows = [row for row in of_data if not row.failed]
    metric, styles = next(iter(rows[0].metrics)), plots.styles(rows)
    main = [row for row in rows if row.modalities == comparison.modalities] or rows
    with_subsets = [row for row in rows if any(each.entry == row.entry and each is not row for each in rows)]
    best, curves = main[0], _curves(main)
    columns = ["", *rows[0].metrics, *COLUMNS]
    return Section(
        name=name,
        summary=_summary(main, metric),
        best=best.label,
        columns=columns,
        table=[_table_row(row, columns) for row in rows],
        failed=[(row.label, row.failed) for row in of_data if row.failed],
        quality=plots.quality(main, metric, styles),
        cost=plots.against_cost(main, metric, styles),
        groups=plots.groups(main, metric, styles),
        trade_off=plots.trade_off(main, metric, styles) if any(row.trade_off for row in main) else None,
        trade_off_columns=["", *trade_off_columns(metric)],
        trade_off_table=[[row.label, *trade_off_cells(each)] for row in main for each in row.trade_off],
        subsets=plots.subsets(with_subsets, metric) if with_subsets else None,
        learning=plots.learning(curves, metric, styles) if _has_validation(curves) else None,
        losses=plots.loss_terms(curves) if curves else None,
        example_users=_example_users(comparison, best, n_users, display) if n_users else None,
    )


def _example_users(comparison: Comparison, best: Row, n_users: int, display: ItemDisplay) -> ExampleUsers:
    """Example users of the best model of a data set, by its first run."""
    data = comparison.folders.get(best.data)
    model = open_reported_model(best.runs[0], comparison.protocol, display, Path(data) if data else None)
    return example_users(model, n_users)


def _table_row(row: Row, columns: Sequence[str]) -> list[str]:
    texts = cells(row)
    return [f"{row.label}{best_mark(row)}", *(texts.get(column, "") for column in columns[1:])]


def _summary(rows: Sequence[Row], metric: str) -> str:
    """The result in one or two sentences."""
    best = rows[0]
    equal = [row.label for row in rows[1:] if row.p is not None and row.p >= SIGNIFICANCE_LEVEL]
    text = f"{best.label} is the best of {len(rows)}: {metric} {cells(best)[metric]}."
    if equal:
        return f"{text} Not significantly different: {', '.join(equal)}."
    return text if len(rows) == 1 else f"{text} All others are worse (corrected p < {SIGNIFICANCE_LEVEL:g})."


def _has_validation(curves: Curves) -> bool:
    """Whether a training had validation interactions; without them it records no metrics."""
    return any(key.startswith("validation/") for epochs in curves.values() for each in epochs for key in each)


def _curves(rows: Sequence[Row]) -> Curves:
    """Label -> the values per epoch of the first run, for every trained model."""
    curves: dict[str, Any] = {}
    for row in rows:
        files = RunFiles(row.runs[0])
        if files.metrics.is_file():
            epochs = read_metrics(files)
            with checked_content(files.metrics):
                curves[row.label] = [{name: float(each[name]) for name in ("epoch", *each)} for each in epochs]
    return curves
