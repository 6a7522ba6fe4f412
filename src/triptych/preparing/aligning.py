"""Bring tables, features and metadata into the order of the ids of a data set: of its items, or of its users."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import polars as pl

from triptych.content.metadata import MetadataColumns, fit_metadata
from triptych.data.features import FeatureStream
from triptych.data.formats.alignment import Store, match_rows, stream_features
from triptych.data.formats.features import FeatureFile
from triptych.data.formats.tables import Table
from triptych.data.vocabulary import Vocabulary
from triptych.errors import SettingsError
from triptych.preparing.settings import PrepareSettings


def align_table(table: Table, row_ids: pl.Series, ids: Vocabulary, noun: str) -> pl.DataFrame:
    """Return a table with row i = id i, and the ids in `item_id` or `user_id`. Ids that it does not have get nulls.

    row_ids: String [n_rows], the id of each row.
    """
    name = f"{noun}_id"
    rows = table.frame.drop(name, strict=False).insert_column(0, row_ids.alias(name))
    return ids.ids.alias(name).to_frame().join(rows, on=name, how="left", maintain_order="left")


def align_features(
    files: Sequence[FeatureFile],
    ids: Vocabulary,
    row_ids: pl.Series | None,
    known: Vocabulary,
    settings: PrepareSettings,
    *,
    unknown: Literal["error", "drop"] = "error",
) -> list[FeatureStream]:
    """Return the features of each file in the order of the ids; see `match_rows` and `stream_features`."""
    store: Store | None = None if settings.store == "same" else settings.store
    return [
        stream_features(
            file, match_rows(file, ids, row_ids, known, unknown=unknown), store=store, zero_rows=settings.zero_rows
        )
        for file in files
    ]


def metadata_features(
    table: Table | None,
    aligned: pl.DataFrame | None,
    columns: MetadataColumns,
    streams: Sequence[FeatureStream],
    noun: str,
) -> tuple[FeatureStream, list[str]]:
    """Return the metadata columns of a table as features of modality "metadata", and notes; see `fit_metadata`.

    aligned: the rows of the table, as `align_table` returns them. streams: the other features.
    """
    if table is None or aligned is None:
        raise SettingsError(
            f"metadata columns of {noun}s are named, but there is no {noun} table", hint=f"give it with `{noun}s`"
        )
    if any(stream.modality == "metadata" for stream in streams):
        raise SettingsError(
            f"a modality of the {noun}s is already named metadata", hint="rename the modality of that feature file"
        )
    for column in columns.numeric:
        table.numbers(column)  # check before alignment, so that an error names the row of the file
    features, notes = fit_metadata(Table(aligned, table.path, table.first_row), columns, noun)
    return FeatureStream.from_features(features), notes
