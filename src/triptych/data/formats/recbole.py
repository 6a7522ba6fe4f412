"""Format `recbole`: a RecBole atomic file NAME.inter, or a folder with NAME.inter, NAME.item and NAME.user."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from triptych.data.formats.compressed import plain_suffix
from triptych.data.formats.format import Format, Source, not_read
from triptych.data.formats.log import log_from_table
from triptych.data.formats.read_table import read_table
from triptych.data.formats.reading import Reading
from triptych.errors import InputError, location


def read_recbole(path: Path, reading: Reading) -> Source:
    """Read a tab-separated file whose header has types: `user_id:token  item_id:token  rating:float  …`.

    NAME.item and NAME.user beside it are the tables of items and users, if there are any. Raises InputError.
    """
    file = the_log_in(path) if path.is_dir() else path
    items, users = file.with_suffix(".item"), file.with_suffix(".user")
    own_header = replace(reading, header=())
    table, user_table = (read_table(each, own_header) if each.is_file() else None for each in (items, users))
    notes = not_read(path, {file, items, users}) if path.is_dir() else ()
    return Source(log_from_table(read_table(file, reading), reading), table, users=user_table, notes=notes)


def the_log_in(folder: Path) -> Path:
    """Return the only .inter file of a folder. Raises InputError."""
    logs = sorted(folder.glob("*.inter"))
    if len(logs) != 1:
        hint = "name the one to read" if logs else "check the path, or name another format"
        raise InputError(f"has {len(logs) or 'no'} .inter files", where=location(folder), hint=hint)
    return logs[0]


RECBOLE = Format(
    layout="a RecBole .inter file, with .item and .user beside it, or their folder",
    recognises=lambda path: plain_suffix(path) == ".inter" or (path.is_dir() and any(path.glob("*.inter"))),
    read=read_recbole,
)
