"""Scores of pairs that were made elsewhere: tables of user, item and score, or runs; see `given_lists.py`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from triptych.data.formats.given_lists import (
    ListForm,
    column_of_kind,
    numbers_of,
    open_lists,
    refuse_second_item,
)
from triptych.data.formats.reading import GUESS, Reading


@dataclass(frozen=True)
class ScoredPairs:
    """Distinct pairs of ids, String [n] each, with their scores, float64 [n]. name: of the file; notes: on reading."""

    users: pl.Series
    items: pl.Series
    scores: pl.Series
    name: str
    notes: tuple[str, ...] = ()


def read_scores(source: Any, form: ListForm = ListForm(), reading: Reading = GUESS) -> ScoredPairs:
    """Read scores from a file, a frame of pandas, polars or Arrow, or user -> item -> score.

    Raises InputError, with the row, for a pair that is there twice, a score that is not a number, or an empty id.
    """
    table, _ = open_lists(source, reading, name="scores")
    found = {kind: column_of_kind(table, kind, form) for kind in ("user", "item", "score")}
    missing = [kind for kind, name in found.items() if name is None]
    if missing:
        names = {"user": "user ids", "item": "item ids", "score": "scores"}
        raise table.no_column(names[missing[0]], "name them by columns: user=NAME,item=NAME,score=NAME")
    users, user_notes = table.required_ids(str(found["user"]), "user")
    items, item_notes = table.required_ids(str(found["item"]), "item")
    refuse_second_item(table, users, items, np.arange(len(users)))
    scores = numbers_of(table, str(found["score"]), "score", users)
    return ScoredPairs(users, items, scores, table.path.name, (*table.notes, *user_notes, *item_notes))
