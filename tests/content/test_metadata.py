"""Metadata features are computed by a fitted encoder; stored as JSON, it encodes new items in the same way."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from triptych.content.metadata import MAX_VALUES, MetadataColumns, encode_metadata, fit_metadata
from triptych.data.features import Features
from triptych.data.formats.tables import Table
from triptych.errors import InputError

COLUMNS = MetadataColumns(categorical=("brand",), multi={"genres": "|"}, numeric=("price",))


def table(**columns: list[Any]) -> Table:
    schema = {"brand": pl.String, "genres": pl.String, "price": pl.Float64}
    return Table(pl.DataFrame(columns, schema_overrides={name: schema[name] for name in columns}), Path("items.csv"), 2)


ITEMS = table(
    brand=["acme", "acme", "best", None, "best", "solo", None],
    genres=["drama|war", " war | comedy ", "comedy", None, "drama||drama", "drama", "unique"],
    price=[1.0, 2.0, None, None, 4.0, 5.0, None],
)


def fitted(items: Table, columns: MetadataColumns) -> Features:
    return fit_metadata(items, columns)[0]


def encoder_of(features: Features) -> dict[str, Any]:
    """The encoder after it was written to JSON and read again."""
    return dict(json.loads(json.dumps(features.encoder, allow_nan=False)))


def test_each_shared_value_and_each_number_gets_features() -> None:
    features = fitted(ITEMS, COLUMNS)
    brand = [[1, 0], [1, 0], [0, 1], [0, 0], [0, 1], [0, 0], [0, 0]]
    genres = [[0, 1, 1], [1, 0, 1], [1, 0, 0], [0, 0, 0], [0, 1, 0], [0, 1, 0], [0, 0, 0]]
    np.testing.assert_array_equal(features.table[:, :2], brand)
    np.testing.assert_array_equal(features.table[:, 2:5], genres)
    known = np.array([1.0, 2.0, 4.0, 5.0])
    scaled = (known - known.mean()) / known.std()
    np.testing.assert_allclose(features.table[[0, 1, 4, 5], 5], scaled, rtol=1e-6)
    np.testing.assert_array_equal(features.table[[2, 3, 6], 5], 0)
    np.testing.assert_array_equal(features.table[:, 6], [1, 1, 0, 0, 1, 1, 0])
    assert features.table.dtype == np.float32
    assert features.provenance["columns"] == ["brand", "genres", "price"]


def test_an_item_without_a_value_that_has_a_feature_lacks_the_modality() -> None:
    assert fitted(ITEMS, COLUMNS).present.tolist() == [True, True, True, False, True, True, False]


VALUE = st.none() | st.sampled_from(["a", "b", "c", "ä|b", "a|c|a", "", " a "])
ROW = st.tuples(VALUE, VALUE, st.none() | st.floats(-1e6, 1e6))


@given(st.lists(ROW, min_size=1, max_size=12))
def test_the_encoder_computes_the_same_rows_after_a_round_trip_through_json(rows: list[tuple[Any, Any, Any]]) -> None:
    items = [*rows, ("a", "a|b", 1.0), ("a", "a|b", 2.0)]
    given_table = table(
        **{name: [row[side] for row in items] for side, name in enumerate(("brand", "genres", "price"))}
    )
    features = fitted(given_table, COLUMNS)
    encoded, present = encode_metadata(encoder_of(features), given_table)
    np.testing.assert_array_equal(encoded, features.table)
    np.testing.assert_array_equal(present, features.present)
    assert np.isfinite(features.table).all()


def test_an_item_is_encoded_alone_as_together_with_others() -> None:
    features = fitted(ITEMS, COLUMNS)
    for row in range(len(ITEMS.frame)):
        alone, present = encode_metadata(encoder_of(features), Table(ITEMS.frame[row : row + 1], Path("new.csv")))
        np.testing.assert_array_equal(alone[0], features.table[row])
        assert present[0] == features.present[row]


def test_a_value_that_the_encoder_never_saw_counts_as_missing() -> None:
    new = table(brand=["never", "acme"], genres=["never|war", "never"], price=[None, 3.0])
    rows, present = encode_metadata(encoder_of(fitted(ITEMS, COLUMNS)), new)
    np.testing.assert_array_equal(rows, [[0, 0, 0, 0, 1, 0, 0], [1, 0, 0, 0, 0, 0, 1]])
    assert present.tolist() == [True, True]


def test_the_separator_of_multi_valued_columns_is_used() -> None:
    items = table(genres=["a, b", "b,a", "a|b"])
    features = fitted(items, MetadataColumns(multi={"genres": ","}))
    np.testing.assert_array_equal(features.table, [[1, 1], [1, 1], [0, 0]])


def test_a_constant_number_is_scaled_without_a_division_by_zero() -> None:
    features = fitted(table(price=[3.0, 3.0, None]), MetadataColumns(numeric=("price",)))
    np.testing.assert_array_equal(features.table, [[0, 1], [0, 1], [0, 0]])
    assert features.present.tolist() == [True, True, False]


def test_whole_numbers_can_be_categories() -> None:
    items = Table(pl.DataFrame({"aisle": [7, 7, 12, None]}), Path("items.parquet"))
    features = fitted(items, MetadataColumns(categorical=("aisle",)))
    np.testing.assert_array_equal(features.table, [[1], [1], [0], [0]])


def test_only_the_most_frequent_of_very_many_values_get_a_feature() -> None:
    values = [f"v{row:04}" for row in range(MAX_VALUES + 50) for _ in range(2)]
    values.append(values[-1])
    features = fitted(table(brand=values), MetadataColumns(categorical=("brand",)))
    assert features.width == MAX_VALUES
    assert features.encoder is not None
    assert values[-1] in features.encoder["parts"][0]["values"]


def test_columns_that_cannot_be_encoded_are_refused() -> None:
    for columns, message in (
        (MetadataColumns(categorical=("brnd",)), 'did you mean "brand"'),
        (MetadataColumns(numeric=("brand",)), '"acme" is not a number'),
    ):
        with pytest.raises(InputError, match=message):
            fitted(ITEMS, columns)
    with pytest.raises(InputError, match='no column "price"'):
        encode_metadata(encoder_of(fitted(ITEMS, COLUMNS)), table(brand=["acme"], genres=["war"]))
    assert not MetadataColumns()
