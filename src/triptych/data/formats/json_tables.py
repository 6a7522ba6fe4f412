"""JSON files of rows: one object per line (also as Python writes dictionaries), or one list of objects -> columns.
Objects over several lines, or several on a line, are read too.

A column of numbers stays one, a column of lists of plain values becomes lists of texts, and a column of lists of
objects becomes lists of structs. All other columns become text; what is not plain in them becomes JSON text.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable, Iterator
from itertools import chain, islice
from typing import Any

import numpy as np
import polars as pl

from triptych.data.formats.separated import Rows
from triptych.data.formats.text_file import TextFile, not_utf8, reported
from triptych.data.ids import EXACT
from triptych.errors import InputError, location
from triptych.progress import Listener, ignore_progress
from triptych.texts import as_utf8

BLOCK = 50_000  # objects that are parsed at a time
INT64 = 2**63
EXACT_FLOAT = EXACT[pl.Float64]


def read_json_rows(text: TextFile, listener: Listener = ignore_progress) -> Rows:
    """Read a JSON file of rows. Raises InputError, with the line, for what is not JSON or is not an object."""
    try:
        return _rows(text, listener)
    except UnicodeDecodeError:
        raise not_utf8(text) from None


def _rows(text: TextFile, listener: Listener) -> Rows:
    first = text.first_line().lstrip()
    numbered = _whole_list(text) if first.startswith("[") else _objects(text, first, listener)
    lines: list[int] = []
    blocks = []
    while block := list(islice(numbered, BLOCK)):  # Python's objects take much more memory than columns
        for line, value in block:
            if not isinstance(value, dict):
                raise InputError(
                    "is not a JSON object", where=location(text.path, row=line), hint="write {…} on each line"
                )
        lines += [line for line, _ in block]
        names = dict.fromkeys(chain.from_iterable(value for _, value in block))
        columns = (column_of(as_utf8(str(name)), [value.get(name) for _, value in block]) for name in names)
        blocks.append({column.name: column for column in columns})
    lengths = [min(BLOCK, len(lines) - begin) for begin in range(0, len(lines), BLOCK)]
    frame = pl.DataFrame([_joined(name, blocks, lengths) for name in dict.fromkeys(chain.from_iterable(blocks))])
    return Rows(frame, np.array(lines, dtype=np.int64))


def _joined(name: str, blocks: list[dict[str, pl.Series]], lengths: list[int]) -> pl.Series:
    """Return a column of all blocks. A block that lacks it has nulls; blocks of different types become one type."""
    parts = [
        block[name] if name in block else pl.Series(name, [None] * length, dtype=pl.Null)
        for block, length in zip(blocks, lengths, strict=True)
    ]
    known = [part for part in parts if part.null_count() < len(part)]
    if len({str(part.dtype) for part in known}) > 1:
        return column_of(name, [value for part in parts for value in part.to_list()])
    dtype = known[0].dtype if known else pl.String
    return pl.concat([part if part.dtype == dtype else part.cast(pl.Null).cast(dtype) for part in parts])


def _objects(text: TextFile, first: str, listener: Listener) -> Iterator[tuple[int, Any]]:
    """Yield the objects of a file with one per line, with their lines."""
    parse: Callable[[str], Any] = json.loads
    kind = "JSON"
    if _parsed(json.loads, first) is None and isinstance(_parsed(ast.literal_eval, first), dict):
        parse, kind = ast.literal_eval, "a Python dictionary"
    elif first.startswith("{") and _parsed(json.loads, first) is None:
        yield from _one_after_the_other(text)
        return
    with text.lines() as lines:
        for number, line in enumerate(reported(lines, text, listener), start=1):
            if not line.strip():
                continue
            try:
                yield number, parse(line.strip())
            except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError):
                raise InputError(
                    f"is not {kind}", where=location(text.path, row=number), hint="write one JSON object per line"
                ) from None


def _one_after_the_other(text: TextFile) -> Iterator[tuple[int, Any]]:
    """Yield the objects of a file where one may have several lines, or a line several, with their lines."""
    decode, space = json.JSONDecoder().raw_decode, re.compile(r"\s*")
    with text.lines() as stream:
        content = stream.read()
    position, line = 0, 1
    while (begin := space.match(content, position).end()) < len(content):  # type: ignore[union-attr]  # it matches
        line += content.count("\n", position, begin)
        try:
            value, position = decode(content, begin)
        except (json.JSONDecodeError, RecursionError) as error:
            row = getattr(error, "lineno", line)
            hint = "write one JSON object per line"
            raise InputError("is not JSON", where=location(text.path, row=row), hint=hint) from None
        yield line, value
        line += content.count("\n", begin, position)


def _parsed(parse: Callable[[str], Any], line: str) -> Any:
    try:
        return parse(line)
    except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError):
        return None


def _whole_list(text: TextFile) -> Iterator[tuple[int, Any]]:
    """Yield the objects of a file that is one list, numbered from 1."""
    with text.lines() as stream:
        try:
            values = json.loads(stream.read())
        except json.JSONDecodeError as error:
            where = location(text.path, row=error.lineno)
            raise InputError(f"is not JSON: {error.msg}", where=where, hint="correct that line") from None
        except RecursionError:
            raise InputError("is nested too deeply", where=location(text.path), hint="write it again") from None
    yield from enumerate(values, start=1)


def column_of(name: str, values: list[Any]) -> pl.Series:
    """Return Python values as a column; see the module's docstring for the types."""
    kinds = {type(each) for each in values if each is not None}
    if kinds <= {bool} and kinds:
        return pl.Series(name, values, dtype=pl.Boolean)
    if kinds == {int} and all(each is None or -INT64 <= each < INT64 for each in values):
        return pl.Series(name, values, dtype=pl.Int64)
    if kinds and kinds <= {int, float} and all(type(each) is not int or abs(each) < EXACT_FLOAT for each in values):
        return pl.Series(name, [None if each is None else float(each) for each in values], dtype=pl.Float64)
    if kinds == {list}:
        inner = {type(each) for value in values if value is not None for each in value if each is not None}
        if not inner & {list, dict}:
            import pyarrow as pa

            texts = [None if value is None else [_text(each) for each in value] for value in values]
            return pl.Series(name, pa.array(texts, pa.list_(pa.large_string())))  # faster than polars from lists
        if inner == {dict}:
            return _structs(name, values)
    return pl.Series(name, [_text(each) for each in values], dtype=pl.String)


def _structs(name: str, values: list[Any]) -> pl.Series:
    """Return a column of lists of objects."""
    flat = [each or {} for value in values for each in value or ()]
    keys = dict.fromkeys(as_utf8(str(key)) for each in flat for key in each)
    fields = pl.DataFrame({key: column_of(key, [each.get(key) for each in flat]) for key in keys})
    rows = np.repeat(np.arange(len(values)), [len(value or ()) for value in values])
    lists = pl.DataFrame({"row": rows, "list": fields.to_struct()}).group_by("row", maintain_order=True).agg("list")
    every = pl.DataFrame({"row": np.arange(len(values))})
    return every.join(lists, on="row", how="left", maintain_order="left")["list"].alias(name)


def _text(value: Any) -> str | None:
    if value is None:
        return value
    if isinstance(value, str):
        return as_utf8(value)
    if isinstance(value, float) and value.is_integer() and abs(value) < EXACT_FLOAT:
        return str(int(value))
    if isinstance(value, bool | int | float):
        return str(value)
    return as_utf8(json.dumps(value, ensure_ascii=False, default=str))
