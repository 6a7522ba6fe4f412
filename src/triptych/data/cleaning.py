"""A log -> the interactions to learn from, saying what was left out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import polars as pl

from triptych.data.formats.log import Log
from triptych.data.vocabulary import Vocabulary
from triptych.errors import InputError, location

Nulls = Literal["error", "drop"]
UnknownItems = Literal["error", "drop", "keep"]


@dataclass(frozen=True)
class Cleaning:
    """What cleaning did, as counts of rows of the log (and of users and items where it says so)."""

    read: int
    without_id: int
    below_rating: int
    of_unknown_items: int
    duplicates: int
    conflicting_splits: int  # duplicates that stood in two parts of the split; they count for the earlier part
    below_core: int
    users_dropped: int
    items_dropped: int
    kept: int


def clean(
    log: Log,
    *,
    catalogue: Vocabulary | None = None,
    min_rating: float | None = None,
    nulls: Nulls = "error",
    unknown_items: UnknownItems = "error",
    k_core: int = 0,
) -> tuple[pl.DataFrame, Cleaning]:
    """Distinct (user_id, item_id) rows with their time and part, in the order of the log; and what was done.

    In this order: rows without an id, ratings below `min_rating`, items that are not in the catalogue, duplicates (the
    earliest is kept), users and items with fewer than `k_core` interactions, again and again until none is left.
    Raises InputError, with file and row, on what the options do not allow, and when nothing is left.
    """
    frame, read = log.frame, len(log.frame)
    frame = _with_ids(frame, log, nulls)
    without_id = read - len(frame)
    frame, below_rating = _rated(frame, log, min_rating)
    rated = frame.select("user_id", "item_id")
    frame, of_unknown = _of_catalogue(frame, log, catalogue, unknown_items)
    before = len(frame)
    frame, conflicting = _distinct(frame)
    duplicates = before - len(frame)
    before = len(frame)
    frame = core(frame, k_core) if k_core > 1 else frame
    if not len(frame):
        raise InputError(
            f"no interaction is left of {read} after cleaning",
            where=location(log.path),
            hint="loosen the cleaning options",
        )
    users, items = (_fewer(rated[column], frame[column]) for column in ("user_id", "item_id"))
    return frame, Cleaning(
        read=read,
        without_id=without_id,
        below_rating=below_rating,
        of_unknown_items=of_unknown,
        duplicates=duplicates,
        conflicting_splits=conflicting,
        below_core=before - len(frame),
        users_dropped=users,
        items_dropped=items,
        kept=len(frame),
    )


def _fewer(before: pl.Series, after: pl.Series) -> int:
    """How many distinct ids are gone; ids are counted only where rows are gone."""
    return before.n_unique() - after.n_unique() if len(after) < len(before) else 0


def core(frame: pl.DataFrame, k: int) -> pl.DataFrame:
    """The largest part of the log in which every user and every item has at least k rows."""
    while True:
        kept = frame.filter((pl.len().over("user_id") >= k) & (pl.len().over("item_id") >= k))
        if len(kept) == len(frame):
            return kept
        frame = kept


def _with_ids(frame: pl.DataFrame, log: Log, nulls: Nulls) -> pl.DataFrame:
    for column, noun in (("user_id", "user"), ("item_id", "item")):
        empty = frame.filter(pl.col(column).is_null())
        if len(empty) and nulls == "error":
            raise InputError(
                f"the {noun} id is empty ({len(empty)} such rows)",
                where=location(log.path, row=int(empty["row"][0])),
                hint="fill it in, or pass --nulls drop",
            )
    return frame.drop_nulls(["user_id", "item_id"])


def _rated(frame: pl.DataFrame, log: Log, min_rating: float | None) -> tuple[pl.DataFrame, int]:
    if min_rating is None:
        return frame, 0
    if not log.has("rating"):
        raise InputError(
            "a least rating is asked for, but there is no rating column",
            where=location(log.path),
            hint="name it with --rating-column, or leave --min-rating out",
        )
    kept = frame.filter(pl.col("rating") >= min_rating)
    return kept, len(frame) - len(kept)


def _of_catalogue(
    frame: pl.DataFrame, log: Log, catalogue: Vocabulary | None, unknown: UnknownItems
) -> tuple[pl.DataFrame, int]:
    if catalogue is None or unknown == "keep":
        return frame, 0
    known = frame["item_id"].is_in(catalogue.ids.implode())
    strange = frame.filter(~known)
    if len(strange) and unknown == "error":
        raise InputError(
            f'item "{strange["item_id"][0]}" is not in the item table ({len(strange)} such rows, '
            f"{strange['item_id'].n_unique()} such items)",
            where=location(log.path, row=int(strange["row"][0])),
            hint="add it there, or pass --unknown-items drop (or keep, as items without content)",
        )
    return frame.filter(known), len(strange)


def _distinct(frame: pl.DataFrame) -> tuple[pl.DataFrame, int]:
    """Of repeated pairs the earliest (by time, else by row), in the earliest part that any of them stands in."""
    pair = ["user_id", "item_id"]
    if not frame.select(pair).is_duplicated().any():  # as in most logs: nothing to sort and choose from
        return frame.sort("row"), 0
    conflicting = 0
    if "split" in frame.columns:
        conflicting = int(frame.group_by(pair).agg(pl.col("split").n_unique() > 1)["split"].sum())
        frame = frame.with_columns(pl.col("split").min().over(pair))
    by = ["time", "row"] if "time" in frame.columns else ["row"]
    kept = frame.sort(by, nulls_last=True).unique(pair, keep="first", maintain_order=True).sort("row")
    return kept, conflicting
