"""Ratings as numbers: also truth values, and the words of thumbs."""

from __future__ import annotations

import polars as pl

from triptych.data.formats.tables import Table

WORDS = {
    **dict.fromkeys(("true", "yes", "y", "like", "liked", "likes", "thumbs up", "thumbs_up", "positive"), 1.0),
    **dict.fromkeys(("false", "no", "n", "dislike", "disliked", "thumbs down", "thumbs_down", "negative"), -1.0),
}


def read_ratings(table: Table, column: str) -> pl.Series:
    """Return a column of ratings as float64, null where it is empty; likes are 1 and dislikes −1. Raises InputError."""
    values = table.frame[table.require(column)]
    if values.dtype == pl.Boolean:
        return values.replace_strict({True: 1.0, False: -1.0}, return_dtype=pl.Float64)
    if values.dtype == pl.String:
        words = values.str.strip_chars().str.to_lowercase()
        known = words.filter(words != "").unique()
        if len(known) and known.is_in(list(WORDS)).all():
            return words.replace_strict(WORDS, default=None, return_dtype=pl.Float64)
    return table.numbers(column)
