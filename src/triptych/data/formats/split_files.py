"""Format `split-files`: a folder that holds train, validation and test as files of their own.

Names are train, valid (or validation, val, dev) and test, also after a name of the data set, as in RecBole's benchmark
files: train.csv, valid.csv and test.csv; NAME.train.inter, NAME.valid.inter and NAME.test.inter. One of validation and
test may be absent.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
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
from triptych.data.formats.tables import concatenate
from triptych.data.id_types import common_type
from triptych.data.split_codes import SPLITS
from triptych.errors import InputError, location

NAMES = {name: SPLITS[code] for name, code in SPLIT_NAMES.items() if name.isalpha()}
UNWEIGHED = ("weight", "event")  # only training uses them: files of validation and test need not have them
SPLIT_FILE = re.compile(  # without the extension; data sets of the Hugging Face hub number their parts
    rf"(.*[._-])?(?P<split>{'|'.join(NAMES)})(?P<part>-\d+-of-\d+)?", re.IGNORECASE
)


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
    used = [each for found in files.values() for each in found]
    lists = not reading.header and any(is_lists(each) for each in used)
    log = join_logs({name: _read_one(path, found, reading, lists=lists) for name, found in files.items()}, path)
    tables = list(path.glob("*.item"))
    items = read_table(tables[0], replace(reading, header=())) if len(tables) == 1 else None
    return Source(log, items, notes=not_read(path, {*used, *(tables if items is not None else ())}))


def join_logs(logs: Mapping[str, Log], path: Path) -> Log:
    """Return the logs of train, validation and test as one log, in this order; `Log.location` names the file of a row.

    A column that only some of the files have, such as ratings or times, is left out, with a note. A split column of the
    files themselves is overruled by the files. path: what the log is called.
    """
    names = [name for name in SPLITS if name in logs]
    parts = [logs[name] for name in names]
    notes = [note for each in parts for note in each.notes]
    kept = []
    for column in dict.fromkeys(name for each in parts for name in each.frame.columns):
        lacking = [each.path.name for each in parts if not each.has(column)]
        if column == "split":
            having = ", ".join(each.path.name for each in parts if each.has(column))
            notes.append(f"{having}: the split column is not used, because train, validation and test are files")
        elif column in UNWEIGHED:
            kept.append(column)
        elif lacking:
            notes.append(f"{', '.join(lacking)}: has no {column} column, so that of the other files is left out")
        elif column != "row":
            kept.append(column)
    begins = np.cumsum([0, *(int(each.frame["row"].max() or 0) + 1 for each in parts)])  # type: ignore[arg-type]

    def locate(row: int) -> str:
        part = int(np.searchsorted(begins, row, side="right")) - 1
        return parts[part].location(row - int(begins[part]))

    frames = []
    for part, log in enumerate(parts):
        frame = _with_columns(log.frame, kept).select(*kept, row=pl.col("row") + int(begins[part]))
        frames.append(frame.with_columns(split=pl.lit(SPLITS.index(names[part]), pl.Int8)))
    columns = {kind: name for kind, name in parts[0].columns.items() if kind in ("user", "item", *kept)}
    unused = tuple(dict.fromkeys(name for each in parts for name in each.unused))
    notes = list(dict.fromkeys(notes))
    return replace(
        parts[0],
        frame=pl.concat(frames),
        path=path,
        notes=tuple(notes),
        locate=locate,
        columns=columns,
        unused=unused,
        split_by_files=True,
        id_types={noun: common_type(each.id_types.get(noun, "string") for each in parts) for noun in ("user", "item")},
    )


def _with_columns(frame: pl.DataFrame, names: Sequence[str]) -> pl.DataFrame:
    """Return a frame with empty columns for the names that it lacks."""
    types = {"weight": pl.Float64, "event": pl.String}
    return frame.with_columns(pl.lit(None, types[name]).alias(name) for name in names if name not in frame.columns)


def _read_one(folder: Path, files: Sequence[Path], reading: Reading, *, lists: bool) -> Log:
    """Read the file of a split, or its numbered parts, whose own split column does not count.

    lists: whether they are lists (`user item item …`).
    """
    if lists:
        tables = [read_lists(file, reading) for file in files]
    else:
        reading = replace(reading, columns=replace(reading.columns, split="-"))
        tables = [read_table(file, reading) for file in files]
    return log_from_table(concatenate(tables, folder) if len(tables) > 1 else tables[0], reading)


def _split_files(path: Path) -> dict[str, list[Path]]:
    """Return the files of train, validation and test in a folder, by these names.

    A split has one file, or numbered parts. Raises InputError for another number of files.
    """
    found: dict[str, list[Path]] = {}
    single: dict[str, list[Path]] = {}
    for file in sorted(path.iterdir()):
        suffix = plain_suffix(file) if file.is_file() else ""
        name = file.name.lower()
        stem = name.rpartition(suffix)[0] or name.rpartition(".")[0] if suffix else ""
        match = SPLIT_FILE.fullmatch(stem) if suffix in (*TABLE_SUFFIXES, ".inter") else None
        if match and file.name[0] not in "._":
            split = NAMES[match["split"].lower()]
            found.setdefault(split, []).append(file)
            single.setdefault(split, []).extend([] if match["part"] else [file])
    for split, files in found.items():
        if single[split] and len(files) > 1:
            shown = ", ".join(each.name for each in files[:5])
            raise InputError(f"has {len(files)} files of {split}: {shown}", where=location(path), hint="leave one")
    return found


def _recognises(path: Path) -> bool:
    try:
        files = _split_files(path) if path.is_dir() else {}
    except InputError:
        return True  # its reader says what is wrong
    return "train" in files and len(files) > 1


SPLIT_FILES = Format(
    layout="a folder with train, valid and test as files",
    recognises=_recognises,
    read=read_split_files,
)
