"""The interface of file formats: the description of a format, and the result of its reader.

To add a format: write a file here with a reader and its `Format` (`plain.py` is the shortest example), and add one line
to `registry.py`. A reader imports from this file, `log.py` and `tables.py`, never from `registry.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from triptych.data.formats.features import FeatureSource
from triptych.data.formats.log import Log
from triptych.data.formats.reading import Reading
from triptych.data.formats.tables import Table


@dataclass(frozen=True)
class Source:
    """What a reader returns: the log, and for a folder also its tables and its feature files.

    users: the table of users, if the format has one. n_items: the smallest possible number of items, if the format
    numbers its items from 0; otherwise None.
    notes: what the owner of the files should know, besides the notes of the log and of the table.
    """

    log: Log
    items: Table | None = None
    features: tuple[FeatureSource, ...] = ()
    n_items: int | None = None
    users: Table | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Format:
    """A file format of interactions.

    layout: a short description of its files, for help pages and error messages. recognises: whether a path looks like
    this format. read: reads a path, given how files are to be read; raises InputError.
    """

    layout: str
    recognises: Callable[[Path], bool]
    read: Callable[[Path, Reading], Source]


def not_read(folder: Path, read: set[Path]) -> tuple[str, ...]:
    """Return a note that names the files of a folder which were not read, without hidden files and texts about it."""
    others = sorted(path.name for path in folder.iterdir() if path.is_file() and path not in read)
    shown = [name for name in others if name[0] not in "._" and not name.lower().startswith(("readme", "license"))]
    listed = ", ".join(shown[:10]) + (", …" if len(shown) > 10 else "")
    return (f"{folder.name}: not read: {listed}",) if shown else ()
