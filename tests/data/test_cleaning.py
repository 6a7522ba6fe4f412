"""Cleaning keeps exactly the rows that its options ask for."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from triptych.data.cleaning import clean, k_core_of
from triptych.data.formats.log import Log
from triptych.data.split_codes import SPLITS, earliest

Pair = tuple[int, int]
PAIRS = st.sets(st.tuples(st.integers(0, 3), st.integers(0, 3)), max_size=9)
MANY_PAIRS = st.sets(st.tuples(st.integers(0, 12), st.integers(0, 12)), max_size=80)


def log_of(pairs: list[Pair]) -> pl.DataFrame:
    """A log with one row per pair."""
    names = [(f"u{user}", f"i{item}") for user, item in pairs]
    frame = pl.DataFrame(names, schema={"user_id": pl.String, "item_id": pl.String}, orient="row")
    return frame.with_columns(row=pl.int_range(len(names), dtype=pl.Int64))


def core(pairs: set[Pair], k: int) -> set[Pair]:
    """The pairs in the k-core."""
    frame = k_core_of(log_of(sorted(pairs)), k)
    return {(int(user[1:]), int(item[1:])) for user, item in zip(frame["user_id"], frame["item_id"], strict=True)}


def is_core(pairs: set[Pair], k: int) -> bool:
    """Whether every user and every item of the pairs has at least k of them."""
    return all(sum(1 for pair in pairs if pair[side] == each[side]) >= k for side in (0, 1) for each in pairs)


@given(PAIRS, st.integers(1, 3))
def test_the_k_core_is_the_largest_subset_where_all_users_and_items_have_k(pairs: set[Pair], k: int) -> None:
    subsets = (set(some) for size in range(len(pairs), -1, -1) for some in combinations(sorted(pairs), size))
    largest = next(some for some in subsets if is_core(some, k))
    assert core(pairs, k) == largest


@given(MANY_PAIRS, st.integers(1, 6))
def test_all_users_and_items_in_the_k_core_have_at_least_k(pairs: set[Pair], k: int) -> None:
    kept = core(pairs, k)
    assert kept <= pairs
    assert is_core(kept, k)
    assert core(kept, k) == kept


@given(MANY_PAIRS, st.integers(1, 5))
def test_the_core_of_a_larger_k_is_part_of_the_core_of_a_smaller_k(pairs: set[Pair], k: int) -> None:
    assert core(pairs, k + 1) <= core(pairs, k)


def test_dropping_one_user_can_drop_all_others_one_after_the_other() -> None:
    chain = {(row, row + step) for row in range(12) for step in (0, 1)}
    assert core(chain, 2) == set()
    assert core(chain | {(12, 0), (12, 12)}, 2) == chain | {(12, 0), (12, 12)}


ROWS = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 2), st.none() | st.integers(0, 5), st.integers(0, 2)),
    min_size=1,
    max_size=12,
)


@given(ROWS)
def test_the_earliest_of_duplicate_rows_is_kept_in_the_earliest_split(
    rows: list[tuple[int, int, int | None, int]],
) -> None:
    frame = log_of([(user, item) for user, item, _, _ in rows]).with_columns(
        time=pl.Series([time for _, _, time, _ in rows], dtype=pl.Float64),
        split=pl.Series([split for _, _, _, split in rows], dtype=pl.Int8),
    )
    result = clean(Log(frame, Path("log.csv")))
    codes = result.frame["split"].to_numpy()
    cleaned, counts = result.frame.with_columns(split=pl.Series(earliest(codes))), result.counts
    by_pair: dict[tuple[str, str], list[tuple[float, int, int]]] = {}
    for number, (user, item, time, split) in enumerate(rows):
        key = (f"u{user}", f"i{item}")
        by_pair.setdefault(key, []).append((float("inf") if time is None else time, number, split))
    first = {pair: min(split for _, _, split in same) for pair, same in by_pair.items()}
    expected = {
        pair: (min(each for each in same if each[2] == first[pair])[1], first[pair]) for pair, same in by_pair.items()
    }
    in_several = {split for same in by_pair.values() if len({each[2] for each in same}) > 1 for _, _, split in same}
    assert (codes >= len(SPLITS)).any() == bool(in_several)
    actual = {
        (user, item): (row, split)
        for user, item, row, split in cleaned.select("user_id", "item_id", "row", "split").iter_rows()
    }
    assert actual == expected
    assert cleaned["row"].is_sorted()
    assert counts.duplicate_rows == len(rows) - len(expected)
    assert counts.conflicting_splits == sum(len({split for _, _, split in same}) > 1 for same in by_pair.values())
    assert counts.rows_kept == len(expected)


@given(ROWS, st.integers(0, 5))
def test_rows_without_a_rating_are_dropped_by_a_minimum_rating(
    rows: list[tuple[int, int, int | None, int]], min_rating: int
) -> None:
    pairs = [(user, item) for user, item, _, _ in rows]
    ratings = pl.Series([rating for _, _, rating, _ in rows], dtype=pl.Float64)
    frame = log_of([*pairs, (9, 9)]).with_columns(rating=pl.concat([ratings, pl.Series([9.0])]))
    cleaned = clean(Log(frame, Path("log.csv")), min_rating=min_rating).frame
    high = {
        pair for pair, (_, _, rating, _) in zip(pairs, rows, strict=True) if rating is not None and rating >= min_rating
    }
    assert set(cleaned.select("user_id", "item_id").iter_rows()) == {(f"u{u}", f"i{i}") for u, i in high | {(9, 9)}}
