"""Plots of a comparison as SVG: quality with intervals, against cost, while training, for kinds of users and items.

Colours are Okabe and Ito's, which colour-blind readers tell apart; every line and point has its own marker too, and is
named.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from triptych.errors import SettingsError
from triptych.studies.report.style import STYLE
from triptych.studies.rows import Row

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#999999")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*", "<", ">", "h", "p")
GRID = {"axes.grid": True, "grid.color": "#e6e6e6", "axes.axisbelow": True}
LINES = 12  # of a plot of curves; more cannot be told apart


def styles(rows: Sequence[Row]) -> dict[str, tuple[str, str]]:
    """Line -> (colour, marker), the same in every plot of a page."""
    names = list(dict.fromkeys(row.label for row in rows))
    return {name: (COLOURS[n % len(COLOURS)], MARKERS[n % len(MARKERS)]) for n, name in enumerate(names)}


def quality(rows: Sequence[Row], metric: str, styles: Mapping[str, tuple[str, str]]) -> str:
    """Every line's metric with its interval, the best on top."""
    with figure_of(1, (7.5, 0.36 * len(rows) + 1.1)) as (figure, (axes,)):
        for position, row in enumerate(rows):
            each, (colour, marker) = row.metrics[metric], styles[row.label]
            error = [[each.mean - each.low], [each.high - each.mean]]
            axes.errorbar(each.mean, position, xerr=error, color=colour, marker=marker, capsize=3, linewidth=1.6)
            axes.annotate(
                f"{each.mean:.4f}", (each.high, position), (6, -4), textcoords="offset points", color="#444444"
            )
        axes.set_yticks(range(len(rows)), [row.label for row in rows])
        axes.invert_yaxis()
        axes.set_xlabel(f"{metric}, 95 % interval over users")
        axes.margins(x=0.12)
        return drawn(figure, f"{metric} of every model with its 95 % interval")


