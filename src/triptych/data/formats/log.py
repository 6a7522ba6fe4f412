"""Find the columns of a log in a table: user and item; rating, time, split, weight and event if it has them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np
import polars as pl

from triptych.data.formats.item_lists import list_notes, with_one_item_per_row
from triptych.data.formats.ratings import read_ratings
from triptych.data.formats.reading import GUESS, Columns, Reading
from triptych.data.formats.tables import ITEM_IDS, USER_IDS, Table, usual_column
from triptych.data.formats.times import read_times, without_missing
from triptych.data.id_types import IdType
from triptych.errors import InputError, argument, did_you_mean, location

USUAL_NAMES = {
    "user": USER_IDS,
    "item": ITEM_IDS[:-1],
    "rating": ("rating", "ratings", "score", "stars", "overall"),
    "time": (
        *("timestamp", "time", "date", "datetime", "unixreviewtime", "t_dat", "created_at", "event_time", "ts"),
        *("invoicedate", "order_date"),
    ),
    "split": ("x_label", "split", "part", "fold"),
    "event": ("event_type", "event", "event_name", "behavior", "behavior_type", "behaviour", "action"),
}
MOST_EVENT_TYPES = 50  # a guessed column with more values is no column of event types
SPLIT_NAMES = {
    "train": 0,
    "training": 0,
    "0": 0,
    "valid": 1,
    "validation": 1,
    "val": 1,
    "dev": 1,
    "1": 1,
    "test": 2,
    "2": 2,
}


@dataclass(frozen=True)
class Log:
    """Interactions as they are in files, before cleaning.

    frame: user_id and item_id (String, null if the field is empty), row (int64, the position among the rows read); and
    if the file has them: rating (float64), time (float64; dates become seconds since 1970), split (int8, an index into
    SPLITS), weight (float64), event (String, the type of the event). notes: what the owner of the file should know
    about how it was read; see `InputWarning`. locate: the location of a row, by its number in `frame`. columns: the
    column that each of user, item, rating, time, split, weight and event was read from, if there is one. unused: the
    other columns. split_by_files: whether the split is that of files for train and test. id_types: in which the ids of
    "user" and "item" came.
    """

    frame: pl.DataFrame
    path: Path
    notes: tuple[str, ...] = ()
    locate: Callable[[int], str] | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    unused: tuple[str, ...] = ()
    split_by_files: bool = False
    id_types: Mapping[str, IdType] = field(default_factory=dict)

    def location(self, row: int) -> str:
        """Return the location of a row, by its number in `frame`, for an error."""
        return location(self.path, row=row + 1) if self.locate is None else self.locate(row)

    def has(self, column: str) -> bool:
        """Return whether the log has a column, such as rating, time or split."""
        return column in self.frame.columns


def log_from_table(table: Table, reading: Reading = GUESS) -> Log:
    """Read a log from a table. Raises InputError for a missing column, or a bad id, rating, time or split value."""
    columns = reading.columns
    table = with_one_item_per_row(table, columns, reading.item_separator)
    for name in asdict(columns).values():
        if name not in ("", "-"):
            table.require(name)
    found = log_columns(table.frame.columns, columns)
    if "event" in found and not columns.event and table.frame[found["event"]].n_unique() > MOST_EVENT_TYPES:
        del found["event"]
    for noun in ("user", "item"):
        if noun not in found:
            raise _no_ids(table, noun)
    users, user_notes = table.ids(found["user"], "user")
    items, item_notes = table.ids(found["item"], "item")
    notes = [*table.notes, *user_notes, *item_notes]
    notes += _header_notes(table, {found["user"]: users, found["item"]: items})
    if not reading.item_separator:
        notes += list_notes(items, table.path)
    frame = pl.DataFrame({"user_id": users, "item_id": items, "row": np.arange(len(users), dtype=np.int64)})
    if "rating" in found:
        frame = frame.with_columns(read_ratings(table, found["rating"]).alias("rating"))
    if "weight" in found:
        frame = frame.with_columns(table.numbers(found["weight"]).alias("weight"))
    if "event" in found:
        frame = frame.with_columns(table.text(found["event"]).alias("event"))
    if "split" in found:
        frame = frame.with_columns(_split_codes(table, found["split"]).alias("split"))
    if "time" in found:
        times, time_notes = read_times(table, found["time"], reading.time_format)
        notes += time_notes
        frame, note = without_missing(
            frame.with_columns(times.alias("time")), table, found["time"], reading.missing_times
        )
        notes += [note] if note else []
    unused = tuple(name for name in table.frame.columns if name not in found.values())
    types = {noun: table.id_type(found[noun]) for noun in ("user", "item")}
    return Log(frame, table.path, tuple(notes), table.location, found, unused, id_types=types)


def log_columns(names: Sequence[str], columns: Columns) -> dict[str, str]:
    """Return the column of each kind that a table with these columns has: the given one, or a guess if it is ""."""
    found = {
        kind: (name if name in names else None) if name else usual_column(names, USUAL_NAMES.get(kind, ()))
        for kind, name in asdict(columns).items()
        if name != "-"
    }
    return {kind: name for kind, name in found.items() if name is not None}


def _header_notes(table: Table, ids: Mapping[str, pl.Series]) -> list[str]:
    """Return a note if the header of a text file looks like a row: a column of ids contains its own name."""
    values = [name for name, each in ids.items() if table.first_row == 2 and (each == name).any()]
    if not values:
        return []
    return [
        f'{table.path.name}: row 1 is read as the header, but "{values[0]}" is also an id of that column; if there is '
        f"no header, pass {argument(no_header=True, columns='user,item,…')} (with a name per column)"
    ]


def _no_ids(table: Table, noun: str) -> InputError:
    names = table.frame.columns
    hint = f"name it with `{noun}_column`"
    if table.first_row == 2 and sum(any(map(str.isdigit, name)) for name in names) * 2 >= len(names):
        hint += f", or, if the first row is no header: {argument(no_header=True, columns='user,item,rating,time')}"
    return table.no_column(f"{noun} ids", hint)


def _split_codes(table: Table, column: str) -> pl.Series:
    values = table.frame[column]
    distinct = values.unique()
    names = replace(table, frame=distinct.to_frame()).text(column).str.to_lowercase().str.replace(r"^(\d)\.0$", "$1")
    known = {value: SPLIT_NAMES[name] for value, name in zip(distinct, names, strict=True) if name in SPLIT_NAMES}
    codes = values.replace_strict(known, default=None, return_dtype=pl.Int8)
    if codes.null_count():
        position = int(codes.is_null().arg_true()[0])
        value = "" if values[position] is None else str(values[position]).strip()
        near = did_you_mean(value, SPLIT_NAMES) if value else ""
        hint = (
            near
            if near.startswith("did")
            else f"write train, validation or test (or 0, 1, 2); {argument(split_column='-')} for none"
        )
        raise InputError(f'"{value}" is not a split', where=table.location(position, column), hint=hint)
    return codes
