"""Plots from results, as SVG for docs/performance.md: ratios, memory, scaling, phases beside limits.

Colours are Okabe and Ito's, told apart by colour-blind readers; every bar and line is also named.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.cases import Case
from benchmarks.results import Results, at_full_scale, both_sides, machine_of
from benchmarks.scaling import MODELS
from triptych.studies.report.style import STYLE

ORANGE, SKY, GREEN, BLUE, VERMILION, PURPLE, GREY = (
    *("#E69F00", "#56B4E9", "#009E73", "#0072B2", "#D55E00", "#CC79A7", "#999999"),
)
PHASES = {
    "batch": GREY,
    "propagation": BLUE,
    "features and dense layers": ORANGE,
    "loss": PURPLE,
    "backward": SKY,
    "optimiser": GREEN,
    "everything else": "#DDDDDD",
}


def draw_all(results: Results, folder: Path) -> list[str]:
    """Draw what there are results for; returns the plots' names. Needs matplotlib only where there is something."""
    drawn = []
    for name, draw in PLOTS.items():
        figure = draw(results)
        if figure is not None:
            folder.mkdir(parents=True, exist_ok=True)
            figure.savefig(folder / f"{name}.svg", metadata={"Date": None}, bbox_inches="tight")
            drawn.append(name)
    return drawn


def draw_ratios(results: Results) -> Any:
    """How many times faster, beside what was promised."""
    pairs = _both_sides(results)
    if not pairs:
        return None
    machine = machine_of(results)
    native, whole = machine is not None and machine.native_bfloat16, at_full_scale(results)
    figure, axes = _figure(1, 1, (8, 0.5 * len(pairs) + 1.4))
    positions = range(len(pairs))
    ratios = [textbook["median"] / ours["median"] for _, textbook, ours in pairs]
    bars = axes[0].barh(positions, ratios, color=BLUE, height=0.6, label="ours beside the textbook version")
    axes[0].bar_label(bars, labels=[f"{ratio:.1f}x" for ratio in ratios], padding=4)
    goals = [
        (position, case.goal.ratio_on(native)) for position, (case, _, _) in enumerate(pairs) if case.goal and whole
    ]
    if goals:
        axes[0].scatter(
            *([goal for _, goal in goals], [position for position, _ in goals]),
            marker="|",
            s=260,
            linewidths=3,
            color=VERMILION,
            label="promised",
            zorder=3,
        )
    axes[0].set_yticks(positions, [case.title for case, _, _ in pairs])
    axes[0].invert_yaxis()
    axes[0].set_xscale("log")
    axes[0].xaxis.set_major_formatter(lambda value, _: f"{value:g}x")
    axes[0].axvline(1, color=GREY, linewidth=1)
    axes[0].set_xlabel("times faster, a training step")
    axes[0].legend(frameon=False, loc="upper center", bbox_to_anchor=(0.4, -0.12 - 0.3 / len(pairs)), ncols=2)
    return figure


def draw_memory(results: Results) -> Any:
    """Peak resident memory of both sides, and of it what is anonymous."""
    pairs = _both_sides(results)
    if not pairs:
        return None
    figure, axes = _figure(1, 1, (8, 0.7 * len(pairs) + 1.4))
    for position, (case, textbook, ours) in enumerate(pairs):
        for shift, cell, colour in ((-0.2, textbook, ORANGE), (0.2, ours, BLUE)):
            resident, anonymous = (cell[f"peak_{kind}_megabytes"] / 1e3 for kind in ("resident", "anonymous"))
            axes[0].barh(position + shift, resident, color=colour, alpha=0.4, height=0.36)
            axes[0].barh(position + shift, anonymous, color=colour, height=0.36)
            axes[0].text(resident, position + shift, f"  {resident:.2f} GB", va="center")
        if case.goal and at_full_scale(results):
            axes[0].plot([case.goal.gigabytes] * 2, [position, position + 0.4], color=VERMILION, linewidth=3)
    axes[0].set_yticks(range(len(pairs)), [case.title for case, _, _ in pairs])
    axes[0].invert_yaxis()
    axes[0].set_xlabel("peak GB while training (pale: pages of mapped files and libraries)")
    _legend(axes[0], {"textbook": ORANGE, "ours": BLUE, "promised, ours": VERMILION})
    return figure


