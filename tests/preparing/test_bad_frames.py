"""Broken frames are refused like broken files."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest

from triptych.errors import InputError
from triptych.preparing import dataset_from_frames

FRAME = pl.DataFrame({"user_id": ["u1", "u1", "u2"], "item_id": ["a", "b", "a"], "rating": [5.0, 4.0, 3.0]})


@pytest.mark.parametrize(
    ("frame", "arguments", "message", "where", "hint"),
    [
        ([("u1", "a")], {}, "cannot read a list", "interactions", "give a pandas, polars or Arrow frame"),
        (FRAME.clear(), {}, "has no rows", "interactions", "at least one row"),
        (FRAME.rename({"user_id": "who"}), {}, "looks like user ids", "interactions", "`user_column`"),
        (
            FRAME.with_columns(user_id=pl.Series([1.0, 1.5, 2.0])),
            {},
            "1.5 is not an id",
            'interactions, row 1, column "user_id"',
            "as text",
        ),
        (
            FRAME.with_columns(item_id=pl.Series(["a", None, "b"])),
            {},
            "item id is empty",
            "interactions, row 1",
            '`nulls="drop"`',
        ),
        (FRAME, {"items": "items.csv"}, "cannot read a str", "items", "give a pandas"),
        (
            FRAME,
            {"items": pl.DataFrame({"item_id": ["a", "b", "a"], "year": [1, 2, 3]})},
            "appears twice",
            'items, row 2, column "item_id"',
            "one row per item",
        ),
        (
            FRAME,
            {"features": {"image": (["a", "b"], np.array([[1.0], [np.nan]]))}},
            "NaN in",
            "features['image'], row 1, column \"0\"",
            "encode that item again",
        ),
        (
            FRAME,
            {"features": {"image": (["a", "z"], np.ones((2, 1)))}},
            'item "z" is in neither',
            "features['image'], row 1",
            '`unknown_items="drop"`',
        ),
        (
            FRAME,
            {"features": {"image": (["a", "a"], np.ones((2, 1)))}},
            '"a" appears twice',
            "features['image'], row 1",
            "",
        ),
        (FRAME, {"features": {"image": (["a"], np.ones((2, 1)))}}, "1 ids for 2 rows", "features['image']", "one id"),
        (FRAME, {"features": {"image": np.ones((2, 1), complex)}}, "not numbers", "features['image']", "float16"),
        (FRAME, {"features": {"image": np.ones((2, 1))}}, "no item ids", "features['image']", "item table"),
    ],
)
def test_a_broken_frame_is_refused_with_its_row_and_a_hint(
    frame: Any, arguments: dict[str, Any], message: str, where: str, hint: str
) -> None:
    with pytest.raises(InputError) as caught:
        dataset_from_frames(frame, **arguments)
    assert message in caught.value.what
    assert caught.value.where == where
    assert caught.value.hint is not None
    assert hint in caught.value.hint
