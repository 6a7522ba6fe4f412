"""What the owner of a text file should know about its rows: fields that are missing or too many, rows of many lines."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from triptych.errors import InputError, argument, location


def too_many_fields(path: Path, row: int, n_fields: int, width: int, *, has_header: bool) -> InputError:
    expected = f"where the header has {width}" if has_header else f"where the first row has {width}"
    return InputError(
        f"{n_fields} fields {expected}",
        where=location(path, row=row),
        hint="quote fields that contain the separator, correct that row, or name all columns",
    )


def short_note(path: Path, lines: NDArray[np.int64], width: int) -> tuple[str, ...]:
    if not len(lines):
        return ()
    return (
        f"{path.name}: {len(lines):,} rows have fewer than {width} fields, first row {lines[0]}: "
        "the missing ones are read as empty",
    )


def several_note(path: Path, several: list[tuple[int, int]]) -> tuple[str, ...]:
    if not several:
        return ()
    first, last = several[0]
    return (
        f"{path.name}: lines {first} to {last} are one row, because a field between quotes has line breaks; there "
        f"are {len(several):,} such rows: if their lines are rows of their own, pass {argument(quotes='none')}",
    )


def trailing_note(path: Path, lines: list[int]) -> tuple[str, ...]:
    if not lines:
        return ()
    return (
        f"{path.name}: {len(lines):,} rows end with separators after the last field, first row {lines[0]}: these are "
        "passed over",
    )
