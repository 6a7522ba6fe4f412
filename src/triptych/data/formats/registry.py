"""The formats of interactions, and the function that reads a path in one of them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from triptych.data.formats.database import DATABASE, read_log
from triptych.data.formats.format import Format, Source
from triptych.data.formats.lists import LISTS
from triptych.data.formats.mmrec import MMREC
from triptych.data.formats.movielens import MOVIELENS
from triptych.data.formats.plain import TABLE
from triptych.data.formats.read_table import path_not_found
from triptych.data.formats.reading import GUESS, Reading
from triptych.data.formats.recbole import RECBOLE
from triptych.data.formats.split_files import SPLIT_FILES
from triptych.databases.address import Address, given_source
from triptych.errors import InputError, SettingsError, did_you_mean, location

# "auto" takes the first format that recognises the path
FORMATS: dict[str, Format] = {
    "movielens": MOVIELENS,
    "split-files": SPLIT_FILES,
    "mmrec": MMREC,
    "recbole": RECBOLE,
    "lists": LISTS,
    "database": DATABASE,
    "table": TABLE,
}


def read_source(given: Path | str, reading: Reading = GUESS, name: str = "auto") -> Source:
    """Read interactions in the format `name`; "auto" chooses it by the path. Raises InputError, SettingsError.

    given: a file or folder, or the address of a database.
    """
    if name != "auto" and name not in FORMATS:
        raise SettingsError(f'unknown format "{name}"', hint=did_you_mean(name, ["auto", *FORMATS]))
    path = given_source(given)
    if isinstance(path, Address):
        if name not in ("auto", "database"):
            raise SettingsError(f'a database is not in format "{name}"', hint="leave the format out")
        return read_log(path, reading)
    if reading.query:
        hint = "give LOG as sqlite:///FILE or postgresql://…"
        raise SettingsError("`query` is for databases, but LOG is a file", hint=hint)
    if not path.exists():
        raise path_not_found(path, "file or folder")
    if name != "auto":
        return FORMATS[name].read(path, reading)
    for each in FORMATS.values():
        if each.recognises(path):
            return each.read(path, reading)
    raise InputError("has no known format of interactions", where=location(path), hint=f"give {LAYOUTS}")


def _one_of(names: Iterable[str]) -> str:
    """Return names as a list in English: "a, b or c"."""
    *first, last = names
    return f"{', '.join(first)} or {last}" if first else last


LAYOUTS = _one_of(each.layout for each in FORMATS.values())  # for help pages
FORMAT_CHOICES = _one_of(["auto", *FORMATS])  # for the help of the option --format
