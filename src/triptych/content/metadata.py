"""Encode columns of the item table as a feature matrix. The encoder is fitted once and also encodes new items.

    categorical   one-hot: one feature per value, for the most frequent values
    multi         the same, for fields with several values between separators
    numeric       standardised, and a second feature that says whether the number is known

scikit-learn's encoders do the work. Their fitted state is stored as JSON, never pickled. scikit-learn is imported only
when it is needed: its import takes longer than the rest of preparing a small data set, and most data sets have no
metadata columns.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from triptych.data.features import Features, first_non_finite
from triptych.data.formats.tables import Table
from triptych.errors import InputError, SettingsError

MAX_VALUES = 512  # per column: only the most frequent values get a feature
MIN_COUNT = 2  # a value of a single item says nothing about other items


@dataclass(frozen=True)
class MetadataColumns:
    """The metadata columns of the item table, by type. multi: column -> separator between its values."""

    categorical: tuple[str, ...] = ()
    multi: Mapping[str, str] | None = None
    numeric: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.categorical or self.multi or self.numeric)


def parse_separators(entries: Sequence[str]) -> dict[str, str]:
    """Parse `["genres=|"]`, the values of `--multi`, into column -> separator. The default separator is "|".

    Raises SettingsError.
    """
    separators = {}
    for entry in entries:
        column, equals, separator = entry.partition("=")
        if not column or (equals and not separator):
            raise SettingsError(f'"{entry}" is not COLUMN=SEPARATOR', hint="write for example genres=|")
        separators[column] = separator or "|"
    return separators


def fit_metadata(table: Table, columns: MetadataColumns) -> Features:
    """Fit the encoder and return the metadata features of all items: float32 [n_items, width], with the encoder.

    An item without a value in any of the columns lacks the modality. Raises InputError if the table does not have a
    column, if a number cannot be read, or if there is nothing to encode.
    """
    from sklearn.preprocessing import StandardScaler

    parts: list[dict[str, Any]] = [
        {"kind": "categorical", "column": column, "values": _frequent(table.text(column))}
        for column in columns.categorical
    ]
    for column, separator in (columns.multi or {}).items():
        values = _frequent(_split(table.text(column), separator).explode())
        parts.append({"kind": "multi", "column": column, "separator": separator, "values": values})
    for column in columns.numeric:
        known = table.numbers(column).drop_nulls().to_numpy()
        if not len(known):
            raise InputError("has no number", where=table.location(column=column), hint="leave the column out")
        scaler = StandardScaler().fit(known[:, None])
        parts.append(
            {"kind": "numeric", "column": column, "mean": float(scaler.mean_[0]), "scale": float(scaler.scale_[0])}
        )
    parts = [part for part in parts if part["kind"] == "numeric" or part["values"]]
    if not parts:
        raise InputError(
            "no value of the metadata columns is shared by two items", where=table.location(), hint="name other columns"
        )
    encoder = {"format": 1, "parts": parts}
    rows, present = encode_metadata(encoder, table)
    provenance = {"columns": [part["column"] for part in parts], "file": table.path.name}
    return Features("metadata", rows, present, provenance, encoder)


def encode_metadata(encoder: Mapping[str, Any], table: Table) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Encode items with a fitted encoder. Returns float32 [n, width], and bool [n]: items that have any metadata.

    Values that the encoder did not see during fitting count as no value. Raises InputError.
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
            with np.errstate(over="ignore"):  # checked below
                block = np.stack([scaled, known], axis=1).astype(np.float32)
            present |= known
        else:
            text = table.text(column)
            if part["kind"] == "multi":
                block = _multi_hot(_split(text, part["separator"]), part["values"])
            else:
                block = _one_hot(text, part["values"])
            present |= text.is_not_null().to_numpy()
        blocks.append(block)
    rows = np.concatenate(blocks, axis=1)
    bad = first_non_finite(rows)
    if bad is not None:
        raise InputError("a number is too large to be encoded", where=table.location(bad[0]), hint="correct it")
    return rows, present


def _frequent(values: pl.Series) -> list[str]:
    """Return the values that get a feature, in alphabetical order."""
    name = values.name
    counts = values.drop_nulls().value_counts().filter(pl.col("count") >= MIN_COUNT)
    return sorted(counts.sort(["count", name], descending=[True, False]).head(MAX_VALUES)[name].to_list())


def _one_hot(text: pl.Series, values: Sequence[str]) -> NDArray[np.float32]:
    from sklearn.preprocessing import OneHotEncoder

    encoder = OneHotEncoder(categories=[list(values)], handle_unknown="ignore", sparse_output=False, dtype=np.float32)
    encoder.fit(np.array([[values[0]]], dtype=object))
    encoded: NDArray[np.float32] = encoder.transform(text.fill_null("").to_numpy().astype(object)[:, None])
    return encoded


def _multi_hot(lists: pl.Series, values: Sequence[str]) -> NDArray[np.float32]:
    from sklearn.preprocessing import MultiLabelBinarizer

    known = set(values)
    rows = [[value for value in row or () if value in known] for row in lists.to_list()]
    encoded: NDArray[np.float32] = MultiLabelBinarizer(classes=list(values)).fit([]).transform(rows).astype(np.float32)
    return encoded


def _split(text: pl.Series, separator: str) -> pl.Series:
    """Split fields into lists of values, without blanks around them and without empty values."""
    trimmed = text.str.split(separator).list.eval(pl.element().str.strip_chars())
    return trimmed.list.eval(pl.element().filter(pl.element() != ""))
