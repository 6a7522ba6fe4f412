"""Format `table`: one table of interactions, or a folder with the parts of one."""

from __future__ import annotations

from pathlib import Path

from triptych.data.formats.compressed import plain_suffix
from triptych.data.formats.format import Format, Source
from triptych.data.formats.log import log_from_table
from triptych.data.formats.read_table import TABLE_NAMES, TABLE_SUFFIXES, read_table, table_parts
from triptych.data.formats.reading import Reading


def read_plain(path: Path, reading: Reading) -> Source:
    """Read a table of interactions. Raises InputError."""
    return Source(log_from_table(read_table(path, reading), reading))


def _recognises(path: Path) -> bool:
    if path.is_dir():
        return len({plain_suffix(part) for part in table_parts(path)}) == 1
    return plain_suffix(path) in TABLE_SUFFIXES


TABLE = Format(
    layout=f"a {TABLE_NAMES}, or a folder with its parts",
    recognises=_recognises,
    read=read_plain,
)
