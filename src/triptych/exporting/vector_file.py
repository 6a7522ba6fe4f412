"""Vectors as a Parquet file: one row per item, then one per user: kind, id, row, vector."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from triptych.artefacts import writing_file
from triptych.exporting.vectors import Vectors
from triptych.progress import Listener, ignore_progress, track

ROWS = 16_384  # per row group: readers skip the groups of the other kind
Chunk = tuple[str, pl.Series, NDArray[np.int64], NDArray[np.float32]]


def write_vector_file(
    vectors: Vectors, path: Path, about: Mapping[str, Any], *, overwrite: bool, listener: Listener = ignore_progress
) -> None:
    """Write vectors to a Parquet file, whole or not at all.

    Its columns: kind ("item" or "user"), id (integers if both kinds of ids came as such, else text), row (int64, the
    number of the item or user in the model), vector (float32, a list of fixed size). Items come first, item i in line
    i. about: goes into the metadata of the file, under "triptych". Raises ArtefactError if the file exists and
    `overwrite` is false, or cannot be written.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    d = vectors.dimensions
    integers = all(ids.dtype.is_integer() and ids.dtype != pl.UInt64 for ids in (vectors.item_ids, vectors.user_ids))
    id_type = pl.Int64 if integers else pl.String
    of_ids = pa.int64() if integers else pa.string()
    fields = [("kind", pa.string()), ("id", of_ids), ("row", pa.int64()), ("vector", pa.list_(pa.float32(), d))]
    schema = pa.schema(fields, metadata={"triptych": json.dumps(dict(about))})
    chunks = list(_chunks(vectors))
    with (
        writing_file(path, overwrite=overwrite) as temporary,
        temporary.open("wb") as file,
        # random floats do not compress, and page dictionaries of them only cost time
        pq.ParquetWriter(file, schema, compression="zstd", use_dictionary=["kind"]) as writer,
    ):
        for kind, ids, rows, values in track("writing vectors", chunks, listener):
            flat = pa.array(np.ascontiguousarray(values).reshape(-1))
            vector = pa.FixedSizeListArray.from_arrays(flat, d)
            table = pa.table(
                {"kind": [kind] * len(rows), "id": ids.cast(id_type).to_arrow(), "row": rows, "vector": vector}
            )
            writer.write_table(table.cast(schema))


def _chunks(vectors: Vectors) -> Iterator[Chunk]:
    item_rows = np.arange(len(vectors.item_ids), dtype=np.int64)
    for kind, ids, rows, values in (
        ("item", vectors.item_ids, item_rows, vectors.item_vectors),
        ("user", vectors.user_ids, vectors.user_rows, vectors.user_vectors),
    ):
        for begin in range(0, len(rows), ROWS):
            part = slice(begin, begin + ROWS)
            yield kind, ids[part], rows[part], values[part]
