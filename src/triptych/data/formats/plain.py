"""Format `table`: one CSV, TSV or Parquet file with a header."""

from __future__ import annotations

from pathlib import Path

from triptych.data.formats.format import Format, Source
from triptych.data.formats.log import Columns, log_from_table
from triptych.data.formats.tables import read_table


def read_plain(path: Path, columns: Columns) -> Source:
    """Read a table with a header. Raises InputError."""
    return Source(log_from_table(read_table(path), columns))


TABLE = Format(
    layout="a .csv, .tsv, .txt or .parquet file",
    recognises=lambda path: path.suffix in (".csv", ".tsv", ".txt", ".parquet"),
    read=read_plain,
)
