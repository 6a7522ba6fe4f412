"""Columns of the item table -> a folder of metadata features. Fitted on all items at once, so made anew every time."""

from __future__ import annotations

from pathlib import Path

from triptych.artefacts import sha256_of
from triptych.content.metadata import MetadataColumns, fit_metadata
from triptych.data.formats.tables import Table, item_ids_of
from triptych.encoding.folder import Encoded, save_fitted
from triptych.encoding.settings import EncodeSettings


def encode_columns(
    table: Table, columns: MetadataColumns, output: Path | str, settings: EncodeSettings, id_column: str = ""
) -> Encoded:
    """Write the metadata features of all items, and the JSON that encodes new ones. Raises InputError."""
    ids = item_ids_of(table, id_column)
    features = fit_metadata(table, columns)
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
