"""Pairs in several splits: codes, splits of rows and metrics agree with plain sets."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from triptych.data.split import Split
from triptych.data.split_codes import N_CODES, SPLITS_OF_CODE, bits_of, codes_of, earliest, in_split
from triptych.preparing import PrepareSettings, dataset_from_frames
from triptych.training.fit import fit

EVENTS = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 5), st.integers(0, 40), st.integers(0, 2)), min_size=1, max_size=60
)
Pairs = set[tuple[str, str]]


def test_codes_are_the_sets_of_splits() -> None:
    codes = np.arange(N_CODES)
    assert codes_of(bits_of(codes)).tolist() == codes.tolist()
    assert len(set(SPLITS_OF_CODE)) == N_CODES == 2**3 - 1
    for code, splits in enumerate(SPLITS_OF_CODE):
        assert earliest(codes)[code] == min(splits)
        assert [bool(in_split(codes, each)[code]) for each in range(3)] == [each in splits for each in range(3)]


def frame_of(events: list[tuple[int, int, int, int]], **columns: pl.Series) -> pl.DataFrame:
    names = [(f"u{user}", f"i{item}") for user, item, _, _ in events]
    return pl.DataFrame(names, schema=["user_id", "item_id"], orient="row").with_columns(**columns)


def pairs_of(split: Split) -> list[Pairs]:
    users, items = split.train.users, split.train.items
    return [
        set(zip(users.names(each.users), items.names(each.items), strict=True))
        for each in (split.train.interactions, split.validation, split.test)
    ]


@given(EVENTS)
def test_every_row_of_a_given_split_is_kept_in_its_split(events: list[tuple[int, int, int, int]]) -> None:
    frame = frame_of(events, split=pl.Series([str(split) for *_, split in events]))
    expected = [{row[:2] for row in frame.iter_rows() if row[2] == str(split)} for split in range(3)]
    if not expected[0]:
        return
    split = Split.from_dataset(dataset_from_frames(frame, settings=PrepareSettings(seen="keep", split="given")))
    assert pairs_of(split) == expected
    assert pairs_of(Split.from_dataset(split.known_interactions())) == expected
    merged = Split.from_dataset(split.known_interactions(), "train+validation")
    assert pairs_of(merged) == [expected[0] | expected[1], set(), expected[2]]
    everything = Split.from_dataset(split.known_interactions(), "all")
    assert pairs_of(everything) == [set().union(*expected), set(), set()]


@given(EVENTS)
def test_rows_are_split_by_time_before_repeated_ones_are_dropped(events: list[tuple[int, int, int, int]]) -> None:
    frame = frame_of(events, time=pl.Series([float(time) for _, _, time, _ in events]))
    times = sorted(frame["time"])
    n = len(times)
    first, second = times[min(n - 1, round(n * 0.5))], times[min(n - 1, round(n * 0.75))]
    expected: list[Pairs] = [set(), set(), set()]
    for user, item, time in frame.iter_rows():
        expected[2 if time >= second else 1 if time >= first else 0].add((user, item))
    if not expected[0]:
        return
    settings = PrepareSettings(seen="keep", split="time", train=0.5, validation=0.25)
    assert pairs_of(Split.from_dataset(dataset_from_frames(frame, settings=settings))) == expected


@given(EVENTS, st.sampled_from(["keep", "drop"]))
def test_hits_are_those_of_plain_lists(events: list[tuple[int, int, int, int]], seen: str) -> None:
    frame = frame_of(events, split=pl.Series([str(split) for *_, split in events]))
    settings = PrepareSettings(seen="keep", split="given")
    if "0" not in frame["split"]:
        return
    dataset = dataset_from_frames(frame, settings=settings)
    train, _, test = pairs_of(Split.from_dataset(dataset))
    relevant = test if seen == "keep" else test - train
    if not relevant:
        return
    counts = {item: sum(pair[1] == item for pair in train) for item in dataset.items.ids}
    ranked = sorted(dataset.items.ids, key=lambda item: -counts[item])  # ties: by row
    recalls = {}
    for user in {user for user, _ in relevant}:
        shown = [item for item in ranked if seen == "keep" or (user, item) not in train][:3]
        mine = {item for each, item in relevant if each == user}
        recalls[user] = len(mine & set(shown)) / len(mine)
    report = fit("popularity", dataset).evaluate("test", seen=seen, metrics=["recall@3"])  # type: ignore[arg-type]
    names = dataset.users.names(report.users).to_list()
    assert dict(zip(names, report.per_user["recall@3"], strict=True)) == pytest.approx(recalls)
