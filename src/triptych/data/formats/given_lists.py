"""Recommendation lists made elsewhere, in long tables, one row per user, or runs -> each user's items in order.

Long tables are ordered by their ranks, else by their scores, else as they stand. Runs of TREC are ordered by score, as
its tools do; equal scores by rank.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from triptych.data.formats.frames import table_from_frame
from triptych.data.formats.item_lists import SEPARATORS, list_notes, with_one_item_per_row
from triptych.data.formats.read_table import read_table
from triptych.data.formats.reading import GUESS, Columns, Reading
from triptych.data.formats.runs import read_run, run_from_mapping
from triptych.data.formats.tables import ITEM_IDS, USER_IDS, Table, usual_column
from triptych.data.formats.value_lists import lists_in
from triptych.errors import InputError, SettingsError, did_you_mean

LONG, WIDE = ("user", "item", "rank", "score"), ("user", "items")
NAMES: dict[str, tuple[str, ...]] = {  # what a column holds -> its usual names
    "user": (*USER_IDS, "q_id", "query_id"),
    "item": (*ITEM_IDS[:-1], "doc_id", "docid"),
    "items": ("item_ids", "items", "prediction", "predictions", "recommendations", "recommended_items", "labels"),
    "rank": ("rank", "position"),
    "score": ("score", "scores", "relevance", "rating"),
}
COLUMNS_HINT = "name them by columns: user=NAME,item=NAME, or user=NAME,items=NAME where a row has all items of a user"
SAMPLE = 1000  # fields of items that a separator is guessed from


@dataclass(frozen=True)
class ListForm:
    """The form of a file of lists; the defaults guess from the file.

    columns: what a column holds (user, item, rank, score; user and items if a row has all items of a user) -> its name;
    "-" for none. separator: between the items of a text; "": guessed. Raises SettingsError.
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    separator: str = ""

    def __post_init__(self) -> None:
        for kind in self.columns:
            if kind not in NAMES:
                raise SettingsError(f'unknown column "{kind}"', hint=did_you_mean(kind, NAMES))
        if "items" in self.columns and len(set(self.columns) - set(WIDE)):
            raise SettingsError("items of one user in a row have no item, rank or score column", hint=COLUMNS_HINT)


@dataclass(frozen=True)
class GivenLists:
    """The items of users, best first.

    users: String [n], distinct, in the order of the file. starts: int64 [n + 1]: the items of user number u are
    items[starts[u] : starts[u + 1]]; items: String [m]. notes: see `InputWarning`.
    """

    users: pl.Series
    starts: NDArray[np.int64]
    items: pl.Series
    notes: tuple[str, ...] = ()


def read_given_lists(source: Any, form: ListForm = ListForm(), reading: Reading = GUESS) -> GivenLists:
    """Read lists from a file, a frame of pandas, polars or Arrow, or user -> items, or user -> item -> score.

    Raises InputError, with the row, for a user or an item of a list that is there twice, ranks with gaps, scores that
    are no numbers and empty ids; SettingsError.
    """
    table, by_score = open_lists(source, reading)
    user = column_of_kind(table, "user", form)
    if user is None:
        raise table.no_column("user ids", COLUMNS_HINT)
    items = _column_of_lists(table, user, form)
    if items is not None:
        return _from_wide(table, user, items, form.separator)
    return _from_long(table, user, form, by_score=by_score)


def open_lists(source: Any, reading: Reading, name: str = "lists") -> tuple[Table, bool]:
    """Return a file, a frame or a mapping as a table, and whether it is a run. name: of what is no file, for errors."""
    if isinstance(source, str | Path):
        run = read_run(Path(source), reading)
        return (read_table(Path(source), reading), False) if run is None else (run, True)
    if isinstance(source, Mapping):
        return run_from_mapping(source, Path(name)), False
    return table_from_frame(source, name), False


