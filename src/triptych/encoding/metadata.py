"""Columns of the item table -> a folder of metadata features. The encoder is fitted on all items, in every run."""

from __future__ import annotations

from pathlib import Path

from triptych.artefacts import sha256_of
from triptych.content.metadata import MetadataColumns, fit_metadata
from triptych.data.formats.tables import Table, read_item_or_user_ids
from triptych.encoding.folder import EncodingResult, save_fitted
from triptych.encoding.settings import EncodeSettings
from triptych.errors import warn_of


def encode_columns(
    table: Table, columns: MetadataColumns, output: Path | str, settings: EncodeSettings, id_column: str = ""
) -> EncodingResult:
    """Write the metadata features of all items, and the JSON that encodes new items. Raises InputError."""
    ids = read_item_or_user_ids(table, id_column)
    features, notes = fit_metadata(table, columns)
    warn_of(notes)
    about = {
        "input_kind": "columns",
        "encoder": {"name": "triptych.content.metadata"},
        "input": {
            "table": table.path.name,
            "table_sha256": sha256_of(table.path),
            "columns": list(features.provenance["columns"]),
        },
    }
    return save_fitted(features, ids.to_list(), Path(output), settings.precision, about)
