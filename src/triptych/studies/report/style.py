"""How plots look, whoever draws them: matplotlib's settings."""

STYLE = {
    "svg.hashsalt": "triptych",  # the same results draw the same bytes
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "figure.facecolor": "white",
}