def column_of_kind(table: Table, kind: str, form: ListForm) -> str | None:
    """Return the column of a kind: the named one, or one of a usual name; None if there is none."""
    name = form.columns.get(kind, "")
    if name == "-":
        return None
    return table.require(name) if name else usual_column(table.frame.columns, NAMES[kind])


def _column_of_lists(table: Table, user: str, form: ListForm) -> str | None:
    """Return the column that has all items of a user in one field; None if the table has a row per item."""
    if "items" in form.columns:
        return column_of_kind(table, "items", form)
    if set(form.columns) & set(LONG[1:]):
        return None
    item, items = column_of_kind(table, "item", form), column_of_kind(table, "items", form)
    others = [name for name in table.frame.columns if name != user]
    if item is None and items is None and len(others) == 1:
        item = others[0]
    if item is None or table.frame[item].dtype.is_nested():
        return items if item is None else item
    fields = table.text(item)
    is_wide = form.separator or list_notes(fields, table.path) or lists_in(table, item) is not None
    return item if is_wide and not table.frame[user].is_duplicated().any() else None


def _from_wide(table: Table, user: str, column: str, separator: str) -> GivenLists:
    users, notes = table.required_ids(user, "user")
    repeated = (~users.is_first_distinct()).arg_true()
    if len(repeated):
        _refuse_second_list(table, users, int(repeated[0]))
    kind = table.frame[column].dtype
    plain = isinstance(kind, pl.List | pl.Array) and not kind.inner.is_nested()
    lists = None if plain else lists_in(table, column, distinct=False)
    if plain:
        pass
    elif lists is not None:
        table = replace(table, frame=table.frame.with_columns(lists.alias(column)))
    elif kind == pl.String:
        separator = separator or _separator(table.text(column))
    else:
        table = replace(table, frame=table.frame.with_columns(table.text(column).alias(column)))
    numbered = table.frame.select(column).with_columns(
        pl.int_range(pl.len(), dtype=pl.Int64).alias(f"list of {column}")
    )
    exploded = with_one_item_per_row(replace(table, frame=numbered), Columns(item=column), separator or " ")
    ids, item_notes = exploded.ids(column, "item")
    rows = exploded.frame[f"list of {column}"].to_numpy()
    n_rows = np.bincount(rows, minlength=len(users))
    empty = ids.is_null().to_numpy()
    if (bad := empty & (n_rows[rows] > 1)).any():
        raise InputError("an item id is empty", where=exploded.location(int(bad.argmax())), hint="leave it out")
    listed = exploded.frame.select(user=pl.Series(rows), item=ids).filter(~pl.Series(empty))
    refuse_second_item(exploded, users.gather(rows), ids, np.flatnonzero(~empty))
    starts = np.searchsorted(listed["user"].to_numpy(), np.arange(len(users) + 1)).astype(np.int64)
    return GivenLists(users, starts, listed["item"], (*table.notes, *notes, *item_notes))


def _separator(fields: pl.Series) -> str:
    """Return what separates the items in most of the fields; a space if nothing does."""
    sample = fields.drop_nulls().head(SAMPLE)
    separators = (*(f"{each} " for each in SEPARATORS if each != " "), *SEPARATORS)
    shares = {each: int(sample.str.contains(each, literal=True).sum()) for each in separators}
    return next(
        (each for each, n in shares.items() if 2 * n > len(sample)), max(SEPARATORS, key=lambda each: shares[each])
    )


