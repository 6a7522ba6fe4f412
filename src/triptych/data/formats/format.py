"""The interface of file formats: the description of a format, and the result of its reader.

To add a format: write a file here with a reader and its `Format` (`plain.py` is the shortest example), and add one line
to `registry.py`. A reader imports from this file, `log.py` and `tables.py`, never from `registry.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from triptych.data.formats.features import FeatureSource
from triptych.data.formats.log import Columns, Log
from triptych.data.formats.tables import Table


@dataclass(frozen=True)
class Source:
    """What a reader returns: the log, and for a folder also its item table and its feature files.

    n_items: the smallest possible number of items, if the format numbers its items from 0; otherwise None.
    """

    log: Log
    items: Table | None = None
    features: tuple[FeatureSource, ...] = ()
    n_items: int | None = None


@dataclass(frozen=True)
class Format:
    """A file format of interactions.

    layout: a short description of its files, for error messages. recognises: whether a path looks like this format.
    read: reads a path, given the names of its columns; raises InputError.
    """

    layout: str
    recognises: Callable[[Path], bool]
    read: Callable[[Path, Columns], Source]
