"""One plot over all data sets of a comparison: how every line fares from one to the next."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from triptych.studies.report.plots import drawn, figure_of
from triptych.studies.rows import Row


def across(rows: Sequence[Row], metric: str, look: Mapping[str, tuple[str, str]]) -> str | None:
    """The metric of every line on every data set, with its interval; None where no line has two.

    Data sets named as "images 25 missing" and "images 50 missing" are one panel, by that number; one without a number
    is where every panel begins. Where no name has a number, there is one panel, in their order.
    """
    lines = {name: [row for row in rows if row.line_in_words == name] for name in look}
    lines = {name: own for name, own in lines.items() if len(own) > 1}
    if not lines:
        return None
    numbered = {row.data: _series(row.data) for row in rows}
    panels = list(dict.fromkeys(each[0] for each in numbered.values() if each)) or [""]
    with figure_of(len(panels), (min(3.6 * len(panels), 11) if len(panels) > 1 else 7.5, 3.8)) as (figure, all_axes):
        for axes, panel in zip(all_axes, panels, strict=True):
            places = _places(list(numbered), numbered, panel)
            for name, own in lines.items():
                colour, marker = look[name]
                placed = [(places[row.data], row.metrics[metric]) for row in own if row.data in places]
                shown = sorted(placed, key=lambda each: each[0])
                error = [[each.mean - each.low for _, each in shown], [each.high - each.mean for _, each in shown]]
                x, y = [place for place, _ in shown], [each.mean for _, each in shown]
                axes.errorbar(x, y, yerr=error, color=colour, marker=marker, capsize=2, linewidth=1.4, label=name)
            if panel:
                axes.set_xlabel(panel)
            else:
                axes.set_xticks(list(places.values()), list(places), rotation=20, ha="right")
        all_axes[0].set_ylabel(metric)
        figure.legend(*all_axes[0].get_legend_handles_labels(), loc="upper center", ncols=5, frameon=False, fontsize=9)
        figure.subplots_adjust(top=0.99 - 0.075 * -(-len(lines) // 5), bottom=0.2, wspace=0.3)
        return drawn(figure, f"{metric} of every model on every data set")


def _series(name: str) -> tuple[str, float] | None:
    """("images … missing", 25) of "images 25 missing"; None without a number."""
    found = re.fullmatch(r"(.*?)(?<![\w.])(\d+(?:\.\d+)?)(?![\w.])(.*)", name)
    return (f"{found[1]}…{found[3]}", float(found[2])) if found else None


def _places(names: Sequence[str], numbered: Mapping[str, tuple[str, float] | None], panel: str) -> dict[str, float]:
    """Where the data sets of a panel stand on its axis."""
    if not panel:
        return {name: float(place) for place, name in enumerate(names)}
    places = {}
    for name in names:
        series = numbered[name]
        if series is None or series[0] == panel:
            places[name] = series[1] if series else 0.0
    return places
