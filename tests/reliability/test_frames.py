"""Rows of features in memory belong to the ids that come with them: an index or a column of ids, never the position."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch

import triptych
from triptych.errors import InputError, TriptychError

N = 12
IDS = [f"item {n}" for n in range(N)]
VALUES = np.arange(1, N * 3 + 1, dtype=np.float32).reshape(N, 3)
LOG = pl.DataFrame({"user_id": [f"u{n % 4}" for n in range(3 * N)], "item_id": [IDS[n % N] for n in range(3 * N)]})
ITEMS = pl.DataFrame({"item_id": IDS, "title": IDS})
ORDER = np.random.default_rng(1).permutation(N)
SHUFFLED = [IDS[n] for n in ORDER]


def table_of(features: Any, ids: list[str] | None = None) -> np.ndarray[Any, Any]:
    """The aligned feature table, in the order of the items."""
    items = ITEMS if ids is None else pl.DataFrame({"item_id": ids})
    dataset = triptych.dataset_from_frames(LOG, items=items, features={"image": features})
    return np.where(dataset.features["image"].present[:, None], dataset.features["image"].table, np.nan)


def pandas(values: np.ndarray[Any, Any] = VALUES, **options: Any) -> pd.DataFrame:
    return pd.DataFrame(values.copy(), **options)


ALIGNED: dict[str, Callable[[], Any]] = {
    "an index of ids": lambda: pandas(VALUES[ORDER], index=SHUFFLED),
    "a named index": lambda: pandas(VALUES[ORDER], index=pd.Index(SHUFFLED, name="item_id")),
    "a column of ids": lambda: pandas(VALUES[ORDER]).assign(item_id=SHUFFLED),
    "nullable floats": lambda: pandas(VALUES[ORDER], index=SHUFFLED).astype("Float32"),
    "a polars column of ids": lambda: pl.DataFrame(VALUES[ORDER]).with_columns(item=pl.Series(SHUFFLED)),
    "a polars column of lists": lambda: pl.DataFrame({"id": SHUFFLED, "vector": VALUES[ORDER].tolist()}),
    "an Arrow table": lambda: pl.DataFrame(VALUES[ORDER]).with_columns(item=pl.Series(SHUFFLED)).to_arrow(),
    "ids and a matrix": lambda: (SHUFFLED, VALUES[ORDER]),
    "ids as a Series, and a tensor": lambda: (pd.Series(SHUFFLED), torch.from_numpy(VALUES[ORDER])),
    "ids and a frame of the same ids": lambda: (SHUFFLED, pandas(VALUES[ORDER], index=SHUFFLED)),
    "the order of the items": lambda: VALUES,
    "an index that pandas made": lambda: pandas(),
    "a polars frame of floats": lambda: pl.DataFrame(VALUES),
    "a tensor with a gradient": lambda: torch.from_numpy(VALUES.copy()).requires_grad_(),
    "a tensor of bfloat16": lambda: torch.from_numpy(VALUES).bfloat16(),
    "lists": lambda: VALUES.astype(float).tolist(),
}


@pytest.mark.parametrize("name", ALIGNED)
def test_every_item_gets_its_own_vector(name: str) -> None:
    np.testing.assert_array_equal(table_of(ALIGNED[name]()), VALUES)


def test_an_index_of_numbers_is_of_ids_too() -> None:
    log = LOG.with_columns(item_id=pl.col("item_id").str.extract(r"(\d+)").cast(pl.Int64))
    items = pl.DataFrame({"item_id": list(range(N))})
    for index in (pd.Index(ORDER), pd.Index(ORDER.astype(float))):
        features = {"image": pandas(VALUES[ORDER], index=index)}
        dataset = triptych.dataset_from_frames(log, items=items, features=features)
        np.testing.assert_array_equal(dataset.features["image"].table, VALUES)


def test_items_without_a_row_lack_the_modality() -> None:
    table = table_of(pandas(VALUES[ORDER], index=SHUFFLED).iloc[:7])
    np.testing.assert_array_equal(table[ORDER[:7]], VALUES[ORDER[:7]])
    assert np.isnan(table[ORDER[7:]]).all()


REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "the index of shuffled rows": (lambda: pandas().sample(frac=1, random_state=1), 'item "[0-9]+" is in neither'),
    "a part of the rows": (lambda: pandas().iloc[3:], 'item "3" is in neither'),
    "unknown ids": (lambda: pandas(index=[*IDS[1:], "other"]), 'item "other" is in neither'),
    "repeated ids": (lambda: pandas(index=[IDS[1], *IDS[1:]]), 'item id "item 1" appears twice'),
    "missing ids": (lambda: pandas(index=[None, *IDS[1:]]), "item id is empty"),
    "an index of several levels": (lambda: pandas(index=[IDS, IDS]), "several levels"),
    "an index and a column of ids": (lambda: pandas(index=IDS).assign(item=IDS), "may both be item ids"),
    "two columns of one name": (lambda: pandas(columns=["a", "a", "b"]), 'names a column twice: "a"'),
    "other ids than the index": (lambda: (IDS, pandas(index=SHUFFLED)), "not those of the frame"),
    "too few ids": (lambda: (IDS[1:], VALUES), "11 ids for 12 rows"),
    "too few rows": (lambda: VALUES[1:], "has 11 rows, but there are 12 items"),
    "too few rows of a frame": (lambda: pl.DataFrame(VALUES[1:]), "has 11 rows, but there are 12 items"),
    "missing ids of a matrix": (lambda: ([None, *IDS[1:]], VALUES), "item id is empty"),
    "masked values": (lambda: np.ma.masked_less(VALUES, 3), "has masked values"),
    "text": (lambda: VALUES.astype(str), "not numbers"),
    "objects": (lambda: VALUES.astype(object), "not numbers"),
    "rows of different lengths": (lambda: [[1.0], [1.0, 2.0]], "cannot be read"),
    "rows of different lengths in a frame": (
        lambda: pl.DataFrame({"id": IDS, "vector": [[1.0] * (1 + n % 2) for n in range(N)]}),
        "2 values where the first row has 1",
    ),
    "a missing number": (lambda: pandas(np.where(VALUES == 4, np.nan, VALUES), index=IDS), "NaN in the features"),
    "nothing": (lambda: None, "must be a matrix"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_features_that_cannot_be_aligned_are_refused_with_their_name(name: str) -> None:
    make, message = REFUSED[name]
    with pytest.raises(InputError, match=message) as caught:
        table_of(make())
    assert "features['image']" in str(caught.value.where)
    assert caught.value.hint


def test_an_index_of_an_item_table_is_a_column_if_it_has_a_name() -> None:
    items = pd.DataFrame({"title": SHUFFLED}, index=pd.Index(SHUFFLED, name="item_id"))
    dataset = triptych.dataset_from_frames(LOG, items=items, features={"image": VALUES[ORDER]})
    assert dataset.item_table is not None
    assert dataset.items.ids.to_list() == dataset.item_table["title"].to_list() == SHUFFLED
    with pytest.raises(TriptychError):
        triptych.dataset_from_frames(LOG, items=items.rename_axis(None))
