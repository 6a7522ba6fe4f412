"""Interactions are weighed by a column, by event types and by age; what is left out is counted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import triptych
from preparing.small import cleaning, write_text
from triptych.data.dataset import Dataset, open_dataset
from triptych.errors import ArtefactError, InputError, InputWarning, SettingsError
from triptych.preparing import PrepareSettings, dataset_from_frames, prepare

DAY = 86_400
LOG = pl.DataFrame(
    {
        "user": ["u", "u", "u", "v", "v"],
        "item": ["a", "b", "a", "a", "c"],
        "event": ["view", "buy", "buy", "view", "cart"],
        "count": [1.0, 3.0, 2.0, 0.0, 7.0],
        "time": [0.0, 10.0 * DAY, 20.0 * DAY, 20.0 * DAY, 20.0 * DAY],
    }
)


def weights(dataset: Dataset) -> dict[tuple[str, str], float]:
    assert dataset.weights is not None
    users = dataset.users.names(dataset.interactions.users)
    items = dataset.items.names(dataset.interactions.items)
    return dict(zip(zip(users, items, strict=True), map(float, dataset.weights), strict=True))


def prepared(frame: pl.DataFrame = LOG, **settings: Any) -> Dataset:
    return dataset_from_frames(frame, settings=PrepareSettings(**settings))


def test_event_types_have_their_weights_and_repeated_pairs_are_summed() -> None:
    dataset = prepared(weights="buy=5,view=1,cart=2")
    assert weights(dataset) == {("u", "a"): 6, ("u", "b"): 5, ("v", "a"): 1, ("v", "c"): 2}
    assert dataset.about["weights"]["events"]["buy"] == {"rows": 2, "weight": 5.0}


def test_a_type_of_weight_0_is_left_out_and_counted() -> None:
    with pytest.warns(InputWarning, match="1 rows of weight 0 are left out"):
        dataset = prepared(weights="buy=5,view=1,other=0")
    assert set(weights(dataset)) == {("u", "a"), ("u", "b"), ("v", "a")}
    assert cleaning(dataset)["rows_of_weight_zero"] == 1


def test_event_types_without_weights_count_the_same_and_are_said() -> None:
    with pytest.warns(InputWarning, match="the event types count the same: buy 2, view 2, cart 1"):
        dataset = prepared(LOG.sort("event", "user"))
    assert dataset.weights is None
    assert prepared(event_column="-").weights is None


def test_a_column_of_event_types_is_not_guessed_if_it_has_too_many_values() -> None:
    names = [f"e{n}" for n in range(60)]
    frame = pl.DataFrame({"user": ["u"] * 60, "item": names, "event": names})
    assert dataset_from_frames(frame).about["columns"]["unused"] == ["event"]


def test_a_column_of_counts_is_the_weight_also_by_its_logarithm() -> None:
    settings: dict[str, Any] = {"weight_column": "count", "event_column": "-"}
    with pytest.warns(InputWarning, match="1 rows of weight 0"):
        assert weights(prepared(**settings)) == {("u", "a"): 3, ("u", "b"): 3, ("v", "c"): 7}
    with pytest.warns(InputWarning, match="1 rows of weight 0"):
        dataset = prepared(**settings, weight_transform="log")
    assert weights(dataset)["v", "c"] == pytest.approx(np.log(8))


def test_an_interaction_counts_half_after_the_half_life() -> None:
    dataset = prepared(half_life="10d", event_column="-")
    assert weights(dataset) == pytest.approx({("u", "a"): 1.25, ("u", "b"): 0.5, ("v", "a"): 1, ("v", "c"): 1})


def test_a_half_life_in_another_unit_than_the_times_is_said() -> None:
    days = LOG.with_columns(pl.col("time") / DAY)
    with pytest.warns(InputWarning, match="all times are within 20 seconds, so the half-life of 864000 seconds"):
        prepared(days, half_life="10d", event_column="-")
    with pytest.warns(InputWarning, match="2 of 5 rows are older than 30 half-lives"):
        prepared(half_life="1h", event_column="-")


def test_the_training_data_have_weights_of_mean_1() -> None:
    dataset = prepared(pl.concat([LOG, LOG.with_columns(pl.col("user") + "2")]), weights="buy=5,view=1,cart=2")
    train = triptych.split(dataset, "leave-one-out").train
    assert train.weights is not None
    assert train.weights.mean() == pytest.approx(1)
    assert len(train.weights) == len(train.interactions)


REPEATED = pl.DataFrame(
    [(f"u{k}", f"i{(k + j) % 7}", DAY * (10.0 * j + k)) for k in range(10) for j in range(4)]
    + [("u0", "i0", 1.0 * DAY), ("u0", "i0", 50.0 * DAY), ("u0", "i0", 50.0 * DAY)],
    schema=["user", "item", "time"],
    orient="row",
).with_columns(count=pl.lit(1.0))


@pytest.mark.parametrize("how", ["time", "leave-one-out"])
def test_what_came_after_the_split_does_not_count_in_the_training(how: Any) -> None:
    with pytest.warns(InputWarning, match="2 repeated rows of training pairs are not before the held-out"):
        dataset = prepared(REPEATED, weight_column="count", split=how)
    found = weights(dataset)
    assert found.pop(("u0", "i0")) == 2
    assert set(found.values()) == {1}


def test_repeated_rows_count_together_if_the_split_is_not_by_time() -> None:
    assert weights(prepared(REPEATED, weight_column="count"))["u0", "i0"] == 4


def test_weights_are_stored_and_checked(tmp_path: Path) -> None:
    dataset = prepared(weights="buy=5,view=1,cart=2")
    dataset.save(tmp_path / "shop")
    reopened = open_dataset(tmp_path / "shop")
    np.testing.assert_array_equal(reopened.weights, dataset.weights)
    assert dataset.weights is not None
    bad = dataset.weights.copy()
    bad[0] = -1
    triptych.Dataset(dataset.users, dataset.items, dataset.interactions, weights=bad).save(tmp_path / "bad")
    with pytest.raises(ArtefactError, match="a weight is not a number above 0"):
        open_dataset(tmp_path / "bad")


def test_a_test_file_needs_no_weights(tmp_path: Path) -> None:
    log = write_text(tmp_path / "log.csv", "user,item,event\nu,a,view\nu,b,buy\nv,a,buy\n")
    test = write_text(tmp_path / "test.csv", "user,item\nv,b\n")
    settings = PrepareSettings(weights="view=1,buy=3", test_file=str(test), validation=0)
    dataset = prepare(log, tmp_path / "out", settings)
    assert weights(dataset) == {("u", "a"): 1, ("u", "b"): 3, ("v", "a"): 3, ("v", "b"): 1}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"weights": "buy=5,view=1"}, 'the event type "cart" has no weight'),
        ({"weights": "buy=5,view=1,cart=1,sell=2"}, 'no row has the event type "sell"'),
        ({"weights": "buy=5", "event_column": "-"}, "has no event types"),
        ({"half_life": "9d", "time_column": "-", "event_column": "-"}, "there are no times"),
        ({"weight_transform": "log", "event_column": "-"}, "has no weight column to transform"),
        ({"weight_column": "huge", "event_column": "-"}, "the weights are too large to be added"),
        ({"weight_column": "cuont"}, 'has no column "cuont"'),
        ({"weight_column": "bad", "event_column": "-"}, "the weight -1 is less than 0"),
        ({"weight_column": "gaps", "event_column": "-"}, "the weight is empty"),
    ],
)
def test_weights_that_cannot_be_used_are_refused(settings: dict[str, Any], message: str) -> None:
    frame = LOG.with_columns(bad=pl.Series([1, 1, -1, 1, 1]), gaps=pl.Series([1, None, 1, 1, 1]), huge=pl.lit(1e308))
    with pytest.raises(InputError, match=message) as caught:
        prepared(frame, **settings)
    assert caught.value.hint


@pytest.mark.parametrize(
    "settings",
    [{"weights": "buy"}, {"weights": "buy=-1"}, {"weights": "buy=1,buy=2"}, {"half_life": "9"}, {"half_life": "0d"}],
)
def test_texts_that_are_no_weights_are_refused_at_once(settings: dict[str, Any]) -> None:
    with pytest.raises(SettingsError):
        PrepareSettings(**settings)
