"""Ids in Python are what they are in files: whole numbers are text, and one id is no list of ids."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

import triptych
from triptych.errors import InputError
from triptych.preparing import dataset_from_frames


def test_integers_are_ids_in_python() -> None:
    log = pd.DataFrame({"userId": np.repeat(np.arange(1, 31), 5), "movieId": np.arange(150) * 7 % 25 + 100})
    dataset = dataset_from_frames(log.drop_duplicates())
    model = triptych.fit("item-knn", triptych.split(dataset, "ratio"))
    by_text = model.recommend(["1", "2"], k=3).to_polars()
    requests: list[Any] = [[1, 2], np.array([1, 2]), pd.Series([1, 2]), pl.Series([1, 2]), [1.0, np.int64(2)], (1, "2")]
    for users in requests:
        assert model.recommend(users, k=3).to_polars().equals(by_text)
    assert model.similar_items(100, k=2).equals(model.similar_items("100", k=2))
    assert model.recommend_from_history({7: [100, 101]}, k=2).to_polars()["user_id"].to_list() == [7, 7]
    assert triptych.explain(model, 1, 100).item == "100"


def test_one_id_in_place_of_a_list_is_refused_in_python() -> None:
    log = pd.DataFrame({"user": ["u", "u", "v", "v"], "item": ["1", "0", "1", "0"]})
    model = triptych.fit("popularity", triptych.split(dataset_from_frames(log), "ratio"))
    calls: tuple[Callable[[], Any], ...] = (
        lambda: model.recommend("u", k=1),
        lambda: model.recommend(1, k=1),  # type: ignore[arg-type]
        lambda: model.recommend_from_history({"new": "10"}, k=1),
    )
    for call in calls:
        with pytest.raises(InputError, match=r"one (user|item) id, not a list of ids"):
            call()
    for bad in (None, float("nan"), True, 1.5, ["a"]):
        with pytest.raises(InputError, match="is not a user id"):
            model.recommend([bad], k=1)  # type: ignore[list-item]
