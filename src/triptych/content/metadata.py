"""Encode columns of the item table (or the user table) as a feature matrix. The encoder also encodes new items.

    categorical   one-hot: one feature per value, for the most frequent values
    multi         the same, for fields with several values: lists, or values between separators
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
from triptych.data.formats.value_lists import has_lists, value_lists
from triptych.errors import InputError, SettingsError, argument

MAX_VALUES = 512  # per column, unless the columns say otherwise: only the most frequent values get a feature
MIN_COUNT = 2  # a value of a single item says nothing about other items


@dataclass(frozen=True)
class MetadataColumns:
    """The metadata columns of the item table, by type.

    multi: column -> separator between its values. max_values: the number of values of a column that get a feature.
    """

    categorical: tuple[str, ...] = ()
    multi: Mapping[str, str] | None = None
    numeric: tuple[str, ...] = ()
    max_values: int = MAX_VALUES

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


def fit_metadata(table: Table, columns: MetadataColumns, noun: str = "item") -> tuple[Features, list[str]]:
    """Fit the encoder and return the metadata features of all items, with notes about values that got no feature.

    The features are float32 [n_items, width], with the encoder. An item without a value that has a feature lacks the
    modality. noun: "item" or "user", for notes and errors. Raises InputError if the table does not have a column, if a
    number cannot be read, or if there is nothing to encode.
    """
    from sklearn.preprocessing import StandardScaler

    notes: list[str] = []
    parts: list[dict[str, Any]] = []
    for column in columns.categorical:
        values = _frequent(_labels(table, column), table, columns.max_values, noun, notes)
        parts.append({"kind": "categorical", "column": column, "values": values})
    for column, separator in (columns.multi or {}).items():
        lists, of_lists = value_lists(table, column, separator)
        values = _frequent(lists.explode(), table, columns.max_values, noun, notes)
        notes += of_lists
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
            f"no value of the metadata columns is shared by two {noun}s",
            where=table.location(),
            hint="name other columns",
        )
    encoder = {"format": 1, "parts": parts}
    rows, present = encode_metadata(encoder, table)
    provenance = {"columns": [part["column"] for part in parts], "file": table.path.name}
    return Features("metadata", rows, present, provenance, encoder), notes


def encode_metadata(encoder: Mapping[str, Any], table: Table) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Encode items with a fitted encoder. Returns float32 [n, width], and bool [n]: items that have any metadata.

    Values without a feature, as those that the encoder did not see during fitting, count as no value. Raises
    InputError.
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
            if part["kind"] == "multi":
                block = _multi_hot(value_lists(table, column, part["separator"])[0], part["values"])
            else:
                block = _one_hot(_labels(table, column), part["values"])
            present |= block.any(axis=1)
        blocks.append(block)
    rows = np.concatenate(blocks, axis=1)
    bad = first_non_finite(rows)
    if bad is not None:
        raise InputError("a number is too large to be encoded", where=table.location(bad[0]), hint="correct it")
    return rows, present


def _labels(table: Table, column: str) -> pl.Series:
    """Return a column of one value per item as text. Raises InputError for a column of lists."""
    if has_lists(table, column):
        hint = f"name it as a column of several values: {argument(multi=[column])}"
        raise InputError("has lists, not one value per item", where=table.location(column=column), hint=hint)
    return table.text(column)


def _frequent(values: pl.Series, table: Table, limit: int, noun: str, notes: list[str]) -> list[str]:
    """Return the values that get a feature, in alphabetical order. Adds a note to `notes` if others do not."""
    name = values.name
    counts = values.drop_nulls().value_counts()
    shared = counts.filter(pl.col("count") >= MIN_COUNT).sort(["count", name], descending=[True, False])
    cut, single = max(len(shared) - limit, 0), len(counts) - len(shared)
    if len(shared) and cut + single:
        reasons = ([f"{cut:,} are beyond {argument(max_values=limit)}"] if cut else []) + (
            [f"{single:,} are of a single {noun}"] if single else []
        )
        notes.append(
            f'{table.path.name}: {len(shared) - cut:,} of {len(counts):,} values of "{name}" are features: '
            f"{' and '.join(reasons)}"
        )
    return sorted(shared.head(limit)[name].to_list())


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
