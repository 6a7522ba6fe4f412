"""Cleaning keeps exactly what its options say."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from triptych.data.cleaning import clean, core
from triptych.data.formats.log import Log

Pair = tuple[int, int]
PAIRS = st.sets(st.tuples(st.integers(0, 3), st.integers(0, 3)), max_size=9)
MANY_PAIRS = st.sets(st.tuples(st.integers(0, 12), st.integers(0, 12)), max_size=80)


def log_of(pairs: list[Pair]) -> pl.DataFrame:
    names = [(f"u{user}", f"i{item}") for user, item in pairs]
    frame = pl.DataFrame(names, schema={"user_id": pl.String, "item_id": pl.String}, orient="row")
    return frame.with_columns(row=pl.int_range(len(names), dtype=pl.Int64))


def kept(pairs: set[Pair], k: int) -> set[Pair]:
    frame = core(log_of(sorted(pairs)), k)
    return {(int(user[1:]), int(item[1:])) for user, item in zip(frame["user_id"], frame["item_id"], strict=True)}


def is_core(pairs: set[Pair], k: int) -> bool:
    """Whether every user and every item of the pairs has at least k of them."""
    return all(sum(1 for pair in pairs if pair[side] == each[side]) >= k for side in (0, 1) for each in pairs)


@given(PAIRS, st.integers(1, 3))
def test_the_core_is_the_largest_set_where_all_have_k(pairs: set[Pair], k: int) -> None:
    subsets = (set(some) for size in range(len(pairs), -1, -1) for some in combinations(sorted(pairs), size))
    largest = next(some for some in subsets if is_core(some, k))
    assert kept(pairs, k) == largest


@given(MANY_PAIRS, st.integers(1, 6))
def test_everyone_in_the_core_has_at_least_k(pairs: set[Pair], k: int) -> None:
    left = kept(pairs, k)
    assert left <= pairs
    assert is_core(left, k)
    assert kept(left, k) == left


@given(MANY_PAIRS, st.integers(1, 5))
def test_a_core_of_more_lies_in_a_core_of_less(pairs: set[Pair], k: int) -> None:
    assert kept(pairs, k + 1) <= kept(pairs, k)


def test_a_core_falls_apart_one_after_the_other() -> None:
    chain = {(row, row + step) for row in range(12) for step in (0, 1)}
    assert kept(chain, 2) == set()
    assert kept(chain | {(12, 0), (12, 12)}, 2) == chain | {(12, 0), (12, 12)}


ROWS = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 2), st.none() | st.integers(0, 5), st.integers(0, 2)),
    min_size=1,
    max_size=12,
)


@given(ROWS)
def test_of_repeated_rows_the_earliest_is_kept_in_the_earliest_part(
    rows: list[tuple[int, int, int | None, int]],
) -> None:
    frame = log_of([(user, item) for user, item, _, _ in rows]).with_columns(
        time=pl.Series([time for _, _, time, _ in rows], dtype=pl.Float64),
        part=pl.Series([part for _, _, _, part in rows], dtype=pl.Int8),
    )
    cleaned, what = clean(Log(frame, Path("log.csv")))
    by_pair: dict[tuple[str, str], list[tuple[float, int, int]]] = {}
    for number, (user, item, time, part) in enumerate(rows):
        key = (f"u{user}", f"i{item}")
        by_pair.setdefault(key, []).append((float("inf") if time is None else time, number, part))
    expected = {pair: (min(those)[1], min(part for _, _, part in those)) for pair, those in by_pair.items()}
    found = {
        (user, item): (row, part)
        for user, item, row, part in cleaned.select("user_id", "item_id", "row", "split").iter_rows()
    }
    assert found == expected
    assert cleaned["row"].is_sorted()
    assert what.duplicates == len(rows) - len(expected)
    assert what.conflicting_splits == sum(len({part for _, _, part in those}) > 1 for those in by_pair.values())
    assert what.kept == len(expected)


@given(ROWS, st.integers(0, 5))
def test_a_rating_that_is_not_known_is_not_high_enough(
    rows: list[tuple[int, int, int | None, int]], least: int
) -> None:
    pairs = [(user, item) for user, item, _, _ in rows]
    ratings = pl.Series([rating for _, _, rating, _ in rows], dtype=pl.Float64)
    frame = log_of([*pairs, (9, 9)]).with_columns(rating=pl.concat([ratings, pl.Series([9.0])]))
    cleaned, _ = clean(Log(frame, Path("log.csv")), min_rating=least)
    high = {pair for pair, (_, _, rating, _) in zip(pairs, rows, strict=True) if rating is not None and rating >= least}
    assert set(cleaned.select("user_id", "item_id").iter_rows()) == {(f"u{u}", f"i{i}") for u, i in high | {(9, 9)}}
