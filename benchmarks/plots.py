"""Plots of the results, as SVG for docs/performance.md: speed-ups, memory, scaling, phases beside their limits.

The colours are those of Okabe and Ito, which colour-blind readers can distinguish. Every bar and line also has a name.
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
    """Draw the plots that have results, and return their names. matplotlib is imported only if there is one."""
    drawn = []
    for name, draw in PLOTS.items():
        figure = draw(results)
        if figure is not None:
            folder.mkdir(parents=True, exist_ok=True)
            figure.savefig(folder / f"{name}.svg", metadata={"Date": None}, bbox_inches="tight")
            drawn.append(name)
    return drawn


def draw_ratios(results: Results) -> Any:
    """Speed-ups over the textbook version, beside the goals."""
    pairs = _complete_pairs(results)
    if not pairs:
        return None
    machine = machine_of(results)
    native, full_scale = machine is not None and machine.native_bfloat16, at_full_scale(results)
    figure, axes = _figure(1, 1, (8, 0.5 * len(pairs) + 1.4))
    positions = range(len(pairs))
    ratios = [textbook["median"] / triptych["median"] for _, textbook, triptych in pairs]
    bars = axes[0].barh(positions, ratios, color=BLUE, height=0.6, label="Triptych over the textbook version")
    axes[0].bar_label(bars, labels=[f"{ratio:.1f}x" for ratio in ratios], padding=4)
    goals = [
        (position, case.goal.speedup_on(native))
        for position, (case, _, _) in enumerate(pairs)
        if case.goal and full_scale
    ]
    if goals:
        axes[0].scatter(
            *([goal for _, goal in goals], [position for position, _ in goals]),
            marker="|",
            s=260,
            linewidths=3,
            color=VERMILION,
            label="goal",
            zorder=3,
        )
    axes[0].set_yticks(positions, [case.title for case, _, _ in pairs])
    axes[0].invert_yaxis()
    axes[0].set_xscale("log")
    axes[0].xaxis.set_major_formatter(lambda value, _: f"{value:g}x")
    axes[0].axvline(1, color=GREY, linewidth=1)
    axes[0].set_xlabel("speed-up of a training step")
    axes[0].legend(frameon=False, loc="upper center", bbox_to_anchor=(0.4, -0.12 - 0.3 / len(pairs)), ncols=2)
    return figure


def draw_memory(results: Results) -> Any:
    """Peak resident memory of both sides, and its anonymous part."""
    pairs = _complete_pairs(results)
    if not pairs:
        return None
    figure, axes = _figure(1, 1, (8, 0.7 * len(pairs) + 1.4))
    for position, (case, textbook, triptych) in enumerate(pairs):
        for shift, cell, colour in ((-0.2, textbook, ORANGE), (0.2, triptych, BLUE)):
            resident, anonymous = (cell[f"peak_{kind}_megabytes"] / 1e3 for kind in ("resident", "anonymous"))
            axes[0].barh(position + shift, resident, color=colour, alpha=0.4, height=0.36)
            axes[0].barh(position + shift, anonymous, color=colour, height=0.36)
            axes[0].text(resident, position + shift, f"  {resident:.2f} GB", va="center")
        if case.goal and at_full_scale(results):
            axes[0].plot([case.goal.gigabytes] * 2, [position, position + 0.4], color=VERMILION, linewidth=3)
    axes[0].set_yticks(range(len(pairs)), [case.title for case, _, _ in pairs])
    axes[0].invert_yaxis()
    axes[0].set_xlabel("peak GB while training (pale: pages of mapped files and libraries)")
    _legend(axes[0], {"textbook": ORANGE, "Triptych": BLUE, "goal for Triptych": VERMILION})
    return figure


def draw_scaling(results: Results) -> Any:
    """Time of a Triptych step against one size at a time."""
    cells = results.under("scaling/")
    if not cells:
        return None
    from matplotlib.ticker import LogFormatter

    changed = ("users", "items", "edges", "batch size", "threads")
    figure, axes = _figure(1, len(changed), (15, 3.2))
    for axis, size in zip(axes, changed, strict=True):
        values: set[int] = set()
        for model, colour, marker in zip(MODELS, (BLUE, ORANGE), "os", strict=True):
            curve = sorted(
                (int(name.rsplit("/", 1)[1]), cell["median"] * 1e3)
                for name, cell in cells.items()
                if name.startswith(f"{model}/{size}/")
            )
            if curve:
                axis.plot(*zip(*curve, strict=True), color=colour, marker=marker, label=model)
                values.update(value for value, _ in curve)
        axis.set_xlabel(size)
        axis.set_xscale("log", base=2)
        axis.set_yscale("log")
        axis.set_xticks(sorted(values), [f"{value:,}" for value in sorted(values)], rotation=45, ha="right")
        axis.yaxis.set_major_formatter(LogFormatter())
        axis.yaxis.set_minor_formatter(LogFormatter(labelOnlyBase=False, minor_thresholds=(2, 0.5)))
    axes[0].set_ylabel("milliseconds per Triptych step")
    axes[0].legend(frameon=False)
    return figure


def draw_profile(results: Results) -> Any:
    """Shares of the phases in a step, and below them the shares of their lower bounds."""
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
    axes[0].set_xlabel("share of a Triptych step; below it, the minimum by bandwidth and matrix products")
    _legend(axes[0], PHASES)
    return figure


PLOTS: dict[str, Callable[[Results], Any]] = {
    "ratios": draw_ratios,
    "memory": draw_memory,
    "scaling": draw_scaling,
    "profile": draw_profile,
}


def _complete_pairs(results: Results) -> list[tuple[Case, dict[str, Any], dict[str, Any]]]:
    return [
        (case, textbook, triptych)
        for case, textbook, triptych in both_sides(results)
        if textbook is not None and triptych is not None
    ]


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
