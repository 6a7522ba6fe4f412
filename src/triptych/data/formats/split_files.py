"""Format `split-files`: a folder that holds train, validation and test as files of their own.

Names are train, valid (or validation, val, dev) and test, also after a name of the data set, as in RecBole's benchmark
files: train.csv, valid.csv and test.csv; NAME.train.inter, NAME.valid.inter and NAME.test.inter. One of validation and
test may be absent.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl

from triptych.data.formats.compressed import plain_suffix
from triptych.data.formats.format import Format, Source, not_read
from triptych.data.formats.lists import is_lists, read_lists
from triptych.data.formats.log import SPLIT_NAMES, Log, log_from_table
from triptych.data.formats.read_table import TABLE_SUFFIXES, read_table
from triptych.data.formats.reading import Reading
from triptych.data.split_codes import SPLITS
from triptych.errors import InputError, location

NAMES = {name: SPLITS[code] for name, code in SPLIT_NAMES.items() if name.isalpha()}
SPLIT_FILE = re.compile(rf"(.*[._-])?({'|'.join(NAMES)})", re.IGNORECASE)  # without the extension
OPTIONAL = ("rating", "time")  # columns that only some of the files may have


def read_split_files(path: Path, reading: Reading) -> Source:
    """Read the files of a folder as one log whose split is the file. The only .item file is the item table.

    Raises InputError.
    """
    files = _split_files(path) if path.is_dir() else {}
    if "train" not in files or len(files) < 2:
        raise InputError(
            "does not hold train and test as files",
            where=location(path),
            hint="give train.csv and test.csv, and valid.csv if there is one",
        )
    for name, found in files.items():
        if len(found) > 1:
            shown = ", ".join(each.name for each in found[:5])
            raise InputError(f"has {len(found)} files of {name}: {shown}", where=location(path), hint="leave one")
    log = join_logs({name: _read_one(found[0], reading) for name, found in files.items()}, path)
    tables = list(path.glob("*.item"))
    items = read_table(tables[0], replace(reading, header=())) if len(tables) == 1 else None
    used = {found[0] for found in files.values()} | (set(tables) if items is not None else set())
    return Source(log, items, notes=not_read(path, used))


def join_logs(logs: Mapping[str, Log], path: Path) -> Log:
    """Return the logs of train, validation and test as one log, in this order; `Log.location` names the file of a row.

    A column of ratings or times that only some of the files have is left out, with a note. A split column of the files
    themselves is overruled by the files. path: what the log is called.
    """
    names = [name for name in SPLITS if name in logs]
    parts = [logs[name] for name in names]
    notes, kept = [note for each in parts for note in each.notes], ["user_id", "item_id"]
    for column in OPTIONAL:
        lacking = [each.path.name for each in parts if not each.has(column)]
        if not lacking:
            kept.append(column)
        elif len(lacking) < len(parts):
            notes.append(f"{', '.join(lacking)}: has no {column} column, so that of the other files is left out")
    begins = np.cumsum([0, *(int(each.frame["row"].max() or 0) + 1 for each in parts)])  # type: ignore[arg-type]

    def locate(row: int) -> str:
        part = int(np.searchsorted(begins, row, side="right")) - 1
        return parts[part].location(row - int(begins[part]))

    frames = [
        log.frame.select(*kept, row=pl.col("row") + int(begins[part]), split=pl.lit(SPLITS.index(names[part]), pl.Int8))
        for part, log in enumerate(parts)
    ]
    columns = {kind: name for kind, name in parts[0].columns.items() if kind in ("user", "item", *kept)}
    unused = dict.fromkeys(name for each in parts for name in each.unused)
    return Log(
        pl.concat(frames), path, tuple(dict.fromkeys(notes)), locate, columns, tuple(unused), split_by_files=True
    )


def _read_one(path: Path, reading: Reading) -> Log:
    """Read one of the files: lists (`user item item …`) or a table, whose own split column does not count."""
    if not reading.header and is_lists(path):
        return log_from_table(read_lists(path, reading))
    reading = replace(reading, columns=replace(reading.columns, split="-"))
    return log_from_table(read_table(path, reading), reading)


def _split_files(path: Path) -> dict[str, list[Path]]:
    """Return the files of train, validation and test in a folder, by these names."""
    found: dict[str, list[Path]] = {}
    for file in sorted(path.iterdir()):
        suffix = plain_suffix(file)
        name = file.name.lower()
        stem = name.rpartition(suffix)[0] or name.rpartition(".")[0] if suffix else ""
        match = SPLIT_FILE.fullmatch(stem) if suffix in (*TABLE_SUFFIXES, ".inter") and file.is_file() else None
        if match and file.name[0] not in "._":
            found.setdefault(NAMES[match[2].lower()], []).append(file)
    return found


def _recognises(path: Path) -> bool:
    files = _split_files(path) if path.is_dir() else {}
    return "train" in files and len(files) > 1


SPLIT_FILES = Format(
    layout="a folder with train, valid and test as files",
    recognises=_recognises,
    read=read_split_files,
)
