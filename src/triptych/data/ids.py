"""Ids as text: one rule for all places where ids come in: logs, item tables, files of ids, options and Python.

Ids are text. Whole numbers become text: 7, and 7.0 of a column of floats, are "7"; "007" stays "007". White space
around an id does not belong to it. Nothing else is changed: ids that only look the same stay different, and a note
names them.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterable
from decimal import Decimal
from typing import Any
from uuid import UUID

import numpy as np
import polars as pl
from numpy.typing import NDArray
from polars.exceptions import PolarsError

from triptych.errors import InputError
from triptych.texts import as_utf8

EXACT: dict[Any, int] = {
    pl.Float16: 2**11,
    pl.Float32: 2**24,
    pl.Float64: 2**53,
}  # larger whole numbers are not exact as floats
SCIENTIFIC = r"^\s*[+-]?\d(\.\d+)?[eE]\+\d+\s*$"  # how spreadsheets write long numbers, without their last digits
WRITTEN_FLOAT = r"^-?\d+\.0$"
PLAIN = r"^[\x21-\x7e]*$"
MISSING = [
    spelt
    for name in ("nan", "null", "none", "n/a", "na", "<na>", "nil", "undefined", "#n/a")
    for spelt in (name, name.upper(), name.capitalize())
] + ["NaN", "NaT", "\\N"]  # \N: of MySQL and Hive
# White_Space of Unicode, as polars strips it
WHITE_SPACE = "\t\n\v\f\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))
EXAMPLES = 3

Id = str | int | UUID | np.integer[Any]  # an id given in Python
Ids = Iterable[Id] | pl.Series | NDArray[Any]


class BadIdError(ValueError):
    """A value of a column is not an id. position: in the column, None if all values are of a wrong type."""

    def __init__(self, what: str, hint: str, position: int | None = None) -> None:
        super().__init__(what)
        self.what, self.hint, self.position = what, hint, position


def id_texts(values: pl.Series) -> tuple[pl.Series, bool]:
    """Return a column of ids as text, null where it is empty; and whether all texts are simple. Raises BadIdError.

    Simple texts have no white space, no characters outside ASCII and no +: they cannot look alike.

    Refused are fractions, types that have no text, and numbers that lost digits: large floats, and texts in scientific
    notation. A column of texts that are all "12.0" was written from floats: it is "12".
    """
    if values.dtype.is_float():
        values = _whole_numbers(values)
    elif values.dtype.is_decimal():
        values = _whole_numbers(values.cast(pl.Float64))
    try:
        if isinstance(values.dtype, pl.Struct):
            raise BadIdError("holds objects, not ids", "give the id of each object a column of its own")
        texts = values.cast(pl.String)
    except PolarsError:
        raise BadIdError(f"has type {values.dtype}, which cannot be read as text", "store text") from None
    if values.dtype != pl.String:
        return texts, True
    simple = not texts.str.contains(r"[^\x21-\x2a\x2c-\x7e]").any()
    if not simple:
        texts = texts.str.strip_chars()
        _check_texts(texts)
    if (texts == "").any():
        texts = texts.set(texts == "", None)
    return (_without_fractions(texts) if _all_floats(texts) else texts), simple


def id_notes(given: pl.Series, ids: pl.Series, noun: str, where: str, *, simple: bool = False) -> list[str]:
    """Return what the owner of a column of ids should know: changes by `id_texts`, and ids that look alike.

    given: the column as it was. noun: "user" or "item". simple: what `id_texts` returned.
    """
    notes = []
    changed = (given != ids).fill_null(value=False) if given.dtype == pl.String else pl.Series([False])
    if changed.any():
        example = _quoted(given.filter(changed).head(1))
        if _all_floats(given):
            notes.append(f"{where}: {noun} ids such as {example} were floats: read as whole numbers")
        else:
            notes.append(
                f"{where}: {int(changed.sum()):,} {noun} ids had white space around them, as {example}: removed"
            )
    groups = [] if simple else lookalikes(ids)
    if groups:
        shown = "; ".join(" and ".join(map(ascii, group)) for group in groups[:EXAMPLES])
        notes.append(
            f"{where}: {len(groups):,} {noun} ids differ from others by invisible characters or Unicode form alone: "
            f"{shown}; they count as different {noun}s"
        )
    for pattern, what in (("\ufffd", "the character U+FFFD"), ("^\0+$", "nothing but the character NUL")):
        if not simple and not groups and ids.str.contains(pattern).any():
            notes.append(
                f"{where}: {noun} ids have {what}: the file may be damaged, or in another encoding, and "
                f"different {noun}s may have become one"
            )
    is_missing = ids.is_in(MISSING)
    if is_missing.any():
        names = _quoted(ids.filter(is_missing).unique().sort())
        notes.append(
            f"{where}: {int(is_missing.sum()):,} rows have {names} as {noun} id, which looks like a missing value; "
            f"it counts as {'a' if noun == 'user' else 'an'} {noun}: if it is none, empty these fields"
        )
    return notes


def lookalikes(ids: pl.Series) -> list[list[str]]:
    """Return groups of ids that are one id after removing invisible characters and differences of Unicode form."""
    unusual = ids.filter(~ids.str.contains(PLAIN).fill_null(value=True)).unique()
    groups: dict[str, list[str]] = {}
    for each in unusual.sort().to_list():
        groups.setdefault(folded(each), []).append(each)
    plain = ids.filter(ids.is_in(pl.Series(list(groups), dtype=pl.String).implode())).unique()
    for each in plain.sort().to_list():
        if each not in groups[each]:
            groups[each].insert(0, each)
    return [group for group in groups.values() if len(group) > 1]


def folded(text: str) -> str:
    """Return a text in Unicode form NFKC, without control and format characters, with single spaces."""
    visible = (
        " " if character.isspace() else character
        for character in unicodedata.normalize("NFKC", text)
        if character.isspace() or unicodedata.category(character) not in ("Cc", "Cf")
    )
    return re.sub(" +", " ", "".join(visible)).strip()


def id_series(ids: Any, noun: str = "item") -> pl.Series:
    """Return String [n]: ids given in Python, in a list, an array, a tensor or a series: texts, whole numbers, UUIDs.

    Lists may mix them, with values of NumPy, pandas, polars and Arrow. Bytes of an argument that are not UTF-8 become
    U+FFFD: such an id is unknown. Raises InputError for a single id in place of a list, and for values that are not
    ids.
    """
    if isinstance(ids, str | bytes) or not isinstance(ids, Iterable) or getattr(ids, "ndim", 1) == 0:
        raise InputError(f"{ids!r} is one {noun} id, not a list of ids", hint=f"write [{ids!r}]")
    if isinstance(ids, pl.Series) and ids.dtype == pl.String:
        return ids.alias("id")
    integers = _integers(ids)
    if integers is not None:
        return integers.cast(pl.String)
    method = next((name for name in ("to_list", "tolist", "to_pylist") if hasattr(ids, name)), None)
    values: list[Any] = list(ids) if method is None else getattr(ids, method)()
    try:
        if not all(isinstance(each, str) for each in values):
            values = [id_text(each, noun) for each in values]
        return pl.Series("id", values, dtype=pl.String)
    except UnicodeEncodeError:
        return pl.Series("id", [as_utf8(each) for each in values], dtype=pl.String)


def _integers(ids: Any) -> pl.Series | None:
    """Return an array or a series of whole numbers without gaps as a series, without a loop; None for others."""
    if isinstance(ids, pl.Series):
        return ids.alias("id") if ids.dtype.is_integer() and not ids.null_count() else None
    is_pandas = hasattr(ids, "to_numpy") and getattr(getattr(ids, "dtype", None), "kind", None) in ("i", "u")
    values = ids.to_numpy() if is_pandas else ids
    is_list = isinstance(values, np.ndarray) and values.ndim == 1 and not isinstance(values, np.ma.MaskedArray)
    return pl.Series("id", values) if is_list and values.dtype.kind in "iu" else None


def id_text(value: Any, noun: str = "item") -> str:
    """Return one id given in Python as text. Raises InputError for what is no id."""
    if isinstance(value, np.generic) or getattr(value, "ndim", None) == 0:  # a tensor too
        value = value.item()
    elif hasattr(value, "as_py"):  # a scalar of Arrow
        value = value.as_py()
    if isinstance(value, str):
        return value
    if isinstance(value, float | Decimal) and math.isfinite(value) and value % 1 == 0:
        value = int(value) if abs(int(value)) < EXACT[pl.Float64] else value
    if _is_missing(value) or isinstance(value, bool | float | Decimal | bytes | list | tuple | dict | set):
        raise InputError(f"{value!r} is not {'a' if noun == 'user' else 'an'} {noun} id", hint="give text or a number")
    return str(value)


def _is_missing(value: Any) -> bool:
    """Whether a value is None, NaN, or pandas' NA or NaT."""
    try:
        return value is None or bool(value != value)
    except (TypeError, ValueError):  # NA is neither equal nor different; neither are arrays
        return True


