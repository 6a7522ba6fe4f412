"""Fields with several values as lists of texts, however they lie on disk.

Read are columns of lists, also nested or of objects with a name; JSON lists; lists as Python and NumPy print them; and
texts whose values stand between separators.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import polars as pl

from triptych.data.formats.tables import Table
from triptych.errors import InputError

NAMES = ("name", "title", "label", "value")  # the field of an object that says what it is
OPENING, CLOSING = "[({", "])}"


def has_lists(table: Table, column: str) -> bool:
    """Whether the fields of a column are lists, or texts of lists."""
    return _lists(table, column) is not None


def lists_in(table: Table, column: str, *, distinct: bool = True) -> pl.Series | None:
    """Return a column that has lists as lists of texts, null or empty without a value; None for others.

    distinct: whether a text that is there again is left out.
    Raises InputError for objects without a name.
    """
    lists = _lists(table, column)
    if lists is None:
        return None
    kept: Callable[[Iterator[str]], Iterable[str]] = dict.fromkeys if distinct else iter
    flat = [None if each is None else list(kept(_leaves(table, column, each))) for each in lists]
    return pl.Series(column, flat, dtype=pl.List(pl.String))


def value_lists(table: Table, column: str, separator: str) -> tuple[pl.Series, list[str]]:
    """Return a column of several values as `lists_in` does, or texts whose values stand between separators; and notes.

    separator: between the values of a text that is no list. Raises InputError for objects without a name.
    """
    lists = lists_in(table, column)
    if lists is not None:
        return lists, []
    text = table.text(column)
    known = text.drop_nulls()
    n_lists = sum(map(_looks_like_a_list, known.to_list()))
    notes = []
    if n_lists:
        notes.append(
            f'{table.path.name}: {n_lists:,} of {len(known):,} fields of "{column}" look like lists, not the others: '
            f'all are read as text with the separator "{separator}"'
        )
    values = text.str.split(separator).list.eval(pl.element().str.strip_chars())
    return values.list.eval(pl.element().filter(pl.element() != "")), notes


def _lists(table: Table, column: str) -> list[Any] | None:
    """Return the fields of a column as Python lists, None where there is no value; None if they are no lists."""
    values = table.frame[table.require(column)]
    if isinstance(values.dtype, pl.List | pl.Array):
        return values.to_list()
    if values.dtype != pl.String:
        return None
    texts = table.text(column).to_list()
    known = [each for each in texts if each is not None]
    if not known or not all(map(_looks_like_a_list, known)):
        return None
    lists = [None if each is None else _parsed(each) for each in texts]
    return lists if all(each is None or isinstance(each, list) for each in lists) else None


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
