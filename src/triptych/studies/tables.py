"""The tables of a comparison as files: CSV with everything, and Markdown and LaTeX for a paper."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from triptych.artefacts import write_file
from triptych.studies.rows import Row
from triptych.studies.trade_off import TradeOffPoint
from triptych.texts import printable, without_formula

LIST_COLUMNS = ("coverage", "novelty", "long tail")
COST_COLUMNS = ("s/epoch", "s to best", "peak MB", "parameters")
COLUMNS = (*LIST_COLUMNS, *COST_COLUMNS)  # after the metrics
SIGNIFICANCE_LEVEL = 0.05  # of corrected p values
LATEX = str.maketrans(
    {
        **{mark: f"\\{mark}" for mark in "_%&#${}"},
        "\\": r"\textbackslash{}",
        "^": r"\textasciicircum{}",
        "~": r"\textasciitilde{}",
    }
)
MARKDOWN = str.maketrans({mark: f"\\{mark}" for mark in r"\`*_[]<>|"})


def cells(row: Row) -> dict[str, str]:
    """The cells of a row: metric or column -> text. The first metric has half the width of its interval."""
    texts = {name: f"{each.mean:.4f}" for name, each in row.metrics.items()}
    if row.metrics:
        name, first = next(iter(row.metrics.items()))
        texts[name] = f"{first.mean:.4f} ±{(first.high - first.low) / 2:.4f}"
    values = (row.coverage, row.novelty, row.long_tail)
    texts |= {column: f"{value:.3f}" for column, value in zip(LIST_COLUMNS, values, strict=True) if value is not None}
    if row.cost is not None:
        cost = row.cost
        texts |= {"s to best": f"{cost.seconds_to_best:.1f}", "peak MB": f"{cost.peak_megabytes:,.0f}"}
        texts |= {"parameters": f"{cost.n_parameters:,.0f}"}
        texts |= {"s/epoch": f"{cost.seconds_per_epoch:.2f}"} if cost.seconds_per_epoch is not None else {}
    return texts


def trade_off_columns(metric: str) -> list[str]:
    """The columns of the table of a trade-off."""
    return ["diversity", metric, "similarity", "coverage", "novelty", "Gini"]


def trade_off_cells(point: TradeOffPoint) -> list[str]:
    """The cells of one point of a trade-off."""
    numbers = (point.metric, point.similarity)
    others = (point.coverage, point.novelty, point.gini)
    return [f"{point.weight:g}", *(f"{each:.4f}" for each in numbers), *(f"{each:.3f}" for each in others)]


def best_mark(row: Row) -> str:
    """A mark for the best row, and for rows that do not differ from it significantly; "" for the others."""
    return " ●" if not row.failed and (row.p is None or row.p >= SIGNIFICANCE_LEVEL) else ""


def write_tables(rows: Sequence[Row], folder: Path, *, escape_formulas: bool = False) -> None:
    """Write comparison.csv, .md and .tex, each completely or not at all.

    escape_formulas: write ' before texts in comparison.csv that a spreadsheet would compute.
    """
    write_file(folder / "comparison.csv", _csv(rows, escape_formulas=escape_formulas).encode())
    write_file(folder / "comparison.md", _markdown(rows).encode())
    write_file(folder / "comparison.tex", _latex(rows).encode())


def _csv(rows: Sequence[Row], *, escape_formulas: bool) -> str:
    """One line per row: data set, entry, metrics with intervals, cost, groups of users and items, run folders."""
    records = [_record(row) for row in rows]
    if escape_formulas:
        records = [
            {name: without_formula(value) if isinstance(value, str) else value for name, value in record.items()}
            for record in records
        ]
    columns = list(dict.fromkeys(name for record in records for name in record))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(records)
    return text.getvalue()


def _record(row: Row) -> dict[str, Any]:
    record: dict[str, Any] = {"data": row.data, "entry": row.entry, "model": row.model, "modalities": row.modalities}
    for name, each in row.metrics.items():
        record |= {name: each.mean, f"{name} low": each.low, f"{name} high": each.high}
        record |= {f"{name} spread over seeds": row.spread[name]} if name in row.spread else {}
    record |= {"p": row.p, "coverage": row.coverage, "novelty": row.novelty, "long tail": row.long_tail}
    record |= asdict(row.cost) if row.cost is not None else {}
    for group in row.groups:
        record |= {
            group.label: group.metric.mean,
            f"{group.label} low": group.metric.low,
            f"{group.label} high": group.metric.high,
        }
        record |= {f"{group.label} n": group.n_users}
    return {**record, "failed": row.failed, "runs": " ".join(map(str, row.runs))}


def _markdown(rows: Sequence[Row]) -> str:
    return "\n".join(
        "\n".join(
            [
                f"## {_markdown_text(data)}",
                "",
                "| " + " | ".join(map(_markdown_text, ["", *columns])) + " |",
                "| --- |" + " ---: |" * len(columns),
                *("| " + " | ".join(map(_markdown_text, _table_row(row, columns))) + " |" for row in of_data),
                "",
            ]
        )
        for data, columns, of_data in _by_data(rows)
    )


def _latex(rows: Sequence[Row]) -> str:
    tables = []
    for data, columns, of_data in _by_data(rows):
        body = [" & ".join(_latex_text(cell) for cell in _table_row(row, columns)) + r" \\" for row in of_data]
        tables.append(
            "\n".join(
                [
                    f"% {printable(data)}",
                    r"\begin{tabular}{l" + "r" * len(columns) + "}",
                    r"\toprule",
                    " & ".join(_latex_text(column) for column in ["", *columns]) + r" \\",
                    r"\midrule",
                    *body,
                    r"\bottomrule",
                    r"\end{tabular}",
                    "",
                ]
            )
        )
    return "\n".join(tables)


def _markdown_text(text: str) -> str:
    return printable(text).translate(MARKDOWN)


def _latex_text(text: str) -> str:
    return printable(text).translate(LATEX)


def _by_data(rows: Sequence[Row]) -> list[tuple[str, list[str], list[Row]]]:
    """One table per data set: its name, columns and rows."""
    tables = []
    for data in dict.fromkeys(row.data for row in rows):
        of_data = [row for row in rows if row.data == data]
        metrics = next((list(row.metrics) for row in of_data if row.metrics), [])
        tables.append((data, [*metrics, *COLUMNS], of_data))
    return tables


def _table_row(row: Row, columns: Sequence[str]) -> list[str]:
    texts = cells(row)
    return [
        row.label,
        *(texts.get(column, "failed" if row.failed and n == 0 else "") for n, column in enumerate(columns)),
    ]
