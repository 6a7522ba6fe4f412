"""One plot over all data sets of a comparison: how every line fares from one to the next."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from triptych.studies.report.plots import drawn, figure_of
from triptych.studies.rows import Row


def across(rows: Sequence[Row], metric: str, styles: Mapping[str, tuple[str, str]]) -> str | None:
    """The metric of every line on every data set, with its interval; None where no line has two.

    Data sets named as "images 25 missing" and "images 50 missing" are one panel, by that number; one without a number
    is where every panel begins. Where no name has a number, there is one panel, in their order.
    """
    entries = {name: [row for row in rows if row.label == name] for name in styles}
    entries = {name: own for name, own in entries.items() if len(own) > 1}
    if not entries:
        return None
    numbered = {row.data: _series(row.data) for row in rows}
    panels = list(dict.fromkeys(each[0] for each in numbered.values() if each)) or [""]
    with figure_of(len(panels), (min(3.6 * len(panels), 11) if len(panels) > 1 else 7.5, 3.8)) as (figure, all_axes):
        for axes, panel in zip(all_axes, panels, strict=True):
            positions = _places(list(numbered), numbered, panel)
            for name, own in entries.items():
                colour, marker = styles[name]
                placed = [(positions[row.data], row.metrics[metric]) for row in own if row.data in positions]
                shown = sorted(placed, key=lambda each: each[0])
                error = [[each.mean - each.low for _, each in shown], [each.high - each.mean for _, each in shown]]
                x, y = [position for position, _ in shown], [each.mean for _, each in shown]
                axes.errorbar(x, y, yerr=error, color=colour, marker=marker, capsize=2, linewidth=1.4, label=name)
            if panel:
                axes.set_xlabel(panel)
            else:
                axes.set_xticks(list(positions.values()), list(positions), rotation=20, ha="right")
        all_axes[0].set_ylabel(metric)
        figure.legend(*all_axes[0].get_legend_handles_labels(), loc="upper center", ncols=5, frameon=False, fontsize=9)
        figure.subplots_adjust(top=0.99 - 0.075 * -(-len(entries) // 5), bottom=0.2, wspace=0.3)
        return drawn(figure, f"{metric} of every model on every data set")


def _series(name: str) -> tuple[str, float] | None:
    """("images … missing", 25) of "images 25 missing"; None without a number."""
    found = re.fullmatch(r"(.*?)(?<![\w.])(\d+(?:\.\d+)?)(?![\w.])(.*)", name)
    return (f"{found[1]}…{found[3]}", float(found[2])) if found else None


def _places(names: Sequence[str], numbered: Mapping[str, tuple[str, float] | None], panel: str) -> dict[str, float]:
    """Where the data sets of a panel stand on its axis."""
    if not panel:
        return {name: float(position) for position, name in enumerate(names)}
    positions = {}
    for name in names:
        series = numbered[name]
        if series is None or series[0] == panel:
            positions[name] = series[1] if series else 0.0
    return positions