def draw_scaling(results: Results) -> Any:
    """A step of ours as one size changes."""
    cells = results.under("scaling/")
    if not cells:
        return None
    from matplotlib.ticker import LogFormatter

    changed = ("users", "items", "edges", "batch size", "threads")
    figure, axes = _figure(1, len(changed), (15, 3.2))
    for one, what in zip(axes, changed, strict=True):
        values: set[int] = set()
        for model, colour, marker in zip(MODELS, (BLUE, ORANGE), "os", strict=True):
            line = sorted(
                (int(name.rsplit("/", 1)[1]), cell["median"] * 1e3)
                for name, cell in cells.items()
                if name.startswith(f"{model}/{what}/")
            )
            if line:
                one.plot(*zip(*line, strict=True), color=colour, marker=marker, label=model)
                values.update(value for value, _ in line)
        one.set_xlabel(what)
        one.set_xscale("log", base=2)
        one.set_yscale("log")
        one.set_xticks(sorted(values), [f"{value:,}" for value in sorted(values)], rotation=45, ha="right")
        one.yaxis.set_major_formatter(LogFormatter())
        one.yaxis.set_minor_formatter(LogFormatter(labelOnlyBase=False, minor_thresholds=(2, 0.5)))
    axes[0].set_ylabel("milliseconds, a step of ours")
    axes[0].legend(frameon=False)
    return figure


def draw_profile(results: Results) -> Any:
    """Phases of a step, as shares, with the share that the machine's limits ask for beneath."""
    cells = results.under("profile/")
    if not cells:
        return None
    figure, axes = _figure(1, 1, (9, 0.8 * len(cells) + 1.6))
    for position, profile in enumerate(cells.values()):
        for shift, key, shade in ((-0.18, "seconds", 1.0), (0.18, "limit", 0.6)):
            left = 0.0
            for phase in profile["phases"]:
                width = (phase[key] or 0.0) / profile["step"]
                axes[0].barh(position + shift, width, left=left, color=PHASES[phase["name"]], alpha=shade, height=0.32)
                left += width
            label = f"  {profile['step'] * 1e3:.0f} ms" if key == "seconds" else f"  limit {left:.0%}"
            axes[0].text(left, position + shift, label, va="center")
    axes[0].set_yticks(range(len(cells)), list(cells))
    axes[0].invert_yaxis()
    axes[0].xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    axes[0].set_xlabel("share of a step of ours; beneath it, the least that bandwidth and products allow")
    _legend(axes[0], PHASES)
    return figure


PLOTS: dict[str, Callable[[Results], Any]] = {
    "ratios": draw_ratios,
    "memory": draw_memory,
    "scaling": draw_scaling,
    "profile": draw_profile,
}


def _both_sides(results: Results) -> list[tuple[Case, dict[str, Any], dict[str, Any]]]:
    found = both_sides(results)
    return [(case, textbook, ours) for case, textbook, ours in found if textbook is not None and ours is not None]


def _figure(rows: int, columns: int, size: tuple[float, float]) -> tuple[Any, list[Any]]:
    import matplotlib as mpl

    mpl.use("svg")
    from matplotlib import pyplot

    mpl.rcParams.update(STYLE)
    figure, axes = pyplot.subplots(rows, columns, figsize=size, layout="constrained", squeeze=False)
    return figure, list(axes[0])


def _legend(axes: Any, colours: dict[str, str]) -> None:
    from matplotlib.patches import Patch

    handles = [Patch(color=colour, label=name) for name, colour in colours.items()]
    axes.legend(handles=handles, frameon=False, loc="upper center", bbox_to_anchor=(0.4, -0.12), ncols=4)
