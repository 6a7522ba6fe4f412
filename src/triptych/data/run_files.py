"""Recommendation lists as runs, the files of information retrieval: TREC's lines, and the JSON of ranx and pytrec_eval.

These tools sort by score, each in its own way if scores are equal. So a score that is not below the one before it is
written a last digit lower: every tool then ranks as the list does.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

import numpy as np
import polars as pl
from numpy.typing import NDArray

from triptych.data.recommendations import Recommendations
from triptych.errors import InputError, location

TREC = (".trec", ".run", ".trec.gz", ".run.gz")  # `user Q0 item rank score tag` on each line
RUN_JSON = (".json", ".json.gz")  # {user: {item: score}}
TAG = "triptych"
LARGEST = np.float32(1e38)  # infinity is no number of JSON


def trec_pieces(chunks: Iterable[Recommendations]) -> Iterator[tuple[bytes, int]]:
    """Yield the lines of a TREC run, and their number, chunk by chunk. Raises InputError for an id with white space."""
    for chunk in chunks:
        frame = _rows(chunk)
        for noun, column in (("user", "user_id"), ("item", "item_id")):
            _require_no_space(frame[column], noun)
        lines = frame.select(pl.format("{} Q0 {} {} {} {}\n", "user_id", "item_id", "rank", "score", pl.lit(TAG)))
        yield "".join(lines.to_series().to_list()).encode(), len(frame)


def json_pieces(chunks: Iterable[Recommendations]) -> Iterator[tuple[bytes, int]]:
    """Yield the parts of one JSON object, user -> item -> score, and their numbers of items. Empty lists are left out.

    Each user stands on a line of its own.
    """
    begin = "{\n"
    for chunk in chunks:
        frame = _rows(chunk)
        users, items = (_quoted(frame[column]) for column in ("user_id", "item_id"))
        pairs = frame.select(user=users, pair=pl.format("{}: {}", pl.lit(items), "score"))
        lists = pairs.group_by("user", maintain_order=True).agg(pl.col("pair").str.join(", "))
        text = ",\n".join(f"{user}: {{{pair}}}" for user, pair in lists.iter_rows())
        if text:
            yield f"{begin}{text}".encode(), len(frame)
            begin = ",\n"
    yield ("{}\n" if begin == "{\n" else "\n}\n").encode(), 0


def descending(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return scores [n, k] of lists, where a score that is not below the one before it is the next lower number."""
    result = scores.copy()
    for rank in range(1, result.shape[1]):
        result[:, rank] = np.minimum(result[:, rank], np.nextafter(result[:, rank - 1], np.float32(-np.inf)))
    return result


def _rows(chunk: Recommendations) -> pl.DataFrame:
    scores = descending(np.clip(chunk.scores, -LARGEST, LARGEST))
    frame = Recommendations(chunk.user_ids, chunk.items, scores, chunk.catalogue).to_polars()
    return frame.with_columns(pl.col("item_id", "score").cast(pl.String))


def _quoted(ids: pl.Series) -> pl.Series:
    distinct = ids.unique()
    texts = pl.Series([json.dumps(each, ensure_ascii=False) for each in distinct.to_list()], dtype=pl.String)
    return ids.replace_strict(distinct, texts, return_dtype=pl.String)


def _require_no_space(ids: pl.Series, noun: str) -> None:
    spaced = ids.filter(ids.str.contains(r"\s"))
    if len(spaced):
        raise InputError(
            "has white space, which separates the fields of a TREC run",
            where=location(f'{noun} "{spaced[0]}"'),
            hint="write .json, .parquet or .csv",
        )