def _from_long(table: Table, user: str, form: ListForm, *, by_score: bool) -> GivenLists:
    item, rank, score = (column_of_kind(table, kind, form) for kind in LONG[1:])
    if item is None:
        raise table.no_column("item ids, or lists of them", COLUMNS_HINT)
    users, user_notes = table.required_ids(user, "user")
    items, item_notes = table.required_ids(item, "item")
    notes = [*table.notes, *user_notes, *item_notes]
    frame = pl.DataFrame({"user": users, "item": items, "position": np.arange(len(users), dtype=np.int64)})
    frame = frame.with_columns(pl.col("position").min().over("user").alias("list"))
    refuse_second_item(table, users, items, np.arange(len(users)))
    for kind, name in (("rank", rank), ("score", score)):
        if name is not None:
            frame = frame.with_columns(numbers_of(table, name, kind, users).alias(kind))
    if score is not None and (rank is None or by_score):
        keys = ["list", "score", *(["rank"] if rank is not None else []), "position"]
        frame = frame.sort(keys, descending=[key == "score" for key in keys])
    elif rank is not None:
        frame = frame.sort("list", "rank", "position")
        _check_ranks(table, frame)
        notes += _rank_notes(table, frame) if score is not None else []
    else:
        begins = np.flatnonzero(np.diff(frame["list"].to_numpy())) + 1
        again = begins[frame["list"].to_numpy()[begins] != begins]
        if len(again):
            _refuse_second_list(table, users, int(again[0]), ", or give their rows a rank or a score")
    order = frame["list"].to_numpy()
    first = np.flatnonzero(np.diff(order, prepend=-1))
    return GivenLists(frame["user"].gather(first), np.append(first, len(frame)), frame["item"], tuple(notes))


def numbers_of(table: Table, column: str, kind: str, users: pl.Series) -> pl.Series:
    """Return a column of ranks or scores, float64 [n]. Raises InputError for an empty or bad one."""
    numbers = table.numbers(column)
    if numbers.null_count():
        position = int(numbers.is_null().arg_true()[0])
        raise InputError(
            f'a {kind} of user "{users[position]}" is empty or NaN',
            where=table.location(position, column),
            hint="write a number, or leave that row out",
        )
    return numbers


def _check_ranks(table: Table, frame: pl.DataFrame) -> None:
    """Raise InputError unless the ranks of each list are 1, 2, 3, …; in all lists from 0 if one of them begins so."""
    ranks, lists = frame["rank"].to_numpy(), frame["list"].to_numpy()
    first = np.flatnonzero(np.diff(lists, prepend=-1))
    lowest = 0.0 if len(ranks) and ranks.min() == 0 else 1.0
    expected = np.arange(len(ranks)) - np.repeat(first, np.diff(np.append(first, len(ranks)))) + lowest
    wrong = np.flatnonzero(ranks != expected)
    if len(wrong):
        row = frame.row(int(wrong[0]), named=True)
        raise InputError(
            f'rank {row["rank"]:g} of user "{row["user"]}" comes where rank {expected[wrong[0]]:g} should be',
            where=table.location(row["position"]),
            hint="number each list 1, 2, 3, … without gaps, or say that there are no ranks: columns rank=-",
        )


def _rank_notes(table: Table, frame: pl.DataFrame) -> list[str]:
    ascending = (frame["score"].diff() > 0) & (frame["list"].diff() == 0)
    n = frame.filter(ascending)["list"].n_unique()
    if not n:
        return []
    return [f"{table.path.name}: the scores of {n:,} lists do not descend; the ranks decide about the order"]


def _refuse_second_list(table: Table, users: pl.Series, position: int, more: str = "") -> None:
    first = table.row(int((users == users[position]).arg_true()[0]))
    raise InputError(
        f'user "{users[position]}" is listed twice, first in row {first}',
        where=table.location(position),
        hint=f"keep one list per user{more}",
    )


def refuse_second_item(table: Table, users: pl.Series, items: pl.Series, positions: NDArray[np.int64]) -> None:
    """Raise InputError if an item is twice in a list. positions: of the rows that have an item."""
    pairs = pl.DataFrame({"user": users, "item": items})[positions]
    second = (~pairs.select(pl.struct("user", "item").is_first_distinct()).to_series()).arg_true()
    if len(second):
        position = int(positions[int(second[0])])
        raise InputError(
            f'item "{items[position]}" is twice in the list of user "{users[position]}"',
            where=table.location(position),
            hint="keep the better rank only",
        )
