"""Which ratings count as interactions: a minimum, and what says no is left out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import polars as pl

from triptych.data.formats.log import Log
from triptych.errors import InputError, argument, location

NegativeRatings = Literal["drop", "keep"]
SHARES = (0.6, 0.8)  # of the highest rating: the minimums whose effect is reported, 3 and 4 of 5


@dataclass(frozen=True)
class RatedRows:
    """The rows whose ratings count, and how many do not.

    negative: dislikes that were left out. without: rows without a rating that were left out because of a minimum.
    below: rows below the minimum. about: the range of the ratings, and what minimums would leave out, in plain values.
    """

    frame: pl.DataFrame
    negative: int = 0
    without: int = 0
    below: int = 0
    about: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def rows_that_count(
    frame: pl.DataFrame, log: Log, min_rating: float | None, negative_ratings: NegativeRatings
) -> RatedRows:
    """Return the rows of a log whose ratings count as interactions.

    Negative ratings, as far as they are below `min_rating` or there is none, say no: those below 0, and 0 too if no
    rating is above 1 (labels 0 and 1, or −1, 0 and 1). Raises InputError if a minimum is given without ratings.
    """
    if "rating" not in frame.columns:
        if min_rating is None:
            return RatedRows(frame)
        raise InputError(
            "a minimum rating is given, but there is no rating column",
            where=location(log.path),
            hint="name it with `rating_column`, or leave `min_rating` out",
        )
    ratings = frame["rating"]
    if min_rating is not None:
        kept = frame.filter(pl.col("rating") >= min_rating)
        without = ratings.null_count()
        return RatedRows(kept, 0, without, len(frame) - len(kept) - without, _about(ratings))
    known = ratings.drop_nulls()
    if not len(known):
        return RatedRows(frame)
    low, high = float(known.min()), float(known.max())  # type: ignore[arg-type]
    says_no = (ratings <= 0) if low <= 0 < high <= 1 else (ratings < 0)
    says_no = says_no.fill_null(value=False)
    negative = int(says_no.sum())
    if not negative or negative_ratings == "keep" or negative == len(frame):
        return RatedRows(frame, about=_about(ratings))
    kept = frame.filter(~says_no)
    least = "0 or less" if low <= 0 < high <= 1 and (known == 0).any() else "less than 0"
    note = (
        f"{log.path.name}: {negative:,} rows with a rating of {least} are left out, because it says no (ratings are "
        f"{low:g} to {high:g}); {argument(negative_ratings='keep')} counts them"
    )
    return RatedRows(kept, negative, about=_about(kept["rating"]), notes=(note,))


def _about(ratings: pl.Series) -> dict[str, Any]:
    """Return the range of ratings, the number of rows without one, and how many rows some minimums would leave out."""
    known = ratings.drop_nulls()
    if not len(known):
        return {}
    low, high = float(known.min()), float(known.max())  # type: ignore[arg-type]
    values = known.unique().sort()
    minimums = {}
    for share in SHARES:
        above = values.filter(values >= share * high)
        if high > 0 and len(above) and above[0] > low:
            minimums[f"{above[0]:g}"] = int((known < above[0]).sum())
    return {"lowest": low, "highest": high, "missing": ratings.null_count(), "dropped_by_minimum": minimums}
