"""One plot over all data sets of a comparison: each entry's metric from one data set to the next."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from triptych.studies.report.plots import new_figure, plain, to_svg
from triptych.studies.rows import Row


def across(rows: Sequence[Row], metric: str, styles: Mapping[str, tuple[str, str]]) -> str | None:
    """Plot the metric of every entry on every data set, with its interval; None if no entry has two data sets.

    Data sets with names like "images 25 missing" and "images 50 missing" share a panel, with the number on its x axis.
    A data set without a number is at 0 of every panel. If no name has a number, there is one panel, with the data sets
    in their order.
    """
    entries = {name: [row for row in rows if row.label == name] for name in styles}
    entries = {name: of_entry for name, of_entry in entries.items() if len(of_entry) > 1}
    if not entries:
        return None
    numbered = {row.data: _series(row.data) for row in rows}
    panels = list(dict.fromkeys(each[0] for each in numbered.values() if each)) or [""]
    with new_figure(len(panels), (min(3.6 * len(panels), 11) if len(panels) > 1 else 7.5, 3.8)) as (figure, all_axes):
        for axes, panel in zip(all_axes, panels, strict=True):
            positions = _positions(numbered, panel)
            for name, of_entry in entries.items():
                colour, marker = styles[name]
                points = [(positions[row.data], row.metrics[metric]) for row in of_entry if row.data in positions]
                points.sort(key=lambda point: point[0])
                x, intervals = [position for position, _ in points], [each for _, each in points]
                error = [[each.mean - each.low for each in intervals], [each.high - each.mean for each in intervals]]
                y = [each.mean for each in intervals]
                line = {"color": colour, "marker": marker, "capsize": 2, "linewidth": 1.4, "label": plain(name)}
                axes.errorbar(x, y, yerr=error, **line)
            if panel:
                axes.set_xlabel(plain(panel))
            else:
                axes.set_xticks(list(positions.values()), list(map(plain, positions)), rotation=20, ha="right")
        all_axes[0].set_ylabel(metric)
        figure.legend(*all_axes[0].get_legend_handles_labels(), loc="upper center", ncols=5, frameon=False, fontsize=9)
        figure.subplots_adjust(top=0.99 - 0.075 * -(-len(entries) // 5), bottom=0.2, wspace=0.3)
        return to_svg(figure, f"{metric} of every model on every data set")


def _series(name: str) -> tuple[str, float] | None:
    """("images … missing", 25) for "images 25 missing"; None for a name without a number."""
    match = re.fullmatch(r"(.*?)(?<![\w.])(\d+(?:\.\d+)?)(?![\w.])(.*)", name)
    return (f"{match[1]}…{match[3]}", float(match[2])) if match else None


def _positions(numbered: Mapping[str, tuple[str, float] | None], panel: str) -> dict[str, float]:
    """Data set -> its position on the x axis of a panel."""
    if not panel:
        return {name: float(position) for position, name in enumerate(numbered)}
    return {
        name: series[1] if series else 0.0 for name, series in numbered.items() if series is None or series[0] == panel
    }
