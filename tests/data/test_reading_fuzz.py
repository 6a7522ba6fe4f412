"""Files of all dialects are read as independent readers read them, or refused with a named error.

TRIPTYCH_FUZZ_CASES sets the number of cases of each test, for longer runs.
"""

from __future__ import annotations

import csv
import datetime as dt
import gzip
import io
import math
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from triptych.data.formats.log import Log, log_from_table
from triptych.data.formats.read_table import read_table
from triptych.data.formats.reading import Quotes, Reading
from triptych.data.formats.tables import Table
from triptych.data.formats.times import read_times
from triptych.data.ids import WHITE_SPACE, id_series
from triptych.data.vocabulary import Vocabulary
from triptych.errors import InputError, TriptychError

T = TypeVar("T")
CASES = int(os.environ.get("TRIPTYCH_FUZZ_CASES", "120"))
fuzzed = settings(max_examples=CASES, deadline=None)

# words of ids: plain, with leading zeros, with all that dialects care about, of several scripts
LETTERS = st.characters(codec="utf-8", exclude_categories=["Cs"], exclude_characters="\0")
WORDS = st.one_of(
    st.from_regex(r"[A-Za-z0-9_-]{1,8}", fullmatch=True),
    st.from_regex(r"0\d{1,5}", fullmatch=True),
    st.text(st.sampled_from(list("ab1\"',;|\t .:-+é사 \u200b")), min_size=1, max_size=6),
    st.text(LETTERS, min_size=1, max_size=6),
)
RAW = st.text(st.sampled_from(list('ab1"",,;\t\n\n\r .é')), max_size=60)


def as_file(content: bytes, suffix: str) -> Path:
    folder = Path(tempfile.mkdtemp(prefix="triptych-fuzz-"))
    path = folder / f"log{suffix}"
    path.write_bytes(content)
    return path


def outcome(path: Path, read: Callable[[], T]) -> T | TriptychError:
    """Return what a file is read as, or the error that refuses it and says where and what to do; remove the file."""
    try:
        return read()
    except TriptychError as error:
        if not error.where or not error.hint:
            raise
        return error
    finally:
        path.unlink()
        path.parent.rmdir()


def plain_id(text: str) -> str | None:
    return text.strip(WHITE_SPACE) or None


def is_ambiguous(ids: list[str]) -> bool:
    """Whether a column of ids is one that the reader converts or refuses: floats as text, scientific notation."""
    known = [each.strip() for each in ids if each.strip()]
    all_floats = bool(known) and all(each.lstrip("-").removesuffix(".0").isdecimal() for each in known)
    return all_floats and any(each.endswith(".0") for each in known)


@fuzzed
@given(
    rows=st.lists(st.tuples(WORDS, WORDS, st.integers(0, 4_000_000_000)), min_size=1, max_size=12),
    separator=st.sampled_from([",", ";", "|", "\t"]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    line_end=st.sampled_from(["\n", "\r\n", "\r"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "gb18030"]),
    blank_lines=st.booleans(),
    header=st.booleans(),
    compress=st.booleans(),
)
def test_a_written_log_is_read_as_it_was_written(
    rows: list[tuple[str, str, int]],
    separator: str,
    quoting: Any,
    line_end: str,
    encoding: str,
    blank_lines: bool,
    header: bool,
    compress: bool,
) -> None:
    quotes: Quotes = "csv" if separator == "\t" and quoting == csv.QUOTE_MINIMAL else "auto"
    if any(set("\r\n") & set(word) for row in rows for word in row[:2]):
        quoting = csv.QUOTE_ALL  # the csv module quotes only those line ends that it writes itself
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, delimiter=separator, quoting=quoting, lineterminator=line_end)
    if header:
        writer.writerow(("user_id", "item_id", "timestamp"))
    for number, row in enumerate(rows):
        writer.writerow(row)
        if blank_lines and number % 2:
            stream.write(line_end)
    content = stream.getvalue().encode(encoding)
    path = as_file(gzip.compress(content) if compress else content, ".tsv" if separator == "\t" else ".csv")
    reading = Reading(
        header=() if header else ("user", "item", "time"),
        encoding=encoding if encoding == "gb18030" else "",
        quotes=quotes,
    )
    log = outcome(path, lambda: read_log(path, reading, separator))
    if isinstance(log, TriptychError):
        assert any("e+" in each.lower() for row in rows for each in row[:2]), log
        return
    if is_ambiguous([row[0] for row in rows]) or is_ambiguous([row[1] for row in rows]):
        return
    assert log.frame["user_id"].to_list() == [plain_id(row[0]) for row in rows]
    assert log.frame["item_id"].to_list() == [plain_id(row[1]) for row in rows]


def read_log(path: Path, reading: Reading, separator: str | None = None) -> Log:
    return log_from_table(read_table(path, reading, separator=separator), Reading(missing_times="ignore"))