def _whole_numbers(values: pl.Series) -> pl.Series:
    """Return a column of floats as integers. Raises BadIdError for a fraction, or a number that lost digits."""
    inexact = (values.is_finite() & (values.abs() >= EXACT[values.dtype])).fill_null(value=False)
    if inexact.any():
        position = int(inexact.arg_true()[0])
        raise BadIdError(
            f"{values[position]:.0f} is stored as {values.dtype}, which has no room for its last digits: different ids "
            "may have become one",
            "store the ids as text, or as whole numbers before they become floats (pandas: astype('Int64') before a "
            "join with gaps)",
            position,
        )
    whole = values.cast(pl.Int64, strict=False)
    fraction = (whole.cast(values.dtype) != values).fill_null(value=True) & values.is_not_null()
    if fraction.any():
        position = int(fraction.arg_true()[0])
        raise BadIdError(
            f"{values[position]} is not an id: ids are text or whole numbers", "store the ids as text", position
        )
    return whole


def _without_fractions(texts: pl.Series) -> pl.Series:
    """Return whole numbers such as "12.0" without ".0". Raises BadIdError where a float has no room for all digits."""
    whole = texts.str.strip_suffix(".0")
    exact = (whole.cast(pl.Int64, strict=False).abs() < EXACT[pl.Float64]).fill_null(value=False)
    long = ~exact & texts.is_not_null()
    if long.any():
        position = int(long.arg_true()[0])
        raise BadIdError(
            f'"{texts[position]}" was a float, without room for its last digits: different ids may have become one',
            "write the ids as text, or as whole numbers (pandas: astype('Int64') before a join with gaps)",
            position,
        )
    return whole


