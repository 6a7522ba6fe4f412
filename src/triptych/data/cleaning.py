"""Clean a log into distinct interactions, and count what was dropped."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import polars as pl

from triptych.data.formats.log import Log
from triptych.data.ratings import NegativeRatings, rows_that_count
from triptych.data.split_codes import codes_of
from triptych.data.vocabulary import Vocabulary
from triptych.data.weights import Weighting, sum_of_repeated, weigh
from triptych.errors import InputError, argument, location

Nulls = Literal["error", "drop"]
UnknownItems = Literal["error", "drop", "keep"]
NO_WEIGHTING = Weighting()


@dataclass(frozen=True)
class Cleaning:
    """Counts of what cleaning dropped: rows of the log, then distinct users and items.

    conflicting_splits: pairs whose duplicate rows were in different splits; such a pair counts for the earlier split.
    users_dropped, items_dropped: ids that have rows after the rating filter, but none at the end.
    """

    rows_read: int
    rows_without_id: int
    rows_of_negative_ratings: int
    rows_without_rating: int
    rows_below_min_rating: int
    rows_of_weight_zero: int
    rows_of_unknown_items: int
    duplicate_rows: int
    conflicting_splits: int
    rows_below_k_core: int
    users_dropped: int
    items_dropped: int
    rows_kept: int


@dataclass(frozen=True)
class Cleaned:
    """The interactions of a log, the counts, what is known about ratings and weights, and notes; see `InputWarning`.

    repeats: all rows (user_id, item_id, time, weight) of pairs that come again, if they have weights and times.
    """

    frame: pl.DataFrame
    counts: Cleaning
    ratings: dict[str, Any]
    weights: dict[str, Any]
    notes: tuple[str, ...] = ()
    repeats: pl.DataFrame | None = None


def clean(
    log: Log,
    *,
    catalogue: Vocabulary | None = None,
    min_rating: float | None = None,
    negative_ratings: NegativeRatings = "drop",
    weighting: Weighting = NO_WEIGHTING,
    nulls: Nulls = "error",
    unknown_items: UnknownItems = "error",
    k_core: int = 0,
    split_rows: Callable[[pl.DataFrame], pl.Series] | None = None,
) -> Cleaned:
    """Return distinct (user_id, item_id) rows with time, weight and split, in the order of the log, and the counts.

    The steps, in this order: drop rows without an id; drop ratings that do not count (`data/ratings.py`); weigh the
    rows (`data/weights.py`) and drop those of weight 0; drop items that are not in the catalogue; keep the earliest of
    duplicate rows; drop users and items with fewer than `k_core` interactions, and repeat until none is left to drop.
    split_rows: returns the split of each row, for logs where the same pair in several splits is kept in each. Then the
    k-core comes before it, and before duplicates are dropped. Raises InputError, with file and row, for rows that the
    options do not allow, and if no row is left.
    """
    frame = _drop_missing_ids(log.frame, log, nulls)
    with_ids = len(frame)
    counting = rows_that_count(frame, log, min_rating, negative_ratings)
    weighed = weigh(counting.frame, log, weighting)
    frame = weighed.frame
    rated = frame.select("user_id", "item_id")
    frame = _drop_unknown_items(frame, log, catalogue, unknown_items)
    of_known_items = len(frame)
    if split_rows is not None:
        if k_core > 1:
            core = k_core_of(frame.unique(["user_id", "item_id"]), k_core)
            frame = frame.join(core, on=["user_id", "item_id"], how="semi", maintain_order="left")
        frame = frame.with_columns(split=split_rows(frame).cast(pl.Int8))
    below_k_core = of_known_items - len(frame)
    repeats = _weighed_repeats(frame)
    frame, conflicting_splits = _drop_duplicates(frame)
    distinct = len(frame)
    if k_core > 1:
        frame = k_core_of(frame, k_core)
    if not len(frame):
        raise InputError(
            f"no interaction is left of {len(log.frame)} after cleaning",
            where=location(log.path),
            hint="loosen the cleaning options",
        )
    users_dropped, items_dropped = (_n_lost(rated[column], frame[column]) for column in ("user_id", "item_id"))
    counts = Cleaning(
        rows_read=len(log.frame),
        rows_without_id=len(log.frame) - with_ids,
        rows_of_negative_ratings=counting.negative,
        rows_without_rating=counting.without,
        rows_below_min_rating=counting.below,
        rows_of_weight_zero=weighed.dropped,
        rows_of_unknown_items=len(rated) - of_known_items,
        duplicate_rows=of_known_items - below_k_core - distinct,
        conflicting_splits=conflicting_splits,
        rows_below_k_core=below_k_core + distinct - len(frame),
        users_dropped=users_dropped,
        items_dropped=items_dropped,
        rows_kept=len(frame),
    )
    return Cleaned(frame, counts, counting.about, weighed.about, (*counting.notes, *weighed.notes), repeats)


def k_core_of(frame: pl.DataFrame, k: int) -> pl.DataFrame:
    """Return the largest subset of the rows in which every user and every item has at least k rows."""
    while True:
        kept = frame.filter((pl.len().over("user_id") >= k) & (pl.len().over("item_id") >= k))
        if len(kept) == len(frame):
            return kept
        frame = kept


def _n_lost(before: pl.Series, after: pl.Series) -> int:
    """Return how many distinct ids are gone. Ids are counted only if rows are gone, to save time."""
    return before.n_unique() - after.n_unique() if len(after) < len(before) else 0


def _drop_missing_ids(frame: pl.DataFrame, log: Log, nulls: Nulls) -> pl.DataFrame:
    for column, noun in (("user_id", "user"), ("item_id", "item")):
        empty = frame.filter(pl.col(column).is_null())
        if len(empty) and nulls == "error":
            raise InputError(
                f"the {noun} id is empty ({len(empty)} such rows)",
                where=log.location(int(empty["row"][0])),
                hint=f"fill it in, or pass {argument(nulls='drop')}",
            )
    return frame.drop_nulls(["user_id", "item_id"])


def _drop_unknown_items(
    frame: pl.DataFrame, log: Log, catalogue: Vocabulary | None, unknown_items: UnknownItems
) -> pl.DataFrame:
    if catalogue is None or unknown_items == "keep":
        return frame
    is_known = frame["item_id"].is_in(catalogue.ids.implode())
    unknown = frame.filter(~is_known)
    if len(unknown) and unknown_items == "error":
        raise InputError(
            f'item "{unknown["item_id"][0]}" is not in the item table ({len(unknown)} such rows, '
            f"{unknown['item_id'].n_unique()} such items)",
            where=log.location(int(unknown["row"][0])),
            hint=f"add it there, or pass {argument(unknown_items='drop')} (or keep, as items without content)",
        )
    return frame.filter(is_known)


def _weighed_repeats(frame: pl.DataFrame) -> pl.DataFrame | None:
    if not {"time", "weight"} <= set(frame.columns):
        return None
    repeats = frame.select("user_id", "item_id", "time", "weight")
    return repeats.filter(pl.struct("user_id", "item_id").is_duplicated())


def _drop_duplicates(frame: pl.DataFrame) -> tuple[pl.DataFrame, int]:
    """Keep the earliest row of each pair (by time, else by row). Its split becomes the code of all splits of the pair.

    Of a pair in several splits, only the rows of the first split count: what came later must not enter the training.
    Returns the rows, and the number of pairs whose duplicates were in different splits.
    """
    pair = ["user_id", "item_id"]
    if not frame.select(pair).is_duplicated().any():  # true of most logs; saves the sort
        return frame.sort("row"), 0
    conflicting = 0
    if "split" in frame.columns:
        splits = frame.select(*pair, "split").unique().filter(pl.struct(pair).is_duplicated())
        conflicting = splits.select(pair).n_unique()
    if conflicting:
        several = splits.group_by(pair).agg(
            first=pl.col("split").min(), bits=(2 ** pl.col("split").cast(pl.Int64)).sum()
        )
        several = several.with_columns(code=pl.Series(codes_of(several["bits"].to_numpy()))).drop("bits")
        frame = frame.join(several, on=pair, how="left", maintain_order="left")
        frame = frame.filter(pl.col("first").is_null() | (pl.col("split") == pl.col("first")))
        frame = frame.with_columns(split=pl.coalesce("code", "split")).drop("first", "code")
    frame = sum_of_repeated(frame)
    by = ["time", "row"] if "time" in frame.columns else ["row"]
    kept = frame.sort(by, nulls_last=True).unique(pair, keep="first", maintain_order=True).sort("row")
    return kept, conflicting
