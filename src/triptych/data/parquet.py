"""Parquet files: the path is a name and never a pattern, and the table fits in memory, or an error says so."""

from __future__ import annotations

import io
from pathlib import Path

import polars as pl
from polars.exceptions import PanicException, PolarsError

from triptych import forks
from triptych.errors import ArtefactError, InputError, location
from triptych.memory import free_bytes
from triptych.texts import is_utf8

WIDTHS = {"BOOLEAN": 1, "INT32": 4, "INT64": 8, "INT96": 12, "FLOAT": 4, "DOUBLE": 8}  # bytes per value
STREAM = b"\xff\xff\xff\xff"  # how a stream of Arrow begins, other than a file
TEXT_WIDTH = 16  # bytes per text in memory, besides the texts themselves


def read_given_parquet(path: Path) -> pl.DataFrame:
    """Read a Parquet file of the user.

    Raises InputError if it is damaged or needs more memory than is free: a small file can hold a very large table.
    """
    hint = "write it again (if it is in a .gz or .zip: unpack it, because it is compressed inside)"
    try:
        needed = decoded_bytes(path)
    except (OSError, ValueError, MemoryError):
        raise InputError("is not a readable Parquet file", where=location(path), hint=hint) from None
    if needed > free_bytes():
        raise InputError(
            f"needs {needed / 1e9:.1f} GB of memory, and {free_bytes() / 1e9:.1f} GB are free",
            where=location(path),
            hint="split it, leave columns out, or use a machine with more memory",
        )
    try:
        return _read(path)
    except (PolarsError, OSError, PanicException):
        raise InputError("is not a readable Parquet file", where=location(path), hint=hint) from None


def read_given_arrow(path: Path) -> pl.DataFrame:
    """Read a Feather or Arrow file of the user. Raises InputError if it is damaged or larger than the free memory."""
    hint = "write it again (if it is in a .gz or .zip: unpack it, because it is compressed inside)"
    if path.stat().st_size > free_bytes():
        raise InputError("is larger than the memory that is free", where=location(path), hint="split it")
    import pyarrow as pa
    from pyarrow import feather

    try:
        with path.open("rb") as file:
            if file.read(4) == STREAM:
                file.seek(0)
                table = pa.ipc.open_stream(file).read_all()
            else:
                file.seek(0)
                table = feather.read_table(file, memory_map=False)
        table.validate(full=True)  # Polars ends the process where a damaged file asks for too much memory
        return pl.DataFrame(pl.from_arrow(table))
    except (PolarsError, OSError, PanicException, pa.ArrowException, MemoryError, ValueError, TypeError):
        raise InputError("is not a readable Feather or Arrow file", where=location(path), hint=hint) from None


def read_stored_parquet(path: Path, kind: str) -> pl.DataFrame:
    """Read a Parquet file of a folder that this package wrote. kind: of the folder. Raises ArtefactError."""
    try:
        if not forks.polars_works():
            return _read_without_threads(path)
        n_rows = pl.scan_parquet(polars_source(path), glob=False).select(pl.len()).collect().item()
        if n_rows * TEXT_WIDTH <= free_bytes():
            return _read(path)
        what = f"needs more memory for its {n_rows} rows than is free"
    except MemoryError:
        what = "needs more memory than is free"
    except FileNotFoundError:
        raise  # the folder was replaced meanwhile, and is read again
    except (PolarsError, OSError, PanicException, ValueError):
        what = "is damaged: it is not a readable Parquet file"
    raise ArtefactError(what, where=location(path), hint=f"write the {kind} again")


def decoded_bytes(path: Path) -> int:
    """Return how much memory the table of a Parquet file needs, by its footer. Raises OSError or ValueError."""
    import pyarrow.parquet as pq

    total = 0
    with path.open("rb") as file:
        metadata = pq.read_metadata(file)
    for group in map(metadata.row_group, range(metadata.num_row_groups)):
        for column in map(group.column, range(group.num_columns)):
            width = WIDTHS.get(column.physical_type)
            total += column.num_values * (width or TEXT_WIDTH) + (0 if width else column.total_uncompressed_size)
    return total


def polars_source(path: Path) -> Path | bytes:
    """Return what polars reads a file from: an absolute path, or the bytes of a file whose name is not UTF-8.

    To polars, "~" at the beginning of a relative path has a meaning, and every name is UTF-8.
    """
    absolute = path.absolute()
    return absolute if is_utf8(str(absolute)) else path.read_bytes()


def write_parquet(frame: pl.DataFrame, path: Path) -> None:
    """Write a Parquet file, also one whose name is not UTF-8. Raises OSError."""
    if is_utf8(str(path)):
        frame.write_parquet(path)
        return
    content = io.BytesIO()
    frame.write_parquet(content)
    path.write_bytes(content.getbuffer())


def _read_without_threads(path: Path) -> pl.DataFrame:
    """Read a Parquet file in a forked process, which lacks the threads of polars: by pyarrow, column by column."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if decoded_bytes(path) > free_bytes():
        raise MemoryError(path)
    try:
        with path.open("rb") as file:
            table = pq.read_table(file, use_threads=False, pre_buffer=False)
    except pa.ArrowException as error:
        raise ValueError(str(error)) from None
    columns = {name: table.column(name).combine_chunks() for name in table.column_names}
    return pl.DataFrame({name: pl.Series(name, column) for name, column in columns.items()})


def _read(path: Path) -> pl.DataFrame:
    return pl.read_parquet(polars_source(path), glob=False)
