"""Format `lists`: one user per line, followed by the items, as the data of LightGCN: `user item item …`."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import numpy as np
import polars as pl

from triptych.data.formats.compressed import plain_suffix
from triptych.data.formats.format import Format, Source
from triptych.data.formats.log import log_from_table
from triptych.data.formats.reading import GUESS, Reading
from triptych.data.formats.tables import Table
from triptych.data.formats.text_file import not_utf8, open_text
from triptych.errors import InputError, location

LOOKED_AT = 50  # lines


def read_lists(path: Path, reading: Reading = GUESS) -> Table:
    """Read a file of lists as a table of user_id and item_id. Users without items are left out with a note.

    Raises InputError.
    """
    text = open_text(path, reading.encoding)
    try:
        with text.lines() as lines:
            rows = [line.split() for line in lines]
    except UnicodeDecodeError:
        raise not_utf8(text) from None
    lengths = np.array([max(len(row) - 1, 0) for row in rows], dtype=np.int64)
    if not lengths.any():
        raise InputError("has no items", where=location(path), hint="write a user and its items on each line")
    numbers = np.repeat(np.arange(1, len(rows) + 1), lengths)
    frame = pl.DataFrame(
        {
            "user_id": pl.Series([row[0] for row in rows for _ in row[1:]], dtype=pl.String),
            "item_id": pl.Series([item for row in rows for item in row[1:]], dtype=pl.String),
        }
    )
    alone = [row[0] for row in rows if len(row) == 1]
    notes = (f'{path.name}: {len(alone):,} users without items, as "{alone[0]}", are left out',) if alone else ()
    return Table(frame, path, 1, notes, lambda position: (path, int(numbers[position])))


def is_lists(path: Path) -> bool:
    """Whether the first lines of a .txt file are whole numbers with spaces between, and differ in their number."""
    if plain_suffix(path) != ".txt" or not path.is_file():
        return False
    try:
        with open_text(path).lines() as lines:
            rows = [line.split(" ") for line in (line.strip() for line in islice(lines, LOOKED_AT)) if line]
    except (InputError, UnicodeDecodeError):
        return False
    return len({len(row) for row in rows}) > 1 and all(word.isdecimal() for row in rows for word in row)


LISTS = Format(
    layout="a .txt file of lists, `user item item …` on each line",
    recognises=is_lists,
    read=lambda path, reading: Source(log_from_table(read_lists(path, reading))),
)
