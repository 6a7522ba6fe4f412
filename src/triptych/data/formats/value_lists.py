"""Fields with several values as lists of texts, however they lie on disk.

Read are columns of lists, also nested or of objects with a name; JSON lists; lists as Python and NumPy print them; and
texts whose values stand between separators.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from typing import Any

import polars as pl

from triptych.data.formats.tables import Table
from triptych.errors import InputError

NAMES = ("name", "title", "label", "value")  # the field of an object that says what it is
OPENING, CLOSING = "[({", "])}"


def value_lists(table: Table, column: str, separator: str) -> tuple[pl.Series, list[str]]:
    """Return a column as lists of distinct texts, List(String), null or empty where there is no value; and notes.

    separator: between the values of a text that is no list. Raises InputError for objects without a name.
    """
    values = table.frame[table.require(column)]
    if isinstance(values.dtype, pl.List | pl.Array):
        return _as_series(values.name, [_flat(table, column, each) for each in values.to_list()]), []
    text = table.text(column)
    known = text.drop_nulls()
    n_lists = sum(map(_looks_like_a_list, known.to_list()))
    if n_lists:
        parsed = [None if each is None else _parsed(each) for each in text.to_list()]
        if all(isinstance(each, list) for each in parsed if each is not None) and len(known) == n_lists:
            return _as_series(values.name, [_flat(table, column, each) for each in parsed]), []
    lists = text.str.split(separator).list.eval(pl.element().str.strip_chars())
    notes = []
    if n_lists:
        notes.append(
            f'{table.path.name}: {n_lists:,} of {len(known):,} fields of "{column}" look like lists, not the others: '
            f'all are read as text with the separator "{separator}"'
        )
    return lists.list.eval(pl.element().filter(pl.element() != "")), notes


def has_lists(table: Table, column: str) -> bool:
    """Whether the fields of a column are lists, or texts of lists."""
    values = table.frame[table.require(column)]
    if isinstance(values.dtype, pl.List | pl.Array):
        return True
    if values.dtype != pl.String:
        return False
    known = table.text(column).drop_nulls().to_list()
    return bool(known) and all(_looks_like_a_list(each) and isinstance(_parsed(each), list) for each in known)


def _looks_like_a_list(text: str) -> bool:
    position = OPENING.find(text[0])
    return position >= 0 and text[-1] == CLOSING[position] and (position == 0 or text[1:2] in "'\"[({")


def _parsed(text: str) -> Any:
    """Return the list that a text writes down, or the text itself."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        # NumPy prints no commas between texts, and Python would join what has none between
        with_commas = re.sub(r"""(['"])\s+(['"])""", r"\1, \2", text)
        try:
            value = ast.literal_eval(with_commas)
        except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError):
            return text
    return list(value) if isinstance(value, list | tuple | set | frozenset) else text


def _flat(table: Table, column: str, value: Any) -> list[str] | None:
    """Return the distinct texts in a list, which may be nested."""
    return None if value is None else list(dict.fromkeys(_leaves(table, column, value)))


def _leaves(table: Table, column: str, value: Any) -> Iterator[str]:
    if isinstance(value, list | tuple | set | frozenset):
        for each in value:
            yield from _leaves(table, column, each)
    elif isinstance(value, dict):
        name = next((value[name] for name in NAMES if isinstance(value.get(name), str)), None)
        if name is None:
            raise InputError(
                f"has objects without a name (fields: {', '.join(map(str, value))})",
                where=table.location(column=column),
                hint="write a list of texts",
            )
        yield from _leaves(table, column, name)
    elif value is not None and (text := str(value).strip()):
        yield text


def _as_series(name: str, lists: list[list[str] | None]) -> pl.Series:
    return pl.Series(name, lists, dtype=pl.List(pl.String))
