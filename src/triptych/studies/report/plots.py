"""Plots of a comparison as SVG: quality with intervals, cost, learning curves, and groups of users and items.

The colours are those of Okabe and Ito, which colour-blind readers can distinguish. Every line and point also has its
own marker and a name.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from triptych.errors import SettingsError
from triptych.studies.report.style import STYLE
from triptych.studies.rows import Row
from triptych.texts import escape_xml, printable

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#999999")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*", "<", ">", "h", "p")
GRID = {"axes.grid": True, "grid.color": "#e6e6e6", "axes.axisbelow": True}
MAX_CURVES = 12  # per plot; more cannot be distinguished

Styles = Mapping[str, tuple[str, str]]  # label of a row -> (colour, marker)


def styles(rows: Sequence[Row]) -> dict[str, tuple[str, str]]:
    """Label of a row -> (colour, marker), the same in every plot of a page."""
    names = list(dict.fromkeys(row.label for row in rows))
    return {name: (COLOURS[n % len(COLOURS)], MARKERS[n % len(MARKERS)]) for n, name in enumerate(names)}


def quality(rows: Sequence[Row], metric: str, styles: Styles) -> str:
    """Plot the metric of every row with its interval, the best row on top."""
    with new_figure(1, (7.5, 0.36 * len(rows) + 1.1)) as (figure, (axes,)):
        for position, row in enumerate(rows):
            each, (colour, marker) = row.metrics[metric], styles[row.label]
            error = [[each.mean - each.low], [each.high - each.mean]]
            axes.errorbar(each.mean, position, xerr=error, color=colour, marker=marker, capsize=3, linewidth=1.6)
            axes.annotate(
                f"{each.mean:.4f}", (each.high, position), (6, -4), textcoords="offset points", color="#444444"
            )
        axes.set_yticks(range(len(rows)), [plain(row.label) for row in rows])
        axes.invert_yaxis()
        axes.set_xlabel(f"{metric}, 95 % interval over users")
        axes.margins(x=0.12)
        return to_svg(figure, f"{metric} of every model with its 95 % interval")


def against_cost(rows: Sequence[Row], metric: str, styles: Styles) -> str:
    """Plot the metric against the seconds to the best epoch, and against the peak memory."""
    with new_figure(2, (9.5, 4.2)) as (figure, panels):
        for axes, name, label in zip(
            panels, ("seconds_to_best", "peak_megabytes"), ("seconds to the best epoch", "peak memory, MB"), strict=True
        ):
            for row in rows:
                cost, (colour, marker) = max(getattr(row.cost, name), 0.01), styles[row.label]
                axes.scatter(cost, row.metrics[metric].mean, color=colour, marker=marker, s=48, label=plain(row.label))
            axes.set_xlabel(label)
        panels[0].set_xscale("log")
        panels[0].xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        panels[0].set_ylabel(metric)
        figure.legend(*panels[0].get_legend_handles_labels(), loc="upper center", ncols=4, frameon=False, fontsize=9)
        figure.subplots_adjust(top=0.99 - 0.075 * -(-len(rows) // 4), wspace=0.25)
        return to_svg(figure, f"{metric} against seconds to the best epoch, and against peak memory")


def learning(curves: Mapping[str, Sequence[Mapping[str, float]]], metric: str, styles: Styles) -> str:
    """Plot the validation metric by epoch. curves: label -> epochs, as in metrics.jsonl; others have no such metric."""
    with new_figure(1, (7.5, 4.0)) as (figure, (axes,)):
        keys = {key for epochs in curves.values() for each in epochs for key in each if key.startswith("validation/")}
        key = f"validation/{metric}" if f"validation/{metric}" in keys else sorted(keys)[0]
        for label, epochs in list(curves.items())[:MAX_CURVES]:
            points = [(each["epoch"], each[key]) for each in epochs if key in each]
            if not points:
                continue
            colour, marker = styles[label]
            every = max(1, len(points) // 8)
            axes.plot(*zip(*points, strict=True), color=colour, marker=marker, markevery=every, label=plain(label))
        axes.set_xlabel("epoch")
        axes.set_ylabel(f"{key.removeprefix('validation/')} on validation")
        axes.legend(frameon=False, fontsize=9)
        return to_svg(figure, f"{metric} on validation while training")


def loss_terms(curves: Mapping[str, Sequence[Mapping[str, float]]]) -> str:
    """Plot the terms of the loss by epoch, one panel per trained model, as shares of their first values."""
    shown = list(curves.items())[:MAX_CURVES]
    columns = min(3, len(shown))
    n_rows = -(-len(shown) // columns)
    with new_figure(columns, (3.3 * columns, 2.5 * n_rows), n_rows) as (figure, panels):
        for axes, (label, epochs) in zip(panels, shown, strict=False):
            for n, name in enumerate(key for key in epochs[0] if key.startswith("loss/")):
                values = [each[name] for each in epochs]
                axes.plot(
                    [each["epoch"] for each in epochs],
                    [value / (abs(values[0]) or 1) for value in values],
                    color=COLOURS[n % len(COLOURS)],
                    linestyle=("-", "--", ":", "-.")[n % 4],
                    label=plain(name.removeprefix("loss/")),
                )
            axes.set_title(plain(label), fontsize=10)
            axes.legend(frameon=False, fontsize=8)
            axes.set_xlabel("epoch")
        for axes in panels[len(shown) :]:
            axes.set_visible(False)
        figure.subplots_adjust(hspace=0.65, wspace=0.3)
        return to_svg(figure, "the terms of every model's loss while training, as shares of their first values")


def groups(rows: Sequence[Row], metric: str, styles: Styles) -> str:
    """Plot the metric by activity of the users and by popularity of the items."""
    labels = [group.label for group in rows[0].groups]
    kinds = [[label for label in labels if label.startswith("users") is of_users] for of_users in (True, False)]
    counts = {group.label: group.n_users for group in rows[0].groups}
    with new_figure(2, (9.5, 4.2)) as (figure, panels):
        for axes, kind in zip(panels, kinds, strict=True):
            for row in rows[:MAX_CURVES]:
                means = {group.label: group.metric.mean for group in row.groups}
                colour, marker = styles[row.label]
                values = [means[label] for label in kind]
                axes.plot(range(len(kind)), values, color=colour, marker=marker, label=plain(row.label))
            ticks = [f"{each.removeprefix('users with ').removesuffix(' items')}\n({counts[each]:,})" for each in kind]
            axes.set_xticks(range(len(kind)), ticks, fontsize=9)
        panels[0].set_xlabel("training interactions per user (number of users)")
        panels[1].set_xlabel("popularity of the items (number of users with such items held out)")
        panels[0].set_ylabel(metric)
        figure.legend(*panels[0].get_legend_handles_labels(), loc="upper center", ncols=4, frameon=False, fontsize=9)
        figure.subplots_adjust(top=0.99 - 0.075 * -(-min(MAX_CURVES, len(rows)) // 4), wspace=0.25)
        return to_svg(figure, f"{metric} by users' activity and by items' popularity")


def trade_off(rows: Sequence[Row], metric: str, styles: Styles) -> str:
    """Plot the metric against the intra-list similarity and the coverage, a point per weight of diversity."""
    shown = [row for row in rows if row.trade_off][:MAX_CURVES]
    with new_figure(2, (9.5, 4.2)) as (figure, panels):
        for axes, name in zip(panels, ("similarity", "coverage"), strict=True):
            for row in shown:
                colour, marker = styles[row.label]
                x, y = [getattr(each, name) for each in row.trade_off], [each.metric for each in row.trade_off]
                axes.plot(x, y, color=colour, marker=marker, label=plain(row.label))
                for at in range(len(x)):
                    weight = f"{row.trade_off[at].weight:g}"
                    axes.annotate(weight, (x[at], y[at]), (4, 4), textcoords="offset points", fontsize=7, color=colour)
        panels[0].set_xlabel("intra-list similarity (mean cosine of the items of a list)")
        panels[1].set_xlabel("coverage (share of the catalogue in any list)")
        panels[0].set_ylabel(metric)
        figure.legend(*panels[0].get_legend_handles_labels(), loc="upper center", ncols=4, frameon=False, fontsize=9)
        figure.subplots_adjust(top=0.99 - 0.075 * -(-len(shown) // 4), wspace=0.25)
        return to_svg(figure, f"{metric} against intra-list similarity and coverage, for every weight of diversity")


def subsets(rows: Sequence[Row], metric: str) -> str:
    """Plot the metric of every multimodal model with every subset of the modalities, grouped by entry."""
    entries = list(dict.fromkeys(row.entry for row in rows))
    names = list(dict.fromkeys(row.modalities or "all" for row in rows))
    with new_figure(1, (7.5, 0.28 * len(rows) + 0.5 * len(entries) + 1.0)) as (figure, (axes,)):
        position, ticks, labels = 0.0, list[float](), list[str]()
        for entry in entries:
            for row in (row for row in rows if row.entry == entry):
                each, name = row.metrics[metric], row.modalities or "all"
                n = names.index(name)
                error = [[each.mean - each.low], [each.high - each.mean]]
                axes.errorbar(each.mean, position, xerr=error, color=COLOURS[n % 8], marker=MARKERS[n % 12], capsize=3)
                ticks.append(position)
                labels.append(plain(f"{entry}: {name.replace(',', ' + ')}"))
                position += 1
            position += 0.6
        axes.set_yticks(ticks, labels, fontsize=9)
        axes.invert_yaxis()
        axes.set_xlabel(f"{metric}, 95 % interval over users")
        return to_svg(figure, f"{metric} with every subset of the modalities")


def plain(label: str) -> str:
    """Return a label that matplotlib draws as it is: a $ begins no formula, and a _ does not hide it in the legend."""
    text = printable(label).replace("$", r"\$")
    return f" {text}" if text.startswith("_") else text


@contextmanager
def new_figure(columns: int, size: tuple[float, float], n_rows: int = 1) -> Any:
    """Yield a figure and its panels in the style of the report. Raises SettingsError if matplotlib is not installed."""
    try:
        import matplotlib as mpl
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ModuleNotFoundError:
        raise SettingsError(
            "a report needs matplotlib, which is not installed", hint='pip install "triptych[report]"'
        ) from None
    with mpl.rc_context({**STYLE, **GRID}):
        figure = Figure(figsize=size)
        FigureCanvasAgg(figure)
        yield figure, list(figure.subplots(n_rows, columns, squeeze=False).flat)


def to_svg(figure: Any, description: str) -> str:
    """The figure as an SVG element. description: what it shows, for readers who cannot see it."""
    text = io.StringIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph")  # the browser draws the letters with its own fonts
        figure.savefig(text, format="svg", metadata={"Date": None}, bbox_inches="tight")
    svg = text.getvalue()
    svg = svg[svg.index("<svg") :]
    return svg.replace("<svg", f'<svg role="img" aria-label="{escape_xml(description)}"', 1)
