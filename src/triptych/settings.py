"""A table of text -> a frozen dataclass, or "did you mean …?".

A setting is written once, in a frozen dataclass beside what it sets: name, type with range, default, meaning.

    n_layers: Annotated[int, Interval(ge=0, le=16), Doc("propagation layers L")] = 2
"""

from __future__ import annotations

import dataclasses
import math
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from annotated_types import Interval
from pydantic import TypeAdapter, ValidationError
from typing_extensions import Doc

from triptych.errors import SettingsError, did_you_mean, location

T = TypeVar("T")


@dataclasses.dataclass(frozen=True)
class Setting:
    """One setting as a help page shows it."""

    name: str
    kind: str
    default: object
    meaning: str


@dataclasses.dataclass(frozen=True)
class Choices:
    """What a setting may be in a search: one of some values."""

    values: tuple[object, ...]


@dataclasses.dataclass(frozen=True)
class LogRange:
    """What a setting may be in a search: any number from low to high, drawn on a logarithmic scale. 0 < low < high."""

    low: float
    high: float


Search = Mapping[str, Choices | LogRange]


def parse(kind: type[T], values: Mapping[str, object], *, of: str = "") -> T:
    """`values` (text or typed) as an instance of the frozen dataclass `kind`.

    `of` names what is being set, for the message. Raises SettingsError: unknown name (with the closest known one),
    wrong type, out of range, not a finite number.
    """
    known = [field.name for field in dataclasses.fields(kind)]  # type: ignore[arg-type]
    whose = f" of {of}" if of else ""
    for name in values:
        if name not in known:
            raise SettingsError(f'unknown setting "{name}"{whose}', hint=did_you_mean(name, known))
    try:
        parsed = TypeAdapter(kind).validate_python(dict(values))
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0]) if first["loc"] else "?"
        raise _refused(kind, name, first["input"], _lowered(first["msg"]), whose) from None
    for name in known:
        value = getattr(parsed, name)
        if isinstance(value, float) and not math.isfinite(value):
            raise _refused(kind, name, value, "input should be a finite number", whose)
    return parsed


def divide(
    values: Mapping[str, Any], one: type[Any], other: type[Any], *, of: str
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Values as (those that `one` has, those that `other` has). Raises SettingsError on a name that neither knows."""
    ours, theirs = ({field.name for field in dataclasses.fields(kind)} for kind in (one, other))
    for name in values:
        if name not in ours | theirs:
            raise SettingsError(f'unknown setting "{name}" of {of}', hint=did_you_mean(name, ours | theirs))
    return (
        {name: value for name, value in values.items() if name in ours},
        {name: value for name, value in values.items() if name in theirs},
    )


def _refused(kind: type[Any], name: str, value: object, why: str, whose: str) -> SettingsError:
    setting = {setting.name: setting for setting in describe(kind)}[name]
    return SettingsError(
        f'setting "{name}"{whose} cannot be {value!r}: {why}',
        hint=f"{setting.meaning} ({setting.kind}, default {setting.default})",
    )


def describe(kind: type[Any]) -> list[Setting]:
    """The settings of a frozen dataclass, in the order they are written."""
    hints = get_type_hints(kind, include_extras=True)
    rows = []
    for field in dataclasses.fields(kind):
        hint = hints[field.name]
        notes = get_args(hint)[1:] if hasattr(hint, "__metadata__") else ()
        base = get_args(hint)[0] if notes else hint
        meaning = next((note.documentation for note in notes if isinstance(note, Doc)), "")
        default = field.default if field.default is not dataclasses.MISSING else None
        rows.append(Setting(field.name, _kind(base, notes), default, meaning))
    return rows


def assignments(pairs: list[str]) -> dict[str, object]:
    """`["n_layers=1", "dropout=0.3"]` (what `--set` collects) as a table. Raises SettingsError on anything else."""
    values: dict[str, object] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name.strip():
            raise SettingsError(f'"{pair}" is not NAME=VALUE', hint="write for example: --set n_layers=1")
        if name.strip() in values:
            raise SettingsError(f'setting "{name.strip()}" is given twice', hint="give it once")
        values[name.strip()] = value.strip()
    return values


def searches(pairs: Mapping[str, object]) -> Search:
    """`{"n_layers": [1, 2], "dropout": "0.3,0.5", "reg_weight": "1e-4..1e-1"}` as what a search goes through.

    Raises SettingsError.
    """
    space: dict[str, Choices | LogRange] = {}
    for name, value in pairs.items():
        if isinstance(value, list):
            if not value:
                raise SettingsError(f'"{name}" has nothing to choose from', hint="name its values")
            space[name] = Choices(tuple(value))
            continue
        text = str(value)
        low, dots, high = text.partition("..")
        if not dots:
            space[name] = Choices(tuple(each.strip() for each in text.split(",")))
            continue
        try:
            span = LogRange(float(low), float(high))
        except ValueError:
            span = LogRange(0.0, 0.0)
        if not 0 < span.low < span.high < math.inf:
            raise SettingsError(f'"{name}={text}" is no span', hint="write for example reg_weight=1e-4..1e-1")
        space[name] = span
    return space


def read_toml(path: Path) -> dict[str, Any]:
    """A TOML file as a table. Raises SettingsError that names the file and the line."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SettingsError("no such settings file", where=location(path), hint="check the path") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"is not TOML: {error}", where=location(path), hint="mend that line") from None


def _lowered(message: str) -> str:
    return message[:1].lower() + message[1:]


def _kind(base: object, notes: tuple[object, ...]) -> str:
    if get_origin(base) is Literal:
        return " | ".join(str(choice) for choice in get_args(base))
    name = base.__name__ if isinstance(base, type) else str(base)
    for note in notes:
        if isinstance(note, Interval):
            bounds = [f"{sign} {bound}" for sign, bound in _bounds(note) if bound is not None]
            name += " " + " and ".join(bounds)
    return name


def _bounds(interval: Interval) -> list[tuple[str, object]]:
    return [(">", interval.gt), (">=", interval.ge), ("<", interval.lt), ("<=", interval.le)]
