"""Conditions over the item table, in the words of SQL: `price < 50 and 'shoes' in category`.

polars computes the expression. Added to SQL is `'value' in column`: whether the value is one of several in a field. A
column of texts that are all numbers counts as numbers where the expression compares it with numbers.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import combinations
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray
from polars.exceptions import ColumnNotFoundError, PolarsError

from triptych import forks
from triptych.data.formats.tables import Table
from triptych.data.formats.value_lists import value_lists
from triptych.errors import InputError, SettingsError, argument, did_you_mean

SEPARATORS = "|;,"  # between the values of a field; the first one that the column has
MOST_TEXT_COLUMNS = 6  # that are tried as numbers, in all combinations
EXAMPLE = "for example: price < 50 and 'shoes' in category"
# a text or a number before `in` and the name of a column; or a text or a name, so that nothing inside these is found
TOKENS = re.compile(
    r"""(?P<value>'(?:[^']|'')*'|(?<![\w.])-?\d+(?:\.\d+)?)\s+(?P<negated>not\s+)?in\s+"""
    r"""(?P<column>"(?:[^"]|"")+"|`[^`]+`|[^\W\d]\w*)"""
    r"""|'(?:[^']|'')*'|"(?:[^"]|"")*"|`[^`]*`""",
    re.IGNORECASE,
)


def items_where(table: pl.DataFrame | None, condition: str | pl.Expr) -> NDArray[np.bool_]:
    """bool [n_items]: which rows of an item table satisfy a condition. Missing values compare as false.

    condition: SQL, or an expression of polars. Raises SettingsError for a condition that cannot be read, is not true or
    false, or names an unknown column; InputError if there is no item table.
    """
    table = require_item_table(table)
    forks.require_polars("a condition over the item table")
    if isinstance(condition, pl.Expr):
        return _truth(table, condition, str(condition))
    if not condition.strip():
        raise SettingsError("the condition is empty", hint=EXAMPLE)
    sql, members = _without_memberships(table, condition)
    try:
        expression = pl.sql_expr(sql)
        columns = expression.meta.root_names()
    except (PolarsError, pl.exceptions.PanicException) as error:
        raise SettingsError(f'cannot read the condition "{condition}": {_first_line(error)}', hint=EXAMPLE) from None
    for column in columns:
        if column not in members.columns:
            raise _unknown_column(column, table.columns, condition)
    try:
        return _truth(members, expression, condition)
    except SettingsError as error:
        numbers, not_numbers = _numbers(members, columns)
        for chosen in _subsets(numbers):
            try:
                # types decide, so one row is enough to see whether it works
                _truth(members.with_columns(chosen).head(1), expression, condition)
            except SettingsError:
                continue
            return _truth(members.with_columns(chosen), expression, condition)
        raise SettingsError(error.what, hint="; ".join([*not_numbers, EXAMPLE])) from None


def require_item_table(table: pl.DataFrame | None) -> pl.DataFrame:
    """Return the item table if there is one with columns beside the ids. Raises InputError."""
    if table is None or table.width < 2:
        raise InputError(
            "the data set has no item table, so items have no columns",
            hint=f"prepare it with {argument(items='items.csv')}",
        )
    return table


def _subsets(numbers: Sequence[pl.Series]) -> Iterable[Sequence[pl.Series]]:
    """Yield which columns of texts to read as numbers: some may be compared with texts, such as codes."""
    few = numbers[:MOST_TEXT_COLUMNS]
    return (chosen for size in range(1, len(few) + 1) for chosen in combinations(few, size))


def _truth(table: pl.DataFrame, expression: pl.Expr, condition: str) -> NDArray[np.bool_]:
    try:
        values = table.lazy().with_columns(expression.alias("\0")).collect()["\0"]
    except ColumnNotFoundError:
        unknown = next((name for name in expression.meta.root_names() if name not in table.columns), "")
        raise _unknown_column(unknown, table.columns, "") from None
    except (PolarsError, pl.exceptions.PanicException) as error:
        raise SettingsError(f'the condition "{condition}" fails: {_first_line(error)}', hint=EXAMPLE) from None
    if values.dtype != pl.Boolean:
        raise SettingsError(f'the condition "{condition}" is {values.dtype}, not true or false', hint=EXAMPLE)
    return values.fill_null(value=False).to_numpy().astype(np.bool_)


def _without_memberships(table: pl.DataFrame, condition: str) -> tuple[str, pl.DataFrame]:
    """Return the condition with a column of truth values for each `'value' in column`, and the table with these."""
    members: list[pl.Series] = []

    def replaced(match: re.Match[str]) -> str:
        if match["column"] is None:
            return match[0]
        column = _unquoted(match["column"])
        if column not in table.columns:
            raise _unknown_column(column, table.columns, condition)
        name = f"triptych_member_{len(members)}"
        members.append(_has_value(table, column, _unquoted(match["value"])).alias(name))
        return f"(NOT {name})" if match["negated"] else name

    sql = TOKENS.sub(replaced, condition)
    return sql, table.with_columns(members)


def _has_value(table: pl.DataFrame, column: str, value: str) -> pl.Series:
    """Return whether a value is one of the values of each field; the whole text of a field counts too."""
    values = table[column]
    texts = values.cast(pl.String) if not isinstance(values.dtype, pl.List | pl.Array) else None
    separator = next((s for s in SEPARATORS if texts is not None and texts.str.contains(s, literal=True).any()), "|")
    lists, _ = value_lists(Table(table, Path("item table")), column, separator)
    found = lists.list.contains(value).fill_null(value=False)
    return found if texts is None else found | (texts == value).fill_null(value=False)


def _numbers(table: pl.DataFrame, columns: Sequence[str]) -> tuple[list[pl.Series], list[str]]:
    """Return the columns of texts that are all numbers, as numbers; and why the others are not."""
    numbers, problems = [], []
    for name in dict.fromkeys(columns):
        if table[name].dtype == pl.String:
            try:
                numbers.append(Table(table, Path("item table")).numbers(name).alias(name))
            except InputError as error:
                problems.append(f'column "{name}": {error.what}')
    return numbers, problems


def _unknown_column(column: str, known: Sequence[str], condition: str) -> SettingsError:
    hint = did_you_mean(column, known)
    if f'"{column}"' in condition:
        hint += f" Texts stand in single quotes: '{column}'."
    return SettingsError(f'the item table has no column "{column}"', hint=hint)


def _unquoted(text: str) -> str:
    quote = text[0] if text[0] in "'\"`" else ""
    return text[1:-1].replace(quote * 2, quote) if quote else text


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