def _check_texts(texts: pl.Series) -> None:
    """Raise BadIdError for a number in scientific notation, and for an object of JSON."""
    objects = texts.str.contains(r'^\{".*\}$').fill_null(value=False)
    if objects.any():
        position = int(objects.arg_true()[0])
        hint = "give the id of each object a column of its own"
        raise BadIdError(f"{ascii(texts[position])[:60]} is an object, not an id", hint, position)
    scientific = texts.str.contains(SCIENTIFIC).fill_null(value=False)
    if scientific.any():
        position = int(scientific.arg_true()[0])
        raise BadIdError(
            f'"{texts[position]}" is a number without its last digits: ids may have become one another',
            "write the ids out (in a spreadsheet: format the column as text before opening the file)",
            position,
        )


def _all_floats(texts: pl.Series) -> bool:
    """Whether all texts are whole numbers with ".0", as pandas writes a column of numbers with gaps."""
    known = texts.drop_nulls()
    if not len(known) or not re.fullmatch(WRITTEN_FLOAT, known[0].strip()):
        return False
    return bool(known.str.strip_chars().str.contains(r"^(-?\d+\.0)?$").all())


def _quoted(values: pl.Series) -> str:
    return ", ".join(f'"{each}"' for each in values.head(EXAMPLES).to_list())
