"""Runs, the files of information retrieval: TREC's `user Q0 item rank score tag`, and {user: {item: score}} in JSON.

ranx and pytrec_eval read and write the same files.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from triptych.data.formats.compressed import plain_suffix
from triptych.data.formats.read_table import TABLE_SUFFIXES
from triptych.data.formats.reading import GUESS, Reading
from triptych.data.formats.tables import Table
from triptych.data.formats.text_file import TextFile, not_utf8, open_text
from triptych.errors import InputError, location
from triptych.texts import as_utf8

TREC_SUFFIXES = (".trec", ".run")
FIELDS = ("user_id", "q0", "item_id", "rank", "score")
LINE = r"^\s*(?P<user_id>\S+)\s+(?P<q0>\S+)\s+(?P<item_id>\S+)\s+(?P<rank>\S+)\s+(?P<score>\S+)\s+\S.*$"
TREC_HINT = "write `user Q0 item rank score tag` on each line"


def read_run(path: Path, reading: Reading = GUESS) -> Table | None:
    """Read a run as a table of user_id, item_id, score and perhaps rank; None if the file is none. Raises InputError.

    Files that end in .trec or .run are runs of TREC; others are if their first line is one. A .json file that is one
    object of objects is a run too.
    """
    suffix = plain_suffix(path)
    if not path.is_file() or suffix in (".parquet", ".feather", ".arrow", ".ipc"):
        return None
    if suffix == ".json":
        return _read_json(open_text(path, reading.encoding))
    if suffix in TREC_SUFFIXES or suffix not in TABLE_SUFFIXES or suffix == ".txt":
        text = open_text(path, reading.encoding)
        is_run = pl.Series([text.first_line()]).str.contains(LINE.replace(r"\S+)\s+(?P<item", r"[Qq]0)\s+(?P<item"))[0]
        return _read_trec(text) if is_run or suffix in TREC_SUFFIXES else None
    return None


def run_from_mapping(lists: Any, path: Path) -> Table:
    """Return user -> item -> score, or user -> items, as a table. path: for errors. Raises InputError."""
    kinds = {isinstance(each, dict) for each in lists.values()}
    if len(kinds) > 1:
        raise InputError("has scores for some users and lists for others", where=location(path), hint="write all alike")
    for user, given in lists.items():
        if isinstance(given, str | bytes) or not hasattr(given, "__iter__"):
            hint = "give each user a list of items, or item -> score"
            raise InputError(f'"{given}" of user "{user}" is not a list', where=location(path), hint=hint)
    if kinds != {True}:
        items = [[as_utf8(str(each)) for each in given] for given in lists.values()]
        return Table(
            pl.DataFrame({"user_id": _column(list(lists)), "item_ids": pl.Series(items, dtype=pl.List(pl.String))}),
            path,
        )
    try:
        scores = [float(score) for given in lists.values() for score in given.values()]
    except (TypeError, ValueError):
        raise InputError(
            "has a score that is not a number", where=location(path), hint="write {user: {item: score}}"
        ) from None
    users = [user for user, given in lists.items() for _ in given]
    items_of = _column([item for given in lists.values() for item in given])
    return Table(pl.DataFrame({"user_id": _column(users), "item_id": items_of, "score": scores}), path)


def _column(values: list[Any]) -> pl.Series:
    """Return ids as texts or whole numbers, as they are."""
    if all(type(each) is int for each in values) and values:
        return pl.Series(values, dtype=pl.Int64)
    return pl.Series([as_utf8(str(each)) for each in values], dtype=pl.String)


def _read_json(text: TextFile) -> Table | None:
    """Read one object of objects or lists; None for other JSON."""
    if not text.first_line().lstrip().startswith("{"):
        return None
    try:
        with text.lines() as stream:
            content = json.loads(stream.read(), object_pairs_hook=lambda pairs: _distinct(pairs, text.path))
    except UnicodeDecodeError:
        raise not_utf8(text) from None
    except (ValueError, RecursionError):
        return None  # objects one after the other, or damage that the reader of tables reports
    if not content or not all(isinstance(each, dict | list) for each in content.values()):
        return None
    return run_from_mapping(content, text.path)


def _distinct(pairs: list[tuple[str, Any]], path: Path) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for position, name in enumerate(names) if name in names[:position])
        raise InputError(f'"{twice}" is there twice in one object', where=location(path), hint="keep one of them")
    return found


def _read_trec(text: TextFile) -> Table:
    try:
        with text.lines() as stream:
            lines = pl.Series("line", stream.read().split("\n"), dtype=pl.String)
    except UnicodeDecodeError:
        raise not_utf8(text) from None
    numbers = np.flatnonzero((lines.str.strip_chars() != "").to_numpy()) + 1
    frame = lines.gather(numbers - 1).to_frame().select(pl.col("line").str.extract_groups(LINE)).unnest("line")
    table = Table(frame.select(FIELDS), text.path, 1, (), lambda position: (text.path, int(numbers[position])))
    bad = frame["user_id"].is_null()
    if bad.any():
        where = table.location(int(bad.arg_true()[0]))
        raise InputError("is not a line of a TREC run", where=where, hint=TREC_HINT)
    if not len(frame):
        raise InputError("has no rows", where=location(text.path), hint=TREC_HINT)
    return table