def against_cost(rows: Sequence[Row], metric: str, styles: Mapping[str, tuple[str, str]]) -> str:
    """Quality against seconds to the best epoch and against peak memory."""
    with figure_of(2, (9.5, 4.2)) as (figure, panels):
        for axes, name, words in zip(
            panels, ("seconds_to_best", "peak_megabytes"), ("seconds to the best epoch", "peak memory, MB"), strict=True
        ):
            for row in rows:
                cost, (colour, marker) = max(getattr(row.cost, name), 0.01), styles[row.label]
                axes.scatter(cost, row.metrics[metric].mean, color=colour, marker=marker, s=48, label=row.label)
            axes.set_xlabel(words)
        panels[0].set_xscale("log")
        panels[0].xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        panels[0].set_ylabel(metric)
        figure.legend(*panels[0].get_legend_handles_labels(), loc="upper center", ncols=4, frameon=False, fontsize=9)
        figure.subplots_adjust(top=0.99 - 0.075 * -(-len(rows) // 4), wspace=0.25)
        return drawn(figure, f"{metric} against seconds to the best epoch, and against peak memory")


def learning(
    curves: Mapping[str, Sequence[Mapping[str, float]]], metric: str, styles: Mapping[str, tuple[str, str]]
) -> str:
    """Validation while training: curves, line -> epochs as metrics.jsonl has them; only evaluated epochs are drawn."""
    with figure_of(1, (7.5, 4.0)) as (figure, (axes,)):
        told = {key for epochs in curves.values() for each in epochs for key in each if key.startswith("validation/")}
        key = f"validation/{metric}" if f"validation/{metric}" in told else sorted(told)[0]
        for entry, epochs in list(curves.items())[:LINES]:
            points = [(each["epoch"], each[key]) for each in epochs if key in each]
            if not points:
                continue
            colour, marker = styles[entry]
            axes.plot(
                *zip(*points, strict=True), color=colour, marker=marker, markevery=max(1, len(points) // 8), label=entry
            )
        axes.set_xlabel("epoch")
        axes.set_ylabel(f"{key.removeprefix('validation/')} on validation")
        axes.legend(frameon=False, fontsize=9)
        return drawn(figure, f"{metric} on validation while training")


def loss_terms(curves: Mapping[str, Sequence[Mapping[str, float]]]) -> str:
    """Every term of every trained model's loss, a panel a model; terms as shares of what they were at first."""
    shown = list(curves.items())[:LINES]
    columns = min(3, len(shown))
    n_rows = -(-len(shown) // columns)
    with figure_of(columns, (3.3 * columns, 2.5 * n_rows), n_rows) as (figure, panels):
        for axes, (entry, epochs) in zip(panels, shown, strict=False):
            for n, name in enumerate(key for key in epochs[0] if key.startswith("loss/")):
                values = [each[name] for each in epochs]
                axes.plot(
                    [each["epoch"] for each in epochs],
                    [value / (abs(values[0]) or 1) for value in values],
                    color=COLOURS[n % len(COLOURS)],
                    linestyle=("-", "--", ":", "-.")[n % 4],
                    label=name.removeprefix("loss/"),
                )
            axes.set_title(entry, fontsize=10)
            axes.legend(frameon=False, fontsize=8)
            axes.set_xlabel("epoch")
        for axes in panels[len(shown) :]:
            axes.set_visible(False)
        figure.subplots_adjust(hspace=0.65, wspace=0.3)
        return drawn(figure, "the terms of every model's loss while training, as shares of their first values")


def bands(rows: Sequence[Row], metric: str, styles: Mapping[str, tuple[str, str]]) -> str:
    """The metric by users' activity and by items' popularity."""
    kinds = [[band.what for band in rows[0].bands if band.what.startswith("users") is users] for users in (True, False)]
    with figure_of(2, (9.5, 4.2)) as (figure, panels):
        for axes, kind in zip(panels, kinds, strict=True):
            for row in rows[:LINES]:
                told = {band.what: band for band in row.bands}
                colour, marker = styles[row.label]
                values = [told[what].metric.mean for what in kind]
                axes.plot(range(len(kind)), values, color=colour, marker=marker, label=row.label)
            counts = {band.what: band.n_users for band in rows[0].bands}
            labels = [f"{what.removeprefix('users with ').removesuffix(' items')}\n({counts[what]:,})" for what in kind]
            axes.set_xticks(range(len(kind)), labels, fontsize=9)
        panels[0].set_xlabel("training interactions of a user (users)")
        panels[1].set_xlabel("popularity of the items (users who have such held out)")
        panels[0].set_ylabel(metric)
        figure.legend(*panels[0].get_legend_handles_labels(), loc="upper center", ncols=4, frameon=False, fontsize=9)
        figure.subplots_adjust(top=0.99 - 0.075 * -(-min(LINES, len(rows)) // 4), wspace=0.25)
        return drawn(figure, f"{metric} by users' activity and by items' popularity")


def subsets(rows: Sequence[Row], metric: str) -> str:
    """Every model of content with every subset of the modalities; rows of one model stand together."""
    entries = list(dict.fromkeys(row.entry for row in rows))
    names = list(dict.fromkeys(row.modalities or "all" for row in rows))
    with figure_of(1, (7.5, 0.28 * len(rows) + 0.5 * len(entries) + 1.0)) as (figure, (axes,)):
        position, ticks, labels = 0.0, list[float](), list[str]()
        for entry in entries:
            for row in (row for row in rows if row.entry == entry):
                each, name = row.metrics[metric], row.modalities or "all"
                n = names.index(name)
                error = [[each.mean - each.low], [each.high - each.mean]]
                axes.errorbar(each.mean, position, xerr=error, color=COLOURS[n % 8], marker=MARKERS[n % 12], capsize=3)
                ticks.append(position)
                labels.append(f"{entry}: {name.replace(',', ' + ')}")
                position += 1
            position += 0.6
        axes.set_yticks(ticks, labels, fontsize=9)
        axes.invert_yaxis()
        axes.set_xlabel(f"{metric}, 95 % interval over users")
        return drawn(figure, f"{metric} with every subset of the modalities")


@contextmanager
def figure_of(columns: int, size: tuple[float, float], n_rows: int = 1) -> Any:
    """A figure and its panels, in this style, closed afterwards. Raises SettingsError without matplotlib."""
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


def drawn(figure: Any, words: str) -> str:
    """The figure as an SVG element that says in words what it shows."""
    text = io.StringIO()
    figure.savefig(text, format="svg", metadata={"Date": None}, bbox_inches="tight")
    svg = text.getvalue()
    svg = svg[svg.index("<svg") :]
    return svg.replace("<svg", f'<svg role="img" aria-label="{words}"', 1)
