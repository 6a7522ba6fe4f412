"""Histories of users that are given by ids: those of new users, and what happened since training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, get_args

import numpy as np
import polars as pl
from numpy.typing import NDArray

from triptych.data.ids import Ids, id_series
from triptych.data.interactions import Interactions
from triptych.data.vocabulary import Vocabulary
from triptych.errors import InputError, SettingsError, did_you_mean

UnknownItems = Literal["raise", "ignore"]


def history_rows(items: Vocabulary, ids: Ids, unknown_items: UnknownItems) -> NDArray[np.int64]:
    """int64 [n]: the rows of items, -1 for unknown ones if they are ignored. Raises UnknownIdError, SettingsError."""
    if unknown_items not in get_args(UnknownItems):
        hint = did_you_mean(unknown_items, get_args(UnknownItems))
        raise SettingsError(f'unknown choice "{unknown_items}"', hint=hint)
    return items.rows(ids) if unknown_items == "raise" else items.find(ids)


def read_histories(
    histories: Mapping[Any, Ids], items: Vocabulary, unknown_items: UnknownItems
) -> tuple[pl.Series, Interactions]:
    """Return the names of new users, String [n], and their known items by user number.

    Raises UnknownIdError; InputError that names the user whose history is no list of ids; SettingsError.
    """
    names, given = id_series(list(histories), "user"), [_history(*each) for each in histories.items()]
    rows = history_rows(items, [item for history in given for item in history], unknown_items)
    users = np.repeat(np.arange(len(names)), [len(history) for history in given])[rows >= 0]
    return names, Interactions.from_pairs(users, rows[rows >= 0], len(names), len(items))


def _history(name: object, items: Ids) -> list[str]:
    try:
        return id_series(items).to_list()
    except InputError as error:
        raise InputError(error.what, where=f"history of {name!r}", hint=error.hint) from None
