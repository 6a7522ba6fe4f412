"""Scores of pairs that are given by ids: in a frame, which gets a column of scores, or in two lists."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, get_args

import narwhals as nw
import numpy as np
import polars as pl
from numpy.typing import NDArray

from triptych.data.dataset import Dataset
from triptych.data.formats.frames import frame_as_polars, uuid_columns
from triptych.data.formats.tables import ITEM_IDS, USER_IDS, Table, usual_column
from triptych.data.ids import Ids, id_series
from triptych.data.vocabulary import Vocabulary
from triptych.errors import InputError, SettingsError, argument, did_you_mean, location, warn_of
from triptych.progress import Listener, ignore_progress
from triptych.ranking.pairs import pair_scores
from triptych.ranking.scorer import Scorer

UnknownPairs = Literal["raise", "nan"]
WHERE = "pairs"


def score_pairs(
    scorer: Scorer,
    dataset: Dataset,
    lacking: NDArray[np.bool_],
    pairs: Any,
    items: Ids | None,
    *,
    unknown: UnknownPairs,
    column: str,
    listener: Listener = ignore_progress,
) -> Any:
    """Return the scores of pairs; see `Recommender.score`. lacking: bool [n_users], the users who get popular items."""
    if unknown not in get_args(UnknownPairs):
        raise SettingsError(f'unknown choice "{unknown}"', hint=did_you_mean(unknown, get_args(UnknownPairs)))
    if items is not None:
        users, given_items = id_series(pairs, "user"), id_series(items)
        if len(users) != len(given_items):
            raise InputError(
                f"{len(users)} users and {len(given_items)} items",
                hint="give one item per user: a pair is a user and an item at the same position",
            )
        return _scores(scorer, dataset, lacking, (users, given_items), unknown, listener)
    frame = frame_as_polars(pairs, WHERE) if hasattr(pairs, "columns") else None
    if frame is None:
        raise InputError(
            f"cannot read pairs from a {type(pairs).__name__}",
            hint="give a pandas, polars or Arrow frame with columns user_id and item_id, or a list of users and one of "
            "items",
        )
    if column in frame.columns:
        raise InputError(f'has a column "{column}" already', where=WHERE, hint="name another `column` for the scores")
    table = Table(frame, Path(WHERE), 0, uuids=uuid_columns(pairs))
    ids = _ids(table, "user", USER_IDS, unknown), _ids(table, "item", ITEM_IDS, unknown)
    return _with_column(pairs, column, _scores(scorer, dataset, lacking, ids, unknown, listener))


def _scores(
    scorer: Scorer,
    dataset: Dataset,
    lacking: NDArray[np.bool_],
    ids: tuple[pl.Series, pl.Series],
    unknown: UnknownPairs,
    listener: Listener,
) -> NDArray[np.float32]:
    rows = tuple(_rows(*each, unknown) for each in zip((dataset.users, dataset.items), ids, strict=True))
    known = (rows[0] >= 0) & (rows[1] >= 0)
    users, items = rows[0][known], rows[1][known]
    found = np.empty(len(users), dtype=np.float32)
    popular = lacking[users]
    found[popular] = dataset.interactions.item_degrees[items[popular]]
    found[~popular] = pair_scores(scorer, users[~popular], items[~popular], listener)
    scores = np.full(len(known), np.nan, dtype=np.float32)
    scores[known] = found
    return scores


def _rows(vocabulary: Vocabulary, ids: pl.Series, unknown: UnknownPairs) -> NDArray[np.int64]:
    if unknown == "raise":
        return vocabulary.rows(ids)
    missing = ids.is_null()
    rows = np.full(len(ids), -1, dtype=np.int64)
    rows[~missing.to_numpy()] = vocabulary.find(ids.filter(~missing))
    return rows


def _ids(table: Table, noun: str, usual: tuple[str, ...], unknown: UnknownPairs) -> pl.Series:
    """Return the ids of the users or items of a frame, null where one is missing."""
    found = usual_column(table.frame.columns, usual)
    if found is None:
        article = "a" if noun == "user" else "an"
        raise table.no_column(f"{noun} ids", f"call {article} column {noun}_id")
    ids, notes = table.ids(found, noun)
    warn_of(notes)
    if unknown == "raise" and ids.null_count():
        row = int(ids.is_null().arg_true()[0])
        hint = f"fill it in, leave that row out, or pass {argument(unknown='nan')}"
        raise InputError(f"the {noun} id is empty", where=location(WHERE, row=row, column=found), hint=hint)
    return ids


def _with_column(native: Any, name: str, values: NDArray[np.float32]) -> Any:
    """Return a frame of the same library, and with the same index, with one more column."""
    if nw.dependencies.is_pandas_dataframe(native):
        return native.assign(**{name: values})
    if nw.dependencies.is_pyarrow_table(native):
        import pyarrow as pa

        return native.append_column(name, pa.array(values))
    frame = nw.from_native(native, eager_only=True)
    return frame.with_columns(nw.new_series(name, values, backend=frame.implementation)).to_native()
