"""A comparison's rows as files: JSON with everything, CSV, and tables for a paper in Markdown and LaTeX."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from triptych.artefacts import json_bytes, write_file
from triptych.studies.rows import Row

LISTS, COST = ("coverage", "novelty", "long tail"), ("s/epoch", "s to best", "peak MB", "numbers")
HEADS = (*LISTS, *COST)
CERTAIN = 0.05  # a corrected p below it is no chance
ESCAPED = str.maketrans({"_": r"\_", "%": r"\%", "&": r"\&", "#": r"\#"})


def cells(row: Row) -> dict[str, str]:
    """What a table shows of a row: metric or head -> text; the first metric with half the width of its interval."""
    told = {name: f"{each.mean:.4f}" for name, each in row.metrics.items()}
    if row.metrics:
        name, first = next(iter(row.metrics.items()))
        told[name] = f"{first.mean:.4f} ±{(first.high - first.low) / 2:.4f}"
    values = (row.coverage, row.novelty, row.long_tail)
    told |= {head: f"{value:.3f}" for head, value in zip(LISTS, values, strict=True) if value is not None}
    if row.cost is not None:
        cost = row.cost
        told |= {"s to best": f"{cost.seconds_to_best:.1f}", "peak MB": f"{cost.peak_megabytes:,.0f}"}
        told |= {"numbers": f"{cost.n_parameters:,.0f}"}
        told |= {"s/epoch": f"{cost.seconds_per_epoch:.2f}"} if cost.seconds_per_epoch is not None else {}
    return told


def dot(row: Row) -> str:
    """A mark at the best of a table, and at what a test cannot tell from it."""
    return " ●" if not row.failed and (row.p is None or row.p >= CERTAIN) else ""


def to_json(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """The rows in plain values."""
    return [{**asdict(row), "runs": [str(run) for run in row.runs]} for row in rows]


def write_tables(rows: Sequence[Row], folder: Path, how: Mapping[str, Any]) -> None:
    """Write comparison.json, .csv, .md and .tex, each whole or not at all.

    how: how it was measured, in plain values, told in the JSON; runs are told there relative to the folder.
    """
    told = [{**each, "runs": [os.path.relpath(run, folder) for run in each["runs"]]} for each in to_json(rows)]
    write_file(folder / "comparison.json", json_bytes({**how, "rows": told}))
    write_file(folder / "comparison.csv", _csv(rows).encode())
    write_file(folder / "comparison.md", _markdown(rows).encode())
    write_file(folder / "comparison.tex", _latex(rows).encode())


def _csv(rows: Sequence[Row]) -> str:
    """One line a row, data set and line first; every metric with its interval, every kind of users and items."""
    flat = [_flat(row) for row in rows]
    heads = list(dict.fromkeys(name for each in flat for name in each))
    text = io.StringIO()
    writer = csv.DictWriter(text, heads, lineterminator="\n")
    writer.writeheader()
    writer.writerows(flat)
    return text.getvalue()


def _flat(row: Row) -> dict[str, Any]:
    told: dict[str, Any] = {"data": row.data, "line": row.entry, "model": row.model, "modalities": row.modalities}
    for name, each in row.metrics.items():
        told |= {name: each.mean, f"{name} low": each.low, f"{name} high": each.high}
        told |= {f"{name} spread over seeds": row.spread[name]} if name in row.spread else {}
    told |= {"p": row.p, "coverage": row.coverage, "novelty": row.novelty, "long tail": row.long_tail}
    told |= asdict(row.cost) if row.cost is not None else {}
    for band in row.bands:
        told |= {
            band.what: band.metric.mean,
            f"{band.what} low": band.metric.low,
            f"{band.what} high": band.metric.high,
        }
        told |= {f"{band.what} n": band.n_users}
    return {**told, "failed": row.failed, "runs": " ".join(map(str, row.runs))}


def _markdown(rows: Sequence[Row]) -> str:
    return "\n".join(
        "\n".join(
            [
                f"## {data}",
                "",
                "| " + " | ".join(["", *heads]) + " |",
                "| --- |" + " ---: |" * len(heads),
                *("| " + " | ".join(_cells(row, heads)) + " |" for row in own),
                "",
            ]
        )
        for data, heads, own in _by_data(rows)
    )


def _latex(rows: Sequence[Row]) -> str:
    tables = []
    for data, heads, own in _by_data(rows):
        body = [" & ".join(cell.translate(ESCAPED) for cell in _cells(row, heads)) + r" \\" for row in own]
        tables.append(
            "\n".join(
                [
                    f"% {data}",
                    r"\begin{tabular}{l" + "r" * len(heads) + "}",
                    r"\toprule",
                    " & ".join(head.translate(ESCAPED) for head in ["", *heads]) + r" \\",
                    r"\midrule",
                    *body,
                    r"\bottomrule",
                    r"\end{tabular}",
                    "",
                ]
            )
        )
    return "\n".join(tables)


def _by_data(rows: Sequence[Row]) -> list[tuple[str, list[str], list[Row]]]:
    """Data set, heads and rows of every table."""
    tables = []
    for data in dict.fromkeys(row.data for row in rows):
        own = [row for row in rows if row.data == data]
        metrics = next((list(row.metrics) for row in own if row.metrics), [])
        tables.append((data, [*metrics, *HEADS], own))
    return tables


def _cells(row: Row, heads: Sequence[str]) -> list[str]:
    told = cells(row)
    return [
        row.label,
        *(told.get(head, "failed" if row.failed and n == 0 else "") for n, head in enumerate(heads)),
    ]
