"""The matplotlib settings of all plots, those of the benchmarks included."""

STYLE = {
    "svg.hashsalt": "triptych",  # equal results give equal bytes
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "figure.facecolor": "white",
}
