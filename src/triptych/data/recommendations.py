"""Recommendation lists: the best k items per user, in memory, as Parquet or as CSV."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from triptych import forks
from triptych.artefacts import writing_file
from triptych.data.vocabulary import Vocabulary
from triptych.errors import SettingsError
from triptych.outputs import check_file
from triptych.texts import FORMULA_STARTS

FORMULA = f"^([{re.escape(''.join(FORMULA_STARTS))}])"  # a cell that a spreadsheet computes


@dataclass(frozen=True)
class Recommendations:
    """The best items of some users, best first.

    user_ids: String series [n]. items: int64 [n, k] item rows, -1 where a user has fewer than k candidates.
    scores: float32 [n, k]. catalogue: the ids of all items.
    """

    user_ids: pl.Series
    items: NDArray[np.int64]
    scores: NDArray[np.float32]
    catalogue: Vocabulary

    def to_polars(self) -> pl.DataFrame:
        """Return a frame with one row per recommendation: user_id, item_id, rank (from 1), score."""
        n, k = self.items.shape
        is_item = self.items.reshape(-1) >= 0
        positions = np.repeat(np.arange(n, dtype=np.int64), k)[is_item]
        return pl.DataFrame(
            {
                "user_id": self.user_ids.gather(pl.Series(positions)),
                "item_id": self.catalogue.names(self.items.reshape(-1)[is_item]),
                "rank": np.tile(np.arange(1, k + 1, dtype=np.int32), n)[is_item],
                "score": self.scores.reshape(-1)[is_item],
            }
        )

    def to_pandas(self) -> Any:
        """Return the same rows as a pandas DataFrame."""
        return self.to_arrow().to_pandas()

    def to_arrow(self) -> Any:
        """Return the same rows as an Arrow table."""
        import pyarrow as pa

        # column by column: this way polars needs none of its threads, which a forked process lacks
        return pa.table({column.name: column.to_arrow() for column in self.to_polars()})


def check_output(path: Path, *, overwrite: bool = True, escape_formulas: bool = False) -> None:
    """Raise the error that `write_recommendations` would raise for this file, before there is anything to write.

    Raises SettingsError for another file extension, ArtefactError if the file exists and `overwrite` is false, or if it
    cannot be written there.
    """
    check_file(path, (".parquet", ".csv"), overwrite=overwrite)
    if escape_formulas and path.suffix != ".csv":
        raise SettingsError("only .csv files are read as formulas", hint="leave out the escaping of formulas")


def write_recommendations(
    chunks: Iterable[Recommendations], path: Path, *, overwrite: bool = True, escape_formulas: bool = False
) -> int:
    """Stream recommendations to a .parquet or .csv file, atomically. Returns the number of rows.

    escape_formulas: write ' before ids in a .csv file that a spreadsheet would compute: those that begin with =, +, -,
    @, a tab or a carriage return. Raises SettingsError and ArtefactError; see `check_output`.
    """
    check_output(path, overwrite=overwrite, escape_formulas=escape_formulas)
    if path.suffix == ".csv":
        forks.require_polars("writing CSV")
    with writing_file(path, overwrite=overwrite) as temporary:
        if path.suffix == ".csv":
            return _stream_csv(chunks, temporary, escape_formulas=escape_formulas)
        return _stream_parquet(chunks, temporary)


def _stream_csv(chunks: Iterable[Recommendations], path: Path, *, escape_formulas: bool) -> int:
    lines = 0
    with path.open("wb") as file:
        file.write(b"user_id,item_id,rank,score\n")
        for chunk in chunks:
            frame = chunk.to_polars()
            if escape_formulas:
                frame = frame.with_columns(pl.col("user_id", "item_id").str.replace(FORMULA, "'$1"))
            file.write(frame.write_csv(include_header=False).encode())
            lines += len(frame)
    return lines


def _stream_parquet(chunks: Iterable[Recommendations], path: Path) -> int:
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema(
        [("user_id", pa.string()), ("item_id", pa.string()), ("rank", pa.int32()), ("score", pa.float32())]
    )
    lines = 0
    with path.open("wb") as file, pq.ParquetWriter(file, schema, compression="zstd") as writer:
        for chunk in chunks:
            table = chunk.to_arrow().cast(schema)
            writer.write_table(table)
            lines += table.num_rows
    return lines
