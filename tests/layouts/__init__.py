"""Files in the layouts of well-known data sets and tools, generated small, with the names that docs/data.md uses.

All of them hold the interactions of `USERS` with `ITEMS`, as far as their layouts can.
"""

from __future__ import annotations

from pathlib import Path

from layouts import data_sets, item_files, tables
from layouts.rows import N_ITEMS, N_ROWS, N_USERS

__all__ = ["N_ITEMS", "N_ROWS", "N_USERS", "write_all"]


def write_all(folder: Path) -> None:
    """Write the files of all layouts into a folder."""
    written = (item_files.write_item_files, item_files.write_features, item_files.write_users)
    for each in (*data_sets.LAYOUTS, tables.write_tables, *written):
        each(folder)