@fuzzed
@given(text=RAW, separator=st.sampled_from([",", ";", "\t"]), quotes=st.sampled_from(["csv", "none"]))
def test_any_text_is_read_as_the_csv_module_reads_it(text: str, separator: str, quotes: Quotes) -> None:
    quoting: Any = csv.QUOTE_MINIMAL if quotes == "csv" else csv.QUOTE_NONE
    expected = [
        row
        for row in csv.reader(io.StringIO(text, newline=""), delimiter=separator, quoting=quoting)
        if row and not (len(row) == 1 and not row[0].strip())
    ]
    path = as_file(text.encode(), ".csv")
    table = outcome(path, lambda: read_table(path, Reading(quotes=quotes), separator=separator))
    if isinstance(table, TriptychError):
        assert is_refused(expected, text, separator, quotes), table
        return
    width = len(table.frame.columns)
    assert [list(row) for row in table.frame.rows()] == [
        [field or None for field in (row + [""] * (width - len(row)))[:width]] for row in expected[1:]
    ]
    numbers = [table.row(position) for position in range(len(table.frame))]
    assert numbers == sorted(numbers)
    assert all(1 <= number <= len(text.splitlines()) + 1 for number in numbers)


def is_refused(rows: list[list[str]], text: str, separator: str, quotes: Quotes) -> bool:
    """Whether a text must be refused: no rows, names twice, a row longer than the header, a quote that stays open."""
    if len(rows) < 2:
        return True
    names = [name.strip() for name in rows[0]]
    names = [name if name not in ("", "-") else f"column_{number}" for number, name in enumerate(names, 1)]
    if len(set(names)) < len(names) or any(len(row) > len(names) for row in rows):
        return True
    if quotes == "csv":
        try:
            list(csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True))
        except csv.Error as error:
            return "unexpected end" in str(error) or '"' in text
    return False


ZONES: Any = st.one_of(
    st.none(), st.integers(-14 * 4, 14 * 4).map(lambda quarter: dt.timezone(dt.timedelta(minutes=15 * quarter)))
)
MOMENTS = st.datetimes(dt.datetime(1902, 1, 1), dt.datetime(2090, 1, 1), timezones=ZONES)
FORMS = {
    "isoformat": lambda moment: moment.isoformat(),
    "with a blank": lambda moment: moment.isoformat(sep=" "),
    "without seconds": lambda moment: moment.isoformat(sep=" ", timespec="minutes"),
    "milliseconds": lambda moment: moment.isoformat(timespec="milliseconds"),
    "Postgres": lambda moment: moment.isoformat(sep=" ").removesuffix(":00"),
    "basic": lambda moment: moment.strftime("%Y%m%dT%H%M%S%z"),
    "slashes": lambda moment: moment.strftime("%Y/%m/%d %H:%M:%S%z"),
    "UTC": lambda moment: moment.astimezone(dt.UTC).strftime("%Y-%m-%d %H:%M:%S UTC"),
    "Z": lambda moment: moment.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    "day": lambda moment: moment.date().isoformat(),
}  # fmt: skip


@fuzzed
@given(moments=st.lists(MOMENTS, min_size=1, max_size=4), form=st.sampled_from(sorted(FORMS)))
def test_times_are_read_as_pandas_reads_them(moments: list[dt.datetime], form: str) -> None:
    texts = [FORMS[form](moment) for moment in moments]
    seconds, _ = read_times(Table(pl.DataFrame({"time": texts}), Path("log.csv")), "time")
    expected = [
        pd.to_datetime(text, utc=True, format="ISO8601" if form not in ("slashes", "UTC", "basic") else None)
        for text in texts
    ]
    assert seconds.to_list() == pytest.approx([each.timestamp() for each in expected], abs=1e-5)


NUMBERS = st.one_of(
    st.integers(-(2**63), 2**63 - 1), st.integers(-(2**54), 2**54), st.integers(0, 10**6),
    st.floats(allow_nan=False, width=64), st.floats(width=32, allow_nan=False),
)  # fmt: skip


@fuzzed
@given(
    values=st.lists(st.one_of(st.none(), NUMBERS), min_size=1, max_size=8),
    dtype=st.sampled_from([pl.Int64, pl.Float64, pl.Float32, pl.String]),
)
def test_numbers_as_ids_keep_all_their_digits_or_are_refused(values: list[float | None], dtype: Any) -> None:
    whole = [each for each in values if each is None or (math.isfinite(each) and float(each).is_integer())]
    ids = [None if each is None else int(each) for each in whole if each is None or -(2**63) <= each < 2**63]
    column = pl.Series("user", ids, dtype=pl.Int64).cast(dtype)
    table = Table(column.to_frame(), Path("log.parquet"))
    exact = {pl.Float64: 2**53, pl.Float32: 2**24}.get(dtype)
    if exact is not None and any(each is not None and abs(each) >= exact for each in ids):
        with pytest.raises(InputError, match="no room for its last digits"):
            table.ids("user", "user")
        return
    texts, _ = table.ids("user", "user")
    assert texts.to_list() == [None if each is None else str(each) for each in ids]


@fuzzed
@given(ids=st.lists(st.one_of(WORDS, st.integers(-(10**12), 10**12)), min_size=1, max_size=8), data=st.data())
def test_ids_in_python_are_those_of_files(ids: list[str | int], data: st.DataObject) -> None:
    """Any kind of list finds what the text of the same ids finds."""
    texts = list(dict.fromkeys(str(each).strip(WHITE_SPACE) for each in ids if str(each).strip(WHITE_SPACE)))
    vocabulary = Vocabulary(texts)
    kind: Any = data.draw(st.sampled_from([list, tuple, lambda each: np.array(each, dtype=object), pd.Series]))
    requested = [each for each in ids if str(each).strip(WHITE_SPACE)]
    assert id_series(kind(requested)).to_list() == [str(each) for each in requested]
    assert vocabulary.find(kind(requested)).tolist() == [
        texts.index(str(each).strip(WHITE_SPACE)) for each in requested
    ]
