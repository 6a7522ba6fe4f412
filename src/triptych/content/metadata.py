"""Columns of the item table -> a feature matrix; fitted once, kept as plain values, and replayed for new items.

    categorical   one column a value (the most frequent ones)
    multi         the same, for fields that hold several values between separators
    numeric       standardised, and a column that says whether it is known

scikit-learn's encoders do the work; what they learnt is stored as JSON, never pickled. It is imported where it works:
that takes longer than all else of preparing a small data set, and most have no such columns.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from triptych.data.features import Features, first_bad_value
from triptych.data.formats.tables import Table
from triptych.errors import InputError, SettingsError

MAX_VALUES = 512  # of one column that get a feature of their own
LEAST_COUNT = 2  # a value that one item alone has says nothing about others


@dataclass(frozen=True)
class MetadataColumns:
    """Which columns of the item table say what kind of thing. multi: column -> separator between its values."""

    categorical: tuple[str, ...] = ()
    multi: Mapping[str, str] | None = None
    numeric: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.categorical or self.multi or self.numeric)


def separators(given: Sequence[str]) -> dict[str, str]:
    """`["genres=|"]` (of `--multi`) as column -> separator, "|" where none is named. Raises SettingsError."""
    found = {}
    for each in given:
        column, equals, separator = each.partition("=")
        if not column or (equals and not separator):
            raise SettingsError(f'"{each}" is not COLUMN=SEPARATOR', hint="write for example genres=|")
        found[column] = separator or "|"
    return found


def fit_metadata(table: Table, columns: MetadataColumns) -> Features:
    """The metadata features of all items, float32 [n_items, width], and the encoder that makes them.

    An item that has none of the columns lacks the modality. Raises InputError on a column that the table lacks, a
    number that is none, or if nothing is left to encode.
    """
    from sklearn.preprocessing import StandardScaler

    parts: list[dict[str, Any]] = [
        {"kind": "categorical", "column": column, "values": _frequent(table.labels(column))}
        for column in columns.categorical
    ]
    for column, separator in (columns.multi or {}).items():
        values = _frequent(_split(table.labels(column), separator).explode())
        parts.append({"kind": "multi", "column": column, "separator": separator, "values": values})
    for column in columns.numeric:
        known = table.numbers(column).drop_nulls().to_numpy()
        if not len(known):
            raise InputError("has no number", where=table.where(column=column), hint="leave the column out")
        scaler = StandardScaler().fit(known[:, None])
        parts.append(
            {"kind": "numeric", "column": column, "mean": float(scaler.mean_[0]), "scale": float(scaler.scale_[0])}
        )
    parts = [part for part in parts if part["kind"] == "numeric" or part["values"]]
    if not parts:
        raise InputError(
            "no value of the metadata columns is shared by two items", where=table.where(), hint="name other columns"
        )
    encoder = {"format": 1, "parts": parts}
    rows, present = encode_metadata(encoder, table)
    provenance = {"columns": [part["column"] for part in parts], "file": table.path.name}
    return Features("metadata", rows, present, provenance, encoder)


def encode_metadata(encoder: Mapping[str, Any], table: Table) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Items as the fitted encoder sees them: float32 [n, width], and which of them have any metadata, bool [n].

    Values that were not there when the encoder was fitted count as no value. Raises InputError.
    """
    from sklearn.preprocessing import StandardScaler

    blocks: list[NDArray[np.float32]] = []
    present = np.zeros(len(table.frame), dtype=np.bool_)
    for part in encoder["parts"]:
        column = part["column"]
        if part["kind"] == "numeric":
            numbers = table.numbers(column)
            known = numbers.is_not_null().to_numpy()
            scaler = StandardScaler()
            scaler.mean_, scaler.scale_ = np.array([part["mean"]]), np.array([part["scale"]])
            scaled = np.where(known, scaler.transform(numbers.fill_null(part["mean"]).to_numpy()[:, None])[:, 0], 0)
            with np.errstate(over="ignore"):  # told below
                block = np.stack([scaled, known], axis=1).astype(np.float32)
            present |= known
        else:
            text = table.labels(column)
            if part["kind"] == "multi":
                block = _several(_split(text, part["separator"]), part["values"])
            else:
                block = _one(text, part["values"])
            present |= text.is_not_null().to_numpy()
        blocks.append(block)
    rows = np.concatenate(blocks, axis=1)
    bad = first_bad_value(rows)
    if bad is not None:
        raise InputError("a number is too large to be encoded", where=table.where(bad[0]), hint="correct it")
    return rows, present


def _frequent(values: pl.Series) -> list[str]:
    """The values that are worth a feature, in alphabetical order."""
    name = values.name
    counts = values.drop_nulls().value_counts().filter(pl.col("count") >= LEAST_COUNT)
    return sorted(counts.sort(["count", name], descending=[True, False]).head(MAX_VALUES)[name].to_list())


def _one(text: pl.Series, values: Sequence[str]) -> NDArray[np.float32]:
    from sklearn.preprocessing import OneHotEncoder

    encoder = OneHotEncoder(categories=[list(values)], handle_unknown="ignore", sparse_output=False, dtype=np.float32)
    encoder.fit(np.array([[values[0]]], dtype=object))
    encoded: NDArray[np.float32] = encoder.transform(text.fill_null("").to_numpy().astype(object)[:, None])
    return encoded


def _several(lists: pl.Series, values: Sequence[str]) -> NDArray[np.float32]:
    from sklearn.preprocessing import MultiLabelBinarizer

    known = set(values)
    rows = [[value for value in row or () if value in known] for row in lists.to_list()]
    encoded: NDArray[np.float32] = MultiLabelBinarizer(classes=list(values)).fit([]).transform(rows).astype(np.float32)
    return encoded


def _split(text: pl.Series, separator: str) -> pl.Series:
    trimmed = text.str.split(separator).list.eval(pl.element().str.strip_chars())
    return trimmed.list.eval(pl.element().filter(pl.element() != ""))
